/* JSON out: escapes, base64 and the shortest exact form of what numbers need. */
#include "base/json_write.h"

#include "base/utf8.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* What stands behind the backslash for a byte that must be escaped; 0: none needed; 'u': \u00XX. */
static char escape_of(unsigned char c)
{
	switch (c) {
	case '"': return '"';
	case '\\': return '\\';
	case '\b': return 'b';
	case '\f': return 'f';
	case '\n': return 'n';
	case '\r': return 'r';
	case '\t': return 't';
	default: return c < 0x20 ? 'u' : 0;
	}
}

/* Valid UTF-8 only. */
static void add_escaped(struct buf *buf, const char *text, size_t len)
{
	size_t start = 0;
	size_t i;
	char escape;

	for (i = 0; i < len; i++) {
		escape = escape_of((unsigned char)text[i]);
		if (escape == 0)
			continue;
		buf_add(buf, text + start, i - start);
		start = i + 1;
		if (escape == 'u') {
			buf_printf(buf, "\\u%04x", (unsigned)text[i]);
		} else {
			buf_add_char(buf, '\\');
			buf_add_char(buf, escape);
		}
	}
	buf_add(buf, text + start, len - start);
}

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))
#define HIGH_BITS    EACH_BYTE(0x80)

/*
 * Eight bytes: a high bit where one is to be escaped or is no ASCII. A borrow reaches further only
 * from a byte that has its high bit already.
 */
static uint64_t special_bits(uint64_t word)
{
	return (word | (word - EACH_BYTE(0x20)) | ((word ^ EACH_BYTE('"')) - EACH_BYTE(1)) |
		       ((word ^ EACH_BYTE('\\')) - EACH_BYTE(1))) &
	       HIGH_BITS;
}

/* Copies eight bytes. */
static uint64_t copy_word(char *to, const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	memcpy(to, &word, sizeof(word));
	return special_bits(word);
}

/* Copies four to seven bytes, as two runs of four that overlap. */
static uint64_t copy_short(char *to, const char *text, size_t len)
{
	uint32_t first, last;

	memcpy(&first, text, sizeof(first));
	memcpy(&last, text + len - sizeof(last), sizeof(last));
	memcpy(to, &first, sizeof(first));
	memcpy(to + len - sizeof(last), &last, sizeof(last));
	return special_bits((uint64_t)last << 32 | first);
}

/*
 * Copies the text in the pass that looks at it, and tells whether all of it is ASCII that stands in
 * a string as it is: most text of most tables.
 */
static bool copy_plain(char *to, const char *text, size_t len)
{
	uint64_t special = 0;

	if (len >= 8) {
		for (size_t at = 0; at + 8 < len; at += 8)
			special |= copy_word(to + at, text + at);
		return (special | copy_word(to + len - 8, text + len - 8)) == 0;
	}
	if (len >= 4)
		return copy_short(to, text, len) == 0;
	for (size_t at = 0; at < len; at++) {
		if ((unsigned char)text[at] >= 0x80 || escape_of((unsigned char)text[at]) != 0)
			return false;
		to[at] = text[at];
	}
	return true;
}

/* By itself, so that what stands as it is does not pay for it. */
static __attribute__((noinline)) void write_escaped(struct buf *buf, const char *text, size_t len)
{
	struct buf shown = {0};

	buf_add_char(buf, '"');
	if (utf8_valid_prefix(text, len) == len) {
		add_escaped(buf, text, len);
	} else {
		utf8_add_shown(&shown, text, len);
		add_escaped(buf, shown.data, shown.len);
		buf->failed |= shown.failed;
		buf_fini(&shown);
	}
	buf_add_char(buf, '"');
}

void json_write_string(struct buf *buf, const char *text, size_t len)
{
	char *room = buf_reserve(buf, len + 2);

	if (room == NULL)
		return;
	if (!copy_plain(room + 1, text, len)) {
		write_escaped(buf, text, len);
		return;
	}
	room[0] = '"';
	room[len + 1] = '"';
	buf->len += len + 2;
}

void json_write_double(struct buf *buf, double number)
{
	char text[40];
	char *comma;

	assert(isfinite(number));
	(void)snprintf(text, sizeof(text), "%.17g", number);
	/* A program that has called setlocale() may print a comma. */
	comma = strchr(text, ',');
	if (comma != NULL)
		*comma = '.';
	buf_add_text(buf, text);
	/* A reader that tells reals from integers shall see a real. */
	if (strpbrk(text, ".e") == NULL)
		buf_add_text(buf, ".0");
}

void json_write_blob(struct buf *buf, const void *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *in = bytes;
	char out[4];
	uint32_t group;
	size_t i, n;

	buf_add_text(buf, "{\"blob\":\"");
	for (i = 0; i < len; i += 3) {
		n = len - i < 3 ? len - i : 3;
		group = (uint32_t)in[i] << 16;
		if (n > 1)
			group |= (uint32_t)in[i + 1] << 8;
		if (n > 2)
			group |= in[i + 2];
		out[0] = digits[group >> 18];
		out[1] = digits[group >> 12 & 63];
		out[2] = n > 1 ? digits[group >> 6 & 63] : '=';
		out[3] = n > 2 ? digits[group & 63] : '=';
		buf_add(buf, out, sizeof(out));
	}
	buf_add_text(buf, "\"}");
}
