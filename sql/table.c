/*
 * Rows come sorted by key. A keyed table takes many rows by few statements
 * (sql/changed_rows.h): where a good part of it changes it is walked from end
 * to end and each changed row written where the walk stands, a fifth of the
 * price of looking it up; else, and for rows that are new, SQLite looks up
 * each. A loose table takes one row after the other.
 */
#include "sql/table.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "sql/db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Walking over a row that stays costs an eighth of looking one up. */
#define WALK_SHARE 8

/* Below this a walk is not worth asking how long the table is. */
#define WALK_MIN_ROWS 4096

/*
 * Changes that one statement makes: SQLite keeps a second copy of the pages
 * that it has changed until it is over, because it might have to take it back
 * (a constraint, or any function, can stop it). A walk
 * makes more where one value of the key's first column has more rows.
 */
#define STATEMENT_ROWS 16384

bool table_init(struct table *table, sqlite3 *db, const char *name, const struct query_spec *query)
{
	*table = (struct table){
		.db = db, .query = query, .name = mem_copy_text(name, strlen(name)), .n_rows = -1};
	return table->name != NULL;
}

void table_forget(struct table *table)
{
	(void)sqlite3_finalize(table->put);
	(void)sqlite3_finalize(table->walk);
	(void)sqlite3_finalize(table->sweep);
	(void)sqlite3_finalize(table->insert);
	(void)sqlite3_finalize(table->remove);
	changed_rows_close(table->changed);
	table->put = NULL;
	table->walk = NULL;
	table->sweep = NULL;
	table->insert = NULL;
	table->remove = NULL;
	table->changed = NULL;
	table->n_rows = -1;
}

void table_fini(struct table *table)
{
	table_forget(table);
	free(table->name);
	table->name = NULL;
}

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

static int prepare_buf(struct table *table, struct buf *sql, sqlite3_stmt **stmt, struct err *err)
{
	int rc;

	buf_add_char(sql, '\0');
	rc = buf_ok(sql) ? db_prepare(table->db, sql->data, stmt, err) : err_nomem(err);
	buf_fini(sql);
	return rc;
}

/* `"count_of:counts"("action", window_start)` */
static void add_call(struct buf *sql, const struct table *table, const char *function)
{
	size_t i;

	buf_printf(sql, "\"%s:%s\"(", function, table->name);
	for (i = 0; i < table->query->n_group_by; i++) {
		db_add_name(sql, table->query->group_by[i].column);
		buf_add_text(sql, ", ");
	}
	buf_add_text(sql, "window_start)");
}

/* `column = coalesce("count_of:counts"("action", window_start), column)` */
static void add_new_value(
	struct buf *sql, const struct table *table, const char *column, const char *function)
{
	buf_printf(sql, "%s = coalesce(", column);
	add_call(sql, table, function);
	buf_printf(sql, ", %s)", column);
}

static const char *first_column(const struct query_spec *query)
{
	return query->n_group_by > 0 ? query->group_by[0].column : "window_start";
}

/*
 * Every row from one value of the key's first column to another is written as
 * it is to be. Asking first whether it has changed costs a sixth of that, and
 * saves it all for those that have not.
 */
static int prepare_walk(struct table *table, bool asks_first, sqlite3_stmt **stmt, struct err *err)
{
	struct buf sql = {0};

	buf_add_text(&sql, "UPDATE ");
	db_add_name(&sql, table->name);
	buf_add_text(&sql, " SET ");
	add_new_value(&sql, table, "count", "count_of");
	/* The end of a fixed window follows from the key. */
	if (table->query->session_us > 0) {
		buf_add_text(&sql, ", ");
		add_new_value(&sql, table, "window_end", "end_of");
	}
	/* Bounds on more columns than one would be looked at again for each row. */
	buf_add_text(&sql, " WHERE ");
	db_add_name(&sql, first_column(table->query));
	buf_add_text(&sql, " BETWEEN ?1 AND ?2");
	if (asks_first) {
		buf_add_text(&sql, " AND ");
		add_call(&sql, table, "is_changed");
	}
	return prepare_buf(table, &sql, stmt, err);
}

