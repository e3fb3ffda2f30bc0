/* FROM: its items, their columns, and how they are joined. */
#include "sql/infer.h"

#include "sql/column_types.h"

#include <string.h>
#include <strings.h>

struct offered_table *infer_table_new(struct inference *inference, size_t n_columns)
{
	struct offered_table *table = infer_alloc(inference, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->columns = infer_alloc(inference, (n_columns + 1) * sizeof(*table->columns));
	table->n_columns = n_columns;
	return table->columns != NULL ? table : NULL;
}

bool infer_same_name(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* A table of the schema, or a virtual one, by its declared columns. NULL: there is none. */
static struct offered_table *schema_table(struct inference *inference, const char *name, size_t len)
{
	struct offered_table *table = NULL;
	sqlite3_stmt *stmt = NULL;
	size_t n = 0;

	if (sqlite3_prepare_v2(inference->db,
		    "SELECT name, type, count(*) OVER () FROM pragma_table_info(?1)", -1, &stmt,
		    NULL) != SQLITE_OK ||
		sqlite3_bind_text(stmt, 1, name, (int)len, SQLITE_STATIC) != SQLITE_OK) {
		(void)sqlite3_finalize(stmt);
		return NULL;
	}
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		size_t column_len = (size_t)sqlite3_column_bytes(stmt, 0);
		char *copy;

		if (table == NULL)
			table = infer_table_new(inference, (size_t)sqlite3_column_int(stmt, 2));
		copy = table != NULL ? infer_alloc(inference, column_len + 1) : NULL;
		if (copy == NULL || n == table->n_columns)
			break;
		memcpy(copy, sqlite3_column_text(stmt, 0), column_len);
		table->columns[n++] = (struct offered_column){.name = copy,
			.name_len = column_len,
			.type = column_type_declared((const char *)sqlite3_column_text(stmt, 1))};
	}
	(void)sqlite3_finalize(stmt);
	return table;
}

static const struct offered_table *find_cte(
	const struct inference *inference, const char *name, size_t len)
{
	for (const struct offered_table *cte = inference->ctes; cte != NULL; cte = cte->next) {
		if (infer_same_name(cte->name, cte->name_len, name, len))
			return cte;
	}
	return NULL;
}

/* A copy of its own, so that it can be linked into a FROM. */
static struct offered_table *named_table(
	struct inference *inference, const struct token *token, bool is_qualified)
{
	const struct offered_table *cte = NULL;
	struct offered_table *table;
	const char *name;
	size_t len;

	infer_take_name(token, &name, &len);
	if (!is_qualified)
		cte = find_cte(inference, name, len);
	if (cte == NULL) {
		table = schema_table(inference, name, len);
		if (table == NULL)
			table = infer_table_new(inference, 0);
	} else {
		table = infer_alloc(inference, sizeof(*table));
		if (table != NULL)
			*table = (struct offered_table){
				.columns = cte->columns, .n_columns = cte->n_columns};
	}
	if (table != NULL) {
		table->name = name;
		table->name_len = len;
		table->next = NULL;
	}
	return table;
}

static const char *const join_words[] = {
	"join", "natural", "left", "right", "full", "outer", "inner", "cross", NULL};
static const char *const behind_item[] = {"join", "natural", "left", "right", "full", "outer",
	"inner", "cross", "on", "using", "indexed", "not", NULL};

/* `[AS] alias` behind an item; returns the token behind it. */
static size_t take_alias(
	struct inference *inference, struct offered_table *table, size_t at, size_t to)
{
	bool has_as = infer_is_word(inference, at, to, "as");

	if (has_as)
		at++;
	if (at >= to || !infer_is_name(&inference->tokens[at]))
		return at;
	if (!has_as && infer_is_any_word(&inference->tokens[at], behind_item))
		return at;
	infer_take_name(&inference->tokens[at], &table->name, &table->name_len);
	return at + 1;
}

/* One item of FROM at *at; NULL when it is not understood. */
static struct offered_table *from_item(
	struct inference *inference, const struct scope *outer, size_t *at, size_t to)
{
	struct offered_table *table;

	if (infer_is_operator(inference, *at, to, "(")) {
		size_t end = infer_skip_brackets(inference, *at, to);

		table = infer_query(inference, outer, *at + 1, end - 1);
		*at = end;
	} else {
		bool is_qualified = infer_is_operator(inference, *at + 1, to, ".");

		if (is_qualified)
			*at += 2;
		if (*at >= to || !infer_is_name(&inference->tokens[*at]))
			return NULL;
		table = named_table(inference, &inference->tokens[*at], is_qualified);
		(*at)++;
		if (infer_is_operator(inference, *at, to, "("))
			*at = infer_skip_brackets(inference, *at, to);
	}
	if (table != NULL)
		*at = take_alias(inference, table, *at, to);
	return table;
}

/* Passes ON and USING to the next item; false at the end of FROM. */
static bool next_item(struct inference *inference, struct offered_table *table, size_t *at,
	size_t to, bool *is_natural)
{
	bool is_join = false;

	*is_natural = false;
	while (*at < to) {
		const struct token *token = &inference->tokens[*at];

		if (token_is(token, "(")) {
			*at = infer_skip_brackets(inference, *at, to);
		} else if (token_is(token, ",")) {
			(*at)++;
			return true;
		} else if (token_is_word(token, "using") &&
			   infer_is_operator(inference, *at + 1, to, "(")) {
			table->using_from = *at + 2;
			*at = infer_skip_brackets(inference, *at + 1, to);
			table->using_to = *at - 1;
		} else if (infer_is_any_word(token, join_words)) {
			is_join = true;
			*is_natural = *is_natural || token_is_word(token, "natural");
			(*at)++;
			if (token_is_word(token, "join"))
				return true;
		} else {
			(*at)++;
		}
	}
	return is_join;
}

bool infer_from(struct inference *inference, struct scope *scope, size_t at, size_t to)
{
	struct offered_table **last = &scope->tables;
	struct offered_table *table;
	bool is_natural = false;

	do {
		table = from_item(inference, scope->outer, &at, to);
		if (table == NULL)
			return false;
		table->is_natural = is_natural;
		*last = table;
		last = &table->next;
	} while (next_item(inference, table, &at, to, &is_natural));
	return true;
}
