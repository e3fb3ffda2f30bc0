/*
 * The tables of pg_catalog and information_schema as read-only virtual tables,
 * eponymous, so that they stand in no schema and cost nothing until asked.
 * information_schema.x is the table information_schema_x.
 */
#ifndef DAEMON_PG_TABLES_H
#define DAEMON_PG_TABLES_H

#include <sqlite3.h>

/* Registers all of them; an SQLite result code. After the functions of pg_functions.h. */
int pg_tables_install(sqlite3 *db);

#endif
