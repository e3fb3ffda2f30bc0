/*
 * SQL text as tokens, by SQLite's rules of what is a string, a comment, a name
 * and a number. Keywords are words like any other. Pure; knows no grammar.
 */
#ifndef SQL_TOKENS_H
#define SQL_TOKENS_H

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
	TOKEN_END,
	TOKEN_WORD,   /* a bare name or keyword */
	TOKEN_QUOTED, /* "…", `…` or […]: a name, or by SQLite's kindness a string */
	TOKEN_STRING, /* '…' */
	TOKEN_BLOB,   /* x'…' */
	TOKEN_INTEGER,
	TOKEN_REAL,
	TOKEN_PARAMETER, /* ?, ?1, :a, @a, $a */
	TOKEN_OPERATOR,  /* punctuation; of two bytes where SQLite has such */
	TOKEN_BAD        /* an open quote, or a byte that begins nothing */
};

struct token {
	enum token_kind kind;
	const char *at; /* its first byte, in the text */
	size_t len;
};

struct tokens {
	const char *at, *end;
};

/* White space and comments are passed over; TOKEN_END at the end, again and again. */
struct token tokens_next(struct tokens *tokens);

/* A bare word, in any case. */
bool token_is_word(const struct token *token, const char *word);

/* A bare or quoted name, compared without regard to case, quotes resolved but for doubled ones. */
bool token_is_name(const struct token *token, const char *name);

bool token_is(const struct token *token, const char *operator);

#endif
