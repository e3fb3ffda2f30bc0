/*
 * Batches when something is in the way: stopped in the middle, files that
 * vanish, shrink or break while they are read, malformed lines that end a
 * query, groups without room, files that are cleaned away.
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
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

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

static void expect_rows(size_t query, const char *expected)
{
	ck_assert_str_eq(bench_rows(&bench, query, false, &text), expected);
}

static const struct kept_file *kept_file(const char *path)
{
	for (size_t i = 0; i < bench.store.n_files; i++) {
		if (strcmp(bench.store.files[i].file.path, path) == 0)
			return &bench.store.files[i];
	}
	ck_abort_msg("no file %s", path);
}

/* `n` events of the first hour; the name goes round. */
static void write_events(const char *name, int first, int n)
{
	struct buf lines = {0};

	for (int i = first; i < first + n; i++)
		buf_printf(&lines, "{\"time\":%d,\"action\":\"a%d\"}\n", i % 3600, i % 3);
	bench_append(&bench, name, lines.data, lines.len);
	buf_fini(&lines);
}

static uint64_t sum(size_t query)
{
	const struct kept_query *kept = &bench.store.queries[query];
	uint64_t n = 0;

	for (size_t i = 0; i < kept->n_rows; i++)
		n += kept->rows[i].count;
	return n;
}

/* Looks, as bench_batch does, but leaves the batch to the caller. */
static struct batch *begin_batch(void)
{
	struct batch *batch = NULL;
	struct err err = ERR_INIT;
	int rc = stream_batch(bench.stream, 0, bench.now_us, &batch, &err);

	ck_assert_msg(rc >= 0, "%s", err.text);
	return rc == 1 ? batch : NULL;
}

static void look(void)
{
	struct err err = ERR_INIT;

	bench.now_us += 10 * US_PER_S;
	ck_assert_int_eq(stream_scan(bench.stream, 0, true, bench.now_us, &err), 0);
}

static void finish_batch(struct batch *batch, bool is_synced)
{
	bench_apply(&bench, batch_changes(batch));
	batch_accept(batch, is_synced, bench.now_us);
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
	write_events("big", 0, 60000);
	write_events("small", 0, 100);
	for (int i = 0;; i++) {
		long pause_ns = i % 40 * 20000;
		pthread_t thread;
		struct batch *batch;

		look();
		ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, &pause_ns), 0);
		batch = begin_batch();
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		if (batch != NULL)
			finish_batch(batch, true);
		ck_assert_int_eq(bench.store.queries[0].totals.n_events, (int64_t)sum(0));
		if (sum(0) == 60100)
			break;
		ck_assert_int_lt(i, 20000);
	}
	bench.stream->stop = false;
	while (bench_batch(&bench)) {
	}
	ck_assert_uint_eq(sum(0), 60100);
	ck_assert_int_eq(kept_file("big")->file.state, FILE_DONE);
}
END_TEST

START_TEST(a_file_that_was_left_in_the_middle_is_recognised_by_what_was_read_of_it)
{
	char path[256];
	uint64_t n_read;

	bench_open(&bench);
	bench.stream->slice_bytes = 2000;
	write_events("big", 0, 60000);
	/* Until one was stopped between two slices. */
	for (int i = 0; sum(0) == 0; i++) {
		long pause_ns = i % 40 * 20000;
		pthread_t thread;
		struct batch *batch;

		look();
		ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, &pause_ns), 0);
		batch = begin_batch();
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		if (batch != NULL && batch->plan.files[0].end == SLICE_STOPPED)
			finish_batch(batch, true);
		else if (batch != NULL)
			batch_abandon(batch);
		ck_assert_int_lt(i, 20000);
	}
	n_read = sum(0);
	ck_assert_uint_lt(n_read, 60000);
	ck_assert_int_eq(
		kept_file("big")->file.identity.fp_offset, bench.store.offsets[0].offset.at.offset);
	/* While nobody looks another one takes its place. */
	bench_path(&bench, "big", path);
	ck_assert_int_eq(truncate(path, 0), 0);
	write_events("big", 7, 50);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), n_read + 50);
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
	struct plan_limits limits = {.slice_bytes = slices[_i % 2]};
	struct slice_stop stop = {.flag = &(atomic_bool){false}, .poll = rewrite};
	struct rewriting rewriting = {.n_before = 3};
	struct file_identity *identity;
	struct intake *intake;
	struct err err = ERR_INIT;
	struct plan plan;
	char path[256];
	FILE *file;

	bench.spec.threads = 1 + _i / 2;
	bench_open(&bench);
	write_events("a", 0, 60000);
	look();
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
	write_events("a", 0, 10);
	look();
	stream_stop_batch(bench.stream);
	ck_assert_ptr_null(begin_batch());
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 10);
}
END_TEST

