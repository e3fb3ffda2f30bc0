/* Rows as DataRow messages, or as the lines of COPY. */
#ifndef DAEMON_PG_ROWS_H
#define DAEMON_PG_ROWS_H

#include "daemon/pg_session.h"

/* What a compiled statement's column is announced as. */
enum pg_oid pg_column_oid(const struct statement *statement, size_t column);
/* Its context is a struct pg_rows. On whatever thread steps. */
extern const struct execution_sink pg_rows_sink;
void pg_rows_fini(struct pg_rows *rows);

#endif
