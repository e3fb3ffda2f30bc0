/*
 * The rewriting. The statement is cut into tokens; each gets a text that stands
 * in front of it, a text of its own and a text behind it; then all are written
 * out. A cast `x::type` so becomes a function or CAST around its operand
 * without a parser: the operand is the literal, name, parameter or parenthesis
 * (with the name of its function) in front of the `::`, or the cast that ends
 * there.
 */
#include "daemon/pg_dialect.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "daemon/pg_token.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct piece {
	struct pg_token token;
	const char *replacement; /* NULL: the token itself */
	const char *closing;     /* what ends behind it; NULL: nothing */
	size_t operand_start;    /* of the cast that ends here, as an index */
	bool ends_cast;
};

/* A cast begins in front of a piece: the newer of two there is the outer one. */
struct opening {
	size_t piece;
	const char *text;
};

struct rewrite {
	struct piece *pieces;
	size_t n, cap;
	struct opening *openings;
	size_t n_openings, cap_openings;
};

/* How a cast to a type is written: opening, operand, closing. The inner functions are strict as
 * PostgreSQL is; the CAST around them tells the type of the result. */
static const struct {
	const char *name, *opening, *closing;
} casts[] = {
	{"bool", "CAST(pg_bool(", ") AS INTEGER)"},
	{"boolean", "CAST(pg_bool(", ") AS INTEGER)"},
	{"bytea", "CAST(pg_bytea(", ") AS BLOB)"},
	{"date", "pg_date(", ")"},
	{"double", "CAST(", " AS REAL)"},
	{"float", "CAST(", " AS REAL)"},
	{"float4", "CAST(", " AS REAL)"},
	{"float8", "CAST(", " AS REAL)"},
	{"int", "CAST(pg_int(", ") AS INTEGER)"},
	{"int2", "CAST(pg_int(", ") AS INTEGER)"},
	{"int4", "CAST(pg_int(", ") AS INTEGER)"},
	{"int8", "CAST(pg_int(", ") AS INTEGER)"},
	{"integer", "CAST(pg_int(", ") AS INTEGER)"},
	{"bigint", "CAST(pg_int(", ") AS INTEGER)"},
	{"smallint", "CAST(pg_int(", ") AS INTEGER)"},
	{"numeric", "CAST(", " AS NUMERIC)"},
	{"decimal", "CAST(", " AS NUMERIC)"},
	{"oid", "CAST(pg_int(", ") AS INTEGER)"},
	{"real", "CAST(", " AS REAL)"},
	{"regclass", "CAST(pg_regclass(", ") AS INTEGER)"},
	{"timestamp", "to_timestamp(", ")"},
	{"timestamptz", "to_timestamp(", ")"},
};

