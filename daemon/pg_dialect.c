/*
 * The rules. Each looks at one place of the statement and gives its pieces
 * other texts; rules that need an operand are in pg_cast.c, what columns are
 * called in pg_names.c.
 */
#include "daemon/pg_dialect.h"

#include "daemon/pg_cast.h"
#include "daemon/pg_names.h"
#include "daemon/pg_rewrite.h"
#include "daemon/pg_token.h"

#include <stdint.h>
#include <string.h>

/* Words that PostgreSQL reads as calls without parentheses. */
static const struct {
	const char *word, *call;
} calls[] = {
	{"current_user", "pg_current_user()"},
	{"session_user", "pg_current_user()"},
	{"current_role", "pg_current_user()"},
	{"current_catalog", "current_database()"},
	{"current_schema", "current_schema()"},
	{"localtimestamp", "CURRENT_TIMESTAMP"},
};

/* Functions that SQLite has under another name. */
static const struct {
	const char *name, *replacement;
} renamed[] = {
	{"bool_and", "min"},
	{"bool_or", "max"},
	{"string_agg", "group_concat"},
	{"strpos", "instr"},
	{"char_length", "length"},
	{"character_length", "length"},
	{"date_part", "pg_extract"},
};

size_t pg_statement_length(const char *text, size_t len, bool *is_empty)
{
	size_t at = 0;

	*is_empty = true;
	while (at < len) {
		struct pg_token token = pg_token_next(text + at, len - at);

		at += token.len;
		if (token.kind == PG_TOKEN_OPERATOR && token.text[0] == ';')
			break;
		if (token.kind != PG_TOKEN_SPACE)
			*is_empty = false;
	}
	return at;
}

/* pg_catalog.x and public.x are x; information_schema.x is a table of ours. */
static void drop_schema(struct pg_rewrite *rewrite, size_t i)
{
	size_t dot = pg_rewrite_skip(rewrite, i + 1);

	if (!pg_rewrite_is(rewrite, dot, "."))
		return;
	if (pg_rewrite_is(rewrite, i, "pg_catalog") || pg_rewrite_is(rewrite, i, "public")) {
		pg_rewrite_erase(rewrite, i, dot + 1);
	} else if (pg_rewrite_is(rewrite, i, "information_schema")) {
		rewrite->pieces[i].replacement = "information_schema_";
		pg_rewrite_erase(rewrite, i + 1, dot + 1);
	}
}

/* OPERATOR(pg_catalog.~) is ~; COLLATE pg_catalog.default is nothing. */
static void plain_operators(struct pg_rewrite *rewrite, size_t i)
{
	size_t open = pg_rewrite_skip(rewrite, i + 1);
	size_t at;

	if (pg_rewrite_is(rewrite, i, "operator") && pg_rewrite_is(rewrite, open, "(")) {
		for (at = open; at < rewrite->n && !pg_rewrite_is(rewrite, at, ")"); at++)
			if (rewrite->pieces[at].token.kind != PG_TOKEN_OPERATOR ||
				pg_rewrite_is(rewrite, at, ".") || pg_rewrite_is(rewrite, at, "("))
				rewrite->pieces[at].replacement = "";
		if (at < rewrite->n)
			rewrite->pieces[at].replacement = "";
		rewrite->pieces[i].replacement = "";
	} else if (pg_rewrite_is(rewrite, i, "collate") &&
		   (pg_rewrite_is(rewrite, open, "pg_catalog") ||
			   pg_rewrite_is(rewrite, open, "\"default\"") ||
			   pg_rewrite_is(rewrite, open, "default"))) {
		at = pg_rewrite_is(rewrite, open, "pg_catalog")
			     ? pg_rewrite_skip(rewrite, pg_rewrite_skip(rewrite, open + 1) + 1)
			     : open;
		pg_rewrite_erase(rewrite, i, at < rewrite->n ? at + 1 : rewrite->n);
	}
}

static bool is_operand_end(const struct pg_rewrite *rewrite, size_t i)
{
	/* Words behind which an operand begins, so that an operator there is unary. */
	static const char *const words[] = {"select", "where", "and", "or", "not", "on", "when",
		"then", "else", "case", "by", "having", "limit", "in", "like"};
	const struct pg_token *token;

	if (i == SIZE_MAX)
		return false;
	for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (pg_rewrite_is(rewrite, i, words[k]))
			return false;
	token = &rewrite->pieces[i].token;
	return token->kind != PG_TOKEN_OPERATOR || token->text[0] == ')' || token->text[0] == ']';
}

