/* The commands that PostgreSQL's clients send and SQLite does not know. On the loop. */
#ifndef DAEMON_PG_UTILITY_H
#define DAEMON_PG_UTILITY_H

#include "daemon/pg_session.h"

/*
 * Does a command that is no QUERY and says so, rows of SHOW included. `from` is
 * the portal that Execute named; NULL: it comes from a Query message, and rows
 * are described first. It may start something that runs, and drop `from`.
 */
void pg_utility(struct pg_session *pg, const struct pg_command *command, struct pg_portal *from);
/* The columns that a command answers with (SHOW); 0: none. */
size_t pg_utility_columns(const struct pg_command *command, struct pg_column columns[3]);
/*
 * A setting gets a value, and has its effect. ERR_INVALID, ERR_DENIED, ERR_LIMIT:
 * nothing has changed.
 */
int pg_setting_give(struct pg_session *pg, const char *name, const char *value, struct err *err)
	__attribute__((warn_unused_result));
/* ParameterStatus for all that are reported. */
void pg_report_settings(struct pg_session *pg);

#endif
