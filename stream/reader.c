/*
 * One file's bytes. A plain file is read straight into the caller's buffer. A
 * compressed one goes through a buffer of raw bytes and a codec; where its
 * frames begin is written down on the way, so that a later opening can start
 * at one and discard what was delivered behind it.
 *
 * Which kind it is shows in the first bytes. At a file's start they come with
 * the first read, so a small plain file costs one open, one stat, one read.
 */
#include "stream/reader.h"

#include "base/buf.h"
#include "stream/codec.h"
#include "stream/reader_frames.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAW_BYTES   (128 * 1024)
#define MAGIC_BYTES 4

/* Which bytes open a compressed file; a bit that is 0 in the mask may be anything. */
static const struct magic {
	enum reader_format format;
	size_t len;
	unsigned char bytes[MAGIC_BYTES];
	unsigned char mask[MAGIC_BYTES];
} MAGICS[] = {
	{READER_GZIP, 2, {0x1f, 0x8b}, {0xff, 0xff}},
	{READER_ZSTD, 4, {0x28, 0xb5, 0x2f, 0xfd}, {0xff, 0xff, 0xff, 0xff}},
	/* A skippable frame, with which parallel compressors begin. */
	{READER_ZSTD, 4, {0x50, 0x2a, 0x4d, 0x18}, {0xf0, 0xff, 0xff, 0xff}},
};

/* Everything a reading owns; the codecs and the raw buffer stay from file to file. */
struct reader {
	int fd; /* -1: closed */
	struct buf path;
	struct entry_status status;
	struct position at; /* where this opening began */
	int64_t limit;
	int64_t offset; /* of the file: the next byte to read from the descriptor */
	enum reader_format format;
	bool is_format_known;
	struct file_identity head;                   /* see reader_head */
	unsigned char head_bytes[FINGERPRINT_BYTES]; /* head.fp_offset of them are what it is of */
	bool is_cut_magic; /* all there is are the first bytes of what may become a compressed file
			    */

	unsigned char *raw; /* RAW_BYTES; NULL until the first compressed file */
	const unsigned char *next;
	size_t n_next;    /* raw bytes not yet decompressed */
	int64_t unpacked; /* decompressed since the first frame of this opening */
	bool is_in_frame;
	bool is_output_cut; /* the codec filled the room it had and may hold more */
	struct err failure; /* found after bytes that were delivered first; code 0: none */
	struct codec *codecs[READER_ZSTD + 1];
	struct reader_frames frames;
};

struct reader *reader_new(void)
{
	struct reader *reader = calloc(1, sizeof(*reader));

	if (reader != NULL)
		reader->fd = -1;
	return reader;
}

void reader_free(struct reader *reader)
{
	if (reader == NULL)
		return;
	reader_close(reader);
	codec_free(reader->codecs[READER_GZIP]);
	codec_free(reader->codecs[READER_ZSTD]);
	buf_fini(&reader->path);
	free(reader->raw);
	free(reader);
}

void reader_close(struct reader *reader)
{
	if (reader->fd >= 0)
		(void)close(reader->fd);
	reader->fd = -1;
}

/* Is the file behind the descriptor the one we expect, with the bytes we read before? */
static int check_identity(
	const struct reader *reader, const struct file_identity *identity, struct err *err)
{
	int rc;

	if (!identity_is_at(identity, &reader->status))
		return err_set(
			err, ERR_MISSING, "%s: another file has that name now", reader->path.data);
	if (reader->status.size < identity->fp_offset)
		return err_set(err, ERR_MISSING, "%s: is shorter than the %lld bytes read",
			reader->path.data, (long long)identity->fp_offset);
	if (identity_change_mark(&reader->status) == identity->change_mark)
		return 0;
	rc = identity_fits(reader->fd, identity, err);
	if (rc == 0)
		return err_set(err, ERR_MISSING, "%s: was rewritten in place", reader->path.data);
	return rc == 1 ? 0 : err_prefix(err, "%s", reader->path.data);
}

