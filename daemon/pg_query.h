/* The Query message: its statements one after the other. On the loop. */
#ifndef DAEMON_PG_QUERY_H
#define DAEMON_PG_QUERY_H

#include "daemon/pg_session.h"

void pg_query(struct pg_session *pg, const struct pg_message *message);
/* The next statement of the message that is under way, or its end. */
void pg_query_go_on(struct pg_session *pg);

#endif
