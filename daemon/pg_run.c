/*
 * Running one statement at a time through the common execution, and saying how
 * it ended: the statements of a Query message one after the other, portals,
 * the control statements of transactions, COPY, and the look at what LISTEN
 * waits for.
 *
 * Several statements in one Query are one implicit transaction, so they see one
 * snapshot, as they would in PostgreSQL.
 */
#include "daemon/pg_session.h"

#include "base/utf8.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_token.h"

#include <assert.h>
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

/* --- how it ended -------------------------------------------------------- */

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
	int offset = execution->offset;
	const char *text = pg->original;
	size_t len = pg->original_len;

	if (text == NULL)
		offset = -1;
	else if (offset >= 0)
		offset = (int)pg_translate_offset(text, len, (size_t)offset);
	pg_fail(pg, pg_state_of(&execution->err), execution->err.text, text, len, offset);
}

/* The end of a Query message, however it came. */
static void query_end(struct pg_session *pg)
{
	buf_fini(&pg->query);
	pg->query_at = 0;
	if (pg->is_implicit)
		sql_session_reset(pg->session.sql, false);
	pg->is_implicit = false;
	pg_write_ready(&pg->out, pg_transaction_status(pg));
}

/* What failed ends its Query message, or makes the session skip until Sync. */
static void give_up(struct pg_session *pg)
{
	if (pg->query.len > 0)
		query_end(pg);
	else
		pg->state = PG_STATE_SKIPPING;
}

static void portal_ended(struct pg_session *pg, struct pg_portal *portal)
{
	struct execution *execution = &portal->execution;

	portal->is_done = execution->end != EXECUTION_SUSPENDED;
	if (execution->end == EXECUTION_FAILED) {
		say_failure(pg, execution);
		give_up(pg);
	} else if (execution->end == EXECUTION_SUSPENDED && !pg->is_fetch) {
		pg_write_empty(&pg->out, 's');
	} else {
		write_tag(pg, &portal->statement->command, execution, &portal->rows);
	}
}

static void control_ended(struct pg_session *pg)
{
	if (pg->execution.end == EXECUTION_FAILED) {
		say_failure(pg, &pg->execution);
		give_up(pg);
	} else if (pg->tag != NULL) {
		pg_write_complete(&pg->out, pg->tag);
	} else if (pg->query_at >= pg->query.len && pg->query.len > 0) {
		/* The COMMIT of an implicit transaction. */
		pg->is_implicit = false;
		query_end(pg);
	}
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
			give_up(pg);
		} else {
			pg->is_fetch = false;
			write_tag(pg, &pg->command, execution, &pg->rows);
		}
		break;
	default: break;
	}
}

/* --- starting ------------------------------------------------------------ */

static void start(struct pg_session *pg, struct execution *execution, enum pg_running what)
{
	execution->sql = pg->session.sql;
	pg->running = what;
	session_runs(&pg->session, execution->text, execution->len);
	if (execution_start(execution, pg->session.service->executor)) {
		bool is_there = session_ran(&pg->session);

		assert(is_there); /* it is not closed from within its own turn */
		run_ended(pg);
	}
}

void pg_run_on_page(struct execution *execution)
{
	struct pg_session *pg = ((struct pg_rows *)execution->sink_context)->owner;

	pg_flush(pg);
	session_write(&pg->session, &execution->page);
	session_page_written(&pg->session, execution);
}

void pg_run_on_ended(struct execution *execution)
{
	struct pg_session *pg = ((struct pg_rows *)execution->sink_context)->owner;

	if (!session_ran(&pg->session))
		return;
	run_ended(pg);
	pg_go_on(pg);
}

