/*
 * Our virtual tables: `windows`, `sessions`, `system_check`, one per source and
 * one `static_` per query. Private to the statement layer.
 *
 * All are eponymous: a connection knows them by registering the module, and no
 * schema holds them. They run on whatever thread runs the statement and ask
 * connection_is_stopped() on their way. What they show is not the snapshot's,
 * so an answer that used one is never kept.
 */
#ifndef SQL_MODULES_H
#define SQL_MODULES_H

#include "sql/connection.h"

/* What a virtual table is connected to; freed with its registration. */
struct module_place {
	struct connection *connection;
	size_t index; /* of the source or the query in the connection's spec */
};

/* The first member of every virtual table of ours. */
struct module_table {
	sqlite3_vtab base;
	struct connection *connection;
	size_t index;
};

/*
 * The first member of every cursor of ours. Where the rows are all there after
 * xFilter, `row` and `n_rows` are all that xNext and xEof need.
 */
struct module_cursor {
	sqlite3_vtab_cursor base;
	sqlite3_int64 row, n_rows;
};

/* Registers all that the connection's spec asks for; again after the spec has changed. */
int modules_register(struct connection *connection, struct err *err)
	__attribute__((warn_unused_result));

/* Declares the table and makes it; what every xConnect of ours does. */
int module_connect(sqlite3 *db, void *place, const char *declaration, sqlite3_vtab **table,
	char **error);
int module_disconnect(sqlite3_vtab *table);

/* xOpen: a cursor of `bytes`, zero but for what is SQLite's. */
int module_cursor_new(size_t bytes, sqlite3_vtab_cursor **cursor);
/* xClose of a cursor that holds nothing. */
int module_cursor_free(sqlite3_vtab_cursor *cursor);
int module_next(sqlite3_vtab_cursor *cursor);
int module_eof(sqlite3_vtab_cursor *cursor);
int module_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *row);

/* Puts *err's sentence where SQLite looks for it and returns its code. */
int module_fail(sqlite3_vtab *table, const struct err *err);

/* A result that is a timestamp. */
void module_result_time(sqlite3_context *context, int64_t us);

extern const sqlite3_module windows_module;
extern const sqlite3_module sessions_module;
extern const sqlite3_module events_module;
extern const sqlite3_module static_module;
extern const sqlite3_module check_module;

#endif
