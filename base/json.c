/*
 * The reader behind json.h.
 *
 * Strings are most of the bytes, so their plain runs (printable ASCII but
 * quote and backslash) are skipped 16 or 8 bytes at a time; whatever stops a
 * run is looked at alone. Containers are walked with one bit a level instead
 * of the C stack. Every reader below takes `at` on the first byte of its
 * thing and leaves it behind the last one, or on the first wrong one.
 */
#include "base/json.h"

#include "base/utf8.h"

#include <assert.h>
#include <string.h>

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#define RUN_BYTES 16
#else
#define RUN_BYTES 8
#endif

static enum json_status malformed(struct json_scan *scan, const char *at, const char *fault)
{
	scan->at = at;
	scan->fault = *at == '\n' ? "the line ends inside a value" : fault;
	return JSON_MALFORMED;
}

static enum json_status incomplete(struct json_scan *scan)
{
	scan->at = scan->end;
	return JSON_INCOMPLETE;
}

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

/* --- strings ------------------------------------------------------------- */

static inline bool is_plain(char c)
{
	return (signed char)c >= 0x20 && c != '"' && c != '\\';
}

/* How many of the RUN_BYTES bytes at `at` are plain before the first that is not. */
static inline unsigned plain_prefix(const char *at)
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
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t highs = UINT64_C(0x8080808080808080);
	uint64_t word, quotes, backslashes, stops;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	/* The lowest marked byte is exact; borrows can only mark bytes above it. */
	quotes = word ^ ones * '"';
	backslashes = word ^ ones * '\\';
	stops = ((quotes - ones) & ~quotes) | ((backslashes - ones) & ~backslashes) |
		(word - ones * 0x20) | word;
	stops &= highs;
	return stops == 0 ? RUN_BYTES : (unsigned)__builtin_ctzll(stops) / 8;
#endif
}

static inline const char *skip_plain(const char *at, const char *end)
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

/* At a backslash; returns JSON_OK with *at behind the escape. */
static enum json_status skip_escape(struct json_scan *scan, const char **at)
{
	const char *escape = *at + 1;
	int i;

	if (escape == scan->end)
		return incomplete(scan);
	if (*escape != '\0' && strchr("\"\\/bfnrt", *escape) != NULL) {
		*at = escape + 1;
		return JSON_OK;
	}
	if (*escape != 'u')
		return malformed(scan, escape, "an unknown escape in a string");
	for (i = 1; i <= 4; i++) {
		if (escape + i == scan->end)
			return incomplete(scan);
		if (!is_digit(escape[i]) && (unsigned)((escape[i] | 0x20) - 'a') >= 6)
			return malformed(scan, escape + i, "\\u without four hexadecimal digits");
	}
	*at = escape + 5;
	return JSON_OK;
}

/* At a byte from 0x80 on; returns JSON_OK with *at behind that character and those like it that
 * follow. */
static enum json_status skip_utf8(struct json_scan *scan, const char **at)
{
	bool is_cut;
	size_t n;

	do {
		n = utf8_sequence(*at, (size_t)(scan->end - *at), &is_cut);
		if (n == 0 && is_cut)
			return incomplete(scan);
		if (n == 0)
			return malformed(scan, *at, "invalid UTF-8 in a string");
		*at += n;
	} while (*at < scan->end && (signed char)**at < 0);
	return JSON_OK;
}

/* What is not plain in a string, up to its end. */
static enum json_status read_hard_string(
	struct json_scan *scan, const char *at, struct json_value *value)
{
	enum json_status status;

	for (;; at = skip_plain(at, scan->end)) {
		if (at == scan->end)
			return incomplete(scan);
		if (*at == '"')
			break;
		if (*at == '\\') {
			value->has_escapes = true;
			status = skip_escape(scan, &at);
		} else if ((signed char)*at < 0) {
			status = skip_utf8(scan, &at);
		} else {
			status = malformed(scan, at, "a control character in a string");
		}
		if (status != JSON_OK)
			return status;
	}
	scan->at = at + 1;
	value->len = (size_t)(scan->at - value->text);
	return JSON_OK;
}

static inline enum json_status read_string(struct json_scan *scan, struct json_value *value)
{
	const char *at = skip_plain(scan->at + 1, scan->end);

	value->text = scan->at;
	value->type = JSON_STRING;
	value->has_escapes = false;
	if (at == scan->end || *at != '"')
		return read_hard_string(scan, at, value);
	scan->at = at + 1;
	value->len = (size_t)(scan->at - value->text);
	return JSON_OK;
}