/* Words that PostgreSQL reads as calls without parentheses. */
static const struct {
	const char *word, *call;
} calls[] = {
	{"current_user", "pg_current_user()"},
	{"session_user", "pg_current_user()"},
	{"current_role", "pg_current_user()"},
	{"current_catalog", "current_database()"},
	{"localtimestamp", "CURRENT_TIMESTAMP"},
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

static int cut_into_pieces(struct rewrite *rewrite, const char *text, size_t len, struct err *err)
{
	size_t at = 0;

	while (at < len) {
		struct pg_token token = pg_token_next(text + at, len - at);

		if (token.kind == PG_TOKEN_UNCLOSED)
			return err_set(err, ERR_INVALID,
				"unterminated quoted text or comment at \"%.*s\"",
				(int)(token.len > 40 ? 40 : token.len), token.text);
		if (!mem_grow(
			    &rewrite->pieces, &rewrite->cap, rewrite->n + 1, sizeof(struct piece)))
			return err_nomem(err);
		rewrite->pieces[rewrite->n++] = (struct piece){.token = token};
		at += token.len;
	}
	return 0;
}

/* The next piece at or behind i that is no space; n at the end. */
static size_t skip_space(const struct rewrite *rewrite, size_t i)
{
	while (i < rewrite->n && rewrite->pieces[i].token.kind == PG_TOKEN_SPACE)
		i++;
	return i;
}

static bool piece_is(const struct rewrite *rewrite, size_t i, const char *word)
{
	return i < rewrite->n && pg_token_is(&rewrite->pieces[i].token, word);
}

/* The piece before i that is no space; SIZE_MAX at the start. */
static size_t before(const struct rewrite *rewrite, size_t i)
{
	while (i > 0)
		if (rewrite->pieces[--i].token.kind != PG_TOKEN_SPACE &&
			rewrite->pieces[i].replacement == NULL)
			return i;
	return SIZE_MAX;
}

static void erase(struct rewrite *rewrite, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		rewrite->pieces[i].replacement = "";
}

/* pg_catalog.x and public.x are x; information_schema.x is a table of ours. */
static void drop_schema(struct rewrite *rewrite, size_t i)
{
	size_t dot = skip_space(rewrite, i + 1);

	if (!piece_is(rewrite, dot, "."))
		return;
	if (piece_is(rewrite, i, "pg_catalog") || piece_is(rewrite, i, "public")) {
		erase(rewrite, i, dot + 1);
	} else if (piece_is(rewrite, i, "information_schema")) {
		rewrite->pieces[i].replacement = "information_schema_";
		erase(rewrite, i + 1, dot + 1);
	}
}

/* OPERATOR(pg_catalog.~) is ~; COLLATE pg_catalog.default is nothing. */
static void plain_operators(struct rewrite *rewrite, size_t i)
{
	size_t open = skip_space(rewrite, i + 1);
	size_t at;

	if (piece_is(rewrite, i, "operator") && piece_is(rewrite, open, "(")) {
		for (at = open; at < rewrite->n && !piece_is(rewrite, at, ")"); at++)
			if (rewrite->pieces[at].token.kind != PG_TOKEN_OPERATOR ||
				piece_is(rewrite, at, ".") || piece_is(rewrite, at, "("))
				rewrite->pieces[at].replacement = "";
		if (at < rewrite->n)
			rewrite->pieces[at].replacement = "";
		rewrite->pieces[i].replacement = "";
	} else if (piece_is(rewrite, i, "collate") &&
		   (piece_is(rewrite, open, "pg_catalog") ||
			   piece_is(rewrite, open, "\"default\"") ||
			   piece_is(rewrite, open, "default"))) {
		at = piece_is(rewrite, open, "pg_catalog")
			     ? skip_space(rewrite, skip_space(rewrite, open + 1) + 1)
			     : open;
		erase(rewrite, i, at < rewrite->n ? at + 1 : rewrite->n);
	}
}

static bool is_operand_end(const struct rewrite *rewrite, size_t i)
{
	/* Words behind which an operand begins, so that an operator there is unary. */
	static const char *const words[] = {"select", "where", "and", "or", "not", "on", "when",
		"then", "else", "case", "by", "having", "limit", "in", "like"};
	const struct pg_token *token;

	if (i == SIZE_MAX)
		return false;
	for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
		if (piece_is(rewrite, i, words[k]))
			return false;
	token = &rewrite->pieces[i].token;
	return token->kind != PG_TOKEN_OPERATOR || token->text[0] == ')' || token->text[0] == ']';
}

/* Binary ~ and its kin; a unary ~ stays SQLite's bitwise NOT. */
static void regular_expressions(struct rewrite *rewrite, size_t i)
{
	static const struct {
		const char *operator, * replacement;
	} table[] = {
		{"~", " REGEXP "},
		{"!~", " NOT REGEXP "},
		{"~*", " REGEXP '(?i)' || "},
		{"!~*", " NOT REGEXP '(?i)' || "},
	};

	if (!is_operand_end(rewrite, before(rewrite, i)))
		return;
	for (size_t k = 0; k < sizeof(table) / sizeof(table[0]); k++)
		if (piece_is(rewrite, i, table[k].operator))
			rewrite->pieces[i].replacement = table[k].replacement;
}

/* The `)` that closes the `(` at `open`; n: there is none. */
static size_t closing_bracket(const struct rewrite *rewrite, size_t open)
{
	int depth = 0;

	for (size_t i = open; i < rewrite->n; i++) {
		if (piece_is(rewrite, i, "("))
			depth++;
		else if (piece_is(rewrite, i, ")") && --depth == 0)
			return i;
	}
	return rewrite->n;
}

/* extract(FIELD from X) is CAST(pg_extract('FIELD', X) AS REAL). */
static void extracts(struct rewrite *rewrite, size_t i)
{
	size_t open = skip_space(rewrite, i + 1);
	size_t field = skip_space(rewrite, open + 1);
	size_t from = skip_space(rewrite, field + 1);
	size_t close;

	if (!piece_is(rewrite, i, "extract") || !piece_is(rewrite, open, "(") ||
		!piece_is(rewrite, from, "from"))
		return;
	close = closing_bracket(rewrite, open);
	if (close == rewrite->n)
		return;
	rewrite->pieces[i].replacement = "CAST(pg_extract";
	rewrite->pieces[close].closing = " AS REAL)";
	rewrite->pieces[from].replacement = ",";
	if (rewrite->pieces[field].token.kind == PG_TOKEN_NAME) {
		rewrite->pieces[open].replacement = "('";
		rewrite->pieces[field].closing = "'";
	}
}

/* ARRAY(SELECT …) is NULL: tallyd's lists are empty. */
static void arrays(struct rewrite *rewrite, size_t i)
{
	size_t at = skip_space(rewrite, i + 1);

	if (!piece_is(rewrite, i, "array") || !piece_is(rewrite, at, "("))
		return;
	at = closing_bracket(rewrite, at);
	if (at == rewrite->n)
		return;
	erase(rewrite, i, at);
	rewrite->pieces[at].replacement = "NULL";
}

/* now() is (CURRENT_TIMESTAMP). */
static void clocks(struct rewrite *rewrite, size_t i)
{
	size_t open = skip_space(rewrite, i + 1);
	size_t close = skip_space(rewrite, open + 1);

	if (!piece_is(rewrite, i, "now") || !piece_is(rewrite, open, "(") ||
		!piece_is(rewrite, close, ")"))
		return;
	rewrite->pieces[i].replacement = "";
	rewrite->pieces[open].closing = "CURRENT_TIMESTAMP";
}

/* TIMESTAMP '…' and DATE '…' are functions of their literal. */
static void typed_literals(struct rewrite *rewrite, size_t i)
{
	size_t literal = skip_space(rewrite, i + 1);
	bool is_date = piece_is(rewrite, i, "date");

	if (!is_date && !piece_is(rewrite, i, "timestamp") && !piece_is(rewrite, i, "timestamptz"))
		return;
	if (literal == rewrite->n || rewrite->pieces[literal].token.kind != PG_TOKEN_STRING)
		return;
	rewrite->pieces[i].replacement = is_date ? "pg_date(" : "to_timestamp(";
	rewrite->pieces[literal].closing = ")";
}

/* Where the operand that ends at `end` begins. */
static size_t operand_start(const struct rewrite *rewrite, size_t end)
{
	int depth = 0;
	size_t i = end;

	if (rewrite->pieces[end].ends_cast)
		return rewrite->pieces[end].operand_start;
	if (piece_is(rewrite, end, ")")) {
		for (;; i--) {
			if (piece_is(rewrite, i, ")"))
				depth++;
			else if (piece_is(rewrite, i, "(") && --depth == 0)
				break;
			if (i == 0)
				return end;
		}
		if (i == 0 || rewrite->pieces[i - 1].token.kind != PG_TOKEN_NAME)
			return i;
		i--;
	}
	while (i >= 2 && piece_is(rewrite, i - 1, ".") &&
		rewrite->pieces[i - 2].token.kind == PG_TOKEN_NAME)
		i -= 2;
	return i;
}

/* The pieces of a type's name behind `::`: words, one pair of parentheses, [] . Returns the last.
 */
static size_t type_end(const struct rewrite *rewrite, size_t type)
{
	static const char *const tails[] = {
		"precision", "varying", "without", "with", "time", "zone"};
	size_t end = type;
	size_t next;

	for (;;) {
		bool is_tail = false;

		next = skip_space(rewrite, end + 1);
		for (size_t k = 0; k < sizeof(tails) / sizeof(tails[0]); k++)
			is_tail = is_tail || piece_is(rewrite, next, tails[k]);
		if (!is_tail)
			break;
		end = next;
	}
	if (piece_is(rewrite, next, "(") || piece_is(rewrite, next, "["))
		while (next < rewrite->n) {
			end = next;
			if (piece_is(rewrite, next, ")") || piece_is(rewrite, next, "]"))
				break;
			next++;
		}
	return end;
}

static int cast_one(struct rewrite *rewrite, size_t i, struct err *err)
{
	size_t operand = before(rewrite, i);
	size_t type = skip_space(rewrite, i + 1);
	size_t start, end;
	const char *opening = "CAST(";
	const char *closing = " AS TEXT)";

	while (piece_is(rewrite, type, "pg_catalog"))
		type = skip_space(rewrite, skip_space(rewrite, type + 1) + 1);
	if (operand == SIZE_MAX || type >= rewrite->n ||
		rewrite->pieces[type].token.kind != PG_TOKEN_NAME)
		return 0;
	for (size_t k = 0; k < sizeof(casts) / sizeof(casts[0]); k++)
		if (piece_is(rewrite, type, casts[k].name)) {
			opening = casts[k].opening;
			closing = casts[k].closing;
		}
	start = operand_start(rewrite, operand);
	end = type_end(rewrite, type);
	erase(rewrite, i, end + 1);
	if (!mem_grow(&rewrite->openings, &rewrite->cap_openings, rewrite->n_openings + 1,
		    sizeof(struct opening)))
		return err_nomem(err);
	rewrite->openings[rewrite->n_openings++] = (struct opening){start, opening};
	rewrite->pieces[end].replacement = NULL;
	rewrite->pieces[end].token = (struct pg_token){PG_TOKEN_NAME, "", 0};
	rewrite->pieces[end].closing = closing;
	rewrite->pieces[end].operand_start = start;
	rewrite->pieces[end].ends_cast = true;
	return 0;
}

static int rewrite_pieces(struct rewrite *rewrite, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < rewrite->n && rc == 0; i++) {
		struct piece *piece = &rewrite->pieces[i];

		if (piece->replacement != NULL)
			continue;
		if (piece->token.kind == PG_TOKEN_NAME) {
			plain_operators(rewrite, i);
			drop_schema(rewrite, i);
			extracts(rewrite, i);
			arrays(rewrite, i);
			clocks(rewrite, i);
			typed_literals(rewrite, i);
			for (size_t k = 0; k < sizeof(calls) / sizeof(calls[0]); k++)
				if (pg_token_is(&piece->token, calls[k].word) &&
					!piece_is(rewrite, skip_space(rewrite, i + 1), "("))
					piece->replacement = calls[k].call;
			if (pg_token_is(&piece->token, "ilike"))
				piece->replacement = "LIKE";
		} else if (pg_token_is(&piece->token, "::")) {
			rc = cast_one(rewrite, i, err);
		} else if (piece->token.kind == PG_TOKEN_OPERATOR) {
			regular_expressions(rewrite, i);
		}
	}
	return rc;
}

