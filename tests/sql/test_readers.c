/*
 * Readers beside batches: the real stream and the real store write, one file a
 * batch, while sessions on threads of their own ask. Whatever they are told
 * must be the answer over some prefix of the files, and no session may ever be
 * told an older one than before. `--long` makes it 10,000 batches.
 */
#include "tests/sql/env.h"

#include "sql/cycle.h"
#include "tests/sql/sample.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define N_ACTIONS 3
#define N_HOURS   5
/* The most events that a file holds. */
#define MAX_EVENTS       4
#define BATCHES_PER_WAIT 10

static const char *const actions[N_ACTIONS] = {"Close", "Open", "Stay"};

struct totals {
	int64_t of[N_ACTIONS][N_HOURS];
};

static int n_batches = 400;
static char dir[64], state[80], events[80];
static struct totals *prefixes; /* [n] after n files */
static int *prefix_of_total;    /* that many events are the first so many files; -1: none are */
static struct stream *stream;
static struct store *store;
static struct sql_env *env;
static atomic_bool is_written;

static void write_file(int n)
{
	struct totals *now = &prefixes[n];
	struct timespec same[2] = {{.tv_sec = START / 1000000}, {.tv_sec = START / 1000000}};
	int n_events = 1 + rand() % MAX_EVENTS;
	char path[120];
	FILE *out;

	*now = prefixes[n - 1];
	(void)snprintf(path, sizeof(path), "%s/file-%d", events, n);
	out = fopen(path, "w");
	ck_assert_ptr_nonnull(out);
	while (n_events-- > 0) {
		int action = rand() % N_ACTIONS, hour = rand() % N_HOURS;

		(void)fprintf(out, "{\"time\":%lld,\"action\":\"%s\"}\n",
			(long long)(START / 1000000 + hour * 3600 + rand() % 3600),
			actions[action]);
		now->of[action][hour]++;
	}
	(void)fclose(out);
	/* Of one time, they come in the natural order of their names. */
	ck_assert_int_eq(utimensat(AT_FDCWD, path, same, 0), 0);
}

static int64_t total_of(const struct totals *totals)
{
	int64_t sum = 0;

	for (int i = 0; i < N_ACTIONS * N_HOURS; i++)
		sum += totals->of[i / N_HOURS][i % N_HOURS];
	return sum;
}

static void write_files(void)
{
	size_t n_totals = (size_t)n_batches * MAX_EVENTS + 1;

	prefixes = calloc((size_t)n_batches + 1, sizeof(*prefixes));
	prefix_of_total = calloc(n_totals, sizeof(*prefix_of_total));
	ck_assert(prefixes != NULL && prefix_of_total != NULL);
	memset(prefix_of_total, 0xff, n_totals * sizeof(*prefix_of_total));
	prefix_of_total[0] = 0;
	srand(1);
	for (int n = 1; n <= n_batches; n++) {
		write_file(n);
		prefix_of_total[total_of(&prefixes[n])] = n;
	}
}

static void batch_expected(const struct totals *totals, struct buf *out)
{
	for (int action = 0; action < N_ACTIONS; action++)
		for (int hour = 0; hour < N_HOURS; hour++)
			if (totals->of[action][hour] > 0)
				buf_printf(out, "%s|2016-07-26 0%d:00:00|%lld\n", actions[action],
					2 + hour, (long long)totals->of[action][hour]);
	buf_add_char(out, '\0');
}

static void engine_open(void)
{
	struct sql_env_options options = fixture_options();
	struct store_options store_options = {.state_dir = state, .now_us = START};
	struct spec *spec = sample_spec("counts", "action");
	struct err err = ERR_INIT;

	free(spec->sources[0].path);
	spec->sources[0].path = strdup(events);
	spec->sources[0].max_files_per_trigger = 1;
	ck_assert_int_eq(sql_init(&err), 0);
	ck_assert_msg(store_open(&store, &store_options, &err) == 0, "%s", err.text);
	ck_assert_msg(stream_open(&stream, spec, &err) == 0, "%s", err.text);
	ck_assert_msg(store_load(store, spec, stream, &err) == 0, "%s", err.text);
	options.snapshots = store_snapshots(store);
	ck_assert_msg(sql_env_new(&env, &options, &err) == 0, "%s", err.text);
}

static void engine_close(void)
{
	sql_env_free(env);
	stream_close(stream);
	store_close(store);
}

