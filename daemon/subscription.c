/*
 * The comparison is one pass with a hash table of the old rows: chains keep
 * the order of equal keys, so that the first of one meets the first of the
 * other.
 */
#include "daemon/subscription.h"

#include "base/mem.h"
#include "daemon/frames_sink.h"
#include "stream/xxh64.h"

#include <stdlib.h>
#include <string.h>

static void set_clear(struct subscription_set *set)
{
	buf_clear(&set->bytes);
	set->n_rows = 0;
}

void subscription_set_fini(struct subscription_set *set)
{
	buf_fini(&set->bytes);
	free(set->rows);
	*set = (struct subscription_set){0};
}

void subscription_sink_fini(struct subscription_sink *sink)
{
	subscription_set_fini(&sink->set);
	buf_fini(&sink->columns);
	free(sink->kinds);
	sink->kinds = NULL;
}

static bool has_aggregate(const struct statement *statement)
{
	for (size_t i = 0; i < statement_n_columns(statement); i++)
		if (statement_column_is_aggregate(statement, i))
			return true;
	return false;
}

static bool has_column(const struct statement *statement, const char *name)
{
	for (size_t i = 0; i < statement_n_columns(statement); i++)
		if (strcmp(statement_column_name(statement, i), name) == 0)
			return true;
	return false;
}

/* Beside its start a window's end tells no rows apart, and that of a session moves. */
static bool is_end_of_window(const struct statement *statement, size_t column)
{
	return strcmp(statement_column_name(statement, column), "window_end") == 0 &&
	       has_column(statement, "window_start");
}

/* Beside aggregates the other columns are what the rows were grouped by, numbers too. */
static enum subscription_column kind_of(
	const struct statement *statement, size_t column, bool is_grouped)
{
	const char *type = statement_column_type(statement, column);
	bool is_number = strcmp(type, "INTEGER") == 0 || strcmp(type, "REAL") == 0;

	if (is_grouped)
		return statement_column_is_aggregate(statement, column) ? COLUMN_VALUE : COLUMN_KEY;
	if (is_number)
		return COLUMN_VALUE;
	return type[0] != '\0' ? COLUMN_KEY : COLUMN_ANY;
}

static int on_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	struct subscription_sink *sink = context;

	(void)page;
	set_clear(&sink->set);
	if (sink->kinds != NULL)
		return 0;
	sink->n_columns = statement_n_columns(statement);
	sink->kinds = mem_new_array(sink->n_columns + 1, sizeof(*sink->kinds));
	if (sink->kinds == NULL)
		return err_nomem(err);
	bool is_grouped = has_aggregate(statement);
	for (size_t i = 0; i < sink->n_columns; i++)
		sink->kinds[i] = is_end_of_window(statement, i) ? COLUMN_VALUE
								: kind_of(statement, i, is_grouped);
	frames_write_columns(&sink->columns, statement);
	return buf_ok(&sink->columns) ? 0 : err_nomem(err);
}

static bool is_key(const struct subscription_sink *sink, size_t column, const struct value *value)
{
	if (sink->kinds[column] != COLUMN_ANY)
		return sink->kinds[column] == COLUMN_KEY;
	return value->type != VALUE_INTEGER && value->type != VALUE_REAL;
}

static int on_row(void *context, const struct value *values, struct buf *page, struct err *err)
{
	struct subscription_sink *sink = context;
	struct subscription_set *set = &sink->set;
	struct buf *bytes = &set->bytes;

	(void)page;
	if (bytes->len > SUBSCRIPTION_MAX_BYTES)
		return err_set(err, ERR_LIMIT,
			"the rows of a subscription are more than 64 MiB; select fewer");
	if (!mem_grow(&set->rows, &set->cap_rows, set->n_rows + 1, sizeof(*set->rows)))
		return err_nomem(err);
	struct subscription_row *row = &set->rows[set->n_rows++];
	*row = (struct subscription_row){.key = bytes->len};
	for (size_t i = 0; i < sink->n_columns; i++)
		if (is_key(sink, i, &values[i])) {
			frames_write_value(bytes, &values[i]);
			buf_add_char(bytes, ',');
		}
	row->cells = bytes->len;
	row->key_len = bytes->len - row->key;
	for (size_t i = 0; i < sink->n_columns; i++) {
		if (i > 0)
			buf_add_char(bytes, ',');
		frames_write_value(bytes, &values[i]);
	}
	row->cells_len = bytes->len - row->cells;
	if (!buf_ok(bytes))
		return err_nomem(err);
	row->key_hash = xxh64(bytes->data + row->key, row->key_len, 0);
	return 0;
}