START_TEST(a_file_that_is_gone_when_its_turn_comes_does_not_hold_up_the_others)
{
	char path[256];

	bench_open(&bench);
	write_events("a", 0, 10);
	write_events("b", 0, 10);
	look();
	bench_path(&bench, "a", path);
	ck_assert_int_eq(unlink(path), 0);
	finish_batch(begin_batch(), true);
	ck_assert_uint_eq(sum(0), 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(kept_file("a")->file.state, FILE_MISSING);
	ck_assert_int_eq(kept_file("b")->file.state, FILE_DONE);
}
END_TEST

START_TEST(a_file_that_shrinks_after_it_was_planned_counts_what_is_left_once)
{
	char path[256];

	bench.spec.threads = 3;
	bench_open(&bench);
	bench.stream->slice_bytes = 300;
	write_events("a", 0, 1000);
	look();
	bench_path(&bench, "a", path);
	/* Every line of the first thousand has 24 to 26 bytes; the cut is inside one. */
	ck_assert_int_eq(truncate(path, 10010), 0);
	finish_batch(begin_batch(), true);
	ck_assert_uint_gt(sum(0), 365);
	ck_assert_uint_lt(sum(0), 420);
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, (int64_t)sum(0));
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
	write_events("b", 0, 10);
	look();
	finish_batch(begin_batch(), true);
	ck_assert_uint_eq(sum(0), 20010);
	ck_assert_int_eq(kept_file("a.gz")->file.state, FILE_ERROR);
	ck_assert_ptr_nonnull(kept_file("a.gz")->file.reason);
	ck_assert_int_eq(kept_file("b")->file.state, FILE_DONE);
	/* The retries find nothing more, and count nothing twice. */
	for (int i = 0; i < 5; i++) {
		look();
		for (struct batch *batch = begin_batch(); batch != NULL; batch = begin_batch())
			finish_batch(batch, true);
	}
	ck_assert_uint_eq(sum(0), 20010);
	ck_assert_int_eq(kept_file("a.gz")->file.state, FILE_ERROR);
	buf_fini(&lines);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_at_all_makes_no_numbered_batch)
{
	bench_open(&bench);
	bench_append(&bench, "a.gz", "\x1f\x8b garbage", 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(kept_file("a.gz")->file.state, FILE_ERROR);
	ck_assert_ptr_nonnull(kept_file("a.gz")->file.reason);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, -1);
	write_events("b", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 0);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 1);
}
END_TEST

START_TEST(a_compressed_file_that_grows_waits_for_the_rest_of_its_member)
{
	static const char first[] = "{\"time\":1,\"action\":\"b\"}\n{\"time\":2,\"act";
	static const char second[] = "ion\":\"b\"}\n{\"time\":3,\"action\":\"b\"}";

	bench_open(&bench);
	write_gzip("a.gz", first, sizeof(first) - 1, 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 1);
	ck_assert_int_eq(kept_file("a.gz")->file.state, FILE_GROWING);
	bench_restart(&bench);
	write_gzip("a.gz", second, sizeof(second) - 1, 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 3);
	ck_assert_int_eq(kept_file("a.gz")->file.state, FILE_DONE);
	ck_assert_int_eq(kept_file("a.gz")->least_offset, kept_file("a.gz")->file.size);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 3);
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
	write_events("a", 0, 50);
	buf_add_text(&line, "{\"time\":1,\"action\":\"a0\",\"x\":\"");
	for (int i = 0; i < 5000; i++)
		buf_add_char(&line, 'x');
	bench_append(&bench, "a", line.data, line.len);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 50);
	ck_assert_int_eq(kept_file("a")->file.state, FILE_GROWING);
	bench_write(&bench, "a", "\"}");
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 51);
	ck_assert_int_eq(kept_file("a")->file.state, FILE_DONE);
	bench_write(&bench, "a", "\nbad\n");
	(void)bench_run(&bench);
	ck_assert_uint_eq(bench.store.n_rejects, 1);
	ck_assert_int_eq(bench.store.rejects[0].line, 52);
	buf_fini(&line);
}
END_TEST

