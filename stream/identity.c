/* Fingerprints are taken with pread, so the descriptor's own position stays. */
#include "stream/identity.h"

#include "stream/xxh64.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#define FINGERPRINT_OF_NOTHING 0

/* 1: `len` bytes are in data; 0: the file ends before; an error of reading. */
static int read_range(int fd, int64_t from, unsigned char *data, size_t len, struct err *err)
{
	size_t have = 0;
	ssize_t n;

	while (have < len) {
		n = pread(fd, data + have, len - have, from + (int64_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(
				err, errno, "cannot read at byte %lld", (long long)from);
		if (n == 0)
			return 0;
		have += (size_t)n;
	}
	return 1;
}

/* 1: both hashes are there; 0: the file ends before `offset`. */
static int hash_ends(int fd, int64_t offset, uint64_t *head, uint64_t *tail, struct err *err)
{
	unsigned char data[FINGERPRINT_BYTES];
	size_t len = offset < FINGERPRINT_BYTES ? (size_t)offset : FINGERPRINT_BYTES;
	int rc = read_range(fd, 0, data, len, err);

	if (rc != 1)
		return rc;
	*head = xxh64(data, len, 0);
	*tail = *head;
	if (offset == (int64_t)len)
		return 1;
	rc = read_range(fd, offset - (int64_t)len, data, len, err);
	if (rc == 1)
		*tail = xxh64(data, len, 0);
	return rc;
}

int identity_fingerprint(int fd, int64_t offset, struct file_identity *identity, struct err *err)
{
	uint64_t head = 0;
	uint64_t tail = 0;
	int rc = hash_ends(fd, offset, &head, &tail, err);

	if (rc < 0)
		return rc;
	identity->fp_head = head;
	identity->fp_tail = tail;
	identity->fp_offset = offset;
	/* Cut off since it was read. */
	if (rc == 0)
		identity_fit_nothing(identity);
	return 0;
}

void identity_fit_nothing(struct file_identity *identity)
{
	identity->fp_head = FINGERPRINT_OF_NOTHING;
	identity->fp_tail = FINGERPRINT_OF_NOTHING;
}

void identity_fingerprint_bytes(const void *bytes, size_t n, struct file_identity *identity)
{
	assert(n <= FINGERPRINT_BYTES);
	identity->fp_head = xxh64(bytes, n, 0);
	identity->fp_tail = identity->fp_head;
	identity->fp_offset = (int64_t)n;
}

static bool is_of_nothing(const struct file_identity *identity)
{
	return identity->fp_head == FINGERPRINT_OF_NOTHING &&
	       identity->fp_tail == FINGERPRINT_OF_NOTHING;
}

int identity_fits(int fd, const struct file_identity *identity, struct err *err)
{
	uint64_t head;
	uint64_t tail;
	int rc;

	if (identity->fp_offset == 0)
		return 1;
	rc = hash_ends(fd, identity->fp_offset, &head, &tail, err);
	if (rc != 1)
		return rc;
	return head == identity->fp_head && tail == identity->fp_tail && !is_of_nothing(identity);
}

bool identity_is_at(const struct file_identity *identity, const struct entry_status *status)
{
	if (identity->device != status->device || identity->inode != status->inode)
		return false;
	return identity->birth_ns == status->birth_ns || identity->birth_ns == 0 ||
	       status->birth_ns == 0;
}

uint32_t identity_change_mark(const struct entry_status *status)
{
	uint64_t mark = xxh64_mix((uint64_t)status->ctime_ns);

	/* 0 is kept for "not known". */
	return (uint32_t)(mark >> 32) | 1u;
}
