/* LISTEN: a notification for each published batch of a query. On the loop. */
#ifndef DAEMON_PG_CHANNEL_H
#define DAEMON_PG_CHANNEL_H

#include "daemon/pg_session.h"

void pg_channel_listen(struct pg_session *pg, const struct pg_command *command);
void pg_channels_drop(struct pg_session *pg, const char *name); /* NULL: all */
/* Looks what there is to tell; nothing else runs. */
void pg_channels_look(struct pg_session *pg);

#endif
