/*
 * CREATE statements as `.schema`, `.fullschema` and `.dump` print them.
 */
#ifndef CLIENT_SCHEMA_TEXT_H
#define CLIENT_SCHEMA_TEXT_H

#include "base/buf.h"

#include <stdbool.h>

/*
 * The statement and `tail`. An open comment is closed before a semicolon, and
 * a quoted table name gets IF NOT EXISTS, as sqlite3's shell does both.
 */
void schema_add_line(struct buf *out, const char *sql, const char *tail);

/* `--indent`: long tables one column a line. */
void schema_add_pretty(struct buf *out, const char *sql);

/*
 * The statement with a stock sqlite3 in mind: without our collation. The caller
 * frees it; NULL: no memory.
 */
char *schema_plain_sql(const char *sql);

#endif
