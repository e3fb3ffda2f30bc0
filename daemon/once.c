/*
 * Stream and store are opened as the daemon does it, and turned by hand. The
 * SQL goes the way of every session's: the same guard, the same sink.
 */
#include "daemon/once.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "daemon/log.h"
#include "daemon/text_command.h"
#include "daemon/text_sink.h"
#include "sql/cycle.h"
#include "sql/statement.h"
#include "sql/store.h"
#include "stream/stream.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* SIGTERM and SIGINT end the running slice and everything after it; a signal handler can reach
 * nothing else. */
static volatile sig_atomic_t stop_asked;

struct once {
	const struct config *config;
	struct stream *stream;
	struct store *store;
};

static void on_signal(int number)
{
	(void)number;
	stop_asked = 1;
}

static int64_t wall_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static void notes_log(struct once *once)
{
	const char *notice;
	char *note;

	while (once->store != NULL && (notice = store_next_notice(once->store)) != NULL)
		log_warning("%s", notice);
	for (size_t i = 0; once->stream != NULL && i < once->config->spec.n_sources; i++)
		while ((note = stream_take_note(once->stream, i)) != NULL) {
			log_info("%s", note);
			free(note);
		}
}

static int open_all(struct once *once, bool rebuild, struct err *err)
{
	const struct config *config = once->config;
	struct store_options options = {.state_dir = config->state_dir,
		.rebuild = rebuild,
		.is_unseen = true,
		.settings = config->settings,
		.n_settings = config->n_settings,
		.now_us = wall_us()};

	if (config_check_directories(config, err) != 0 ||
		file_make_dirs(config->state_dir, 0700, err) != 0 ||
		store_open(&once->store, &options, err) != 0 ||
		stream_open(&once->stream, &config->spec, err) != 0)
		return err->code;
	return store_load(once->store, &config->spec, once->stream, err);
}

static void close_all(struct once *once)
{
	notes_log(once);
	if (once->stream != NULL)
		stream_close(once->stream);
	if (once->store != NULL)
		store_close(once->store);
}

static int source_count(struct once *once, size_t source, struct err *err)
{
	struct cycle_outcome outcome = {.did_batch = true};

	for (bool full = true; outcome.did_batch && stop_asked == 0; full = false) {
		if (cycle_run(once->stream, once->store, source, full, wall_us(), &outcome, err) !=
			0)
			return err->code;
		notes_log(once);
	}
	if (stop_asked != 0)
		return err_set(
			err, ERR_INTERRUPTED, "stopped by a signal; what was counted is kept");
	return 0;
}

static int count_all(struct once *once, struct err *err)
{
	for (size_t i = 0; i < once->config->spec.n_sources; i++)
		if (source_count(once, i, err) != 0)
			return err->code;
	if (store_sync(once->store, err) != 0)
		return err->code;
	return store_show(once->store, err);
}

static int out_write(struct buf *out, struct err *err)
{
	int rc = buf_ok(out) ? file_write_all(STDOUT_FILENO, out->data, out->len, err)
			     : err_nomem(err);

	buf_clear(out);
	return rc;
}

static int rows_print(
	struct statement *statement, struct text_sink *sink, struct buf *out, struct err *err)
{
	const struct value *values;
	int64_t n_rows = 0;
	bool has_begun = false;

	for (;;) {
		enum step step = statement_step(statement, 0, err);
		if (step == STEP_ERROR)
			return err->code;
		if (step == STEP_YIELD)
			continue;
		if (!has_begun && text_sink_ops.begin(sink, statement, out, err) != 0)
			return err->code;
		has_begun = true;
		if (step == STEP_DONE)
			return text_sink_ops.end(sink, statement, n_rows, out, err);
		if (statement_row(statement, &values, err) != 0 ||
			text_sink_ops.row(sink, values, out, err) != 0)
			return err->code;
		n_rows++;
		if (out->len >= PAGE_BYTES && out_write(out, err) != 0)
			return err->code;
	}
}

/* The line at `line` is a dot-command; *len is what it takes, with its newline. */
static int command_run(struct text_settings *settings, const char *line, struct buf *out,
	size_t *len, bool *quits, struct err *err)
{
	static const char prefix[] = "Error: ";
	size_t bare = strcspn(line, "\n");
	size_t skip = 0;
	char *copy = mem_copy_text(line, bare);
	struct buf said = {0};
	int rc = 0;

	*len = bare + (line[bare] == '\n');
	if (copy == NULL)
		return err_nomem(err);
	switch (text_command_run(settings, copy, &said)) {
	case TEXT_COMMAND_QUIT: *quits = true; /* fallthrough */
	case TEXT_COMMAND_DONE: buf_add(out, said.data, said.len); break;
	case TEXT_COMMAND_FAILED:
		buf_add_char(&said, '\0');
		if (!buf_ok(&said)) {
			rc = err_nomem(err);
			break;
		}
		/* The log has a word of its own for that. */
		if (strncmp(said.data, prefix, sizeof(prefix) - 1) == 0)
			skip = sizeof(prefix) - 1;
		rc = err_set(err, ERR_SQL, "%.*s", (int)strcspn(said.data + skip, "\n"),
			said.data + skip);
	}
	buf_fini(&said);
	free(copy);
	return rc;
}

