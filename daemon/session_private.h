/*
 * What the files of a session's life share: the list all sessions stand in.
 * Each of them calls only those above it:
 *   session_list    who is there and whose turn it is
 *   session         brings them to life and ends them
 *   session_drain   when a session owes its peer nothing more
 *   session_watch   looks at what nobody announces
 */
#ifndef DAEMON_SESSION_PRIVATE_H
#define DAEMON_SESSION_PRIVATE_H

#include "daemon/log.h"
#include "daemon/session_drain.h"
#include "daemon/session_list.h"

#include <pthread.h>

struct session_list {
	struct service *service;
	struct session *first;
	struct session *first_turn, *last_turn;
	uv_timer_t watch; /* runs only while a session needs it */
	uv_timer_cb look; /* what it calls */
	uv_idle_t turns;  /* runs only while a session wants a turn */
	size_t n;
	size_t n_counted, n_surplus; /* of them, by their place */
	size_t n_guests;             /* of those that are counted */
	int64_t next_id;
	int n_handles; /* not closed yet, of a list that is being freed */
	bool is_stopping; /* no new sessions come */
	void (*emptied)(void *context);
	void *emptied_context;
	struct log_limiter refusals, slow;
	pthread_mutex_t lock; /* guards the list's links and what `sessions` shows */
};

void session_list_add(struct session_list *list, struct session *session);
/* The caller frees the session. */
void session_list_remove(struct session_list *list, struct session *session);
/* A session needs to be looked at from time to time; sooner once the daemon stops. */
void session_list_watch(struct session_list *list);
/* The daemon stops, and nobody is there any more: says so. */
void session_list_tell_if_empty(struct session_list *list);

/* Nothing is owed to the peer, and it had the time to send what it connected for. */
bool session_is_at_rest(const struct session *session, uint64_t now_ms);

/* The time of day, for `sessions.since`. */
int64_t session_wall_us(void);

#endif