/* Nothing has been read of what is open. */
static void begin_at(struct reader *reader, const struct position *at, int64_t limit)
{
	reader->at = *at;
	reader->limit = limit;
	reader->offset = at->offset;
	reader->is_format_known = false;
	reader->is_cut_magic = false;
	reader->head.fp_offset = 0;
	reader->n_next = 0;
	reader->unpacked = 0;
	reader->is_in_frame = false;
	reader->is_output_cut = false;
	reader->failure.code = ERR_NONE;
	reader_frames_clear(&reader->frames);
}

int reader_open(struct reader *reader, const struct reader_target *target, struct err *err)
{
	int fd;
	int rc;

	reader_close(reader);
	buf_clear(&reader->path);
	buf_add(&reader->path, target->path, strlen(target->path) + 1);
	if (!buf_ok(&reader->path))
		return err_nomem(err);
	fd = open_below(target->dir_fd, target->path, &reader->status, err);
	if (fd < 0)
		return fd;
	reader->fd = fd;
	if (target->identity != NULL) {
		rc = check_identity(reader, target->identity, err);
		if (rc != 0) {
			reader_close(reader);
			return rc;
		}
	}
	begin_at(reader, &target->at, target->limit);
	return 0;
}

int reader_open_again(struct reader *reader, const struct reader *other, const struct position *at,
	struct err *err)
{
	reader_close(reader);
	buf_clear(&reader->path);
	buf_add(&reader->path, other->path.data, other->path.len);
	if (!buf_ok(&reader->path))
		return err_nomem(err);
	reader->fd = fcntl(other->fd, F_DUPFD_CLOEXEC, 0);
	if (reader->fd < 0)
		return err_set_errno(err, errno, "cannot open %s again", other->path.data);
	reader->status = other->status;
	begin_at(reader, at, other->limit);
	return 0;
}

int reader_fd(const struct reader *reader)
{
	return reader->fd;
}

/* Reads at `offset`, never behind the limit. */
static int read_at(const struct reader *reader, int64_t offset, void *data, size_t room, size_t *n,
	struct err *err)
{
	ssize_t got;

	*n = 0;
	if (offset >= reader->limit)
		return 0;
	if ((int64_t)room > reader->limit - offset)
		room = (size_t)(reader->limit - offset);
	do {
		got = pread(reader->fd, data, room, offset);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_set_errno(err, errno, "cannot read %s at byte %lld", reader->path.data,
			(long long)offset);
	*n = (size_t)got;
	return 0;
}

static bool has_magic(const struct magic *magic, const unsigned char *bytes, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < magic->len; i++) {
		if ((bytes[i] & magic->mask[i]) != magic->bytes[i])
			return false;
	}
	return n > 0;
}

/* Judges the first bytes; fewer than MAGIC_BYTES only where the file has no more. */
static void learn_format(struct reader *reader, const unsigned char *bytes, size_t n)
{
	size_t i;

	reader->format = READER_PLAIN;
	reader->is_format_known = true;
	for (i = 0; i < sizeof(MAGICS) / sizeof(MAGICS[0]); i++) {
		if (!has_magic(&MAGICS[i], bytes, n))
			continue;
		reader->format = MAGICS[i].format;
		reader->is_cut_magic = n < MAGICS[i].len;
		reader_frames_add(&reader->frames, reader->at.offset, 0);
		return;
	}
}

/* Looks at the first bytes without moving. */
static int peek_format(struct reader *reader, struct err *err)
{
	unsigned char bytes[MAGIC_BYTES];
	size_t have = 0;
	size_t n;
	int rc;

	if (reader->is_format_known)
		return 0;
	do {
		rc = read_at(reader, (int64_t)have, bytes + have, sizeof(bytes) - have, &n, err);
		have += n;
	} while (rc == 0 && n > 0 && have < sizeof(bytes));
	if (rc == 0)
		learn_format(reader, bytes, have);
	return rc;
}

