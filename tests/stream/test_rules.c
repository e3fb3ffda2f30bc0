/* Rules of counting that need files, a stream and its batches to be seen; each test has the name of
 * its rule. */
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define LINE       "{\"time\":1469501107,\"action\":\"Open\"}\n"
#define LINE_BYTES (sizeof(LINE) - 1)

static struct bench bench;
static struct buf text;

static void set_up(void)
{
	bench_init(&bench);
	text = (struct buf){0};
}

static void tear_down(void)
{
	bench_close(&bench);
	buf_fini(&text);
}

static void write_lines(const char *name, int n)
{
	for (int i = 0; i < n; i++)
		bench_append(&bench, name, LINE, LINE_BYTES);
}

static int64_t n_events(void)
{
	return bench.store.queries[0].totals.n_events;
}

static void expect(const char *rows)
{
	ck_assert_str_eq(bench_rows(&bench, 0, false, &text), rows);
}

static const struct file *file_of(const char *name)
{
	for (size_t i = 0; i < bench.store.n_files; i++) {
		if (strcmp(bench.store.files[i].file.path, name) == 0)
			return &bench.store.files[i].file;
	}
	ck_abort_msg("no file %s", name);
}

START_TEST(a_batch_takes_at_most_max_files_per_trigger)
{
	bench.sources[0].max_files_per_trigger = 2;
	bench_open(&bench);
	for (int i = 0; i < 5; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f-%d", i);
		write_lines(name, 10);
	}
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 20);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 40);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 50);
	ck_assert(!bench_batch(&bench));
}
END_TEST

START_TEST(a_batch_takes_at_most_max_bytes_and_cuts_a_plain_file_behind_a_line)
{
	bench.sources[0].max_bytes_per_trigger = 4 * LINE_BYTES + 5;
	bench_open(&bench);
	write_lines("a", 2);
	write_lines("b", 2);
	write_lines("c", 11);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 4);
	/* A line that begins before the limit is read to its end. */
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 4 + 5);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 4 + 10);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 4 + 11);
	ck_assert(!bench_batch(&bench));
}
END_TEST

START_TEST(a_last_line_without_end_may_be_longer_than_max_bytes)
{
	static const char half[] = "{\"time\":1469501107,\"act";

	for (int64_t max_bytes = 1; max_bytes < (int64_t)(2 * LINE_BYTES); max_bytes++) {
		tear_down();
		set_up();
		bench.sources[0].max_bytes_per_trigger = max_bytes;
		bench_open(&bench);
		write_lines("a", 2);
		bench_append(&bench, "a", LINE, LINE_BYTES - 1);
		write_lines("b", 1);
		bench_append(&bench, "b", half, sizeof(half) - 1);
		while (bench_batch(&bench))
			ck_assert_int_le(n_events(), 4);
		ck_assert_int_eq(n_events(), 4);
		ck_assert_int_eq(file_of("a")->state, FILE_DONE);
		ck_assert_int_eq(file_of("b")->state, FILE_GROWING);
		bench_append(&bench, "b", &LINE[sizeof(half) - 1], LINE_BYTES - sizeof(half) + 1);
		while (bench_batch(&bench))
			ck_assert_int_le(n_events(), 5);
		ck_assert_int_eq(n_events(), 5);
		ck_assert_int_eq(file_of("b")->state, FILE_DONE);
	}
}
END_TEST

static void write_gzip(const char *name, int n_lines)
{
	char packed[4096];
	z_stream z = {0};

	ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	buf_clear(&text);
	for (int i = 0; i < n_lines; i++)
		buf_add(&text, LINE, LINE_BYTES);
	z.next_in = (Bytef *)text.data;
	z.avail_in = (uInt)text.len;
	z.next_out = (Bytef *)packed;
	z.avail_out = sizeof(packed);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	bench_append(&bench, name, packed, z.total_out);
	ck_assert_int_eq(deflateEnd(&z), Z_OK);
}

START_TEST(a_compressed_file_is_taken_whole_however_small_the_limit)
{
	bench.sources[0].max_bytes_per_trigger = 10;
	bench_open(&bench);
	write_gzip("a", 500);
	write_gzip("b", 500);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 500);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 1000);
	ck_assert(!bench_batch(&bench));
}
END_TEST

