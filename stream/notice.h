/*
 * What the kernel tells about a directory: inotify, one watch for it and, if
 * recursive, one for each directory below.
 *
 * Notices only make changes visible sooner. Where they cannot be had (no more
 * watches, a directory that is gone) notice_trouble() says why, and whoever
 * polls goes on without them until notice_repair() succeeds. Knows no files of
 * a source, only names. One thread at a time; opening and repairing look at the
 * path, which takes as long as its file system likes.
 */
#ifndef STREAM_NOTICE_H
#define STREAM_NOTICE_H

#include "base/err.h"

#include <stdbool.h>

struct notice;

/* A path below the directory where something changed; NULL: anything may have changed. */
struct notice_sink {
	void *context;
	void (*on_change)(void *context, const char *relative_path);
};

/*
 * Watches `path` (copied; a link is followed). Fails only for lack of memory;
 * what cannot be watched is trouble, not failure.
 */
int notice_open(struct notice **notice, const char *path, bool recursive, struct err *err)
	__attribute__((warn_unused_result));
void notice_close(struct notice *notice);

/* Copied; set before the first of notice_read and notice_repair, which alone call it. */
void notice_set_sink(struct notice *notice, const struct notice_sink *sink);

/*
 * Readable when there is something for notice_read; -1: there are no notices,
 * which notice_repair may change.
 */
int notice_fd(const struct notice *notice);

/*
 * Takes a bounded piece of what the kernel has; the descriptor stays readable if there is more.
 * Does not block, but that directories that have just appeared below the path are opened.
 */
void notice_read(struct notice *notice);

/*
 * To be called every poll_interval, and when there is trouble: whether the
 * directory at the path is still the one that is watched, and if there was
 * trouble, tries again. Costs one stat when all is well.
 */
void notice_repair(struct notice *notice);

/* NULL: every change is told. Else the sentence why not. */
const char *notice_trouble(const struct notice *notice);

/* The trouble is the directory's own: it is gone, or may not be read. */
bool notice_has_no_directory(const struct notice *notice);

#endif
