/*
 * The real stream and the real store together: random files that grow, cycles,
 * restarts and kills at random, and after each what SQL says against a count
 * kept by hand.
 */
#include "sql/cycle.h"

#include "base/buf.h"
#include "sql/collation.h"
#include "tests/run.h"
#include "tests/sql/sample.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_ACTIONS 5
#define N_HOURS   12
#define N_FILES   8

/* The last is the NULL group; it comes late, so that tables turn loose on the way. */
static const char *const actions[N_ACTIONS] = {"Open", "Close", "", "a\\\"b|c", NULL};
static const char *const shown_actions[N_ACTIONS] = {"Open", "Close", "", "a\"b|c", NULL};

static char dir[64], state[80], events[80];
static struct spec *spec;
static struct stream *stream;
static struct store *store;
static int64_t counted[N_ACTIONS][N_HOURS]; /* complete lines written so far */
static int64_t now_us = START;

static void start(void)
{
	struct store_options options = {.state_dir = state, .now_us = now_us};
	struct err err = ERR_INIT;

	must(store_open(&store, &options, &err), &err);
	must(stream_open(&stream, spec, &err), &err);
	must(store_load(store, spec, stream, &err), &err);
	ck_assert_ptr_null(store_next_notice(store));
}

/* As the daemon does it at a reload. */
static void reload_spec(struct spec *fresh)
{
	struct reload *reload;
	struct err err = ERR_INIT;

	must(stream_prepare_spec(&reload, stream, fresh, &err), &err);
	must(store_set_spec(store, fresh, stream, NULL, 0, &err), &err);
	stream_take_spec(reload);
	spec = fresh;
}

static void stop(void)
{
	stream_close(stream);
	store_close(store);
}

/* What a kill leaves: the files as they are now, whatever closing would have done. */
static void stop_as_killed(void)
{
	shell("rm -rf %s-killed; cp -rp %s %s-killed", state, state, state);
	stop();
	shell("rm -rf %s; mv %s-killed %s", state, state, state);
}

static struct spec *new_spec(void)
{
	struct spec *made = sample_spec("counts", "action");

	free(made->sources[0].path);
	made->sources[0].path = events;
	made->sources[0].max_bytes_per_trigger = 3000;
	made->sources[0].poll_interval_us = 1000000;
	return made;
}

