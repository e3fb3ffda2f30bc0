/* Counts by bucket and group, compared with a sorted list of everything that was added. */
#include "stream/cells.h"

#include <check.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "tests/run.h"

/* ck_assert writes to a pipe each time, which a million of them cannot afford. */
static void must(bool truth)
{
	if (!truth)
		ck_abort_msg("what was just called has failed");
}

struct entry {
	int64_t bucket_us;
	uint32_t group;
	uint64_t count;
};

struct list {
	struct entry *entries;
	size_t n, cap;
};

static void list_add(struct list *list, int64_t bucket_us, uint32_t group, uint64_t count)
{
	if (list->n == list->cap) {
		list->cap = list->cap * 2 + 1024;
		list->entries = realloc(list->entries, list->cap * sizeof(*list->entries));
		ck_assert_ptr_nonnull(list->entries);
	}
	list->entries[list->n++] = (struct entry){bucket_us, group, count};
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->bucket_us != y->bucket_us)
		return x->bucket_us < y->bucket_us ? -1 : 1;
	return x->group < y->group ? -1 : x->group > y->group;
}

/* Sorted, and entries of one cell made one. */
static void list_settle(struct list *list)
{
	size_t n = 0;

	if (list->n > 0)
		qsort(list->entries, list->n, sizeof(*list->entries), compare_entries);
	for (size_t i = 0; i < list->n; i++) {
		if (n > 0 && compare_entries(&list->entries[n - 1], &list->entries[i]) == 0)
			list->entries[n - 1].count += list->entries[i].count;
		else
			list->entries[n++] = list->entries[i];
	}
	list->n = n;
}

static int collect(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err)
{
	(void)err;
	list_add(context, bucket_start_us, group, count);
	return 0;
}

static int64_t floor_to(int64_t time_us, int64_t bucket_us)
{
	int64_t rest = time_us % bucket_us;

	return time_us - (rest < 0 ? rest + bucket_us : rest);
}

/* One cells under test and the list of what it was told. */
struct twin {
	struct cells *cells;
	struct list told;
	int64_t bucket_us, min_us, max_us;
	uint64_t n;
	struct err err;
};

static void twin_init(struct twin *twin, int64_t bucket_us)
{
	*twin = (struct twin){.bucket_us = bucket_us, .min_us = INT64_MAX, .max_us = INT64_MIN};
	twin->cells = cells_new(1, bucket_us);
	ck_assert_ptr_nonnull(twin->cells);
}

static void twin_fini(struct twin *twin)
{
	cells_free(twin->cells);
	free(twin->told.entries);
}

static uint32_t named(struct cells *cells, uint32_t name)
{
	struct err err = ERR_INIT;
	char text[32];
	uint32_t group;
	struct event_value value = {.text = text, .kind = EVENT_VALUE_TEXT};

	value.len = (uint32_t)snprintf(text, sizeof(text), "name-%u", name);
	must(cells_group(cells, &value, &group, &err) == 0);
	return group;
}

static void twin_add(struct twin *twin, uint32_t group, int64_t time_us, uint64_t n)
{
	while (cells_n_groups(twin->cells) <= group)
		(void)named(twin->cells, cells_n_groups(twin->cells));
	must(cells_add(twin->cells, group, time_us, n, &twin->err) == 0);
	list_add(&twin->told, floor_to(time_us, twin->bucket_us), group, n);
	twin->n += n;
	if (time_us < twin->min_us)
		twin->min_us = time_us;
	if (time_us > twin->max_us)
		twin->max_us = time_us;
}

static void ck_twin(struct twin *twin)
{
	struct list given = {0};
	struct err err = ERR_INIT;

	must(cells_each(twin->cells, collect, &given, &err) == 0);
	list_settle(&given);
	list_settle(&twin->told);
	ck_assert_uint_eq(given.n, twin->told.n);
	for (size_t i = 0; i < given.n; i++) {
		if (compare_entries(&given.entries[i], &twin->told.entries[i]) == 0 &&
			given.entries[i].count == twin->told.entries[i].count)
			continue;
		ck_abort_msg("cell %zu: bucket %lld group %u count %llu, told %lld %u %llu", i,
			(long long)given.entries[i].bucket_us, given.entries[i].group,
			(unsigned long long)given.entries[i].count,
			(long long)twin->told.entries[i].bucket_us, twin->told.entries[i].group,
			(unsigned long long)twin->told.entries[i].count);
	}
	ck_assert_uint_eq(cells_events(twin->cells), twin->n);
	if (twin->n > 0) {
		ck_assert_int_eq(cells_min_time_us(twin->cells), twin->min_us);
		ck_assert_int_eq(cells_max_time_us(twin->cells), twin->max_us);
	}
	free(given.entries);
}

