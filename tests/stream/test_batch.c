/*
 * Batches when something is in the way: stopped in the middle, files that
 * vanish, shrink, break or are rewritten while they are read, abandoned ones.
 */
#include "base/buf.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

static struct bench bench;

static void set_up(void)
{
	bench_init(&bench);
}

static void tear_down(void)
{
	bench_close(&bench);
}

static void *stop_soon(void *argument)
{
	struct timespec pause = {.tv_nsec = *(long *)argument};

	(void)nanosleep(&pause, NULL);
	stream_stop_batch(bench.stream);
	return NULL;
}

START_TEST(a_stopped_batch_is_smaller_and_not_wrong)
{
	bench.spec.threads = 1 + _i;
	bench_open(&bench);
	bench.stream->slice_bytes = 2000;
	bench_write_events(&bench, "big", 0, 60000);
	bench_write_events(&bench, "small", 0, 100);
	for (int i = 0;; i++) {
		long pause_ns = i % 40 * 20000;
		pthread_t thread;
		struct batch *batch;

		bench_look(&bench);
		ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, &pause_ns), 0);
		batch = bench_begin(&bench);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		if (batch != NULL)
			bench_finish(&bench, batch, true);
		ck_assert_int_eq(
			bench.store.queries[0].totals.n_events, (int64_t)kept_sum(&bench.store, 0));
		if (kept_sum(&bench.store, 0) == 60100)
			break;
		ck_assert_int_lt(i, 20000);
	}
	bench.stream->stop = false;
	while (bench_batch(&bench)) {
	}
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 60100);
	ck_assert_int_eq(kept_find_file(&bench.store, "big")->file.state, FILE_DONE);
}
END_TEST

START_TEST(a_file_that_was_left_in_the_middle_is_recognised_by_what_was_read_of_it)
{
	char path[256];
	uint64_t n_read;

	bench_open(&bench);
	bench.stream->slice_bytes = 2000;
	bench_write_events(&bench, "big", 0, 60000);
	/* Until one was stopped between two slices. */
	for (int i = 0; kept_sum(&bench.store, 0) == 0; i++) {
		long pause_ns = i % 40 * 20000;
		pthread_t thread;
		struct batch *batch;

		bench_look(&bench);
		ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, &pause_ns), 0);
		batch = bench_begin(&bench);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		if (batch != NULL && batch->plan.files[0].end == SLICE_STOPPED)
			bench_finish(&bench, batch, true);
		else if (batch != NULL)
			batch_abandon(batch);
		ck_assert_int_lt(i, 20000);
	}
	n_read = kept_sum(&bench.store, 0);
	ck_assert_uint_lt(n_read, 60000);
	ck_assert_int_eq(kept_find_file(&bench.store, "big")->file.identity.fp_offset,
		bench.store.offsets[0].offset.at.offset);
	/* While nobody looks another one takes its place. */
	bench_path(&bench, "big", path);
	ck_assert_int_eq(truncate(path, 0), 0);
	bench_write_events(&bench, "big", 7, 50);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), n_read + 50);
}
END_TEST

/* Writes another file of the same length in place, once so many buffers have been read. */
struct rewriting {
	const char *path;
	int64_t bytes;
	int n_before;
};

static bool rewrite(void *context)
{
	struct rewriting *rewriting = context;
	struct buf lines = {0};
	FILE *out;

	if (rewriting->n_before-- != 0)
		return false;
	while ((int64_t)lines.len < rewriting->bytes)
		buf_add_text(&lines, "{\"time\":8,\"action\":\"other\"}\n");
	out = fopen(rewriting->path, "w");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(
		fwrite(lines.data, 1, (size_t)rewriting->bytes, out), (size_t)rewriting->bytes);
	ck_assert_int_eq(fclose(out), 0);
	buf_fini(&lines);
	return false;
}

