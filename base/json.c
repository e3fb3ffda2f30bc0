/*
 * The reader behind json.h.
 *
 * Strings are most of the bytes, so their plain runs (printable ASCII but
 * quote and backslash) are skipped 16 or 8 bytes at a time, digits 8; what
 * stops a run is looked at alone. Containers are walked with one bit a level
 * instead of the C stack.
 *
 * Every reader takes `at` on the first byte of its thing, which is there, and
 * returns where it ends; NULL says that scan->status tells why it does not.
 * The cursor is handed from reader to reader, not kept in the scan, because a
 * step through memory for each of them would cost more than the reading.
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

/* --- strings ------------------------------------------------------------- */

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

/* --- numbers and literals ------------------------------------------------ */

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

/* --- containers ---------------------------------------------------------- */

static NOINLINE const char *skip_blanks(struct json_scan *scan, const char *at)
{
	while (at < scan->end && json_is_blank(*at))
		at++;
	return at < scan->end ? at : incomplete(scan);
}

/* Blanks, of which there are usually none, behind which a byte must stand. */
static INLINE const char *next_byte(struct json_scan *scan, const char *at)
{
	if (at<scan->end && * at> ' ')
		return at;
	return skip_blanks(scan, at);
}

/* The name of a member, its colon and the blanks around it, up to the value's first byte. */
static INLINE const char *read_name(struct json_scan *scan, const char *at, struct json_value *name)
{
	if (*at != '"')
		return malformed(scan, at, "a name in double quotes is expected");
	at = read_string(scan, at, name);
	if (at == NULL)
		return NULL;
	at = next_byte(scan, at);
	if (at == NULL)
		return NULL;
	if (*at != ':')
		return malformed(scan, at, "a colon is expected");
	return next_byte(scan, at + 1);
}

/* Behind an item of a container: its closing bracket, or, behind a comma, the next item's first
 * byte. */
static INLINE const char *next_item(
	struct json_scan *scan, const char *at, char closer, bool *is_closed)
{
	at = next_byte(scan, at);
	if (at == NULL)
		return NULL;
	*is_closed = *at == closer;
	if (*is_closed)
		return at;
	if (*at != ',')
		return malformed(scan, at, "a comma or the closing bracket is expected");
	return next_byte(scan, at + 1);
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

static const char *fail_if_too_deep(struct json_scan *scan, const char *at, unsigned depth)
{
	if (depth < JSON_MAX_DEPTH)
		return at;
	return malformed(scan, at, "nested deeper than 1,000 levels");
}

static void nest_open(struct nest *nest, bool is_object)
{
	uint64_t bit = UINT64_C(1) << nest->depth % 64;
	uint64_t *word = &nest->is_object[nest->depth / 64];

	if (nest->depth % 64 == 0)
		*word = 0;
	*word = is_object ? *word | bit : *word & ~bit;
	nest->depth++;
}

/*
 * At an opening bracket: opens it and all that stand at its first items.
 * Returns the first byte of a scalar, or of an empty container's closing
 * bracket (*is_closed).
 */
static const char *descend(
	struct json_scan *scan, const char *at, struct nest *nest, bool *is_closed)
{
	struct json_value name;
	bool is_object;

	*is_closed = false;
	while (*at == '{' || *at == '[') {
		is_object = *at == '{';
		at = fail_if_too_deep(scan, at, nest->depth);
		if (at == NULL)
			return NULL;
		nest_open(nest, is_object);
		at = next_byte(scan, at + 1);
		if (at == NULL)
			return NULL;
		*is_closed = *at == (is_object ? '}' : ']');
		if (*is_closed)
			return at;
		if (is_object)
			at = read_name(scan, at, &name);
		if (at == NULL)
			return NULL;
	}
	return at;
}

/* At an opening bracket inside `depth` others; returns behind the closing one. */
static NOINLINE const char *skip_container(struct json_scan *scan, const char *at, unsigned depth)
{
	struct nest nest;
	struct json_value ignored;
	bool is_closed, is_object;

	nest.depth = depth;
	for (;;) {
		at = descend(scan, at, &nest, &is_closed);
		if (at != NULL && !is_closed)
			at = read_scalar(scan, at, &ignored);
		/* Behind an item, or at a closing bracket: up, until a next item stands there. */
		while (at != NULL) {
			if (is_closed) {
				at++;
				nest.depth--;
				if (nest.depth == depth)
					return at;
			}
			is_object = nest_is_object(&nest);
			at = next_item(scan, at, is_object ? '}' : ']', &is_closed);
			if (at != NULL && !is_closed) {
				if (is_object)
					at = read_name(scan, at, &ignored);
				break;
			}
		}
		if (at == NULL)
			return NULL;
	}
}

static INLINE const char *read_value(
	struct json_scan *scan, const char *start, unsigned depth, struct json_value *value)
{
	const char *at;

