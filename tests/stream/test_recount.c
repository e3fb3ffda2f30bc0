/* The batch twin and the events one by one, on real directories. */
#include "stream/recount.h"

#include "base/buf.h"
#include "base/timestamp.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bench bench;
static struct buf text;

static void set_up(void)
{
	bench_init(&bench);
}

static void tear_down(void)
{
	bench_close(&bench);
	buf_fini(&text);
}

static const char *recount_text(size_t query)
{
	struct recount recount;
	struct err err = ERR_INIT;
	char time[TIMESTAMP_TEXT_BYTES];
	int rc = recount_run(&recount, &bench.spec, query, INT64_MAX, NULL, NULL, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	buf_clear(&text);
	for (size_t i = 0; i < recount.n_rows; i++) {
		const struct recount_row *row = &recount.rows[i];

		for (size_t j = 0; j < bench.queries[query].n_group_by; j++) {
			if (row->values[j].kind == EVENT_VALUE_NULL)
				buf_add_text(&text, "NULL");
			else
				buf_add(&text, row->values[j].text, row->values[j].len);
			buf_add_char(&text, '|');
		}
		buf_add(&text, time, timestamp_format(row->start_us, time));
		buf_add_char(&text, '|');
		buf_add(&text, time, timestamp_format(row->end_us, time));
		buf_add_char(&text, '|');
		buf_add_int(&text, (int64_t)row->count);
		buf_add_char(&text, '\n');
	}
	buf_add_char(&text, '\0');
	recount_fini(&recount);
	return text.data;
}

START_TEST(a_recount_equals_the_stream_that_has_caught_up)
{
	struct buf streamed = {0};
	struct query_spec *session = bench_add_query(&bench, "visits");

	session->window_us = session->slide_us = 0;
	session->session_us = 600 * US_PER_S;
	bench.spec.threads = 3;
	bench_open(&bench);
	srand(5);
	for (int file = 0; file < 6; file++) {
		char name[16], line[96];

		(void)snprintf(name, sizeof(name), "f%d", file);
		for (int i = 0; i < 200; i++) {
			(void)snprintf(line, sizeof(line), "{\"time\":%d,\"action\":\"a%d\"}\n%s",
				rand() % 100000, rand() % 5, i % 50 == 7 ? "garbage\n" : "");
			bench_write(&bench, name, line);
		}
	}
	(void)bench_run(&bench);
	for (size_t query = 0; query < 2; query++)
		ck_assert_str_eq(recount_text(query), bench_rows(&bench, query, false, &streamed));
	buf_fini(&streamed);
}
END_TEST

static const char *events_text(const struct event_filter *filter)
{
	struct event_cursor *cursor;
	const struct event *event;
	const char *file;
	struct err err = ERR_INIT;
	int rc = event_cursor_open(&cursor, &bench.spec, 0, filter, NULL, NULL, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	buf_clear(&text);
	while ((rc = event_cursor_next(cursor, &event, &file, &err)) == 1) {
		buf_printf(&text, "%s:%lld %lld ", file, (long long)event->line,
			(long long)event->time_us / 1000000);
		if (event->values[0].kind == EVENT_VALUE_TEXT)
			buf_add(&text, event->values[0].text, event->values[0].len);
		buf_add_char(&text, ' ');
		buf_add(&text, event->json, event->json_len);
		buf_add_char(&text, '\n');
	}
	ck_assert_msg(rc == 0, "%s", err.text);
	event_cursor_close(cursor);
	buf_add_char(&text, '\0');
	return text.data;
}

START_TEST(a_cursor_gives_each_event_with_its_file_line_and_text)
{
	struct event_filter all = {.min_us = INT64_MIN, .max_us = INT64_MAX};
	struct event_filter some = {.file = "b", .min_us = 4 * US_PER_S, .max_us = 5 * US_PER_S};

	bench_open(&bench);
	bench_write(&bench, "b",
		"{\"time\":3,\"action\":\"x\"}\nbad\n"
		"[{\"time\":4,\"action\":\"y\"},{\"time\":5}]\n{\"time\":6,\"action\":\"z\"}");
	bench_write(&bench, "a", "[{\"time\":7,\"action\":\"v\"},{\"time\"\n{\"time\":8,\"acti");
	ck_assert_str_eq(events_text(&all), "b:1 3 x {\"time\":3,\"action\":\"x\"}\n"
					    "b:3 4 y {\"time\":4,\"action\":\"y\"}\n"
					    "b:3 5  {\"time\":5}\n"
					    "b:4 6 z {\"time\":6,\"action\":\"z\"}\n");
	ck_assert_str_eq(
		events_text(&some), "b:3 4 y {\"time\":4,\"action\":\"y\"}\nb:3 5  {\"time\":5}\n");
}
END_TEST

START_TEST(a_cursor_reads_each_file_once_when_names_move_on_under_it)
{
	struct event_filter all = {.min_us = INT64_MIN, .max_us = INT64_MAX};
	struct event_cursor *cursor;
	const struct event *event;
	const char *file;
	struct err err = ERR_INIT;
	char from[256], to[256], name[16];

	bench_open(&bench);
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "log.%d", i);
		bench_write(&bench, name, "{\"time\":1,\"action\":\"x\"}\n");
	}
	ck_assert_int_eq(event_cursor_open(&cursor, &bench.spec, 0, &all, NULL, NULL, &err), 0);
	ck_assert_int_eq(event_cursor_next(cursor, &event, &file, &err), 1);
	ck_assert_str_eq(file, "log.0");
	/* The oldest goes, each of the others takes the next name, and there is a new one. */
	for (int i = 2; i >= 0; i--) {
		snprintf(from, sizeof(from), "%s/log.%d", bench.spec.sources[0].path, i);
		snprintf(to, sizeof(to), "%s/log.%d", bench.spec.sources[0].path, i + 1);
		ck_assert_int_eq(rename(from, to), 0);
	}
	bench_write(&bench, "log.0", "{\"time\":2,\"action\":\"new\"}\n");
	/* They have the names and the bytes of when it began. */
	for (int i = 1; i < 3; i++) {
		snprintf(name, sizeof(name), "log.%d", i);
		ck_assert_int_eq(event_cursor_next(cursor, &event, &file, &err), 1);
		ck_assert_str_eq(file, name);
	}
	ck_assert_int_eq(event_cursor_next(cursor, &event, &file, &err), 0);
	event_cursor_close(cursor);
}
END_TEST

