/*
 * What a batch refuses: malformed lines that end a query, the newest rows of
 * rejects, values too long to group by, groups without room.
 */
#include "base/buf.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct bench bench;

static void set_up(void)
{
	bench_init(&bench);
}

static void tear_down(void)
{
	bench_close(&bench);
}

START_TEST(on_malformed_fail_stops_the_query_with_file_line_and_reason)
{
	struct err err = ERR_INIT;

	bench.sources[0].on_malformed = ON_MALFORMED_FAIL;
	bench.sources[0].max_files_per_trigger = 1;
	bench_open(&bench);
	bench_write_events(&bench, "a", 0, 10);
	bench_write(&bench, "b",
		"{\"time\":1,\"action\":\"x\"}\n{\"time\":2}\n{\"time\":nonsense}\n{\"action\":1}"
		"\n");
	bench_write_events(&bench, "c", 0, 10);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 10);
	ck_assert_int_eq(bench.store.queries[0].totals.state, QUERY_FAILED);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 0);
	ck_assert_ptr_nonnull(bench.store.queries[0].exception);
	ck_assert_ptr_nonnull(strstr(bench.store.queries[0].exception, "b, line 3: bad_json"));
	ck_assert_uint_eq(bench.store.n_rejects, 0);
	/* It stays so over a restart, until it is started; then it fails there again. */
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 10);
	bench.sources[0].on_malformed = ON_MALFORMED_KEEP;
	ck_assert_int_eq(stream_start_query(bench.stream, 0, &err), 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 22);
	ck_assert_int_eq(bench.store.queries[0].totals.state, QUERY_ACTIVE);
	ck_assert_ptr_null(bench.store.queries[0].exception);
	ck_assert_uint_eq(bench.store.n_rejects, 2);
}
END_TEST

/* One event has an action over 64 KiB: a reject for who groups by it, an event for the others. */
/* Files in order of names, each of `n` lines of which every other one is malformed. */
static void write_half_malformed(int n_files, int n)
{
	struct buf lines = {0};
	char name[16];

	for (int i = 0; i < n_files; i++) {
		buf_clear(&lines);
		for (int k = 0; k < n / 2; k++)
			buf_printf(
				&lines, "{\"time\":%d,\"action\":\"a\"}\nbad %d of %d\n", k, k, i);
		(void)snprintf(name, sizeof(name), "f%02d", i);
		bench_append(&bench, name, lines.data, lines.len);
	}
	buf_fini(&lines);
}

START_TEST(of_a_batch_with_more_rejects_the_newest_ten_thousand_are_rows)
{
	const struct kept_reject *first, *last;

	bench.spec.threads = 1 + _i;
	bench_open(&bench);
	bench.stream->slice_bytes = 1000;
	/* 16 files of 1,500 rejects each: all of the last 6, and two thirds of the one before. */
	write_half_malformed(16, 3000);
	ck_assert_uint_eq(bench_run(&bench), 1);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_BAD_JSON], 16 * 1500);
	ck_assert_int_eq(bench.store.queries[0].totals.n_rejects, 16 * 1500);
	ck_assert_uint_eq(bench.store.n_rejects, 10000);
	first = &bench.store.rejects[0];
	last = &bench.store.rejects[9999];
	ck_assert_str_eq(first->path, "f09");
	ck_assert_int_eq(first->line, 2 * 501);
	ck_assert_ptr_nonnull(strstr(first->text, "bad 500 of 9"));
	ck_assert_str_eq(last->path, "f15");
	ck_assert_int_eq(last->line, 3000);
	for (size_t i = 1; i < 10000; i++) {
		const struct kept_reject *row = &bench.store.rejects[i];

		if (strcmp(row->path, row[-1].path) == 0)
			must(row->line == row[-1].line + 2 && row->offset > row[-1].offset);
		else
			must(strcmp(row->path, row[-1].path) > 0 && row->line == 2);
	}
}
END_TEST

