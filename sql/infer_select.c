/* Queries: WITH, the cores of a compound, the terms of a SELECT. */
#include "sql/infer.h"

#include <stdio.h>
#include <string.h>

/* The result columns of one core, collected as they come. */
struct collecting {
	struct offered_table *table;
	size_t cap;
};

static void add_column(
	struct inference *inference, struct collecting *into, struct offered_column column)
{
	struct offered_table *table = into->table;

	if (table->n_columns == into->cap) {
		size_t cap = into->cap * 2 + 8;
		struct offered_column *columns = infer_alloc(inference, cap * sizeof(*columns));

		if (columns == NULL)
			return;
		if (table->n_columns > 0)
			memcpy(columns, table->columns, table->n_columns * sizeof(*columns));
		table->columns = columns;
		into->cap = cap;
	}
	table->columns[table->n_columns++] = column;
}

/* Whether NATURAL or USING hides this column of `table`, because one before has shown it. */
static bool is_merged(const struct inference *inference, const struct scope *scope,
	const struct offered_table *table, const struct offered_column *column)
{
	for (size_t i = table->using_from; i < table->using_to; i++) {
		const char *name;
		size_t len;

		infer_take_name(&inference->tokens[i], &name, &len);
		if (infer_same_name(name, len, column->name, column->name_len))
			return true;
	}
	if (!table->is_natural)
		return false;
	for (const struct offered_table *before = scope->tables; before != table;
		before = before->next) {
		for (size_t i = 0; i < before->n_columns; i++) {
			if (infer_same_name(before->columns[i].name, before->columns[i].name_len,
				    column->name, column->name_len))
				return true;
		}
	}
	return false;
}

/* `*` and `t.*`. */
static void add_star(struct inference *inference, struct collecting *into,
	const struct scope *scope, const struct token *only)
{
	const char *name = NULL;
	size_t len = 0;

	if (only != NULL)
		infer_take_name(only, &name, &len);
	for (const struct offered_table *table = scope->tables; table != NULL;
		table = table->next) {
		if (only != NULL && (table->name == NULL || !infer_same_name(table->name,
								    table->name_len, name, len)))
			continue;
		for (size_t i = 0; i < table->n_columns; i++) {
			if (only != NULL || !is_merged(inference, scope, table, &table->columns[i]))
				add_column(inference, into, table->columns[i]);
		}
	}
}

/* `min` and `max` of several arguments are of one row. */
static bool is_aggregate_call(const struct inference *inference, size_t at, size_t to)
{
	static const char *const names[] = {"avg", "count", "group_concat", "json_group_array",
		"json_group_object", "max", "min", "string_agg", "sum", "total", NULL};
	const struct token *token = &inference->tokens[at];
	size_t end;

	if (!infer_is_operator(inference, at + 1, to, "(") || !infer_is_any_word(token, names))
		return false;
	if (!token_is_word(token, "min") && !token_is_word(token, "max"))
		return true;
	end = infer_skip_brackets(inference, at + 1, to) - 1;
	for (size_t i = at + 2; i < end;) {
		if (token_is(&inference->tokens[i], ","))
			return false;
		i = token_is(&inference->tokens[i], "(") ? infer_skip_brackets(inference, i, end)
							 : i + 1;
	}
	return true;
}

static bool has_aggregate(const struct inference *inference, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		if (is_aggregate_call(inference, i, to))
			return true;
	}
	return false;
}