START_TEST(on_malformed_fail_stops_the_query_with_file_line_and_reason)
{
	struct err err = ERR_INIT;

	bench.sources[0].on_malformed = ON_MALFORMED_FAIL;
	bench.sources[0].max_files_per_trigger = 1;
	bench_open(&bench);
	write_events("a", 0, 10);
	bench_write(&bench, "b",
		"{\"time\":1,\"action\":\"x\"}\n{\"time\":2}\n{\"time\":nonsense}\n{\"action\":1}"
		"\n");
	write_events("c", 0, 10);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 10);
	ck_assert_int_eq(bench.store.queries[0].totals.state, QUERY_FAILED);
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 0);
	ck_assert_ptr_nonnull(bench.store.queries[0].exception);
	ck_assert_ptr_nonnull(strstr(bench.store.queries[0].exception, "b, line 3: bad_json"));
	ck_assert_uint_eq(bench.store.n_rejects, 0);
	/* It stays so over a restart, until it is started; then it fails there again. */
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 10);
	bench.sources[0].on_malformed = ON_MALFORMED_KEEP;
	ck_assert_int_eq(stream_start_query(bench.stream, 0, &err), 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 22);
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
	expect_rows(0, "x|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n");
	expect_rows(1, "u|1970-01-01 00:00:00|1970-01-01 01:00:00|3\n");
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
	write_events("b", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_GROUP_TOO_LONG], 1);
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
	ck_assert_uint_eq(sum(0), 0);
	ck_assert_uint_eq(sum(1), 1);
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
	expect_rows(0, "b|1970-01-01 00:00:00|1970-01-01 01:00:00|1\n"
		       "m|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n"
		       "z|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_refused, 2);
	ck_assert_int_eq(bench.store.queries[0].totals.n_events, 7);
	/* Full from the start: no order is asked, new groups are refused all the same. */
	bench_write(&bench, "c", "{\"time\":1,\"action\":\"a\"}\n{\"time\":1,\"action\":\"b\"}\n");
	(void)bench_run(&bench);
	ck_assert_int_eq(bench.store.queries[0].totals.n_refused, 3);
	ck_assert_uint_eq(sum(0), 6);
}
END_TEST

static bool exists(const char *name)
{
	char path[256];

	bench_path(&bench, name, path);
	return access(path, F_OK) == 0;
}

START_TEST(files_are_deleted_only_after_a_synced_batch_and_by_all_queries_read)
{
	struct err err = ERR_INIT;
	struct batch *batch;

	(void)bench_add_query(&bench, "other");
	bench.sources[0].clean_source = CLEAN_SOURCE_DELETE;
	bench_open(&bench);
	write_events("a", 0, 10);
	bench_write(&bench, "unfinished", "{\"time\":1,\"action\":\"x\"}\n{\"ti");
	look();
	batch = begin_batch();
	ck_assert(batch_changes(batch)->needs_sync);
	finish_batch(batch, false);
	ck_assert(exists("a"));
	/* The next synced batch takes it along. */
	write_events("b", 0, 10);
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert(!exists("a"));
	ck_assert_int_eq(kept_file("a")->file.state, FILE_DELETED);
	/* One query was stopped before it had read this one. */
	ck_assert(exists("b"));
	ck_assert_uint_eq(sum(0), 21);
	ck_assert_uint_eq(sum(1), 11);
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert(!exists("b"));
	ck_assert(exists("unfinished"));
	ck_assert_uint_eq(sum(1), 21);
}
END_TEST

