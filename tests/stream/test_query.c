/*
 * One query without files: folds from cells and
 * event by event, room, late events, rows in order.
 */
#include "stream/query.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/event_values.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR US_PER_HOUR

static struct field_spec field = {.path = (char *)"action", .column = (char *)"action"};
static struct query_spec spec;
static struct query *query;

static void set_up(void)
{
	spec = (struct query_spec){
		.name = "counts",
		.group_by = &field,
		.n_group_by = 1,
		.window_us = HOUR,
		.slide_us = HOUR,
		.watermark_us = -1,
		.retention_us = -1,
		.max_groups = 1000000,
	};
}

static void tear_down(void)
{
	query_free(query);
	query = NULL;
}

static void open_query(void)
{
	static const size_t place = 0;

	query = query_new(&spec, &place);
	ck_assert_ptr_nonnull(query);
}

struct one {
	int64_t time_us;
	const char *name; /* NULL: the NULL group */
};

static struct event_value value_of(const char *name)
{
	if (name == NULL)
		return (struct event_value){.kind = EVENT_VALUE_NULL};
	return (struct event_value){
		.text = name, .len = (uint32_t)strlen(name), .kind = EVENT_VALUE_TEXT};
}

static struct cells *cells_of(const struct one *events, size_t n)
{
	struct cells *cells = cells_new(1, window_bucket(0, &spec));
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		struct event_value value = value_of(events[i].name);
		uint32_t group;

		ck_assert_int_eq(cells_group(cells, &value, &group, &err), 0);
		ck_assert_int_eq(cells_add(cells, group, events[i].time_us, 1, &err), 0);
	}
	return cells;
}

/* 0 or QUERY_OVER. */
static int fold_cells(const struct one *events, size_t n)
{
	struct cells *cells = cells_of(events, n);
	struct err err = ERR_INIT;
	int rc = query_begin(query, false, &err);

	if (rc == 0)
		rc = query_fold_cells(query, cells, &err);
	if (rc == 0)
		rc = query_fold_end(query, &err);
	cells_free(cells);
	return rc;
}

static void fold_events(const struct one *events, size_t n)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(query_begin(query, true, &err), 0);
	for (size_t i = 0; i < n; i++) {
		struct event_value value = value_of(events[i].name);

		ck_assert_int_eq(query_fold_event(query, events[i].time_us, &value, &err), 0);
	}
	ck_assert_int_eq(query_fold_end(query, &err), 0);
}

static void add_rows(struct buf *text, const char *kind, const struct row_change *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct event_value *value = &rows[i].values[0];

		buf_printf(text, "%s%s", kind,
			rows[i].is_new       ? "+"
			: rows[i].count == 0 ? "-"
					     : "=");
		if (value->kind == EVENT_VALUE_NULL)
			buf_add_text(text, "NULL");
		else
			buf_add(text, value->text, value->len);
		buf_printf(text, "@%lld-%lld:%llu ",
			(long long)rows[i].start_us / (long long)US_PER_S,
			(long long)rows[i].end_us / (long long)US_PER_S,
			(unsigned long long)rows[i].count);
	}
}

/* `+name@start-end:count ` for new rows, `=` for changed, `-` for gone; open ones behind `o`. */
static char *finish(void)
{
	struct query_change change = {0};
	struct err err = ERR_INIT;
	struct buf text = {0};
	char *copy;

	ck_assert_int_eq(query_finish(query, &change, &err), 0);
	add_rows(&text, "", change.rows, change.n_rows);
	add_rows(&text, "o", change.open_rows, change.n_open_rows);
	buf_add_char(&text, '\0');
	copy = mem_copy_text(text.data, strlen(text.data));
	buf_fini(&text);
	return copy;
}

static void expect(const char *expected)
{
	char *is = finish();

	ck_assert_str_eq(is, expected);
	free(is);
	query_accept(query);
}

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define S            US_PER_S

START_TEST(rows_say_what_is_new_what_changed_and_come_in_order)
{
	static const struct one first[] = {{7200 * S, "b"}, {0, "b"}, {1, "b"}, {0, NULL}, {0, ""}};
	static const struct one second[] = {{3599 * S, "b"}, {0, "ab"}, {-1, "b"}};

	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect("+NULL@0-3600:1 +@0-3600:1 +b@0-3600:2 +b@7200-10800:1 ");
	ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
	expect("+ab@0-3600:1 +b@-3600-0:1 =b@0-3600:3 ");
	ck_assert_int_eq(query->totals.n_events, 8);
	ck_assert_int_eq(query->totals.n_groups, 6);
	ck_assert_int_eq(query->totals.max_time_us, 7200 * S);
}
END_TEST

