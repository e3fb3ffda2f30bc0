/*
 * The type of an expression, from the operator that is applied last: the one
 * that binds weakest outside brackets and CASE. Operands are then expressions
 * of their own.
 */
#include "sql/infer.h"

#include "sql/column_types.h"

#include <string.h>
#include <strings.h>

static const struct token *token_at(const struct inference *inference, size_t at)
{
	return &inference->tokens[at];
}

/* The token behind the END that closes the CASE at `from`, or `to`. */
static size_t skip_case(const struct inference *inference, size_t from, size_t to)
{
	size_t depth = 0;

	for (size_t i = from; i < to; i++) {
		if (token_is_word(token_at(inference, i), "case"))
			depth++;
		else if (token_is_word(token_at(inference, i), "end") && --depth == 0)
			return i + 1;
	}
	return to;
}

/* The next token outside brackets and CASE behind the one at `at`. */
static size_t step_over(const struct inference *inference, size_t at, size_t to)
{
	if (token_is(token_at(inference, at), "("))
		return infer_skip_brackets(inference, at, to);
	if (token_is_word(token_at(inference, at), "case"))
		return skip_case(inference, at, to);
	return at + 1;
}

/* What may stand in front of an operator between two operands; else `+` and `-` are signs. */
static bool ends_operand(const struct token *token)
{
	switch (token->kind) {
	case TOKEN_OPERATOR: return token_is(token, ")");
	case TOKEN_END:
	case TOKEN_BAD: return false;
	default: return true;
	}
}

enum strength { NO_OPERATOR, CONCATENATION, PRODUCT, SUM, BITS, COMPARISON };

static enum strength strength_of(const struct token *token)
{
	static const char *const comparing[] = {"and", "or", "not", "is", "in", "like", "glob",
		"between", "isnull", "notnull", "exists", "match", "regexp"};
	static const char *const operators[] = {"=", "==", "<>", "!=", "<", "<=", ">", ">="};

	if (token->kind == TOKEN_WORD) {
		for (size_t i = 0; i < sizeof(comparing) / sizeof(comparing[0]); i++) {
			if (token_is_word(token, comparing[i]))
				return COMPARISON;
		}
		return NO_OPERATOR;
	}
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		if (token_is(token, operators[i]))
			return COMPARISON;
	}
	if (token_is(token, "&") || token_is(token, "|") || token_is(token, "<<") ||
		token_is(token, ">>"))
		return BITS;
	if (token_is(token, "+") || token_is(token, "-"))
		return SUM;
	if (token_is(token, "*") || token_is(token, "/") || token_is(token, "%"))
		return PRODUCT;
	if (token_is(token, "||") || token_is(token, "->") || token_is(token, "->>"))
		return CONCATENATION;
	return NO_OPERATOR;
}

/* How weakly the operator at `at` binds; a sign is part of its operand and none. */
static enum strength operator_at(const struct inference *inference, size_t at, size_t from)
{
	enum strength strength = strength_of(token_at(inference, at));

	if (strength == SUM && (at == from || !ends_operand(token_at(inference, at - 1))))
		return NO_OPERATOR;
	return strength;
}

static enum strength weakest_operator(const struct inference *inference, size_t from, size_t to)
{
	enum strength weakest = NO_OPERATOR;

	for (size_t i = from; i < to; i = step_over(inference, i, to)) {
		enum strength here = operator_at(inference, i, from);

		if (here > weakest)
			weakest = here;
	}
	return weakest;
}

static const char *arithmetic(const char *left, const char *right)
{
	const char *both = column_type_combine(left, right);

	if (strcmp(both, COLUMN_TYPE_BOOLEAN) == 0)
		return "INTEGER";
	return strcmp(both, "INTEGER") == 0 || strcmp(both, "REAL") == 0 ? both : "";
}

