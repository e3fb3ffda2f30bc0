/*
 * Rows that lie in memory, as a virtual table: what a statement for many rows
 * inserts from. Its cursor stays open and nothing is bound, so a row costs
 * SQLite a third of what a statement of its own does.
 *
 * The table is there without a CREATE, for its connection alone, and shows the
 * rows [from, to) of which `is_shown` says so. Knows nothing of what the rows
 * are. One thread at a time.
 */
#ifndef SQL_ROW_VIEW_H
#define SQL_ROW_VIEW_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct row_view {
	const char *columns; /* as CREATE TABLE has them between its parentheses */
	void *rows;          /* what both functions are given */
	/* Sets the result; what it points to stands until the next row is shown. */
	void (*show)(void *rows, size_t row, int column, sqlite3_context *result);
	bool (*is_shown)(const void *rows, size_t row); /* NULL: all are */
	size_t from, to;
};

/* Makes `view` (and what it points to) known as the table `name` until row_view_close. */
int row_view_open(struct row_view *view, sqlite3 *db, const char *name, struct err *err)
	__attribute__((warn_unused_result));

/* No statement that uses the name may be left; fine where it is not known. */
void row_view_close(sqlite3 *db, const char *name);

#endif
