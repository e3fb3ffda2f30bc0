/*
 * What nobody announces: a peer that is gone while it is not read from, one that
 * takes nothing, a transaction that stands idle, a protocol's own deadline. One timer looks at all
 * sessions, and only while one of them needs it.
 */
#include "daemon/session_watch.h"

#include "daemon/session_private.h"

#include <inttypes.h>

/* A peer that was told the end has this long to say its own. */
#define LINGER_MS 1000

static bool needs_watch(const struct session *session)
{
	return session->n_under_way > 0 || session_is_clogged(session) ||
	       session->state == SESSION_IN_TRANSACTION || session->deadline_ms != 0 ||
	       session->transport.state == TRANSPORT_PEER_DONE ||
	       session->transport.state == TRANSPORT_LINGERING;
}

/* A peer that takes nothing holds a page and a snapshot: after the time of an idle transaction it
 * goes. */
static bool is_stuck_too_long(struct session *session, uint64_t now_ms, uint64_t timeout_ms)
{
	if (transport_has_moved(&session->transport)) {
		session->stuck_since_ms = 0;
		return false;
	}
	if (session->stuck_since_ms == 0)
		session->stuck_since_ms = now_ms;
	return timeout_ms > 0 && now_ms - session->stuck_since_ms >= timeout_ms;
}

/* Where unasked-for bytes would be taken for an answer the peer learns of it from its next
 * statement. */
static void transaction_end(struct session *session)
{
	struct session_list *list = session->service->sessions;

	sql_session_reset(session->sql, false);
	pthread_mutex_lock(&list->lock);
	session->state = SESSION_IDLE;
	session->since_us = session_wall_us();
	pthread_mutex_unlock(&list->lock);
	if (session->ops->on_transaction_timeout != NULL)
		session->ops->on_transaction_timeout(session, SESSION_LOST_TRANSACTION);
	else
		session->lost_transaction = true;
	/* What its snapshot held back may go on. */
	session_want_turn(session);
}

static void session_watch(struct session *session, uint64_t now_ms)
{
	uint64_t timeout_ms =
		(uint64_t)session->service->config->idle_transaction_timeout_us / 1000;

	bool has_lingered = session->transport.state == TRANSPORT_LINGERING &&
			    now_ms - session->finished_ms >= LINGER_MS;

	if (transport_peer_is_gone(&session->transport) || has_lingered) {
		session_close(session);
		return;
	}
	if (is_stuck_too_long(session, now_ms, timeout_ms)) {
		log_info("session %" PRId64 ": closed, its peer (pid %" PRId64
			 ") took nothing for %" PRIu64 " seconds",
			session->id, session->pid, timeout_ms / 1000);
		session_close(session);
		return;
	}
	if (session->deadline_ms != 0 && now_ms >= session->deadline_ms) {
		session->deadline_ms = 0;
		session->ops->on_deadline(session);
		return;
	}
	if (session->state == SESSION_IN_TRANSACTION && session->n_under_way == 0 &&
		timeout_ms > 0 && now_ms - session->idle_since_ms >= timeout_ms)
		transaction_end(session);
}

void session_watch_look(uv_timer_t *timer)
{
	struct session_list *list = timer->data;
	uint64_t now_ms = uv_now(timer->loop);
	bool again = false;

	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->transport.state >= TRANSPORT_CLOSING ||
			(!needs_watch(s) && !list->is_stopping))
			continue;
		if (list->is_stopping && session_is_open(s) && session_is_at_rest(s, now_ms))
			session_finish(s);
		else
			session_watch(s, now_ms);
		again = true;
	}
	if (again)
		session_list_watch(list);
}
