/*
 * JSON frames on a text session's connection: requests as lines, answers as
 * lines, in the order of the requests; a cancel overtakes. SUBSCRIBE SELECT
 * stays and sends what changed after each snapshot.
 *
 * Requests wait here in a bounded queue; when it is full the session stops
 * reading. A subscription that cannot send skips snapshots: it always compares
 * what it last sent with the newest state, so nothing queues up.
 */
#ifndef DAEMON_FRAMES_H
#define DAEMON_FRAMES_H

#include "daemon/session.h"

#include <stdbool.h>
#include <stddef.h>

/* Requests that may wait, and the bytes of all of them. */
#define FRAMES_MAX_WAITING       1000
#define FRAMES_MAX_WAITING_BYTES (1024 * 1024)
/* Each looks at every snapshot and keeps what its peer knows. */
#define FRAMES_MAX_SUBSCRIPTIONS 100

struct frames;

/*
 * `on_idle`: what took its time is answered, and no request waits: whoever has
 * lines goes on, and calls frames_go_on when he has none. NULL: no memory.
 */
struct frames *frames_new(struct session *session, void (*on_idle)(struct session *session));
/* Nothing is under way. NULL is accepted. */
void frames_free(struct frames *frames);

/* One line without its newline. Answers may be written at once. */
void frames_take(struct frames *frames, const char *line, size_t len);

/* Requests are under way or wait (subscriptions that look at a new snapshot do not count). */
bool frames_is_busy(const struct frames *frames);
bool frames_is_full(const struct frames *frames);

/* Subscriptions keep a connection open whose peer has closed its sending half. */
bool frames_has_subscriptions(const struct frames *frames);

/* What was written is gone: an answer that waited for it goes on. */
void frames_on_drained(struct frames *frames);
/*
 * What waits is done, and subscriptions look at a new snapshot. After the lines that have come, of
 * which one may be a cancel.
 */
void frames_go_on(struct frames *frames);
void frames_cancel_all(struct frames *frames);

#endif
