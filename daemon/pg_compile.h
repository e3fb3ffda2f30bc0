/*
 * Compiling a statement to know its columns and parameters, for Parse and
 * DECLARE. The compiled form itself goes to the connection's cache.
 */
#ifndef DAEMON_PG_COMPILE_H
#define DAEMON_PG_COMPILE_H

#include "daemon/pg_session.h"

/*
 * Takes the reference to `made`, whose `sql` is there. Ends with done(), which
 * gets the reference, or with an error that is said; at once, or on a later turn
 * of the loop, behind which the session goes on.
 */
void pg_compile(struct pg_session *pg, struct pg_statement *made,
	void (*done)(struct pg_session *pg, struct pg_statement *made));

#endif
