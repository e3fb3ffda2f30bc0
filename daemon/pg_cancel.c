/*
 * A connection over max_sessions is owed one sentence, and is given it at its
 * first words, unless these are a CancelRequest: who cannot cancel what runs
 * could otherwise not come in before it ends. It has no SQL and keeps nothing
 * but the bytes of one packet, and who is silent is refused.
 */
#include "daemon/pg_cancel.h"

#include "daemon/pg_answer.h"
#include "daemon/pg_error.h"
#include "daemon/pg_run.h"
#include "daemon/pg_session.h"
#include "daemon/session_list.h"

#include <string.h>

/* A client says at once what it wants. */
#define FIRST_WORDS_MS 5000
/* A packet begins with its length and its code; that of a cancel names the session. */
#define CODE_END     8
#define CANCEL_BYTES 16
/* A client asks for TLS and for GSSAPI, each once; who asks on and on has no turn for it. */
#define MAX_QUESTIONS 2

struct surplus {
	struct session session; /* first */
	size_t n;
	int n_questions;
	char packet[CANCEL_BYTES];
};

void pg_cancel_request(struct service *service, struct pg_reader *reader)
{
	int32_t pid = pg_read_int32(reader);
	int32_t secret = pg_read_int32(reader);
	struct session *session = session_list_find(service->sessions, pid);

	if (pg_reader_is_done(reader) && session != NULL && session->ops == &pg_session_ops &&
		pg_of(session)->secret == secret && pg_of(session)->state != PG_STATE_STARTUP)
		pg_run_cancel(pg_of(session));
}

/* The packet's first bytes, as far as they are here; false: more of them are wanted. */
static bool judge(struct surplus *surplus)
{
	struct pg_reader reader = {surplus->packet, surplus->packet + surplus->n, false};
	int32_t len = pg_read_int32(&reader);
	int32_t code = pg_read_int32(&reader);
	struct session *session = &surplus->session;
	struct buf no = {0};

	if (surplus->n < CODE_END)
		return false;
	if (len == CODE_END && (code == PG_SSL_REQUEST || code == PG_GSSENC_REQUEST) &&
		surplus->n_questions < MAX_QUESTIONS) {
		surplus->n = 0;
		surplus->n_questions++;
		buf_add_char(&no, 'N');
		session_flush(session, &no);
		buf_fini(&no);
		return false;
	}
	if (len != CANCEL_BYTES || code != PG_CANCEL_REQUEST) {
		session_refuse(session);
		return true;
	}
	if (surplus->n < CANCEL_BYTES)
		return false;
	pg_cancel_request(session->service, &reader);
	session_finish(session);
	return true;
}

static int surplus_open(struct session *session, struct err *err)
{
	(void)err;
	session_set_deadline(session, FIRST_WORDS_MS);
	return 0;
}

void pg_surplus_refuse(struct session *session, const char *sentence)
{
	struct pg_report report = {
		.severity = "FATAL", .sqlstate = PG_STATE_TOO_MANY, .text = sentence};
	struct buf out = {0};

	pg_write_error(&out, &report);
	session_write(session, &out);
	buf_fini(&out);
}

static void surplus_on_bytes(struct session *session, const char *bytes, size_t len)
{
	struct surplus *surplus = (struct surplus *)session;

	for (size_t i = 0; i < len; i++) {
		surplus->packet[surplus->n++] = bytes[i];
		if (judge(surplus))
			return;
	}
}

static void surplus_on_end(struct session *session)
{
	session_close(session);
}

/* Nothing is ever made that would have to wait for its peer. */
static void surplus_on_drained(struct session *session)
{
	(void)session;
}

static void surplus_on_stop(struct session *session)
{
	session_finish(session);
}

const struct session_ops pg_surplus_ops = {
	.protocol = "postgres",
	.size = sizeof(struct surplus),
	.open = surplus_open,
	.refuse = pg_surplus_refuse,
	.on_bytes = surplus_on_bytes,
	.on_end = surplus_on_end,
	.on_drained = surplus_on_drained,
	.on_deadline = session_refuse,
	.on_stop = surplus_on_stop,
};