START_TEST(an_abandoned_batch_gives_the_same_rows_again)
{
	static const struct one first[] = {{0, "a"}, {0, "b"}};
	static const struct one second[] = {{0, "a"}, {1, "c"}, {HOUR, "a"}};

	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect("+a@0-3600:1 +b@0-3600:1 ");
	for (int i = 0; i < 3; i++) {
		char *is;

		ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
		is = finish();
		ck_assert_str_eq(is, "=a@0-3600:2 +a@3600-7200:1 +c@0-3600:1 ");
		free(is);
		query_abandon(query);
		ck_assert_int_eq(query_n_groups(query), 2);
		ck_assert_uint_eq(groups_count(query->groups), 2);
		ck_assert_int_eq(query->totals.n_events, 2);
	}
}
END_TEST

START_TEST(cells_and_single_events_give_the_same_rows)
{
	enum { EVENTS = 300 };

	static const char *const names[] = {"a", "b", "", NULL, "longer than eight bytes 1",
		"longer than eight bytes 2", "longer than eight bytes"};
	struct one events[EVENTS];

	srand((unsigned)_i);
	spec.window_us = (1 + rand() % 50) * S;
	spec.slide_us = spec.window_us;
	if (_i % 3 == 1)
		spec.slide_us = (1 + rand() % (spec.window_us / S)) * S;
	if (_i % 3 == 2) {
		spec.session_us = (1 + rand() % 20) * S;
		spec.window_us = spec.slide_us = 0;
	}
	spec.output_mode = _i % 2 == 0 ? OUTPUT_COMPLETE : OUTPUT_APPEND;
	spec.watermark_us = _i % 2 == 0 ? -1 : (rand() % 100) * S;
	for (int round = 0; round < 2; round++) {
		char *texts[6];

		for (int pass = 0; pass < 2; pass++) {
			srand((unsigned)_i + 1000);
			open_query();
			for (int batch = 0; batch < 3; batch++) {
				char *text;

				for (int i = 0; i < EVENTS; i++)
					events[i] =
						(struct one){(batch * 100 + rand() % 400) * S / 2,
							names[rand() % 7]};
				if (pass == 0)
					ck_assert_int_eq(fold_cells(events, EVENTS), 0);
				else
					fold_events(events, EVENTS);
				text = finish();
				if (pass == 0) {
					texts[batch] = text;
				} else {
					ck_assert_str_eq(text, texts[batch]);
					free(text);
					free(texts[batch]);
				}
				query_accept(query);
			}
			tear_down();
		}
	}
}
END_TEST

START_TEST(too_many_groups_are_over_and_in_order_the_first_are_taken)
{
	static const struct one events[] = {{0, "c"}, {0, "a"}, {0, "b"}, {0, "c"}, {0, "b"}};
	static const struct one more[] = {{0, "a"}, {0, "d"}, {0, "e"}};

	spec.max_groups = 2;
	open_query();
	ck_assert_int_eq(fold_cells(events, COUNT(events)), QUERY_OVER);
	query_abandon(query);
	ck_assert_int_eq(query_n_groups(query), 0);
	fold_events(events, COUNT(events));
	expect("+a@0-3600:1 +c@0-3600:2 ");
	ck_assert_int_eq(query->totals.n_refused, 2);
	/* Full from the start: the order no longer matters. */
	ck_assert_int_eq(fold_cells(more, COUNT(more)), 0);
	expect("=a@0-3600:2 ");
	ck_assert_int_eq(query->totals.n_refused, 4);
}
END_TEST

START_TEST(an_event_counts_in_its_windows_that_have_room_and_is_refused_once)
{
	static const struct one events[] = {{HOUR, "a"}, {HOUR, "b"}};

	spec.window_us = 2 * HOUR;
	spec.max_groups = 3;
	open_query();
	fold_events(events, COUNT(events));
	expect("+a@0-7200:1 +a@3600-10800:1 +b@3600-10800:1 ");
	ck_assert_int_eq(query->totals.n_refused, 1);
}
END_TEST

