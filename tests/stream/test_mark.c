/* A mark is reached when what was there is read, whatever arrives meanwhile. */
#include "stream/mark.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char line[] = "{\"time\":1469501107,\"action\":\"Open\"}\n";

static void write_lines(struct bench *bench, const char *name, int n)
{
	for (int i = 0; i < n; i++)
		bench_append(bench, name, line, sizeof(line) - 1);
}

static struct mark *make_mark(struct bench *bench)
{
	struct mark *mark;
	struct err err = ERR_INIT;

	ck_assert_int_eq(stream_scan(bench->stream, 0, true, bench->now_us, &err), 0);
	ck_assert_int_eq(intake_look(&bench->stream->intakes[0], &err), 0);
	ck_assert_int_eq(mark_new(&mark, bench->stream, 0, &err), 0);
	return mark;
}

static int64_t count_of(const struct bench *bench)
{
	return bench->store.queries[0].totals.n_events;
}

START_TEST(a_mark_is_reached_although_files_arrive_for_ever)
{
	struct bench bench;
	struct mark *mark;
	size_t n_passed = 0;
	int n_batches = 0;
	char name[16];

	bench_init(&bench);
	bench.sources[0].max_files_per_trigger = 1;
	bench_open(&bench);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "old-%d", i);
		write_lines(&bench, name, 10);
	}
	mark = make_mark(&bench);
	while (!mark_is_reached(mark, bench.stream, 0, &n_passed)) {
		ck_assert_int_lt(n_batches, 5);
		(void)snprintf(name, sizeof(name), "new-%d", n_batches++);
		write_lines(&bench, name, 10);
		ck_assert(bench_batch(&bench));
	}
	ck_assert_int_eq(n_batches, 5);
	ck_assert_int_eq(count_of(&bench), 50);
	mark_unref(mark);
	bench_close(&bench);
}
END_TEST

START_TEST(a_file_that_grows_for_ever_is_waited_for_only_as_long_as_it_was)
{
	struct bench bench;
	struct mark *mark;
	size_t n_passed = 0;
	int n_batches = 0;

	bench_init(&bench);
	bench.sources[0].max_bytes_per_trigger = 10 * (sizeof(line) - 1);
	bench_open(&bench);
	write_lines(&bench, "log", 95);
	mark = make_mark(&bench);
	while (!mark_is_reached(mark, bench.stream, SIZE_MAX, &n_passed)) {
		ck_assert_int_lt(n_batches++, 10);
		write_lines(&bench, "log", 10);
		ck_assert(bench_batch(&bench));
	}
	ck_assert_int_ge(count_of(&bench), 95);
	mark_unref(mark);
	bench_close(&bench);
}
END_TEST

START_TEST(what_cannot_be_read_to_its_end_is_not_waited_for)
{
	struct bench bench;
	struct mark *mark;
	size_t n_passed = 0;
	char path[256];

	bench_init(&bench);
	bench_open(&bench);
	write_lines(&bench, "a", 10);
	bench_write(&bench, "b", "{\"time\":1469501107,\"act");
	write_lines(&bench, "c", 10);
	mark = make_mark(&bench);
	bench_path(&bench, "a", path);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert(!mark_is_reached(mark, bench.stream, 0, &n_passed));
	while (!mark_is_reached(mark, bench.stream, 0, &n_passed))
		ck_assert(bench_batch(&bench));
	ck_assert_int_eq(count_of(&bench), 10);
	mark_unref(mark);
	bench_close(&bench);
}
END_TEST

START_TEST(windows_that_append_has_to_show_belong_to_the_mark)
{
	struct bench bench;
	struct mark *mark;
	struct buf text = {0};
	size_t n_passed = 0;

	bench_init(&bench);
	bench.queries[0].output_mode = OUTPUT_APPEND;
	bench.queries[0].watermark_us = 0;
	bench_open(&bench);
	write_lines(&bench, "a", 10);
	bench_write(&bench, "b", "{\"time\":1469591107,\"action\":\"Open\"}\n");
	mark = make_mark(&bench);
	while (!mark_is_reached(mark, bench.stream, 0, &n_passed))
		ck_assert(bench_batch(&bench));
	ck_assert_str_eq(bench_rows(&bench, 0, false, &text),
		"Open|2016-07-26 02:00:00|2016-07-26 03:00:00|10\n");
	buf_fini(&text);
	mark_unref(mark);
	bench_close(&bench);
}
END_TEST

START_TEST(one_query_is_waited_for_without_the_others)
{
	struct bench bench;
	struct mark *mark;
	struct err err = ERR_INIT;
	size_t n_passed = 0, n_passed_by_all = 0;

	bench_init(&bench);
	(void)bench_add_query(&bench, "behind");
	bench_open(&bench);
	write_lines(&bench, "a", 10);
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	mark = make_mark(&bench);
	ck_assert(mark_is_reached(mark, bench.stream, 0, &n_passed));
	ck_assert(!mark_is_reached(mark, bench.stream, SIZE_MAX, &n_passed_by_all));
	(void)bench_run(&bench);
	ck_assert(mark_is_reached(mark, bench.stream, SIZE_MAX, &n_passed_by_all));
	mark_unref(mark);
	bench_close(&bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream/mark");
	TCase *tcase = tcase_create("mark");

	tcase_add_test(tcase, a_mark_is_reached_although_files_arrive_for_ever);
	tcase_add_test(tcase, a_file_that_grows_for_ever_is_waited_for_only_as_long_as_it_was);
	tcase_add_test(tcase, what_cannot_be_read_to_its_end_is_not_waited_for);
	tcase_add_test(tcase, windows_that_append_has_to_show_belong_to_the_mark);
	tcase_add_test(tcase, one_query_is_waited_for_without_the_others);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
