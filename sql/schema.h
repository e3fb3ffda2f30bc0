/*
 * The tables of both databases: their statements, the form a query's table
 * has, and how rows are numbered.
 *
 * The fixed tables stand in schema_shared.sql, schema_checkpoint.sql and
 * schema_mirror.sql, which the build embeds. A query's table has one of two
 * forms that look the same from outside:
 *
 *   keyed   WITHOUT ROWID, PRIMARY KEY (fields, window_start). Few bytes, fast
 *           to change, in the order of totals. A key of it cannot be NULL.
 *   loose   rows with an index over all columns. Takes the NULL group; twice
 *           the memory, a third of the rate.
 *
 * A table begins keyed and is rebuilt loose, once, in the transaction that
 * brings its first NULL. Knows no changes and no files.
 */
#ifndef SQL_SCHEMA_H
#define SQL_SCHEMA_H

#include "base/buf.h"
#include "base/err.h"
#include "stream/spec.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Goes up with every change of the tables in the checkpoint, for which sql/migrate.c gets a step;
 * stands in user_version. */
#define SCHEMA_VERSION 3

/*
 * Rows of files, rejects, progress and state:files: the owner's id above, a
 * number of its own below.
 */
#define SCHEMA_KEY_BITS 40

static inline int64_t schema_key(int64_t owner_id, int64_t number)
{
	return owner_id << SCHEMA_KEY_BITS | number;
}

static inline int64_t schema_key_number(int64_t key)
{
	return key & ((INT64_C(1) << SCHEMA_KEY_BITS) - 1);
}

/* Each runs inside the caller's transaction, or makes its own. */
int schema_create_shared(sqlite3 *db, struct err *err) __attribute__((warn_unused_result));
int schema_create_checkpoint(sqlite3 *db, struct err *err) __attribute__((warn_unused_result));
int schema_create_mirror(sqlite3 *db, struct err *err) __attribute__((warn_unused_result));

enum table_form { TABLE_MISSING, TABLE_KEYED, TABLE_LOOSE };

/*
 * The table of a query is named for it; that of its open windows (append mode)
 * is this. Owned by `buf`.
 */
const char *schema_open_table_name(struct buf *buf, const char *query);

int schema_table_form(sqlite3 *db, const char *table, enum table_form *form, struct err *err)
	__attribute__((warn_unused_result));

int schema_create_table(sqlite3 *db, const char *table, const struct query_spec *query,
	enum table_form form, struct err *err) __attribute__((warn_unused_result));

/* Fine where there is none. */
int schema_drop_table(sqlite3 *db, const char *table, struct err *err)
	__attribute__((warn_unused_result));

/* From keyed to loose, inside the caller's transaction. */
int schema_loosen_table(sqlite3 *db, const char *table, const struct query_spec *query,
	struct err *err) __attribute__((warn_unused_result));

/* Drops what a mirror filled from the checkpoint should not hold: the checkpoint's own tables. */
int schema_drop_state(sqlite3 *db, struct err *err) __attribute__((warn_unused_result));

#endif
