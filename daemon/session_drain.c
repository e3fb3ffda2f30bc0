/*
 * The end of sessions without a loss. No new ones come; who is at rest is
 * finished, and everybody else as soon as it comes to rest, which the watch
 * looks at. A client that asks once a connection never notices a restart: its
 * connection was either answered, or waits in the listening socket that the
 * service manager keeps for the next daemon.
 */
#include "daemon/session_private.h"

/* A session is at rest when nothing came from its peer and nothing ended for so long; */
#define REST_MS 250
/* who connected and has not said a word yet is given more. */
#define SILENCE_MS 1000

bool session_is_at_rest(const struct session *session, uint64_t now_ms)
{
	uint64_t quiet_ms = now_ms - session->idle_since_ms;

	if (session->n_under_way > 0 || session->wants_turn || session_is_clogged(session) ||
		session->state == SESSION_IN_TRANSACTION)
		return false;
	return quiet_ms >= (session->has_spoken ? REST_MS : SILENCE_MS) &&
	       !transport_has_input(&session->transport);
}

void session_drain_all(struct session_list *list)
{
	uint64_t now_ms = uv_now(list->service->loop);

	list->is_stopping = true;
	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->transport.state == TRANSPORT_LINGERING)
			session_close(s);
		else if (session_is_at_rest(s, now_ms))
			session_finish(s);
	}
	uv_timer_stop(&list->watch);
	session_list_watch(list);
	session_list_tell_if_empty(list);
}

/* Who is at rest expects nothing; who polls without a pause learns why there is no answer. */
static void stop(struct session *session, uint64_t now_ms)
{
	if (session_is_at_rest(session, now_ms))
		session_finish(session);
	else
		session->ops->on_stop(session);
}

void session_stop_all(struct session_list *list, bool at_once)
{
	uint64_t now_ms = uv_now(list->service->loop);

	list->is_stopping = true;
	for (struct session *s = list->first, *next; s != NULL; s = next) {
		next = s->next;
		if (s->n_under_way > 0)
			s->ops->on_cancel(s);
		else if (!at_once && session_is_open(s))
			stop(s, now_ms);
		if (at_once)
			session_close(s);
	}
	session_list_tell_if_empty(list);
}
