/* The engine on real directories: from files to what a batch changed. */
#include "stream/stream.h"

#include "base/buf.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

START_TEST(the_worked_example_of_five_files_gives_its_tables)
{
	bench.sources[0].max_files_per_trigger = 1;
	bench_open(&bench);
	bench_write(&bench, "a.json",
		"{\"time\":1469501107,\"action\":\"Open\"}\n"
		"{\"time\":1469501999,\"action\":\"Open\"} trailing\n\n");
	bench_write(&bench, "b.json",
		"{\"time\":1469502000,\"action\":\"Close\"}\n"
		"{\"time\":1469502000.5,\"action\":\"Close\"}\n{\"time\":14695\n");
	bench_write(&bench, ".c.json", "{\"time\":1469502000,\"action\":\"Close\"}\n");
	bench_write(&bench, "d.json", "");
	bench_write(&bench, "f.txt",
		"[{\"time\":1469505600,\"action\":\"Open\"},"
		"{\"time\":\"2016-07-26T04:10:00+00:00\",\"action\":7}]\n");
	bench_write(&bench, "g.json",
		"{\"time\":1469505601}\n{\"TIME\":1469505601,\"action\":\"Open\"}\n"
		"{\"time\":null,\"action\":\"Open\"}\n");
	ck_assert(bench_batch(&bench));
	bench_expect_rows(&bench, 0, "Open|2016-07-26 02:00:00|2016-07-26 03:00:00|2\n");
	ck_assert(bench_batch(&bench));
	ck_assert(bench_batch(&bench));
	bench_expect_rows(&bench, 0,
		"Close|2016-07-26 03:00:00|2016-07-26 04:00:00|2\n"
		"Open|2016-07-26 02:00:00|2016-07-26 03:00:00|2\n");
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 2);
	ck_assert(bench_batch(&bench));
	ck_assert(bench_batch(&bench));
	ck_assert(!bench_batch(&bench));
	bench_expect_rows(&bench, 0,
		"NULL|2016-07-26 04:00:00|2016-07-26 05:00:00|1\n"
		"7|2016-07-26 04:00:00|2016-07-26 05:00:00|1\n"
		"Close|2016-07-26 03:00:00|2016-07-26 04:00:00|2\n"
		"Open|2016-07-26 02:00:00|2016-07-26 03:00:00|2\n"
		"Open|2016-07-26 04:00:00|2016-07-26 05:00:00|1\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, 7);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 5);
	ck_assert_int_eq(bench.store.queries[0].totals.n_rejects, 4);
	ck_assert_uint_eq(bench.store.n_rejects, 4);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_BAD_JSON], 2);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_NO_TIME], 2);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.json")->file.state, FILE_DONE);
	ck_assert_int_eq(kept_find_file(&bench.store, "g.json")->file.n_rejects, 2);
}
END_TEST

