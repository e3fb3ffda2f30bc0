/*
 * UTF-8 by the well-formed byte sequences of the Unicode standard (table 3-7):
 * the second byte's range follows from the first, all later ones are
 * continuation bytes. ASCII, which is most text, passes eight bytes at a time.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#define HIGH_BITS UINT64_C(0x8080808080808080)

/*
 * The length of the well-formed sequence at `text`, or 0; *bad is then how
 * many bytes belong to the ill-formed part (at least 1, all of them where the
 * text ends inside the sequence).
 */
static size_t sequence(const unsigned char *text, size_t len, size_t *bad)
{
	unsigned char first = text[0];
	unsigned char low = 0x80, high = 0xBF;
	size_t n, i;

	*bad = 1;
	if (first < 0x80)
		return 1;
	if (first < 0xC2 || first > 0xF4)
		return 0;
	n = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
	if (first == 0xE0)
		low = 0xA0;
	else if (first == 0xED)
		high = 0x9F;
	else if (first == 0xF0)
		low = 0x90;
	else if (first == 0xF4)
		high = 0x8F;
	for (i = 1; i < n; i++) {
		if (i >= len || text[i] < low || text[i] > high)
			return 0;
		*bad = i + 1;
		low = 0x80;
		high = 0xBF;
	}
	return n;
}

size_t utf8_sequence(const char *text, size_t len, bool *is_cut)
{
	size_t bad;
	size_t n = sequence((const unsigned char *)text, len, &bad);

	/* A first byte that begins nothing is wrong whatever follows it. */
	*is_cut = n == 0 && bad == len && (unsigned char)text[0] >= 0xC2 &&
		  (unsigned char)text[0] <= 0xF4;
	return n;
}

size_t utf8_valid_prefix(const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t at = 0;
	size_t n, bad;
	uint64_t word;

	while (at < len) {
		if (len - at >= sizeof(word)) {
			memcpy(&word, bytes + at, sizeof(word));
			if ((word & HIGH_BITS) == 0) {
				at += sizeof(word);
				continue;
			}
		}
		n = sequence(bytes + at, len - at, &bad);
		if (n == 0)
			return at;
		at += n;
	}
	return len;
}

void utf8_add_shown(struct buf *buf, const char *text, size_t len)
{
	size_t at = 0;
	size_t n, bad;

	while (at < len) {
		n = utf8_valid_prefix(text + at, len - at);
		buf_add(buf, text + at, n);
		at += n;
		if (at == len)
			return;
		(void)sequence((const unsigned char *)text + at, len - at, &bad);
		buf_add(buf, "\xEF\xBF\xBD", 3);
		at += bad;
	}
}

size_t utf8_length(const char *text, size_t len)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xC0) != 0x80;
	return n;
}

size_t utf8_encode(unsigned code_point, char out[4])
{
	if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point <= 0xDFFF))
		code_point = 0xFFFD;
	if (code_point < 0x80) {
		out[0] = (char)code_point;
		return 1;
	}
	if (code_point < 0x800) {
		out[0] = (char)(0xC0 | code_point >> 6);
		out[1] = (char)(0x80 | (code_point & 0x3F));
		return 2;
	}
	if (code_point < 0x10000) {
		out[0] = (char)(0xE0 | code_point >> 12);
		out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
		out[2] = (char)(0x80 | (code_point & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | code_point >> 18);
	out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
	out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
	out[3] = (char)(0x80 | (code_point & 0x3F));
	return 4;
}
