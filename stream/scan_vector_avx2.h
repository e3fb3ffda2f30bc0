/*
 * The steps of a kernel in 32-byte vectors. Times are handled for two cursors
 * at once, one in each half of a vector.
 */
#include <immintrin.h>
#include <string.h>

#include "stream/scan_kernel.h"

#define PAIRS (KERNEL_CURSORS / 2)

/* Any bit set: the record is not what it should be. */
typedef __m256i fault_t;

typedef struct {
	__m256i fault[PAIRS];
	__m256i value[PAIRS];  /* twice in each half */
	__m256i inside[PAIRS]; /* value - first and last - value in each half */
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

static inline uint64_t load_8(const char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static inline fault_t fault_none(void)
{
	return _mm256_setzero_si256();
}

static inline void fault_add(fault_t *fault, uint64_t bits)
{
	*fault =
		_mm256_or_si256(*fault, _mm256_zextsi128_si256(_mm_cvtsi64_si128((long long)bits)));
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

static inline bool round_is_wrong(const fault_t fault[KERNEL_CURSORS], const times_t *times)
{
	__m256i a = _mm256_or_si256(_mm256_or_si256(fault[0], fault[1]), fault[2]);
	__m256i b = _mm256_or_si256(_mm256_or_si256(fault[3], fault[4]), fault[5]);
	__m256i c =
		_mm256_or_si256(_mm256_or_si256(times->fault[0], times->fault[1]), times->fault[2]);

	return fault_is_set(_mm256_or_si256(_mm256_or_si256(a, b), c));
}

/* A literal byte leaves 0, a digit at most 9: what exceeds the limit is left over. */
static inline void check(fault_t *fault, const char *at, const struct step *step)
{
	__m256i bytes = _mm256_sub_epi8(load(at), load(step->bytes));

	*fault = _mm256_or_si256(*fault, _mm256_subs_epu8(bytes, load(step->limits)));
}

/* --- times --------------------------------------------------------------- */

/* Digits to pairs, to fours, to eights, to one number, in both halves. */
static inline void times_from_digits(
	times_t *times, const char *const at[KERNEL_CURSORS], const struct step *step)
{
	const __m256i weights = load(step->weights);

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		__m256i x = load_two(at[2 * j] + step->at, at[2 * j + 1] + step->at);

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

/*
 * The date is compared with the cursor's. Of the time of day each pair of
 * digits becomes a 16-bit number, is held against 23, 59 and 59, and adds its
 * part of the seconds (in the lower quarter) and of the microseconds.
 */
static inline void times_from_iso(times_t *times, const char *const at[KERNEL_CURSORS],
	const struct step *step, const struct windows *windows)
{
	const __m256i date_mask = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0));
	const __m256i limits =
		_mm256_broadcastsi128_si256(_mm_setr_epi16(23, 59, 59, 0, 99, 99, 99, 0));
	const __m256i parts =
		_mm256_broadcastsi128_si256(_mm_setr_epi16(3600, 60, 1, 0, 10000, 100, 1, 0));
	const __m256i units = _mm256_setr_epi64x(1000000, 1, 1000000, 1);

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		const char *low = at[2 * j] + step->at;
		const char *high = at[2 * j + 1] + step->at;
		__m256i date = _mm256_xor_si256(load_two(low, high), load(windows->date[2 * j]));
		__m256i x = _mm256_sub_epi8(load_two(low + 11, high + 11), _mm256_set1_epi8('0'));

		x = _mm256_shuffle_epi8(x, load(step->shuffle));
		x = _mm256_maddubs_epi16(x, load(step->weights));
		times->fault[j] = _mm256_or_si256(
			times->fault[j], _mm256_or_si256(_mm256_and_si256(date, date_mask),
						 _mm256_subs_epu16(x, limits)));
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

static inline void times_check_window(times_t *times, const struct windows *windows)
{
	const __m256i upper = _mm256_setr_epi64x(0, -1, 0, -1);

#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++) {
		__m256i limit = load(windows->limit[2 * j]);
		__m256i inside = _mm256_add_epi64(
			_mm256_xor_si256(times->value[j], upper), load(windows->add[2 * j]));

		times->inside[j] = inside;
		times->fault[j] = _mm256_or_si256(
			times->fault[j], _mm256_xor_si256(_mm256_max_epu32(inside, limit), limit));
	}
}

static inline void times_see(const times_t *times, struct windows *windows)
{
#pragma GCC unroll 3
	for (int j = 0; j < PAIRS; j++)
		_mm256_store_si256((__m256i *)windows->seen[2 * j],
			_mm256_max_epu32(times->inside[j], load(windows->seen[2 * j])));
}

static inline void times_see_one(const times_t *times, struct windows *windows, int i)
{
	uint32_t inside[8];

	_mm256_storeu_si256((__m256i *)inside, times->inside[i / 2]);
	for (int part = 0; part < 4; part += 2) {
		uint32_t distance = inside[i % 2 * 4 + part];

		if (distance > windows->seen[i][part])
			windows->seen[i][part] = distance;
	}
}

/* --- values -------------------------------------------------------------- */

/* A load at prefix_mask + 64 - n has its first n bytes set, for n <= 64. */
static const uint8_t prefix_mask[96] = {
#define ONES_8 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8};

static inline const char *group_wide(
	fault_t *fault, const char *at, const struct step *step, uint32_t *slot)
{
	const struct dict *dict = step->dict;
	const __m256i stop = load(step->bytes);
	__m256i text[2] = {load(at), load(at + 32)};
	uint64_t stops = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text[0], stop));
	const uint8_t *pattern;
	uint64_t len, n;

	stops |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text[1], stop)) << 32;
	len = _tzcnt_u64(stops);
	*slot = dict_slot(dict, load_8(at) & dict_masks[len].head,
		load_8(at + len - 8) & dict_masks[len].tail);
	pattern = dict->entries + (size_t)*slot * 128;
	n = len + dict->fixed_len;
	for (int half = 0; half < 2; half++) {
		uint64_t n_here = n < 32 ? n : 32;
		__m256i differs = _mm256_xor_si256(text[half], load(pattern + (size_t)half * 32));

		*fault = _mm256_or_si256(
			*fault, _mm256_and_si256(differs, load(prefix_mask + 64 - n_here)));
		n -= n_here;
	}
	return at + len + dict->fixed_len;
}

