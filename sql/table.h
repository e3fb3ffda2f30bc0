/*
 * The rows of one query's table in one database, changed as a batch says.
 *
 * Rebuilds the table loose when the first NULL group comes (sql/schema.h).
 * Runs inside the caller's transaction. One thread at a time.
 */
#ifndef SQL_TABLE_H
#define SQL_TABLE_H

#include "base/err.h"
#include "sql/changed_rows.h"
#include "sql/schema.h"
#include "stream/changes.h"
#include "stream/spec.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct table {
	sqlite3 *db;                    /* borrowed, as is the query */
	const struct query_spec *query;
	char *name;                     /* owned */
	enum table_form form;           /* as found when the statements were prepared */
	sqlite3_stmt *put;              /* keyed: insert or change what `changed` shows; loose: change one */
	sqlite3_stmt *walk;             /* keyed only: change every row that `changed` knows */
	sqlite3_stmt *sweep;            /* the same, cheaper where nearly all are changed */
	sqlite3_stmt *insert;           /* loose only: one */
	sqlite3_stmt *remove;           /* one */
	struct changed_rows *changed;   /* keyed only; NULL while nothing is prepared */
	int64_t n_rows;                 /* about; -1: to be counted */
};

/* Nothing is prepared before the first change. False: no memory. */
bool table_init(struct table *table, sqlite3 *db, const char *name, const struct query_spec *query);
void table_fini(struct table *table);

int table_apply(struct table *table, const struct row_change *rows, size_t n, struct err *err)
	__attribute__((warn_unused_result));

/* Removes all rows. */
int table_clear(struct table *table, struct err *err) __attribute__((warn_unused_result));

/* The form may have changed behind our back (a rollback, a rebuild). */
void table_forget(struct table *table);

#endif
