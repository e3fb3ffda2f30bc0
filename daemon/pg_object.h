/*
 * The statements and portals that a PostgreSQL session holds by name. A portal
 * has a reference to its statement, which so outlives its Close. On the loop.
 */
#ifndef DAEMON_PG_OBJECT_H
#define DAEMON_PG_OBJECT_H

#include "daemon/pg_session.h"

/* A statement with one reference, in no list; its command is read. NULL: no memory. */
struct pg_statement *pg_statement_new(
	const char *name, const char *text, size_t len, struct err *err);
void pg_statement_unref(struct pg_statement *statement); /* NULL is accepted */
/* Into the session's list, which takes the reference. */
void pg_statement_keep(struct pg_session *pg, struct pg_statement *made);
struct pg_statement *pg_statement_find(struct pg_session *pg, const char *name);
void pg_statements_drop(struct pg_session *pg, const char *name); /* NULL: all; "" too is a name */

/* In the session's list at once. NULL: no memory. */
struct pg_portal *pg_portal_new(struct pg_session *pg, const char *name,
	struct pg_statement *statement, struct err *err);
struct pg_portal *pg_portal_find(struct pg_session *pg, const char *name);
void pg_portal_drop(struct pg_session *pg, struct pg_portal *portal);
void pg_portals_drop(struct pg_session *pg); /* the end of a transaction */

#endif
