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
#include "sql/row_view.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct changed_rows {
	sqlite3 *db;
	const char *table;
	const struct query_spec *query;
	const struct row_change *rows; /* NULL: none are set */
	size_t n;
	size_t at;          /* where the walk stands; n: behind the last */
	unsigned char *met; /* a bit for each row */
	struct row_view view;
	struct buf columns; /* of the view */
	/* Of one row; apart, so that its two texts never take each other's place. */
	struct timestamp_text start, end;
};

/* Not copied: the row is written before the next one is shown. */
static void show_time(sqlite3_context *context, struct timestamp_text *text, int64_t us)
{
	timestamp_text_set(text, us);
	sqlite3_result_text(context, text->text, (int)text->len, SQLITE_STATIC);
}

static bool is_met(const struct changed_rows *changed, size_t i)
{
	return (changed->met[i / 8] >> i % 8 & 1) != 0;
}

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
	const struct timestamp_text *time = &changed->start;
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
	timestamp_text_set(&changed->start, row->start_us);
	text = (const char *)sqlite3_value_text(key[n]);
	len = sqlite3_value_bytes(key[n]);
	if ((size_t)len == time->len && memcmp(text, time->text, (size_t)len) == 0)
		return 0;
	return collation_compare(NULL, (int)time->len, time->text, len, text);
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

/* Moves to the change of the key, which is met by that; false: there is none, or it takes the row
 * away. */
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
	if (order != 0 || changed->rows[changed->at].count == 0)
		return false;
	changed->met[changed->at / 8] |= (unsigned char)(1 << changed->at % 8);
	return true;
}

static void is_changed(sqlite3_context *context, int n_args, sqlite3_value **key)
{
	(void)n_args;
	sqlite3_result_int(context, find(sqlite3_user_data(context), key));
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
	show_time(context, &changed->end, changed->rows[changed->at].end_us);
}

static bool is_shown(const void *rows, size_t row)
{
	const struct changed_rows *changed = rows;

	return changed->rows[row].count > 0 && !is_met(changed, row);
}

static void show(void *rows, size_t at, int column, sqlite3_context *result)
{
	struct changed_rows *changed = rows;
	const struct row_change *row = &changed->rows[at];
	size_t n = changed->query->n_group_by;
	size_t i = (size_t)column;

	if (i < n) {
		const struct event_value *value = &row->values[i];

		assert(value->kind == EVENT_VALUE_TEXT);
		sqlite3_result_text(result, value->text != NULL ? value->text : "", (int)value->len,
			SQLITE_STATIC);
	} else if (i == n) {
		show_time(result, &changed->start, row->start_us);
	} else if (i == n + 1) {
		show_time(result, &changed->end, row->end_us);
	} else {
		sqlite3_result_int64(result, (int64_t)row->count);
	}
}

/* The columns of the query's table, by place. */
static bool name_columns(struct changed_rows *changed)
{
	for (size_t i = 0; i < changed->query->n_group_by; i++)
		buf_printf(&changed->columns, "field%zu TEXT, ", i);
	buf_add_text(&changed->columns, "window_start TEXT, window_end TEXT, count INTEGER");
	buf_add_char(&changed->columns, '\0');
	return buf_ok(&changed->columns);
}

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

static int put_names(struct changed_rows *changed, struct err *err)
{
	struct buf name = {0};
	int rc = put_function(changed, &name, "is_changed", is_changed);

	if (rc == SQLITE_OK)
		rc = put_function(changed, &name, "count_of", count_of);
	if (rc == SQLITE_OK)
		rc = put_function(changed, &name, "end_of", end_of);
	if (rc != SQLITE_OK)
		rc = db_error(changed->db, rc, "cannot show changed rows to SQL", err);
	else if (name_of(&name, "changed", changed->table) == NULL)
		rc = err_nomem(err);
	else
		rc = row_view_open(&changed->view, changed->db, name.data, err);
	buf_fini(&name);
	return rc;
}

int changed_rows_open(struct changed_rows **out, sqlite3 *db, const char *table,
	const struct query_spec *query, struct err *err)
{
	struct changed_rows *changed = calloc(1, sizeof(*changed));
	int rc;

	*out = NULL;
	if (changed == NULL)
		return err_nomem(err);
	changed->db = db;
	changed->table = table;
	changed->query = query;
	rc = name_columns(changed) ? 0 : err_nomem(err);
	changed->view = (struct row_view){
		.columns = changed->columns.data,
		.rows = changed,
		.show = show,
		.is_shown = is_shown,
	};
	if (rc == 0)
		rc = put_names(changed, err);
	if (rc < 0) {
		changed_rows_close(changed);
		return rc;
	}
	*out = changed;
	return 0;
}

void changed_rows_close(struct changed_rows *changed)
{
	struct buf name = {0};

	if (changed == NULL)
		return;
	if (name_of(&name, "changed", changed->table) != NULL)
		row_view_close(changed->db, name.data);
	(void)put_function(changed, &name, "is_changed", NULL);
	(void)put_function(changed, &name, "count_of", NULL);
	(void)put_function(changed, &name, "end_of", NULL);
	buf_fini(&name);
	buf_fini(&changed->columns);
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
	changed->view.from = changed->view.to = 0;
}

void changed_rows_show(struct changed_rows *changed, size_t from, size_t to)
{
	assert(from <= to && to <= changed->n);
	changed->view.from = from;
	changed->view.to = to;
}