START_TEST(a_file_that_is_rewritten_while_it_is_read_is_not_known_by_its_new_bytes)
{
	static const int64_t slices[] = {PLAN_SLICE_BYTES, 100000};
	struct plan_limits limits = {.slice_bytes = slices[_i]};
	atomic_bool is_stopped = false;
	struct slice_stop stop = {.flag = &is_stopped, .poll = rewrite};
	struct rewriting rewriting = {.n_before = 3};
	struct file_identity *identity;
	struct intake *intake;
	struct err err = ERR_INIT;
	struct plan plan;
	char path[256];
	FILE *file;

	bench_open(&bench);
	bench_write_events(&bench, "a", 0, 60000);
	bench_look(&bench);
	intake = &bench.stream->intakes[0];
	bench_path(&bench, "a", path);
	rewriting.path = path;
	rewriting.bytes = source_file(intake->source, 0)->size;
	stop.context = &rewriting;
	ck_assert_int_eq(plan_make(&plan, &intake->prefixes, intake->prefixes.list[0], &limits,
				 bench.stream->crew.readers[0], &err),
		0);
	ck_assert_int_eq(crew_read(&bench.stream->crew, &plan, &intake->shape, &intake->scans,
				 US_PER_HOUR, &stop, &err),
		0);
	ck_assert_int_lt(rewriting.n_before, 0);
	identity = &plan.files[0].read.identity;
	ck_assert_int_gt(identity->fp_offset, 0);
	file = fopen(path, "r");
	ck_assert_int_eq(identity_fits(fileno(file), identity, &err), 0);
	ck_assert_int_eq(fclose(file), 0);
	plan_fini(&plan);
}
END_TEST

START_TEST(a_stop_before_the_first_slice_leaves_nothing_done)
{
	bench_open(&bench);
	bench_write_events(&bench, "a", 0, 10);
	bench_look(&bench);
	stream_stop_batch(bench.stream);
	ck_assert_ptr_null(bench_begin(&bench));
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 10);
}
END_TEST

START_TEST(a_file_that_is_gone_when_its_turn_comes_does_not_hold_up_the_others)
{
	char path[256];

	bench_open(&bench);
	bench_write_events(&bench, "a", 0, 10);
	bench_write_events(&bench, "b", 0, 10);
	bench_look(&bench);
	bench_path(&bench, "a", path);
	ck_assert_int_eq(unlink(path), 0);
	bench_finish(&bench, bench_begin(&bench), true);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(kept_find_file(&bench.store, "a")->file.state, FILE_MISSING);
	ck_assert_int_eq(kept_find_file(&bench.store, "b")->file.state, FILE_DONE);
}
END_TEST

START_TEST(a_file_that_shrinks_after_it_was_planned_counts_what_is_left_once)
{
	char path[256];

	bench.spec.threads = 3;
	bench_open(&bench);
	bench.stream->slice_bytes = 300;
	bench_write_events(&bench, "a", 0, 1000);
	bench_look(&bench);
	bench_path(&bench, "a", path);
	/* Every line of the first thousand has 24 to 26 bytes; the cut is inside one. */
	ck_assert_int_eq(truncate(path, 10010), 0);
	bench_finish(&bench, bench_begin(&bench), true);
	ck_assert_uint_gt(kept_sum(&bench.store, 0), 365);
	ck_assert_uint_lt(kept_sum(&bench.store, 0), 420);
	ck_assert_int_eq(
		bench.store.queries[0].totals.n_events, (int64_t)kept_sum(&bench.store, 0));
}
END_TEST

