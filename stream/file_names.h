/*
 * Which names a source reads.
 *
 * A name that starts with `.` or `_`, or ends in `._COPYING_`, `.tmp`, `.part`,
 * `.swp` or `~`, is never read, be it a file's or that of a directory on the way
 * down. `glob` (fnmatch without flags: `*`, `?`, `[…]`, backslash) is for the
 * last part of a path alone, the file's own name.
 */
#ifndef STREAM_FILE_NAMES_H
#define STREAM_FILE_NAMES_H

#include <stdbool.h>

/* One part of a path, without a slash. */
bool file_name_is_ignored(const char *name);

/* A file's own name. */
bool file_name_matches(const char *name, const char *glob);

/* A path below the source's directory: no part ignored, no more parts than allowed. */
bool file_path_is_wanted(const char *path, bool recursive);

#endif
