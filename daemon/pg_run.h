/*
 * Running one statement at a time through the common execution, and saying how
 * it ended. Each may end at once, or on a later turn of the loop, behind which
 * the session goes on. On the loop.
 */
#ifndef DAEMON_PG_RUN_H
#define DAEMON_PG_RUN_H

#include "daemon/pg_session.h"

/* Execute; with `is_fetch` a FETCH of a cursor. max_rows 0: all. */
void pg_run_portal(
	struct pg_session *pg, struct pg_portal *portal, int64_t max_rows, bool is_fetch);
/* A statement of a Query message, which is in pg->command. */
void pg_run_simple(struct pg_session *pg, const char *text, size_t len);
/* BEGIN, COMMIT, ROLLBACK for SQLite; `tag` is said afterwards, NULL: nothing. */
void pg_run_control(struct pg_session *pg, const char *sql, const char *tag);
/* COPY (SELECT …) TO STDOUT */
void pg_run_copy(struct pg_session *pg, const struct pg_command *command);
/* A question of the session's own; the sink's context is its pg_rows. */
void pg_run_sink(struct pg_session *pg, const char *sql, const struct execution_sink *sink,
	const struct value *params, size_t n_params);

/* What runs; NULL: nothing, or a compilation. */
struct execution *pg_run_current(struct pg_session *pg);
void pg_run_cancel(struct pg_session *pg);

#endif
