/*
 * The tables of a mirror made to be those of a configuration: one per query,
 * the rows of `queries` and `settings`, and none that are of no source or
 * query of it. Inside the caller's transaction.
 */
#ifndef SQL_MIRROR_TABLES_H
#define SQL_MIRROR_TABLES_H

#include "base/err.h"
#include "sql/catalog.h"
#include "sql/store.h"

#include <sqlite3.h>
#include <stddef.h>

/* `checkpoint`: NULL at a start; at a reload what comes back is copied from it. */
int mirror_tables_set(sqlite3 *db, const struct catalog *catalog, const struct setting *settings,
	size_t n_settings, sqlite3 *checkpoint, struct err *err) __attribute__((warn_unused_result));

#endif
