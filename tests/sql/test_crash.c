/*
 * The process dies, or meets an error, at each point that a fault can be put
 * at, while a file grows and others are archived; it starts again, and in the
 * end every line that lies in the directories has been counted once.
 *
 * Needs a build with --enable-faults; skipped otherwise. TALLYD_LONG in the
 * environment tries every point, else a part of them.
 */
#include "base/fault.h"
#include "sql/collation.h"
#include "sql/cycle.h"
#include "tests/run.h"
#include "tests/sql/sample.h"

#include <check.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef ENABLE_FAULTS

#define N_STEPS 4 /* of writing and counting in one life */

static char dir[64], state[80], events[80], archive[80];
static struct stream *stream;
static struct store *store;

static void setup(void)
{
	strcpy(dir, "/tmp/test_crash.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(state, sizeof(state), "%s/state", dir);
	(void)snprintf(events, sizeof(events), "%s/events", dir);
	(void)snprintf(archive, sizeof(archive), "%s/archive", dir);
	ck_assert_int_eq(mkdir(events, 0700), 0);
	ck_assert_int_eq(mkdir(archive, 0700), 0);
}

static void teardown(void)
{
	shell("rm -rf %s", dir);
}

static FILE *open_file(const char *mode, const char *format, ...)
{
	char path[160];
	va_list args;
	FILE *file;

	va_start(args, format);
	(void)vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	file = fopen(path, mode);
	ck_assert_ptr_nonnull(file);
	return file;
}

/*
 * A file that is whole at once, so that it can be archived; another one grows.
 * No two lines are alike: a new file under an old name with the old content
 * would rightly be taken for the old one.
 */
static void write_step(long life, int step)
{
	int time = 1469498400 + step * 600;
	FILE *file = open_file("a", "%s/growing.json", events);

	(void)fprintf(file, "{\"time\":%d,\"action\":\"Open\",\"life\":%ld}\n", time, life);
	(void)fclose(file);
	file = open_file("w", "%s/file-%ld-%d.json", events, life, step);
	(void)fprintf(file, "{\"time\":%d,\"action\":\"Close\"}\n{\"time\":1}\nbad\n", time);
	(void)fclose(file);
}

static int start(struct err *err)
{
	struct store_options options = {.state_dir = state};
	struct spec *spec = sample_spec("counts", "action");
	int rc;

	free(spec->sources[0].path);
	spec->sources[0].path = events;
	spec->sources[0].clean_source = CLEAN_SOURCE_ARCHIVE;
	spec->sources[0].archive_dir = archive;
	spec->sources[0].poll_interval_us = 1000000;
	stream = NULL;
	rc = store_open(&store, &options, err);
	if (rc == 0)
		rc = stream_open(&stream, spec, err);
	if (rc == 0)
		rc = store_load(store, spec, stream, err);
	return rc;
}

static void stop(void)
{
	stream_close(stream);
	store_close(store);
}

/* Cycles until there is nothing to do; a failure is tried again, as the daemon does. */
static void run_until_idle(int64_t *now_us)
{
	struct cycle_outcome outcome = {0};
	int n = 0;

	do {
		struct err err = ERR_INIT;

		*now_us += INT64_C(400000000);
		(void)!cycle_run(stream, store, 0, true, *now_us, &outcome, &err);
		ck_assert_msg(++n < 200, "%s", err.text);
	} while (!outcome.is_idle);
}

/* In a process of its own; false when it was killed. An error at start is a death too: it starts
 * again. */
static bool live(long life, const char *plan)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct err err = ERR_INIT;
		int64_t now_us = START;
		int step;

		ck_assert(fault_plan(plan));
		write_step(life, 0);
		if (start(&err) < 0)
			_exit(2);
		for (step = 1; step <= N_STEPS; step++) {
			run_until_idle(&now_us);
			write_step(life, step);
		}
		stop();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(
		(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 2)) ||
			(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
		"life %ld with %s ended with %x", life, plan, (unsigned)status);
	return WIFEXITED(status);
}