const struct execution_sink subscription_sink_ops = {.begin = on_begin, .row = on_row};

/* Open addressing over the rows of the old set; a slot holds a row's number plus one. */
struct index {
	size_t *slots;
	size_t mask;
};

static bool index_make(struct index *index, const struct subscription_set *set)
{
	size_t n = 16;

	while (n < set->n_rows * 2)
		n *= 2;
	index->slots = mem_new_array(n, sizeof(*index->slots));
	index->mask = n - 1;
	if (index->slots == NULL)
		return false;
	for (size_t i = 0; i < set->n_rows; i++) {
		size_t at = set->rows[i].key_hash & index->mask;
		while (index->slots[at] != 0)
			at = (at + 1) & index->mask;
		index->slots[at] = i + 1;
	}
	return true;
}

static bool is_same(const struct subscription_set *a, size_t a_at, size_t a_len,
	const struct subscription_set *b, size_t b_at, size_t b_len)
{
	return a_len == b_len &&
	       (a_len == 0 || memcmp(a->bytes.data + a_at, b->bytes.data + b_at, a_len) == 0);
}

/* The first old row with this key that has no partner yet; with `equal`, its cells too must be the
 * same. */
static struct subscription_row *partner_find(const struct index *index,
	struct subscription_set *before, const struct subscription_set *after,
	const struct subscription_row *row, bool equal)
{
	for (size_t at = row->key_hash & index->mask; index->slots[at] != 0;
		at = (at + 1) & index->mask) {
		struct subscription_row *old = &before->rows[index->slots[at] - 1];
		if (old->is_paired || old->key_hash != row->key_hash ||
			!is_same(before, old->key, old->key_len, after, row->key, row->key_len))
			continue;
		if (!equal || is_same(before, old->cells, old->cells_len, after, row->cells,
				      row->cells_len))
			return old;
	}
	return NULL;
}

static void change_add(struct buf *out, const char *what, const struct subscription_set *set,
	const struct subscription_row *row)
{
	if (out->len > 0)
		buf_add_char(out, ',');
	buf_printf(out, "[\"%s\",", what);
	buf_add(out, set->bytes.data + row->cells, row->cells_len);
	buf_add_char(out, ']');
}

bool subscription_compare(
	struct subscription_set *before, struct subscription_set *after, struct buf *out)
{
	struct index index;

	if (!index_make(&index, before))
		return false;
	for (size_t i = 0; i < before->n_rows; i++)
		before->rows[i].is_paired = false;
	/* Rows that stayed find each other first, so that one row's change does not shift the
	 * others. */
	for (size_t i = 0; i < after->n_rows; i++) {
		struct subscription_row *row = &after->rows[i];
		struct subscription_row *old = partner_find(&index, before, after, row, true);
		row->is_paired = old != NULL;
		if (old != NULL)
			old->is_paired = true;
	}
	for (size_t i = 0; i < after->n_rows; i++) {
		struct subscription_row *row = &after->rows[i];
		if (row->is_paired)
			continue;
		struct subscription_row *old = partner_find(&index, before, after, row, false);
		if (old != NULL)
			old->is_paired = true;
		change_add(out, old != NULL ? "update" : "insert", after, row);
	}
	for (size_t i = 0; i < before->n_rows; i++)
		if (!before->rows[i].is_paired)
			change_add(out, "delete", before, &before->rows[i]);
	free(index.slots);
	return buf_ok(out);
}
