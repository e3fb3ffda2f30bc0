/*
 * The triple is never shorter than what replaces it: `window.end` and
 * `window_end` have ten bytes both.
 */
#include "sql/dialect.h"

#include "sql/tokens.h"

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
