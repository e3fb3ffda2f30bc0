/*
 * Any bytes, sent as SQL by a stranger: they end with an answer or a sentence,
 * in bounds, and the table that everybody reads is as before. The same bytes
 * run twice, whole and with a budget so small that every statement yields; the
 * second way must give the same rows.
 */
#include "base/buf.h"
#include "sql/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX_BYTES 65536
#define MAX_TRIES     100

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition, const char *what, const struct err *err)
{
	if (!condition) {
		(void)fprintf(stderr, "%s: %s\n", what, err->text);
		abort();
	}
}

/* The mirror of the tests, made once a process. */
static struct sql_env *env_once(void)
{
	static struct sql_env *env;
	static sqlite3 *writer; /* held, so that no leak is seen in it */
	struct sql_env_options options = {
		.query_timeout_us = 50000,
		.query_memory_bytes = 4 << 20,
		.max_result_bytes = OUT_MAX_BYTES,
		.timezone = "Asia/Kathmandu",
		.daemon_uid = 1000,
	};
	struct err err = ERR_INIT;

	if (env != NULL)
		return env;
	must(sql_init(&err) == 0, "init", &err);
	options.snapshots = snapshot_store_new();
	must(options.snapshots != NULL, "store", &err);
	must(snapshot_open_writer(options.snapshots, &writer, &err) == 0, "writer", &err);
	must(sqlite3_exec(writer,
		     "CREATE TABLE counts(action TEXT, window_start TIMESTAMP TEXT, window_end "
		     "TIMESTAMP TEXT,"
		     " count INTEGER);"
		     "INSERT INTO counts VALUES('Close','2016-07-26 02:00:00','2016-07-26 "
		     "03:00:00',11),"
		     "('Open','2016-07-26 02:00:00','2016-07-26 03:00:00',179),"
		     "(NULL,'2016-07-26 03:00:00','2016-07-26 04:00:00',7)",
		     NULL, NULL, NULL) == SQLITE_OK,
		"rows", &err);
	must(sql_env_new(&env, &options, &err) == 0, "env", &err);
	return env;
}

static void add_row(struct buf *out, const struct value *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%d:%lld:%.17g:", (int)values[i].type, (long long)values[i].integer,
			values[i].real);
		buf_add(out, values[i].data, values[i].len);
		buf_add_char(out, '\n');
	}
}

/* All rows of one statement; a status, and whether it depends on nothing but its text. */
static int run(struct statement *statement, int64_t budget_us, struct buf *out, struct err *err,
	bool *is_constant)
{
	const struct value *values;
	enum step step;

	while ((step = statement_step(statement, budget_us, err)) == STEP_ROW ||
		step == STEP_YIELD) {
		if (step == STEP_YIELD)
			continue;
		if (statement_row(statement, &values, err) != 0) {
			statement_reset(statement);
			return err->code;
		}
		add_row(out, values, statement_n_columns(statement));
	}
	*is_constant = step == STEP_DONE && statement_is_cacheable(statement);
	return step == STEP_DONE ? 0 : err->code;
}

static void run_twice(struct statement *statement)
{
	struct buf whole = {0}, pieces = {0};
	struct err err = ERR_INIT;
	bool is_constant, unused;

	for (size_t i = 0; i < statement_n_columns(statement); i++)
		must(statement_column_type(statement, i) != NULL, "type", &err);
	if (run(statement, 0, &whole, &err, &is_constant) == 0 && is_constant &&
		run(statement, 1, &pieces, &err, &unused) == 0)
		must(whole.len == pieces.len &&
				(whole.len == 0 || memcmp(whole.data, pieces.data, whole.len) == 0),
			"two runs differ", &err);
	buf_fini(&whole);
	buf_fini(&pieces);
}

/* The timeout is short for what is fuzzed; where the machine is busy this may take more than one
 * try. */
static void check_table(struct sql_session *session)
{
	static const char text[] = "select sum(count) from counts";
	struct statement *statement;
	struct err err = ERR_INIT;
	struct buf out = {0};
	bool is_constant;
	int rc = -1;
	size_t tail;

	for (int i = 0; i < MAX_TRIES && rc != 0; i++) {
		buf_clear(&out);
		rc = statement_prepare(session, text, sizeof(text) - 1, 0, &tail, &statement, &err);
		if (rc != 0)
			continue;
		rc = run(statement, 0, &out, &err, &is_constant);
		statement_free(statement);
	}
	must(rc == 0, "sum", &err);
	must(out.len > 6 && memcmp(out.data, "1:197:", 6) == 0, "the table has changed", &err);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sql_session_options options = {.uid = 1001};
	struct sql_session *session;
	struct statement *statement;
	struct err err = ERR_INIT;
	const char *text = (const char *)data;
	size_t tail;

	must(sql_session_new(&session, env_once(), &options, &err) == 0, "session", &err);
	while (size > 0 &&
		statement_prepare(session, text, size, 0, &tail, &statement, &err) == 0) {
		if (statement != NULL)
			run_twice(statement);
		statement_free(statement);
		must(tail > 0 && tail <= size, "tail", &err);
		text += tail;
		size -= tail;
	}
	sql_session_reset(session, true);
	check_table(session);
	sql_session_free(session);
	return 0;
}