static int prepare_keyed(struct table *table, struct err *err)
{
	struct buf sql = {0};
	int rc = changed_rows_open(&table->changed, table->db, table->name, table->query, err);

	if (rc < 0)
		return rc;
	/* The key is the only index, and REPLACE a sixth cheaper there than DO UPDATE. */
	buf_add_text(&sql, "INSERT OR REPLACE INTO ");
	db_add_name(&sql, table->name);
	buf_printf(&sql, " SELECT * FROM \"changed:%s\"", table->name);
	rc = prepare_buf(table, &sql, &table->put, err);
	if (rc < 0)
		return rc;
	rc = prepare_walk(table, true, &table->walk, err);
	return rc == 0 ? prepare_walk(table, false, &table->sweep, err) : rc;
}

static int prepare_loose(struct table *table, struct err *err)
{
	size_t n = table->query->n_group_by;
	struct buf sql = {0};
	size_t i;
	int rc;

	buf_add_text(&sql, "UPDATE ");
	db_add_name(&sql, table->name);
	buf_printf(&sql, " SET window_end = ?%zu, count = ?%zu", n + 2, n + 3);
	add_key_condition(&sql, table->query);
	rc = prepare_buf(table, &sql, &table->put, err);
	if (rc < 0)
		return rc;
	buf_add_text(&sql, "INSERT INTO ");
	db_add_name(&sql, table->name);
	buf_add_text(&sql, " VALUES(");
	for (i = 1; i <= n + 3; i++)
		buf_printf(&sql, "%s?%zu", i > 1 ? ", " : "", i);
	buf_add_char(&sql, ')');
	return prepare_buf(table, &sql, &table->insert, err);
}

static int prepare(struct table *table, struct err *err)
{
	struct buf sql = {0};
	int rc;

	if (table->put != NULL)
		return 0;
	rc = schema_table_form(table->db, table->name, &table->form, err);
	if (rc == 0)
		rc = table->form == TABLE_KEYED ? prepare_keyed(table, err)
						: prepare_loose(table, err);
	if (rc == 0) {
		buf_add_text(&sql, "DELETE FROM ");
		db_add_name(&sql, table->name);
		add_key_condition(&sql, table->query);
		rc = prepare_buf(table, &sql, &table->remove, err);
	}
	if (rc < 0)
		table_forget(table);
	return rc;
}

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

static void bind_time(sqlite3_stmt *stmt, int index, int64_t us, struct timestamp_text *text)
{
	timestamp_text_set(text, us);
	(void)sqlite3_bind_text(stmt, index, text->text, (int)text->len, SQLITE_STATIC);
}

static void bind_value(sqlite3_stmt *stmt, int index, const struct event_value *value)
{
	assert(value->kind != EVENT_VALUE_TOO_LONG);
	if (value->kind == EVENT_VALUE_NULL)
		(void)sqlite3_bind_null(stmt, index);
	else
		(void)sqlite3_bind_text(stmt, index, value->text != NULL ? value->text : "",
			(int)value->len, SQLITE_STATIC);
}

/* Binds the key; returns the parameter behind it. */
static int bind_key(sqlite3_stmt *stmt, const struct table *table, const struct row_change *row,
	struct timestamp_text *start)
{
	size_t n = table->query->n_group_by;
	size_t i;

	for (i = 0; i < n; i++)
		bind_value(stmt, 1 + (int)i, &row->values[i]);
	bind_time(stmt, 1 + (int)n, row->start_us, start);
	return (int)n + 2;
}

static int remove_row(struct table *table, const struct row_change *row,
	struct timestamp_text *start, struct err *err)
{
	(void)bind_key(table->remove, table, row, start);
	return db_run(table->remove, err);
}

static int put_loose_row(struct table *table, sqlite3_stmt *stmt, const struct row_change *row,
	struct timestamp_text *start, struct timestamp_text *end, struct err *err)
{
	int next = bind_key(stmt, table, row, start);

	bind_time(stmt, next, row->end_us, end);
	(void)sqlite3_bind_int64(stmt, next + 1, (int64_t)row->count);
	return db_run(stmt, err);
}

static int apply_loose(
	struct table *table, const struct row_change *rows, size_t n, struct err *err)
{
	struct timestamp_text start = {0}, end = {0};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		if (rows[i].count == 0) {
			rc = remove_row(table, &rows[i], &start, err);
			continue;
		}
		rc = put_loose_row(table, table->put, &rows[i], &start, &end, err);
		/* There was no such row. */
		if (rc == 0 && sqlite3_changes64(table->db) == 0)
			rc = put_loose_row(table, table->insert, &rows[i], &start, &end, err);
	}
	return rc;
}