/* The stop byte gives the length, length and text the slot, and the slot's pattern is compared. */
static inline const char *group(
	fault_t *fault, const char *at, const struct step *step, uint32_t *slot)
{
	const struct dict *dict = step->dict;
	__m256i text = load(at);
	uint32_t stops = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, load(step->bytes)));
	uint64_t len = _tzcnt_u32(stops);
	__m256i differs;

	if (__builtin_expect(dict->width != 32, 0))
		return group_wide(fault, at, step, slot);
	*slot = dict_slot(dict, load_8(at) & dict_masks[len].head,
		load_8(at + len - 8) & dict_masks[len].tail);
	differs = _mm256_xor_si256(text, load(dict->entries + (size_t)*slot * 64));
	*fault = _mm256_or_si256(
		*fault, _mm256_and_si256(differs, load(prefix_mask + 64 - len - dict->fixed_len)));
	return at + len + dict->fixed_len;
}

/* Up to the quote. What is no plain ASCII on the way is for the careful path. */
static inline const char *string(fault_t *fault, const char *at)
{
	for (;; at += 32) {
		__m256i text = load(at);
		uint32_t quotes = (uint32_t)_mm256_movemask_epi8(
			_mm256_cmpeq_epi8(text, _mm256_set1_epi8('"')));
		/* Signed, so that bytes from 0x80 on are below the blank as control characters are.
		 */
		uint32_t others = (uint32_t)_mm256_movemask_epi8(
			_mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), text),
				_mm256_cmpeq_epi8(text, _mm256_set1_epi8('\\'))));

		if (__builtin_expect((quotes | others) != 0, 1)) {
			fault_add(fault, others & _blsmsk_u32(quotes));
			return at + _tzcnt_u32(quotes);
		}
	}
}

/* An integer and perhaps a fraction, up to 16 bytes; the literal behind it tells whether it goes
 * on. */
static inline const char *number(fault_t *fault, const char *at)
{
	const __m128i nine = _mm_set1_epi8(9);
	__m128i digits;
	uint32_t others, n, n_fraction;
	uint32_t is_negative = *at == '-';
	uint32_t has_point;

	at += is_negative;
	digits = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)at), _mm_set1_epi8('0'));
	others = ~(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(digits, nine), digits));
	n = _tzcnt_u32(others);
	has_point = at[n] == '.';
	n_fraction = _tzcnt_u32(others >> n >> 1 | 1u << 31);
	fault_add(fault, (uint64_t)(n == 0) | (uint64_t)((*at == '0') & (n > 1)) |
				 (uint64_t)(has_point & (n_fraction == 0)));
	return at + n + (has_point ? 1 + n_fraction : 0);
}

static inline const char *word(fault_t *fault, const char *at)
{
	uint32_t first, is_false;

	memcpy(&first, at, sizeof(first));
	is_false = (first == UINT32_C(0x736c6166)) & (at[4] == 'e');
	fault_add(fault, (uint64_t)((first != UINT32_C(0x65757274)) &
				    (first != UINT32_C(0x6c6c756e)) & (is_false == 0)));
	return at + 4 + is_false;
}
