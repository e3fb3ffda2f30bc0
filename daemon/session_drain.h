/*
 * How all sessions end when the daemon does, without a loss where there is time.
 * On the loop.
 */
#ifndef DAEMON_SESSION_DRAIN_H
#define DAEMON_SESSION_DRAIN_H

#include "daemon/session_list.h"

/*
 * No new session comes any more: who is at rest is finished, now or when it comes to rest; what runs
 * and what was just asked is answered. session_stop_all ends the others.
 */
void session_drain_all(struct session_list *list);

/* Cancels what runs and finishes every session; `at_once` does not wait for what was written. */
void session_stop_all(struct session_list *list, bool at_once);

#endif
