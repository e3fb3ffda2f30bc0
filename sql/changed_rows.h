/*
 * A batch's rows of one table, as SQL sees them: a virtual table to insert
 * from, and functions by which a scan of the table finds the change that
 * belongs to the row it stands on.
 *
 * A statement for many rows costs SQLite a third of one statement for each:
 * its cursor stays open, and where the scan and the changes are in one order
 * nothing is looked up. Answers are right in whatever order SQLite asks;
 * only their price depends on it.
 *
 * The names are of one database connection; the table's name is part of them.
 * One thread at a time. Knows nothing of transactions and of which statement
 * pays when (sql/table.c).
 */
#ifndef SQL_CHANGED_ROWS_H
#define SQL_CHANGED_ROWS_H

#include "base/buf.h"
#include "base/err.h"
#include "stream/changes.h"
#include "stream/spec.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct changed_rows;

/*
 * Makes known, for the table `table` of the query (both outlive it):
 *
 *   "changed:TABLE"                    a virtual table: the columns of the table
 *   "is_changed:TABLE"(fields, start)  1 where a row of that key has a new count
 *   "count_of:TABLE"(fields, start)    its count, NULL where there is none
 *   "end_of:TABLE"(fields, start)      its window_end, likewise
 */
int changed_rows_open(struct changed_rows **changed, sqlite3 *db, const char *table,
	const struct query_spec *query, struct err *err) __attribute__((warn_unused_result));
/* No statement that uses the names may be left. NULL is fine. */
void changed_rows_close(struct changed_rows *changed);

/*
 * What there is from now on: `n` rows sorted by key, without a NULL among the
 * fields, borrowed until changed_rows_unset(). None has been met yet. False: no
 * memory.
 */
bool changed_rows_set(struct changed_rows *changed, const struct row_change *rows, size_t n);
void changed_rows_unset(struct changed_rows *changed);

/*
 * The virtual table shows the rows [from, to) that have a count and were not
 * met: no function was asked for their keys.
 */
void changed_rows_show(struct changed_rows *changed, size_t from, size_t to);

#endif
