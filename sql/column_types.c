/*
 * The way in: declared types, the inference's memory and tokens, and what is
 * done with its result. The grammar is in infer_select.c, infer_from.c and
 * infer_expression.c.
 */
#include "sql/column_types.h"

#include "sql/infer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_TOKENS      20000
#define MAX_ARENA_BYTES (1 << 20)

static bool contains(const char *text, const char *word)
{
	return strcasestr(text, word) != NULL;
}

const char *column_type_declared(const char *declared)
{
	if (declared == NULL || declared[0] == '\0')
		return "";
	/* SQLite's own rules of affinity (section 3.1 of its datatypes), after ours. */
	if (contains(declared, "TIMESTAMP"))
		return "TIMESTAMP";
	if (contains(declared, "INT"))
		return "INTEGER";
	if (contains(declared, "BOOL"))
		return COLUMN_TYPE_BOOLEAN;
	if (contains(declared, "CHAR") || contains(declared, "CLOB") || contains(declared, "TEXT"))
		return "TEXT";
	if (contains(declared, "BLOB"))
		return "BLOB";
	if (contains(declared, "REAL") || contains(declared, "FLOA") || contains(declared, "DOUB"))
		return "REAL";
	return "";
}

/* How much a number's type can hold; 0: no number. */
static int number_rank(const char *type)
{
	static const char *const ranks[] = {COLUMN_TYPE_BOOLEAN, "INTEGER", "REAL"};

	for (int i = 0; i < 3; i++) {
		if (strcmp(type, ranks[i]) == 0)
			return i + 1;
	}
	return 0;
}

const char *column_type_combine(const char *one, const char *other)
{
	if (strcmp(one, COLUMN_TYPE_NULL) == 0 || strcmp(one, other) == 0)
		return other;
	if (strcmp(other, COLUMN_TYPE_NULL) == 0)
		return one;
	if (number_rank(one) == 0 || number_rank(other) == 0)
		return "";
	return number_rank(one) > number_rank(other) ? one : other;
}

struct arena_block {
	struct arena_block *next;
	max_align_t bytes[];
};

void *infer_alloc(struct inference *inference, size_t bytes)
{
	struct arena_block *block = NULL;

	inference->arena_bytes += bytes + sizeof(*block);
	if (inference->arena_bytes <= MAX_ARENA_BYTES)
		block = calloc(1, sizeof(*block) + bytes);
	if (block == NULL) {
		inference->failed = true;
		return NULL;
	}
	block->next = inference->blocks;
	inference->blocks = block;
	return block->bytes;
}

static bool read_tokens(struct inference *inference, const char *text, size_t len)
{
	struct tokens tokens = {text, text + len};
	size_t cap = len + 1;

	if (cap > MAX_TOKENS)
		cap = MAX_TOKENS;
	inference->tokens = calloc(cap, sizeof(*inference->tokens));
	if (inference->tokens == NULL)
		return false;
	for (size_t n = 0; n < cap; n++) {
		inference->tokens[n] = tokens_next(&tokens);
		if (inference->tokens[n].kind == TOKEN_BAD)
			return false;
		if (inference->tokens[n].kind == TOKEN_END) {
			inference->n_tokens = n;
			return true;
		}
	}
	return false;
}

size_t infer_skip_brackets(const struct inference *inference, size_t open, size_t to)
{
	size_t depth = 0;

	for (size_t i = open; i < to; i++) {
		if (token_is(&inference->tokens[i], "("))
			depth++;
		else if (token_is(&inference->tokens[i], ")") && --depth == 0)
			return i + 1;
	}
	return to;
}

bool infer_is_word(const struct inference *inference, size_t at, size_t to, const char *word)
{
	return at < to && token_is_word(&inference->tokens[at], word);
}

bool infer_is_operator(
	const struct inference *inference, size_t at, size_t to, const char *operator)
{
	return at < to && token_is(&inference->tokens[at], operator);
}

bool infer_is_any_word(const struct token *token, const char *const *words)
{
	for (; *words != NULL; words++) {
		if (token_is_word(token, *words))
			return true;
	}
	return false;
}

/*
 * The first token in [from, to), outside brackets,
 * that is one of the words; `to` if there is none.
 */
size_t infer_find_word(
	const struct inference *inference, size_t from, size_t to, const char *const *words)
{
	for (size_t i = from; i < to;) {
		if (token_is(&inference->tokens[i], "(")) {
			i = infer_skip_brackets(inference, i, to);
			continue;
		}
		if (infer_is_any_word(&inference->tokens[i], words))
			return i;
		i++;
	}
	return to;
}

/* A name without its quotes. */
void infer_take_name(const struct token *token, const char **name, size_t *len)
{
	bool quoted = token->kind == TOKEN_QUOTED || token->kind == TOKEN_STRING;

	*name = token->at + quoted;
	*len = token->len - 2 * (size_t)quoted;
}

bool infer_is_name(const struct token *token)
{
	return token->kind == TOKEN_WORD || token->kind == TOKEN_QUOTED;
}

void column_types_infer(sqlite3 *db, const struct sql_extension *extension, const char *text,
	size_t len, struct column_type *types, size_t n)
{
	struct inference inference = {.db = db, .extension = extension};
	struct offered_table *result = NULL;
	struct arena_block *next;
	size_t end;

	if (read_tokens(&inference, text, len)) {
		end = inference.n_tokens;
		while (end > 0 && token_is(&inference.tokens[end - 1], ";"))
			end--;
		result = infer_query(&inference, NULL, 0, end);
	}
	/* A count that differs means that something was misunderstood. */
	if (result != NULL && !inference.failed && result->n_columns == n) {
		for (size_t i = 0; i < n; i++) {
			types[i].is_aggregate = result->columns[i].is_aggregate;
			if (types[i].type[0] == '\0' &&
				strcmp(result->columns[i].type, COLUMN_TYPE_NULL) != 0)
				types[i].type = result->columns[i].type;
		}
	}
	for (struct arena_block *block = inference.blocks; block != NULL; block = next) {
		next = block->next;
		free(block);
	}
	free(inference.tokens);
}