/* What ~ and its kin are written as; NULL: it is another operator. */
static const char *regular_expression(const struct pg_rewrite *rewrite, size_t i)
{
	static const struct {
		const char *operator, * replacement;
	} table[] = {
		{"~", " REGEXP "},
		{"!~", " NOT REGEXP "},
		{"~*", " REGEXP '(?i)' || "},
		{"!~*", " NOT REGEXP '(?i)' || "},
	};

	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++)
		if (pg_rewrite_is(rewrite, i, table[k].operator))
			return table[k].replacement;
	return NULL;
}

/* Binary ones; a unary ~, as it is behind another one, stays SQLite's bitwise NOT. */
static void regular_expressions(struct pg_rewrite *rewrite, size_t i)
{
	const char *replacement = regular_expression(rewrite, i);
	size_t left = i;

	while (left > 0 && pg_rewrite_is_kind(rewrite, left - 1, PG_TOKEN_SPACE))
		left--;
	if (replacement != NULL && left > 0 && regular_expression(rewrite, left - 1) == NULL &&
		is_operand_end(rewrite, pg_rewrite_before(rewrite, i)))
		rewrite->pieces[i].replacement = replacement;
}

/* extract(FIELD from X) is pg_extract('FIELD', X). */
static void extracts(struct pg_rewrite *rewrite, size_t i)
{
	size_t open = pg_rewrite_skip(rewrite, i + 1);
	size_t field = pg_rewrite_skip(rewrite, open + 1);
	size_t from = pg_rewrite_skip(rewrite, field + 1);
	size_t close;

	if (!pg_rewrite_is(rewrite, i, "extract") || !pg_rewrite_is(rewrite, open, "(") ||
		!pg_rewrite_is(rewrite, from, "from"))
		return;
	close = pg_rewrite_closing(rewrite, open);
	if (close == rewrite->n)
		return;
	rewrite->pieces[i].replacement = "pg_extract";
	rewrite->pieces[from].replacement = ",";
	if (rewrite->pieces[field].token.kind == PG_TOKEN_NAME) {
		rewrite->pieces[open].replacement = "('";
		rewrite->pieces[field].closing = "'";
	}
}

/* ARRAY(SELECT …) is NULL: tallyd's lists are empty. */
static void empty_arrays(struct pg_rewrite *rewrite, size_t i)
{
	size_t at = pg_rewrite_skip(rewrite, i + 1);

	if (!pg_rewrite_is(rewrite, i, "array") || !pg_rewrite_is(rewrite, at, "("))
		return;
	at = pg_rewrite_closing(rewrite, at);
	if (at == rewrite->n)
		return;
	pg_rewrite_erase(rewrite, i, at);
	rewrite->pieces[at].replacement = "NULL";
}

/* now() is (CURRENT_TIMESTAMP). */
static void clocks(struct pg_rewrite *rewrite, size_t i)
{
	size_t open = pg_rewrite_skip(rewrite, i + 1);
	size_t close = pg_rewrite_skip(rewrite, open + 1);

	if (!pg_rewrite_is(rewrite, i, "now") || !pg_rewrite_is(rewrite, open, "(") ||
		!pg_rewrite_is(rewrite, close, ")"))
		return;
	rewrite->pieces[i].replacement = "";
	rewrite->pieces[open].closing = "CURRENT_TIMESTAMP";
}

/* TIMESTAMP '…' and DATE '…' are functions of their literal. */
static void typed_literals(struct pg_rewrite *rewrite, size_t i)
{
	size_t literal = pg_rewrite_skip(rewrite, i + 1);
	bool is_date = pg_rewrite_is(rewrite, i, "date");

	if (!is_date && !pg_rewrite_is(rewrite, i, "timestamp") &&
		!pg_rewrite_is(rewrite, i, "timestamptz"))
		return;
	if (literal == rewrite->n || rewrite->pieces[literal].token.kind != PG_TOKEN_STRING)
		return;
	rewrite->pieces[i].replacement = is_date ? "pg_date(" : "to_timestamp(";
	rewrite->pieces[literal].closing = ")";
	rewrite->pieces[literal].operand_start = i;
	rewrite->pieces[literal].ends_operand = true;
}

