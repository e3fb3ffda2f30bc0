/*
 * The steps of a kernel in 64-bit words, for any processor: the plain twin of
 * scan_vector_avx2.h, and the one to read first.
 *
 * Bytes of a word are handled side by side by arithmetic that keeps carries
 * inside them.
 */
#include <string.h>

#include "base/timestamp.h"
#include "stream/scan_kernel.h"
#include "stream/scan_load.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)
#define LOWS  UINT64_C(0x7f7f7f7f7f7f7f7f)

/* Any bit set: the record is not what it should be. */
typedef uint64_t fault_t;

typedef struct {
	uint64_t fault[DICT_CURSORS];
	uint64_t value[DICT_CURSORS]; /* or code */
} times_t;

/* The same fault, and one more where any bit is set. */
static inline fault_t fault_with(fault_t fault, uint64_t odd)
{
	return fault | odd;
}

static inline void fault_join(fault_t *fault, fault_t other)
{
	*fault |= other;
}

static inline bool fault_is_set(fault_t fault)
{
	return fault != 0;
}

static inline void times_clear(times_t *times)
{
	memset(times->fault, 0, sizeof(times->fault));
}

static inline bool times_fault_is_set(const times_t *times, int i)
{
	return times->fault[i] != 0;
}

static inline bool round_is_wrong(const fault_t fault[DICT_CURSORS], const times_t *times)
{
	fault_t all = 0;

	for (int i = 0; i < DICT_CURSORS; i++)
		all |= fault[i] | times->fault[i];
	return all != 0;
}

/* The high bit of each byte of `word` that is above that byte of `limits`. */
static inline uint64_t bytes_above(uint64_t word, uint64_t limits)
{
	/* Low seven bits by subtraction within the byte, then the high bits by hand. */
	uint64_t low = ((limits | HIGHS) - (word & LOWS)) ^ HIGHS;
	uint64_t differ = word ^ limits;

	return ((differ & word) | (~differ & low)) & HIGHS;
}

/* Byte by byte word - text, each modulo 256. */
static inline uint64_t bytes_minus(uint64_t word, uint64_t text)
{
	return ((word | HIGHS) - (text & LOWS)) ^ ((word ^ ~text) & HIGHS);
}

typedef const struct step *check_t;

static inline check_t check_load(const struct step *step)
{
	return step;
}

static inline fault_t check_at(const char *at, const check_t *check)
{
	const struct step *step = *check;
	fault_t fault = 0;

	for (uint32_t i = 0; i < step->n_bytes; i += 8)
		fault |= bytes_above(bytes_minus(load_8(at + i), load_8(step->bytes + i)),
			load_8(step->limits + i));
	return fault;
}

/* Times. */

