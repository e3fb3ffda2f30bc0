/* The scans. None allocates; texts end with a zero. */
#include "client/sqltext.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What may stand inside a name: SQLite takes every byte from 0x80 on. */
static bool is_name(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static size_t blank_length(const char *sql)
{
	const char *end;

	if (sql[0] == '-' && sql[1] == '-')
		return strcspn(sql, "\n");
	if (sql[0] == '/' && sql[1] == '*') {
		end = strstr(sql + 2, "*/");
		return end != NULL ? (size_t)(end - sql) + 2 : strlen(sql);
	}
	return is_blank(sql[0]) ? 1 : 0;
}

static size_t quoted_length(const char *sql)
{
	char close = sql[0] == '[' ? ']' : sql[0];
	size_t i = 1;

	while (sql[i] != '\0') {
		if (sql[i] == close) {
			if (close == ']' || sql[i + 1] != close)
				return i + 1;
			i++;
		}
		i++;
	}
	return i;
}

static size_t parameter_length(const char *sql)
{
	size_t i = 1;

	if (sql[0] == '?') {
		while (sql[i] >= '0' && sql[i] <= '9')
			i++;
		return i;
	}
	while (is_name(sql[i]) || (sql[i] == ':' && sql[i + 1] == ':' && i > 1))
		i += sql[i] == ':' ? 2 : 1;
	if (sql[i] == '(' && i > 1 && strchr(sql + i, ')') != NULL)
		i += strcspn(sql + i, ")") + 1;
	return i > 1 ? i : 0;
}

size_t sql_take_token(const char *sql, enum sql_token *kind)
{
	size_t n = blank_length(sql);

	*kind = SQL_BLANK;
	if (n > 0)
		return n;
	*kind = SQL_OTHER;
	switch (sql[0]) {
	case '\0': *kind = SQL_END; return 0;
	case ';': *kind = SQL_SEMICOLON; return 1;
	case '\'':
	case '"':
	case '`':
	case '[': return quoted_length(sql);
	case '?':
	case ':':
	case '@':
	case '$':
	case '#':
		n = parameter_length(sql);
		*kind = n > 0 ? SQL_PARAMETER : SQL_OTHER;
		return n > 0 ? n : 1;
	default: break;
	}
	if (!is_name(sql[0]))
		return 1;
	*kind = SQL_WORD;
	while (is_name(sql[n]))
		n++;
	return n;
}

/* Whether sql[0, len) is whole, which for a trigger is more than a semicolon. */
static bool is_complete(const char *sql, size_t len)
{
	char *copy = strndup(sql, len);
	bool complete;

	if (copy == NULL)
		return true;
	complete = sqlite3_complete(copy) != 0;
	free(copy);
	return complete;
}

size_t sql_statement_length(const char *sql)
{
	bool may_be_trigger = sql_begins_with(sql, strlen(sql), "CREATE") ||
			      sql_begins_with(sql, strlen(sql), "EXPLAIN");
	enum sql_token kind;
	bool has_begun = false;
	size_t len = 0;

	for (;;) {
		size_t n = sql_take_token(sql + len, &kind);

		len += n;
		/* SQLite's parser takes semicolons in front of a statement as a part of it. */
		if (!has_begun && (kind == SQL_BLANK || kind == SQL_SEMICOLON))
			continue;
		has_begun = true;
		if (kind == SQL_END)
			return len;
		if (kind == SQL_SEMICOLON && (!may_be_trigger || is_complete(sql, len)))
			return len;
	}
}

bool sql_has_parameters(const char *sql)
{
	enum sql_token kind = SQL_BLANK;

	while (kind != SQL_END && kind != SQL_PARAMETER)
		sql += sql_take_token(sql, &kind);
	return kind == SQL_PARAMETER;
}

bool sql_is_empty(const char *sql, size_t len)
{
	enum sql_token kind = SQL_BLANK;
	size_t at = 0;

	while (at < len && (kind == SQL_BLANK || kind == SQL_SEMICOLON))
		at += sql_take_token(sql + at, &kind);
	return kind == SQL_BLANK || kind == SQL_SEMICOLON || kind == SQL_END;
}

/* Where the next word begins, at or behind `at`; `len` when something else comes. */
static size_t find_word(const char *sql, size_t at, size_t len, size_t *word_len)
{
	enum sql_token kind = SQL_BLANK;

	*word_len = 0;
	while (at < len && kind == SQL_BLANK) {
		size_t n = sql_take_token(sql + at, &kind);

		if (kind == SQL_WORD) {
			*word_len = n;
			return at;
		}
		at += n;
	}
	return len;
}

static bool is_word(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

bool sql_begins_with(const char *sql, size_t len, const char *word)
{
	size_t n;
	size_t at = find_word(sql, 0, len, &n);

	return is_word(sql + at, n, word);
}

enum sql_explain sql_explain_of(const char *sql, size_t len)
{
	size_t n;
	size_t at = find_word(sql, 0, len, &n);

	if (!is_word(sql + at, n, "EXPLAIN"))
		return SQL_RUN;
	at = find_word(sql, at + n, len, &n);
	return is_word(sql + at, n, "QUERY") ? SQL_QUERY_PLAN : SQL_EXPLAIN;
}

/* Behind what `wait` closes, or the end of the line. */
static const char *scan_open(struct sql_scan *scan, const char *at)
{
	while (*at != '\0') {
		if (*at != scan->wait) {
			at++;
		} else if (scan->wait == '*') {
			if (*++at == '/') {
				scan->wait = 0;
				return at + 1;
			}
		} else if (scan->wait != ']' && at[1] == scan->wait) {
			at += 2;
		} else {
			scan->wait = 0;
			return at + 1;
		}
	}
	return at;
}

void sql_scan_line(struct sql_scan *scan, const char *line)
{
	const char *at = line;

	for (;;) {
		if (scan->wait != 0)
			at = scan_open(scan, at);
		while (is_blank(*at))
			at++;
		if (*at == '\0')
			return;
		if (at[0] == '-' && at[1] == '-') {
			at += strcspn(at, "\n");
			continue;
		}
		if (at[0] == '/' && at[1] == '*') {
			scan->wait = '*';
			at += 2;
			continue;
		}
		if (*at == ';') {
			scan->ends_in_semicolon = true;
			at++;
			continue;
		}
		if (strchr("[`'\"", *at) != NULL)
			scan->wait = *at == '[' ? ']' : *at;
		scan->has_dark = true;
		scan->ends_in_semicolon = false;
		at++;
	}
}

bool sql_is_terminator(const char *line)
{
	struct sql_scan rest = {0};

	while (is_blank(*line))
		line++;
	if (line[0] == '/')
		line += 1;
	else if (strncasecmp(line, "go", 2) == 0)
		line += 2;
	else
		return false;
	sql_scan_line(&rest, line);
	return rest.wait == 0 && !rest.has_dark && !rest.ends_in_semicolon;
}