/* (SELECT …) AS s(a, b): SQLite names columns in a WITH only. */
static int column_aliases(struct pg_rewrite *rewrite, size_t open, struct err *err)
{
	size_t first = pg_rewrite_skip(rewrite, open + 1);
	size_t close = pg_rewrite_closing(rewrite, open);
	size_t alias = pg_rewrite_skip(rewrite, close + 1);
	size_t list, end;
	const char *with;

	if (close == rewrite->n || (!pg_rewrite_is(rewrite, first, "select") &&
					   !pg_rewrite_is(rewrite, first, "values") &&
					   !pg_rewrite_is(rewrite, first, "with")))
		return 0;
	if (pg_rewrite_is(rewrite, alias, "as"))
		alias = pg_rewrite_skip(rewrite, alias + 1);
	list = pg_rewrite_skip(rewrite, alias + 1);
	end = pg_rewrite_closing(rewrite, list);
	if (!pg_rewrite_is_kind(rewrite, alias, PG_TOKEN_NAME) ||
		!pg_rewrite_is(rewrite, list, "(") || end == rewrite->n)
		return 0;
	for (size_t i = list + 1; i < end; i++)
		if (!pg_rewrite_is_kind(rewrite, i, PG_TOKEN_NAME) &&
			!pg_rewrite_is_kind(rewrite, i, PG_TOKEN_SPACE) &&
			!pg_rewrite_is(rewrite, i, ","))
			return 0;
	with = pg_rewrite_text(rewrite, "WITH \"a list\"", list, end + 1, " AS (");
	if (with == NULL)
		return err_nomem(err);
	pg_rewrite_erase(rewrite, list, end + 1);
	if (pg_rewrite_append(rewrite, open, with, err) != 0)
		return err->code;
	return pg_rewrite_append(rewrite, close, " SELECT * FROM \"a list\")", err);
}

/*
 * Grafana asks for the schemas of the search path by splitting the setting with
 * generate_series and subscripts, in brackets. There is one: public.
 */
static void search_path(struct pg_rewrite *rewrite, size_t i)
{
	size_t open = i;
	bool is_about_it = false;

	if (!pg_rewrite_is(rewrite, i, "generate_series"))
		return;
	while (open > 0 && i - open < 64 &&
		!(pg_rewrite_closing(rewrite, open) < rewrite->n &&
			pg_rewrite_closing(rewrite, open) > i))
		open--;
	if (pg_rewrite_closing(rewrite, open) <= i ||
		pg_rewrite_closing(rewrite, open) == rewrite->n)
		return;
	for (size_t k = i; k < pg_rewrite_closing(rewrite, open) && k < i + 128; k++) {
		const struct pg_token *token = &rewrite->pieces[k].token;

		is_about_it = is_about_it || (token->kind == PG_TOKEN_STRING && token->len == 13 &&
						     memcmp(token->text, "'search_path'", 13) == 0);
	}
	if (!is_about_it)
		return;
	pg_rewrite_erase(rewrite, open + 1, pg_rewrite_closing(rewrite, open));
	rewrite->pieces[open].closing = "SELECT 'public'";
}

/* TABLE name is SELECT * FROM name. */
static void whole_table(struct pg_rewrite *rewrite)
{
	size_t first = pg_rewrite_skip(rewrite, 0);

	if (pg_rewrite_is(rewrite, first, "table"))
		rewrite->pieces[first].replacement = "SELECT * FROM";
}

/* The name of a function is not longer: schema, dot, name. */
#define NAME_PIECES 8

/*
 * A backslash escapes in PostgreSQL's patterns without being asked to: in a
 * literal, or one within a call (psql writes lower('…')). ILIKE is SQLite's LIKE.
 */
static int patterns(struct pg_rewrite *rewrite, size_t i, struct err *err)
{
	size_t first = pg_rewrite_skip(rewrite, i + 1);
	size_t end = first;

	if (pg_rewrite_is(rewrite, i, "ilike"))
		rewrite->pieces[i].replacement = "LIKE";
	while (end < first + NAME_PIECES && (pg_rewrite_is_kind(rewrite, end, PG_TOKEN_NAME) ||
						    pg_rewrite_is(rewrite, end, ".")))
		end++;
	if (pg_rewrite_is(rewrite, end, "("))
		end = pg_rewrite_closing(rewrite, end);
	if (end >= rewrite->n)
		return 0;
	if (rewrite->pieces[end].n_backslashes == rewrite->pieces[first - 1].n_backslashes ||
		pg_rewrite_is(rewrite, pg_rewrite_skip(rewrite, end + 1), "escape"))
		return 0;
	return pg_rewrite_append(rewrite, end, " ESCAPE '\\'", err);
}