START_TEST(an_event_is_late_once_if_any_window_is_closed_and_counts_in_the_others)
{
	static const struct one first[] = {{10 * HOUR, "a"}};
	static const struct one second[] = {{9 * HOUR, "a"}, {8 * HOUR, "a"}, {7 * HOUR + 1, "a"}};

	spec.window_us = 2 * HOUR;
	spec.watermark_us = HOUR;
	spec.output_mode = OUTPUT_UPDATE;
	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect("+a@32400-39600:1 +a@36000-43200:1 ");
	ck_assert_int_eq(query->totals.watermark_us, 9 * HOUR);
	/* 9:00 lies in 8–10 and 9–11; 8:00 in 7–9, which is closed, and 8–10; 7:00 in closed ones
	 * only. */
	ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
	expect("+a@28800-36000:2 =a@32400-39600:2 ");
	ck_assert_int_eq(query->totals.n_late, 2);
}
END_TEST

START_TEST(complete_mode_drops_nothing_late)
{
	static const struct one first[] = {{10 * HOUR, "a"}};
	static const struct one second[] = {{0, "a"}};

	spec.watermark_us = 0;
	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect("+a@36000-39600:1 ");
	ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
	expect("+a@0-3600:1 ");
	ck_assert_int_eq(query->totals.n_late, 0);
}
END_TEST

START_TEST(append_shows_a_row_in_the_batch_after_the_one_that_closed_it)
{
	static const struct one first[] = {{0, "a"}, {HOUR, "b"}};
	static const struct one second[] = {{3 * HOUR, "c"}};

	spec.watermark_us = 0;
	spec.output_mode = OUTPUT_APPEND;
	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect("o+a@0-3600:1 o+b@3600-7200:1 ");
	ck_assert(query_has_closed(query));
	ck_assert_int_eq(fold_cells(NULL, 0), 0);
	expect("+a@0-3600:1 o-a@0-3600:0 ");
	ck_assert(!query_has_closed(query));
	ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
	expect("o+c@10800-14400:1 ");
	ck_assert_int_eq(fold_cells(NULL, 0), 0);
	expect("+b@3600-7200:1 o-b@3600-7200:0 ");
	ck_assert_int_eq(query_n_groups(query), 1);
	ck_assert_uint_eq(groups_count(query->groups), 1);
}
END_TEST

START_TEST(retention_drops_rows_in_every_mode)
{
	static const struct one first[] = {{0, "a"}, {HOUR, "a"}};
	static const struct one second[] = {{3 * HOUR, "a"}};
	static const struct one third[] = {{2 * HOUR - 1, "a"}, {2 * HOUR, "a"}};
	static const char *const firsts[] = {
		[OUTPUT_COMPLETE] = "+a@0-3600:1 +a@3600-7200:1 ",
		[OUTPUT_APPEND] = "o+a@0-3600:1 o+a@3600-7200:1 ",
		[OUTPUT_UPDATE] = "+a@0-3600:1 +a@3600-7200:1 ",
	};
	static const char *const seconds[] = {
		[OUTPUT_COMPLETE] = "-a@0-3600:0 -a@3600-7200:0 +a@10800-14400:1 ",
		[OUTPUT_APPEND] = "o-a@0-3600:0 o-a@3600-7200:0 o+a@10800-14400:1 ",
		[OUTPUT_UPDATE] = "-a@0-3600:0 -a@3600-7200:0 +a@10800-14400:1 ",
	};

	spec.output_mode = (enum output_mode)_i;
	spec.retention_us = HOUR;
	spec.watermark_us = 10 * HOUR;
	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect(firsts[_i]);
	ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
	expect(seconds[_i]);
	ck_assert_int_eq(query->totals.retention_end_us, 2 * HOUR);
	/* A window that ended before the horizon takes nothing more: late, and counted nowhere
	 * else. */
	ck_assert_int_eq(fold_cells(third, COUNT(third)), 0);
	expect(_i == OUTPUT_APPEND ? "o+a@7200-10800:1 " : "+a@7200-10800:1 ");
	ck_assert_int_eq(query->totals.n_late, 1);
}
END_TEST

