/*
 * The SQL functions that pg_cast.h's rules call: strict conversions, as
 * PostgreSQL's casts are. SQLite's signature; any thread.
 */
#ifndef DAEMON_PG_CONVERT_H
#define DAEMON_PG_CONVERT_H

#include <sqlite3.h>

void pg_convert_int(sqlite3_context *context, int argc, sqlite3_value **argv);
void pg_convert_float(sqlite3_context *context, int argc, sqlite3_value **argv);
void pg_convert_bool(sqlite3_context *context, int argc, sqlite3_value **argv);
void pg_convert_bytea(sqlite3_context *context, int argc, sqlite3_value **argv);
void pg_convert_date(sqlite3_context *context, int argc, sqlite3_value **argv);
/* (field, timestamp) */
void pg_convert_extract(sqlite3_context *context, int argc, sqlite3_value **argv);
/* (timestamp, 1 or -1, interval): months by the calendar, the rest by the clock */
void pg_convert_interval(sqlite3_context *context, int argc, sqlite3_value **argv);
/* PostgreSQL's text of an array, as JSON */
void pg_convert_array(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
