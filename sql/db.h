/*
 * The few things our own modules do with an SQLite handle, with SQLite's result
 * codes turned into the house's errors. Not for statements of strangers.
 */
#ifndef SQL_DB_H
#define SQL_DB_H

#include "base/buf.h"
#include "base/err.h"

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Writes "what: SQLite's sentence" with the code that fits: ERR_NOMEM, ERR_IO
 * (with the errno behind it, ENOSPC for a full disk), ERR_BUSY, ERR_CORRUPT,
 * else ERR_SQL. Returns the code.
 */
int db_error(sqlite3 *db, int rc, const char *what, struct err *err);

/* Runs statements that give no rows. */
int db_exec(sqlite3 *db, const char *sql, struct err *err) __attribute__((warn_unused_result));

/*
 * A transaction that writes; its end commits where `rc` is 0 and rolls back
 * else. Returns `rc` or the commit's.
 */
int db_begin(sqlite3 *db, struct err *err) __attribute__((warn_unused_result));
int db_end(sqlite3 *db, int rc, struct err *err) __attribute__((warn_unused_result));

/* The statement is kept for many runs; NULL stays NULL on failure. */
int db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt, struct err *err)
	__attribute__((warn_unused_result));

/* Runs a statement that gives no rows and resets it; its bindings stay. */
int db_run(sqlite3_stmt *stmt, struct err *err) __attribute__((warn_unused_result));

/* 1: a row, 0: done (and reset), or an error (and reset). */
int db_step(sqlite3_stmt *stmt, struct err *err) __attribute__((warn_unused_result));

/*
 * A statement that runs once: `types` has one letter a parameter, `i` for
 * int64_t and `t` for const char * (borrowed until it has run).
 */
int db_do(sqlite3 *db, struct err *err, const char *sql, const char *types, ...)
	__attribute__((warn_unused_result));

/* The same for its first row: 1 with the statement on it, to be finalized; 0: none; or an error. */
int db_ask(sqlite3 *db, sqlite3_stmt **stmt, struct err *err, const char *sql, const char *types,
	...) __attribute__((warn_unused_result));

/* The column's text; "" for NULL. Valid until the next step. */
const char *db_text(sqlite3_stmt *stmt, int column);

/* One integer from one row; `missing` where there is no row. */
int db_get_int(sqlite3 *db, const char *sql, int64_t missing, int64_t *value, struct err *err)
	__attribute__((warn_unused_result));

/* `text` borrowed until the statement is reset; NULL binds NULL. */
void db_bind_text(sqlite3_stmt *stmt, int index, const char *text);
/* Canonical text, copied. */
void db_bind_time(sqlite3_stmt *stmt, int index, int64_t us);

/* Appends "name" with quotes doubled. */
void db_add_name(struct buf *buf, const char *name);

#endif