START_TEST(an_empty_file_takes_its_place_like_any_other)
{
	bench.sources[0].max_files_per_trigger = 1;
	bench_open(&bench);
	bench_append(&bench, "empty", "", 0);
	write_lines("full", 1);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 0);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 0);
	ck_assert_int_eq(file_of("empty")->state, FILE_DONE);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(n_events(), 1);
}
END_TEST

START_TEST(compression_is_known_by_content_and_not_by_name)
{
	char packed[256];
	size_t n = ZSTD_compress(packed, sizeof(packed), LINE LINE LINE, 3 * LINE_BYTES, 1);

	ck_assert(!ZSTD_isError(n));
	bench_open(&bench);
	write_lines("plain.gz", 1);
	write_lines("plain.zst", 1);
	write_gzip("gzip.json", 20);
	bench_append(&bench, "zstd.json", packed, n);
	bench_append(&bench, "zstd.gz", packed, n);
	(void)bench_run(&bench);
	ck_assert_int_eq(n_events(), 1 + 1 + 20 + 3 + 3);
	ck_assert_int_eq(bench.store.queries[0].totals.n_rejects, 0);
}
END_TEST

static bool run_noticed(bool full)
{
	struct batch *batch;
	struct err err = ERR_INIT;
	int rc;

	bench.now_us += 10 * US_PER_S;
	ck_assert_int_eq(stream_scan(bench.stream, 0, full, bench.now_us, &err), 0);
	rc = stream_batch(bench.stream, 0, bench.now_us, &batch, &err);
	ck_assert_int_ge(rc, 0);
	if (rc == 0)
		return false;
	bench_apply(&bench, batch_changes(batch));
	batch_accept(batch, true, bench.now_us);
	return true;
}

/* Without a notice, as mmap and links from elsewhere write. */
START_TEST(changes_that_nobody_announces_are_found_by_a_full_look)
{
	char path[256], elsewhere[300];
	int fd;

	bench_open(&bench);
	write_lines("mapped", 2);
	write_lines("linked", 2);
	stream_set_noticed(bench.stream, 0, true);
	while (run_noticed(true))
		;
	ck_assert_int_eq(n_events(), 4);
	bench_path(&bench, "mapped", path);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(ftruncate(fd, 3 * LINE_BYTES), 0);
	char *mapped = mmap(NULL, 3 * LINE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(mapped, MAP_FAILED);
	memcpy(mapped + 2 * LINE_BYTES, LINE, LINE_BYTES);
	ck_assert_int_eq(munmap(mapped, 3 * LINE_BYTES), 0);
	ck_assert_int_eq(close(fd), 0);
	bench_path(&bench, "linked", path);
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s.elsewhere", bench.dir);
	ck_assert_int_eq(link(path, elsewhere), 0);
	fd = open(elsewhere, O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, LINE, LINE_BYTES), LINE_BYTES);
	ck_assert_int_eq(close(fd), 0);
	ck_assert(!run_noticed(false));
	ck_assert(run_noticed(true));
	while (run_noticed(true))
		;
	ck_assert_int_eq(n_events(), 6);
	ck_assert_int_eq(unlink(elsewhere), 0);
}
END_TEST