static void setup(void)
{
	strcpy(dir, "/tmp/test_cycle.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(state, sizeof(state), "%s/state", dir);
	(void)snprintf(events, sizeof(events), "%s/events", dir);
	ck_assert_int_eq(mkdir(events, 0700), 0);
	spec = new_spec();
	memset(counted, 0, sizeof(counted));
}

static void teardown(void)
{
	shell("rm -rf %s", dir);
}

static char *ask(const char *sql)
{
	struct err err = ERR_INIT;
	sqlite3 *reader;
	char *answer;

	must(snapshot_open_reader(store_snapshots(store), &reader, &err), &err);
	must(collation_register(reader, &err), &err);
	answer = sample_ask(reader, sql);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
	return answer;
}

/* Appends some events to a file; the last line may be left without its end until the next call. */
static void write_events(int file, int n, bool with_null)
{
	static bool is_open[N_FILES];
	char path[160];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/file-%d.json", events, file);
	out = fopen(path, "a");
	ck_assert_ptr_nonnull(out);
	if (is_open[file])
		(void)fputs(",\"rest\":1}\n", out);
	is_open[file] = false;
	while (n-- > 0) {
		int action = rand() % (with_null ? N_ACTIONS : N_ACTIONS - 1);
		int hour = rand() % N_HOURS;
		bool is_cut = n == 0 && rand() % 3 == 0;

		(void)fprintf(out, "{\"time\":%lld",
			(long long)(START / 1000000 + hour * 3600 + rand() % 3600));
		if (actions[action] != NULL)
			(void)fprintf(out, ",\"action\":\"%s\"", actions[action]);
		is_open[file] = is_cut;
		if (!is_cut)
			(void)fputs("}\n", out);
		counted[action][hour]++;
	}
	(void)fclose(out);
	/* What is cut counts when it is whole; the next call, or close_files(), makes it so. */
}

static void close_files(void)
{
	int file;

	for (file = 0; file < N_FILES; file++)
		write_events(file, 0, false);
}

static int64_t cycle(void)
{
	struct cycle_outcome outcome;
	struct err err = ERR_INIT;

	now_us += 1000000;
	must(cycle_run(stream, store, 0, true, now_us, &outcome, &err), &err);
	return outcome.did_batch;
}

static void run_until_idle(void)
{
	int n = 0;

	while (cycle()) {
		n++;
		ck_assert_int_lt(n, 10000);
	}
}

static void check_counts(void)
{
	struct buf want = {0};
	int order[N_ACTIONS] = {4, 2, 1, 0, 3}; /* as bytes sort: NULL, "", Close, Open, a"b */
	int64_t total = 0;
	int i, hour;

	for (i = 0; i < N_ACTIONS; i++) {
		const char *action = shown_actions[order[i]];

		for (hour = 0; hour < N_HOURS; hour++) {
			if (counted[order[i]][hour] == 0)
				continue;
			total += counted[order[i]][hour];
			buf_printf(&want,
				"%d|%s|2016-07-26 %02d:00:00|2016-07-26 %02d:00:00|%lld\n",
				action == NULL, action != NULL ? action : "", 2 + hour, 3 + hour,
				(long long)counted[order[i]][hour]);
		}
	}
	buf_add_char(&want, '\0');
	ck_assert_str_eq(ask("SELECT action IS NULL, action, window_start, window_end, count"
			     " FROM counts ORDER BY action, window_start"),
		want.data);
	ck_assert_int_eq(atoll(ask("SELECT events FROM queries WHERE name = 'counts'")), total);
	ck_assert_int_eq(atoll(ask("SELECT coalesce(sum(events), 0) FROM files")), total);
	buf_fini(&want);
}

START_TEST(restarts_and_kills_at_any_batch_change_no_number)
{
	int round;

	srand((unsigned)_i + 7);
	start();
	for (round = 0; round < 60; round++) {
		int n = rand() % 4;

		while (n-- > 0)
			write_events(rand() % N_FILES, rand() % 80, round > 30);
		n = rand() % 4;
		while (n-- > 0)
			(void)cycle();
		if (rand() % 4 == 0) {
			if (rand() % 2 == 0)
				stop();
			else
				stop_as_killed();
			start();
		}
		if (rand() % 10 == 0) {
			close_files();
			run_until_idle();
			check_counts();
		}
	}
	close_files();
	run_until_idle();
	check_counts();
	stop();
	start();
	ck_assert_int_eq(cycle(), 0);
	check_counts();
	stop();
}
END_TEST

START_TEST(a_batch_that_was_not_committed_is_counted_again_whole)
{
	struct err err = ERR_INIT;
	struct batch *batch;

	start();
	write_events(0, 50, false);
	close_files();
	must(stream_scan(stream, 0, true, now_us, &err), &err);
	ck_assert_int_eq(stream_batch(stream, 0, now_us, &batch, &err), 1);
	batch_abandon(batch);
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "0\n");
	run_until_idle();
	check_counts();
	stop();
}
END_TEST

START_TEST(a_query_that_comes_goes_and_comes_back_counts_everything_once)
{
	struct spec *one = spec;
	struct spec *both = new_spec();
	char *counts;

	sample_add_query(both, "others", "action");
	spec = both;
	start();
	write_events(0, 60, true);
	close_files();
	run_until_idle();
	stop();
	spec = one;
	start();
	write_events(1, 60, true);
	close_files();
	run_until_idle();
	check_counts();
	stop();
	spec = both;
	start();
	counts = ask("SELECT sum(count) FROM others");
	ck_assert_str_eq(counts, "60\n");
	run_until_idle();
	ck_assert_str_eq(
		ask("SELECT count(*) FROM (SELECT * FROM counts EXCEPT SELECT * FROM others)"),
		"0\n");
	ck_assert_str_eq(ask("SELECT sum(count) FROM others"), "120\n");
	check_counts();
	stop();
}
END_TEST

