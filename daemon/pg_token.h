/*
 * The tokens of PostgreSQL's SQL: enough to pass over strings and comments and
 * to see names, numbers and operators. Pure; any thread.
 */
#ifndef DAEMON_PG_TOKEN_H
#define DAEMON_PG_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

enum pg_token_kind {
	PG_TOKEN_END,
	PG_TOKEN_SPACE, /* white space and comments */
	PG_TOKEN_NAME,  /* a word, or "quoted" */
	PG_TOKEN_STRING,
	PG_TOKEN_ESCAPE_STRING, /* E'…' */
	PG_TOKEN_DOLLAR_STRING, /* $tag$…$tag$ */
	PG_TOKEN_NUMBER,
	PG_TOKEN_PARAMETER, /* $1 */
	PG_TOKEN_OPERATOR,  /* one to three characters */
	PG_TOKEN_UNCLOSED,  /* a quote or comment without its end */
};

struct pg_token {
	enum pg_token_kind kind;
	const char *text;
	size_t len;
};

/* The token at text[0, len); its length is at least 1 unless END. */
struct pg_token pg_token_next(const char *text, size_t len);

/*
 * The token is this word (lower case), in any case, not quoted. Inline: every
 * word of every statement is compared with all that the rules know.
 */
static inline bool pg_token_is(const struct pg_token *token, const char *word)
{
	return token->len > 0 && ((token->text[0] ^ word[0]) & ~0x20) == 0 &&
	       (token->kind == PG_TOKEN_NAME || token->kind == PG_TOKEN_OPERATOR) &&
	       token->len == strlen(word) && strncasecmp(token->text, word, token->len) == 0;
}

#endif
