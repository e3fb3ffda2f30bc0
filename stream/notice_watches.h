/* Which watch stands for which directory: a table of watch descriptors and paths. */
#ifndef STREAM_NOTICE_WATCHES_H
#define STREAM_NOTICE_WATCHES_H

#include <stdbool.h>
#include <stddef.h>

struct watch {
	int wd;
	char *path; /* below the root, "" for the root itself */
};

struct watches {
	struct watch *items; /* by wd, ascending */
	size_t n, cap;
};

void watches_fini(struct watches *watches);

/* The watch stands for `path` (copied) from now on. False: no memory. */
bool watches_set(struct watches *watches, int wd, const char *path)
	__attribute__((warn_unused_result));

/* NULL: unknown. */
const char *watches_path(const struct watches *watches, int wd);

void watches_drop(struct watches *watches, int wd);

/* The descriptor of some watch for `path` or below it, or -1. */
int watches_find_below(const struct watches *watches, const char *path);

#endif
