/*
 * The n-th allocation of a batch fails, for every n. The batch ends for want of
 * memory or does without; the one after it counts each line once.
 */
#include "base/buf.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"
#include "tests/stream/nomem.h"

#include <check.h>
#include <stdio.h>

static struct bench bench;
static int64_t n_lines;

/* Lines of shapes that the fast path learns, with a few that it does not, in a new file and a
 * growing one. */
static void write_some(long round)
{
	struct buf lines = {0};
	char name[32];

	for (int i = 0; i < 900; i++) {
		/* The name of one key is written in a way that the fast path does not know. */
		const char *key = i % 300 == 299 ? "t\\u0069me" : "time";

		buf_printf(&lines, "{\"%s\":%d,\"action\":\"a%ld\"}\n", key, (int)(round * 60 + i),
			(round + i) % 7);
	}
	/* What comes last wants memory when the rest of the slice is counted: a new group, a
	 * reject. */
	buf_printf(&lines, "{\"time\":%d,\"action\":\"new %ld\"}\n!\n", (int)round, round);
	(void)snprintf(name, sizeof(name), "file-%ld", round);
	bench_append(&bench, name, lines.data, lines.len);
	bench_append(&bench, "growing", lines.data, lines.len);
	n_lines += 1802;
	buf_fini(&lines);
}

/* False: nothing failed, the batch has fewer allocations. */
static bool fail_one(long n)
{
	struct batch *batch = NULL;
	struct err err = ERR_INIT;
	int rc;

	bench.now_us += 400 * US_PER_S;
	ck_assert_int_eq(stream_scan(bench.stream, 0, true, bench.now_us, &err), 0);
	has_failed = false;
	fail_at = n;
	rc = stream_batch(bench.stream, 0, bench.now_us, &batch, &err);
	fail_at = -1;
	ck_assert_msg(rc >= 0 || (rc == ERR_NOMEM && has_failed), "%s", err.text);
	if (rc == 1) {
		bench_apply(&bench, batch_changes(batch));
		batch_accept(batch, false, bench.now_us);
	}
	return has_failed;
}

START_TEST(after_a_batch_that_ended_for_want_of_memory_each_line_is_counted_once)
{
	long n = 0, n_whole = 0;

	bench_init(&bench);
	(void)bench_add_query(&bench, "second");
	bench_open(&bench);
	for (; n_whole < 3; n++) {
		write_some(n);
		n_whole = fail_one(n / 2) ? 0 : n_whole + 1;
		bench.now_us += 400 * US_PER_S;
		(void)bench_run(&bench);
		ck_assert_msg((int64_t)kept_sum(&bench.store, 0) == n_lines &&
				      (int64_t)kept_sum(&bench.store, 1) == n_lines,
			"allocation %ld: %lld and %lld events of %lld lines", n / 2,
			(long long)kept_sum(&bench.store, 0), (long long)kept_sum(&bench.store, 1),
			(long long)n_lines);
	}
	ck_assert_int_gt(n, 20);
	bench_close(&bench);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch_nomem");
	TCase *tests = tcase_create("batch_nomem");

#ifndef ENABLE_SANITIZERS
	tcase_add_test(
		tests, after_a_batch_that_ended_for_want_of_memory_each_line_is_counted_once);
#endif
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
