/*
 * The steps of a kernel in 32-byte vectors; scan_vector_words.h has the same
 * functions without them. Times are handled for two cursors at once, one in
 * each half of a vector.
 */
#include <immintrin.h>
#include <string.h>

#include "base/timestamp.h"
#include "stream/scan_kernel.h"
#include "stream/scan_load.h"

#define PAIRS (DICT_CURSORS / 2)

/* Any bit set: the record is not what it should be. */
typedef __m256i fault_t;

typedef struct {
	__m256i fault[PAIRS];
	__m256i value[PAIRS];  /* or code, twice in each half */
	__m256i inside[PAIRS]; /* code - first and last - code in each half */
} times_t;

static inline __m256i load(const void *bytes)
{
	return _mm256_loadu_si256((const __m256i *)bytes);
}

/* 16 bytes each for the lower and the upper half. */
static inline __m256i load_two(const void *low, const void *high)
{
	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
		_mm_loadu_si128((const __m128i *)high), 1);
}

/* The same fault, and one more where any bit is set. */
static inline fault_t fault_with(fault_t fault, uint64_t odd)
{
	return _mm256_or_si256(fault, _mm256_zextsi128_si256(_mm_cvtsi64_si128((long long)odd)));
}

static inline void fault_join(fault_t *fault, fault_t other)
{
	*fault = _mm256_or_si256(*fault, other);
}

static inline bool fault_is_set(fault_t fault)
{
	return !_mm256_testz_si256(fault, fault);
}

static inline void times_clear(times_t *times)
{
	for (int j = 0; j < PAIRS; j++)
		times->fault[j] = _mm256_setzero_si256();
}

static inline bool times_fault_is_set(const times_t *times, int i)
{
	__m256i fault = times->fault[i / 2];
	__m128i half =
		i % 2 == 0 ? _mm256_castsi256_si128(fault) : _mm256_extracti128_si256(fault, 1);

	return !_mm_testz_si128(half, half);
}

static inline __m256i join_six(const fault_t fault[DICT_CURSORS])
{
	__m256i a = _mm256_or_si256(_mm256_or_si256(fault[0], fault[1]), fault[2]);
	__m256i b = _mm256_or_si256(_mm256_or_si256(fault[3], fault[4]), fault[5]);

	return _mm256_or_si256(a, b);
}

static inline __m256i join_three(const __m256i fault[PAIRS])
{
	return _mm256_or_si256(_mm256_or_si256(fault[0], fault[1]), fault[2]);
}

static inline bool round_is_wrong(const fault_t fault[DICT_CURSORS], const times_t *times)
{
	return fault_is_set(_mm256_or_si256(join_six(fault), join_three(times->fault)));
}

typedef struct {
	__m256i bytes, limits;
} check_t;

static inline check_t check_load(const struct step *step)
{
	return (check_t){load(step->bytes), load(step->limits)};
}

/* A literal byte leaves 0, a digit at most 9: what exceeds the limit is left over. */
static inline fault_t check_at(const char *at, const check_t *check)
{
	return _mm256_subs_epu8(_mm256_sub_epi8(load(at), check->bytes), check->limits);
}

/* Times. */

/* The low bytes of the 16-bit numbers, the last number first, once in each quarter. */
static inline __m256i pack_code(__m256i pairs)
{
	return _mm256_shuffle_epi8(pairs, _mm256_broadcastsi128_si256(_mm_setr_epi8(14, 12, 10, 8,
						  6, 4, 2, 0, 14, 12, 10, 8, 6, 4, 2, 0)));
}

/* Two digits become a byte, and their bytes one number. */
static inline void times_code_digits(
	times_t *times, const char *const at[DICT_CURSORS], const struct step *step)
{
	const __m256i weights = load(step->weights);
	const ptrdiff_t behind = step->at;

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		__m256i x = load_two(at[2 * j] + behind, at[2 * j + 1] + behind);

		x = _mm256_sub_epi8(x, _mm256_set1_epi8('0'));
		times->value[j] = pack_code(_mm256_maddubs_epi16(x, weights));
	}
}

