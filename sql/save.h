/*
 * A snapshot as a plain SQLite file for programs that know nothing of tallyd.
 *
 * The file has the same tables with a DDL of its own: timestamps are plain TEXT
 * and no collation, function or module is named that a stock sqlite3 lacks; its
 * journal mode is the rollback journal. It is written beside `path` and renamed
 * over it, so a reader finds the old file or the new one and never half of one.
 *
 * store_save() of sql/store.h is declared there; this is the part of it that
 * works on any connection to a mirror.
 */
#ifndef SQL_SAVE_H
#define SQL_SAVE_H

#include "base/err.h"

#include <sqlite3.h>

/*
 * Copies all tables of `source`'s main database, as one transaction sees them,
 * into the new file `path`. On failure a piece of it may be left there.
 */
int save_copy(sqlite3 *source, const char *path, struct err *err)
	__attribute__((warn_unused_result));

#endif
