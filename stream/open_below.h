/*
 * Looking at and opening what lies below a directory, safely: symbolic links
 * are not followed anywhere below it, and opening never blocks.
 */
#ifndef STREAM_OPEN_BELOW_H
#define STREAM_OPEN_BELOW_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What we look at of an entry. Times in nanoseconds since the epoch. */
struct entry_status {
	uint64_t inode;
	int64_t birth_ns; /* 0: the file system has none */
	int64_t size;
	int64_t mtime_ns;
	int64_t ctime_ns;
	uint32_t device; /* major and minor, folded as the kernel does */
	uint32_t n_links;
	mode_t mode;
};

/* The status of `path` below `dir_fd`, of a link itself; "" is dir_fd. 0 or an errno. */
int entry_stat(int dir_fd, const char *path, struct entry_status *status);

/* Opens a directory for reading. A descriptor or a negative errno. */
int open_below_dir(int dir_fd, const char *path);

/*
 * Opens a regular file for reading. A descriptor, or ERR_MISSING (gone),
 * ERR_INVALID (a symbolic link, FIFO, socket, device or directory), ERR_IO.
 */
int open_below(int dir_fd, const char *path, struct entry_status *status, struct err *err)
	__attribute__((warn_unused_result));

/* Memory or descriptors were short: nothing is wrong with the file, no other could be opened. */
bool open_lacks_room(const struct err *err);

#endif
