/* What a valid string stands for: its escapes resolved, one character at a time. */
#include "base/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <string.h>

static unsigned hex4(const char *at)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < 4; i++)
		n = n << 4 | (unsigned)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	return n;
}

/*
 * One character of a valid string's inside: an
 * escape or a byte. Returns how many bytes came out.
 */
static size_t unescape_one(const char **at, const char *end, char out[4])
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *letter;
	unsigned high, low;

	if (**at != '\\') {
		out[0] = *(*at)++;
		return 1;
	}
	if ((*at)[1] != 'u') {
		letter = strchr(letters, (*at)[1]);
		out[0] = letter != NULL ? meanings[letter - letters] : (*at)[1];
		*at += 2;
		return 1;
	}
	high = hex4(*at + 2);
	*at += 6;
	if (high >= 0xD800 && high < 0xDC00 && end - *at >= 6 && (*at)[0] == '\\' &&
		(*at)[1] == 'u') {
		low = hex4(*at + 2);
		if (low >= 0xDC00 && low < 0xE000) {
			*at += 6;
			high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
		}
	}
	/* A lone surrogate is no character: utf8_encode makes it U+FFFD. */
	return utf8_encode(high, out);
}

size_t json_unescape(const struct json_value *string, char *out)
{
	const char *at = string->text + 1;
	const char *end = string->text + string->len - 1;
	char character[4];
	size_t len = 0;
	size_t n;

	assert(string->type == JSON_STRING);
	while (at < end) {
		n = unescape_one(&at, end, character);
		memcpy(out + len, character, n);
		len += n;
	}
	return len;
}

bool json_string_is(const struct json_value *string, const char *text, size_t len)
{
	const char *at = string->text + 1;
	const char *end = string->text + string->len - 1;
	char character[4];
	size_t done = 0;
	size_t n;

	if (!string->has_escapes)
		return (size_t)(end - at) == len && memcmp(at, text, len) == 0;
	while (at < end) {
		n = unescape_one(&at, end, character);
		if (n > len - done || memcmp(text + done, character, n) != 0)
			return false;
		done += n;
	}
	return done == len;
}

static int base64_digit(char c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

bool json_decode_blob(char *text, size_t *len)
{
	unsigned bits = 0, n_bits = 0;
	size_t n_digits = *len;
	size_t n = 0;

	if (n_digits % 4 != 0)
		return false;
	for (int i = 0; i < 2 && n_digits > 0 && text[n_digits - 1] == '='; i++)
		n_digits--;
	for (size_t i = 0; i < n_digits; i++) {
		int digit = base64_digit(text[i]);

		if (digit < 0)
			return false;
		bits = bits << 6 | (unsigned)digit;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			text[n++] = (char)(bits >> n_bits & 0xff);
		}
	}
	*len = n;
	return true;
}