static uint64_t seed = 20160726;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

START_TEST(an_event_counts_in_the_bucket_whose_start_is_floored)
{
	struct twin twin;

	twin_init(&twin, US_PER_HOUR);
	twin_add(&twin, 0, -1, 1);
	twin_add(&twin, 0, 0, 1);
	twin_add(&twin, 0, -US_PER_HOUR, 1);
	twin_add(&twin, 0, TIMESTAMP_MIN_US, 1);
	twin_add(&twin, 0, TIMESTAMP_MAX_US, 3);
	ck_twin(&twin);
	twin_fini(&twin);
}
END_TEST

static const struct {
	int64_t bucket_us, span_us, unit_us;
	uint32_t n_groups;
	int n;
	bool ascends;
} shapes[] = {
	{US_PER_HOUR, 168 * US_PER_HOUR, 1, 2, 50000, true},
	{US_PER_HOUR, 168 * US_PER_HOUR, 1, 2, 50000, false},
	{US_PER_HOUR, 10000 * US_PER_HOUR, 1, 100, 400000, false},
	{US_PER_HOUR, US_PER_HOUR, 1, 30000, 60000, false},
	{US_PER_HOUR, 300000 * US_PER_HOUR, 1, 1, 100000, false},
	{1, US_PER_DAY, 1, 3, 100000, false},
	{1, US_PER_DAY, US_PER_S, 3, 100000, true},
	{1, US_PER_DAY, US_PER_MS, 3, 100000, false},
	{250 * US_PER_MS, US_PER_HOUR, US_PER_MS, 5, 100000, true},
	{7 * US_PER_DAY, 10 * 365 * US_PER_DAY, 1, 50, 20000, false},
};

static void add_shape(struct twin *twin, int which, int n)
{
	int64_t start_us = INT64_C(1469501107) * US_PER_S / shapes[which].unit_us;
	int64_t n_units = shapes[which].span_us / shapes[which].unit_us;

	for (int i = 0; i < n; i++) {
		int64_t unit =
			shapes[which].ascends ? n_units * i / n : (int64_t)draw((uint64_t)n_units);

		twin_add(twin, (uint32_t)draw(shapes[which].n_groups),
			(start_us + unit) * shapes[which].unit_us, 1 + draw(3));
		/* Now and then a time far off, as broken clocks give. */
		if (draw(5000) == 0)
			twin_add(twin, 0,
				(int64_t)draw((uint64_t)TIMESTAMP_MAX_US) * (i % 2 ? 1 : -1) / 8,
				1);
	}
}

START_TEST(the_cells_are_what_was_added)
{
	struct twin twin;

	twin_init(&twin, shapes[_i].bucket_us);
	add_shape(&twin, _i, shapes[_i].n);
	ck_twin(&twin);
	twin_fini(&twin);
}
END_TEST

START_TEST(a_clear_forgets_counts_and_keeps_groups)
{
	struct twin twin;
	uint32_t group;

	twin_init(&twin, shapes[_i].bucket_us);
	add_shape(&twin, _i, shapes[_i].n / 4);
	group = named(twin.cells, 0);
	for (int round = 0; round < 3; round++) {
		cells_clear(twin.cells);
		twin.told.n = 0;
		twin.n = 0;
		twin.min_us = INT64_MAX;
		twin.max_us = INT64_MIN;
		ck_twin(&twin);
		ck_assert_uint_eq(named(twin.cells, 0), group);
		/* The next batch is about other times, and has more groups. */
		add_shape(&twin, (_i + round) % 5, 2000 << 2 * round);
		twin_add(&twin, 40000, 0, 1);
		ck_twin(&twin);
	}
	twin_fini(&twin);
}
END_TEST