/* --- numbers and literals ------------------------------------------------ */

/* A number or a literal ends where no byte of a word follows; `at` stands behind it. */
static inline enum json_status end_word(
	struct json_scan *scan, const char *at, enum json_type type, struct json_value *value)
{
	if (at == scan->end)
		return incomplete(scan);
	if (is_digit(*at) || (unsigned)((*at | 0x20) - 'a') < 26 || *at == '.' || *at == '-' ||
		*at == '+' || *at == '_')
		return malformed(scan, at,
			type == JSON_NUMBER ? "no number goes on like this" : "no such word");
	value->text = scan->at;
	value->len = (size_t)(at - scan->at);
	value->type = type;
	value->has_escapes = false;
	scan->at = at;
	return JSON_OK;
}

static inline const char *skip_digits(const char *at, const char *end)
{
	while (at < end && is_digit(*at))
		at++;
	return at;
}

/* The digits that must stand behind a point or an exponent; NULL when they do not, with *status
 * set. */
static const char *need_digits(struct json_scan *scan, const char *at, enum json_status *status)
{
	if (at == scan->end) {
		*status = incomplete(scan);
		return NULL;
	}
	if (!is_digit(*at)) {
		*status = malformed(scan, at, "a digit is expected");
		return NULL;
	}
	return skip_digits(at, scan->end);
}

static enum json_status read_fraction_and_exponent(
	struct json_scan *scan, const char *at, struct json_value *value)
{
	enum json_status status;

	if (at < scan->end && *at == '.') {
		at = need_digits(scan, at + 1, &status);
		if (at == NULL)
			return status;
	}
	if (at < scan->end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < scan->end && (*at == '+' || *at == '-'))
			at++;
		at = need_digits(scan, at, &status);
		if (at == NULL)
			return status;
	}
	return end_word(scan, at, JSON_NUMBER, value);
}

static inline enum json_status read_number(struct json_scan *scan, struct json_value *value)
{
	const char *first = scan->at + (*scan->at == '-');
	const char *at;
	enum json_status status;

	at = need_digits(scan, first, &status);
	if (at == NULL)
		return status;
	if (*first == '0' && at > first + 1)
		return malformed(scan, first + 1, "a number with a leading zero");
	return read_fraction_and_exponent(scan, at, value);
}

static enum json_status read_literal(
	struct json_scan *scan, const char *word, enum json_type type, struct json_value *value)
{
	const char *at = scan->at;

	for (; *word != '\0'; word++, at++) {
		if (at == scan->end)
			return incomplete(scan);
		if (*at != *word)
			return malformed(scan, at, "no such word");
	}
	return end_word(scan, at, type, value);
}

static inline enum json_status read_scalar(struct json_scan *scan, struct json_value *value)
{
	switch (*scan->at) {
	case '"': return read_string(scan, value);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9': return read_number(scan, value);
	case 't': return read_literal(scan, "true", JSON_TRUE, value);
	case 'f': return read_literal(scan, "false", JSON_FALSE, value);
	case 'n': return read_literal(scan, "null", JSON_NULL, value);
	default: return malformed(scan, scan->at, "a value is expected");
	}
}

/* --- containers ---------------------------------------------------------- */

/* The name of a member, its colon and the blanks around it; JSON_OK with `at` on the value's first
 * byte. */
static inline enum json_status read_name(struct json_scan *scan, struct json_value *name)
{
	enum json_status status;

	if (scan->at == scan->end)
		return JSON_INCOMPLETE;
	if (*scan->at != '"')
		return malformed(scan, scan->at, "a name in double quotes is expected");
	status = read_string(scan, name);
	if (status != JSON_OK)
		return status;
	json_skip_blanks(scan);
	if (scan->at == scan->end)
		return JSON_INCOMPLETE;
	if (*scan->at != ':')
		return malformed(scan, scan->at, "a colon is expected");
	scan->at++;
	json_skip_blanks(scan);
	return scan->at == scan->end ? JSON_INCOMPLETE : JSON_OK;
}

/* The open containers, one bit each: 1 for an object. */
struct nest {
	uint64_t is_object[(JSON_MAX_DEPTH + 63) / 64];
	unsigned depth;
};