static void write_gzip(const char *name, const char *data, size_t len, size_t n_cut)
{
	unsigned char packed[65536];
	z_stream stream = {.next_in = (unsigned char *)(uintptr_t)data,
		.avail_in = (unsigned)len,
		.next_out = packed,
		.avail_out = sizeof(packed)};

	ck_assert_int_eq(
		deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	bench_append(&bench, name, (char *)packed, stream.total_out - n_cut);
	(void)deflateEnd(&stream);
}

START_TEST(broken_compression_counts_what_was_read_whole_and_is_retried)
{
	struct buf lines = {0};
	char path[256];

	bench_open(&bench);
	for (int i = 0; i < 20000; i++)
		buf_printf(&lines, "{\"time\":%d,\"action\":\"b\"}\n", i % 3600);
	write_gzip("a.gz", lines.data, lines.len, 0);
	bench_path(&bench, "a.gz", path);
	{
		/* The last byte of the length at the end is wrong. */
		FILE *file = fopen(path, "r+e");

		ck_assert_int_eq(fseek(file, -1, SEEK_END), 0);
		ck_assert_int_eq(fputc(0x7f, file), 0x7f);
		ck_assert_int_eq(fclose(file), 0);
	}
	bench_write_events(&bench, "b", 0, 10);
	bench_look(&bench);
	bench_finish(&bench, bench_begin(&bench), true);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 20010);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.gz")->file.state, FILE_ERROR);
	ck_assert_ptr_nonnull(kept_find_file(&bench.store, "a.gz")->file.reason);
	ck_assert_int_eq(kept_find_file(&bench.store, "b")->file.state, FILE_DONE);
	/* The retries find nothing more, and count nothing twice. */
	for (int i = 0; i < 5; i++) {
		bench_look(&bench);
		for (struct batch *batch = bench_begin(&bench); batch != NULL;
			batch = bench_begin(&bench))
			bench_finish(&bench, batch, true);
	}
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 20010);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.gz")->file.state, FILE_ERROR);
	buf_fini(&lines);
}
END_TEST

static int64_t files_behind(void)
{
	struct query_view view;

	stream_query_view(bench.stream, 0, &view);
	return view.n_files_behind;
}

START_TEST(a_file_that_cannot_be_read_at_all_makes_no_numbered_batch)
{
	char path[256];

	bench_open(&bench);
	bench_append(&bench, "a.gz", "\x1f\x8b garbage", 10);
	bench_look(&bench);
	ck_assert_int_eq(files_behind(), 1);
	(void)bench_run(&bench);
	ck_assert_int_eq(files_behind(), 1);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.gz")->file.state, FILE_ERROR);
	ck_assert_ptr_nonnull(kept_find_file(&bench.store, "a.gz")->file.reason);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, -1);
	bench_write_events(&bench, "b", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 0);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 1);
	ck_assert_int_eq(files_behind(), 1);
	bench_path(&bench, "a.gz", path);
	ck_assert_int_eq(unlink(path), 0);
	(void)bench_run(&bench);
	ck_assert_int_eq(files_behind(), 0);
}
END_TEST

START_TEST(a_compressed_file_that_grows_waits_for_the_rest_of_its_member)
{
	static const char first[] = "{\"time\":1,\"action\":\"b\"}\n{\"time\":2,\"act";
	static const char second[] = "ion\":\"b\"}\n{\"time\":3,\"action\":\"b\"}";

	bench_open(&bench);
	write_gzip("a.gz", first, sizeof(first) - 1, 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 1);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.gz")->file.state, FILE_GROWING);
	bench_restart(&bench);
	write_gzip("a.gz", second, sizeof(second) - 1, 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 3);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.gz")->file.state, FILE_DONE);
	ck_assert_int_eq(kept_find_file(&bench.store, "a.gz")->least_offset,
		kept_find_file(&bench.store, "a.gz")->file.size);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 3);
}
END_TEST

/* Lines, some of them bad, one with a value too long to group by. */
static void lines_with_rejects(struct buf *out)
{
	for (int i = 0; i < 30; i++) {
		if (i == 11)
			buf_add_text(out, "{\"time\":1,\"action\":\"");
		for (int n = 0; i == 11 && n < 65537; n++)
			buf_add_char(out, 'x');
		if (i == 11)
			buf_add_text(out, "\"}\n");
		else if (i % 5 == 3)
			buf_printf(out, "bad %d\n", i);
		else
			buf_printf(out, "{\"time\":%d,\"action\":\"b\"}\n", i);
	}
}

static void check_rejects_alike(size_t first, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct kept_reject *plain = &bench.store.rejects[i];
		const struct kept_reject *packed = &bench.store.rejects[first + i];

		ck_assert_int_eq(packed->line, plain->line);
		ck_assert_int_eq(packed->offset, plain->offset);
		ck_assert_int_eq(packed->reason, plain->reason);
	}
}