static int count_rows(struct table *table, struct err *err)
{
	struct buf sql = {0};
	int rc;

	buf_add_text(&sql, "SELECT count(*) FROM ");
	db_add_name(&sql, table->name);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_get_int(table->db, sql.data, 0, &table->n_rows, err)
			  : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

static bool same_first_value(
	const struct table *table, const struct row_change *a, const struct row_change *b)
{
	const struct event_value *x = a->values, *y = b->values;

	if (table->query->n_group_by == 0)
		return a->start_us == b->start_us;
	return x->len == y->len && (x->len == 0 || memcmp(x->text, y->text, x->len) == 0);
}

static int walk_rows(struct table *table, sqlite3_stmt *stmt, const struct row_change *first,
	const struct row_change *last, struct err *err)
{
	struct timestamp_text from = {0}, to = {0};

	if (table->query->n_group_by > 0) {
		bind_value(stmt, 1, first->values);
		bind_value(stmt, 2, last->values);
	} else {
		bind_time(stmt, 1, first->start_us, &from);
		bind_time(stmt, 2, last->start_us, &to);
	}
	return db_run(stmt, err);
}

/*
 * Changes those of the rows that are in the table, `n_there`, if these are so
 * many that this is cheaper than looking them up.
 */
static int walk(struct table *table, const struct row_change *rows, size_t n, size_t n_there,
	struct err *err)
{
	sqlite3_stmt *stmt;
	size_t from, to;
	int rc = 0;

	if (n_there < WALK_MIN_ROWS)
		return 0;
	if (table->n_rows < 0 && count_rows(table, err) < 0)
		return err->code;
	if (n_there < (uint64_t)table->n_rows / WALK_SHARE)
		return 0;
	stmt = n_there < (uint64_t)table->n_rows / 4 * 3 ? table->walk : table->sweep;
	for (from = 0; rc == 0 && from < n; from = to) {
		to = n - from > STATEMENT_ROWS ? from + STATEMENT_ROWS : n;
		while (to < n && same_first_value(table, &rows[to - 1], &rows[to]))
			to++;
		rc = walk_rows(table, stmt, &rows[from], &rows[to - 1], err);
	}
	return rc;
}

static int put_rows(struct table *table, size_t n, struct err *err)
{
	size_t from = 0;
	int rc = 0;

	while (rc == 0 && from < n) {
		size_t to = n - from > STATEMENT_ROWS ? from + STATEMENT_ROWS : n;

		changed_rows_show(table->changed, from, to);
		rc = db_run(table->put, err);
		from = to;
	}
	return rc;
}

static int remove_rows(
	struct table *table, const struct row_change *rows, size_t n, struct err *err)
{
	struct timestamp_text start = {0};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < n; i++) {
		if (rows[i].count > 0)
			continue;
		rc = remove_row(table, &rows[i], &start, err);
		if (rc == 0 && table->n_rows > 0)
			table->n_rows--;
	}
	return rc;
}

static int apply_keyed(
	struct table *table, const struct row_change *rows, size_t n, struct err *err)
{
	size_t n_new = 0, n_gone = 0;
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		n_new += rows[i].is_new;
		n_gone += rows[i].count == 0;
	}
	if (!changed_rows_set(table->changed, rows, n))
		return err_nomem(err);
	rc = walk(table, rows, n, n - n_new - n_gone, err);
	if (rc == 0)
		rc = put_rows(table, n, err);
	if (rc == 0 && table->n_rows >= 0) {
		table->n_rows += (int64_t)n_new;
		if (table->n_rows < (int64_t)(n - n_gone))
			table->n_rows = (int64_t)(n - n_gone);
	}
	changed_rows_unset(table->changed);
	return rc == 0 && n_gone > 0 ? remove_rows(table, rows, n, err) : rc;
}

int table_apply(struct table *table, const struct row_change *rows, size_t n, struct err *err)
{
	int rc;

	if (n == 0)
		return 0;
	rc = prepare(table, err);
	if (rc == 0 && table->form == TABLE_KEYED && has_null(table, rows, n)) {
		table_forget(table);
		rc = schema_loosen_table(table->db, table->name, table->query, err);
		if (rc == 0)
			rc = prepare(table, err);
	}
	if (rc < 0)
		return rc;
	return table->form == TABLE_KEYED ? apply_keyed(table, rows, n, err)
					  : apply_loose(table, rows, n, err);
}

int table_clear(struct table *table, struct err *err)
{
	struct buf sql = {0};
	int rc;

	table->n_rows = -1;
	buf_add_text(&sql, "DELETE FROM ");
	db_add_name(&sql, table->name);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_exec(table->db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}
