/*
 * The life of a listening socket in the file system: is somebody alive behind
 * the path, take it over, owner and mode before the first client, and away
 * with it at the end, unless it is a successor's by then.
 *
 * Knows paths, not what is spoken there. The descriptors are handed to libuv,
 * which never sees the path: it would unlink it, whoever's it is.
 */
#ifndef DAEMON_LISTENER_H
#define DAEMON_LISTENER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct listener {
	char *path;  /* NULL: a socket that was given to us */
	int fd;      /* -1: none; libuv's once it is open there */
	dev_t device; /* of the path as we made it */
	ino_t inode;
};

#define LISTENER_NONE                                                                              \
	(struct listener)                                                                          \
	{                                                                                          \
		.fd = -1                                                                           \
	}

struct listener_options {
	const char *path;
	unsigned mode;
	const char *group; /* NULL: leave it */
	bool must_have_group; /* else a group that may not be given is passed over */
	bool makes_directory; /* the directory is a default of ours: made where it is missing */
};

/*
 * Listens. ERR_BUSY names the pid of a live holder, ERR_CONFIG what a person
 * must mend (no directory, a file in the way). A stale socket is replaced.
 */
int listener_open(struct listener *listener, const struct listener_options *options,
	struct err *err) __attribute__((warn_unused_result));

/*
 * A descriptor from the service manager: a listening Unix stream socket, else
 * ERR_CONFIG. Taken in any case.
 */
int listener_adopt(struct listener *listener, int fd, struct err *err)
	__attribute__((warn_unused_result));

/* The path that a Unix socket has, "" where it has none or would not fit. */
void listener_name(int fd, char *name, size_t size);

/*
 * Removes the path if it is still the one that was made, and closes `fd` unless
 * that is libuv's by now (-1).
 */
void listener_close(struct listener *listener);

#endif
