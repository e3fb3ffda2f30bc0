/*
 * The functions walk beside the scan: `at` is the change they stand at, and a
 * key is mostly the one there or the next. Where it is neither it is searched
 * for, so a plan that asks in another order, or twice, gets the same answers.
 */
#include "sql/changed_rows.h"

#include "base/mem.h"
#include "base/timestamp.h"
#include "sql/collation.h"
#include "sql/db.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A power of two: how many texts of times are kept at hand. */
#define TIME_TEXTS 1024

/* Batches repeat the same few hundred times for each group. */
struct time_text {
	int64_t us;
	int len; /* 0: none yet */
	char text[TIMESTAMP_TEXT_BYTES];
};

struct changed_rows {
	sqlite3 *db;
	const char *table;
	const struct query_spec *query;
	const struct row_change *rows; /* NULL: none are set */
	size_t n;
	size_t at;          /* where the walk stands; n: behind the last */
	unsigned char *met; /* a bit for each row */
	size_t from, to;    /* shown by the virtual table */
	/* Apart, so that the two texts of a row never take each other's place. */
	struct time_text starts[TIME_TEXTS], ends[TIME_TEXTS];
};

static const struct time_text *text_of(struct time_text *times, int64_t us)
{
	uint64_t hash = (uint64_t)us * UINT64_C(0x9e3779b97f4a7c15);
	struct time_text *time = &times[hash >> 54];

	_Static_assert(TIME_TEXTS == 1 << (64 - 54), "the hash gives a place");
	if (time->len == 0 || time->us != us) {
		time->us = us;
		time->len = (int)timestamp_format(us, time->text);
	}
	return time;
}

/* Not copied: the row is written before its place among `times` is taken by another. */
static void show_time(sqlite3_context *context, struct time_text *times, int64_t us)
{
	const struct time_text *time = text_of(times, us);

	sqlite3_result_text(context, time->text, time->len, SQLITE_STATIC);
}

static bool is_met(const struct changed_rows *changed, size_t i)
{
	return (changed->met[i / 8] >> i % 8 & 1) != 0;
}

/* --- the functions --------------------------------------------------------- */

static int compare_texts(const char *a, size_t n_a, const char *b, size_t n_b)
{
	int order = n_a == 0 || n_b == 0 ? 0 : memcmp(a, b, n_a < n_b ? n_a : n_b);

	return order != 0 ? order : (n_a > n_b) - (n_a < n_b);
}

/* The change's key with that of the table's row: below, equal, above. */
static int compare(struct changed_rows *changed, size_t i, sqlite3_value **key)
{
	const struct row_change *row = &changed->rows[i];
	size_t n = changed->query->n_group_by;
	const struct time_text *time;
	const char *text;
	int len;

	for (size_t k = 0; k < n; k++) {
		int order;

		text = (const char *)sqlite3_value_text(key[k]);
		order = compare_texts(row->values[k].text, row->values[k].len, text,
			(size_t)sqlite3_value_bytes(key[k]));
		if (order != 0)
			return order;
	}
	time = text_of(changed->starts, row->start_us);
	text = (const char *)sqlite3_value_text(key[n]);
	len = sqlite3_value_bytes(key[n]);
	if (len == time->len && memcmp(text, time->text, (size_t)len) == 0)
		return 0;
	return collation_compare(NULL, time->len, time->text, len, text);
}

