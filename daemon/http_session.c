/*
 * One request after the other: a head is read, its route answers, the next head
 * is read. What is slow has a deadline: a head that is not whole, and a
 * connection on which nothing is asked.
 */
#include "daemon/http_private.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* From a head's first byte, or the connection's first moment, to the head's last byte. */
#define HEAD_MS 10000
/* From an answer to the next request. */
#define KEEP_ALIVE_MS 60000

static struct http_session *http_of(struct session *session)
{
	return (struct http_session *)session;
}

static void go_on(struct http_session *http);

static void on_page(struct execution *e)
{
	struct http_session *http =
		(struct http_session *)((char *)e - offsetof(struct http_session, execution));

	http_page_out(http);
}

static void on_ended(struct execution *e)
{
	struct http_session *http =
		(struct http_session *)((char *)e - offsetof(struct http_session, execution));

	if (!session_ran(&http->session))
		return;
	http_ended(http);
	go_on(http);
}

/* A peer that sends requests faster than they are answered waits in its own send(). */
static void reading_adjust(struct http_session *http)
{
	if (!session_is_open(&http->session) || http->has_ended)
		return;
	if (http->in.len >= HTTP_HEAD_MAX_BYTES &&
		(http->state == HTTP_ANSWERING || http->session.wants_turn ||
			session_is_clogged(&http->session)))
		transport_read_stop(&http->session.transport);
	else
		transport_read_start(&http->session.transport);
}

/* The first head's time runs from the connection on; each later one's from its first byte. */
static void deadline_set(struct http_session *http)
{
	static const uint64_t times_ms[] = {
		[HTTP_WAITS_FIRST] = HEAD_MS,
		[HTTP_WAITS_HEAD] = HEAD_MS,
		[HTTP_WAITS_NEXT] = KEEP_ALIVE_MS,
	};
	enum http_wait waits = http->in.len > 0 ? HTTP_WAITS_HEAD : HTTP_WAITS_NEXT;

	if (http->state != HTTP_READING || session_is_clogged(&http->session))
		waits = HTTP_WAITS_NOT;
	else if (http->waits == HTTP_WAITS_FIRST)
		return;
	if (waits == http->waits)
		return;
	http->waits = waits;
	session_set_deadline(&http->session, times_ms[waits]);
}

/*
 * What is not understood is said, and then nothing
 * more: nobody knows where the next head begins.
 */
static void give_up(struct http_session *http, int status, const char *sentence)
{
	http->is_closing = true;
	http->is_head = false;
	http->is_old = false;
	http_refuse(http, status, sentence);
}

/* Reads the next head and sees to its answer. False: it is not all here, or was the last. */
static bool request_take(struct http_session *http)
{
	struct http_request request;
	int rc = http_request_parse(http->in.data, http->in.len, &request);

	if (rc < 0)
		give_up(http, -rc, http_status_text(-rc));
	if (rc <= 0)
		return false;
	http_route(http, &request);
	buf_drop(&http->in, (size_t)rc);
	if (http->state == HTTP_READING)
		http_flush(http);
	return true;
}

static void go_on(struct http_session *http)
{
	struct session *session = &http->session;
	uint64_t turn = session_turn_begin();

	if (http->is_in_turn)
		return;
	http->is_in_turn = true;
	while (!session->wants_turn && http->state == HTTP_READING && http->in.len > 0 &&
		session_is_open(session) && !session_is_clogged(session) && request_take(http))
		session_turn_look(session, turn);
	http->is_in_turn = false;
	if (http->state == HTTP_OVER)
		return;
	if (http->in.len == 0)
		buf_shrink(&http->in);
	http_flush(http);
	if (http->state == HTTP_READING && http->has_ended && !session->wants_turn &&
		!session_is_clogged(session)) {
		http_leave(http);
		return;
	}
	deadline_set(http);
	reading_adjust(http);
}

static int on_open(struct session *session, struct err *err)
{
	struct http_session *http = http_of(session);

	(void)err;
	execution_init(&http->execution);
	http->execution.on_page = on_page;
	http->execution.on_ended = on_ended;
	http->waits = HTTP_WAITS_FIRST;
	session_set_deadline(session, HEAD_MS);
	return 0;
}

static void on_refuse(struct session *session, const char *sentence)
{
	struct http_session *http = http_of(session);

	http->is_closing = true;
	http->state = HTTP_OVER;
	http_write_head(http, 503, "text/plain; charset=utf-8", (int64_t)strlen(sentence) + 1);
	buf_printf(&http->out, "%s\n", sentence);
	session_write(session, &http->out);
}

static void on_bytes(struct session *session, const char *bytes, size_t len)
{
	struct http_session *http = http_of(session);

	if (http->state == HTTP_OVER)
		return;
	buf_add(&http->in, bytes, len);
	if (!buf_ok(&http->in)) {
		session_close(session);
		return;
	}
	go_on(http);
}

static void on_end(struct session *session)
{
	struct http_session *http = http_of(session);

	http->has_ended = true;
	/*
	 * Over TCP who has gone looks like who only sends no more. While a
	 * statement runs it is taken for gone, so that no page that was left
	 * keeps statements running; on a Unix socket the kernel tells.
	 */
	if (execution_is_under_way(&http->execution) && session->transport.uv.handle.type == UV_TCP)
		session_close(session);
	else
		go_on(http);
}

static void on_drained(struct session *session)
{
	struct http_session *http = http_of(session);

	if (!execution_resume(&http->execution))
		go_on(http);
}

static void on_turn(struct session *session)
{
	go_on(http_of(session));
}

static void on_deadline(struct session *session)
{
	struct http_session *http = http_of(session);

	if (http->in.len > 0)
		give_up(http, 408, "the head of a request has 10 seconds to come");
	else
		session_close(session);
}

static void on_cancel(struct session *session)
{
	execution_cancel(&http_of(session)->execution);
}

/* A request that is on its way has its answer then. */
static void on_stop(struct session *session)
{
	struct http_session *http = http_of(session);

	http->is_head = false;
	http->is_old = false;
	http_refuse(http, 503, "tallyd is shutting down");
}

static void on_fini(struct session *session)
{
	struct http_session *http = http_of(session);

	execution_fini(&http->execution);
	http_sink_reset(&http->sink);
	buf_fini(&http->in);
	buf_fini(&http->out);
	buf_fini(&http->body);
	buf_fini(&http->sql);
}

const struct session_ops http_session_ops = {
	.protocol = "http",
	.size = sizeof(struct http_session),
	.is_guest = true,
	.open = on_open,
	.refuse = on_refuse,
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_turn = on_turn,
	.on_deadline = on_deadline,
	.on_cancel = on_cancel,
	.on_stop = on_stop,
	.fini = on_fini,
};
