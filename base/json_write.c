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

/* The high bit of each byte that is 0, and perhaps of ones above such a byte. */
static uint64_t zero_bytes(uint64_t word)
{
	return (word - EACH_BYTE(1)) & ~word & HIGH_BITS;
}

/* Eight of them: not 0 where one is to be escaped or is no ASCII. */
static uint64_t special_bytes(const char *text)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
	return (word | (word - EACH_BYTE(0x20)) | zero_bytes(word ^ EACH_BYTE('"')) |
		       zero_bytes(word ^ EACH_BYTE('\\'))) &
	       HIGH_BITS;
}

/* Whether all of it is ASCII that stands in a string as it is: most text of most tables. */
static bool is_plain(const char *text, size_t len)
{
	uint64_t special = 0;
	size_t at;

	for (at = 0; at + sizeof(special) <= len; at += sizeof(special))
		special |= special_bytes(text + at);
	/* The rest with bytes that were looked at already. */
	if (at < len && len >= sizeof(special)) {
		special |= special_bytes(text + len - sizeof(special));
		at = len;
	}
	for (; at < len; at++)
		if ((unsigned char)text[at] >= 0x80 || escape_of((unsigned char)text[at]) != 0)
			return false;
	return special == 0;
}

void json_write_string(struct buf *buf, const char *text, size_t len)
{
	struct buf shown = {0};
	char *room = is_plain(text, len) ? buf_reserve(buf, len + 2) : NULL;

	if (room != NULL) {
		room[0] = '"';
		if (len > 0)
			memcpy(room + 1, text, len);
		room[len + 1] = '"';
		buf->len += len + 2;
		return;
	}
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