START_TEST(rejects_of_a_compressed_file_stand_where_they_stand_in_the_whole_of_it)
{
	struct buf all = {0};

	bench_open(&bench);
	lines_with_rejects(&all);
	bench_append(&bench, "plain", all.data, all.len);
	(void)bench_run(&bench);
	ck_assert_uint_eq(bench.store.n_rejects, 7);
	srand(5);
	/* Three members, cut anywhere; a batch and sometimes another run between them. */
	for (int i = 0; i < 60; i++) {
		size_t one = i == 0 ? 30 : (size_t)rand() % all.len;
		size_t two = one + (size_t)rand() % (all.len - one);
		size_t first = bench.store.n_rejects;
		char name[16];

		(void)snprintf(name, sizeof(name), "%d.gz", i);
		write_gzip(name, all.data, one, 0);
		(void)bench_run(&bench);
		write_gzip(name, all.data + one, two - one, 0);
		if (rand() % 4 == 0)
			bench_restart(&bench);
		(void)bench_run(&bench);
		write_gzip(name, all.data + two, all.len - two, 0);
		(void)bench_run(&bench);
		ck_assert_uint_eq(bench.store.n_rejects, first + 7);
		check_rejects_alike(first, 7);
	}
	buf_fini(&all);
}
END_TEST

START_TEST(a_file_whose_last_lines_are_longer_than_slices_is_counted_once)
{
	struct buf line = {0};

	bench.spec.threads = 1 + _i;
	bench_open(&bench);
	bench.stream->slice_bytes = 100;
	bench_write_events(&bench, "a", 0, 50);
	buf_add_text(&line, "{\"time\":1,\"action\":\"a0\",\"x\":\"");
	for (int i = 0; i < 5000; i++)
		buf_add_char(&line, 'x');
	bench_append(&bench, "a", line.data, line.len);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 50);
	ck_assert_int_eq(kept_find_file(&bench.store, "a")->file.state, FILE_GROWING);
	bench_write(&bench, "a", "\"}");
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 51);
	ck_assert_int_eq(kept_find_file(&bench.store, "a")->file.state, FILE_DONE);
	bench_write(&bench, "a", "\nbad\n");
	(void)bench_run(&bench);
	ck_assert_uint_eq(bench.store.n_rejects, 1);
	ck_assert_int_eq(bench.store.rejects[0].line, 52);
	buf_fini(&line);
}
END_TEST

/* From now on no file can be opened; or again as before. */
static void set_descriptors(bool is_open)
{
	struct rlimit limit;
	int lowest = is_open ? 0 : dup(0);

	ck_assert_int_ge(lowest, 0);
	if (!is_open)
		ck_assert_int_eq(close(lowest), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = is_open ? limit.rlim_max : (rlim_t)lowest;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

START_TEST(without_descriptors_files_wait_and_nothing_is_wrong_with_them)
{
	struct err err = ERR_INIT;
	struct batch *batch;

	bench.spec.threads = 1 + _i;
	bench_open(&bench);
	for (int i = 0; i < 20; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%d", i);
		bench_write_events(&bench, name, 0, 10);
	}
	bench_look(&bench);
	set_descriptors(false);
	ck_assert_int_eq(stream_batch(bench.stream, 0, bench.now_us, &batch, &err), ERR_IO);
	ck_assert_int_eq(err.sys_errno, EMFILE);
	ck_assert_ptr_nonnull(strstr(err.text, "Too many open files"));
	/* The directory cannot be listed either: that is trouble, and loses nothing. */
	bench_look(&bench);
	ck_assert_ptr_nonnull(stream_source_trouble(bench.stream, 0));
	set_descriptors(true);
	(void)bench_run(&bench);
	ck_assert_ptr_null(stream_source_trouble(bench.stream, 0));
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 200);
	ck_assert_int_eq(kept_find_file(&bench.store, "f7")->file.state, FILE_DONE);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 20);
}
END_TEST