START_TEST(rows_that_left_the_state_are_dropped_by_retention_too)
{
	static const struct one first[] = {{0, "a"}, {5 * HOUR, "b"}};
	static const struct one second[] = {{9 * HOUR, "c"}};

	spec.output_mode = (enum output_mode)_i;
	spec.retention_us = 5 * HOUR;
	spec.watermark_us = 0;
	open_query();
	ck_assert_int_eq(fold_cells(first, COUNT(first)), 0);
	expect(_i == OUTPUT_APPEND ? "o+a@0-3600:1 o+b@18000-21600:1 "
				   : "+a@0-3600:1 +b@18000-21600:1 ");
	if (_i == OUTPUT_APPEND) {
		ck_assert_int_eq(fold_cells(NULL, 0), 0);
		expect("+a@0-3600:1 o-a@0-3600:0 ");
	}
	ck_assert_int_eq(query_n_groups(query), 1);
	ck_assert_int_eq(fold_cells(second, COUNT(second)), 0);
	expect(_i == OUTPUT_APPEND ? "-a@0-3600:0 o+c@32400-36000:1 "
				   : "-a@0-3600:0 +c@32400-36000:1 ");
}
END_TEST

START_TEST(many_names_come_in_the_order_of_their_bytes)
{
	enum { NAMES = 5000 };

	static char names[NAMES][48];
	static struct one events[NAMES];
	struct query_change change = {0};
	struct err err = ERR_INIT;

	srand((unsigned)_i);
	for (int i = 0; i < NAMES; i++) {
		const char *prefix = _i == 0      ? ""
				     : _i == 1    ? "the same 12345678 "
				     : rand() % 2 ? "x"
						  : "";

		(void)snprintf(names[i], sizeof(names[i]), "%s%d%s", prefix, rand() % 100000,
			rand() % 3 == 0 ? " and a long tail" : "");
		events[i] = (struct one){(rand() % 3) * HOUR, i == 77 && _i != 1 ? NULL : names[i]};
	}
	open_query();
	ck_assert_int_eq(fold_cells(events, NAMES), 0);
	ck_assert_int_eq(query_finish(query, &change, &err), 0);
	ck_assert_uint_gt(change.n_rows, 4000);
	for (size_t i = 1; i < change.n_rows; i++) {
		int order =
			event_values_compare(change.rows[i - 1].values, change.rows[i].values, 1);

		ck_assert(order < 0 ||
			  (order == 0 && change.rows[i - 1].start_us < change.rows[i].start_us));
	}
	query_accept(query);
}
END_TEST

START_TEST(restored_rows_go_on_where_they_were)
{
	static const struct one events[] = {{0, "a"}, {5 * HOUR, "a"}};
	struct event_value value = value_of("a");
	struct err err = ERR_INIT;

	spec.output_mode = OUTPUT_UPDATE;
	spec.watermark_us = 0;
	spec.retention_us = 100 * HOUR;
	open_query();
	query->totals.watermark_us = 2 * HOUR;
	query->totals.max_time_us = 2 * HOUR;
	ck_assert_int_eq(query_restore_row(query, &value, HOUR, 2 * HOUR, 7, false, &err), 0);
	ck_assert_int_eq(query_restore_row(query, &value, 5 * HOUR, 6 * HOUR, 8, false, &err), 0);
	/* The first is closed: it is kept for retention only. */
	ck_assert_int_eq(query_n_groups(query), 1);
	ck_assert_uint_eq(query->shown.n, 1);
	ck_assert_int_eq(fold_cells(events, COUNT(events)), 0);
	expect("=a@18000-21600:9 ");
	ck_assert_int_eq(query->totals.n_late, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("query");
	TCase *tcase = tcase_create("query");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, rows_say_what_is_new_what_changed_and_come_in_order);
	tcase_add_test(tcase, an_abandoned_batch_gives_the_same_rows_again);
	tcase_add_loop_test(tcase, cells_and_single_events_give_the_same_rows, 0, 30);
	tcase_add_test(tcase, too_many_groups_are_over_and_in_order_the_first_are_taken);
	tcase_add_test(tcase, an_event_counts_in_its_windows_that_have_room_and_is_refused_once);
	tcase_add_test(
		tcase, an_event_is_late_once_if_any_window_is_closed_and_counts_in_the_others);
	tcase_add_test(tcase, complete_mode_drops_nothing_late);
	tcase_add_test(tcase, append_shows_a_row_in_the_batch_after_the_one_that_closed_it);
	tcase_add_loop_test(tcase, retention_drops_rows_in_every_mode, OUTPUT_COMPLETE, 3);
	tcase_add_loop_test(
		tcase, rows_that_left_the_state_are_dropped_by_retention_too, OUTPUT_APPEND, 3);
	tcase_add_loop_test(tcase, many_names_come_in_the_order_of_their_bytes, 0, 3);
	tcase_add_test(tcase, restored_rows_go_on_where_they_were);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
