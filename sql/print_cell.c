/*
 * Cells as text. Reals go through sqlite3_snprintf, because its digits are
 * what the shell shows and differ from the C library's.
 */
#include "sql/print_cell.h"

#include "base/digits.h"

#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct text text_of(const char *string)
{
	return (struct text){string, strlen(string)};
}

struct text cell_text(const struct value *value, char number[CELL_NUMBER_BYTES])
{
	const char *first;

	switch (value->type) {
	case VALUE_NULL: break;
	case VALUE_INTEGER:
		first = digits_before(number + CELL_NUMBER_BYTES, value->integer);
		return (struct text){first, (size_t)(number + CELL_NUMBER_BYTES - first)};
	case VALUE_REAL:
		(void)sqlite3_snprintf(CELL_NUMBER_BYTES, number, "%!.15g", value->real);
		return text_of(number);
	case VALUE_TEXT:
	case VALUE_BLOB:
		if (value->len == 0)
			return text_of("");
		return (struct text){value->data, strnlen(value->data, value->len)};
	}
	return (struct text){NULL, 0};
}

static bool csv_needs_quotes(struct text text, const char *separator)
{
	size_t n = strlen(separator);

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.bytes[i];

		if (c <= ' ' || c == '"' || c == '\'' || c >= 0x7f)
			return true;
	}
	if (text.len == 0 || n == 0)
		return true;
	return memmem(text.bytes, text.len, separator, n) != NULL;
}

/* Adds `text` with each `quote` doubled. */
static void add_doubled(struct buf *out, struct text text, char quote)
{
	while (text.len > 0) {
		const char *at = memchr(text.bytes, quote, text.len);
		size_t n = at != NULL ? (size_t)(at - text.bytes) + 1 : text.len;

		buf_add(out, text.bytes, n);
		if (at != NULL)
			buf_add_char(out, quote);
		text.bytes += n;
		text.len -= n;
	}
}

void cell_add_csv(struct buf *out, struct text text, const char *separator)
{
	if (!csv_needs_quotes(text, separator)) {
		buf_add(out, text.bytes, text.len);
		return;
	}
	buf_add_char(out, '"');
	add_doubled(out, text, '"');
	buf_add_char(out, '"');
}

void cell_add_html(struct buf *out, struct text text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.bytes[i]) {
		case '<': buf_add_text(out, "&lt;"); break;
		case '&': buf_add_text(out, "&amp;"); break;
		case '>': buf_add_text(out, "&gt;"); break;
		case '"': buf_add_text(out, "&quot;"); break;
		case '\'': buf_add_text(out, "&#39;"); break;
		default: buf_add_char(out, text.bytes[i]); break;
		}
	}
}

void cell_add_c(struct buf *out, struct text text)
{
	buf_add_char(out, '"');
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.bytes[i];

		switch (c) {
		case '\\': buf_add_text(out, "\\\\"); break;
		case '"': buf_add_text(out, "\\\""); break;
		case '\t': buf_add_text(out, "\\t"); break;
		case '\n': buf_add_text(out, "\\n"); break;
		case '\r': buf_add_text(out, "\\r"); break;
		default:
			if (c < ' ' || c >= 0x7f)
				buf_printf(out, "\\%03o", c);
			else
				buf_add_char(out, (char)c);
		}
	}
	buf_add_char(out, '"');
}

static void add_json_control(struct buf *out, unsigned char c)
{
	switch (c) {
	case '\b': buf_add_text(out, "\\b"); break;
	case '\f': buf_add_text(out, "\\f"); break;
	case '\n': buf_add_text(out, "\\n"); break;
	case '\r': buf_add_text(out, "\\r"); break;
	case '\t': buf_add_text(out, "\\t"); break;
	default: buf_printf(out, "\\u%04x", c); break;
	}
}

void cell_add_json_string(struct buf *out, const char *bytes, size_t len)
{
	size_t from = 0;

	buf_add_char(out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if (c > 0x1f && c != '"' && c != '\\')
			continue;
		buf_add(out, bytes + from, i - from);
		from = i + 1;
		if (c <= 0x1f) {
			add_json_control(out, c);
		} else {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)c);
		}
	}
	buf_add(out, bytes + from, len - from);
	buf_add_char(out, '"');
}

/* 20 digits, which is more than a double has, but what the shell writes. */
static void add_long_real(struct buf *out, double real)
{
	char number[CELL_NUMBER_BYTES];

	(void)sqlite3_snprintf(CELL_NUMBER_BYTES, number, "%!.20g", real);
	buf_add_text(out, number);
}

