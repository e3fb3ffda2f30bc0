/* Lexing by PostgreSQL's rules ("SQL Syntax, Lexical Structure" of its manual). */
#include "daemon/pg_token.h"

#include <string.h>
#include <strings.h>

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}

static bool is_name_char(char c)
{
	return is_name_start(c) || is_digit(c) || c == '$';
}

/* White space and comments together; block comments nest. 0: a comment without end. */
static size_t space_length(const char *text, size_t len)
{
	size_t at = 0;
	int depth;

	while (at < len) {
		if (is_space(text[at])) {
			at++;
		} else if (len - at >= 2 && memcmp(text + at, "--", 2) == 0) {
			const char *end = memchr(text + at, '\n', len - at);

			at = end == NULL ? len : (size_t)(end - text) + 1;
		} else if (len - at >= 2 && memcmp(text + at, "/*", 2) == 0) {
			for (depth = 1, at += 2; depth > 0; at++) {
				if (len - at < 2)
					return 0;
				if (memcmp(text + at, "*/", 2) == 0) {
					depth--;
					at++;
				} else if (memcmp(text + at, "/*", 2) == 0) {
					depth++;
					at++;
				}
			}
		} else {
			break;
		}
	}
	return at;
}

/* From an opening quote at text[0] to behind its end; a doubled quote is one. 0: no end. */
static size_t quoted_length(const char *text, size_t len, bool has_escapes)
{
	const char quote = text[0];

	for (size_t at = 1; at < len; at++) {
		if (has_escapes && text[at] == '\\') {
			at++;
		} else if (text[at] == quote) {
			if (at + 1 < len && text[at + 1] == quote)
				at++;
			else
				return at + 1;
		}
	}
	return 0;
}

/* $tag$ … $tag$; 0: no end; SIZE_MAX: no dollar quote at all. */
static size_t dollar_length(const char *text, size_t len)
{
	size_t tag = 1;

	while (tag < len && is_name_char(text[tag]) && text[tag] != '$')
		tag++;
	if (tag >= len || text[tag] != '$' || is_digit(text[1]))
		return (size_t)-1;
	tag++;
	for (size_t at = tag; at + tag <= len; at++)
		if (text[at] == '$' && memcmp(text + at, text, tag) == 0)
			return at + tag;
	return 0;
}

static size_t number_length(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && (is_digit(text[at]) || text[at] == '.'))
		at++;
	if (at + 1 < len && (text[at] == 'e' || text[at] == 'E')) {
		size_t digits = at + 1;

		if (text[digits] == '+' || text[digits] == '-')
			digits++;
		if (digits < len && is_digit(text[digits]))
			for (at = digits; at < len && is_digit(text[at]);)
				at++;
	}
	return at;
}

static size_t operator_length(const char *text, size_t len)
{
	static const char *const longer[] = {"!~*", "->>", "::", "!~", "~*", "<>",
		"<=", ">=", "!=", "||", "->", "<<", ">>", "=="};

	for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
		size_t n = strlen(longer[i]);

		if (len >= n && memcmp(text, longer[i], n) == 0)
			return n;
	}
	return 1;
}

static struct pg_token closed(enum pg_token_kind kind, const char *text, size_t n, size_t len)
{
	if (n == 0)
		return (struct pg_token){PG_TOKEN_UNCLOSED, text, len};
	return (struct pg_token){kind, text, n};
}

struct pg_token pg_token_next(const char *text, size_t len)
{
	size_t n;

	if (len == 0)
		return (struct pg_token){PG_TOKEN_END, text, 0};
	n = space_length(text, len);
	if (n > 0)
		return (struct pg_token){PG_TOKEN_SPACE, text, n};
	if (len >= 2 && memcmp(text, "/*", 2) == 0)
		return (struct pg_token){PG_TOKEN_UNCLOSED, text, len};
	if (text[0] == '\'')
		return closed(PG_TOKEN_STRING, text, quoted_length(text, len, false), len);
	if (text[0] == '"')
		return closed(PG_TOKEN_NAME, text, quoted_length(text, len, false), len);
	if ((text[0] == 'e' || text[0] == 'E') && len >= 2 && text[1] == '\'') {
		n = quoted_length(text + 1, len - 1, true);
		return closed(PG_TOKEN_ESCAPE_STRING, text, n == 0 ? 0 : n + 1, len);
	}
	if ((text[0] == 'x' || text[0] == 'X') && len >= 2 && text[1] == '\'') {
		n = quoted_length(text + 1, len - 1, false);
		return closed(PG_TOKEN_STRING, text, n == 0 ? 0 : n + 1, len);
	}
	if (is_name_start(text[0])) {
		for (n = 1; n < len && is_name_char(text[n]);)
			n++;
		return (struct pg_token){PG_TOKEN_NAME, text, n};
	}
	if (is_digit(text[0]) || (text[0] == '.' && len >= 2 && is_digit(text[1])))
		return (struct pg_token){PG_TOKEN_NUMBER, text, number_length(text, len)};
	if (text[0] == '$' && len >= 2) {
		if (is_digit(text[1])) {
			for (n = 2; n < len && is_digit(text[n]);)
				n++;
			return (struct pg_token){PG_TOKEN_PARAMETER, text, n};
		}
		n = dollar_length(text, len);
		if (n != (size_t)-1)
			return closed(PG_TOKEN_DOLLAR_STRING, text, n, len);
	}
	return (struct pg_token){PG_TOKEN_OPERATOR, text, operator_length(text, len)};
}