/* A chain of sums or products: what its operands agree on. */
static const char *chain_type(struct inference *inference, const struct scope *scope, size_t from,
	size_t to, enum strength strength)
{
	const char *type = NULL;
	size_t begin = from;

	for (size_t i = from; i <= to; i = i < to ? step_over(inference, i, to) : i + 1) {
		const char *operand;

		if (i < to && operator_at(inference, i, from) != strength)
			continue;
		operand = infer_expression(inference, scope, begin, i);
		type = type == NULL ? operand : arithmetic(type, operand);
		begin = i + 1;
	}
	return type;
}

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && a != NULL && strncasecmp(a, b, a_len) == 0;
}

/* `column`, `table.column` or `schema.table.column`. NULL: no such thing is offered. */
static const char *column_type(
	const struct inference *inference, const struct scope *scope, size_t from, size_t to)
{
	const char *table_name = NULL;
	const char *name;
	size_t table_len = 0, len;

	infer_take_name(token_at(inference, to - 1), &name, &len);
	if (to - from >= 3)
		infer_take_name(token_at(inference, to - 3), &table_name, &table_len);
	for (; scope != NULL; scope = scope->outer) {
		for (const struct offered_table *table = scope->tables; table != NULL;
			table = table->next) {
			if (table_name != NULL &&
				!is_same(table->name, table->name_len, table_name, table_len))
				continue;
			for (size_t i = 0; i < table->n_columns; i++) {
				if (is_same(table->columns[i].name, table->columns[i].name_len,
					    name, len))
					return table->columns[i].type;
			}
		}
	}
	return NULL;
}

/* What a function gives; FIRST: as its first argument, SUM_OF: that if it is a number, ANY: what
 * all its arguments agree on. */
enum gives { INTEGER, REAL, TEXT, BLOB, TIMESTAMP, SUM_OF, FIRST, ANY, IIF };

static const struct {
	const char *name;
	enum gives gives;
} functions[] = {
	{"abs", FIRST},
	{"acos", REAL},
	{"acosh", REAL},
	{"asin", REAL},
	{"asinh", REAL},
	{"atan", REAL},
	{"atan2", REAL},
	{"atanh", REAL},
	{"avg", REAL},
	{"ceil", SUM_OF},
	{"ceiling", SUM_OF},
	{"changes", INTEGER},
	{"char", TEXT},
	{"coalesce", ANY},
	{"cos", REAL},
	{"cosh", REAL},
	{"count", INTEGER},
	{"cume_dist", REAL},
	{"date", TEXT},
	{"date_format", TEXT},
	{"date_trunc", TIMESTAMP},
	{"datetime", TEXT},
	{"degrees", REAL},
	{"dense_rank", INTEGER},
	{"exp", REAL},
	{"first_value", FIRST},
	{"floor", SUM_OF},
	{"format", TEXT},
	{"from_unixtime", TEXT},
	{"glob", INTEGER},
	{"group_concat", TEXT},
	{"hex", TEXT},
	{"ifnull", ANY},
	{"iif", IIF},
	{"instr", INTEGER},
	{"json", TEXT},
	{"json_array", TEXT},
	{"json_array_length", INTEGER},
	{"json_group_array", TEXT},
	{"json_group_object", TEXT},
	{"json_insert", TEXT},
	{"json_object", TEXT},
	{"json_quote", TEXT},
	{"json_remove", TEXT},
	{"json_replace", TEXT},
	{"json_set", TEXT},
	{"json_type", TEXT},
	{"json_valid", INTEGER},
	{"julianday", REAL},
	{"lag", FIRST},
	{"last_insert_rowid", INTEGER},
	{"last_value", FIRST},
	{"lead", FIRST},
	{"length", INTEGER},
	{"like", INTEGER},
	{"likelihood", FIRST},
	{"likely", FIRST},
	{"ln", REAL},
	{"log", REAL},
	{"log10", REAL},
	{"log2", REAL},
	{"lower", TEXT},
	{"ltrim", TEXT},
	{"max", ANY},
	{"min", ANY},
	{"mod", REAL},
	{"nth_value", FIRST},
	{"ntile", INTEGER},
	{"nullif", FIRST},
	{"percent_rank", REAL},
	{"pi", REAL},
	{"pow", REAL},
	{"power", REAL},
	{"printf", TEXT},
	{"process_all_available", INTEGER},
	{"quote", TEXT},
	{"radians", REAL},
	{"random", INTEGER},
	{"randomblob", BLOB},
	{"rank", INTEGER},
	{"replace", TEXT},
	{"round", REAL},
	{"row_number", INTEGER},
	{"rtrim", TEXT},
	{"sign", INTEGER},
	{"sin", REAL},
	{"sinh", REAL},
	{"soundex", TEXT},
	{"sqlite_version", TEXT},
	{"sqrt", REAL},
	{"start", TEXT},
	{"stop", TEXT},
	{"strftime", TEXT},
	{"substr", TEXT},
	{"substring", TEXT},
	{"sum", SUM_OF},
	{"tally_version", TEXT},
	{"tan", REAL},
	{"tanh", REAL},
	{"time", TEXT},
	{"to_timestamp", TIMESTAMP},
	{"total", REAL},
	{"total_changes", INTEGER},
	{"trim", TEXT},
	{"trunc", SUM_OF},
	{"typeof", TEXT},
	{"unicode", INTEGER},
	{"unix_timestamp", INTEGER},
	{"unixepoch", INTEGER},
	{"unlikely", FIRST},
	{"upper", TEXT},
	{"zeroblob", BLOB},
};

