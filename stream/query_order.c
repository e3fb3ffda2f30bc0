/*
 * Rows in the order of their keys. Names are sorted once per group, by eight
 * of their bytes where those tell them apart; the rows are then dealt out to
 * their groups, where they mostly stand in order of time already.
 */
#include "stream/query.h"

#include "base/mem.h"
#include "stream/event_values.h"

#include <stdlib.h>
#include <string.h>

struct name {
	uint64_t key; /* of the first field, the eight bytes behind what all names have in common */
	const struct event_value *values;
	uint32_t group;
};

struct names {
	struct name *list;
	struct name *spare; /* room for sorting */
	uint32_t n;
	uint32_t *places; /* by group: 1 + its place in the list; 0: no row */
	size_t *starts;   /* by place: where its rows begin */
};

static void names_fini(struct names *names)
{
	free(names->list);
	free(names->spare);
	free(names->places);
	free(names->starts);
}

/* The groups that have rows, each once. */
static int collect(struct names *names, const struct query *query, const struct query_rows *rows,
	struct err *err)
{
	uint32_t end = groups_end(query->groups);
	size_t most = rows->n < end ? rows->n : end;

	names->list = mem_new_array(most, sizeof(*names->list));
	names->spare = mem_new_array(most, sizeof(*names->spare));
	names->places = mem_new_array(end, sizeof(*names->places));
	names->starts = mem_new_array(most + 1, sizeof(*names->starts));
	if (names->list == NULL || names->spare == NULL || names->places == NULL ||
		names->starts == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < rows->n; i++) {
		uint32_t group = rows->rows[i].group;

		if (names->places[group] != 0)
			continue;
		names->list[names->n++] = (struct name){
			.values = groups_values(query->groups, group), .group = group};
		names->places[group] = names->n;
	}
	return 0;
}

static size_t common_length(const struct names *names)
{
	const struct event_value *first = names->list[0].values;
	size_t len = first->kind == EVENT_VALUE_TEXT ? first->len : 0;

	for (uint32_t i = 1; i < names->n && len > 0; i++) {
		const struct event_value *value = names->list[i].values;
		size_t same = 0;

		if (value->kind != EVENT_VALUE_TEXT)
			return 0;
		while (same < len && same < value->len && value->text[same] == first->text[same])
			same++;
		len = same;
	}
	return len;
}

/* Orders as the bytes do where they differ; a shorter text may look like one that goes on with
 * NULs. */
static uint64_t key_of(const struct event_value *value, size_t skip)
{
	uint64_t key = 0;

	if (value->kind != EVENT_VALUE_TEXT)
		return 0;
	for (size_t i = skip; i < skip + sizeof(key); i++)
		key = key << 8 | (i < value->len ? (unsigned char)value->text[i] : 0);
	return key;
}

/* A stable pass over one byte of the keys. Returns false, and does nothing, where it is the same in
 * all. */
static bool sort_by_byte(const struct names *names, unsigned shift)
{
	size_t starts[257] = {0};

	for (uint32_t i = 0; i < names->n; i++)
		starts[(names->list[i].key >> shift & 0xff) + 1]++;
	if (starts[(names->list[0].key >> shift & 0xff) + 1] == names->n)
		return false;
	for (int i = 0; i < 256; i++)
		starts[i + 1] += starts[i];
	for (uint32_t i = 0; i < names->n; i++)
		names->spare[starts[names->list[i].key >> shift & 0xff]++] = names->list[i];
	return true;
}

static int by_values(const void *a, const void *b, void *n_fields)
{
	return event_values_compare(((const struct name *)a)->values,
		((const struct name *)b)->values, *(const size_t *)n_fields);
}

static void sort_names(struct names *names, size_t n_fields)
{
	size_t skip = common_length(names);
	uint32_t next;

	for (uint32_t i = 0; i < names->n; i++)
		names->list[i].key = key_of(names->list[i].values, skip);
	for (unsigned shift = 0; shift < 64; shift += 8) {
		struct name *sorted = names->spare;

		if (!sort_by_byte(names, shift))
			continue;
		names->spare = names->list;
		names->list = sorted;
	}
	/* What eight bytes do not tell apart is compared as a whole. */
	for (uint32_t i = 0; i < names->n; i = next) {
		for (next = i + 1; next < names->n && names->list[next].key == names->list[i].key;)
			next++;
		if (next > i + 1)
			qsort_r(names->list + i, next - i, sizeof(*names->list), by_values,
				&n_fields);
	}
}

static void deal(struct names *names, const struct query_rows *rows, struct row_change *changes)
{
	for (uint32_t i = 0; i < names->n; i++)
		names->places[names->list[i].group] = i + 1;
	for (size_t i = 0; i < rows->n; i++)
		names->starts[names->places[rows->rows[i].group]]++;
	for (uint32_t i = 0; i < names->n; i++)
		names->starts[i + 1] += names->starts[i];
	for (size_t i = 0; i < rows->n; i++) {
		const struct query_row *row = &rows->rows[i];
		uint32_t place = names->places[row->group] - 1;

		changes[names->starts[place]++] = (struct row_change){
			.values = names->list[place].values,
			.start_us = row->start_us,
			.end_us = row->end_us,
			.count = row->count,
			.is_new = row->is_new,
		};
	}
}

static int by_start(const void *a, const void *b)
{
	const struct row_change *one = a;
	const struct row_change *two = b;

	return one->start_us < two->start_us ? -1 : one->start_us > two->start_us;
}

/* Each group's rows; `starts` has moved to their ends. */
static void sort_times(const struct names *names, struct row_change *changes)
{
	size_t begin = 0;

	for (uint32_t i = 0; i < names->n; i++) {
		size_t end = names->starts[i];
		size_t at = begin + 1;

		while (at < end && changes[at - 1].start_us < changes[at].start_us)
			at++;
		if (at < end)
			qsort(changes + begin, end - begin, sizeof(*changes), by_start);
		begin = end;
	}
}

int query_order_rows(const struct query *query, const struct query_rows *rows,
	struct row_change *changes, struct err *err)
{
	struct names names = {0};
	int rc = 0;

	if (rows->n > 0)
		rc = collect(&names, query, rows, err);
	if (rc == 0 && rows->n > 0) {
		if (query->spec->n_group_by > 0)
			sort_names(&names, query->spec->n_group_by);
		deal(&names, rows, changes);
		sort_times(&names, changes);
	}
	names_fini(&names);
	return rc;
}
