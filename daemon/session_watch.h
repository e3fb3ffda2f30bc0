/* Sessions are looked after by one timer, the list's. On the loop. */
#ifndef DAEMON_SESSION_WATCH_H
#define DAEMON_SESSION_WATCH_H

#include <uv.h>

/*
 * For session_list_new. Ends the sessions that nobody else ends (session_watch.c says which), and
 * while the daemon stops those that have come to rest.
 */
void session_watch_look(uv_timer_t *timer);

#endif