/* What the arguments from the `skip`th on agree on; only the first of them with `first_only`. */
static const char *arguments_type(struct inference *inference, const struct scope *scope,
	size_t from, size_t to, size_t skip, bool first_only)
{
	const char *type = COLUMN_TYPE_NULL;
	size_t begin = from, n = 0;

	for (size_t i = from; i <= to; i = i < to ? step_over(inference, i, to) : i + 1) {
		if (i < to && !token_is(token_at(inference, i), ","))
			continue;
		if (n++ >= skip)
			type = column_type_combine(
				type, infer_expression(inference, scope, begin, i));
		if (first_only && n > skip)
			break;
		begin = i + 1;
	}
	return type;
}

/* What a function gives that a protocol brought along. */
static const char *extension_type(const struct sql_extension *extension, const struct token *token)
{
	if (extension == NULL || extension->function_type == NULL)
		return "";
	return extension->function_type(token->at, token->len);
}

/* A call whose brackets are [from, to). */
static const char *call_type(struct inference *inference, const struct scope *scope,
	const struct token *name, size_t from, size_t to)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (!token_is_name(name, functions[i].name))
			continue;
		switch (functions[i].gives) {
		case INTEGER: return "INTEGER";
		case REAL: return "REAL";
		case TEXT: return "TEXT";
		case BLOB: return "BLOB";
		case TIMESTAMP: return "TIMESTAMP";
		case SUM_OF: {
			const char *type = arguments_type(inference, scope, from, to, 0, true);

			return arithmetic(type, type);
		}
		case FIRST: return arguments_type(inference, scope, from, to, 0, true);
		case ANY: return arguments_type(inference, scope, from, to, 0, false);
		case IIF: return arguments_type(inference, scope, from, to, 1, false);
		}
	}
	return extension_type(inference->extension, name);
}

/* What the THEN and ELSE branches of [from, to), a whole CASE … END, agree on. */
static const char *case_type(
	struct inference *inference, const struct scope *scope, size_t from, size_t to)
{
	const char *type = COLUMN_TYPE_NULL;
	size_t branch = 0;

	for (size_t i = from + 1; i < to; i = step_over(inference, i, to)) {
		const struct token *token = token_at(inference, i);
		bool opens = token_is_word(token, "then") || token_is_word(token, "else");

		if (branch != 0 && (opens || token_is_word(token, "when") || i == to - 1)) {
			type = column_type_combine(
				type, infer_expression(inference, scope, branch, i));
			branch = 0;
		}
		if (opens)
			branch = i + 1;
	}
	return type;
}

/* `x AS type`, within CAST's brackets. */
static const char *cast_type(struct inference *inference, size_t from, size_t to)
{
	for (size_t i = from; i < to; i = step_over(inference, i, to)) {
		if (token_is_word(token_at(inference, i), "as")) {
			char declared[64];
			const char *begin = token_at(inference, i)->at + 2;
			size_t len = (size_t)(token_at(inference, to)->at - begin);

			if (len >= sizeof(declared))
				return "";
			memcpy(declared, begin, len);
			declared[len] = '\0';
			return column_type_declared(declared);
		}
	}
	return "";
}

