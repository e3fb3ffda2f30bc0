/*
 * The tables of pg_catalog and information_schema as read-only virtual tables,
 * eponymous, so that they stand in no schema and cost nothing until asked.
 * information_schema.x is the table information_schema_x.
 */
#ifndef DAEMON_PG_TABLES_H
#define DAEMON_PG_TABLES_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

struct pg_table {
	const char *name;
	const char *select; /* gives its rows and names its columns */
};

/* The i-th table; NULL behind the last. */
const struct pg_table *pg_table_at(size_t i);

/* Registers all of them; an SQLite result code. The functions of pg_functions.h must be there first. */
int pg_tables_install(sqlite3 *db);

#endif
