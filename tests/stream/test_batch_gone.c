/*
 * Files that go: cleaned away, or moved and perhaps back again, and what
 * queries that had not read them say.
 */
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <stdlib.h>
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
	bench_write_events(&bench, "a", 0, 10);
	bench_write(&bench, "unfinished", "{\"time\":1,\"action\":\"x\"}\n{\"ti");
	bench_look(&bench);
	batch = bench_begin(&bench);
	ck_assert(batch_changes(batch)->needs_sync);
	bench_finish(&bench, batch, false);
	ck_assert(exists("a"));
	/* The next synced batch takes it along. */
	bench_write_events(&bench, "b", 0, 10);
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert(!exists("a"));
	ck_assert_int_eq(kept_find_file(&bench.store, "a")->file.state, FILE_DELETED);
	/* One query was stopped before it had read this one. */
	ck_assert(exists("b"));
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 21);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 11);
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert(!exists("b"));
	ck_assert(exists("unfinished"));
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 21);
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
	bench_write_events(&bench, "a", 0, 10);
	(void)bench_run(&bench);
	ck_assert(exists("a"));
	stream_set_noticed(bench.stream, 0, true);
	bench_look(&bench);
	ck_assert_int_lt(stream_next_look_us(bench.stream, 0, &full), INT64_MAX);
	bench.sources[0].clean_source = CLEAN_SOURCE_OFF;
	for (int i = 0; i < 10; i++) {
		struct batch *batch;

		bench_look(&bench);
		batch = bench_begin(&bench);
		if (batch != NULL)
			bench_finish(&bench, batch, batch_changes(batch)->needs_sync);
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
	bench_write_events(&bench, "a", 0, 10);
	bench_look(&bench);
	batch = bench_begin(&bench);
	bench_finish(&bench, batch, false);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert(!exists("a"));
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 10);
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
	bench_write_events(&bench, "a", 0, 10);
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
		bench_write_events(&bench, name, 0, 10);
		(void)bench_run(&bench);
		ck_assert_int_eq(n_missed(0), 0);
		ck_assert_int_eq(n_missed(1), 1);
	}
	ck_assert_uint_eq(bench.stream->intakes[0].prefixes.n, 1);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 40);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 30);
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
	bench_write_events(&bench, "a", 0, 10);
	(void)bench_run(&bench);
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	bench_write_events(&bench, "b", 0, 10);
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
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 20);
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
	bench_write_events(&bench, "a", 0, 10);
	(void)bench_run(&bench);
	/* The second stays behind, and gets the younger prefix … */
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	bench_write_events(&bench, "b", 0, 10);
	(void)bench_run(&bench);
	/* … with which it is ahead of the first in a file that goes. */
	ck_assert_int_eq(stream_stop_query(bench.stream, 0, &err), 0);
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	bench_write_events(&bench, "c", 0, 10);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 20);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 30);
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
	bench_write_events(&bench, ".c", 10, 10);
	ck_assert_int_eq(rename(away, path), 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 40);
	ck_assert_int_eq(bench.store.queries[1].totals.n_events, 40);
	/* What it missed it has missed for good, and says so. */
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 30);
	ck_assert_int_eq(n_missed(0), 1);
	ck_assert_int_eq(n_missed(1), 0);
}
END_TEST

#define N_FILES   5
#define N_QUERIES 3

/* Files that grow, go and come back, under a hidden name meanwhile. */
static struct {
	bool is_made[N_FILES], is_away[N_FILES];
	uint64_t n_events;
} files;

static void name_of(int file, bool is_away, char name[8])
{
	(void)snprintf(name, 8, "%sf%d", is_away ? "." : "", file);
}

static void grow(int file)
{
	int n = 1 + rand() % 3;
	char name[8];

	name_of(file, files.is_away[file], name);
	bench_write_events(&bench, name, rand() % 3600, n);
	files.is_made[file] = true;
	files.n_events += (uint64_t)n;
}

static void move(int file, bool is_away)
{
	char from[256], to[256], name[8];

	if (!files.is_made[file] || files.is_away[file] == is_away)
		return;
	name_of(file, !is_away, name);
	bench_path(&bench, name, from);
	name_of(file, is_away, name);
	bench_path(&bench, name, to);
	ck_assert_int_eq(rename(from, to), 0);
	files.is_away[file] = is_away;
}

static void step(void)
{
	int file = rand() % N_FILES;
	size_t query = (size_t)rand() % N_QUERIES;
	struct err err = ERR_INIT;

	switch (rand() % 10) {
	case 0:
	case 1: grow(file); break;
	case 2: move(file, true); break;
	case 3: move(file, false); break;
	case 4: ck_assert_int_eq(stream_stop_query(bench.stream, query, &err), 0); break;
	case 5: ck_assert_int_eq(stream_start_query(bench.stream, query, &err), 0); break;
	case 6:
		if (rand() % 4 == 0)
			bench_restart(&bench);
		break;
	default: (void)bench_batch(&bench); break;
	}
}

START_TEST(nothing_is_counted_twice_or_missed_in_silence_whoever_stops_and_whatever_goes)
{
	struct err err = ERR_INIT;

	srand((unsigned)_i);
	bench.sources[0].max_files_per_trigger = 1 + _i % 3;
	for (int i = 1; i < N_QUERIES; i++)
		(void)bench_add_query(&bench, i == 1 ? "second" : "third");
	bench_open(&bench);
	for (int i = 0; i < 150; i++)
		step();
	for (int i = 0; i < N_FILES; i++)
		move(i, false);
	for (size_t i = 0; i < N_QUERIES; i++)
		ck_assert_int_eq(stream_start_query(bench.stream, i, &err), 0);
	(void)bench_run(&bench);
	for (size_t i = 0; i < N_QUERIES; i++) {
		uint64_t n = kept_sum(&bench.store, i);

		ck_assert_msg(n <= files.n_events, "query %zu: %llu of %llu", i,
			(unsigned long long)n, (unsigned long long)files.n_events);
		ck_assert_msg(n == files.n_events || n_missed(i) > 0, "query %zu: %llu of %llu", i,
			(unsigned long long)n, (unsigned long long)files.n_events);
		ck_assert_int_eq(bench.store.queries[i].totals.n_events, (int64_t)n);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batch_gone");
	TCase *tcase = tcase_create("batch_gone");

	tcase_set_timeout(tcase, 600);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
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
	tcase_add_loop_test(tcase,
		nothing_is_counted_twice_or_missed_in_silence_whoever_stops_and_whatever_goes, 240,
		300);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
