/*
 * The readers of strings, numbers and literals, for base/json.c alone: they
 * stand in a header because they must be compiled into its loops.
 *
 * Strings are most of the bytes, so their plain runs (printable ASCII but
 * quote and backslash) are skipped 16 or 8 bytes at a time, digits 8; what
 * stops a run is looked at alone.
 *
 * Every reader takes `at` on the first byte of its thing, which is there, and
 * returns where it ends; NULL says that scan->status tells why it does not.
 * The cursor is handed from reader to reader, not kept in the scan, because a
 * step through memory for each of them would cost more than the reading.
 */
#ifndef BASE_JSON_SCALAR_H
#define BASE_JSON_SCALAR_H

#include "base/json.h"

#include "base/utf8.h"

#include <string.h>

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#define RUN_BYTES 16
#else
#define RUN_BYTES 8
#endif

#define WORD_BYTES 8
#define EACH_BYTE  UINT64_C(0x0101010101010101)
#define HIGH_BITS  (EACH_BYTE * 0x80)

/* Which functions are worth a call of their own is known here better than to the compiler. */
#define NOINLINE __attribute__((noinline))
#define INLINE   inline __attribute__((always_inline))

static NOINLINE const char *malformed(struct json_scan *scan, const char *at, const char *fault)
{
	scan->at = at;
	scan->fault = *at == '\n' ? "the line ends inside a value" : fault;
	scan->status = JSON_MALFORMED;
	return NULL;
}

static NOINLINE const char *incomplete(struct json_scan *scan)
{
	scan->at = scan->end;
	scan->status = JSON_INCOMPLETE;
	return NULL;
}

static inline bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* Eight bytes, the first one lowest. */
static inline uint64_t load_word(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* How many bytes stand before the lowest that is marked by its high bit; `marks` is not 0. */
static inline unsigned bytes_before(uint64_t marks)
{
	return (unsigned)__builtin_ctzll(marks) / 8;
}

/* Strings. */

static inline bool is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* How many of the RUN_BYTES bytes at `at` are plain before the first that is not. */
static INLINE unsigned plain_prefix(const char *at)
{
#if RUN_BYTES == 16
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i backslashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	/* Signed, so that bytes from 0x80 on are below the blank as control characters are. */
	__m128i others = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
	__m128i stops = _mm_or_si128(_mm_or_si128(quotes, backslashes), others);

	return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(stops) | 1u << RUN_BYTES);
#else
	uint64_t word = load_word(at);
	uint64_t quotes = word ^ EACH_BYTE * '"';
	uint64_t backslashes = word ^ EACH_BYTE * '\\';
	/* The lowest marked byte is exact; borrows can only mark bytes above it. */
	uint64_t stops = ((quotes - EACH_BYTE) & ~quotes) |
			 ((backslashes - EACH_BYTE) & ~backslashes) | (word - EACH_BYTE * 0x20) |
			 word;

	stops &= HIGH_BITS;
	return stops == 0 ? RUN_BYTES : bytes_before(stops);
#endif
}

static INLINE const char *skip_plain(const char *at, const char *end)
{
	unsigned n;

	while (end - at >= RUN_BYTES) {
		n = plain_prefix(at);
		at += n;
		if (n < RUN_BYTES)
			return at;
	}
	while (at < end && is_plain(*at))
		at++;
	return at;
}

/* At a backslash. */
static const char *skip_escape(struct json_scan *scan, const char *at)
{
	const char *escape = at + 1;
	int i;

	if (escape == scan->end)
		return incomplete(scan);
	if (*escape != '\0' && strchr("\"\\/bfnrt", *escape) != NULL)
		return escape + 1;
	if (*escape != 'u')
		return malformed(scan, escape, "an unknown escape in a string");
	for (i = 1; i <= 4; i++) {
		if (escape + i == scan->end)
			return incomplete(scan);
		if (!is_digit(escape[i]) && (unsigned)((escape[i] | 0x20) - 'a') >= 6)
			return malformed(scan, escape + i, "\\u without four hexadecimal digits");
	}
	return escape + 5;
}

/* At a byte from 0x80 on: that character, and those like it that follow. */
static const char *skip_utf8(struct json_scan *scan, const char *at)
{
	bool is_cut;
	size_t n;

	do {
		n = utf8_sequence(at, (size_t)(scan->end - at), &is_cut);
		if (n == 0 && is_cut)
			return incomplete(scan);
		if (n == 0)
			return malformed(scan, at, "invalid UTF-8 in a string");
		at += n;
	} while (at < scan->end && (signed char)*at < 0);
	return at;
}