/* The session's own execution, for everything but portals. */
static void prepare_own(struct pg_session *pg, const char *text, size_t len)
{
	pg_rows_fini(&pg->rows);
	pg->execution.text = text;
	pg->execution.len = len;
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
	pg_fail(pg, pg_state_of(&err), err.text, NULL, 0, -1);
	give_up(pg);
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

/* --- Query --------------------------------------------------------------- */

static const char failed_sentence[] =
	"current transaction is aborted, commands ignored until end of transaction block";

static void run_simple(struct pg_session *pg, const char *text, size_t len)
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

/* More than one statement, none of which is about transactions itself. */
static bool wants_implicit_transaction(const struct pg_session *pg)
{
	size_t at = 0;
	int n = 0;

	if (sql_session_in_transaction(pg->session.sql))
		return false;
	while (at < pg->query.len) {
		struct pg_command command;
		bool is_empty;
		size_t len =
			pg_statement_length(pg->query.data + at, pg->query.len - at, &is_empty);

		pg_command_parse(pg->query.data + at, len, &command);
		if (command.kind != PG_COMMAND_QUERY && command.kind != PG_COMMAND_NONE)
			return false;
		n += !is_empty;
		at += len;
	}
	return n > 1;
}

void pg_query_go_on(struct pg_session *pg)
{
	const char *text = pg->query.data + pg->query_at;
	size_t rest = pg->query.len - pg->query_at;
	bool is_empty;
	size_t len;

	if (pg->query_at == 0 && !pg->is_implicit && wants_implicit_transaction(pg)) {
		pg->is_implicit = true;
		pg_run_control(pg, "BEGIN", NULL);
		return;
	}
	len = pg_statement_length(text, rest, &is_empty);
	if (rest == 0 || (is_empty && len == rest)) {
		if (pg->query_at == 0)
			pg_write_empty(&pg->out, 'I');
		pg->query_at = pg->query.len;
		if (pg->is_implicit)
			pg_run_control(pg, "COMMIT", NULL);
		else
			query_end(pg);
		return;
	}
	pg->query_at += len;
	pg->query_len = len;
	pg_command_parse(text, len, &pg->command);
	if (pg->is_failed && !pg_utility_is_heard(&pg->command)) {
		pg_fail(pg, PG_STATE_FAILED, failed_sentence, NULL, 0, -1);
		query_end(pg);
	} else if (pg->command.kind == PG_COMMAND_QUERY) {
		run_simple(pg, text, len);
	} else if (pg->command.kind != PG_COMMAND_NONE) {
		struct pg_command command = pg->command;

		pg_utility(pg, &command, NULL);
	}
}

void pg_query(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	const char *text = pg_read_text(&reader);

	if (!pg_reader_is_done(&reader)) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid Query message");
		return;
	}
	if (*text == '\0') {
		pg_write_empty(&pg->out, 'I');
		pg_write_ready(&pg->out, pg_transaction_status(pg));
		return;
	}
	buf_clear(&pg->query);
	buf_add(&pg->query, text, message->len - 1);
	pg->query_at = 0;
	if (!buf_ok(&pg->query)) {
		pg_die(pg, "53200", "out of memory");
		return;
	}
	if (utf8_valid_prefix(text, message->len - 1) < message->len - 1) {
		pg_fail(pg, "22021", "invalid byte sequence for encoding \"UTF8\"", NULL, 0, -1);
		query_end(pg);
	}
}

/* --- LISTEN -------------------------------------------------------------- */

static int channels_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	(void)context;
	(void)statement;
	(void)page;
	(void)err;
	return 0;
}

/* NotificationResponse for a query that has a newer batch than was told. The loop leaves `channels`
 * alone meanwhile. */
static int channels_row(
	void *context, const struct value *values, struct buf *page, struct err *err)
{
	struct pg_session *pg = ((struct pg_rows *)context)->owner;

	(void)err;
	for (struct pg_channel *channel = pg->channels; channel != NULL; channel = channel->next) {
		size_t mark;

		if (values[0].len != strlen(channel->name) ||
			strncasecmp(values[0].data, channel->name, values[0].len) != 0)
			continue;
		if (channel->batch_id != INT64_MIN && channel->batch_id != values[1].integer) {
			mark = pg_begin(page, 'A');
			pg_add_int32(page, pg->identity.backend_pid);
			pg_add_text(page, channel->name);
			buf_add_int(page, values[1].integer);
			buf_add_char(page, '\0');
			pg_end(page, mark);
		}
		channel->batch_id = values[1].integer;
	}
	return 0;
}

static int channels_end(void *context, const struct statement *statement, int64_t n_rows,
	struct buf *page, struct err *err)
{
	(void)context;
	(void)statement;
	(void)n_rows;
	(void)page;
	(void)err;
	return 0;
}

static const struct execution_sink channels_sink = {
	.begin = channels_begin, .row = channels_row, .end = channels_end};

void pg_run_channels(struct pg_session *pg)
{
	static const char sql[] = "SELECT name, coalesce(batch_id, -1) FROM queries";

	pg->wants_channels = false;
	prepare_own(pg, sql, strlen(sql));
	pg->execution.sink = &channels_sink;
	start(pg, &pg->execution, PG_RUN_CHANNELS);
}
