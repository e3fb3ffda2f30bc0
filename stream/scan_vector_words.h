/*
 * The steps of a kernel in 64-bit words, for any processor.
 *
 * Bytes of a word are handled side by side by arithmetic that keeps carries
 * inside them. A word's first byte in memory is its lowest: on a big-endian
 * machine loads swap.
 */
#include <string.h>

#include "stream/scan_kernel.h"

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)
#define LOWS  UINT64_C(0x7f7f7f7f7f7f7f7f)

/* Any bit set: the record is not what it should be. */
typedef uint64_t fault_t;

typedef struct {
	uint64_t fault[KERNEL_CURSORS];
	uint64_t value[KERNEL_CURSORS];
} times_t;

static inline uint64_t load_8(const void *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline fault_t fault_none(void)
{
	return 0;
}

static inline void fault_add(fault_t *fault, uint64_t bits)
{
	*fault |= bits;
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

static inline bool round_is_wrong(const fault_t fault[KERNEL_CURSORS], const times_t *times)
{
	fault_t all = 0;

	for (int i = 0; i < KERNEL_CURSORS; i++)
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

static inline void check(fault_t *fault, const char *at, const struct step *step)
{
	for (uint32_t i = 0; i < step->n_bytes; i += 8)
		*fault |= bytes_above(bytes_minus(load_8(at + i), load_8(step->bytes + i)),
			load_8(step->limits + i));
}

/* --- times --------------------------------------------------------------- */

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

static inline uint64_t digits_at(const char *at, uint64_t weights)
{
	/* Bytes that have a weight are digits. */
	uint64_t has_weight = ((weights + LOWS) & HIGHS) >> 7;

	return bytes_minus(load_8(at), ONES * '0') & has_weight * 255;
}

static inline void times_from_digits(
	times_t *times, const char *const at[KERNEL_CURSORS], const struct step *step)
{
	uint64_t high = load_8(step->weights);
	uint64_t low = load_8(step->weights + 8);

	for (int i = 0; i < KERNEL_CURSORS; i++) {
		const char *digits = at[i] + step->at;

		times->value[i] = eight_digits(digits_at(digits, high)) * 100000000 +
				  eight_digits(digits_at(digits + 8, low));
	}
}

static inline uint32_t two_digits(const char *at)
{
	return (uint32_t)(at[0] - '0') * 10 + (uint32_t)(at[1] - '0');
}

static inline void times_from_iso(times_t *times, const char *const at[KERNEL_CURSORS],
	const struct step *step, const struct windows *windows)
{
	for (int i = 0; i < KERNEL_CURSORS; i++) {
		const char *text = at[i] + step->at;
		const uint8_t *date = windows->date[i];
		const char *clock = text + 11;
		uint32_t hour = two_digits(clock);
		uint32_t minute = two_digits(clock + 3);
		uint32_t second = two_digits(clock + 6);
		uint64_t fraction = 0;

		times->fault[i] |= (load_8(text) ^ load_8(date)) |
				   (uint64_t)((uint8_t)text[8] ^ date[8]) |
				   (uint64_t)((uint8_t)text[9] ^ date[9]) | (uint64_t)(hour > 23) |
				   (uint64_t)(minute > 59) | (uint64_t)(second > 59);
		for (int place = 8; place < 14; place++)
			fraction = fraction * 10 +
				   (step->weights[place] != 0
						   ? (uint64_t)(clock[step->shuffle[place]] - '0')
						   : 0);
		times->value[i] =
			(hour * 3600 + minute * 60 + second) * UINT64_C(1000000) + fraction;
	}
}

static inline uint64_t times_value(const times_t *times, int i)
{
	return times->value[i];
}

static inline void times_check_window(times_t *times, const struct windows *windows)
{
	for (int i = 0; i < KERNEL_CURSORS; i++)
		times->fault[i] |=
			(uint64_t)(times->value[i] + windows->add[i][0] > windows->limit[i][0]);
}

static inline void times_see_one(const times_t *times, struct windows *windows, int i)
{
	uint32_t *seen = windows->seen[i];
	uint32_t behind = (uint32_t)(times->value[i] + windows->add[i][0]);
	uint32_t before = windows->limit[i][0] - behind;

	seen[0] = behind > seen[0] ? behind : seen[0];
	seen[2] = before > seen[2] ? before : seen[2];
}

static inline void times_see(const times_t *times, struct windows *windows)
{
	for (int i = 0; i < KERNEL_CURSORS; i++)
		times_see_one(times, windows, i);
}

/* --- values -------------------------------------------------------------- */

/* The high bit of each byte that is `byte`; above the first such bit they mean nothing. */
static inline uint64_t bytes_equal(uint64_t word, uint8_t byte)
{
	uint64_t differ = word ^ ONES * byte;

	return (differ - ONES) & ~differ & HIGHS;
}

static inline const char *group(
	fault_t *fault, const char *at, const struct step *step, uint32_t *slot)
{
	const struct dict *dict = step->dict;
	const uint8_t *pattern;
	uint64_t differ = 0;
	uint32_t len = 0, n;

	for (; len < dict->width; len += 8) {
		uint64_t stops = bytes_equal(load_8(at + len), step->bytes[0]);

		if (stops != 0) {
			len += (uint32_t)__builtin_ctzll(stops) / 8;
			break;
		}
	}
	*slot = dict_slot(dict, load_8(at) & dict_masks[len].head,
		load_8(at + len - 8) & dict_masks[len].tail);
	pattern = dict_pattern(dict, *slot);
	/* Where no stop was found the whole pattern is compared, and holds one. */
	for (n = len + dict->fixed_len; n >= 8 && differ == 0; n -= 8, pattern += 8, at += 8) {
		if (n > dict->width)
			n = dict->width;
		differ = load_8(at) ^ load_8(pattern);
	}
	*fault |= differ;
	*fault |= (load_8(at) ^ load_8(pattern)) & dict_masks[n & 7].head;
	return at + n;
}

static inline const char *string(fault_t *fault, const char *at)
{
	for (;; at += 8) {
		uint64_t word = load_8(at);
		uint64_t quotes = bytes_equal(word, '"');
		uint64_t stops =
			quotes | bytes_equal(word, '\\') | word | ((word - ONES * 0x20) & ~word);
		unsigned n;

		stops &= HIGHS;
		if (stops == 0)
			continue;
		n = (unsigned)__builtin_ctzll(stops) / 8;
		*fault |= (uint64_t)(at[n] != '"');
		return at + n;
	}
}

static inline const char *number(fault_t *fault, const char *at)
{
	const char *first = at + (*at == '-');
	const char *digits;

	for (at = first; (unsigned char)(*at - '0') < 10; at++)
		;
	*fault |= (uint64_t)(at == first) | (uint64_t)((*first == '0') & (at > first + 1));
	if (*at != '.')
		return at;
	for (digits = ++at; (unsigned char)(*at - '0') < 10; at++)
		;
	*fault |= (uint64_t)(at == digits);
	return at;
}

static inline const char *word(fault_t *fault, const char *at)
{
	if (memcmp(at, "true", 4) == 0 || memcmp(at, "null", 4) == 0)
		return at + 4;
	*fault |= (uint64_t)(memcmp(at, "false", 5) != 0);
	return at + 5;
}
