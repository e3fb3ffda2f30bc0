/*
 * The comparison is two passes over the new rows with a hash table of the old
 * ones: whole rows that stayed, then keys. Each costs the number of rows,
 * however many of them are alike.
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
	subscription_set_fini(&sink->seen);
	buf_fini(&sink->columns);
	buf_fini(&sink->changes);
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

/*
 * Old rows by what they are looked for by: in a slot of the table stands the
 * first of those that are alike, the others follow it in their order. One that
 * is taken leaves its slot to the next; where there is none, a mark stays, for
 * what lies behind it.
 */
#define TAKEN SIZE_MAX

struct index {
	struct subscription_set *set;
	bool is_by_cells; /* of the whole row; else of its key */
	size_t *slots;    /* row numbers from 1; 0: free */
	size_t mask;
};

static bool is_same(const struct subscription_set *a, size_t a_at, size_t a_len,
	const struct subscription_set *b, size_t b_at, size_t b_len)
{
	return a_len == b_len &&
	       (a_len == 0 || memcmp(a->bytes.data + a_at, b->bytes.data + b_at, a_len) == 0);
}

static bool is_alike(const struct index *index, const struct subscription_row *old,
	const struct subscription_set *set, const struct subscription_row *row)
{
	if (old->key_hash != row->key_hash ||
		!is_same(index->set, old->key, old->key_len, set, row->key, row->key_len))
		return false;
	return !index->is_by_cells ||
	       is_same(index->set, old->cells, old->cells_len, set, row->cells, row->cells_len);
}

/* Where the first old row stands that is like this one, or would stand. */
static size_t *slot_find(const struct index *index, const struct subscription_set *set,
	const struct subscription_row *row)
{
	uint64_t hash = row->key_hash;

	if (index->is_by_cells)
		hash = xxh64(set->bytes.data + row->cells, row->cells_len, hash);
	for (size_t at = hash & index->mask;; at = (at + 1) & index->mask) {
		size_t number = index->slots[at];

		if (number == 0 ||
			(number != TAKEN &&
				is_alike(index, &index->set->rows[number - 1], set, row)))
			return &index->slots[at];
	}
}

/* The rows that have no partner yet. */
static bool index_make(struct index *index, struct subscription_set *set, bool is_by_cells)
{
	size_t n = 16;

	while (n < set->n_rows * 2)
		n *= 2;
	*index = (struct index){.set = set, .is_by_cells = is_by_cells, .mask = n - 1};
	index->slots = mem_new_array(n, sizeof(*index->slots));
	if (index->slots == NULL)
		return false;
	/* From the end, so that the first comes to stand in front. */
	for (size_t i = set->n_rows; i-- > 0;) {
		struct subscription_row *row = &set->rows[i];

		if (row->is_paired)
			continue;
		size_t *slot = slot_find(index, set, row);
		row->next = *slot;
		*slot = i + 1;
	}
	return true;
}

/* The first old row that is like this one and has no partner yet; it is taken. NULL: none. */
static struct subscription_row *partner_take(
	struct index *index, const struct subscription_set *set, const struct subscription_row *row)
{
	size_t *slot = slot_find(index, set, row);
	struct subscription_row *old;

	if (*slot == 0)
		return NULL;
	old = &index->set->rows[*slot - 1];
	*slot = old->next != 0 ? old->next : TAKEN;
	old->is_paired = true;
	return old;
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

/* Rows that stayed find each other first, so that one row's change does not shift the others. */
static bool stayed_pair(struct subscription_set *before, struct subscription_set *after)
{
	struct index index;

	for (size_t i = 0; i < before->n_rows; i++)
		before->rows[i].is_paired = false;
	if (!index_make(&index, before, true))
		return false;
	for (size_t i = 0; i < after->n_rows; i++)
		after->rows[i].is_paired = partner_take(&index, after, &after->rows[i]) != NULL;
	free(index.slots);
	return true;
}

bool subscription_compare(
	struct subscription_set *before, struct subscription_set *after, struct buf *out)
{
	struct index index;

	if (!stayed_pair(before, after) || !index_make(&index, before, false))
		return false;
	for (size_t i = 0; i < after->n_rows; i++) {
		struct subscription_row *row = &after->rows[i];

		if (row->is_paired)
			continue;
		bool is_known = partner_take(&index, after, row) != NULL;
		change_add(out, is_known ? "update" : "insert", after, row);
	}
	for (size_t i = 0; i < before->n_rows; i++)
		if (!before->rows[i].is_paired)
			change_add(out, "delete", before, &before->rows[i]);
	free(index.slots);
	return buf_ok(out);
}

static int on_end(void *context, const struct statement *statement, int64_t n_rows,
	struct buf *page, struct err *err)
{
	struct subscription_sink *sink = context;

	(void)statement;
	(void)n_rows;
	(void)page;
	buf_clear(&sink->changes);
	if (sink->has_seen && !subscription_compare(&sink->seen, &sink->set, &sink->changes))
		return err_nomem(err);
	return 0;
}

void subscription_sink_told(struct subscription_sink *sink)
{
	struct subscription_set swap = sink->seen;

	sink->seen = sink->set;
	sink->set = swap;
	sink->has_seen = true;
	buf_shrink(&sink->changes);
}

const struct execution_sink subscription_sink_ops = {
	.begin = on_begin, .row = on_row, .end = on_end};