/* From what is not plain in a string to its closing quote. */
static NOINLINE const char *skip_hard_string(
	struct json_scan *scan, const char *at, struct json_value *value)
{
	for (;; at = skip_plain(at, scan->end)) {
		if (at == scan->end)
			return incomplete(scan);
		if (*at == '"')
			return at;
		if (*at == '\\') {
			value->has_escapes = true;
			at = skip_escape(scan, at);
		} else if ((signed char)*at < 0) {
			at = skip_utf8(scan, at);
		} else {
			return malformed(scan, at, "a control character in a string");
		}
		if (at == NULL)
			return NULL;
	}
}

static INLINE const char *read_string(
	struct json_scan *scan, const char *start, struct json_value *value)
{
	const char *at = skip_plain(start + 1, scan->end);

	value->has_escapes = false;
	if (at == scan->end || *at != '"') {
		at = skip_hard_string(scan, at, value);
		if (at == NULL)
			return NULL;
	}
	value->text = start;
	value->len = (size_t)(at + 1 - start);
	value->type = JSON_STRING;
	return at + 1;
}

/* Numbers and literals. */

static NOINLINE bool goes_on_as_word(char c)
{
	return is_digit(c) || (unsigned)((c | 0x20) - 'a') < 26 || c == '.' || c == '-' ||
	       c == '+' || c == '_';
}

/* A number or a literal ends where no byte of a word follows; `at` stands behind it. */
static INLINE const char *end_word(struct json_scan *scan, const char *start, const char *at,
	enum json_type type, struct json_value *value)
{
	if (at == scan->end)
		return incomplete(scan);
	if (*at != ',' && *at != '}' && goes_on_as_word(*at))
		return malformed(scan, at,
			type == JSON_NUMBER ? "no number goes on like this" : "no such word");
	value->text = start;
	value->len = (size_t)(at - start);
	value->type = type;
	value->has_escapes = false;
	return at;
}

static INLINE const char *skip_digits(const char *at, const char *end)
{
	uint64_t word, others;

	while (end - at >= WORD_BYTES) {
		/* A digit becomes 0 to 9, which 0x76 does not lift to the high bit. */
		word = load_word(at) ^ EACH_BYTE * '0';
		others = (((word & ~HIGH_BITS) + EACH_BYTE * 0x76) | word) & HIGH_BITS;
		if (others != 0)
			return at + bytes_before(others);
		at += WORD_BYTES;
	}
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/* The digits that must stand behind a sign, a point or an exponent. */
static INLINE const char *need_digits(struct json_scan *scan, const char *at)
{
	if (at == scan->end)
		return incomplete(scan);
	if (!is_digit(*at))
		return malformed(scan, at, "a digit is expected");
	return skip_digits(at, scan->end);
}

/* Behind the integer part. */
static NOINLINE const char *skip_fraction_and_exponent(struct json_scan *scan, const char *at)
{
	if (*at == '.') {
		at = need_digits(scan, at + 1);
		if (at == NULL)
			return NULL;
	}
	if (at < scan->end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < scan->end && (*at == '+' || *at == '-'))
			at++;
		at = need_digits(scan, at);
	}
	return at;
}

static INLINE const char *read_number(
	struct json_scan *scan, const char *start, struct json_value *value)
{
	const char *first = start + (*start == '-');
	const char *at = need_digits(scan, first);

	if (at == NULL)
		return NULL;
	if (*first == '0' && at > first + 1)
		return malformed(scan, first + 1, "a number with a leading zero");
	if (at < scan->end && (*at == '.' || *at == 'e' || *at == 'E')) {
		at = skip_fraction_and_exponent(scan, at);
		if (at == NULL)
			return NULL;
	}
	return end_word(scan, start, at, JSON_NUMBER, value);
}

static const char *read_literal(struct json_scan *scan, const char *start, const char *word,
	enum json_type type, struct json_value *value)
{
	const char *at = start;

	for (; *word != '\0'; word++, at++) {
		if (at == scan->end)
			return incomplete(scan);
		if (*at != *word)
			return malformed(scan, at, "no such word");
	}
	return end_word(scan, start, at, type, value);
}

static INLINE const char *read_scalar(
	struct json_scan *scan, const char *at, struct json_value *value)
{
	if (*at == '"')
		return read_string(scan, at, value);
	if (is_digit(*at) || *at == '-')
		return read_number(scan, at, value);
	if (*at == 't')
		return read_literal(scan, at, "true", JSON_TRUE, value);
	if (*at == 'f')
		return read_literal(scan, at, "false", JSON_FALSE, value);
	if (*at == 'n')
		return read_literal(scan, at, "null", JSON_NULL, value);
	return malformed(scan, at, "a value is expected");
}

#endif
