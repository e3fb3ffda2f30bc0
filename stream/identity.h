/*
 * Who a file is, apart from its name: where it lies on the disk, and
 * fingerprints of the bytes that have been read.
 *
 * In a run the device, the inode and the birth time tell files apart; after a
 * restart, a restore or a rewriting in place the fingerprints do. A change in
 * place that leaves the size and the first and last FINGERPRINT_BYTES before
 * the offset alone cannot be seen. Knows no source; any thread.
 */
#ifndef STREAM_IDENTITY_H
#define STREAM_IDENTITY_H

#include "base/err.h"
#include "stream/open_below.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FINGERPRINT_BYTES 4096

/* Zero means "not known" everywhere but in the fingerprints. All of it is worth storing. */
struct file_identity {
	uint64_t inode;
	int64_t birth_ns;     /* 0: the file system has none */
	int64_t fp_offset;    /* the fingerprints cover bytes of the file before this offset */
	uint64_t fp_head;     /* XXH64 of the first min(4096, fp_offset) bytes */
	uint64_t fp_tail;     /* XXH64 of the last min(4096, fp_offset) bytes before fp_offset */
	uint32_t device;      /* of this run; another one after a reboot */
	uint32_t change_mark; /* the change time, folded: shows a rewriting that keeps the rest */
};

/*
 * Hashes the bytes before `offset` of an open file into the fp_ fields. If the
 * file became shorter than that, they get a value that nothing fits, so the
 * next look finds that it was rewritten.
 */
int identity_fingerprint(int fd, int64_t offset, struct file_identity *identity, struct err *err)
	__attribute__((warn_unused_result));

/* The same of a file whose first `n` bytes, FINGERPRINT_BYTES at most, are at hand. */
void identity_fingerprint_bytes(const void *bytes, size_t n, struct file_identity *identity);

/* From now on no bytes have these: the next look finds that the file was rewritten. */
void identity_fit_nothing(struct file_identity *identity);

/* Do the bytes before fp_offset still have these fingerprints? 1 yes, 0 no, or a failure. */
int identity_fits(int fd, const struct file_identity *identity, struct err *err)
	__attribute__((warn_unused_result));

/* Device, inode and, where both have one, birth time. */
bool identity_is_at(const struct file_identity *identity, const struct entry_status *status);

uint32_t identity_change_mark(const struct entry_status *status);

#endif