static void write_lines(const char *name, const char *lines)
{
	char path[160];
	FILE *out;

	(void)snprintf(path, sizeof(path), "%s/%s", events, name);
	out = fopen(path, "a");
	ck_assert_ptr_nonnull(out);
	(void)fputs(lines, out);
	(void)fclose(out);
}

START_TEST(retention_that_begins_with_a_reload_drops_rows_that_were_closed_before)
{
	static const char closed[] = "1970-01-01 00:00:00|1\n1970-01-01 01:00:00|1\n"
				     "1970-01-01 02:00:00|1\n";
	static const char *const shown = "SELECT window_start, count FROM counts ORDER BY 1";
	struct spec *after = new_spec();

	spec->queries[0].output_mode = after->queries[0].output_mode =
		_i == 0 ? OUTPUT_UPDATE : OUTPUT_APPEND;
	spec->queries[0].watermark_us = after->queries[0].watermark_us = 0;
	after->queries[0].retention_us = 2 * HOUR;
	start();
	write_lines("a", "{\"time\":1}\n{\"time\":3601}\n{\"time\":7201}\n");
	run_until_idle();
	write_lines("b", "{\"time\":10900}\n");
	run_until_idle();
	ck_assert_int_eq(strncmp(ask(shown), closed, strlen(closed)), 0);
	reload_spec(after);
	ck_assert_int_eq(strncmp(ask(shown), closed, strlen(closed)), 0);
	write_lines("c", "{\"time\":14500}\n");
	run_until_idle();
	ck_assert_str_eq(ask("SELECT min(window_start), sum(count) FROM counts"),
		_i == 0 ? "1970-01-01 02:00:00|3\n" : "1970-01-01 02:00:00|2\n");
	ck_assert_str_eq(ask("SELECT events, late FROM queries"), "5|0\n");
	stop();
	start();
	run_until_idle();
	ck_assert_str_eq(ask("SELECT min(window_start) FROM counts"), "1970-01-01 02:00:00\n");
	stop();
}
END_TEST

START_TEST(a_reload_with_another_definition_counts_anew_and_the_rest_goes_on)
{
	struct spec *before = spec;
	struct spec *after = new_spec();

	sample_add_query(before, "others", "action");
	sample_add_query(after, "others", "action");
	after->queries[1].window_us = 2 * HOUR;
	after->queries[1].slide_us = 2 * HOUR;
	start();
	write_events(0, 60, false);
	close_files();
	run_until_idle();
	reload_spec(after);
	write_events(1, 60, false);
	close_files();
	run_until_idle();
	check_counts();
	ck_assert_str_eq(
		ask("SELECT sum(count), count(DISTINCT window_start) <= 6 FROM others"), "120|1\n");
	stop();
	start();
	run_until_idle();
	check_counts();
	ck_assert_str_eq(ask("SELECT sum(count) FROM others"), "120\n");
	stop();
}
END_TEST

/* The second query has counted in another file than the first by the time that it is back. */
START_TEST(a_removed_query_comes_back_at_a_reload_and_has_counted_everything_once)
{
	struct spec *both = new_spec();
	struct spec *one = new_spec();

	sample_add_query(both, "others", "action");
	both->queries[1].output_mode = OUTPUT_APPEND;
	both->queries[1].watermark_us = HOUR;
	spec = both;
	start();
	for (int round = 0; round < 4; round++) {
		write_events(round, 60, round % 2 == 0);
		run_until_idle();
		reload_spec(one);
		if (round == 2) {
			stop();
			start();
		}
		ck_assert_str_eq(ask("SELECT name FROM queries"), "counts\n");
		write_events(round, 30, false);
		write_events(round + 1, 30, false);
		run_until_idle();
		reload_spec(both);
		if (round == 1)
			reload_spec(both);
		if (round == 3) {
			stop_as_killed();
			start();
		}
	}
	close_files();
	run_until_idle();
	check_counts();
	ck_assert_str_eq(ask("SELECT a.events - b.events, b.events - b.late >="
			     " (SELECT sum(count) FROM others), b.files_behind"
			     " FROM queries a, queries b WHERE a.name < b.name"),
		"0|1|0\n");
	stop();
}
END_TEST

