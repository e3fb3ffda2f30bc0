/*
 * One execution at a time: a portal's own, or the session's. What it wrote goes
 * out page by page; how it ended is said behind the last.
 */
#include "daemon/pg_run.h"

#include "daemon/pg_answer.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_rows.h"
#include "daemon/pg_token.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct execution *pg_run_current(struct pg_session *pg)
{
	switch (pg->running) {
	case PG_RUN_NONE:
	case PG_RUN_COMPILE: return NULL;
	case PG_RUN_PORTAL: return &pg->portal->execution;
	default: return &pg->execution;
	}
}

void pg_run_cancel(struct pg_session *pg)
{
	struct execution *execution = pg_run_current(pg);

	if (execution != NULL)
		execution_cancel(execution);
	else if (pg->running == PG_RUN_COMPILE)
		sql_session_cancel(pg->session.sql);
}

/* The second word of CREATE TABLE and the like, for the tag. */
static const char *object_word(const char *text, size_t len)
{
	static const struct {
		const char *word, *tag;
	} words[] = {{"table", " TABLE"}, {"view", " VIEW"}, {"index", " INDEX"},
		{"trigger", " TRIGGER"}};
	size_t at = 0;

	for (int n = 0; at < len && n < 12; n++) {
		struct pg_token token = pg_token_next(text + at, len - at);

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (pg_token_is(&token, words[i].word))
				return words[i].tag;
		at += token.len;
	}
	return "";
}

static void write_tag(struct pg_session *pg, const struct pg_command *command,
	const struct execution *execution, const struct pg_rows *rows)
{
	char tag[64];
	const char *word = pg->is_fetch ? "FETCH" : rows->is_copy ? "COPY" : command->tag;

	if (strcmp(word, "INSERT") == 0)
		(void)snprintf(tag, sizeof(tag), "INSERT 0 %" PRId64, rows->n_changes);
	else if (strcmp(word, "UPDATE") == 0 || strcmp(word, "DELETE") == 0)
		(void)snprintf(tag, sizeof(tag), "%s %" PRId64, word, rows->n_changes);
	else if (strcmp(word, "CREATE") == 0 || strcmp(word, "DROP") == 0 ||
		 strcmp(word, "ALTER") == 0)
		(void)snprintf(tag, sizeof(tag), "%s%s", word,
			object_word(execution->text, execution->len));
	else
		(void)snprintf(tag, sizeof(tag), "%s %" PRId64, word, execution->n_rows);
	pg_write_complete(&pg->out, tag);
}

static void say_failure(struct pg_session *pg, const struct execution *execution)
{
	bool lacks_values = strcmp(pg_state_of(&execution->err), PG_STATE_NO_PARAMETER) == 0;

	if (lacks_values && pg->original != NULL &&
		pg_refuse_parameter(pg, pg->original, pg->original_len))
		return;
	pg_refuse_translated(
		pg, &execution->err, pg->original, pg->original_len, execution->offset);
}

static void portal_ended(struct pg_session *pg, struct pg_portal *portal)
{
	struct execution *execution = &portal->execution;

	portal->is_done = execution->end != EXECUTION_SUSPENDED;
	if (execution->end == EXECUTION_FAILED) {
		say_failure(pg, execution);
	} else if (execution->end == EXECUTION_SUSPENDED && !pg->is_fetch) {
		pg_write_empty(&pg->out, 's');
	} else {
		write_tag(pg, &portal->statement->command, execution, &portal->rows);
	}
}

static void control_ended(struct pg_session *pg)
{
	if (pg->execution.end == EXECUTION_FAILED)
		say_failure(pg, &pg->execution);
	else if (pg->tag != NULL)
		pg_write_complete(&pg->out, pg->tag);
	else if (pg->query_at >= pg->query.len)
		pg->is_implicit = false; /* that was its COMMIT */
}

static void run_ended(struct pg_session *pg)
{
	struct execution *execution = pg_run_current(pg);
	enum pg_running what = pg->running;

	buf_add(&pg->out, execution->page.data, execution->page.len);
	buf_fini(&execution->page);
	pg->running = PG_RUN_NONE;
	switch (what) {
	case PG_RUN_PORTAL: portal_ended(pg, pg->portal); break;
	case PG_RUN_CONTROL: control_ended(pg); break;
	case PG_RUN_SIMPLE:
		if (execution->end == EXECUTION_FAILED) {
			say_failure(pg, execution);
		} else {
			pg->is_fetch = false;
			write_tag(pg, &pg->command, execution, &pg->rows);
		}
		break;
	default: break;
	}
}

static void on_page(struct execution *execution)
{
	struct pg_session *pg = ((struct pg_rows *)execution->sink_context)->owner;

	pg_flush(pg);
	session_write(&pg->session, &execution->page);
	session_page_written(&pg->session, execution);
}

