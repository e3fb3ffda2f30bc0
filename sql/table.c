/*
 * Rows come sorted by key, so that SQLite finds the next place beside the last
 * one. Group texts are bound in place; a time is formatted once for a run of
 * rows that share it.
 */
#include "sql/table.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "sql/db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The text of the last time written, by its place in the row. */
struct time_text {
	int64_t us;
	int len; /* 0: none yet */
	char text[TIMESTAMP_TEXT_BYTES];
};

bool table_init(struct table *table, sqlite3 *db, const char *name, const struct query_spec *query)
{
	*table =
		(struct table){.db = db, .query = query, .name = mem_copy_text(name, strlen(name))};
	return table->name != NULL;
}

void table_forget(struct table *table)
{
	(void)sqlite3_finalize(table->put);
	(void)sqlite3_finalize(table->insert);
	(void)sqlite3_finalize(table->remove);
	table->put = NULL;
	table->insert = NULL;
	table->remove = NULL;
}

void table_fini(struct table *table)
{
	table_forget(table);
	free(table->name);
	table->name = NULL;
}

/* --- statements ------------------------------------------------------------ */

/* ` WHERE "action" IS ?1 AND … AND window_start = ?n` */
static void add_key_condition(struct buf *sql, const struct query_spec *query)
{
	size_t i;

	buf_add_text(sql, " WHERE ");
	for (i = 0; i < query->n_group_by; i++) {
		db_add_name(sql, query->group_by[i].column);
		buf_printf(sql, " IS ?%zu AND ", i + 1);
	}
	buf_printf(sql, "window_start = ?%zu", query->n_group_by + 1);
}

static void add_insert(struct buf *sql, const char *verb, const struct table *table)
{
	size_t n = table->query->n_group_by + 3;
	size_t i;

	buf_printf(sql, "%s INTO ", verb);
	db_add_name(sql, table->name);
	buf_add_text(sql, " VALUES(");
	for (i = 1; i <= n; i++)
		buf_printf(sql, "%s?%zu", i > 1 ? ", " : "", i);
	buf_add_char(sql, ')');
}

static int prepare_buf(struct table *table, struct buf *sql, sqlite3_stmt **stmt, struct err *err)
{
	int rc;

	buf_add_char(sql, '\0');
	rc = buf_ok(sql) ? db_prepare(table->db, sql->data, stmt, err) : err_nomem(err);
	buf_fini(sql);
	return rc;
}

static int prepare(struct table *table, struct err *err)
{
	size_t n = table->query->n_group_by;
	struct buf sql = {0};
	int rc;

	if (table->put != NULL)
		return 0;
	rc = schema_table_form(table->db, table->name, &table->form, err);
	if (rc < 0)
		return rc;
	if (table->form == TABLE_KEYED) {
		/* The key is the only index, and REPLACE a sixth cheaper there than DO UPDATE. */
		add_insert(&sql, "INSERT OR REPLACE", table);
	} else {
		buf_add_text(&sql, "UPDATE ");
		db_add_name(&sql, table->name);
		buf_printf(&sql, " SET window_end = ?%zu, count = ?%zu", n + 2, n + 3);
		add_key_condition(&sql, table->query);
	}
	rc = prepare_buf(table, &sql, &table->put, err);
	if (rc == 0) {
		buf_add_text(&sql, "DELETE FROM ");
		db_add_name(&sql, table->name);
		add_key_condition(&sql, table->query);
		rc = prepare_buf(table, &sql, &table->remove, err);
	}
	if (rc == 0 && table->form == TABLE_LOOSE) {
		add_insert(&sql, "INSERT", table);
		rc = prepare_buf(table, &sql, &table->insert, err);
	}
	if (rc < 0)
		table_forget(table);
	return rc;
}

/* --- rows ------------------------------------------------------------------ */

static bool has_null(const struct table *table, const struct row_change *rows, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		for (k = 0; k < table->query->n_group_by; k++) {
			if (rows[i].values[k].kind == EVENT_VALUE_NULL)
				return true;
		}
	}
	return false;
}

static void bind_time(sqlite3_stmt *stmt, int index, int64_t us, struct time_text *last)
{
	if (last->len == 0 || last->us != us) {
		last->us = us;
		last->len = (int)timestamp_format(us, last->text);
	}
	(void)sqlite3_bind_text(stmt, index, last->text, last->len, SQLITE_STATIC);
}

static int bind_key(sqlite3_stmt *stmt, const struct table *table, const struct row_change *row,
	struct time_text *start)
{
	size_t n = table->query->n_group_by;
	size_t i;

	for (i = 0; i < n; i++) {
		const struct event_value *value = &row->values[i];

		assert(value->kind != EVENT_VALUE_TOO_LONG);
		if (value->kind == EVENT_VALUE_NULL)
			(void)sqlite3_bind_null(stmt, (int)i + 1);
		else
			(void)sqlite3_bind_text(stmt, (int)i + 1,
				value->text != NULL ? value->text : "", (int)value->len,
				SQLITE_STATIC);
	}
	bind_time(stmt, (int)n + 1, row->start_us, start);
	return (int)n + 2;
}

static int apply_row(struct table *table, const struct row_change *row, struct time_text *start,
	struct time_text *end, struct err *err)
{
	sqlite3_stmt *stmt = row->count > 0 ? table->put : table->remove;
	int next = bind_key(stmt, table, row, start);
	int rc;

	if (row->count > 0) {
		bind_time(stmt, next, row->end_us, end);
		(void)sqlite3_bind_int64(stmt, next + 1, (int64_t)row->count);
	}
	rc = db_run(stmt, err);
	if (rc < 0 || row->count == 0 || table->form == TABLE_KEYED ||
		sqlite3_changes64(table->db) > 0)
		return rc;
	/* Loose, and there was no such row. */
	stmt = table->insert;
	next = bind_key(stmt, table, row, start);
	bind_time(stmt, next, row->end_us, end);
	(void)sqlite3_bind_int64(stmt, next + 1, (int64_t)row->count);
	return db_run(stmt, err);
}

int table_apply(struct table *table, const struct row_change *rows, size_t n, struct err *err)
{
	struct time_text start = {0}, end = {0};
	size_t i;
	int rc = 0;

	if (n == 0)
		return 0;
	rc = prepare(table, err);
	if (rc == 0 && table->form == TABLE_KEYED && has_null(table, rows, n)) {
		table_forget(table);
		rc = schema_loosen_table(table->db, table->name, table->query, err);
		if (rc == 0)
			rc = prepare(table, err);
	}
	for (i = 0; rc == 0 && i < n; i++)
		rc = apply_row(table, &rows[i], &start, &end, err);
	return rc;
}

int table_clear(struct table *table, struct err *err)
{
	struct buf sql = {0};
	int rc;

	buf_add_text(&sql, "DELETE FROM ");
	db_add_name(&sql, table->name);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_exec(table->db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}