void cell_add_json(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: buf_add_text(out, "null"); break;
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL:
		if (isinf(value->real))
			buf_add_text(out, value->real > 0 ? "1e999" : "-1e999");
		else
			add_long_real(out, value->real);
		break;
	case VALUE_TEXT:
		cell_add_json_string(out, value->data, strnlen(value->data, value->len));
		break;
	case VALUE_BLOB: cell_add_json_string(out, value->data, value->len); break;
	}
}

void cell_add_sql_string(struct buf *out, struct text text)
{
	buf_add_char(out, '\'');
	add_doubled(out, text, '\'');
	buf_add_char(out, '\'');
}

/* A stand-in for a line end that the text itself does not hold. */
static void find_stand_in(struct text text, const char *first, const char *second, char found[20])
{
	unsigned i = 0;

	(void)snprintf(found, 20, "%s", first);
	if (memmem(text.bytes, text.len, found, strlen(found)) == NULL)
		return;
	(void)snprintf(found, 20, "%s", second);
	while (memmem(text.bytes, text.len, found, strlen(found)) != NULL)
		(void)snprintf(found, 20, "(%s%u)", first, i++);
}

/* The same with line ends written by replace(…,char(10)), so that no reader changes them. */
static void add_sql_escaped(struct buf *out, struct text text)
{
	bool has_newline = memchr(text.bytes, '\n', text.len) != NULL;
	bool has_return = memchr(text.bytes, '\r', text.len) != NULL;
	char newline[20] = "";
	char carriage[20] = "";

	if (has_newline) {
		find_stand_in(text, "\\n", "\\012", newline);
		buf_add_text(out, "replace(");
	}
	if (has_return) {
		find_stand_in(text, "\\r", "\\015", carriage);
		buf_add_text(out, "replace(");
	}
	buf_add_char(out, '\'');
	for (size_t i = 0; i < text.len; i++) {
		switch (text.bytes[i]) {
		case '\n': buf_add_text(out, newline); break;
		case '\r': buf_add_text(out, carriage); break;
		case '\'': buf_add_text(out, "''"); break;
		default: buf_add_char(out, text.bytes[i]); break;
		}
	}
	buf_add_char(out, '\'');
	if (has_return)
		buf_printf(out, ",'%s',char(13))", carriage);
	if (has_newline)
		buf_printf(out, ",'%s',char(10))", newline);
}

static void add_hex(struct buf *out, const struct value *value)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->data[i];

		buf_add_char(out, digits[c >> 4]);
		buf_add_char(out, digits[c & 15]);
	}
	buf_add_char(out, '\'');
}

void cell_add_quote(struct buf *out, const struct value *value)
{
	char number[CELL_NUMBER_BYTES];

	switch (value->type) {
	case VALUE_NULL: buf_add_text(out, "NULL"); break;
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL: add_long_real(out, value->real); break;
	case VALUE_TEXT: cell_add_sql_string(out, cell_text(value, number)); break;
	case VALUE_BLOB:
		buf_add_text(out, "X'");
		add_hex(out, value);
		break;
	}
}

/* A real whose value is whole is written with all its digits and ".0". */
static void add_insert_real(struct buf *out, double real)
{
	if (isinf(real)) {
		buf_add_text(out, real > 0 ? "1e999" : "-1e999");
	} else if (real >= -9223372036854775808.0 && real < 9223372036854775808.0 &&
		   real == (double)(int64_t)real) {
		buf_add_int(out, (int64_t)real);
		buf_add_text(out, ".0");
	} else {
		add_long_real(out, real);
	}
}

void cell_add_insert(struct buf *out, const struct value *value, bool keep_newlines)
{
	char number[CELL_NUMBER_BYTES];

	if (value->type == VALUE_REAL)
		add_insert_real(out, value->real);
	else if (value->type == VALUE_TEXT && !keep_newlines)
		add_sql_escaped(out, cell_text(value, number));
	else
		cell_add_quote(out, value);
}

void cell_add_qbox(struct buf *out, const struct value *value)
{
	char number[CELL_NUMBER_BYTES];
	struct text text;

	if (value->type == VALUE_BLOB) {
		buf_add_text(out, "x'");
		add_hex(out, value);
	} else if (value->type == VALUE_REAL) {
		text = cell_text(value, number);
		buf_add(out, text.bytes, text.len);
	} else {
		cell_add_quote(out, value);
	}
}

static bool is_word_character(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && c >= '0' && c <= '9');
}

void cell_add_identifier(struct buf *out, const char *name)
{
	struct text text = text_of(name);
	bool plain = text.len > 0;

	for (size_t i = 0; i < text.len && plain; i++)
		plain = is_word_character(name[i], i == 0);
	if (plain && sqlite3_keyword_check(name, (int)text.len) == 0) {
		buf_add(out, text.bytes, text.len);
		return;
	}
	buf_add_char(out, '"');
	add_doubled(out, text, '"');
	buf_add_char(out, '"');
}
