/*
 * A small mirror for the tests of the statement layer: counts, as CONTRACT
 * shows it, some rows, an env and a session.
 */
#ifndef TESTS_SQL_ENV_H
#define TESTS_SQL_ENV_H

#include "base/buf.h"
#include "sql/statement.h"
#include "tests/run.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct fixture {
	struct snapshot_store *store;
	sqlite3 *writer;
	struct sql_env *env;
};

static inline void write_sql(struct fixture *fixture, const char *sql)
{
	char *message = NULL;
	int rc = sqlite3_exec(fixture->writer, sql, NULL, NULL, &message);

	ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, message);
}

static inline struct sql_env_options fixture_options(void)
{
	return (struct sql_env_options){
		.query_timeout_us = 30 * 1000000,
		.query_memory_bytes = 64 << 20,
		.max_result_bytes = 1 << 30,
		.timezone = "UTC",
		.daemon_uid = 1000,
	};
}

static inline void fixture_open(struct fixture *fixture, struct sql_env_options options)
{
	struct err err = ERR_INIT;

	*fixture = (struct fixture){0};
	ck_assert_msg(sql_init(&err) == 0, "%s", err.text);
	fixture->store = snapshot_store_new();
	ck_assert_ptr_nonnull(fixture->store);
	ck_assert_msg(
		snapshot_open_writer(fixture->store, &fixture->writer, &err) == 0, "%s", err.text);
	write_sql(fixture, "CREATE TABLE counts(action TEXT, window_start TIMESTAMP TEXT,"
			   " window_end TIMESTAMP TEXT, count INTEGER)");
	write_sql(fixture, "INSERT INTO counts VALUES"
			   "('Close','2016-07-26 02:00:00','2016-07-26 03:00:00',11),"
			   "('Open','2016-07-26 02:00:00','2016-07-26 03:00:00',179),"
			   "('Close','2016-07-26 03:00:00','2016-07-26 04:00:00',344),"
			   "('Open','2016-07-26 03:00:00','2016-07-26 04:00:00',1001)");
	options.snapshots = fixture->store;
	ck_assert_msg(sql_env_new(&fixture->env, &options, &err) == 0, "%s", err.text);
}

static inline void fixture_close(struct fixture *fixture)
{
	sql_env_free(fixture->env);
	ck_assert_int_eq(sqlite3_close(fixture->writer), SQLITE_OK);
	snapshot_store_free(fixture->store);
}

static inline struct sql_session *session_as(struct fixture *fixture, unsigned uid)
{
	struct sql_session_options options = {.uid = uid};
	struct sql_session *session = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(sql_session_new(&session, fixture->env, &options, &err) == 0, "%s", err.text);
	return session;
}

/* One cell as the shell prints it, NULL as nothing. */
static inline void cell_add(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL: buf_printf(out, "%.15g", value->real); break;
	case VALUE_TEXT:
	case VALUE_BLOB: buf_add(out, value->data, value->len); break;
	default: break;
	}
}

/* Runs what is prepared to its end; rows as `a|b\n`. 0 or the error. */
static inline int drain(
	struct statement *statement, int64_t budget_us, struct buf *out, struct err *err)
{
	const struct value *row;
	enum step step;

	for (;;) {
		step = statement_step(statement, budget_us, err);
		if (step == STEP_YIELD)
			step = statement_step(statement, 0, err);
		if (step != STEP_ROW)
			return step == STEP_DONE ? 0 : err->code;
		if (statement_row(statement, &row, err) != 0)
			return err->code;
		for (size_t i = 0; i < statement_n_columns(statement); i++) {
			if (i > 0)
				buf_add_char(out, '|');
			cell_add(out, &row[i]);
		}
		buf_add_char(out, '\n');
	}
}

/* All statements of `sql`, one after the other, up to the first failure. */
static inline int run_sql(
	struct sql_session *session, const char *sql, struct buf *out, struct err *err)
{
	size_t len = strlen(sql), tail = 0;
	struct statement *statement;
	int status;

	while (len > 0) {
		status = statement_prepare(session, sql, len, 0, &tail, &statement, err);
		if (status != 0)
			return status;
		status = statement != NULL ? drain(statement, 0, out, err) : 0;
		statement_free(statement);
		if (status != 0)
			return status;
		sql += tail;
		len -= tail;
	}
	return 0;
}

static inline void assert_rows(struct sql_session *session, const char *sql, const char *expected)
{
	struct buf out = {0};
	struct err err = ERR_INIT;
	int status = run_sql(session, sql, &out, &err);

	buf_add_char(&out, '\0');
	ck_assert_msg(status == 0, "%s: %s", sql, err.text);
	ck_assert_msg(
		strcmp(out.data, expected) == 0, "%s: '%s', not '%s'", sql, out.data, expected);
	buf_fini(&out);
}

static inline void assert_fails(
	struct sql_session *session, const char *sql, int code, const char *words)
{
	struct buf out = {0};
	struct err err = ERR_INIT;
	int status = run_sql(session, sql, &out, &err);

	ck_assert_msg(status == code, "%s: %d %s, not %d", sql, status, err.text, code);
	ck_assert_msg(
		strstr(err.text, words) != NULL, "%s: '%s' has no '%s'", sql, err.text, words);
	buf_fini(&out);
}

/*
 * Cancels what a session runs, from another thread, until canceller_stop: again
 * and again, because a cancel that comes before the statement is forgotten.
 */
struct canceller {
	struct sql_session *session;
	pthread_t thread;
	atomic_bool is_over;
};

static inline void *canceller_run(void *context)
{
	struct canceller *canceller = context;

	while (!atomic_load(&canceller->is_over)) {
		(void)usleep(20000);
		sql_session_cancel(canceller->session);
	}
	return NULL;
}

static inline void canceller_start(struct canceller *canceller, struct sql_session *session)
{
	canceller->session = session;
	atomic_init(&canceller->is_over, false);
	ck_assert_int_eq(pthread_create(&canceller->thread, NULL, canceller_run, canceller), 0);
}

static inline void canceller_stop(struct canceller *canceller)
{
	atomic_store(&canceller->is_over, true);
	ck_assert_int_eq(pthread_join(canceller->thread, NULL), 0);
}

#define N_ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

#endif
