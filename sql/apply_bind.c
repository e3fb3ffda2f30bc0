/* Values that may be missing, and texts that people will read. */
#include "sql/apply_private.h"

#include "base/utf8.h"
#include "sql/db.h"

void apply_bind_int(sqlite3_stmt *stmt, int index, int64_t value, bool is_null)
{
	if (is_null)
		(void)sqlite3_bind_null(stmt, index);
	else
		(void)sqlite3_bind_int64(stmt, index, value);
}

void apply_bind_time(sqlite3_stmt *stmt, int index, int64_t us, bool is_null)
{
	if (is_null)
		(void)sqlite3_bind_null(stmt, index);
	else
		db_bind_time(stmt, index, us);
}

void apply_bind_shown(
	struct apply *apply, sqlite3_stmt *stmt, int index, const char *text, size_t len)
{
	if (text == NULL || utf8_valid_prefix(text, len) == len) {
		(void)sqlite3_bind_text(stmt, index, text, (int)len, SQLITE_STATIC);
		return;
	}
	buf_clear(&apply->scratch);
	utf8_add_shown(&apply->scratch, text, len);
	(void)sqlite3_bind_text(
		stmt, index, apply->scratch.data, (int)apply->scratch.len, SQLITE_TRANSIENT);
}