/* Eight bytes of 0 to 9, the first one the highest. */
static inline uint64_t eight_digits(uint64_t digits)
{
	digits = digits * 10 + (digits >> 8);
	digits = ((digits & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
			 (digits >> 16 & UINT64_C(0x000000ff000000ff)) *
				 UINT64_C(0x0000271000000001)) >>
		 32;
	return digits & UINT32_MAX;
}

/* Bytes that have a weight are digits. */
static inline uint64_t digits_at(const char *at, uint64_t weights)
{
	uint64_t has_weight = ((weights + LOWS) & HIGHS) >> 7;

	return bytes_minus(load_8(at), ONES * '0') & has_weight * 255;
}

static inline void times_value_digits(
	times_t *times, const char *const at[DICT_CURSORS], const struct step *step)
{
	uint64_t high = load_8(step->weights);
	uint64_t low = load_8(step->weights + 8);

	for (int i = 0; i < DICT_CURSORS; i++) {
		const char *digits = at[i] + step->at;

		times->value[i] = eight_digits(digits_at(digits, high)) * 100000000 +
				  eight_digits(digits_at(digits + 8, low));
	}
}

/* Eight digits of four bits each, the first one the highest. */
static inline uint64_t eight_nibbles(uint64_t digits)
{
	const uint64_t evens = UINT64_C(0x00ff00ff00ff00ff);
	uint64_t pairs = (digits & evens) << 4 | (digits >> 8 & evens);

	pairs = __builtin_bswap64(pairs) >> 8;
	pairs = (pairs | pairs >> 8) & UINT64_C(0x0000ffff0000ffff);
	return (pairs | pairs >> 16) & UINT32_MAX;
}

static inline void times_code_digits(
	times_t *times, const char *const at[DICT_CURSORS], const struct step *step)
{
	uint64_t high = load_8(step->weights);
	uint64_t low = load_8(step->weights + 8);

	for (int i = 0; i < DICT_CURSORS; i++) {
		const char *digits = at[i] + step->at;

		times->value[i] = eight_nibbles(digits_at(digits, high)) << 32 |
				  eight_nibbles(digits_at(digits + 8, low));
	}
}

static inline uint32_t two_digits(const char *at)
{
	return (uint32_t)(at[0] - '0') * 10 + (uint32_t)(at[1] - '0');
}

/* Whether the date is another than the cursor's, or the time of day does not exist. */
static inline uint64_t clock_fault(const char *text, const uint8_t *date)
{
	return (load_8(text) ^ load_8(date)) | (uint64_t)((uint8_t)text[8] ^ date[8]) |
	       (uint64_t)((uint8_t)text[9] ^ date[9]) | (uint64_t)(two_digits(text + 11) > 23) |
	       (uint64_t)(two_digits(text + 14) > 59) | (uint64_t)(two_digits(text + 17) > 59);
}

/* The digit that the step wants at a place; 0 where it wants none. */
static inline uint64_t clock_digit(const char *text, const struct step *step, int place)
{
	return step->weights[place] != 0 ? (uint64_t)(text[11 + step->shuffle[place]] - '0') : 0;
}

static inline void times_code_spelled(times_t *times, const char *const at[DICT_CURSORS],
	const struct step *step, const struct windows *windows)
{
	for (int i = 0; i < DICT_CURSORS; i++) {
		const char *text = at[i] + step->at;
		uint64_t code = 0;

		for (int place = 0; place < 16; place++)
			code = code << 4 | (clock_digit(text, step, place) & 15);
		times->fault[i] = clock_fault(text, windows->date[i]);
		times->value[i] = code;
	}
}

static inline void times_value_spelled(times_t *times, const char *const at[DICT_CURSORS],
	const struct step *step, const struct windows *windows)
{
	for (int i = 0; i < DICT_CURSORS; i++) {
		const char *text = at[i] + step->at;
		uint64_t seconds = two_digits(text + 11) * UINT64_C(3600) +
				   two_digits(text + 14) * UINT64_C(60) + two_digits(text + 17);
		uint64_t fraction = 0;

		for (int place = 8; place < 14; place++)
			fraction = fraction * 10 + clock_digit(text, step, place);
		times->fault[i] = clock_fault(text, windows->date[i]);
		times->value[i] = seconds * 1000000 + fraction;
	}
}

static inline uint64_t times_value(const times_t *times, int i)
{
	return times->value[i];
}

static inline void times_see_one(const times_t *times, struct windows *windows, int i)
{
	uint32_t *seen = windows->seen[i];
	uint32_t behind = (uint32_t)(times->value[i] + windows->add[i][0]);
	uint32_t before = windows->limit[i][0] - behind;

	seen[0] = behind > seen[0] ? behind : seen[0];
	seen[2] = before > seen[2] ? before : seen[2];
}

/* The windows have seen the times whose bits are set in `which`. */
static inline void times_see(const times_t *times, struct windows *windows, uint32_t which)
{
	for (int i = 0; i < DICT_CURSORS; i++) {
		if ((which >> i & 1) != 0)
			times_see_one(times, windows, i);
	}
}

/*
 * Whether all times lie in their windows and nothing else is wrong: then the
 * windows have seen them. If not, the times know what is wrong.
 */
static inline bool times_in_windows(
	times_t *times, struct windows *windows, const fault_t other[DICT_CURSORS])
{
	for (int i = 0; i < DICT_CURSORS; i++)
		times->fault[i] |=
			(uint64_t)(times->value[i] + windows->add[i][0] > windows->limit[i][0]);
	if (round_is_wrong(other, times))
		return false;
	for (int i = 0; i < DICT_CURSORS; i++)
		times_see_one(times, windows, i);
	return true;
}

/* Values. */

/* The high bit of each byte that is `byte`; above the first such bit they mean nothing. */
static inline uint64_t bytes_equal(uint64_t word, uint8_t byte)
{
	uint64_t differ = word ^ ONES * byte;

	return (differ - ONES) & ~differ & HIGHS;
}

typedef uint8_t stop_t;

static inline stop_t stop_load(const struct step *step)
{
	return step->bytes[0];
}

/* How many bytes stand before the stop; `max` where it is further away. */
static inline uint32_t length_up_to(const char *at, stop_t stop, uint32_t max)
{
	for (uint32_t len = 0; len < max; len += 8) {
		uint64_t stops = bytes_equal(load_8(at + len), stop);

		if (stops != 0)
			return len + (uint32_t)__builtin_ctzll(stops) / 8;
	}
	return max;
}

static inline uint32_t length_32(const char *at, stop_t stop)
{
	return length_up_to(at, stop, 32);
}

static inline uint32_t length_64(const char *at, stop_t stop)
{
	return length_up_to(at, stop, 64);
}

/* Of 32 bytes those that count: the first 64 - unmasked. */
static inline void compare_unmasked(
	fault_t *fault, const char *at, const uint8_t *pattern, size_t unmasked)
{
	size_t n = unmasked < 32 ? 32 : 64 - unmasked;
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		*fault |= load_8(at + i) ^ load_8(pattern + i);
	*fault |= (load_8(at + i) ^ load_8(pattern + i)) & dict_masks[n - i].head;
}

/*
 * The values. Each returns what is behind the value, and in *odd whether it is
 * none, or one for the careful path.
 */

/* Up to the quote, if all is plain ASCII on the way. */
static inline const char *string(const char *at, uint64_t *odd)
{
	for (;; at += 8) {
		uint64_t word = load_8(at);
		uint64_t stops = bytes_equal(word, '"') | bytes_equal(word, '\\') | word |
				 ((word - ONES * 0x20) & ~word);
		unsigned n;

		stops &= HIGHS;
		if (stops == 0)
			continue;
		n = (unsigned)__builtin_ctzll(stops) / 8;
		*odd = at[n] != '"';
		return at + n;
	}
}

static inline const char *number(const char *at, uint64_t *odd)
{
	const char *first = at + (*at == '-');
	const char *digits;

	for (at = first; (unsigned char)(*at - '0') < 10; at++)
		;
	*odd = (uint64_t)(at == first) | (uint64_t)((*first == '0') & (at > first + 1));
	if (*at != '.')
		return at;
	for (digits = ++at; (unsigned char)(*at - '0') < 10; at++)
		;
	*odd |= (uint64_t)(at == digits);
	return at;
}

static inline const char *word(const char *at, uint64_t *odd)
{
	bool is_false = memcmp(at, "false", 5) == 0;

	*odd = !is_false && memcmp(at, "true", 4) != 0 && memcmp(at, "null", 4) != 0;
	return at + 4 + is_false;
}