/* Digits to pairs, to fours, to eights, to one number, in both halves. */
static inline void times_value_digits(
	times_t *times, const char *const at[DICT_CURSORS], const struct step *step)
{
	const __m256i weights = load(step->weights);
	const ptrdiff_t behind = step->at;

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		__m256i x = load_two(at[2 * j] + behind, at[2 * j + 1] + behind);

		x = _mm256_sub_epi8(x, _mm256_set1_epi8('0'));
		x = _mm256_maddubs_epi16(x, weights);
		x = _mm256_madd_epi16(x, _mm256_set1_epi32(1 << 16 | 100));
		x = _mm256_packus_epi32(x, x);
		x = _mm256_madd_epi16(x, _mm256_set1_epi32(1 << 16 | 10000));
		times->value[j] =
			_mm256_add_epi64(_mm256_mul_epu32(x, _mm256_set1_epi64x(100000000)),
				_mm256_srli_epi64(x, 32));
	}
}

/* What differs from the cursors' dates. */
static inline __m256i compare_dates(const char *low, const char *high, const uint8_t *dates)
{
	const __m256i mask = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0));

	return _mm256_and_si256(_mm256_xor_si256(load_two(low, high), load(dates)), mask);
}

/* The digits of the time of day, in the order that the step's shuffle gives them. */
static inline __m256i clock_digits(const char *low, const char *high, const struct step *step)
{
	__m256i x = _mm256_sub_epi8(load_two(low + 11, high + 11), _mm256_set1_epi8('0'));

	return _mm256_shuffle_epi8(x, load(step->shuffle));
}

/*
 * The hour, minute and second are bytes of the code,
 * so they are held against 23, 59 and 59 there.
 */
static inline void times_code_spelled(times_t *times, const char *const at[DICT_CURSORS],
	const struct step *step, const struct windows *windows)
{
	const ptrdiff_t behind = step->at;

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		const char *low = at[2 * j] + behind;
		const char *high = at[2 * j + 1] + behind;
		__m256i date = compare_dates(low, high, windows->date[2 * j]);
		__m256i x = clock_digits(low, high, step);

		x = pack_code(_mm256_maddubs_epi16(x, load(step->weights)));
		times->value[j] = x;
		times->fault[j] = _mm256_or_si256(date, _mm256_subs_epu8(x, load(step->limits)));
	}
}

/*
 * Of the time of day each pair of digits becomes a 16-bit number, is held
 * against 23, 59 and 59, and adds its part of the seconds (in the lower quarter
 * of each half) and of the microseconds.
 */
static inline void times_value_spelled(times_t *times, const char *const at[DICT_CURSORS],
	const struct step *step, const struct windows *windows)
{
	const __m256i limits =
		_mm256_broadcastsi128_si256(_mm_setr_epi16(23, 59, 59, 0, 99, 99, 99, 0));
	const __m256i parts =
		_mm256_broadcastsi128_si256(_mm_setr_epi16(3600, 60, 1, 0, 10000, 100, 1, 0));
	const __m256i units = _mm256_setr_epi64x(1000000, 1, 1000000, 1);
	const ptrdiff_t behind = step->at;

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		const char *low = at[2 * j] + behind;
		const char *high = at[2 * j + 1] + behind;
		__m256i date = compare_dates(low, high, windows->date[2 * j]);
		__m256i x = clock_digits(low, high, step);

		x = _mm256_maddubs_epi16(x, load(step->weights));
		times->fault[j] = _mm256_or_si256(date, _mm256_subs_epu16(x, limits));
		x = _mm256_madd_epi16(x, parts);
		x = _mm256_add_epi32(x, _mm256_srli_epi64(x, 32));
		x = _mm256_mul_epu32(x, units);
		times->value[j] = _mm256_add_epi64(x, _mm256_shuffle_epi32(x, 0x4e));
	}
}

static inline uint64_t times_value(const times_t *times, int i)
{
	__m256i value = times->value[i / 2];

	return (uint64_t)_mm_cvtsi128_si64(
		i % 2 == 0 ? _mm256_castsi256_si128(value) : _mm256_extracti128_si256(value, 1));
}

/*
 * Whether all times lie in their windows and nothing else is wrong: then the
 * windows have seen them. If not, the times know what is wrong.
 */
static inline bool times_in_windows(
	times_t *times, struct windows *windows, const fault_t other[DICT_CURSORS])
{
	const __m256i upper = _mm256_setr_epi64x(0, -1, 0, -1);
	__m256i inside[PAIRS], fault[PAIRS];

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		__m256i limit = load(windows->limit[2 * j]);

		inside[j] = _mm256_add_epi64(
			_mm256_xor_si256(times->value[j], upper), load(windows->add[2 * j]));
		fault[j] = _mm256_or_si256(times->fault[j],
			_mm256_xor_si256(_mm256_max_epu32(inside[j], limit), limit));
	}
	if (__builtin_expect(
		    fault_is_set(_mm256_or_si256(join_six(other), join_three(fault))), 0)) {
		memcpy(times->inside, inside, sizeof(inside));
		memcpy(times->fault, fault, sizeof(fault));
		return false;
	}