START_TEST(files_that_could_not_be_archived_are_let_go_of_when_clean_source_is_turned_off)
{
	char path[256];
	FILE *file;
	bool full;

	/* No directory can be made there. */
	(void)snprintf(path, sizeof(path), "%s.file", bench.dir);
	file = fopen(path, "w");
	ck_assert_int_eq(fclose(file), 0);
	bench.sources[0].clean_source = CLEAN_SOURCE_ARCHIVE;
	bench.sources[0].archive_dir = strdup(path);
	bench_open(&bench);
	write_events("a", 0, 10);
	(void)bench_run(&bench);
	ck_assert(exists("a"));
	stream_set_noticed(bench.stream, 0, true);
	look();
	ck_assert_int_lt(stream_next_look_us(bench.stream, 0, &full), INT64_MAX);
	bench.sources[0].clean_source = CLEAN_SOURCE_OFF;
	for (int i = 0; i < 10; i++) {
		struct batch *batch;

		look();
		batch = begin_batch();
		if (batch != NULL)
			finish_batch(batch, batch_changes(batch)->needs_sync);
	}
	ck_assert_int_eq(stream_next_look_us(bench.stream, 0, &full), INT64_MAX);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(files_read_before_a_restart_are_cleaned_after_it)
{
	struct batch *batch;

	bench.sources[0].clean_source = CLEAN_SOURCE_DELETE;
	bench_open(&bench);
	write_events("a", 0, 10);
	look();
	batch = begin_batch();
	finish_batch(batch, false);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert(!exists("a"));
	ck_assert_uint_eq(sum(0), 10);
}
END_TEST

static int64_t n_missed(size_t query)
{
	struct query_view view;

	stream_query_view(bench.stream, query, &view);
	return view.n_missed;
}

START_TEST(a_query_that_could_not_see_deleted_files_goes_on_saying_so)
{
	bench.sources[0].clean_source = CLEAN_SOURCE_DELETE;
	(void)bench_add_query(&bench, "other");
	bench_open(&bench);
	write_events("a", 0, 10);
	(void)bench_run(&bench);
	ck_assert(!exists("a"));
	/* One query is new now, the other is not: they become one prefix. */
	bench.store.queries[1].is_known = false;
	bench.store.queries[1].totals = (struct query_totals){.batch_id = -1};
	for (int i = 0; i < 3; i++) {
		char name[8];

		bench_restart(&bench);
		ck_assert_int_eq(n_missed(0), 0);
		ck_assert_int_eq(n_missed(1), 1);
		(void)snprintf(name, sizeof(name), "b%d", i);
		write_events(name, 0, 10);
		(void)bench_run(&bench);
		ck_assert_int_eq(n_missed(0), 0);
		ck_assert_int_eq(n_missed(1), 1);
	}
	ck_assert_uint_eq(bench.stream->intakes[0].prefixes.n, 1);
	ck_assert_uint_eq(sum(0), 40);
	ck_assert_uint_eq(sum(1), 30);
	/* Both are new: nobody can count what is gone, and each says all of it. */
	for (size_t i = 0; i < 2; i++) {
		bench.store.queries[i].is_known = false;
		bench.store.queries[i].totals = (struct query_totals){.batch_id = -1};
	}
	for (int i = 0; i < 3; i++) {
		bench_restart(&bench);
		ck_assert_int_eq(n_missed(0), 4);
		ck_assert_int_eq(n_missed(1), 4);
		(void)bench_run(&bench);
	}
}
END_TEST

START_TEST(a_file_that_went_while_a_query_was_stopped_is_missed_until_it_is_back)
{
	struct err err = ERR_INIT;
	char path[256], away[256];

	(void)bench_add_query(&bench, "other");
	bench_open(&bench);
	write_events("a", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	write_events("b", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(n_missed(1), 0);
	bench_path(&bench, "b", path);
	bench_path(&bench, ".b", away);
	ck_assert_int_eq(rename(path, away), 0);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_int_eq(n_missed(0), 0);
	ck_assert_int_eq(n_missed(1), 1);
	ck_assert_int_eq(rename(away, path), 0);
	(void)bench_run(&bench);
	ck_assert_int_eq(n_missed(1), 0);
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(1), 20);
	ck_assert_int_eq(unlink(path), 0);
	(void)bench_run(&bench);
	ck_assert_int_eq(n_missed(1), 0);
}
END_TEST

START_TEST(a_file_that_comes_back_is_not_counted_again_by_who_joined_those_who_missed_it)
{
	char path[256], away[256];
	struct err err = ERR_INIT;

	(void)bench_add_query(&bench, "other");
	bench_open(&bench);
	write_events("a", 0, 10);
	(void)bench_run(&bench);
	/* The second stays behind, and gets the younger prefix … */
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	write_events("b", 0, 10);
	(void)bench_run(&bench);
	/* … with which it is ahead of the first in a file that goes. */
	ck_assert_int_eq(stream_stop_query(bench.stream, 0, &err), 0);
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	write_events("c", 0, 10);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(0), 20);
	ck_assert_uint_eq(sum(1), 30);
	bench_path(&bench, "c", path);
	bench_path(&bench, ".c", away);
	ck_assert_int_eq(rename(path, away), 0);
	(void)bench_run(&bench);
	ck_assert_int_eq(stream_start_query(bench.stream, 0, &err), 0);
	(void)bench_run(&bench);
	ck_assert_int_eq(
		bench.store.queries[0].totals.prefix_id, bench.store.queries[1].totals.prefix_id);
	ck_assert_int_eq(n_missed(0), 1);
	if (_i == 1)
		bench_restart(&bench);
	write_events(".c", 10, 10);
	ck_assert_int_eq(rename(away, path), 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(sum(1), 40);
	ck_assert_int_eq(bench.store.queries[1].totals.n_events, 40);
	/* What it missed it has missed for good, and says so. */
	ck_assert_uint_eq(sum(0), 30);
	ck_assert_int_eq(n_missed(0), 1);
	ck_assert_int_eq(n_missed(1), 0);
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
		write_events(name, 0, 10);
	}
	look();
	set_descriptors(false);
	ck_assert_int_eq(stream_batch(bench.stream, 0, bench.now_us, &batch, &err), ERR_IO);
	ck_assert_int_eq(err.sys_errno, EMFILE);
	ck_assert_ptr_nonnull(strstr(err.text, "Too many open files"));
	/* The directory cannot be listed either: that is trouble, and loses nothing. */
	look();
	ck_assert_ptr_nonnull(stream_source_trouble(bench.stream, 0));
	set_descriptors(true);
	(void)bench_run(&bench);
	ck_assert_ptr_null(stream_source_trouble(bench.stream, 0));
	ck_assert_uint_eq(sum(0), 200);
	ck_assert_int_eq(kept_file("f7")->file.state, FILE_DONE);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 20);
}
END_TEST