/* The first query, and any of two more. */
static struct spec *some_of(int which)
{
	struct spec *made = new_spec();

	made->sources[0].max_files_per_trigger = 1 + rand() % 3;
	if ((which & 1) != 0)
		sample_add_query(made, "others", "action");
	if ((which & 2) != 0) {
		sample_add_query(made, "third", NULL);
		made->queries[made->n_queries - 1].window_us = 2 * HOUR;
		made->queries[made->n_queries - 1].slide_us = HOUR;
	}
	return made;
}

static void start_anew(int which, bool is_killed)
{
	if (is_killed)
		stop_as_killed();
	else
		stop();
	spec = some_of(which);
	start();
}

START_TEST(queries_that_come_and_go_at_reloads_and_restarts_count_everything_once)
{
	int64_t n = 0;

	srand((unsigned)_i);
	spec = some_of(rand() % 4);
	start();
	for (int i = 0; i < 60; i++) {
		char name[8];

		switch (rand() % 8) {
		case 0: reload_spec(some_of(rand() % 4)); break;
		case 1: start_anew(rand() % 4, false); break;
		case 2:
			if (rand() % 2 == 0)
				start_anew(rand() % 4, true);
			break;
		case 3:
		case 4:
			(void)snprintf(name, sizeof(name), "f%d", rand() % 6);
			write_lines(name, "{\"time\":1,\"action\":\"x\"}\n{\"time\":9000}\n");
			n += 2;
			break;
		default: (void)cycle(); break;
		}
	}
	reload_spec(some_of(3));
	run_until_idle();
	ck_assert_int_eq(atoll(ask("SELECT sum(count) FROM counts")), n);
	ck_assert_int_eq(atoll(ask("SELECT sum(count) FROM others")), n);
	ck_assert_int_eq(atoll(ask("SELECT sum(count) FROM third")), 2 * n);
	ck_assert_int_eq(atoll(ask("SELECT sum(events) FROM files")), n);
	ck_assert_str_eq(
		ask("SELECT DISTINCT events FROM queries"), ask("SELECT sum(events) FROM files"));
	stop();
}
END_TEST

START_TEST(what_is_archived_stays_counted_over_a_restart)
{
	char archive[160];

	(void)snprintf(archive, sizeof(archive), "%s/archive", dir);
	ck_assert_int_eq(mkdir(archive, 0700), 0);
	spec->sources[0].clean_source = CLEAN_SOURCE_ARCHIVE;
	spec->sources[0].archive_dir = archive;
	start();
	write_events(0, 60, false);
	write_events(1, 60, false);
	close_files();
	run_until_idle();
	check_counts();
	stop_as_killed();
	start();
	run_until_idle();
	check_counts();
	ck_assert_int_ge(atoll(ask("SELECT count(*) FROM files WHERE state = 'archived'")), 1);
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cycle");
	TCase *tests = tcase_create("cycle");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, restarts_and_kills_at_any_batch_change_no_number, 0, 3);
	tcase_add_test(tests, a_batch_that_was_not_committed_is_counted_again_whole);
	tcase_add_test(tests, a_query_that_comes_goes_and_comes_back_counts_everything_once);
	tcase_add_loop_test(tests,
		retention_that_begins_with_a_reload_drops_rows_that_were_closed_before, 0, 2);
	tcase_add_test(tests, a_reload_with_another_definition_counts_anew_and_the_rest_goes_on);
	tcase_add_test(
		tests, a_removed_query_comes_back_at_a_reload_and_has_counted_everything_once);
	tcase_add_loop_test(tests,
		queries_that_come_and_go_at_reloads_and_restarts_count_everything_once, 0, 5);
	tcase_add_test(tests, what_is_archived_stays_counted_over_a_restart);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
