/*
 * SQL as a run of characters: where a statement ends, whether a line leaves
 * one open, which parameters it names. Follows SQLite's tokenizer and the
 * shell's scan of its input; knows no meaning.
 */
#ifndef CLIENT_SQLTEXT_H
#define CLIENT_SQLTEXT_H

#include <stdbool.h>
#include <stddef.h>

enum sql_token {
	SQL_END,
	SQL_BLANK, /* white space or a comment */
	SQL_SEMICOLON,
	SQL_PARAMETER, /* ?, ?12, :name, @name, $name */
	SQL_WORD,
	SQL_OTHER, /* a string, a quoted name, an operator */
};

/* The length of the token at `sql`, which ends with a zero; 0 with SQL_END. */
size_t sql_take_token(const char *sql, enum sql_token *kind);

/* The bytes of the first statement, its semicolon included; a trigger's body does not end it. */
size_t sql_statement_length(const char *sql);

/* Names at least one parameter. */
bool sql_has_parameters(const char *sql);

/* Nothing but blanks, comments and semicolons in the first `len` bytes. */
bool sql_is_empty(const char *sql, size_t len);

enum sql_explain { SQL_RUN, SQL_EXPLAIN, SQL_QUERY_PLAN };
enum sql_explain sql_explain_of(const char *sql, size_t len);

/* The first word is `word`, which is written in capitals. */
bool sql_begins_with(const char *sql, size_t len, const char *word);

/*
 * The state of a scan over lines of input. `wait` is the character that would
 * close what is open (0: nothing is; '*' for a comment).
 */
struct sql_scan {
	char wait;
	bool has_dark; /* something that is neither blank nor comment was seen */
	bool ends_in_semicolon;
};

void sql_scan_line(struct sql_scan *scan, const char *line);

/* Blanks and comments only, nothing open. */
static inline bool sql_scan_is_white(const struct sql_scan *scan)
{
	return scan->wait == 0 && !scan->has_dark;
}

/* `/` or `go` alone on its line. */
bool sql_is_terminator(const char *line);

#endif