int reader_format(struct reader *reader, enum reader_format *format, struct err *err)
{
	int rc = peek_format(reader, err);

	if (rc == 0)
		*format = reader->format;
	return rc;
}

static int read_plain(struct reader *reader, char *data, size_t room, size_t *n, struct err *err)
{
	int rc = read_at(reader, reader->offset, data, room, n, err);

	reader->offset += (int64_t)*n;
	return rc;
}

/* Raw bytes and a codec for a compressed file. */
static int prepare_codec(struct reader *reader, struct err *err)
{
	struct codec **codec = &reader->codecs[reader->format];

	if (reader->raw == NULL)
		reader->raw = malloc(RAW_BYTES);
	if (*codec == NULL)
		*codec = reader->format == READER_GZIP ? codec_new_gzip() : codec_new_zstd();
	return reader->raw == NULL || *codec == NULL ? err_nomem(err) : 0;
}

static int fill_raw(struct reader *reader, struct err *err)
{
	int rc = read_at(reader, reader->offset, reader->raw, RAW_BYTES, &reader->n_next, err);

	reader->next = reader->raw;
	reader->offset += (int64_t)reader->n_next;
	return rc;
}

/* The offset in the file of the next raw byte that was not decompressed. */
static int64_t raw_offset(const struct reader *reader)
{
	return reader->offset - (int64_t)reader->n_next;
}

/* gzip files may be padded with zeros between and behind their members. */
static void skip_padding(struct reader *reader)
{
	while (reader->format == READER_GZIP && raw_offset(reader) > 0 && reader->n_next > 0 &&
		reader->next[0] == 0) {
		reader->next++;
		reader->n_next--;
	}
}

/* Decompresses some of the raw bytes into the output; *n of them, possibly none. */
static int unpack(struct reader *reader, char *data, size_t room, size_t *n, struct err *err)
{
	struct codec *codec = reader->codecs[reader->format];
	struct codec_io io = {
		.in = reader->next,
		.n_in = reader->n_next,
		.out = (unsigned char *)data,
		.n_out = room,
	};
	int rc;

	if (!reader->is_in_frame)
		codec_reset(codec);
	reader->is_in_frame = true;
	rc = codec_run(codec, &io, err);
	reader->next = io.in;
	reader->n_next = io.n_in;
	*n = room - io.n_out;
	reader->is_output_cut = io.n_out == 0;
	reader->unpacked += (int64_t)*n;
	if (rc != 0)
		return err_prefix(
			err, "%s near byte %lld", reader->path.data, (long long)raw_offset(reader));
	if (io.is_frame_end) {
		reader->is_in_frame = false;
		reader_frames_add(&reader->frames, raw_offset(reader), reader->unpacked);
	}
	return 0;
}

/* One step; *is_end: nothing more for now. */
static int step_packed(
	struct reader *reader, char *data, size_t room, size_t *n, bool *is_end, struct err *err)
{
	int rc;

	*n = 0;
	*is_end = false;
	if (reader->n_next == 0 && reader->is_in_frame && reader->is_output_cut) {
		rc = unpack(reader, data, room, n, err);
		if (rc != 0 || *n > 0)
			return rc;
	}
	if (reader->n_next == 0) {
		rc = fill_raw(reader, err);
		if (rc != 0)
			return rc;
	}
	if (!reader->is_in_frame)
		skip_padding(reader);
	*is_end = reader->n_next == 0;
	return *is_end ? 0 : unpack(reader, data, room, n, err);
}

/*
 * Steps until something new is there. What an earlier opening delivered behind
 * the frame's start is decompressed into the caller's buffer and discarded. A
 * failure waits until the bytes in front of it have been delivered.
 */