/* A literal in SQLite's spelling from unescaped bytes. */
static void add_literal(struct buf *out, const char *bytes, size_t n)
{
	buf_add_char(out, '\'');
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] == '\'')
			buf_add_char(out, '\'');
		buf_add_char(out, bytes[i]);
	}
	buf_add_char(out, '\'');
}

static char simple_escape(char c)
{
	switch (c) {
	case 'b': return '\b';
	case 'f': return '\f';
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	default: return c;
	}
}

/* E'…': backslash escapes, '' for a quote, \xHH, \uXXXX, \OOO. */
static void add_escape_string(struct buf *out, const struct pg_token *token)
{
	struct buf plain = {0};
	const char *at = token->text + 2;
	const char *end = token->text + token->len - 1;
	char digits[9];
	char *stop;

	while (at < end) {
		size_t n = (size_t)(end - at);

		if (at[0] == '\'') {
			buf_add_char(&plain, '\'');
			at += 2;
		} else if (at[0] != '\\' || n < 2) {
			buf_add_char(&plain, *at++);
		} else if (at[1] == 'x' || at[1] == 'u' || (at[1] >= '0' && at[1] <= '7')) {
			bool is_octal = at[1] != 'x' && at[1] != 'u';
			size_t skip = is_octal ? 1 : 2;
			size_t most = at[1] == 'u' ? 4 : is_octal ? 3 : 2;
			unsigned long code;
			char bytes[4];

			most = most < n - skip ? most : n - skip;
			memcpy(digits, at + skip, most);
			digits[most] = '\0';
			code = strtoul(digits, &stop, is_octal ? 8 : 16);
			if (at[1] == 'u')
				buf_add(&plain, bytes, (size_t)utf8_encode((unsigned)code, bytes));
			else
				buf_add_char(&plain, (char)(unsigned char)code);
			at += skip + (size_t)(stop - digits);
		} else {
			buf_add_char(&plain, simple_escape(at[1]));
			at += 2;
		}
	}
	add_literal(out, plain.data, plain.len);
	out->failed = out->failed || plain.failed;
	buf_fini(&plain);
}

