/*
 * The life of a PostgreSQL session: start-up, reading one message after the
 * other while nothing runs, and ending. What was answered gathers in `out` and
 * leaves in one write at the end of a turn.
 */
#include "daemon/pg_session.h"

#include "daemon/pg_answer.h"
#include "daemon/pg_cancel.h"
#include "daemon/pg_channel.h"
#include "daemon/pg_error.h"
#include "daemon/pg_extended.h"
#include "daemon/pg_object.h"
#include "daemon/pg_query.h"
#include "daemon/pg_rows.h"
#include "daemon/pg_run.h"
#include "daemon/pg_utility.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* One message; a Query may be as long as a statement may. */
#define MESSAGE_MAX_BYTES (4 * 1024 * 1024)
/* With more than this here, the peer waits. */
#define READ_AHEAD_BYTES (256 * 1024)

static const char *setting_of(void *context, const char *name)
{
	struct pg_session *pg = context;

	return pg_settings_get(&pg->settings, name);
}

const struct pg_identity *pg_identity_of(void *user)
{
	return &pg_of(user)->identity;
}

/* `-c name=value` and `--name=value`, as PGOPTIONS has them; a backslash keeps a blank. */
static int startup_options(struct pg_session *pg, const char *text, struct err *err)
{
	while (*text != '\0') {
		char word[2 * PG_SETTING_BYTES];
		char *name = word, *value;
		size_t n = 0;

		for (; *text != '\0' && *text != ' ' && n < sizeof(word) - 1; text++) {
			if (*text == '\\' && text[1] != '\0')
				text++;
			word[n++] = *text;
		}
		word[n] = '\0';
		text += strspn(text, " ");
		if (strcmp(word, "-c") == 0 || n == 0)
			continue;
		if (strncmp(word, "-c", 2) == 0 || strncmp(word, "--", 2) == 0)
			name += 2;
		value = strchr(name, '=');
		if (value == NULL)
			return err_set(err, ERR_INVALID,
				"invalid command-line argument for server process: %.60s", word);
		*value++ = '\0';
		if (pg_setting_give(pg, name, value, err) != 0)
			return err->code;
	}
	return 0;
}

/*
 * A setting that cannot be had is no reason to stay
 * away: the drivers send what their machine has.
 */
static void startup_parameter(
	struct pg_session *pg, const char *name, const char *value, struct err *warning)
{
	if (strcmp(name, "user") == 0)
		(void)snprintf(pg->user, sizeof(pg->user), "%.63s", value);
	else if (strcmp(name, "database") == 0)
		(void)snprintf(pg->database, sizeof(pg->database), "%.63s", value);
	else if (strncmp(name, "_pq_.", 5) != 0 && strcmp(name, "options") != 0 &&
		 strcmp(name, "replication") != 0)
		(void)!pg_setting_give(pg, name, value, warning);
}

/* `warning`: a setting that could not be what the client wants; code 0: none. */
static void greet(struct pg_session *pg, const struct err *warning)
{
	size_t mark = pg_begin(&pg->out, 'R');

	(void)snprintf(pg->settings.timezone, sizeof(pg->settings.timezone), "%s",
		sql_session_timezone(pg->session.sql));
	pg_add_int32(&pg->out, 0);
	pg_end(&pg->out, mark);
	if (warning->code != 0)
		pg_notice(pg, "22023", warning->text);
	pg_report_settings(pg);
	mark = pg_begin(&pg->out, 'K');
	pg_add_int32(&pg->out, pg->identity.backend_pid);
	pg_add_int32(&pg->out, pg->secret);
	pg_end(&pg->out, mark);
	pg_write_ready(&pg->out, 'I');
	pg->state = PG_STATE_READY;
}

/* NegotiateProtocolVersion: we speak 3.0, and none of the named options. */
static void negotiate(struct pg_session *pg, struct pg_reader options, bool is_newer)
{
	int n = 0;
	size_t mark;
	struct pg_reader again = options;
	const char *name;

	while ((name = pg_read_text(&options)) != NULL && *name != '\0') {
		n += strncmp(name, "_pq_.", 5) == 0;
		(void)pg_read_text(&options);
	}
	if (n == 0 && !is_newer)
		return;
	mark = pg_begin(&pg->out, 'v');
	pg_add_int32(&pg->out, PG_PROTOCOL_3_0);
	pg_add_int32(&pg->out, n);
	while ((name = pg_read_text(&again)) != NULL && *name != '\0') {
		if (strncmp(name, "_pq_.", 5) == 0)
			pg_add_text(&pg->out, name);
		(void)pg_read_text(&again);
	}
	pg_end(&pg->out, mark);
}