static int statement_run(struct text_settings *settings, struct sql_session *session,
	const char *sql, struct buf *out, size_t *len, struct err *err)
{
	struct text_sink sink = {.options = &settings->print};
	struct statement *statement;
	int rc = statement_prepare(session, sql, strlen(sql), 0, len, &statement, err);

	if (rc != 0)
		return rc;
	if (statement == NULL) {
		*len = strlen(sql);
		return 0;
	}
	rc = rows_print(statement, &sink, out, err);
	statement_free(statement);
	text_sink_reset(&sink);
	if (rc == 0 && settings->end[0] != '\0') {
		buf_add_text(out, settings->end);
		buf_add_char(out, '\n');
	}
	return rc;
}

static int text_answer(struct sql_session *session, const char *sql, struct err *err)
{
	struct text_settings settings;
	struct buf out = {0};
	bool quits = false;
	int rc = 0;

	text_settings_init(&settings);
	while (rc == 0 && !quits && *(sql += strspn(sql, " \t\r\n;")) != '\0') {
		size_t len = 0;

		rc = *sql == '.' ? command_run(&settings, sql, &out, &len, &quits, err)
				 : statement_run(&settings, session, sql, &out, &len, err);
		sql += len;
	}
	struct err write_err = ERR_INIT;
	if (out.len > 0 && out_write(&out, &write_err) != 0 && rc == 0) {
		*err = write_err;
		rc = err->code;
	}
	buf_fini(&out);
	return rc;
}

/* The spec lives as long as this run. */
static bool spec_ref(void *context, const struct spec **spec)
{
	const struct once *once = context;

	*spec = &once->config->spec;
	return true;
}

static void spec_unref(void *context, const struct spec *spec)
{
	(void)context;
	(void)spec;
}

static int session_open(
	struct once *once, struct sql_env **env, struct sql_session **session, struct err *err)
{
	const struct config *config = once->config;
	struct sql_env_options options = {.snapshots = store_snapshots(once->store),
		.query_timeout_us = config->query_timeout_us,
		.query_memory_bytes = config->query_memory_bytes,
		.max_result_bytes = config->max_result_bytes,
		.timezone = config->timezone,
		.spec_ref = spec_ref,
		.spec_unref = spec_unref,
		.spec_context = once,
		.daemon_uid = (unsigned)geteuid()};
	struct sql_session_options session_options = {.uid = (unsigned)geteuid()};

	if (sql_env_new(env, &options, err) != 0)
		return err->code;
	return sql_session_new(session, *env, &session_options, err);
}

/* One sentence for the first thing that is not counted; NULL text: all is well. */
static int trouble_find(struct sql_session *session, struct err *err)
{
	static const char sql[] =
		"select 'query '||name||' has failed: '||coalesce(exception,'') from queries "
		"where state='FAILED' union all select 'file '||path||' is in error: '||"
		"coalesce(reason,'') from files where state='error' limit 1";
	const struct value *values;
	struct statement *statement;
	size_t tail;

	if (statement_prepare(session, sql, sizeof(sql) - 1, 0, &tail, &statement, err) != 0)
		return err->code;
	enum step step = statement_step(statement, 0, err);
	int rc = step == STEP_ERROR ? err->code : 0;
	if (step == STEP_ROW)
		rc = statement_row(statement, &values, err);
	if (step == STEP_ROW && rc == 0)
		rc = err_set(err, ERR_IO, "%.*s", (int)values[0].len, values[0].data);
	statement_free(statement);
	return rc;
}

static int answer(struct once *once, const char *sql, struct err *err)
{
	struct sql_env *env = NULL;
	struct sql_session *session = NULL;
	int rc = session_open(once, &env, &session, err);

	if (rc == 0 && sql != NULL)
		rc = text_answer(session, sql, err);
	if (rc == 0)
		rc = trouble_find(session, err);
	sql_session_free(session);
	sql_env_free(env);
	return rc;
}

int once_available_now(const struct config *config, bool rebuild, const char *sql, struct err *err)
{
	struct once once = {.config = config};
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	int rc = open_all(&once, rebuild, err);
	if (rc == 0)
		rc = count_all(&once, err);
	/* What is counted is durable: from here on a signal may simply end it. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (rc == 0)
		rc = answer(&once, sql, err);
	close_all(&once);
	return rc;
}

int once_forget(const struct config *config, const char *name, struct err *err)
{
	struct once once = {.config = config};
	int rc = open_all(&once, false, err);

	if (rc == 0)
		rc = store_forget(once.store, name, err);
	if (rc == 0)
		log_info("the counts of %s are dropped", name);
	close_all(&once);
	return rc;
}