static void write_too_long(const char *name)
{
	struct buf line = {0};

	buf_add_text(&line, "{\"time\":1,\"user\":\"u\",\"action\":\"x\"}\n[{\"time\":2,\"user\":"
			    "\"u\",\"action\":\"");
	for (int i = 0; i < 70000; i++)
		buf_add_char(&line, 'x');
	buf_add_text(&line, "\"}]\nbad\n{\"time\":3,\"user\":\"u\",\"action\":\"x\"}\n");
	bench_append(&bench, name, line.data, line.len);
	buf_fini(&line);
}

START_TEST(a_value_too_long_is_a_reject_only_for_queries_that_group_by_it)
{
	static const char *const user[] = {"user"};

	bench.spec.threads = 2;
	bench_set_fields(bench_add_query(&bench, "users"), user, 1);
	bench_open(&bench);
	write_too_long("a");
	(void)bench_run(&bench);
	bench_expect_rows(&bench, 0, "x|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n");
	bench_expect_rows(&bench, 1, "u|1970-01-01 00:00:00|1970-01-01 01:00:00|3\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, 2);
	ck_assert_int_eq(bench.store.queries[0].totals.n_rejects, 2);
	ck_assert_int_eq(bench.store.queries[1].totals.n_events, 3);
	ck_assert_int_eq(bench.store.queries[1].totals.n_rejects, 1);
	ck_assert_uint_eq(bench.store.n_rejects, 2);
	ck_assert_int_eq(bench.store.rejects[0].reason, REJECT_GROUP_TOO_LONG);
	ck_assert_int_eq(bench.store.rejects[0].line, 2);
	ck_assert_int_eq(bench.store.rejects[1].reason, REJECT_BAD_JSON);
	ck_assert_int_eq(bench.store.rejects[1].line, 3);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_GROUP_TOO_LONG], 1);
	/* The long name is known to the scan; that alone makes no later batch slow or wrong. */
	bench_write_events(&bench, "b", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_GROUP_TOO_LONG], 1);
}
END_TEST

static void add_too_long(struct buf *line)
{
	buf_add_text(line, "{\"time\":1,\"action\":\"");
	for (int i = 0; i < 70000; i++)
		buf_add_char(line, 'x');
	buf_add_text(line, "\"}");
}

START_TEST(a_value_too_long_in_a_long_array_is_a_reject_if_the_array_counts)
{
	static const char *const endings[] = {"]\n", ",oops]\n"};
	struct buf line = {0};

	bench_open(&bench);
	buf_add_text(&line, "{\"time\":1,\"action\":\"y\"}\n [");
	add_too_long(&line);
	for (int i = 0; i < 20000; i++)
		buf_printf(&line, ",{\"time\":%d,\"action\":\"x\"}", i % 3600);
	buf_add_text(&line, ",{}");
	buf_add_text(&line, endings[_i]);
	/* So that the file is gone over again in any case. */
	add_too_long(&line);
	buf_add_text(&line, "\n");
	bench_append(&bench, "a", line.data, line.len);
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_GROUP_TOO_LONG], 2 - _i);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_NO_TIME], 1 - _i);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_BAD_JSON], _i);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), _i == 0 ? 20001 : 1);
	buf_fini(&line);
}
END_TEST

START_TEST(a_value_too_long_moves_the_watermark_only_of_queries_that_count_it)
{
	static const char *const user[] = {"user"};
	struct buf line = {0};

	bench.queries[0].watermark_us = 0;
	bench_set_fields(bench_add_query(&bench, "users"), user, 1);
	bench_open(&bench);
	buf_add_text(&line, "{\"time\":5,\"user\":\"u\",\"action\":\"x\"}\n"
			    "{\"time\":4000000000,\"user\":\"u\",\"action\":\"");
	for (int i = 0; i < 70000; i++)
		buf_add_char(&line, 'x');
	buf_add_text(&line, "\"}\n{\"time\":3,\"user\":\"u\",\"action\":\"x\"}\n");
	bench_append(&bench, "a", line.data, line.len);
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, 2);
	ck_assert_int_eq(bench.store.queries[0].totals.max_time_us, 5 * US_PER_S);
	ck_assert_int_eq(bench.store.queries[0].totals.watermark_us, 5 * US_PER_S);
	ck_assert_int_eq(bench.store.queries[0].progress.min_time_us, 3 * US_PER_S);
	ck_assert_int_eq(bench.store.queries[1].totals.max_time_us, 4000000000 * US_PER_S);
	buf_fini(&line);
}
END_TEST

