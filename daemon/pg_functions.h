/*
 * The functions that PostgreSQL's clients call: about the server and the
 * session, casts that the dialect writes, and a regular expression operator.
 */
#ifndef DAEMON_PG_FUNCTIONS_H
#define DAEMON_PG_FUNCTIONS_H

#include <sqlite3.h>
#include <stddef.h>

/* The name of the i-th function; NULL behind the last. Names may repeat. */
const char *pg_function_name_at(size_t i);

/* Registers all of them; an SQLite result code. */
int pg_functions_install(sqlite3 *db);

#endif