/* One term of the list: `expr [[AS] alias]`, `*`, `t.*`. */
static void add_term(struct inference *inference, struct collecting *into,
	const struct scope *scope, size_t from, size_t to)
{
	struct offered_column column = {0};
	struct token *tokens = inference->tokens;

	if (from >= to)
		return;
	if (token_is(&tokens[to - 1], "*") && (to - from == 1 || token_is(&tokens[to - 2], "."))) {
		add_star(inference, into, scope, to - from == 1 ? NULL : &tokens[to - 3]);
		return;
	}
	if (to - from >= 2 &&
		(infer_is_name(&tokens[to - 1]) || tokens[to - 1].kind == TOKEN_STRING)) {
		const struct token *before = &tokens[to - 2];
		bool has_as = token_is_word(before, "as");
		/* A name behind an operand is an alias; behind a point, an operator or a word it is
		 * none, but END closes CASE. */
		bool is_alias =
			has_as ||
			(!token_is_word(&tokens[to - 1], "end") &&
				(token_is(before, ")") || before->kind == TOKEN_QUOTED ||
					before->kind == TOKEN_STRING ||
					before->kind == TOKEN_INTEGER ||
					before->kind == TOKEN_REAL || before->kind == TOKEN_BLOB ||
					before->kind == TOKEN_PARAMETER ||
					before->kind == TOKEN_WORD));

		if (is_alias) {
			infer_take_name(&tokens[to - 1], &column.name, &column.name_len);
			to -= has_as ? 2 : 1;
		}
	}
	if (column.name == NULL && infer_is_name(&tokens[to - 1]))
		infer_take_name(&tokens[to - 1], &column.name, &column.name_len);
	if (column.name == NULL)
		column.name = "";
	column.type = infer_expression(inference, scope, from, to);
	column.is_aggregate = has_aggregate(inference, from, to);
	add_column(inference, into, column);
}

/* Terms between commas outside brackets. */
static void add_terms(struct inference *inference, struct collecting *into,
	const struct scope *scope, size_t from, size_t to)
{
	size_t begin = from;

	for (size_t i = from; i < to && !inference->failed;) {
		if (token_is(&inference->tokens[i], "(")) {
			i = infer_skip_brackets(inference, i, to);
			continue;
		}
		if (token_is(&inference->tokens[i], ",")) {
			add_term(inference, into, scope, begin, i);
			begin = i + 1;
		}
		i++;
	}
	add_term(inference, into, scope, begin, to);
}

static const char *const compound_words[] = {"union", "intersect", "except", NULL};

/* SQLite calls the columns of VALUES column1, column2 … */
static void name_values(struct inference *inference, struct offered_table *table)
{
	for (size_t i = 0; i < table->n_columns; i++) {
		char *name = infer_alloc(inference, 32);

		if (name == NULL)
			return;
		table->columns[i].name_len = (size_t)snprintf(name, 32, "column%zu", i + 1);
		table->columns[i].name = name;
	}
}

/* One SELECT or VALUES in [from, to), which holds no compound operator outside brackets. */
static struct offered_table *core_columns(
	struct inference *inference, const struct scope *outer, size_t from, size_t to)
{
	static const char *const behind_list[] = {
		"from", "where", "group", "having", "window", "order", "limit", NULL};
	static const char *const behind_from[] = {
		"where", "group", "having", "window", "order", "limit", NULL};
	struct scope scope = {.outer = outer};
	struct collecting into = {.table = infer_table_new(inference, 0)};
	size_t list = from + 1;
	size_t end;

	if (into.table == NULL)
		return NULL;
	if (infer_is_word(inference, from, to, "values")) {
		if (infer_is_operator(inference, list, to, "("))
			add_terms(inference, &into, &scope, list + 1,
				infer_skip_brackets(inference, list, to) - 1);
		name_values(inference, into.table);
		return into.table;
	}
	if (!infer_is_word(inference, from, to, "select"))
		return NULL;
	if (infer_is_word(inference, list, to, "distinct") ||
		infer_is_word(inference, list, to, "all"))
		list++;
	end = infer_find_word(inference, list, to, behind_list);
	if (infer_is_word(inference, end, to, "from") &&
		!infer_from(inference, &scope, end + 1,
			infer_find_word(inference, end + 1, to, behind_from)))
		return NULL;
	add_terms(inference, &into, &scope, list, end);
	return into.table;
}