static void set_up(void)
{
	strcpy(dir, "/tmp/test_readers.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(state, sizeof(state), "%s/state", dir);
	(void)snprintf(events, sizeof(events), "%s/events", dir);
	ck_assert_int_eq(mkdir(events, 0700), 0);
	write_files();
	engine_open();
	atomic_store(&is_written, false);
}

static void tear_down(void)
{
	char command[100];

	engine_close();
	free(prefixes);
	free(prefix_of_total);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* The rows of `sql`, NUL-terminated; with a budget the steps are broken off and done again. */
static void ask(struct sql_session *session, const char *sql, int64_t budget_us, struct buf *out)
{
	struct err err = ERR_INIT;
	struct statement *statement;
	size_t tail;
	int rc = statement_prepare(session, sql, strlen(sql), 0, &tail, &statement, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	buf_clear(out);
	ck_assert_msg(drain(statement, budget_us, out, &err) == 0, "%s", err.text);
	buf_add_char(out, '\0');
	statement_free(statement);
}

/* Which prefix the rows are of, judged row by row. */
static int prefix_judge(const struct buf *rows)
{
	struct buf expected = {0};
	int64_t total = 0;
	int prefix;

	for (const char *line = rows->data; *line != '\0'; line = strchr(line, '\n') + 1)
		total += atoll(strchr(strchr(line, '|') + 1, '|') + 1);
	ck_assert_int_le(total, (int64_t)n_batches * MAX_EVENTS);
	prefix = prefix_of_total[total];
	ck_assert_msg(prefix >= 0, "%lld events are no prefix of the files", (long long)total);
	batch_expected(&prefixes[prefix], &expected);
	ck_assert_str_eq(rows->data, expected.data);
	buf_fini(&expected);
	return prefix;
}

#define ROWS "select action, window_start, count from counts order by action, window_start"
/* The same number from three tables, one of them with a row for each file. */
#define ONE_NUMBER                                                                                 \
	"select distinct n from (select coalesce(sum(count), 0) as n from counts"                  \
	" union all select events from queries union all select coalesce(sum(events), 0) from "    \
	"files)"

struct reading {
	pthread_t thread;
	int64_t budget_us;
	bool in_transactions;
	atomic_int n_answers;
	int n_seen; /* of them, different ones */
};

static void *read_on(void *context)
{
	struct reading *reading = context;
	struct sql_session *session = session_as(&(struct fixture){.env = env}, 1001);
	struct buf rows = {0}, again = {0};
	bool is_last;
	int last = -1;

	do {
		is_last = atomic_load(&is_written);
		if (reading->in_transactions)
			ask(session, "begin", 0, &again);
		ask(session, ROWS, reading->budget_us, &rows);
		int prefix = prefix_judge(&rows);
		ck_assert_int_ge(prefix, last);
		reading->n_seen += prefix > last;
		last = prefix;
		if (reading->in_transactions) {
			ask(session, ROWS, 50, &again);
			ck_assert_str_eq(again.data, rows.data);
			ask(session, "commit", 0, &again);
		} else {
			ask(session, ONE_NUMBER, reading->budget_us, &again);
			ck_assert_msg(strchr(again.data, '\n') == strrchr(again.data, '\n'),
				"tables of different versions: %s", again.data);
		}
		atomic_fetch_add(&reading->n_answers, 1);
	} while (!is_last);
	ck_assert_int_eq(last, n_batches);
	sql_session_free(session);
	buf_fini(&rows);
	buf_fini(&again);
	return NULL;
}

/* Until each of them has begun and ended an answer since now. */
static void wait_for(struct reading *readings, int n)
{
	for (int i = 0; i < n; i++) {
		int before = atomic_load(&readings[i].n_answers);

		while (atomic_load(&readings[i].n_answers) < before + 2)
			(void)usleep(50);
	}
}

START_TEST(every_answer_is_of_a_prefix_of_the_files_and_none_goes_back)
{
	struct reading readings[] = {
		{.budget_us = 0}, {.budget_us = 40}, {.in_transactions = true}};
	struct cycle_outcome outcome;
	struct err err = ERR_INIT;
	int n_done = 0;

	for (int i = 0; i < N_ROWS(readings); i++)
		ck_assert_int_eq(
			pthread_create(&readings[i].thread, NULL, read_on, &readings[i]), 0);
	do {
		int rc = cycle_run(stream, store, 0, n_done == 0, START + n_done, &outcome, &err);
		ck_assert_msg(rc == 0, "%s", err.text);
		n_done += outcome.did_batch;
		/* On a busy machine a thread may not run for hundreds of batches. */
		if (n_done % BATCHES_PER_WAIT == 0)
			wait_for(readings, N_ROWS(readings));
	} while (outcome.did_batch);
	ck_assert_int_eq(n_done, n_batches);
	atomic_store(&is_written, true);
	for (int i = 0; i < N_ROWS(readings); i++) {
		ck_assert_int_eq(pthread_join(readings[i].thread, NULL), 0);
		ck_assert_int_ge(readings[i].n_seen, n_batches / BATCHES_PER_WAIT);
		printf("reader %d: %d answers over %d prefixes of %d files\n", i,
			atomic_load(&readings[i].n_answers), readings[i].n_seen, n_batches);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("readers");
	TCase *tests = tcase_create("readers");

	if (argc > 1 && strcmp(argv[1], "--long") == 0)
		n_batches = 10000;
	tcase_set_timeout(tests, 1800);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, every_answer_is_of_a_prefix_of_the_files_and_none_goes_back);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