static void start_up(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	uint32_t version = (uint32_t)pg_read_int32(&reader);
	const char *name, *value;
	struct err err = ERR_INIT;

	if (version == PG_SSL_REQUEST || version == PG_GSSENC_REQUEST) {
		buf_add_char(&pg->out, 'N');
		return;
	}
	if (version == PG_CANCEL_REQUEST) {
		pg_cancel_request(pg->session.service, &reader);
		pg->state = PG_STATE_OVER;
		session_finish(&pg->session);
		return;
	}
	if (version >> 16 != 3) {
		pg_die(pg, "0A000", "unsupported frontend protocol: tallyd speaks version 3.0");
		return;
	}
	negotiate(pg, reader, (version & 0xFFFF) > 0);
	while ((name = pg_read_text(&reader)) != NULL && *name != '\0') {
		value = pg_read_text(&reader);
		if (value == NULL)
			break;
		if (strcmp(name, "options") == 0 && startup_options(pg, value, &err) != 0) {
			pg_die(pg, err.code == ERR_DENIED ? "55P02" : "22023", err.text);
			return;
		}
		startup_parameter(pg, name, value, &err);
	}
	if (!pg_reader_is_done(&reader)) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid startup packet layout");
		return;
	}
	if (pg->user[0] == '\0') {
		pg_die(pg, "28000", "no PostgreSQL user name specified in startup packet");
		return;
	}
	if (pg->database[0] == '\0')
		memcpy(pg->database, pg->user, sizeof(pg->database));
	greet(pg, &err);
}

/* The end of an extended exchange: portals do not outlive an implicit transaction. */
static void synchronize(struct pg_session *pg)
{
	if (!sql_session_in_transaction(pg->session.sql))
		pg_portals_drop(pg);
	/* What is prepared and does not run finds its way back to a connection by itself. */
	sql_session_rest(pg->session.sql);
	pg->state = PG_STATE_READY;
	pg_write_ready(&pg->out, pg_transaction_status(pg));
}

static void take_message(struct pg_session *pg, const struct pg_message *message)
{
	if (pg->state == PG_STATE_SKIPPING && message->type != 'S' && message->type != 'X')
		return;
	switch (message->type) {
	case 'Q': pg_query(pg, message); break;
	case 'P': pg_parse(pg, message); break;
	case 'B': pg_bind(pg, message); break;
	case 'D': pg_describe(pg, message); break;
	case 'E': pg_execute(pg, message); break;
	case 'C': pg_close(pg, message); break;
	case 'S': synchronize(pg); break;
	case 'H': pg_flush(pg); break;
	case 'X':
		pg->state = PG_STATE_OVER;
		pg_flush(pg);
		session_finish(&pg->session);
		break;
	case 'd':
	case 'c':
	case 'f': break; /* left over from a COPY that was refused; PostgreSQL ignores them, too */
	case 'F': pg_die(pg, "0A000", "the function call protocol is not supported"); break;
	default: assert(false); /* the codec lets no other type pass */
	}
}

/* Something runs, the session is over, or the peer takes nothing. */
static bool is_waiting(const struct pg_session *pg)
{
	return pg->running != PG_RUN_NONE || pg->state == PG_STATE_OVER ||
	       !session_is_open(&pg->session) || session_is_clogged(&pg->session);
}

/* Reads one whole message. False: there is none, or the session is over. */
static bool read_message(struct pg_session *pg)
{
	struct pg_message message;
	struct err err = ERR_INIT;
	size_t used = 0;
	int rc = pg_message_next(pg->in.data + pg->in_at, pg->in.len - pg->in_at,
		pg->state == PG_STATE_STARTUP, MESSAGE_MAX_BYTES, &message, &used, &err);

	if (rc < 0)
		pg_die(pg, PG_STATE_PROTOCOL, err.text);
	if (rc <= 0)
		return false;
	pg->in_at += used;
	if (pg->state == PG_STATE_STARTUP)
		start_up(pg, &message);
	else
		take_message(pg, &message);
	return true;
}

static void drop_consumed(struct pg_session *pg)
{
	buf_drop(&pg->in, pg->in_at);
	pg->in_at = 0;
	if (pg->in.len == 0)
		buf_shrink(&pg->in);
}

/*
 * A message must be here whole before it can be taken, so the peer waits only
 * while there is something that keeps whole ones from being taken.
 */