#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++)
		_mm256_store_si256((__m256i *)windows->seen[2 * j],
			_mm256_max_epu32(inside[j], load(windows->seen[2 * j])));
	return true;
}

/* The windows have seen the times whose bits are set in `which`. */
static inline void times_see(const times_t *times, struct windows *windows, uint32_t which)
{
#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		int64_t low = -(int64_t)(which >> 2 * j & 1);
		int64_t high = -(int64_t)(which >> (2 * j + 1) & 1);
		__m256i mask = _mm256_setr_epi64x(low, low, high, high);
		__m256i *seen = (__m256i *)windows->seen[2 * j];

		_mm256_store_si256(seen,
			_mm256_max_epu32(_mm256_and_si256(times->inside[j], mask),
				_mm256_load_si256(seen)));
	}
}

/* Values. */

/* A load at prefix_mask + n has the first 64 - n of its 32 bytes set. */
static const uint8_t prefix_mask[96] = {
#define ONES_8 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8};

typedef __m256i stop_t;

static inline stop_t stop_load(const struct step *step)
{
	return load(step->bytes);
}

static inline uint32_t find_stop(const char *at, stop_t stop)
{
	return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load(at), stop));
}

/* How many bytes stand before the stop; 32 where it is further away. */
static inline uint32_t length_32(const char *at, stop_t stop)
{
	return _tzcnt_u32(find_stop(at, stop));
}

static inline uint32_t length_64(const char *at, stop_t stop)
{
	return (uint32_t)_tzcnt_u64(find_stop(at, stop) | (uint64_t)find_stop(at + 32, stop) << 32);
}

/* Of 32 bytes those that count: the first 64 - unmasked. */
static inline void compare_unmasked(
	fault_t *fault, const char *at, const uint8_t *pattern, size_t unmasked)
{
	__m256i differs = _mm256_xor_si256(load(at), load(pattern));

	fault_join(fault, _mm256_and_si256(differs, load(prefix_mask + unmasked)));
}

/*
 * The values. Each returns what is behind the value, and in *odd whether it is
 * none, or one for the careful path.
 */

/* Up to the quote, if all is plain ASCII on the way. */
static inline const char *string(const char *at, uint64_t *odd)
{
	for (;; at += 32) {
		__m256i text = load(at);
		uint32_t quotes = (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(text, _mm256_set1_epi8('"')));
		/*
		 * Signed, so that bytes from 0x80 on are
		 * below the blank as control characters are.
		 */
		uint32_t others = (uint32_t)_mm256_movemask_epi8(
			_mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), text),
				_mm256_cmpeq_epi8(text, _mm256_set1_epi8('\\'))));

		if (__builtin_expect((quotes | others) != 0, 1)) {
			*odd = others & _blsmsk_u32(quotes);
			return at + _tzcnt_u32(quotes);
		}
	}
}

/*
 * An integer and perhaps a fraction, up to 16 bytes; the literal behind it
 * tells whether it goes on. A point that is the first byte that is no digit is
 * taken out of those that end the number; then a digit must stand behind it.
 */
static inline const char *number(const char *at, uint64_t *odd)
{
	const char *first = at + (*at == '-');
	__m128i text = _mm_loadu_si128((const __m128i *)first);
	__m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
	uint32_t are_digits = (uint32_t)_mm_movemask_epi8(
		_mm_cmpeq_epi8(_mm_min_epu8(digits, _mm_set1_epi8(9)), digits));
	uint32_t are_points = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));
	uint32_t ends = ~are_digits;
	uint32_t point = are_points & _blsi_u32(ends);
	uint32_t is_zero = *first == '0';

	*odd = (ends & 1) | (is_zero & are_digits >> 1);
	ends ^= point;
	*odd |= (point << 1) & ends;
	return first + _tzcnt_u32(ends);
}

static inline const char *word(const char *at, uint64_t *odd)
{
	uint32_t first = load_4(at);
	uint32_t is_false = (first == UINT32_C(0x736c6166)) & (at[4] == 'e');

	*odd = (first != UINT32_C(0x65757274)) & (first != UINT32_C(0x6c6c756e)) & (is_false == 0);
	return at + 4 + is_false;
}