START_TEST(an_abandoned_batch_leaves_everything_as_it_was)
{
	struct batch *batch;

	bench.queries[0].watermark_us = 0;
	bench.queries[0].output_mode = OUTPUT_APPEND;
	bench_open(&bench);
	bench_write_events(&bench, "a", 0, 100);
	bench_write(&bench, "a", "{\"time\":9000,\"action\":\"late\"}\nbad\n");
	for (int i = 0; i < 3; i++) {
		bench_look(&bench);
		batch = bench_begin(&bench);
		ck_assert_uint_eq(batch_changes(batch)->n_rejects, 1);
		ck_assert_uint_eq(batch_changes(batch)->queries[0].n_open_rows, 4);
		ck_assert_int_eq(batch_changes(batch)->queries[0].totals.batch_id, 0);
		if (i < 2)
			batch_abandon(batch);
	}
	bench_finish(&bench, batch, true);
	for (int i = 0; i < 3; i++) {
		batch = bench_begin(&bench);
		ck_assert_uint_eq(batch_changes(batch)->queries[0].n_rows, 3);
		ck_assert_int_eq(batch_changes(batch)->queries[0].progress.n_files, 0);
		if (i < 2)
			batch_abandon(batch);
	}
	bench_finish(&bench, batch, true);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 101);
	ck_assert(!bench_batch(&bench));
}
END_TEST

START_TEST(a_year_of_hours_under_a_watermark_of_an_hour_stays_in_flat_memory)
{
	size_t most = 0;

	bench.queries[0].watermark_us = US_PER_HOUR;
	bench.queries[0].output_mode = _i == 0 ? OUTPUT_APPEND : OUTPUT_UPDATE;
	bench_open(&bench);
	for (int day = 0; day < 365; day++) {
		struct buf lines = {0};
		size_t bytes;

		for (int i = 0; i < 24 * 4; i++)
			buf_printf(&lines, "{\"time\":%d,\"action\":\"of day %03d %d\"}\n",
				day * 86400 + i * 900, day, i % 7);
		bench_append(&bench, "year", lines.data, lines.len);
		buf_fini(&lines);
		(void)bench_run(&bench);
		bytes = query_state_bytes(bench.stream->queries[0]);
		if (day == 20)
			most = bytes;
		ck_assert(day <= 20 || bytes <= most);
		ck_assert_int_le(query_n_groups(bench.stream->queries[0]), 3 * 7);
	}
	ck_assert_int_eq(bench.store.queries[0].totals.n_late, 0);
	if (_i == 1)
		ck_assert_uint_eq(kept_sum(&bench.store, 0), 365 * 24 * 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch");
	TCase *tcase = tcase_create("batch");

	tcase_set_timeout(tcase, 600);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_stopped_batch_is_smaller_and_not_wrong, 0, 3);
	tcase_add_test(
		tcase, a_file_that_was_left_in_the_middle_is_recognised_by_what_was_read_of_it);
	tcase_add_loop_test(tcase,
		a_file_that_is_rewritten_while_it_is_read_is_not_known_by_its_new_bytes, 0, 2);
	tcase_add_test(tcase, a_stop_before_the_first_slice_leaves_nothing_done);
	tcase_add_test(tcase, a_file_that_is_gone_when_its_turn_comes_does_not_hold_up_the_others);
	tcase_add_test(tcase, a_file_that_shrinks_after_it_was_planned_counts_what_is_left_once);
	tcase_add_test(tcase, broken_compression_counts_what_was_read_whole_and_is_retried);
	tcase_add_test(tcase, a_file_that_cannot_be_read_at_all_makes_no_numbered_batch);
	tcase_add_test(tcase, a_compressed_file_that_grows_waits_for_the_rest_of_its_member);
	tcase_add_test(
		tcase, rejects_of_a_compressed_file_stand_where_they_stand_in_the_whole_of_it);
	tcase_add_loop_test(
		tcase, a_file_whose_last_lines_are_longer_than_slices_is_counted_once, 0, 3);
	tcase_add_loop_test(
		tcase, without_descriptors_files_wait_and_nothing_is_wrong_with_them, 0, 2);
	tcase_add_test(tcase, an_abandoned_batch_leaves_everything_as_it_was);
	tcase_add_loop_test(
		tcase, a_year_of_hours_under_a_watermark_of_an_hour_stays_in_flat_memory, 0, 2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
