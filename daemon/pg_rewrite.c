/* Cutting, wrapping and writing out; string literals are put into SQLite's spelling on the way. */
#include "daemon/pg_rewrite.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static bool is_one_of(const struct pg_piece *piece, char a, char b)
{
	return piece->token.kind == PG_TOKEN_OPERATOR && piece->token.len == 1 &&
	       (piece->token.text[0] == a || piece->token.text[0] == b);
}

static void count_backslashes(struct pg_rewrite *rewrite)
{
	size_t n = 0;

	for (size_t i = 0; i < rewrite->n; i++) {
		struct pg_piece *piece = &rewrite->pieces[i];

		n += (piece->token.kind == PG_TOKEN_STRING ||
			     piece->token.kind == PG_TOKEN_ESCAPE_STRING) &&
		     memchr(piece->token.text, '\\', piece->token.len) != NULL;
		piece->n_backslashes = n;
	}
}

/* Brackets find each other; `operand_start` of those that are open holds the one before. */
static void pair_brackets(struct pg_rewrite *rewrite)
{
	size_t open = SIZE_MAX;

	for (size_t i = 0; i < rewrite->n; i++) {
		struct pg_piece *piece = &rewrite->pieces[i];

		piece->partner = SIZE_MAX;
		if (is_one_of(piece, '(', '[')) {
			piece->operand_start = open;
			open = i;
		} else if (is_one_of(piece, ')', ']') && open != SIZE_MAX) {
			piece->partner = open;
			rewrite->pieces[open].partner = i;
			open = rewrite->pieces[open].operand_start;
		}
	}
}

int pg_rewrite_init(struct pg_rewrite *rewrite, const char *text, size_t len, struct err *err)
{
	size_t at = 0;

	*rewrite = (struct pg_rewrite){0};
	while (at < len) {
		struct pg_token token = pg_token_next(text + at, len - at);

		if (token.kind == PG_TOKEN_UNCLOSED)
			return err_set(err, ERR_INVALID,
				"unterminated quoted text or comment at \"%.*s\"",
				(int)(token.len > 40 ? 40 : token.len), token.text);
		if (!mem_grow(&rewrite->pieces, &rewrite->cap, rewrite->n + 1,
			    sizeof(struct pg_piece)))
			return err_nomem(err);
		rewrite->pieces[rewrite->n++] = (struct pg_piece){.source = token, .token = token};
		at += token.len;
	}
	pair_brackets(rewrite);
	count_backslashes(rewrite);
	return 0;
}

void pg_rewrite_fini(struct pg_rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->n_texts; i++)
		free(rewrite->texts[i]);
	free(rewrite->texts);
	free(rewrite->pieces);
	free(rewrite->openings);
}

size_t pg_rewrite_skip(const struct pg_rewrite *rewrite, size_t i)
{
	while (i < rewrite->n && rewrite->pieces[i].token.kind == PG_TOKEN_SPACE)
		i++;
	return i;
}

size_t pg_rewrite_before(const struct pg_rewrite *rewrite, size_t i)
{
	while (i > 0)
		if (rewrite->pieces[--i].token.kind != PG_TOKEN_SPACE &&
			rewrite->pieces[i].replacement == NULL)
			return i;
	return SIZE_MAX;
}

size_t pg_rewrite_closing(const struct pg_rewrite *rewrite, size_t open)
{
	size_t partner = open < rewrite->n ? rewrite->pieces[open].partner : SIZE_MAX;

	return partner != SIZE_MAX && partner > open ? partner : rewrite->n;
}

size_t pg_rewrite_operand(const struct pg_rewrite *rewrite, size_t end)
{
	size_t i = end;

	if (rewrite->pieces[end].ends_operand)
		return rewrite->pieces[end].operand_start;
	if (pg_rewrite_is(rewrite, end, ")")) {
		if (rewrite->pieces[end].partner == SIZE_MAX)
			return end;
		i = rewrite->pieces[end].partner;
		if (i == 0 || !pg_rewrite_is_kind(rewrite, i - 1, PG_TOKEN_NAME))
			return i;
		i--;
	}
	while (i >= 2 && pg_rewrite_is(rewrite, i - 1, ".") &&
		pg_rewrite_is_kind(rewrite, i - 2, PG_TOKEN_NAME))
		i -= 2;
	return i;
}

void pg_rewrite_erase(struct pg_rewrite *rewrite, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		rewrite->pieces[i].replacement = "";
}

static const char *keep_text(struct pg_rewrite *rewrite, struct buf *text)
{
	char *kept = NULL;

	buf_add_char(text, '\0');
	if (buf_ok(text) && mem_grow(&rewrite->texts, &rewrite->cap_texts, rewrite->n_texts + 1,
				    sizeof(char *)))
		kept = mem_copy_text(text->data, text->len);
	if (kept != NULL)
		rewrite->texts[rewrite->n_texts++] = kept;
	buf_fini(text);
	return kept;
}

const char *pg_rewrite_text(
	struct pg_rewrite *rewrite, const char *head, size_t from, size_t to, const char *tail)
{
	struct buf text = {0};

	buf_add_text(&text, head);
	for (size_t i = from; i < to; i++)
		buf_add(&text, rewrite->pieces[i].source.text, rewrite->pieces[i].source.len);
	buf_add_text(&text, tail);
	return keep_text(rewrite, &text);
}

int pg_rewrite_append(struct pg_rewrite *rewrite, size_t i, const char *text, struct err *err)
{
	struct pg_piece *piece = &rewrite->pieces[i];
	struct buf both = {0};

	if (piece->closing == NULL) {
		piece->closing = text;
		return 0;
	}
	buf_add_text(&both, piece->closing);
	buf_add_text(&both, text);
	text = keep_text(rewrite, &both);
	if (text == NULL)
		return err_nomem(err);
	piece->closing = text;
	return 0;
}

int pg_rewrite_wrap(struct pg_rewrite *rewrite, size_t start, const char *opening, size_t end,
	const char *closing, struct err *err)
{
	int rc;

	if (!mem_grow(&rewrite->openings, &rewrite->cap_openings, rewrite->n_openings + 1,
		    sizeof(struct pg_opening)))
		return err_nomem(err);
	rc = pg_rewrite_append(rewrite, end, closing, err);
	if (rc != 0)
		return rc;
	rewrite->openings[rewrite->n_openings++] =
		(struct pg_opening){opening, rewrite->pieces[start].opening};
	rewrite->pieces[start].opening = rewrite->n_openings;
	rewrite->pieces[end].operand_start = start;
	rewrite->pieces[end].ends_operand = true;
	return 0;
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

size_t pg_rewrite_write(
	const struct pg_rewrite *rewrite, const char *text, struct buf *out, size_t until)
{
	for (size_t i = 0; i < rewrite->n; i++) {
		const struct pg_piece *piece = &rewrite->pieces[i];

		for (size_t k = piece->opening; k > 0; k = rewrite->openings[k - 1].older)
			buf_add_text(out, rewrite->openings[k - 1].text);
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
