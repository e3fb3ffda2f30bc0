/* One pass, one byte of look-ahead or two, no memory. */
#include "sql/tokens.h"

#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* What a bare name begins with: letters, underscore, every byte above ASCII. */
static bool begins_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool is_in_word(char c)
{
	return begins_word(c) || is_digit(c) || c == '$';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r';
}

static char peek(const struct tokens *tokens, size_t ahead)
{
	return (size_t)(tokens->end - tokens->at) > ahead ? tokens->at[ahead] : '\0';
}

static void skip_space(struct tokens *tokens)
{
	while (tokens->at < tokens->end) {
		if (is_space(*tokens->at)) {
			tokens->at++;
		} else if (*tokens->at == '-' && peek(tokens, 1) == '-') {
			while (tokens->at < tokens->end && *tokens->at != '\n')
				tokens->at++;
		} else if (*tokens->at == '/' && peek(tokens, 1) == '*') {
			tokens->at += 2;
			while (tokens->at < tokens->end &&
				!(*tokens->at == '*' && peek(tokens, 1) == '/'))
				tokens->at++;
			/* An open comment ends with the text, as in SQLite. */
			tokens->at += tokens->end - tokens->at >= 2 ? 2 : tokens->end - tokens->at;
		} else {
			return;
		}
	}
}

/* Up to and with the closing quote, doubled ones inside; TOKEN_BAD when it never comes. */
static enum token_kind take_quoted(struct tokens *tokens, char quote, enum token_kind kind)
{
	tokens->at++;
	while (tokens->at < tokens->end) {
		if (*tokens->at++ != quote)
			continue;
		if (quote == ']' || tokens->at == tokens->end || *tokens->at != quote)
			return kind;
		tokens->at++;
	}
	return TOKEN_BAD;
}

static enum token_kind take_number(struct tokens *tokens)
{
	enum token_kind kind = TOKEN_INTEGER;

	if (*tokens->at == '0' && (peek(tokens, 1) | 0x20) == 'x' && is_hex(peek(tokens, 2))) {
		tokens->at += 2;
		while (is_hex(peek(tokens, 0)))
			tokens->at++;
		return kind;
	}
	while (is_digit(peek(tokens, 0)))
		tokens->at++;
	if (peek(tokens, 0) == '.') {
		kind = TOKEN_REAL;
		tokens->at++;
		while (is_digit(peek(tokens, 0)))
			tokens->at++;
	}
	if ((peek(tokens, 0) | 0x20) == 'e' &&
		(is_digit(peek(tokens, 1)) || ((peek(tokens, 1) == '+' || peek(tokens, 1) == '-') &&
						      is_digit(peek(tokens, 2))))) {
		kind = TOKEN_REAL;
		tokens->at += 2;
		while (is_digit(peek(tokens, 0)))
			tokens->at++;
	}
	return kind;
}

static enum token_kind take_operator(struct tokens *tokens)
{
	static const char *const pairs[] = {"||", "->", "<<", ">>", "<=", ">=", "==", "!=", "<>"};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (*tokens->at == pairs[i][0] && peek(tokens, 1) == pairs[i][1]) {
			tokens->at += 2;
			if (i == 1 && peek(tokens, 0) == '>')
				tokens->at++;
			return TOKEN_OPERATOR;
		}
	}
	return strchr("()+-*/%,;.=<>&|~", *tokens->at++) != NULL ? TOKEN_OPERATOR : TOKEN_BAD;
}

static enum token_kind take(struct tokens *tokens)
{
	char c = *tokens->at;

	switch (c) {
	case '\'': return take_quoted(tokens, c, TOKEN_STRING);
	case '"':
	case '`': return take_quoted(tokens, c, TOKEN_QUOTED);
	case '[': return take_quoted(tokens, ']', TOKEN_QUOTED);
	case '?':
		tokens->at++;
		while (is_digit(peek(tokens, 0)))
			tokens->at++;
		return TOKEN_PARAMETER;
	case ':':
	case '@':
	case '$':
	case '#':
		tokens->at++;
		if (!is_in_word(peek(tokens, 0)))
			return TOKEN_BAD;
		while (is_in_word(peek(tokens, 0)))
			tokens->at++;
		return TOKEN_PARAMETER;
	default: break;
	}
	if (is_digit(c) || (c == '.' && is_digit(peek(tokens, 1))))
		return take_number(tokens);
	if ((c | 0x20) == 'x' && peek(tokens, 1) == '\'') {
		tokens->at++;
		return take_quoted(tokens, '\'', TOKEN_BLOB);
	}
	if (begins_word(c)) {
		while (is_in_word(peek(tokens, 0)))
			tokens->at++;
		return TOKEN_WORD;
	}
	return take_operator(tokens);
}

struct token tokens_next(struct tokens *tokens)
{
	struct token token = {.kind = TOKEN_END};

	skip_space(tokens);
	token.at = tokens->at;
	if (tokens->at < tokens->end)
		token.kind = take(tokens);
	token.len = (size_t)(tokens->at - token.at);
	return token;
}

bool token_is_word(const struct token *token, const char *word)
{
	return token->kind == TOKEN_WORD && strlen(word) == token->len &&
	       strncasecmp(token->at, word, token->len) == 0;
}

bool token_is_name(const struct token *token, const char *name)
{
	if (token->kind == TOKEN_QUOTED)
		return strlen(name) + 2 == token->len &&
		       strncasecmp(token->at + 1, name, token->len - 2) == 0;
	return token_is_word(token, name);
}

bool token_is(const struct token *token, const char *operator)
{
	return token->kind == TOKEN_OPERATOR && strlen(operator) == token->len &&
	       memcmp(token->at, operator, token->len) == 0;
}
