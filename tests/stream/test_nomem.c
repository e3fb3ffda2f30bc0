/*
 * The n-th allocation fails, for every n, while a batch is planned, read and
 * folded for queries of every kind, or while a spec takes the place of another.
 * The batch or the reload says so and has changed nothing; tried again, it gives
 * the same tables.
 */
#include "base/buf.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"
#include "tests/stream/nomem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct bench bench;
static long most;               /* allocations of one batch */
static char expected[5][65536]; /* tables after everything, from the run in which nothing fails */

static void set_up(void)
{
	bench_init(&bench);
	for (int i = 1; i < 5; i++) {
		struct query_spec *query = bench_add_query(&bench, "q");

		query->name[1] = (char)('0' + i);
	}
	bench.queries[1].slide_us = US_PER_HOUR / 2;
	bench.queries[2].window_us = bench.queries[2].slide_us = 0;
	bench.queries[2].session_us = 600 * US_PER_S;
	bench.queries[3].output_mode = OUTPUT_APPEND;
	bench.queries[3].watermark_us = US_PER_HOUR;
	bench.queries[3].retention_us = 4 * US_PER_HOUR;
	bench.queries[4].max_groups = 5;
	bench_open(&bench);
}

static void write_events(const char *name, int from_s)
{
	struct buf lines = {0};

	for (int i = 0; i < 60; i++)
		buf_printf(&lines, "{\"time\":%d,\"action\":\"action %d\"}\n%s", from_s + i * 300,
			i % 7,
			i == 30 ? "garbage\n[{\"time\":1,\"action\":\"x\"},{\"time\":5}]\n" : "");
	bench_append(&bench, name, lines.data, lines.len);
	buf_fini(&lines);
}

/* One batch; the n-th allocation fails in it. True: nothing was left to do. */
static bool try_batch(long n)
{
	struct batch *batch = NULL;
	struct err err = ERR_INIT;
	int rc;

	n_allocations = 0;
	fail_at = n;
	rc = stream_batch(bench.stream, 0, bench.now_us, &batch, &err);
	fail_at = -1;
	if (n_allocations > most)
		most = n_allocations;
	must_msg(rc >= 0 || (rc == ERR_NOMEM && has_failed), "%s", err.text);
	if (rc == 1) {
		bench_apply(&bench, batch_changes(batch));
		batch_accept(batch, true, bench.now_us);
	}
	return rc == 0;
}

static void run_to_the_end(long n)
{
	struct err err = ERR_INIT;

	for (int file = 0; file < 3; file++) {
		static const char *const names[] = {"a", "b", "c"};

		write_events(names[file], file * 9000);
		bench.now_us += 10 * US_PER_S;
		must(stream_scan(bench.stream, 0, true, bench.now_us, &err) == 0);
		do {
			(void)try_batch(n);
		} while (!try_batch(-1));
	}
}

static void expect_tables(long n)
{
	struct buf text = {0};

	for (size_t i = 0; i < 5; i++)
		must_msg(strcmp(bench_rows(&bench, i, false, &text), expected[i]) == 0,
			"allocation %ld, query %zu: %.900s--- not\n%.900s", n, i, text.data,
			expected[i]);
	buf_fini(&text);
}

START_TEST(a_batch_without_memory_changes_nothing_and_gives_the_same_when_tried_again)
{
	struct buf text = {0};

	set_up();
	run_to_the_end(-1);
	for (size_t i = 0; i < 5; i++)
		(void)snprintf(expected[i], sizeof(expected[i]), "%s",
			bench_rows(&bench, i, false, &text));
	bench_close(&bench);
	for (long n = 0; n < most; n++) {
		set_up();
		has_failed = false;
		run_to_the_end(n);
		expect_tables(n);
		bench_close(&bench);
	}
	buf_fini(&text);
}
END_TEST

/* The queries of the bench and one more, in a spec of its own. */
static void make_spec(struct spec *spec, struct query_spec queries[8])
{
	*spec = bench.spec;
	memcpy(queries, bench.queries, sizeof(bench.queries));
	queries[5] = queries[0];
	(void)snprintf(queries[5].name, sizeof(queries[5].name), "one_more");
	spec->queries = queries;
	spec->n_queries = 6;
}

/* True: the n-th allocation was not reached any more. */
static bool try_reload(long n)
{
	static struct spec spec;
	static struct query_spec queries[8];
	struct err err = ERR_INIT;
	bool is_done;
	int rc;

	make_spec(&spec, queries);
	fail_at = n;
	rc = stream_set_spec(bench.stream, &spec, &err);
	is_done = fail_at >= 0;
	fail_at = -1;
	must_msg(rc == (is_done ? 0 : ERR_NOMEM), "allocation %ld: %d %s", n, rc, err.text);
	if (is_done)
		return true;
	run_to_the_end(-1);
	expect_tables(n);
	must(stream_set_spec(bench.stream, &spec, &err) == 0);
	return false;
}

START_TEST(a_reload_without_memory_changes_nothing_and_is_done_when_tried_again)
{
	bool is_done = false;
	struct buf text = {0};

	set_up();
	run_to_the_end(-1);
	run_to_the_end(-1);
	for (size_t i = 0; i < 5; i++)
		(void)snprintf(expected[i], sizeof(expected[i]), "%s",
			bench_rows(&bench, i, false, &text));
	bench_close(&bench);
	for (long n = 0; !is_done; n++) {
		set_up();
		run_to_the_end(-1);
		is_done = try_reload(n);
		if (!is_done) {
			(void)bench_add_query(&bench, "one_more");
			(void)bench_run(&bench);
			expect_tables(n);
			must(strcmp(bench_rows(&bench, 5, false, &text), expected[0]) == 0);
		}
		bench_close(&bench);
	}
	buf_fini(&text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("nomem");
	TCase *tcase = tcase_create("nomem");

	tcase_set_timeout(tcase, 600);
	tcase_add_test(
		tcase, a_batch_without_memory_changes_nothing_and_gives_the_same_when_tried_again);
#ifndef ENABLE_SANITIZERS
	tcase_add_test(tcase, a_reload_without_memory_changes_nothing_and_is_done_when_tried_again);
#endif
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