START_TEST(an_abandoned_batch_leaves_everything_as_it_was)
{
	struct batch *batch;

	bench.queries[0].watermark_us = 0;
	bench.queries[0].output_mode = OUTPUT_APPEND;
	bench_open(&bench);
	write_events("a", 0, 100);
	bench_write(&bench, "a", "{\"time\":9000,\"action\":\"late\"}\nbad\n");
	for (int i = 0; i < 3; i++) {
		look();
		batch = begin_batch();
		ck_assert_uint_eq(batch_changes(batch)->n_rejects, 1);
		ck_assert_uint_eq(batch_changes(batch)->queries[0].n_open_rows, 4);
		ck_assert_int_eq(batch_changes(batch)->queries[0].totals.batch_id, 0);
		if (i < 2)
			batch_abandon(batch);
	}
	finish_batch(batch, true);
	for (int i = 0; i < 3; i++) {
		batch = begin_batch();
		ck_assert_uint_eq(batch_changes(batch)->queries[0].n_rows, 3);
		ck_assert_int_eq(batch_changes(batch)->queries[0].progress.n_files, 0);
		if (i < 2)
			batch_abandon(batch);
	}
	finish_batch(batch, true);
	ck_assert_uint_eq(sum(0), 101);
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
		ck_assert_uint_eq(sum(0), 365 * 24 * 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch");
	TCase *tcase = tcase_create("batch");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, a_stopped_batch_is_smaller_and_not_wrong, 0, 3);
	tcase_add_test(
		tcase, a_file_that_was_left_in_the_middle_is_recognised_by_what_was_read_of_it);
	tcase_add_loop_test(tcase,
		a_file_that_is_rewritten_while_it_is_read_is_not_known_by_its_new_bytes, 0, 4);
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
	tcase_add_test(tcase, on_malformed_fail_stops_the_query_with_file_line_and_reason);
	tcase_add_loop_test(
		tcase, of_a_batch_with_more_rejects_the_newest_ten_thousand_are_rows, 0, 3);
	tcase_add_test(tcase, a_value_too_long_is_a_reject_only_for_queries_that_group_by_it);
	tcase_add_test(tcase, a_value_too_long_moves_the_watermark_only_of_queries_that_count_it);
	tcase_add_test(tcase, a_value_too_long_fails_only_the_query_that_groups_by_it);
	tcase_add_loop_test(tcase,
		the_first_groups_in_file_order_are_taken_whatever_the_number_of_threads, 0, 4);
	tcase_add_test(tcase, files_are_deleted_only_after_a_synced_batch_and_by_all_queries_read);
	tcase_add_test(tcase,
		files_that_could_not_be_archived_are_let_go_of_when_clean_source_is_turned_off);
	tcase_add_test(tcase, files_read_before_a_restart_are_cleaned_after_it);
	tcase_add_test(tcase, a_query_that_could_not_see_deleted_files_goes_on_saying_so);
	tcase_add_test(
		tcase, a_file_that_went_while_a_query_was_stopped_is_missed_until_it_is_back);
	tcase_add_loop_test(tcase,
		a_file_that_comes_back_is_not_counted_again_by_who_joined_those_who_missed_it, 0,
		2);
	tcase_add_loop_test(
		tcase, without_descriptors_files_wait_and_nothing_is_wrong_with_them, 0, 2);
	tcase_add_test(tcase, an_abandoned_batch_leaves_everything_as_it_was);
	tcase_add_loop_test(
		tcase, a_year_of_hours_under_a_watermark_of_an_hour_stays_in_flat_memory, 0, 2);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