START_TEST(a_merge_adds_by_the_names_of_groups_and_not_by_their_numbers)
{
	struct err err = ERR_INIT;
	struct twin twin;
	struct cells *parts[3];

	twin_init(&twin, shapes[_i].bucket_us);
	twin_add(&twin, 4, 7 * US_PER_DAY, 2);
	for (int part = 0; part < 3; part++) {
		parts[part] = cells_new(1, shapes[_i].bucket_us);
		for (uint32_t name = 0; name < 8; name++)
			named(parts[part], (name * 5 + (uint32_t)part) % 8);
	}
	for (int i = 0; i < 20000; i++) {
		int64_t time_us = (int64_t)draw((uint64_t)shapes[_i].span_us);
		uint32_t name = (uint32_t)draw(8);
		struct cells *part = parts[draw(3)];

		twin_add(&twin, name, time_us, 1);
		must(cells_add(part, named(part, name), time_us, 1, &err) == 0);
	}
	for (int part = 0; part < 3; part++) {
		must(cells_merge(twin.cells, parts[part], &err) == 0);
		cells_free(parts[part]);
	}
	/* Everything was told once and merged once. */
	for (size_t i = 0; i < twin.told.n; i++)
		twin.told.entries[i].count *= i == 0 ? 1 : 2;
	twin.n = (twin.n - 2) * 2 + 2;
	ck_twin(&twin);
	twin_fini(&twin);
}
END_TEST

START_TEST(a_count_passes_32_bits)
{
	struct twin twin, other;

	twin_init(&twin, US_PER_HOUR);
	twin_init(&other, US_PER_HOUR);
	for (int i = 0; i < 40; i++) {
		twin_add(&twin, 0, 5, UINT64_C(1000000007));
		twin_add(&twin, 1, US_PER_HOUR * 400000 * i, UINT64_C(3000000000));
		twin_add(&twin, 1, US_PER_HOUR * 400000 * (i / 2), 1);
	}
	twin_add(&twin, 0, 5, UINT64_C(1) << 40);
	ck_twin(&twin);
	ck_assert_uint_eq(named(other.cells, 0), 0);
	ck_assert_uint_eq(named(other.cells, 1), 1);
	must(cells_merge(other.cells, twin.cells, &twin.err) == 0);
	must(cells_merge(other.cells, twin.cells, &twin.err) == 0);
	for (size_t i = 0; i < twin.told.n; i++)
		list_add(&other.told, twin.told.entries[i].bucket_us, twin.told.entries[i].group,
			2 * twin.told.entries[i].count);
	other.n = 2 * twin.n;
	other.min_us = twin.min_us;
	other.max_us = twin.max_us;
	ck_twin(&other);
	twin_fini(&twin);
	twin_fini(&other);
}
END_TEST

START_TEST(the_fast_path_may_count_into_the_rows)
{
	struct twin twin;
	struct cells_rows rows;
	struct err err = ERR_INIT;

	twin_init(&twin, US_PER_HOUR);
	add_shape(&twin, 2, 300000);
	cells_rows(twin.cells, &rows);
	ck_assert_uint_gt(rows.n_rows, 1000);
	for (int i = 0; i < 100000; i++) {
		uint64_t row = draw(rows.n_rows);
		uint32_t group = (uint32_t)draw(100);
		int64_t time_us = rows.start_us + (int64_t)row * rows.unit_us + 17;

		rows.counts[row * rows.stride + group]++;
		must(cells_noted(twin.cells, 1, time_us, time_us, &err) == 0);
		list_add(&twin.told, floor_to(time_us, US_PER_HOUR), group, 1);
		twin.n++;
		if (time_us < twin.min_us)
			twin.min_us = time_us;
		if (time_us > twin.max_us)
			twin.max_us = time_us;
	}
	ck_twin(&twin);
	twin_fini(&twin);
}
END_TEST

START_TEST(many_noted_events_never_wrap_a_count)
{
	struct twin twin;
	struct cells_rows rows;
	struct err err = ERR_INIT;

	twin_init(&twin, US_PER_HOUR);
	twin_add(&twin, 0, 0, 1);
	for (int i = 0; i < 20; i++) {
		cells_rows(twin.cells, &rows);
		rows.counts[0] += (uint32_t)CELLS_MAX_NOTED;
		must(cells_noted(twin.cells, CELLS_MAX_NOTED, 0, 0, &err) == 0);
		twin_add(&twin, 0, 0, UINT32_MAX / 2 - 5);
		list_add(&twin.told, 0, 0, CELLS_MAX_NOTED);
		twin.n += CELLS_MAX_NOTED;
	}
	ck_twin(&twin);
	twin_fini(&twin);
}
END_TEST