static void add_token(struct buf *out, const struct pg_token *token)
{
	size_t tag;

	switch (token->kind) {
	case PG_TOKEN_ESCAPE_STRING: add_escape_string(out, token); break;
	case PG_TOKEN_DOLLAR_STRING:
		tag = (size_t)((const char *)memchr(token->text + 1, '$', token->len - 1) -
			       token->text) +
		      1;
		add_literal(out, token->text + tag, token->len - 2 * tag);
		break;
	case PG_TOKEN_PARAMETER:
		buf_add_char(out, '?');
		buf_add(out, token->text + 1, token->len - 1);
		break;
	default: buf_add(out, token->text, token->len); break;
	}
}

/* psql's questions about things that tallyd has none of: no rows. */
static bool asks_for_nothing(const struct rewrite *rewrite)
{
	static const char *const names[] = {"pg_policy", "pg_statistic_ext", "pg_publication",
		"pg_inherits", "pg_trigger", "pg_rewrite", "pg_constraint", "pg_index"};

	for (size_t i = 0; i < rewrite->n; i++)
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (pg_token_is(&rewrite->pieces[i].token, names[k]))
				return true;
	return false;
}

/* Writes the pieces; stops and reports the source offset once `until` bytes are written. */
static size_t write_pieces(
	const struct rewrite *rewrite, const char *text, struct buf *out, size_t until)
{
	for (size_t i = 0; i < rewrite->n; i++) {
		const struct piece *piece = &rewrite->pieces[i];

		for (size_t k = rewrite->n_openings; k-- > 0;)
			if (rewrite->openings[k].piece == i)
				buf_add_text(out, rewrite->openings[k].text);
		if (piece->replacement != NULL)
			buf_add_text(out, piece->replacement);
		else
			add_token(out, &piece->token);
		if (piece->closing != NULL)
			buf_add_text(out, piece->closing);
		if (out->len > until && piece->token.len > 0) {
			size_t start = (size_t)(piece->token.text - text);
			size_t into = piece->token.len - (out->len - until);

			return piece->token.len > out->len - until ? start + into : start;
		}
	}
	return 0;
}