/* The first change that is not below the key. */
static size_t search(struct changed_rows *changed, sqlite3_value **key)
{
	size_t low = 0, high = changed->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(changed, middle, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Moves to the change of the key; false: there is none, or it takes the row away. */
static bool find(struct changed_rows *changed, sqlite3_value **key)
{
	int order = -1;

	if (changed->n == 0)
		return false;
	while (changed->at < changed->n && (order = compare(changed, changed->at, key)) < 0)
		changed->at++;
	if (order != 0 && changed->at > 0 && compare(changed, changed->at - 1, key) >= 0) {
		changed->at = search(changed, key);
		order = changed->at < changed->n ? compare(changed, changed->at, key) : -1;
	}
	return order == 0 && changed->rows[changed->at].count > 0;
}

static void is_changed(sqlite3_context *context, int n_args, sqlite3_value **key)
{
	struct changed_rows *changed = sqlite3_user_data(context);
	bool is_found = find(changed, key);

	(void)n_args;
	if (is_found)
		changed->met[changed->at / 8] |= (unsigned char)(1 << changed->at % 8);
	sqlite3_result_int(context, is_found);
}

static void count_of(sqlite3_context *context, int n_args, sqlite3_value **key)
{
	struct changed_rows *changed = sqlite3_user_data(context);

	(void)n_args;
	if (find(changed, key))
		sqlite3_result_int64(context, (int64_t)changed->rows[changed->at].count);
}

static void end_of(sqlite3_context *context, int n_args, sqlite3_value **key)
{
	struct changed_rows *changed = sqlite3_user_data(context);

	(void)n_args;
	if (!find(changed, key))
		return;
	show_time(context, changed->ends, changed->rows[changed->at].end_us);
}

/* --- the virtual table ------------------------------------------------------- */

struct changed_table {
	sqlite3_vtab base;
	struct changed_rows *changed;
};

struct changed_cursor {
	sqlite3_vtab_cursor base;
	size_t at;
};

static struct changed_rows *changed_of(const sqlite3_vtab_cursor *cursor)
{
	return ((const struct changed_table *)cursor->pVtab)->changed;
}

static int on_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	struct changed_rows *changed = context;
	struct changed_table *new;
	struct buf sql = {0};
	int rc = SQLITE_NOMEM;

	(void)argc;
	(void)argv;
	(void)error;
	buf_add_text(&sql, "CREATE TABLE changed(");
	for (size_t i = 0; i < changed->query->n_group_by; i++)
		buf_printf(&sql, "field%zu TEXT, ", i);
	buf_add_text(&sql, "window_start TEXT, window_end TEXT, count INTEGER)");
	buf_add_char(&sql, '\0');
	if (buf_ok(&sql))
		rc = sqlite3_declare_vtab(db, sql.data);
	buf_fini(&sql);
	if (rc != SQLITE_OK)
		return rc;
	new = sqlite3_malloc(sizeof(*new));
	if (new == NULL)
		return SQLITE_NOMEM;
	*new = (struct changed_table){.changed = changed};
	*table = &new->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	info->estimatedCost = 1e6;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	struct changed_cursor *new = sqlite3_malloc(sizeof(*new));

	(void)table;
	if (new == NULL)
		return SQLITE_NOMEM;
	*new = (struct changed_cursor){0};
	*cursor = &new->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

/* To the next row that is shown, from this one on. */
static void settle(struct changed_cursor *cursor)
{
	const struct changed_rows *changed = changed_of(&cursor->base);

	while (cursor->at < changed->to &&
		(changed->rows[cursor->at].count == 0 || is_met(changed, cursor->at)))
		cursor->at++;
}

static int on_filter(
	sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	struct changed_cursor *cursor = (struct changed_cursor *)base;

	(void)plan;
	(void)text;
	(void)argc;
	(void)argv;
	cursor->at = changed_of(base)->from;
	settle(cursor);
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct changed_cursor *cursor = (struct changed_cursor *)base;

	cursor->at++;
	settle(cursor);
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *cursor)
{
	return ((struct changed_cursor *)cursor)->at >= changed_of(cursor)->to;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	struct changed_rows *changed = changed_of(base);
	const struct row_change *row = &changed->rows[((struct changed_cursor *)base)->at];
	size_t n = changed->query->n_group_by;
	size_t i = (size_t)column;

	if (i < n) {
		const struct event_value *value = &row->values[i];

		assert(value->kind == EVENT_VALUE_TEXT);
		sqlite3_result_text(context, value->text != NULL ? value->text : "",
			(int)value->len, SQLITE_STATIC);
	} else if (i == n) {
		show_time(context, changed->starts, row->start_us);
	} else if (i == n + 1) {
		show_time(context, changed->ends, row->end_us);
	} else {
		sqlite3_result_int64(context, (int64_t)row->count);
	}
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
	*rowid = (sqlite3_int64)((struct changed_cursor *)cursor)->at;
	return SQLITE_OK;
}

/* No xCreate: it is there without a CREATE, and DROP cannot reach it. */
static const sqlite3_module module = {
	.xConnect = on_connect,
	.xBestIndex = on_best_index,
	.xDisconnect = on_disconnect,
	.xOpen = on_open,
	.xClose = on_close,
	.xFilter = on_filter,
	.xNext = on_next,
	.xEof = on_eof,
	.xColumn = on_column,
	.xRowid = on_rowid,
};

/* --- life ---------------------------------------------------------------------- */

typedef void function(sqlite3_context *context, int n_args, sqlite3_value **args);

static const char *name_of(struct buf *buf, const char *prefix, const char *table)
{
	buf_clear(buf);
	buf_printf(buf, "%s:%s", prefix, table);
	return buf_ok(buf) ? buf->data : NULL;
}

static int put_function(
	struct changed_rows *changed, struct buf *buf, const char *prefix, function *body)
{
	const char *name = name_of(buf, prefix, changed->table);

	if (name == NULL)
		return SQLITE_NOMEM;
	return sqlite3_create_function_v2(changed->db, name, (int)changed->query->n_group_by + 1,
		SQLITE_UTF8, body != NULL ? changed : NULL, body, NULL, NULL, NULL);
}

static int put_module(struct changed_rows *changed, struct buf *buf, const sqlite3_module *body)
{
	const char *name = name_of(buf, "changed", changed->table);

	return name != NULL ? sqlite3_create_module_v2(changed->db, name, body, changed, NULL)
			    : SQLITE_NOMEM;
}

int changed_rows_open(struct changed_rows **out, sqlite3 *db, const char *table,
	const struct query_spec *query, struct err *err)
{
	struct changed_rows *changed = calloc(1, sizeof(*changed));
	struct buf name = {0};
	int rc;

	*out = NULL;
	if (changed == NULL)
		return err_nomem(err);
	changed->db = db;
	changed->table = table;
	changed->query = query;
	rc = put_function(changed, &name, "is_changed", is_changed);
	if (rc == SQLITE_OK)
		rc = put_function(changed, &name, "count_of", count_of);
	if (rc == SQLITE_OK)
		rc = put_function(changed, &name, "end_of", end_of);
	if (rc == SQLITE_OK)
		rc = put_module(changed, &name, &module);
	buf_fini(&name);
	if (rc != SQLITE_OK) {
		changed_rows_close(changed);
		return db_error(db, rc, "cannot show changed rows to SQL", err);
	}
	*out = changed;
	return 0;
}

void changed_rows_close(struct changed_rows *changed)
{
	struct buf name = {0};

	if (changed == NULL)
		return;
	(void)put_module(changed, &name, NULL);
	(void)put_function(changed, &name, "is_changed", NULL);
	(void)put_function(changed, &name, "count_of", NULL);
	(void)put_function(changed, &name, "end_of", NULL);
	buf_fini(&name);
	free(changed->met);
	free(changed);
}

bool changed_rows_set(struct changed_rows *changed, const struct row_change *rows, size_t n)
{
	changed_rows_unset(changed);
	changed->met = calloc(n / 8 + 1, 1);
	if (changed->met == NULL)
		return false;
	changed->rows = rows;
	changed->n = n;
	return true;
}

void changed_rows_unset(struct changed_rows *changed)
{
	free(changed->met);
	changed->met = NULL;
	changed->rows = NULL;
	changed->n = 0;
	changed->at = 0;
	changed->from = changed->to = 0;
}

void changed_rows_show(struct changed_rows *changed, size_t from, size_t to)
{
	assert(from <= to && to <= changed->n);
	changed->from = from;
	changed->to = to;
}