/* Bytes that cells_new and what follows took from the allocator. */
static size_t bytes_in_use(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

START_TEST(scattered_cells_cost_at_most_32_bytes_each)
{
	size_t before = bytes_in_use();
	struct cells *cells = cells_new(0, 1);
	struct err err = ERR_INIT;
	uint32_t group;

	must(cells_group(cells, NULL, &group, &err) == 0);
	for (int i = 1; i <= 2000000; i++) {
		ck_assert_int_eq(
			cells_add(cells, group, (int64_t)draw(UINT64_C(1) << 50), 1, &err), 0);
		if (i % 100000 == 0)
			ck_assert_uint_le(bytes_in_use() - before, (size_t)i * 32 + (1u << 20));
	}
	cells_free(cells);
}
END_TEST

START_TEST(a_million_groups_in_one_window_and_a_million_windows_of_one_group_are_linear)
{
	struct err err = ERR_INIT;
	struct cells *cells = cells_new(1, US_PER_HOUR);
	uint32_t group = named(cells, 0);

	for (int64_t i = 0; i < 1000000; i++) {
		must(cells_add(cells, named(cells, (uint32_t)i), 0, 1, &err) == 0);
		must(cells_add(cells, group, i * US_PER_HOUR, 1, &err) == 0);
	}
	ck_assert_uint_eq(cells_n_groups(cells), 1000000);
	ck_assert_uint_eq(cells_events(cells), 2000000);
	cells_free(cells);
}
END_TEST

START_TEST(null_and_the_empty_text_and_field_borders_are_groups_of_their_own)
{
	static const struct event_value tuples[][2] = {
		{{"", 0, EVENT_VALUE_TEXT}, {"", 0, EVENT_VALUE_TEXT}},
		{{"", 0, EVENT_VALUE_NULL}, {"", 0, EVENT_VALUE_TEXT}},
		{{"", 0, EVENT_VALUE_TEXT}, {"", 0, EVENT_VALUE_NULL}},
		{{"", 0, EVENT_VALUE_TOO_LONG}, {"", 0, EVENT_VALUE_NULL}},
		{{"ab", 2, EVENT_VALUE_TEXT}, {"c", 1, EVENT_VALUE_TEXT}},
		{{"a", 1, EVENT_VALUE_TEXT}, {"bc", 2, EVENT_VALUE_TEXT}},
		{{"a\0b", 3, EVENT_VALUE_TEXT}, {"bc", 2, EVENT_VALUE_TEXT}},
		{{"12345678", 8, EVENT_VALUE_TEXT}, {"123456789", 9, EVENT_VALUE_TEXT}},
	};
	struct cells *cells = cells_new(2, 1);
	struct err err = ERR_INIT;
	uint32_t group;

	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < sizeof(tuples) / sizeof(*tuples); i++) {
			must(cells_group(cells, tuples[i], &group, &err) == 0);
			ck_assert_uint_eq(group, i);
		}
	}
	ck_assert_mem_eq(cells_group_values(cells, 6)[0].text, "a\0b", 3);
	ck_assert_int_eq(cells_group_values(cells, 3)[0].kind, EVENT_VALUE_TOO_LONG);
	cells_free(cells);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("cells");
	Suite *suite = suite_create("stream/cells");
	int n_shapes = (int)(sizeof(shapes) / sizeof(*shapes));

	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, an_event_counts_in_the_bucket_whose_start_is_floored);
	tcase_add_loop_test(tcase, the_cells_are_what_was_added, 0, n_shapes);
	tcase_add_loop_test(tcase, a_clear_forgets_counts_and_keeps_groups, 0, 5);
	tcase_add_loop_test(
		tcase, a_merge_adds_by_the_names_of_groups_and_not_by_their_numbers, 0, n_shapes);
	tcase_add_test(tcase, a_count_passes_32_bits);
	tcase_add_test(tcase, the_fast_path_may_count_into_the_rows);
	tcase_add_test(tcase, many_noted_events_never_wrap_a_count);
	tcase_add_test(tcase, scattered_cells_cost_at_most_32_bytes_each);
	tcase_add_test(tcase,
		a_million_groups_in_one_window_and_a_million_windows_of_one_group_are_linear);
	tcase_add_test(tcase, null_and_the_empty_text_and_field_borders_are_groups_of_their_own);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