START_TEST(a_growing_file_is_counted_once_wherever_it_is_cut)
{
	static const char line[] = "{\"time\":1469501107,\"action\":\"Open\"}\n"
				   "{\"time\":1469501108,\"action\":\"Close\"}";

	bench_open(&bench);
	for (size_t i = 0; i < sizeof(line) - 1; i++) {
		bench_append(&bench, "grows", line + i, 1);
		(void)bench_run(&bench);
	}
	bench_expect_rows(&bench, 0,
		"Close|2016-07-26 02:00:00|2016-07-26 03:00:00|1\n"
		"Open|2016-07-26 02:00:00|2016-07-26 03:00:00|1\n");
	ck_assert_int_eq(kept_find_file(&bench.store, "grows")->file.state, FILE_DONE);
	ck_assert_int_eq(
		kept_find_file(&bench.store, "grows")->least_offset, (int64_t)sizeof(line) - 1);
	bench_append(&bench, "grows", "\n{\"time\":1", 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(kept_find_file(&bench.store, "grows")->file.state, FILE_GROWING);
	bench_append(&bench, "grows", "x}\n", 3);
	(void)bench_run(&bench);
	ck_assert_uint_eq(bench.store.n_rejects, 1);
	ck_assert_int_eq(bench.store.rejects[0].line, 3);
	ck_assert_int_eq(bench.store.rejects[0].offset, (int64_t)sizeof(line));
}
END_TEST

START_TEST(a_restart_goes_on_where_the_last_batch_stopped)
{
	bench_open(&bench);
	bench_write(&bench, "a", "{\"time\":1,\"action\":\"x\"}\n{\"time\":2,\"act");
	(void)bench_run(&bench);
	bench_restart(&bench);
	ck_assert(!bench_batch(&bench));
	bench_write(&bench, "a", "ion\":\"x\"}\n");
	(void)bench_run(&bench);
	bench_restart(&bench);
	(void)bench_run(&bench);
	bench_expect_rows(&bench, 0, "x|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, 2);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 1);
}
END_TEST

static int64_t sum(const char *action)
{
	const struct kept_query *kept = &bench.store.queries[0];
	uint64_t n = 0;

	for (size_t i = 0; i < kept->n_rows; i++) {
		const struct event_value *value = &kept->rows[i].values[0];

		if (value->len == strlen(action) && memcmp(value->text, action, value->len) == 0)
			n += kept->rows[i].count;
	}
	return (int64_t)n;
}

static const char *sample_dir(void)
{
	static const char *const places[] = {"../shared/data/events", "../../shared/data/events"};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		if (access(places[i], R_OK) == 0)
			return places[i];
	}
	return NULL;
}

static void copy_sample(const char *dir)
{
	char *data = malloc(1 << 20);

	for (int i = 0; i < 50; i++) {
		char from[256], name[32];
		FILE *file;
		size_t n;

		(void)snprintf(name, sizeof(name), "file-%d.json", i);
		(void)snprintf(from, sizeof(from), "%s/%s", dir, name);
		file = fopen(from, "re");
		ck_assert_ptr_nonnull(file);
		n = fread(data, 1, 1 << 20, file);
		ck_assert_int_eq(fclose(file), 0);
		/* All of one time: the natural order of the names decides. */
		bench.mtime_s = 1469500000;
		bench_append(&bench, name, data, n);
	}
	free(data);
}

START_TEST(the_sample_stream_gives_its_published_table_after_each_file)
{
	const char *dir = sample_dir();

	bench.sources[0].max_files_per_trigger = 1;
	bench_open(&bench);
	if (dir == NULL)
		return;
	copy_sample(dir);
	for (int i = 0; i < 50; i++) {
		ck_assert(bench_batch(&bench));
		ck_assert_int_ge(sum("Open"), sum("Close"));
		if (i == 0) {
			ck_assert_int_eq(sum("Close"), 531);
			ck_assert_int_eq(sum("Open"), 1469);
		}
		if (i == 1) {
			ck_assert_int_eq(sum("Close"), 1493);
			ck_assert_int_eq(sum("Open"), 2507);
		}
		if (i == 3) {
			ck_assert_int_eq(sum("Close"), 3498);
			ck_assert_int_eq(sum("Open"), 4502);
		}
	}
	ck_assert(!bench_batch(&bench));
	ck_assert_int_eq(sum("Close"), 50000);
	ck_assert_int_eq(sum("Open"), 50000);
	ck_assert_uint_eq(bench.store.queries[0].n_rows, 104);
	ck_assert_uint_eq(bench.store.n_rejects, 0);
	ck_assert_str_eq(strtok((char *)(uintptr_t)bench_rows(&bench, 0, false, &text), "\n"),
		"Close|2016-07-26 02:00:00|2016-07-26 03:00:00|11");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *tcase = tcase_create("stream");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, the_worked_example_of_five_files_gives_its_tables);
	tcase_add_test(tcase, a_growing_file_is_counted_once_wherever_it_is_cut);
	tcase_add_test(tcase, a_restart_goes_on_where_the_last_batch_stopped);
	tcase_add_test(tcase, the_sample_stream_gives_its_published_table_after_each_file);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
