/*
 * The bytes of one file: plain, or decompressed by content (gzip, zstd, several
 * members or frames). Knows nothing of lines. One thread at a time.
 */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "base/err.h"
#include "stream/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reader_format { READER_PLAIN, READER_GZIP, READER_ZSTD };

struct reader;

/*
 * Opens `path` below `dir_fd` without following a symbolic link and without
 * blocking on a FIFO or device (those are ERR_INVALID), at `at`. `limit`: bytes
 * of the file that exist for this reading (its size when the batch was
 * planned). ERR_MISSING when it is gone. A reader may be opened again for the
 * next file (its buffers stay).
 */
struct reader *reader_new(void);
void reader_free(struct reader *reader);
int reader_open(struct reader *reader, int dir_fd, const char *path, const struct position *at,
	int64_t limit, struct err *err) __attribute__((warn_unused_result));
void reader_close(struct reader *reader);

enum reader_format reader_format(const struct reader *reader);
int reader_fd(const struct reader *reader);

/*
 * Up to `room` more bytes into `data`; *n == 0: nothing more for now (the
 * limit, or a frame that waits for its rest). Broken compression and I/O
 * errors fail; what was delivered before them stands.
 */
int reader_read(struct reader *reader, char *data, size_t room, size_t *n, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The position of the byte that lies `delivered` bytes behind the start of this
 * opening: plain files just add; compressed ones give the newest frame start
 * known at or before it, and the rest as skip. Line and flags are the caller's.
 */
void reader_position(const struct reader *reader, int64_t delivered, struct position *at);

/* True when a compressed file ended inside a member or frame: more is expected. */
bool reader_is_mid_frame(const struct reader *reader);

#endif
