/*
 * All sessions of a daemon: who is there, whose turn it is, and what all of
 * them are told. The loop's, but for session_list_view.
 */
#ifndef DAEMON_SESSION_LIST_H
#define DAEMON_SESSION_LIST_H

#include "base/err.h"
#include "daemon/session.h"

#include <stddef.h>
#include <stdint.h>

/* NULL: no memory. `look` is called from time to time while a session needs to be looked after. */
struct session_list *session_list_new(struct service *service, uv_timer_cb look);

/* It is empty. Its memory goes with the loop's next turn. NULL is accepted. */
void session_list_free(struct session_list *list);

/* A session by its id, for a cancel from another connection; NULL: gone. */
struct session *session_list_find(struct session_list *list, int64_t id);

/* A new snapshot: tells every session that cares. */
void session_list_published(struct session_list *list);

/*
 * For `sessions`; any thread. The caller frees the rows and their queries. ERR_NOMEM: there are
 * none.
 */
int session_list_view(struct session_list *list, struct session_view **rows, size_t *n,
	struct err *err) __attribute__((warn_unused_result));

/*
 * `emptied` is called when the last session is gone after session_drain_all or session_stop_all,
 * or by these; it may be called again.
 */
void session_list_on_empty(struct session_list *list, void (*emptied)(void *context), void *context);

#endif
