/* Small calls over SQLite for our own statements. A bind cannot fail but for memory, which the step
 * then reports. */
#include "sql/db.h"

#include "base/timestamp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

/* Why the system said no; 0: not known. SQLite itself forgets it where a COMMIT fails. */
static int system_errno(sqlite3 *db)
{
	int sys_errno = 0;

	if (db == NULL)
		return 0;
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &sys_errno);
	return sys_errno != 0 ? sys_errno : sqlite3_system_errno(db);
}

int db_error(sqlite3 *db, int rc, const char *what, struct err *err)
{
	int code = ERR_SQL;
	int sys_errno = 0;

	switch (rc & 0xff) {
	case SQLITE_NOMEM: return err_nomem(err);
	case SQLITE_FULL: return err_set_errno(err, ENOSPC, "%s", what);
	case SQLITE_IOERR:
		if (rc == SQLITE_IOERR_NOMEM)
			return err_nomem(err);
		if (rc == SQLITE_IOERR_DATA)
			return err_set(err, ERR_CORRUPT,
				"%s: a page is not as it was written, its sum says", what);
		if (rc == SQLITE_IOERR_CORRUPTFS) {
			code = ERR_CORRUPT;
			break;
		}
		sys_errno = system_errno(db);
		return err_set_errno(err, sys_errno != 0 ? sys_errno : EIO, "%s", what);
	case SQLITE_READONLY: return err_set_errno(err, EROFS, "%s", what);
	case SQLITE_CANTOPEN:
		sys_errno = system_errno(db);
		return err_set_errno(err, sys_errno != 0 ? sys_errno : ENOENT, "%s", what);
	case SQLITE_BUSY:
	case SQLITE_LOCKED: code = ERR_BUSY; break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: code = ERR_CORRUPT; break;
	default: break;
	}
	/* The handle's sentence says more, if it is about this failure. */
	return err_set(err, code, "%s: %s", what,
		db != NULL && sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db)
								 : sqlite3_errstr(rc));
}

int db_exec(sqlite3 *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return 0;
	return db_error(db, sqlite3_extended_errcode(db), "cannot change the database", err);
}

int db_begin(sqlite3 *db, struct err *err)
{
	return db_exec(db, "BEGIN IMMEDIATE", err);
}

int db_end(sqlite3 *db, int rc, struct err *err)
{
	if (rc == 0)
		rc = db_exec(db, "COMMIT", err);
	if (rc < 0 && sqlite3_get_autocommit(db) == 0)
		(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int db_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt, struct err *err)
{
	*stmt = NULL;
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL) == SQLITE_OK)
		return 0;
	return db_error(db, sqlite3_extended_errcode(db), sql, err);
}

int db_step(sqlite3_stmt *stmt, struct err *err)
{
	int rc = sqlite3_step(stmt);
	sqlite3 *db = sqlite3_db_handle(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		(void)db_error(db, sqlite3_extended_errcode(db), "cannot change the database", err);
	(void)sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : err->code;
}

int db_run(sqlite3_stmt *stmt, struct err *err)
{
	int rc = db_step(stmt, err);

	if (rc == 1)
		(void)sqlite3_reset(stmt);
	return rc < 0 ? rc : 0;
}

int db_get_int(sqlite3 *db, const char *sql, int64_t missing, int64_t *value, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, sql, &stmt, err);

	if (rc < 0)
		return rc;
	rc = db_step(stmt, err);
	if (rc >= 0)
		*value = rc == 1 ? sqlite3_column_int64(stmt, 0) : missing;
	(void)sqlite3_finalize(stmt);
	return rc < 0 ? rc : 0;
}

/* `types`: one letter a parameter, i int64_t, t text. */
static int prepare_with(sqlite3 *db, sqlite3_stmt **stmt, struct err *err, const char *sql,
	const char *types, va_list args)
{
	int rc = db_prepare(db, sql, stmt, err);
	int i;

	for (i = 0; rc == 0 && types[i] != '\0'; i++) {
		if (types[i] == 'i')
			(void)sqlite3_bind_int64(*stmt, i + 1, va_arg(args, int64_t));
		else
			db_bind_text(*stmt, i + 1, va_arg(args, const char *));
	}
	return rc;
}

int db_do(sqlite3 *db, struct err *err, const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt;
	va_list args;
	int rc;

	va_start(args, types);
	rc = prepare_with(db, &stmt, err, sql, types, args);
	va_end(args);
	if (rc == 0)
		rc = db_run(stmt, err);
	(void)sqlite3_finalize(stmt);
	return rc;
}

int db_ask(
	sqlite3 *db, sqlite3_stmt **stmt, struct err *err, const char *sql, const char *types, ...)
{
	va_list args;
	int rc;

	va_start(args, types);
	rc = prepare_with(db, stmt, err, sql, types, args);
	va_end(args);
	if (rc == 0)
		rc = db_step(*stmt, err);
	if (rc != 1) {
		(void)sqlite3_finalize(*stmt);
		*stmt = NULL;
	}
	return rc;
}

const char *db_text(sqlite3_stmt *stmt, int column)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text != NULL ? text : "";
}

void db_bind_text(sqlite3_stmt *stmt, int index, const char *text)
{
	(void)sqlite3_bind_text(stmt, index, text, -1, SQLITE_STATIC);
}

void db_bind_time(sqlite3_stmt *stmt, int index, int64_t us)
{
	char text[TIMESTAMP_TEXT_BYTES];
	size_t len = timestamp_format(us, text);

	(void)sqlite3_bind_text(stmt, index, text, (int)len, SQLITE_TRANSIENT);
}

void db_add_name(struct buf *buf, const char *name)
{
	const char *at;

	buf_add_char(buf, '"');
	for (at = name; *at != '\0'; at++) {
		if (*at == '"')
			buf_add_char(buf, '"');
		buf_add_char(buf, *at);
	}
	buf_add_char(buf, '"');
}