static void reading_adjust(struct pg_session *pg)
{
	if (pg->in.len >= READ_AHEAD_BYTES && (pg->session.wants_turn || is_waiting(pg)))
		transport_read_stop(&pg->session.transport);
	else
		transport_read_start(&pg->session.transport);
}

/* What comes while it waits for its turn is for that turn. */
static void turn(struct pg_session *pg)
{
	uint64_t begun = session_turn_begin();

	while (!pg->session.wants_turn && !is_waiting(pg)) {
		if (pg->query.len > 0)
			pg_query_go_on(pg);
		else if (!read_message(pg))
			break;
		/* What has piled up goes out before more is made. */
		if (pg->out.len > READ_AHEAD_BYTES)
			pg_flush(pg);
		session_turn_look(&pg->session, begun);
	}
}

static void go_on(struct pg_session *pg)
{
	if (pg->is_in_turn)
		return;
	pg->is_in_turn = true;
	turn(pg);
	pg->is_in_turn = false;
	if (pg->state == PG_STATE_OVER)
		return;
	drop_consumed(pg);
	bool is_at_rest =
		!pg->session.wants_turn && pg->running == PG_RUN_NONE && pg->query.len == 0;
	if (is_at_rest && pg->wants_channels && pg_transaction_status(pg) == 'I')
		pg_channels_look(pg);
	pg_flush(pg);
	reading_adjust(pg);
	if (!is_at_rest || is_waiting(pg))
		return;
	if (pg->session.service->is_stopping)
		pg_say_stopping(pg);
	else if (pg->has_ended)
		session_finish(&pg->session);
}

static int on_open(struct session *session, struct err *err)
{
	struct pg_session *pg = pg_of(session);

	pg->go_on = go_on;
	pg->identity = (struct pg_identity){.user = pg->user,
		.database = pg->database,
		.backend_pid = (int32_t)session->id,
		.context = pg,
		.setting = setting_of};
	if (getrandom(&pg->secret, sizeof(pg->secret), 0) != sizeof(pg->secret))
		return err_set_errno(err, errno, "cannot make a secret for the session");
	execution_init(&pg->execution);
	pg->execution.needs_all_params = true;
	pg->rows.owner = pg;
	return 0;
}

static void on_bytes(struct session *session, const char *bytes, size_t len)
{
	struct pg_session *pg = pg_of(session);

	if (pg->state == PG_STATE_OVER)
		return;
	buf_add(&pg->in, bytes, len);
	if (!buf_ok(&pg->in)) {
		session_close(session);
		return;
	}
	go_on(pg);
}

static void on_end(struct session *session)
{
	struct pg_session *pg = pg_of(session);

	pg->has_ended = true;
	/* A client that went away wants no answer; PostgreSQL ends here as well. */
	if (pg->running == PG_RUN_NONE)
		go_on(pg);
	else
		pg_run_cancel(pg);
}

static void on_drained(struct session *session)
{
	struct pg_session *pg = pg_of(session);
	struct execution *execution = pg_run_current(pg);

	if (execution == NULL || !execution_resume(execution))
		go_on(pg);
}

static void on_snapshot(struct session *session)
{
	struct pg_session *pg = pg_of(session);

	if (pg->channels == NULL)
		return;
	pg->wants_channels = true;
	session_want_turn(session);
}

static void on_turn(struct session *session)
{
	go_on(pg_of(session));
}

static void on_transaction_timeout(struct session *session, const char *sentence)
{
	/* PostgreSQL ends the connection, and drivers know that state. */
	pg_die(pg_of(session), "25P03", sentence);
}

static void on_cancel(struct session *session)
{
	pg_run_cancel(pg_of(session));
}

static void on_stop(struct session *session)
{
	pg_say_stopping(pg_of(session));
}

static void on_fini(struct session *session)
{
	struct pg_session *pg = pg_of(session);

	pg_portals_drop(pg);
	pg_statements_drop(pg, NULL);
	pg_channels_drop(pg, NULL);
	execution_fini(&pg->execution);
	pg_rows_fini(&pg->rows);
	buf_fini(&pg->in);
	buf_fini(&pg->out);
	buf_fini(&pg->sql);
	buf_fini(&pg->query);
}

const struct session_ops pg_session_ops = {
	.protocol = "postgres",
	.size = sizeof(struct pg_session),
	.extension = &pg_catalog,
	.open = on_open,
	.refuse = pg_surplus_refuse,
	.surplus = &pg_surplus_ops,
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_snapshot = on_snapshot,
	.on_turn = on_turn,
	.on_transaction_timeout = on_transaction_timeout,
	.on_cancel = on_cancel,
	.on_stop = on_stop,
	.fini = on_fini,
};