static bool is_query(const struct inference *inference, size_t at)
{
	const struct token *token = token_at(inference, at);

	return token_is_word(token, "select") || token_is_word(token, "with") ||
	       token_is_word(token, "values");
}

static const char *bracket_type(
	struct inference *inference, const struct scope *scope, size_t from, size_t to)
{
	const struct offered_table *result;

	if (!is_query(inference, from + 1))
		return infer_expression(inference, scope, from + 1, to - 1);
	result = infer_query(inference, scope, from + 1, to - 1);
	return result != NULL && result->n_columns == 1 ? result->columns[0].type : "";
}

static const char *word_type(
	struct inference *inference, const struct scope *scope, size_t from, size_t to)
{
	const struct token *token = token_at(inference, from);
	const char *type;

	if (token_is_word(token, "null"))
		return COLUMN_TYPE_NULL;
	if (token_is_word(token, "case"))
		return case_type(inference, scope, from, to);
	type = column_type(inference, scope, from, to);
	if (type != NULL)
		return type;
	if (token_is_word(token, "true") || token_is_word(token, "false"))
		return COLUMN_TYPE_BOOLEAN;
	if (token_is_word(token, "current_timestamp"))
		return "TIMESTAMP";
	/* A quoted word that is no column is a string to SQLite; the current date and time are
	 * texts. */
	return token->kind == TOKEN_QUOTED || token_is_word(token, "current_date") ||
			       token_is_word(token, "current_time")
		       ? "TEXT"
		       : "";
}

/* An operand without operators outside its brackets. */
static const char *operand_type(
	struct inference *inference, const struct scope *scope, size_t from, size_t to)
{
	const struct token *token = token_at(inference, from);

	if (token_is(token, "-") || token_is(token, "+")) {
		const char *type = infer_expression(inference, scope, from + 1, to);

		return arithmetic(type, type);
	}
	if (token_is(token, "~"))
		return "INTEGER";
	/* COLLATE changes no type. */
	if (to - from > 2 && token_is_word(token_at(inference, to - 2), "collate"))
		return infer_expression(inference, scope, from, to - 2);
	switch (token->kind) {
	case TOKEN_INTEGER: return "INTEGER";
	case TOKEN_REAL: return "REAL";
	case TOKEN_STRING: return "TEXT";
	case TOKEN_BLOB: return "BLOB";
	case TOKEN_OPERATOR:
		return token_is(token, "(") ? bracket_type(inference, scope, from, to) : "";
	case TOKEN_WORD:
	case TOKEN_QUOTED: break;
	default: return "";
	}
	if (from + 1 < to && token_is(token_at(inference, from + 1), "(")) {
		/* FILTER and OVER behind the call change no type. */
		size_t end = infer_skip_brackets(inference, from + 1, to);

		if (token_is_word(token, "cast"))
			return cast_type(inference, from + 2, end - 1);
		return call_type(inference, scope, token, from + 2, end - 1);
	}
	return word_type(inference, scope, from, to);
}

const char *infer_expression(
	struct inference *inference, const struct scope *scope, size_t from, size_t to)
{
	enum strength strength;
	const char *type;

	if (from >= to)
		return "";
	if (++inference->depth > INFERENCE_MAX_DEPTH)
		inference->failed = true;
	if (inference->failed) {
		inference->depth--;
		return "";
	}
	strength = weakest_operator(inference, from, to);
	switch (strength) {
	case COMPARISON: type = COLUMN_TYPE_BOOLEAN; break;
	case BITS: type = "INTEGER"; break;
	case SUM:
	case PRODUCT: type = chain_type(inference, scope, from, to, strength); break;
	/* -> and ->> give what the JSON holds; as text it is right always. */
	case CONCATENATION: type = "TEXT"; break;
	default: type = operand_type(inference, scope, from, to); break;
	}
	inference->depth--;
	return type;
}