/* More than one buffer, an array longer than a buffer included. */
START_TEST(a_cursor_gives_long_files_and_arrays_whole)
{
	struct event_filter all = {.min_us = INT64_MIN, .max_us = INT64_MAX};
	struct event_cursor *cursor;
	const struct event *event;
	const char *file;
	struct err err = ERR_INIT;
	struct buf data = {0};
	int64_t sum = 0;
	int n = 0;

	bench_open(&bench);
	for (int i = 0; i < 30000; i++)
		buf_printf(&data, "{\"time\":%d,\"action\":\"name of %d\"}\n", i, i);
	buf_add_text(&data, "[{\"time\":1}");
	for (int i = 1; i < 30000; i++)
		buf_printf(&data, ",{\"time\":1,\"action\":\"name of %d\"}", i);
	buf_add_text(&data, "]\n{\"time\":9}");
	bench_append(&bench, "long", data.data, data.len);
	ck_assert_int_eq(event_cursor_open(&cursor, &bench.spec, 0, &all, NULL, NULL, &err), 0);
	while (event_cursor_next(cursor, &event, &file, &err) == 1) {
		sum += event->time_us / 1000000;
		n++;
	}
	event_cursor_close(cursor);
	buf_fini(&data);
	ck_assert_int_eq(n, 60001);
	ck_assert_int_eq(sum, INT64_C(30000) * 29999 / 2 + 30000 + 9);
}
END_TEST

static bool yes(void *context)
{
	(void)context;
	return true;
}

/* On one line an event, an array of so many and what ends it; then a line of one more. */
static void write_array(const char *name, int n, const char *ending)
{
	struct buf lines = {0};

	buf_add_text(&lines, "{\"time\":1,\"action\":\"first\"} [");
	for (int i = 0; i < n; i++)
		buf_printf(&lines, "%s{\"time\":%d,\"action\":\"x\"}", i > 0 ? "," : "", i);
	buf_printf(&lines, "%s\n{\"time\":2,\"action\":\"last\"}\n", ending);
	bench_append(&bench, name, lines.data, lines.len);
	buf_fini(&lines);
}

START_TEST(a_long_array_takes_no_more_memory_than_a_short_one_and_counts_if_it_ends)
{
	enum { N = 200000 };
	const struct event_filter all = {.min_us = INT64_MIN, .max_us = INT64_MAX};
	struct event_cursor *cursor;
	const struct event *event;
	struct err err = ERR_INIT;
	size_t before, most = 0;
	const char *file;
	int64_t n = 0;

	write_array("a", N, _i == 0 ? "]" : ",oops]");
	before = mallinfo2().uordblks;
	ck_assert_int_eq(event_cursor_open(&cursor, &bench.spec, 0, &all, NULL, NULL, &err), 0);
	while (event_cursor_next(cursor, &event, &file, &err) == 1) {
		if (n++ % 1000 == 0 && mallinfo2().uordblks > most)
			most = mallinfo2().uordblks;
	}
	ck_assert_int_eq(err.code, 0);
	ck_assert_int_eq(n, _i == 0 ? N + 2 : 2);
	/* The copies of all of them would be four times as much. */
	ck_assert_uint_lt(most, before + (16 << 20));
	event_cursor_close(cursor);
}
END_TEST