static int rewrite_name(struct pg_rewrite *rewrite, size_t i, struct err *err)
{
	struct pg_piece *piece = &rewrite->pieces[i];
	bool is_call = pg_rewrite_is(rewrite, pg_rewrite_skip(rewrite, i + 1), "(");
	int rc;

	plain_operators(rewrite, i);
	drop_schema(rewrite, i);
	extracts(rewrite, i);
	empty_arrays(rewrite, i);
	clocks(rewrite, i);
	typed_literals(rewrite, i);
	search_path(rewrite, i);
	for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]) && !is_call; k++)
		if (pg_token_is(&piece->token, calls[k].word))
			piece->replacement = calls[k].call;
	for (size_t k = 0; k < sizeof(renamed) / sizeof(renamed[0]) && is_call; k++)
		if (pg_token_is(&piece->token, renamed[k].name))
			piece->replacement = renamed[k].replacement;
	if (pg_token_is(&piece->token, "like") || pg_token_is(&piece->token, "ilike"))
		return patterns(rewrite, i, err);
	if (piece->replacement != NULL)
		return 0;
	pg_cast_call(rewrite, i);
	rc = pg_cast_interval(rewrite, i, err);
	if (rc == 0)
		rc = pg_cast_any(rewrite, i, err);
	return rc;
}

static int rewrite_pieces(struct pg_rewrite *rewrite, struct err *err)
{
	int rc = 0;

	whole_table(rewrite);
	for (size_t i = 0; i < rewrite->n && rc == 0; i++) {
		if (rewrite->pieces[i].replacement != NULL)
			continue;
		if (pg_rewrite_is_kind(rewrite, i, PG_TOKEN_NAME)) {
			rc = rewrite_name(rewrite, i, err);
		} else if (pg_rewrite_is(rewrite, i, "::")) {
			rc = pg_cast_operator(rewrite, i, err);
		} else if (pg_rewrite_is(rewrite, i, "[")) {
			rc = pg_cast_element(rewrite, i, err);
		} else if (pg_rewrite_is(rewrite, i, "(")) {
			rc = column_aliases(rewrite, i, err);
		} else if (pg_rewrite_is_kind(rewrite, i, PG_TOKEN_OPERATOR)) {
			regular_expressions(rewrite, i);
		}
	}
	return rc;
}

static int rewrite_all(struct pg_rewrite *rewrite, struct err *err)
{
	int rc = rewrite_pieces(rewrite, err);

	return rc == 0 ? pg_name_columns(rewrite, err) : rc;
}

int pg_translate(const char *text, size_t len, struct buf *out, struct err *err)
{
	struct pg_rewrite rewrite;
	int rc;

	if (len > PG_STATEMENT_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "a statement of more than %d bytes",
			PG_STATEMENT_MAX_BYTES);
	rc = pg_rewrite_init(&rewrite, text, len, err);
	if (rc == 0 && pg_asks_for_nothing(&rewrite)) {
		pg_write_nothing(&rewrite, out);
	} else if (rc == 0 && pg_stands_for(&rewrite) != NULL) {
		buf_add_text(out, pg_stands_for(&rewrite));
	} else if (rc == 0) {
		rc = rewrite_all(&rewrite, err);
		if (rc == 0)
			(void)pg_rewrite_write(&rewrite, text, out, SIZE_MAX);
	}
	if (rc == 0 && !buf_ok(out))
		rc = err_nomem(err);
	pg_rewrite_fini(&rewrite);
	return rc;
}

size_t pg_translate_offset(const char *text, size_t len, size_t offset)
{
	struct pg_rewrite rewrite;
	struct err err = ERR_INIT;
	struct buf out = {0};
	size_t at = 0;

	if (pg_rewrite_init(&rewrite, text, len, &err) == 0 && rewrite_all(&rewrite, &err) == 0)
		at = pg_rewrite_write(&rewrite, text, &out, offset);
	buf_fini(&out);
	pg_rewrite_fini(&rewrite);
	return at;
}
