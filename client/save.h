/* The daemon's tables as an SQLite file of their own. */
#ifndef CLIENT_SAVE_H
#define CLIENT_SAVE_H

#include "base/err.h"
#include "client/shell.h"

/*
 * Writes every table and view of the snapshot that the connection sees into a
 * new file beside `path` and renames it over it. The schema is plain: a stock
 * sqlite3 reads the file. Refuses to replace what is no SQLite file. On failure
 * `path` is as it was.
 */
int save_snapshot(struct shell *shell, const char *path, struct err *err)
	__attribute__((warn_unused_result));

#endif