START_TEST(both_end_when_they_are_cancelled)
{
	struct event_filter all = {.min_us = INT64_MIN, .max_us = INT64_MAX};
	struct recount recount;
	struct event_cursor *cursor;
	const struct event *event;
	const char *file;
	struct err err = ERR_INIT;

	bench_open(&bench);
	bench_write(&bench, "b", "{\"time\":3,\"action\":\"x\"}\n");
	ck_assert_int_eq(
		recount_run(&recount, &bench.spec, 0, INT64_MAX, yes, NULL, &err), ERR_INTERRUPTED);
	ck_assert_int_eq(event_cursor_open(&cursor, &bench.spec, 0, &all, yes, NULL, &err), 0);
	ck_assert_int_eq(event_cursor_next(cursor, &event, &file, &err), ERR_INTERRUPTED);
	event_cursor_close(cursor);
}
END_TEST

/* A rotation, once, as soon as the first file is being read. */
static bool rotate(void *context)
{
	bool *has_rotated = context;
	char from[256], to[256];

	for (int i = 2; !*has_rotated && i >= 0; i--) {
		snprintf(from, sizeof(from), "%s/log.%d", bench.spec.sources[0].path, i);
		snprintf(to, sizeof(to), "%s/log.%d", bench.spec.sources[0].path, i + 1);
		ck_assert_int_eq(rename(from, to), 0);
	}
	*has_rotated = true;
	return false;
}

START_TEST(a_recount_counts_each_file_once_when_names_move_on_under_it)
{
	struct recount recount;
	struct err err = ERR_INIT;
	bool has_rotated = false;
	char name[16];

	bench_open(&bench);
	for (int i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "log.%d", i);
		bench_write(&bench, name, "{\"time\":1,\"action\":\"x\"}\n");
	}
	ck_assert_int_eq(
		recount_run(&recount, &bench.spec, 0, INT64_MAX, rotate, &has_rotated, &err), 0);
	ck_assert(has_rotated);
	ck_assert_uint_eq(recount.n_rows, 1);
	ck_assert_uint_eq(recount.rows[0].count, 3);
	recount_fini(&recount);
}
END_TEST

START_TEST(a_recount_of_many_groups_ends_at_its_limit_and_below_it_does_not)
{
	struct recount recount;
	struct buf data = {0};
	struct err err = ERR_INIT;

	bench_open(&bench);
	for (int i = 0; i < 50000; i++)
		buf_printf(&data, "{\"time\":3,\"action\":\"a group of its own %d\"}\n", i);
	buf_add_char(&data, '\0');
	bench_write(&bench, "many", data.data);
	buf_fini(&data);
	ck_assert_int_eq(
		recount_run(&recount, &bench.spec, 0, 4 << 20, NULL, NULL, &err), ERR_LIMIT);
	ck_assert_msg(strstr(err.text, "more memory") != NULL, "%s", err.text);
	ck_assert_ptr_null(recount.rows);
	ck_assert_int_eq(recount_run(&recount, &bench.spec, 0, 64 << 20, NULL, NULL, &err), 0);
	ck_assert_uint_eq(recount.n_rows, 50000);
	recount_fini(&recount);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recount");
	TCase *tcase = tcase_create("recount");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_recount_equals_the_stream_that_has_caught_up);
	tcase_add_test(tcase, a_cursor_gives_each_event_with_its_file_line_and_text);
	tcase_add_test(tcase, a_cursor_reads_each_file_once_when_names_move_on_under_it);
	tcase_add_test(tcase, a_cursor_gives_long_files_and_arrays_whole);
	tcase_add_test(tcase, a_recount_counts_each_file_once_when_names_move_on_under_it);
	tcase_add_loop_test(tcase,
		a_long_array_takes_no_more_memory_than_a_short_one_and_counts_if_it_ends, 0, 2);
	tcase_add_test(tcase, both_end_when_they_are_cancelled);
	tcase_add_test(tcase, a_recount_of_many_groups_ends_at_its_limit_and_below_it_does_not);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