/* The number that a shell command prints in the directory. */
static long count_of(const char *command)
{
	char line[64] = "";
	char text[300];
	FILE *out;

	(void)snprintf(text, sizeof(text), "cd %s && %s", dir, command);
	out = popen(text, "r");
	ck_assert_ptr_nonnull(out);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), out));
	(void)pclose(out);
	return atol(line);
}

/* Every whole file has one Close, one line without an action and one that is bad. */
static void check_counts(const char *plan)
{
	long n_files = count_of("find . -name 'file-*' | wc -l");
	long n_open = count_of("find . -name 'growing*' -exec cat {} + | wc -l");
	struct err err = ERR_INIT;
	int64_t now_us = START;
	sqlite3 *reader;
	char want[200];
	const char *got;

	must(start(&err), &err);
	run_until_idle(&now_us);
	must(snapshot_open_reader(store_snapshots(store), &reader, &err), &err);
	must(collation_register(reader, &err), &err);
	(void)snprintf(want, sizeof(want), "|%ld\nClose|%ld\nOpen|%ld\n", n_files, n_files, n_open);
	got = sample_ask(reader, "SELECT action, sum(count) FROM counts GROUP BY action"
				 " ORDER BY action");
	if (strcmp(got, want) != 0)
		(void)fputs(sample_ask(reader,
				    "SELECT path, state, events, offset, size, reason FROM files"),
			stderr);
	ck_assert_msg(strcmp(got, want) == 0, "after %s: wanted\n%s got\n%s", plan, want, got);
	(void)snprintf(want, sizeof(want), "%ld\n", n_files);
	ck_assert_str_eq(sample_ask(reader, "SELECT count FROM reject_totals"), want);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
	stop();
}

/* The n-th point, for all n that there are; `action` is done there. */
static void fault_everywhere(const char *point, const char *action)
{
	bool is_long = getenv("TALLYD_LONG") != NULL;
	char plan[64];
	long n = 1, n_ended = 0, life = 0;

	/*
	 * A life passes some hundred points; fewer of
	 * them from life to life as archiving is done.
	 */
	while (n_ended < 3 && n < 500) {
		(void)snprintf(plan, sizeof(plan), "%s:%ld:%s", point, n, action);
		n_ended = live(life++, plan) && strcmp(action, "kill") == 0 ? n_ended + 1 : 0;
		if (life % 5 == 0)
			check_counts(plan);
		n += is_long ? 1 : 1 + n / 8;
	}
	check_counts("the last");
}

START_TEST(killed_at_any_point_nothing_is_lost_and_nothing_counted_twice)
{
	fault_everywhere("*", "kill");
}
END_TEST

START_TEST(no_space_at_any_point_loses_nothing)
{
	fault_everywhere("*", "ENOSPC");
}
END_TEST

START_TEST(an_error_at_any_point_loses_nothing)
{
	fault_everywhere("*", "EIO");
}
END_TEST

START_TEST(half_a_write_at_any_point_loses_nothing)
{
	fault_everywhere("*", "short");
}
END_TEST

START_TEST(without_memory_at_any_growth_nothing_is_lost_and_nothing_counted_twice)
{
	fault_everywhere("alloc", "ENOMEM");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash");
	TCase *tests = tcase_create("crash");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, killed_at_any_point_nothing_is_lost_and_nothing_counted_twice);
	tcase_add_test(tests, no_space_at_any_point_loses_nothing);
	tcase_add_test(tests, an_error_at_any_point_loses_nothing);
	tcase_add_test(tests, half_a_write_at_any_point_loses_nothing);
	suite_add_tcase(suite, tests);
	tests = tcase_create("memory");
	suite_add_tcase(suite, tests);
	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(
		tests, without_memory_at_any_growth_nothing_is_lost_and_nothing_counted_twice);
	return run_suite(suite);
}

#else

int main(void)
{
	(void)printf("skipped: built without --enable-faults\n");
	return 77;
}

#endif