static bool nest_is_object(const struct nest *nest)
{
	unsigned level = nest->depth - 1;

	return (nest->is_object[level / 64] >> level % 64 & 1) != 0;
}

/* At an opening bracket. */
static enum json_status nest_open(struct nest *nest, struct json_scan *scan)
{
	uint64_t bit = UINT64_C(1) << nest->depth % 64;
	uint64_t *word;

	if (nest->depth == JSON_MAX_DEPTH)
		return malformed(scan, scan->at, "nested deeper than 1,000 levels");
	word = &nest->is_object[nest->depth / 64];
	if (nest->depth % 64 == 0)
		*word = 0;
	*word = *scan->at == '{' ? *word | bit : *word & ~bit;
	nest->depth++;
	scan->at++;
	return JSON_OK;
}

/*
 * Inside a container, in front of what comes next: a closing bracket, which is
 * passed (*is_closed), or the first byte of an element or member, whose comma
 * is passed. `is_fresh`: nothing of this container was read yet.
 */
static inline enum json_status next_item(
	struct json_scan *scan, char closer, bool is_fresh, bool *is_closed)
{
	json_skip_blanks(scan);
	if (scan->at == scan->end)
		return JSON_INCOMPLETE;
	*is_closed = *scan->at == closer;
	if (*is_closed) {
		scan->at++;
		return JSON_OK;
	}
	if (is_fresh)
		return JSON_OK;
	if (*scan->at != ',')
		return malformed(scan, scan->at, "a comma or the closing bracket is expected");
	scan->at++;
	json_skip_blanks(scan);
	return scan->at == scan->end ? JSON_INCOMPLETE : JSON_OK;
}

static enum json_status skip_container(struct json_scan *scan)
{
	struct nest nest;
	struct json_value ignored;
	enum json_status status;
	bool is_fresh = true;
	bool is_closed, is_object;

	nest.depth = scan->depth;
	status = nest_open(&nest, scan);
	while (status == JSON_OK && nest.depth > scan->depth) {
		is_object = nest_is_object(&nest);
		status = next_item(scan, is_object ? '}' : ']', is_fresh, &is_closed);
		if (status != JSON_OK)
			break;
		is_fresh = false;
		if (is_closed) {
			nest.depth--;
			continue;
		}
		if (is_object) {
			status = read_name(scan, &ignored);
			if (status != JSON_OK)
				break;
		}
		if (*scan->at == '{' || *scan->at == '[') {
			status = nest_open(&nest, scan);
			is_fresh = true;
		} else {
			status = read_scalar(scan, &ignored);
		}
	}
	return status;
}

static inline enum json_status read_value(struct json_scan *scan, struct json_value *value)
{
	const char *start = scan->at;
	enum json_status status;

	if (*start != '{' && *start != '[')
		return read_scalar(scan, value);
	status = skip_container(scan);
	value->text = start;
	value->len = (size_t)(scan->at - start);
	value->type = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
	value->has_escapes = false;
	return status;
}

enum json_status json_read_value(struct json_scan *scan, struct json_value *value)
{
	return read_value(scan, value);
}

enum json_status json_next_member(
	struct json_scan *scan, bool is_first, struct json_value *name, struct json_value *value)
{
	bool is_closed;
	enum json_status status = next_item(scan, '}', is_first, &is_closed);

	if (status != JSON_OK)
		return status;
	if (is_closed)
		return JSON_END;
	status = read_name(scan, name);
	if (status != JSON_OK)
		return status;
	return read_value(scan, value);
}

bool json_find_member(
	const struct json_value *object, const char *name, size_t len, struct json_value *value)
{
	struct json_scan scan = {.at = object->text + 1, .end = object->text + object->len};
	struct json_value member_name, member;
	bool is_first = true;
	bool is_found = false;

	assert(object->type == JSON_OBJECT);
	while (json_next_member(&scan, is_first, &member_name, &member) == JSON_OK) {
		is_first = false;
		if (json_string_is(&member_name, name, len)) {
			*value = member;
			is_found = true;
		}
	}
	return is_found;
}

/* --- what a string stands for -------------------------------------------- */

static unsigned hex4(const char *at)
{
	unsigned n = 0;
	int i;

	for (i = 0; i < 4; i++)
		n = n << 4 | (unsigned)(is_digit(at[i]) ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	return n;
}

/* One character of a valid string's inside: an escape or a byte. Returns how many bytes came out.
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
