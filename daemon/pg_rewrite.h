/*
 * A statement cut into tokens, each of which may be given another text, a text
 * in front and a text behind; then all are written out. What the rules of
 * pg_dialect.c and pg_cast.c work on: so an operator's operand can be wrapped
 * without a parser. The operand that ends at a token is the literal, name,
 * parameter or parenthesis (with the name of its function) there, or what a
 * rule wrapped before. Pure; one thread.
 */
#ifndef DAEMON_PG_REWRITE_H
#define DAEMON_PG_REWRITE_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/pg_token.h"

#include <stdbool.h>
#include <stddef.h>

struct pg_piece {
	struct pg_token source;  /* as it was written */
	struct pg_token token;   /* as it is read; a rule may empty it */
	const char *replacement; /* NULL: the token itself */
	const char *closing;     /* what stands behind it; NULL: nothing */
	size_t partner;          /* of a bracket; SIZE_MAX: it has none */
	size_t operand_start;    /* of the wrapped operand that ends here, as an index */
	bool ends_operand;
	size_t opening;          /* the newest of those in front, 1-based; 0: none */
	size_t n_backslashes;    /* literals with a backslash up to here, this one included */
};

/* What stands in front of a piece: the newer of two there is the outer one. */
struct pg_opening {
	const char *text;
	size_t older; /* 1-based; 0: none */
};

struct pg_rewrite {
	struct pg_piece *pieces;
	size_t n, cap;
	struct pg_opening *openings;
	size_t n_openings, cap_openings;
	char **texts; /* made by rules; owned */
	size_t n_texts, cap_texts;
};

/* Borrows `text`. ERR_NOMEM, or ERR_INVALID for an unclosed quote; pg_rewrite_fini either way. */
int pg_rewrite_init(struct pg_rewrite *rewrite, const char *text, size_t len, struct err *err)
	__attribute__((warn_unused_result));
void pg_rewrite_fini(struct pg_rewrite *rewrite);

/* The next piece at or behind i that is no space; n at the end. */
size_t pg_rewrite_skip(const struct pg_rewrite *rewrite, size_t i);
/* The piece before i that is no space and stands as it was; SIZE_MAX at the start. */
size_t pg_rewrite_before(const struct pg_rewrite *rewrite, size_t i);
/* False at the end. */
static inline bool pg_rewrite_is(const struct pg_rewrite *rewrite, size_t i, const char *word)
{
	return i < rewrite->n && pg_token_is(&rewrite->pieces[i].token, word);
}
static inline bool pg_rewrite_is_kind(
	const struct pg_rewrite *rewrite, size_t i, enum pg_token_kind kind)
{
	return i < rewrite->n && rewrite->pieces[i].token.kind == kind;
}
/* What closes the bracket at `open`; n: nothing does, or there is no bracket. */
size_t pg_rewrite_closing(const struct pg_rewrite *rewrite, size_t open);
/* Where the operand that ends at `end` begins. */
size_t pg_rewrite_operand(const struct pg_rewrite *rewrite, size_t end);

/* Pieces [from, to) become nothing. */
void pg_rewrite_erase(struct pg_rewrite *rewrite, size_t from, size_t to);
/* Puts static texts in front of `start` and behind `end`; the whole is one operand then. */
int pg_rewrite_wrap(struct pg_rewrite *rewrite, size_t start, const char *opening, size_t end,
	const char *closing, struct err *err) __attribute__((warn_unused_result));
/* One more text behind a piece, outside of those that are there. */
int pg_rewrite_append(struct pg_rewrite *rewrite, size_t i, const char *text, struct err *err)
	__attribute__((warn_unused_result));
/* The source of pieces [from, to) between two texts; lives with the rewrite. NULL: no memory. */
const char *pg_rewrite_text(struct pg_rewrite *rewrite, const char *head, size_t from, size_t to,
	const char *tail);

/*
 * Writes all of it; stops once `until` bytes are written, and returns where in
 * the source that was, at worst the nearest token before it.
 */
size_t pg_rewrite_write(
	const struct pg_rewrite *rewrite, const char *text, struct buf *out, size_t until);

#endif