	if (*start != '{' && *start != '[')
		return read_scalar(scan, start, value);
	at = skip_container(scan, start, depth);
	if (at == NULL)
		return NULL;
	value->text = start;
	value->len = (size_t)(at - start);
	value->type = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
	value->has_escapes = false;
	return at;
}

/* What a public reader returns: `at` is where its thing ends, or NULL. */
static enum json_status finish(struct json_scan *scan, const char *at)
{
	if (at == NULL)
		return scan->status;
	scan->at = at;
	return JSON_OK;
}

enum json_status json_read_value(struct json_scan *scan, struct json_value *value)
{
	return finish(scan, read_value(scan, scan->at, scan->depth, value));
}

/* Names are short: two overlapping loads compare most of them without a call. */
static INLINE bool same_bytes(const char *a, const char *b, size_t len)
{
	uint32_t a_first, a_last, b_first, b_last;

	if (len < sizeof(a_first) || len > 2 * sizeof(a_first))
		return memcmp(a, b, len) == 0;
	memcpy(&a_first, a, sizeof(a_first));
	memcpy(&b_first, b, sizeof(b_first));
	memcpy(&a_last, a + len - sizeof(a_last), sizeof(a_last));
	memcpy(&b_last, b + len - sizeof(b_last), sizeof(b_last));
	return ((a_first ^ b_first) | (a_last ^ b_last)) == 0;
}

static INLINE bool is_name(const struct json_value *name, const struct json_member *member)
{
	if (name->has_escapes)
		return json_string_is(name, member->name, member->name_len);
	return name->len == member->name_len + 2 &&
	       same_bytes(name->text + 1, member->name, member->name_len);
}

/*
 * Values are read straight to where they are kept: copying one that was just
 * written piece by piece stalls on some processors for as long as reading it.
 */
static INLINE const char *read_members(
	struct json_scan *scan, const char *at, struct json_member *members, size_t n)
{
	struct json_value name, ignored;
	struct json_value *value;
	bool is_closed;
	size_t i;

	for (;;) {
		at = read_name(scan, at, &name);
		if (at == NULL)
			return NULL;
		value = &ignored;
		for (i = 0; i < n; i++) {
			if (is_name(&name, &members[i]))
				value = &members[i].value;
		}
		at = read_value(scan, at, scan->depth + 1, value);
		if (at == NULL)
			return NULL;
		at = next_item(scan, at, '}', &is_closed);
		if (at == NULL || is_closed)
			return at;
	}
}

enum json_status json_read_object(struct json_scan *scan, struct json_member *members, size_t n)
{
	const char *at = fail_if_too_deep(scan, scan->at, scan->depth);
	size_t i;

	for (i = 0; i < n; i++)
		members[i].value.text = NULL;
	if (at != NULL)
		at = next_byte(scan, at + 1);
	if (at != NULL && *at != '}')
		at = read_members(scan, at, members, n);
	return finish(scan, at != NULL ? at + 1 : NULL);
}

bool json_find_member(
	const struct json_value *object, const char *name, size_t len, struct json_value *value)
{
	struct json_member member = {.name = name, .name_len = len};
	struct json_scan scan = {.at = object->text, .end = object->text + object->len};
	enum json_status status = json_read_object(&scan, &member, 1);

	assert(object->type == JSON_OBJECT && status == JSON_OK);
	if (member.value.text == NULL)
		return false;
	*value = member.value;
	return true;
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
