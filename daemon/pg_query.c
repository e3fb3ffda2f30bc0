/*
 * Several statements in one Query are one implicit transaction, so they see one
 * snapshot, as they would in PostgreSQL.
 */
#include "daemon/pg_query.h"

#include "base/utf8.h"
#include "daemon/pg_answer.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_run.h"
#include "daemon/pg_utility.h"

/* The end of a Query message, however it came. */
static void query_end(struct pg_session *pg)
{
	buf_fini(&pg->query);
	pg->query_at = 0;
	if (pg->is_implicit)
		sql_session_reset(pg->session.sql, false);
	pg->is_implicit = false;
	pg->is_abandoned = false;
	pg_write_ready(&pg->out, pg_transaction_status(pg));
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

		if (at == 0 && len == pg->query.len)
			return false;
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
		if (pg->is_implicit && !pg->is_abandoned)
			pg_run_control(pg, "COMMIT", NULL);
		else
			query_end(pg);
		return;
	}
	pg->query_at += len;
	pg->query_len = len;
	pg_command_parse(text, len, &pg->command);
	if (pg_must_end(pg, &pg->command))
		return;
	if (pg->command.kind == PG_COMMAND_QUERY) {
		pg_run_simple(pg, text, len);
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
		pg_refuse(pg, "22021", "invalid byte sequence for encoding \"UTF8\"");
	}
}