static int rewrite_text(struct rewrite *rewrite, const char *text, size_t len, struct err *err)
{
	int rc = cut_into_pieces(rewrite, text, len, err);

	if (rc == 0)
		rc = rewrite_pieces(rewrite, err);
	return rc;
}

static void rewrite_fini(struct rewrite *rewrite)
{
	free(rewrite->pieces);
	free(rewrite->openings);
}

int pg_translate(const char *text, size_t len, struct buf *out, struct err *err)
{
	struct rewrite rewrite = {0};
	int rc = rewrite_text(&rewrite, text, len, err);

	if (rc == 0) {
		if (asks_for_nothing(&rewrite))
			buf_add_text(out, "SELECT NULL AS none WHERE 0");
		else
			(void)write_pieces(&rewrite, text, out, SIZE_MAX);
		if (!buf_ok(out))
			rc = err_nomem(err);
	}
	rewrite_fini(&rewrite);
	return rc;
}

size_t pg_translate_offset(const char *text, size_t len, size_t offset)
{
	struct rewrite rewrite = {0};
	struct err err = ERR_INIT;
	struct buf out = {0};
	size_t at = 0;

	if (rewrite_text(&rewrite, text, len, &err) == 0)
		at = write_pieces(&rewrite, text, &out, offset);
	buf_fini(&out);
	rewrite_fini(&rewrite);
	return at;
}
