/*
 * The functions that PostgreSQL's clients call: about the server and the
 * session, casts that the dialect writes, and a regular expression operator.
 */
#ifndef DAEMON_PG_FUNCTIONS_H
#define DAEMON_PG_FUNCTIONS_H

#include "sql/statement.h"

#include <sqlite3.h>

/* Their names, for the guard; ends with NULL. Names may repeat. */
extern const char *const pg_function_names[];

/* What one of them gives, as results are announced; "": none of them. */
const char *pg_function_type(const char *name, size_t len);

/* Registers all of them; an SQLite result code. */
int pg_functions_install(sqlite3 *db, struct connection *connection);

#endif