START_TEST(one_event_of_the_year_9999_moves_watermark_and_retention_for_good)
{
	bench.queries[0].output_mode = OUTPUT_UPDATE;
	bench.queries[0].watermark_us = US_PER_HOUR;
	bench.queries[0].retention_us = US_PER_DAY;
	bench_open(&bench);
	write_lines("a", 1);
	(void)bench_run(&bench);
	expect("Open|2016-07-26 02:00:00|2016-07-26 03:00:00|1\n");
	bench_write(&bench, "b", "{\"time\":253402300799,\"action\":\"Open\"}\n");
	(void)bench_run(&bench);
	expect("Open|9999-12-31 23:00:00|+10000-01-01 00:00:00|1\n");
	ck_assert_int_eq(bench.store.queries[0].progress.watermark_us,
		(INT64_C(253402300799) - 3600) * US_PER_S);
	write_lines("c", 1);
	(void)bench_run(&bench);
	expect("Open|9999-12-31 23:00:00|+10000-01-01 00:00:00|1\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_late, 1);
}
END_TEST

START_TEST(sessions_without_fields_are_of_all_events)
{
	bench_set_fields(&bench.queries[0], NULL, 0);
	bench.queries[0].window_us = bench.queries[0].slide_us = 0;
	bench.queries[0].session_us = 60 * US_PER_S;
	bench_open(&bench);
	bench_write(
		&bench, "a", "{\"time\":0,\"action\":\"x\"}\n{\"time\":100,\"action\":\"y\"}\n");
	(void)bench_run(&bench);
	expect("1970-01-01 00:00:00|1970-01-01 00:01:00|1\n"
	       "1970-01-01 00:01:40|1970-01-01 00:02:40|1\n");
	/* What lies between joins them, although it comes later. */
	bench_write(&bench, "b", "{\"time\":50,\"action\":\"z\"}\n");
	(void)bench_run(&bench);
	expect("1970-01-01 00:00:00|1970-01-01 00:02:40|3\n");
}
END_TEST

START_TEST(what_a_query_refuses_does_not_depend_on_its_company)
{
	static const char *const action[] = {"action"};
	struct query_spec *company = bench_add_query(&bench, "company");

	bench_set_fields(company, action, 1);
	company->max_groups = 1;
	bench_set_fields(&bench.queries[0], NULL, 0);
	bench.queries[0].window_us = bench.queries[0].slide_us = 0;
	bench.queries[0].session_us = 60 * US_PER_S;
	bench.queries[0].max_groups = 2;
	bench_open(&bench);
	/* Three sessions until the last two events join them. */
	bench_write(&bench, "a",
		"{\"time\":0,\"action\":\"x\"}\n{\"time\":100,\"action\":\"y\"}\n"
		"{\"time\":200}\n{\"time\":50}\n{\"time\":150}\n");
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[1].totals.n_refused, 4);
	ck_assert_int_eq(bench.store.queries[0].totals.n_refused, 0);
	expect("1970-01-01 00:00:00|1970-01-01 00:04:20|5\n");
}
END_TEST

START_TEST(lateness_is_judged_by_the_watermark_of_the_batch_before)
{
	bench.queries[0].output_mode = OUTPUT_UPDATE;
	bench.queries[0].watermark_us = 0;
	bench_open(&bench);
	/* In one batch nothing is late, however far the times go back. */
	bench_write(&bench, "a", "{\"time\":36000}\n{\"time\":0}\n");
	(void)bench_run(&bench);
	expect("NULL|1970-01-01 00:00:00|1970-01-01 01:00:00|1\n"
	       "NULL|1970-01-01 10:00:00|1970-01-01 11:00:00|1\n");
	bench_write(&bench, "b", "{\"time\":0}\n{\"time\":36001}\n");
	(void)bench_run(&bench);
	expect("NULL|1970-01-01 00:00:00|1970-01-01 01:00:00|1\n"
	       "NULL|1970-01-01 10:00:00|1970-01-01 11:00:00|2\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_late, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream/rules");
	TCase *tcase = tcase_create("rules");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, a_batch_takes_at_most_max_files_per_trigger);
	tcase_add_test(tcase, a_batch_takes_at_most_max_bytes_and_cuts_a_plain_file_behind_a_line);
	tcase_add_test(tcase, a_last_line_without_end_may_be_longer_than_max_bytes);
	tcase_add_test(tcase, a_compressed_file_is_taken_whole_however_small_the_limit);
	tcase_add_test(tcase, an_empty_file_takes_its_place_like_any_other);
	tcase_add_test(tcase, compression_is_known_by_content_and_not_by_name);
	tcase_add_test(tcase, changes_that_nobody_announces_are_found_by_a_full_look);
	tcase_add_test(tcase, one_event_of_the_year_9999_moves_watermark_and_retention_for_good);
	tcase_add_test(tcase, sessions_without_fields_are_of_all_events);
	tcase_add_test(tcase, what_a_query_refuses_does_not_depend_on_its_company);
	tcase_add_test(tcase, lateness_is_judged_by_the_watermark_of_the_batch_before);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