static void on_ended(struct execution *execution)
{
	struct pg_session *pg = ((struct pg_rows *)execution->sink_context)->owner;

	if (!session_ran(&pg->session))
		return;
	run_ended(pg);
	pg->go_on(pg);
}

static void start(struct pg_session *pg, struct execution *execution, enum pg_running what)
{
	execution->sql = pg->session.sql;
	execution->on_page = on_page;
	execution->on_ended = on_ended;
	pg->running = what;
	if (session_execute(&pg->session, execution))
		run_ended(pg);
}

/* The session's own execution, for everything but portals. */
static void prepare_own(struct pg_session *pg, const char *text, size_t len)
{
	pg_rows_fini(&pg->rows);
	pg->execution.text = text;
	pg->execution.len = len;
	pg->execution.params = NULL;
	pg->execution.n_params = 0;
	pg->execution.max_rows = 0;
	pg->execution.cache = NULL;
	pg->execution.sink = &pg_rows_sink;
	pg->execution.sink_context = &pg->rows;
	pg->original = NULL;
	pg->original_len = 0;
}

void pg_run_control(struct pg_session *pg, const char *sql, const char *tag)
{
	prepare_own(pg, sql, strlen(sql));
	pg->rows.is_silent = true;
	pg->tag = tag;
	start(pg, &pg->execution, PG_RUN_CONTROL);
}

static bool translate(struct pg_session *pg, const char *text, size_t len)
{
	struct err err = ERR_INIT;

	buf_clear(&pg->sql);
	if (pg_translate(text, len, &pg->sql, &err) == 0)
		return true;
	pg_refuse_err(pg, &err);
	return false;
}

void pg_run_copy(struct pg_session *pg, const struct pg_command *command)
{
	struct buf text = {0};

	buf_add_text(&text, command->is_table ? "SELECT * FROM " : "");
	buf_add(&text, command->rest, command->rest_len);
	if (!translate(pg, text.data == NULL ? "" : text.data, text.len)) {
		buf_fini(&text);
		return;
	}
	buf_fini(&text);
	prepare_own(pg, pg->sql.data, pg->sql.len);
	pg->rows.is_copy = true;
	pg->rows.is_csv = command->is_csv;
	pg->rows.has_header = command->has_header;
	pg->command = *command;
	start(pg, &pg->execution, PG_RUN_SIMPLE);
}

/* What the bytes of a portal's answer depend on. */
static void portal_format(struct pg_portal *portal)
{
	buf_clear(&portal->format);
	buf_add_text(&portal->format, "pg portal ");
	for (size_t i = 0; i < portal->rows.n_columns; i++) {
		buf_add_char(&portal->format, (char)('0' + portal->rows.formats[i]));
		buf_add_int(&portal->format, (int64_t)portal->rows.columns[i].oid);
	}
}

void pg_run_portal(struct pg_session *pg, struct pg_portal *portal, int64_t max_rows, bool is_fetch)
{
	struct execution *execution = &portal->execution;
	struct pg_statement *statement = portal->statement;

	pg->portal = portal;
	pg->is_fetch = is_fetch;
	pg->original = statement->body;
	pg->original_len = statement->body_len;
	if (portal->is_done) {
		execution->n_rows = 0;
		write_tag(pg, &statement->command, execution, &portal->rows);
		return;
	}
	execution->text = statement->sql.data;
	execution->len = statement->sql.len;
	execution->params = portal->params;
	execution->n_params = portal->n_params;
	execution->max_rows = max_rows;
	execution->sink = &pg_rows_sink;
	execution->sink_context = &portal->rows;
	if (!portal->is_begun && max_rows == 0 && !is_fetch) {
		portal_format(portal);
		if (buf_ok(&portal->format)) {
			execution->cache = pg->session.service->cache;
			execution->snapshots = pg->session.service->snapshots;
			execution->format = portal->format.data;
			execution->format_len = portal->format.len;
		}
	}
	portal->is_begun = true;
	start(pg, execution, PG_RUN_PORTAL);
}

void pg_run_simple(struct pg_session *pg, const char *text, size_t len)
{
	if (!translate(pg, text, len))
		return;
	prepare_own(pg, pg->sql.data, pg->sql.len);
	pg->execution.cache = pg->session.service->cache;
	pg->execution.snapshots = pg->session.service->snapshots;
	pg->execution.format = "pg simple";
	pg->execution.format_len = strlen(pg->execution.format);
	pg->original = text;
	pg->original_len = len;
	start(pg, &pg->execution, PG_RUN_SIMPLE);
}

void pg_run_sink(struct pg_session *pg, const char *sql, const struct execution_sink *sink,
	const struct value *params, size_t n_params)
{
	prepare_own(pg, sql, strlen(sql));
	pg->execution.params = params;
	pg->execution.n_params = n_params;
	pg->execution.sink = sink;
	start(pg, &pg->execution, PG_RUN_CHANNELS);
}
