/* DECLARE, FETCH and CLOSE: portals under names of SQL. On the loop. */
#ifndef DAEMON_PG_CURSOR_H
#define DAEMON_PG_CURSOR_H

#include "daemon/pg_session.h"

/*
 * DECLARE: a portal under the cursor's name. Of a Query message it is compiled
 * first (NULL); else `from` is the portal whose statement it is, and its
 * parameters go over to the cursor.
 */
void pg_cursor_declare(
	struct pg_session *pg, const struct pg_command *command, struct pg_portal *from);
/* FETCH and CLOSE; `from`: the portal that Execute named, NULL: a Query message. */
void pg_cursor_use(
	struct pg_session *pg, const struct pg_command *command, const struct pg_portal *from);

#endif
