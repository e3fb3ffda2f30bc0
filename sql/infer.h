/*
 * Between the files of the inference of column types (column_types.h): a
 * statement's tokens, what its FROMs offer, and the three readers that call
 * each other. Private to them.
 */
#ifndef SQL_INFER_H
#define SQL_INFER_H

#include "sql/statement.h"
#include "sql/tokens.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#define INFERENCE_MAX_DEPTH 40 /* brackets within brackets */

#define COLUMN_TYPE_NULL "NULL" /* a NULL literal: agrees with anything */

/* A column that a FROM item or a common table expression offers. */
struct offered_column {
	const char *name; /* in the text or the arena; not NUL-terminated */
	size_t name_len;
	const char *type;
	bool is_aggregate; /* made of an aggregate of other rows */
};

struct offered_table {
	const char *name; /* its alias or name; NULL: none */
	size_t name_len;
	struct offered_column *columns;
	size_t n_columns;
	bool is_natural;   /* NATURAL JOIN: columns that stood before are not repeated */
	/* tokens of USING (…), or of an expression's own names; equal: none */
	size_t using_from, using_to;
	struct offered_table *next;
};

struct scope {
	struct offered_table *tables; /* FROM, in its order */
	const struct scope *outer;    /* of a correlated subquery */
};

struct inference {
	sqlite3 *db;
	const struct sql_extension *extension; /* NULL: none */
	struct token *tokens; /* ends with TOKEN_END */
	size_t n_tokens;
	struct offered_table *ctes; /* newest first */
	struct offered_table *defining; /* the one whose query is about to be read; NULL: none */
	struct arena_block *blocks;
	size_t arena_bytes;
	int depth;
	bool failed; /* no memory, or too deep: nothing is announced */
};

/* Memory that lives as long as the inference; NULL sets failed. */
void *infer_alloc(struct inference *inference, size_t bytes);

/* Tokens: whether the one at `at`, before `to`, is this word or operator. */
bool infer_is_word(const struct inference *inference, size_t at, size_t to, const char *word);
bool infer_is_operator(
	const struct inference *inference, size_t at, size_t to, const char *operator);
/* `words` ends with NULL. */
bool infer_is_any_word(const struct token *token, const char *const *words);
/* The first of [from, to), outside brackets, that is one of the words; `to` if there is none. */
size_t infer_find_word(
	const struct inference *inference, size_t from, size_t to, const char *const *words);
/* The token behind the bracket that closes the one at `open`, or `to`. */
size_t infer_skip_brackets(const struct inference *inference, size_t open, size_t to);

/* Names: bare or quoted words; their text without quotes; equality without regard to case. */
bool infer_is_name(const struct token *token);
void infer_take_name(const struct token *token, const char **name, size_t *len);
bool infer_same_name(const char *a, size_t a_len, const char *b, size_t b_len);

/* Two answers for one column. */
const char *column_type_combine(const char *one, const char *other);

struct offered_table *infer_table_new(struct inference *inference, size_t n_columns);

/* Reads FROM's items in [at, to) into the scope; false when one is not understood. */
bool infer_from(struct inference *inference, struct scope *scope, size_t at, size_t to);

/*
 * The columns of the query that begins at token `from` (WITH, SELECT or VALUES),
 * up to `to`; NULL: not understood.
 */
struct offered_table *infer_query(
	struct inference *inference, const struct scope *outer, size_t from, size_t to);

/* The type of tokens [from, to). */
const char *infer_expression(
	struct inference *inference, const struct scope *scope, size_t from, size_t to);

#endif
