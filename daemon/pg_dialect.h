/*
 * PostgreSQL's spelling of SQL, put into SQLite's: casts with `::`, regular
 * expression operators, E'' and dollar-quoted strings, pg_catalog. in front of
 * names, extract(… from …), and the few statements of psql that no rewriting of
 * tokens can save. Works on tokens, never inside strings or comments, and leaves
 * everything else as it stands. Knows no session and no SQLite handle.
 */
#ifndef DAEMON_PG_DIALECT_H
#define DAEMON_PG_DIALECT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The length of the first statement of text[0, len) with its `;`, and whether it
 * holds anything but white space and comments. Strings, quoted names, comments
 * and dollar quotes are passed over.
 */
size_t pg_statement_length(const char *text, size_t len, bool *is_empty);

/*
 * Appends the translation of one statement. Parameters `$n` stay `$n`, which
 * SQLite takes as names: SQLite numbers names by appearance, so they become
 * `?n`. ERR_NOMEM, ERR_LIMIT, or ERR_INVALID for an unclosed quote.
 */
#define PG_STATEMENT_MAX_BYTES (1024 * 1024)
int pg_translate(const char *text, size_t len, struct buf *out, struct err *err)
	__attribute__((warn_unused_result));

/* Where byte `offset` of the translation stood in the text, or the nearest token before it. */
size_t pg_translate_offset(const char *text, size_t len, size_t offset);

#endif
