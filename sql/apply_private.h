/*
 * What the parts of applying share: the statements, each kept prepared, and
 * binding to them. For sql/apply*.c alone.
 */
#ifndef SQL_APPLY_PRIVATE_H
#define SQL_APPLY_PRIVATE_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/apply.h"
#include "sql/file_rows.h"
#include "sql/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum apply_statement {
	PUT_REJECT,
	NEWEST_REJECT,
	TRIM_REJECTS,
	PUT_REJECT_TOTAL,
	SUM_REJECT_TOTALS,
	PUT_PROGRESS,
	TRIM_PROGRESS,
	CLEAR_PROGRESS,
	PUT_TOTALS,
	PUT_MESSAGE,
	PUT_NEWEST, /* the mirror's alone */
	N_STATEMENTS,
};

struct query_tables {
	struct table table;
	struct table open; /* append mode, checkpoint only */
	bool has_open;
};

struct apply {
	sqlite3 *db;
	enum apply_target target;
	const struct catalog *catalog;
	sqlite3_stmt *statements[N_STATEMENTS];
	struct query_tables *tables; /* one per query */
	struct file_rows *files;
	int64_t *next_reject; /* per source: the number of the next row; -1: to be looked up */
	struct buf scratch;
};

/* apply_bind.c */

/* NULL where `is_null`. */
void apply_bind_int(sqlite3_stmt *stmt, int index, int64_t value, bool is_null);
void apply_bind_time(sqlite3_stmt *stmt, int index, int64_t us, bool is_null);

/*
 * Bytes as people may see them: what is no UTF-8 becomes U+FFFD. Borrowed
 * until the statement has run; NULL binds NULL.
 */
void apply_bind_shown(struct apply *apply, sqlite3_stmt *stmt, int index, const char *text,
	size_t len);

/* apply_rejects.c */

/* Rows of rejects, trimmed to the newest, and their totals. */
int apply_rejects(struct apply *apply, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));

#endif
