/* Parse, Bind, Describe, Execute, Close: the extended messages. On the loop. */
#ifndef DAEMON_PG_EXTENDED_H
#define DAEMON_PG_EXTENDED_H

#include "daemon/pg_session.h"

void pg_parse(struct pg_session *pg, const struct pg_message *message);
void pg_bind(struct pg_session *pg, const struct pg_message *message);
void pg_describe(struct pg_session *pg, const struct pg_message *message);
void pg_execute(struct pg_session *pg, const struct pg_message *message);
void pg_close(struct pg_session *pg, const struct pg_message *message);

#endif
