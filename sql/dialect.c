/*
 * The triple is never shorter than what replaces it: `window.end` and
 * `window_end` have ten bytes both.
 */
#include "sql/dialect.h"

#include "sql/tokens.h"

#include <string.h>
#include <strings.h>

/* `column`, and blanks up to the triple's end. */
static void replace_triple(char *text, size_t from, size_t to, const char *column)
{
	for (size_t i = from; i < to; i++)
		text[i] = *column != '\0' ? *column++ : ' ';
}

/* What a triple's last name stands for; NULL: nothing. */
static const char *column_of(const struct token *name)
{
	if (token_is_name(name, "start"))
		return "window_start";
	return token_is_name(name, "end") ? "window_end" : NULL;
}

bool dialect_rewrite_at(char *text, size_t len, size_t offset)
{
	struct tokens tokens = {text + offset, text + len};
	struct token name = tokens_next(&tokens);

	for (;;) {
		struct token dot = tokens_next(&tokens);
		struct token next = tokens_next(&tokens);
		const char *column = column_of(&next);

		if ((name.kind != TOKEN_WORD && name.kind != TOKEN_QUOTED) || !token_is(&dot, "."))
			return false;
		if (column != NULL && token_is_name(&name, "window")) {
			replace_triple(text, (size_t)(name.at - text),
				(size_t)(next.at + next.len - text), column);
			return true;
		}
		name = next;
	}
}

bool dialect_rewrite_all(char *text, size_t len)
{
	struct tokens tokens = {text, text + len};
	struct token first = {.kind = TOKEN_END}, second = first;
	bool found = false;

	for (;;) {
		struct token third = tokens_next(&tokens);
		const char *column = column_of(&third);

		if (third.kind == TOKEN_END || third.kind == TOKEN_BAD)
			return found;
		if (column != NULL && token_is(&second, ".") && token_is_name(&first, "window")) {
			replace_triple(text, (size_t)(first.at - text),
				(size_t)(third.at + third.len - text), column);
			found = true;
			first = second = (struct token){.kind = TOKEN_END};
			continue;
		}
		first = second;
		second = third;
	}
}

/* Ends an ON clause at its own depth; WINDOW does too, where no point follows. */
static bool ends_on(const struct token *token)
{
	static const char *const words[] = {"join", "left", "right", "full", "inner", "cross",
		"natural", "where", "group", "having", "order", "limit", "union", "except",
		"intersect"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (token_is_word(token, words[i]))
			return true;
	}
	return token_is(token, ",") || token_is(token, ";");
}

/* What stands before `window.end` in a name as a message has it; its length is -1: there is no
 * such. */
static const char *qualifier_of(const char *name, int *len)
{
	const char *at = strrchr(name, '.');
	const char *from = name;

	*len = -1;
	if (at == NULL || at - name < 6 || strncasecmp(at - 6, "window", 6) != 0)
		return NULL;
	at -= 6;
	if (at > name && at[-1] != '.')
		return NULL;
	*len = at > name ? (int)(at - name) - 1 : 0;
	for (int i = 0; i < *len; i++) {
		if (name[i] == '.')
			from = name + i + 1;
	}
	*len -= (int)(from - name);
	return from;
}

/* Whether the last of four tokens `c . window .` is what a message's qualifier says. */
static bool is_qualified_so(const struct token last[4], const char *qualifier, int len)
{
	char name[128];

	if (len == 0)
		return !token_is(&last[1], ".");
	if (!token_is(&last[1], ".") || (size_t)len >= sizeof(name))
		return false;
	memcpy(name, qualifier, (size_t)len);
	name[len] = '\0';
	return token_is_name(&last[0], name);
}

/* Deeper than SQLite's parser goes. */
#define MAX_DEPTH 256

bool dialect_rewrite_on(char *text, size_t len, const char *name)
{
	struct tokens tokens = {text, text + len};
	struct token last[4] = {{.kind = TOKEN_END}}; /* the four before `token` */
	bool in_on[MAX_DEPTH] = {false};
	bool found = false;
	size_t depth = 0;
	int qualifier_len;
	const char *qualifier = qualifier_of(name, &qualifier_len);

	while (qualifier != NULL) {
		struct token token = tokens_next(&tokens);
		const char *column = column_of(&token);

		if (token.kind == TOKEN_END || token.kind == TOKEN_BAD)
			break;
		/* A subquery within ON has clauses of its own, and SQLite tells its offsets. */
		if (token_is_word(&token, "on"))
			in_on[depth] = true;
		else if (ends_on(&token) || token_is_word(&token, "select") ||
			 (token_is_word(&last[3], "window") && !token_is(&token, ".")))
			in_on[depth] = false;
		if (token_is(&token, "(") && ++depth < MAX_DEPTH)
			in_on[depth] = in_on[depth - 1];
		if (depth >= MAX_DEPTH || (token_is(&token, ")") && depth-- == 0))
			break;
		if (in_on[depth] && column != NULL && token_is(&last[3], ".") &&
			token_is_name(&last[2], "window") &&
			is_qualified_so(last, qualifier, qualifier_len)) {
			replace_triple(text, (size_t)(last[2].at - text),
				(size_t)(token.at + token.len - text), column);
			found = true;
		}
		memmove(last, last + 1, 3 * sizeof(last[0]));
		last[3] = token;
	}
	return found;
}

size_t dialect_view_select(const char *text, size_t len)
{
	struct tokens tokens = {text, text + len};
	struct token token = tokens_next(&tokens);

	while (token_is(&token, ";"))
		token = tokens_next(&tokens);
	if (!token_is_word(&token, "create"))
		return 0;
	token = tokens_next(&tokens);
	if (token_is_word(&token, "temp") || token_is_word(&token, "temporary"))
		token = tokens_next(&tokens);
	if (!token_is_word(&token, "view"))
		return 0;
	/* No name or column between here and AS can be a bare AS: it is reserved. */
	while (token.kind != TOKEN_END && token.kind != TOKEN_BAD && !token_is_word(&token, "as"))
		token = tokens_next(&tokens);
	return token.kind == TOKEN_WORD ? (size_t)(tokens.at - text) : 0;
}
