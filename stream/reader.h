/*
 * The bytes of one file: plain, or decompressed by content (gzip, zstd, several
 * members or frames; the name decides nothing). Knows nothing of lines. One
 * thread at a time.
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reader_format { READER_PLAIN, READER_GZIP, READER_ZSTD };

struct reader;

/* What is to be read. */
struct reader_target {
	int dir_fd;
	const char *path;                     /* below dir_fd */
	const struct file_identity *identity; /* whom we expect there; NULL: whoever it is */
	struct position at; /* of a plain file any byte, of others what reader_position gave */
	int64_t limit;      /* bytes of the file that exist for this reading: its planned size */
};

struct reader *reader_new(void); /* NULL: no memory */
void reader_free(struct reader *reader);

/*
 * Opens without following symbolic links and without blocking. ERR_MISSING: the
 * file is gone, or another one has its name, or it was rewritten in place
 * (the source finds out: source_gone). ERR_INVALID: no regular file. A reader
 * may be opened again for the next file (its buffers stay); opening closes
 * what was open.
 */
int reader_open(struct reader *reader, const struct reader_target *target, struct err *err)
	__attribute__((warn_unused_result));
void reader_close(struct reader *reader);

/* Opens what `other` has open once more, whatever its name is by now, at what reader_position gave. */
int reader_open_again(struct reader *reader, const struct reader *other, const struct position *at,
	struct err *err) __attribute__((warn_unused_result));

/* By the first bytes: looks at them if nothing was read yet. */
int reader_format(struct reader *reader, enum reader_format *format, struct err *err)
	__attribute__((warn_unused_result));

int reader_fd(const struct reader *reader);

/*
 * Up to `room` more bytes into `data`; *n == 0: nothing more for now (the
 * limit, a file that became shorter, or a frame that waits for its rest).
 * Broken compression (ERR_INVALID) and I/O errors fail; what was delivered
 * before them stands, and reader_position still tells about it.
 */
int reader_read(struct reader *reader, char *data, size_t room, size_t *n, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The position of the byte that lies `delivered` bytes behind the start of this
 * opening: plain files just add; compressed ones give a frame start at or
 * before it, the newest that is remembered, with the bytes before it, and the rest as skip. Line and
 * flags are the caller's and stay as they are in *at.
 */
void reader_position(const struct reader *reader, int64_t delivered, struct position *at);

/*
 * The bytes of the file, from its first one, that what lies before `delivered`
 * was made from: what identity_fingerprint is asked for. Of a compressed file
 * all that was read.
 */
int64_t reader_file_bytes(const struct reader *reader, int64_t delivered);

/*
 * Takes the fingerprints of the file's first `bytes` bytes. Those of bytes that
 * reader_head covers are of what was read, and nothing is read again.
 */
int reader_fingerprint(const struct reader *reader, int64_t bytes, struct file_identity *identity,
	struct err *err) __attribute__((warn_unused_result));

/*
 * The fingerprints of the file's first bytes, FINGERPRINT_BYTES at most, as they were when this
 * opening read them; fp_offset 0: it did not begin there.
 */
const struct file_identity *reader_head(const struct reader *reader);

/* True when a compressed file ended inside a member or frame: more is expected. */
bool reader_is_mid_frame(const struct reader *reader);

#endif
