/*
 * Which file systems are another machine's. Of a path it is found in the
 * kernel's own list and without asking them: a server that does not answer
 * holds up whoever looks at a path of it, for as long as it likes.
 */
#ifndef BASE_MOUNTS_H
#define BASE_MOUNTS_H

#include "base/buf.h"

#include <stdbool.h>
#include <sys/types.h>

struct mount {
	dev_t device;   /* as stat() tells of files on it */
	bool is_remote; /* served by another machine, by a process, or mounted when it is looked at */
};

/* Appends the text of /proc/self/mountinfo and a NUL; nothing where it cannot be read. */
void mounts_read(struct buf *mountinfo);

/*
 * The mount that an absolute path lies on by its spelling; symbolic links on the way are not
 * seen. False: none of these lines is for it.
 */
bool mounts_find(const char *mountinfo, const char *path, struct mount *mount);

/* Of what is open: whether others write there of whom the local kernel does not hear. */
bool mounts_is_remote(int fd);

#endif
