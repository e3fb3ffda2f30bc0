/*
 * The types that results are announced with: what SQLite knows by declaration,
 * and for expressions what follows from their arguments.
 *
 * SQLite announces a type for plain columns only. Here the statement's text is
 * read once more, with just enough grammar to know what each result column is
 * made of: names resolve through FROM, subqueries and common table expressions
 * down to declared types. Whatever is not understood has no type (""), which is
 * no error: the caller then treats it as text.
 */
#ifndef SQL_COLUMN_TYPES_H
#define SQL_COLUMN_TYPES_H

#include "sql/statement.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* An INTEGER that is 0 or 1: a comparison's, a literal's, or declared so. */
#define COLUMN_TYPE_BOOLEAN "BOOLEAN"

/*
 * INTEGER, BOOLEAN, REAL, TEXT, BLOB, TIMESTAMP or "" for a declared type; NULL is "".
 * All types here are static texts.
 */
const char *column_type_declared(const char *declared);

/* What is announced of a result column. */
struct column_type {
	const char *type;
	bool is_aggregate; /* an expression with an aggregate of other rows in it */
};

/*
 * Fills in those of types[0, n) that are "" and can be told, and which are
 * aggregates. `text` has been prepared without error. `extension` knows the
 * types of functions of its own; NULL: none. The guard must be open: the schema
 * is read. Leaves everything as it is when memory lacks.
 */
void column_types_infer(sqlite3 *db, const struct sql_extension *extension, const char *text,
	size_t len, struct column_type *types, size_t n);

#endif