/* Takes the columns of its query, under the names that stand in brackets behind the expression's
 * own. */
static void define(
	struct inference *inference, struct offered_table *cte, const struct offered_table *query)
{
	size_t n = 0;

	cte->columns = infer_alloc(inference, (query->n_columns + 1) * sizeof(*cte->columns));
	if (cte->columns == NULL)
		return;
	cte->n_columns = query->n_columns;
	if (query->n_columns > 0)
		memcpy(cte->columns, query->columns, query->n_columns * sizeof(*cte->columns));
	for (size_t i = cte->using_from; i < cte->using_to && n < cte->n_columns; i++) {
		if (infer_is_name(&inference->tokens[i])) {
			infer_take_name(&inference->tokens[i], &cte->columns[n].name,
				&cte->columns[n].name_len);
			n++;
		}
	}
}

static void combine(struct offered_column *column, const struct offered_column *other)
{
	column->type = column_type_combine(column->type, other->type);
	column->is_aggregate = column->is_aggregate || other->is_aggregate;
}

static struct offered_table *compound_columns(
	struct inference *inference, const struct scope *outer, size_t from, size_t to)
{
	struct offered_table *recursive = inference->defining;
	struct offered_table *result = NULL;

	inference->defining = NULL;

	while (from < to) {
		size_t end = infer_find_word(inference, from, to, compound_words);
		struct offered_table *core = core_columns(inference, outer, from, end);

		if (core == NULL)
			return NULL;
		if (result == NULL) {
			result = core;
			/* The cores behind the first may name the expression itself. */
			if (recursive != NULL)
				define(inference, recursive, core);
		} else {
			for (size_t i = 0; i < core->n_columns && i < result->n_columns; i++)
				combine(&result->columns[i], &core->columns[i]);
		}
		from = end + 1;
		if (infer_is_word(inference, from, to, "all"))
			from++;
	}
	return result;
}

/* `name [(columns)] AS [[NOT] MATERIALIZED] (query)` at *at. */
static bool read_cte(struct inference *inference, const struct scope *outer, size_t *at, size_t to)
{
	struct offered_table *cte = infer_table_new(inference, 0);
	struct offered_table *query;
	size_t end;

	if (cte == NULL || *at >= to || !infer_is_name(&inference->tokens[*at]))
		return false;
	infer_take_name(&inference->tokens[*at], &cte->name, &cte->name_len);
	(*at)++;
	if (infer_is_operator(inference, *at, to, "(")) {
		cte->using_from = *at + 1;
		*at = infer_skip_brackets(inference, *at, to);
		cte->using_to = *at - 1;
	}
	while (*at < to && !infer_is_operator(inference, *at, to, "("))
		(*at)++;
	end = infer_skip_brackets(inference, *at, to);
	cte->next = inference->ctes;
	inference->ctes = cte;
	inference->defining = cte;
	query = *at + 1 < end ? infer_query(inference, outer, *at + 1, end - 1) : NULL;
	inference->defining = NULL;
	*at = end;
	if (query == NULL)
		return false;
	define(inference, cte, query);
	return true;
}

struct offered_table *infer_query(
	struct inference *inference, const struct scope *outer, size_t from, size_t to)
{
	struct offered_table *outer_ctes = inference->ctes;
	struct offered_table *result = NULL;
	bool understood = true;

	if (++inference->depth > INFERENCE_MAX_DEPTH)
		inference->failed = true;
	if (infer_is_word(inference, from, to, "with")) {
		from++;
		if (infer_is_word(inference, from, to, "recursive"))
			from++;
		do
			understood = !inference->failed && read_cte(inference, outer, &from, to);
		while (understood && infer_is_operator(inference, from, to, ",") && from++ < to);
	}
	if (understood && !inference->failed)
		result = compound_columns(inference, outer, from, to);
	inference->ctes = outer_ctes;
	inference->depth--;
	return result;
}