static int read_packed(struct reader *reader, char *data, size_t room, size_t *n, struct err *err)
{
	bool is_end = reader->is_cut_magic;
	int64_t behind;
	int rc;

	*n = 0;
	if (reader->failure.code != ERR_NONE) {
		*err = reader->failure;
		return err->code;
	}
	rc = prepare_codec(reader, err);
	if (rc != 0)
		return rc;
	while (!is_end && *n == 0) {
		rc = step_packed(reader, data, room, n, &is_end, err);
		behind = reader->unpacked - reader->at.skip;
		if (behind < (int64_t)*n) {
			behind = behind > 0 ? behind : 0;
			memmove(data, data + *n - (size_t)behind, (size_t)behind);
			*n = (size_t)behind;
		}
		if (rc != 0)
			break;
	}
	if (rc != 0 && *n > 0) {
		reader->failure = *err;
		rc = 0;
	}
	return rc;
}

/* At a file's start its kind shows in what is read anyway. *is_done: it was plain bytes. */
static int read_start(
	struct reader *reader, char *data, size_t room, size_t *n, bool *is_done, struct err *err)
{
	int rc = read_at(reader, 0, data, room, n, err);
	size_t n_head;

	*is_done = false;
	if (rc != 0 || *n < MAGIC_BYTES)
		return rc;
	learn_format(reader, (const unsigned char *)data, *n);
	n_head = *n < FINGERPRINT_BYTES ? *n : FINGERPRINT_BYTES;
	memcpy(reader->head_bytes, data, n_head);
	identity_fingerprint_bytes(data, n_head, &reader->head);
	*is_done = reader->format == READER_PLAIN;
	if (*is_done)
		reader->offset = (int64_t)*n;
	return 0;
}

int reader_read(struct reader *reader, char *data, size_t room, size_t *n, struct err *err)
{
	bool is_done = false;
	int rc = 0;

	assert(reader->fd >= 0 && room > 0);
	*n = 0;
	if (!reader->is_format_known && reader->offset == 0 && reader->at.skip == 0)
		rc = read_start(reader, data, room, n, &is_done, err);
	if (rc != 0 || is_done)
		return rc;
	rc = peek_format(reader, err);
	if (rc != 0)
		return rc;
	if (reader->format == READER_PLAIN)
		return read_plain(reader, data, room, n, err);
	return read_packed(reader, data, room, n, err);
}

void reader_position(const struct reader *reader, int64_t delivered, struct position *at)
{
	int64_t unpacked = reader->at.skip + delivered;
	const struct reader_frame *frame;

	if (!reader->is_format_known || reader->format == READER_PLAIN) {
		at->offset = reader->at.offset + delivered;
		at->unpacked = 0;
		at->skip = 0;
		return;
	}
	frame = reader_frames_find(&reader->frames, unpacked);
	at->offset = frame->offset;
	at->unpacked = reader->at.unpacked + frame->unpacked;
	at->skip = unpacked - frame->unpacked;
}

int64_t reader_file_bytes(const struct reader *reader, int64_t delivered)
{
	if (!reader->is_format_known || reader->format == READER_PLAIN)
		return reader->at.offset + delivered;
	return raw_offset(reader);
}

int reader_fingerprint(
	const struct reader *reader, int64_t bytes, struct file_identity *identity, struct err *err)
{
	if (bytes == 0 || bytes > reader->head.fp_offset)
		return identity_fingerprint(reader->fd, bytes, identity, err);
	if (bytes < reader->head.fp_offset) {
		identity_fingerprint_bytes(reader->head_bytes, (size_t)bytes, identity);
		return 0;
	}
	identity->fp_offset = bytes;
	identity->fp_head = reader->head.fp_head;
	identity->fp_tail = reader->head.fp_tail;
	return 0;
}

const struct file_identity *reader_head(const struct reader *reader)
{
	return &reader->head;
}

bool reader_is_mid_frame(const struct reader *reader)
{
	return reader->is_format_known && reader->format != READER_PLAIN &&
	       (reader->is_in_frame || reader->is_cut_magic);
}
