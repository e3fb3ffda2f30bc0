/*
 * CancelRequest, which PostgreSQL's clients send on a connection of its own, and
 * what such a connection is where max_sessions are there already: one that is
 * heard until its first words say whether it cancels. On the loop.
 */
#ifndef DAEMON_PG_CANCEL_H
#define DAEMON_PG_CANCEL_H

#include "daemon/pg_codec.h"
#include "daemon/session.h"

/*
 * The reader stands behind the packet's code. What names no session of ours, or not its secret, has
 * no effect, and nobody is told.
 */
void pg_cancel_request(struct service *service, struct pg_reader *reader);

extern const struct session_ops pg_surplus_ops;
/* See session_ops; of any session of PostgreSQL's. */
void pg_surplus_refuse(struct session *session, const char *sentence);

#endif
