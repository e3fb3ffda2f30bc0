/* Everything gathers in `out` until the turn ends. */
#include "daemon/pg_answer.h"

#include "base/utf8.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_token.h"

#include <stdio.h>

void pg_flush(struct pg_session *pg)
{
	if (pg->out.len == 0 && buf_ok(&pg->out))
		return;
	session_flush(&pg->session, &pg->out);
}

char pg_transaction_status(const struct pg_session *pg)
{
	if (pg->is_failed)
		return 'E';
	return sql_session_in_transaction(pg->session.sql) && !pg->is_implicit ? 'T' : 'I';
}

/* In characters from 1, as PostgreSQL counts; 0: none. */
static int position_of(const char *text, size_t len, int offset)
{
	if (offset < 0 || text == NULL || (size_t)offset > len)
		return 0;
	return (int)utf8_length(text, (size_t)offset) + 1;
}

static void refuse_at(struct pg_session *pg, const char *state, const char *sentence,
	const char *text, size_t len, int offset)
{
	struct pg_report report = {.severity = "ERROR",
		.sqlstate = state,
		.text = sentence,
		.position = position_of(text, len, offset)};

	/* Whatever went wrong, it was that. */
	if (pg->session.service->is_stopping) {
		pg_say_stopping(pg);
		return;
	}
	pg_write_error(&pg->out, &report);
	if (sql_session_in_transaction(pg->session.sql) && !pg->is_implicit)
		pg->is_failed = true;
	if (pg->query.len > 0) {
		pg->query_at = pg->query.len;
		pg->is_abandoned = true;
	} else {
		pg->state = PG_STATE_SKIPPING;
	}
}

void pg_refuse(struct pg_session *pg, const char *state, const char *sentence)
{
	refuse_at(pg, state, sentence, NULL, 0, -1);
}

void pg_refuse_err(struct pg_session *pg, const struct err *err)
{
	pg_refuse(pg, pg_state_of(err), err->text);
}

/*
 * SQLite says no place for a table that is missing: the first word that is its
 * name. -1: the sentence is another, or the name is not written so.
 */
static int missing_table_at(const char *sentence, const char *text, size_t len)
{
	static const char prefix[] = "no such table: ";
	const char *name = sentence + sizeof(prefix) - 1;
	struct pg_token token;

	if (strncmp(sentence, prefix, sizeof(prefix) - 1) != 0)
		return -1;
	for (size_t at = 0; (token = pg_token_next(text + at, len - at)).kind != PG_TOKEN_END;
		at += token.len) {
		size_t quote = token.kind == PG_TOKEN_NAME && token.text[0] == '"' ? 1 : 0;

		if (token.kind == PG_TOKEN_NAME && token.len - 2 * quote == strlen(name) &&
			strncasecmp(token.text + quote, name, strlen(name)) == 0)
			return (int)at;
	}
	return -1;
}

void pg_refuse_translated(
	struct pg_session *pg, const struct err *err, const char *text, size_t len, int offset)
{
	if (text != NULL && offset >= 0)
		offset = (int)pg_translate_offset(text, len, (size_t)offset);
	else if (text != NULL)
		offset = missing_table_at(err->text, text, len);
	refuse_at(pg, pg_state_of(err), err->text, text, len, offset);
}

bool pg_refuse_parameter(struct pg_session *pg, const char *text, size_t len)
{
	struct pg_token token;
	char sentence[80];

	for (size_t at = 0; (token = pg_token_next(text + at, len - at)).kind != PG_TOKEN_END;
		at += token.len) {
		if (token.kind != PG_TOKEN_PARAMETER)
			continue;
		(void)snprintf(sentence, sizeof(sentence), "there is no parameter %.*s",
			token.len > 20 ? 20 : (int)token.len, token.text);
		refuse_at(pg, PG_STATE_NO_PARAMETER, sentence, text, len, (int)at);
		return true;
	}
	return false;
}

bool pg_must_end(struct pg_session *pg, const struct pg_command *command)
{
	if (!pg->is_failed || command->kind == PG_COMMAND_COMMIT ||
		command->kind == PG_COMMAND_ROLLBACK || command->kind == PG_COMMAND_ROLLBACK_TO)
		return false;
	pg_refuse(pg, PG_STATE_FAILED,
		"current transaction is aborted, commands ignored until end of transaction block");
	return true;
}

void pg_notice(struct pg_session *pg, const char *state, const char *sentence)
{
	struct pg_report report = {.severity = "WARNING", .sqlstate = state, .text = sentence};

	pg_write_notice(&pg->out, &report);
}

void pg_die(struct pg_session *pg, const char *state, const char *sentence)
{
	struct pg_report report = {.severity = "FATAL", .sqlstate = state, .text = sentence};

	pg_write_error(&pg->out, &report);
	pg->state = PG_STATE_OVER;
	pg_flush(pg);
	session_finish(&pg->session);
}

void pg_say_stopping(struct pg_session *pg)
{
	pg_die(pg, "57P01", "terminating connection: tallyd is shutting down");
}

void pg_write_description(
	struct buf *out, const struct pg_column *columns, size_t n, const unsigned char *formats)
{
	size_t mark;

	if (n == 0) {
		pg_write_empty(out, 'n');
		return;
	}
	mark = pg_begin(out, 'T');
	pg_add_int16(out, (int)n);
	for (size_t i = 0; i < n; i++) {
		pg_add_text(out, columns[i].name);
		pg_add_int32(out, 0);
		pg_add_int16(out, 0);
		pg_add_int32(out, (int32_t)columns[i].oid);
		pg_add_int16(out, pg_type_size(columns[i].oid));
		pg_add_int32(out, -1);
		pg_add_int16(out, formats == NULL ? 0 : formats[i]);
	}
	pg_end(out, mark);
}