START_TEST(a_value_too_long_fails_only_the_query_that_groups_by_it)
{
	static const char *const user[] = {"user"};

	bench_set_fields(bench_add_query(&bench, "users"), user, 1);
	bench.sources[0].on_malformed = ON_MALFORMED_FAIL;
	bench_open(&bench);
	{
		struct buf line = {0};

		buf_add_text(&line, "{\"time\":2,\"user\":\"u\",\"action\":\"");
		for (int i = 0; i < 70000; i++)
			buf_add_char(&line, 'x');
		buf_add_text(&line, "\"}\n");
		bench_append(&bench, "a", line.data, line.len);
		buf_fini(&line);
	}
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[0].totals.state, QUERY_FAILED);
	ck_assert_ptr_nonnull(
		strstr(bench.store.queries[0].exception, "a, line 1: group_too_long"));
	ck_assert_int_eq(bench.store.queries[1].totals.state, QUERY_ACTIVE);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 0);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 1);
	ck_assert_int_ne(
		bench.store.queries[0].totals.prefix_id, bench.store.queries[1].totals.prefix_id);
}
END_TEST

START_TEST(the_first_groups_in_file_order_are_taken_whatever_the_number_of_threads)
{
	bench.queries[0].max_groups = 3;
	bench.spec.threads = 1 + _i;
	bench_open(&bench);
	bench.stream->slice_bytes = 60;
	bench_write(&bench, "a",
		"{\"time\":1,\"action\":\"m\"}\n[{\"time\":1,\"action\":\"z\"},{\"time\":1,"
		"\"action\":"
		"\"b\"}]\n{\"time\":1,\"action\":\"z\"}\n");
	bench_write(&bench, "b",
		"[{\"time\":1,\"action\":\"dropped\"},{\"time\n{\"time\":1,\"action\":\"c\"}\n"
		"{\"time\":1,\"action\":\"m\"}\n{\"time\":9999,\"action\":\"z\"}\n");
	(void)bench_run(&bench);
	bench_expect_rows(&bench, 0,
		"b|1970-01-01 00:00:00|1970-01-01 01:00:00|1\n"
		"m|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n"
		"z|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_refused, 2);
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, 7);
	/* Full from the start: no order is asked, new groups are refused all the same. */
	bench_write(&bench, "c", "{\"time\":1,\"action\":\"a\"}\n{\"time\":1,\"action\":\"b\"}\n");
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[0].totals.n_refused, 3);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch_rejects");
	TCase *tcase = tcase_create("batch_rejects");

	tcase_set_timeout(tcase, 600);
	tcase_add_loop_test(
		tcase, a_value_too_long_in_a_long_array_is_a_reject_if_the_array_counts, 0, 2);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, on_malformed_fail_stops_the_query_with_file_line_and_reason);
	tcase_add_loop_test(
		tcase, of_a_batch_with_more_rejects_the_newest_ten_thousand_are_rows, 0, 3);
	tcase_add_test(tcase, a_value_too_long_is_a_reject_only_for_queries_that_group_by_it);
	tcase_add_test(tcase, a_value_too_long_moves_the_watermark_only_of_queries_that_count_it);
	tcase_add_test(tcase, a_value_too_long_fails_only_the_query_that_groups_by_it);
	tcase_add_loop_test(tcase,
		the_first_groups_in_file_order_are_taken_whatever_the_number_of_threads, 0, 4);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
