/*
 * Files as a whole: read one, replace one so that a crash leaves the old or
 * the new, make a directory lasting. Every sentence names the path.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Appends the content, at most `max_bytes` (ERR_LIMIT beyond); ERR_MISSING
 * where there is no such file.
 */
int file_read_all(const char *path, size_t max_bytes, struct buf *buf, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Writes beside `path`, syncs, renames over it, syncs the directory. `mode` is
 * taken as it is, whatever the umask. On failure `path` is as it was and the
 * temporary file is gone; only where the last sync fails, the new content
 * stands and may not survive a power cut.
 */
int file_replace(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
	__attribute__((warn_unused_result));

/* Makes `path` and what is missing above it, each with `mode`. An existing directory is fine. */
int file_make_dirs(const char *path, mode_t mode, struct err *err)
	__attribute__((warn_unused_result));

int file_sync_dir(const char *path, struct err *err) __attribute__((warn_unused_result));

/*
 * Takes an exclusive lock (flock) on `path`, made if need be, and writes our
 * pid into it. ERR_BUSY names the holder's pid. Returns the descriptor, which
 * holds the lock as long as it is open.
 */
int file_lock(const char *path, int *fd, struct err *err) __attribute__((warn_unused_result));

/* Writes all or fails; retries on EINTR and short writes. */
int file_write_all(int fd, const void *bytes, size_t len, struct err *err)
	__attribute__((warn_unused_result));

#endif
