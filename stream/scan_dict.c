/* Installing and reshaping; the looking up stands in the kernels. */
#include "stream/scan_dict.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_MAX_LOST 16
#define LAST_MAX_LOST  (1u << 24)
#define MAX_LONG       16
#define MAX_SEARCH     100000 /* steps of looking for a better hash: about 0.2 ms */
#define FREE           UINT32_MAX

static_assert(sizeof(struct dict_rest) == 32, "an entry is 64 bytes");
static_assert(offsetof(struct dict_rest, len) + 32 == DICT_LEN_AT &&
		      offsetof(struct dict_rest, unmasked) + 32 == DICT_UNMASKED_AT,
	"as the kernels read it");
static_assert(sizeof(struct pair) == 64, "a pair is a cache line");

#define MASKS_4(n)  MASK(n), MASK((n) + 1), MASK((n) + 2), MASK((n) + 3)
#define MASKS_16(n) MASKS_4(n), MASKS_4((n) + 4), MASKS_4((n) + 8), MASKS_4((n) + 12)
#define MASK(n)                                                                                    \
	{                                                                                          \
		(n) < 8 ? (UINT64_C(1) << (n)*8 % 64) - 1 : UINT64_MAX, (n) < 8 ? 0 : UINT64_MAX   \
	}

const struct dict_masks dict_masks[DICT_MAX_WIDTH + 1] = {
	MASKS_16(0), MASKS_16(16), MASKS_16(32), MASKS_16(48), MASK(64)};

/* A good odd factor each time: the table is only ever as clever as its luck. */
static uint64_t next_factor(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random * UINT64_C(0x2545f4914f6cdd1d) | 1;
}

static uint32_t shift_for(uint32_t n_slots)
{
	return 64 - (uint32_t)__builtin_ctz(n_slots);
}

/* Twice as many losses are borne each time, so changing never becomes the work. */
static void forgive(struct losses *losses)
{
	losses->n = 0;
	if (losses->max < LAST_MAX_LOST)
		losses->max *= 2;
}

static uint32_t slots_wanted(uint32_t n_slots, uint32_t n_used)
{
	return n_used > n_slots / 16 && n_slots < DICT_MAX_SLOTS ? n_slots * 4 : n_slots;
}

/* What of a text its hash is made of. */
struct ends {
	uint64_t head, tail;
};

static struct ends ends_of(const struct dict *dict, const uint8_t *text, size_t len)
{
	struct ends ends = {0};
	char head[16];

	if (len >= 8) {
		memcpy(&ends.head, text, 8);
	} else {
		memcpy(head, text, len);
		memcpy(head + len, dict->behind, 8);
		memcpy(&ends.head, head, dict->kind == DICT_BY_HEAD ? 8 : len);
	}
	if (dict->kind != DICT_BY_HEAD && len >= 8)
		memcpy(&ends.tail, text + len - 8, 8);
	return ends;
}

static uint32_t slot_of(const struct dict *dict, struct ends ends)
{
	return dict_slot(dict, ends.head, ends.tail);
}

/*
 * A free entry must be one that no bytes match: its pattern is one that belongs
 * to another slot. Zeros belong to slot 0, bytes of 255 to another.
 */
static void choose_factors(struct dict *dict)
{
	do {
		dict->factors[0] = next_factor(&dict->random);
		dict->factors[1] = next_factor(&dict->random);
	} while (dict_slot(dict, UINT64_MAX, 0) == 0 ||
		 dict_slot(dict, UINT64_MAX, UINT64_MAX) == 0);
}

static void free_entries(struct dict *dict)
{
	size_t width = dict_width(dict);

	for (uint32_t slot = 0; slot < dict->n_slots; slot++) {
		size_t entry = dict_entry(dict, slot);

		memset(dict->entries + entry, slot == 0 ? 0xff : 0, width);
		*dict_rest(dict, entry) =
			(struct dict_rest){.number = FREE, .len = 8, .unmasked = 56};
	}
}

/* How many of these texts would be pushed out, or `enough` when it is no fewer. */
static uint32_t count_losses(const struct dict *dict, const struct ends *ends, uint32_t n,
	uint64_t *is_taken, uint32_t enough)
{
	uint32_t n_lost = 0;

	memset(is_taken, 0, dict->n_slots / 8);
	for (uint32_t i = 0; i < n && n_lost < enough; i++) {
		uint32_t slot = slot_of(dict, ends[i]);
		uint64_t bit = UINT64_C(1) << slot % 64;

		n_lost += (is_taken[slot / 64] & bit) != 0;
		is_taken[slot / 64] |= bit;
	}
	return n_lost;
}

/* Of some factors those that push out the fewest of the texts that were in `old`. */
static bool search_factors(struct dict *dict, const struct dict *old)
{
	struct ends *ends = calloc(old->n_used + 1, sizeof(*ends));
	uint64_t *is_taken = calloc(dict->n_slots / 64, sizeof(*is_taken));
	uint32_t n_tries = MAX_SEARCH / (old->n_used + dict->n_slots / 64) + 1;
	uint32_t n = 0, least = UINT32_MAX;
	uint64_t best[2];

	for (uint32_t slot = 0; slot < old->n_slots && ends != NULL; slot++) {
		size_t entry = dict_entry(old, slot);
		const struct dict_rest *rest = dict_rest(old, entry);

		if (rest->number != FREE)
			ends[n++] = ends_of(dict, old->entries + entry, rest->len - old->fixed_len);
	}
	for (; n_tries > 0 && least > 0 && ends != NULL && is_taken != NULL; n_tries--) {
		uint32_t n_lost;

		choose_factors(dict);
		n_lost = count_losses(dict, ends, n, is_taken, least);
		if (n_lost >= least)
			continue;
		least = n_lost;
		memcpy(best, dict->factors, sizeof(best));
	}
	free(is_taken);
	free(ends);
	if (least == UINT32_MAX)
		return false;
	memcpy(dict->factors, best, sizeof(best));
	return true;
}

static bool make_entries(struct dict *dict, enum dict_kind kind, uint32_t n_slots)
{
	dict->kind = kind;
	dict->n_slots = n_slots;
	dict->shift = shift_for(n_slots);
	dict->n_used = 0;
	dict->n_long = 0;
	dict->has_twins = false;
	dict->entries = aligned_alloc(64, dict_entry(dict, n_slots));
	if (dict->entries != NULL)
		free_entries(dict);
	return dict->entries != NULL;
}

bool dict_init(struct dict *dict, const char behind[8], size_t fixed_len, bool by_head)
{
	assert(fixed_len >= 1 && fixed_len <= 8);
	*dict = (struct dict){
		.random = UINT64_C(0x9e3779b97f4a7c15),
		.losses.max = FIRST_MAX_LOST,
		.fixed_len = (uint32_t)fixed_len,
	};
	memcpy(dict->behind, behind, sizeof(dict->behind));
	if (!make_entries(dict, by_head ? DICT_BY_HEAD : DICT_BY_ENDS, DICT_MIN_SLOTS))
		return false;
	choose_factors(dict);
	return true;
}

void dict_fini(struct dict *dict)
{
	free(dict->entries);
	*dict = (struct dict){0};
}

/* The entries of another table, as far as they find a place. */
static void take_entries(struct dict *dict, const struct dict *old)
{
	for (uint32_t slot = 0; slot < old->n_slots; slot++) {
		size_t from = dict_entry(old, slot);
		const struct dict_rest *rest = dict_rest(old, from);
		size_t len = (size_t)rest->len - old->fixed_len;
		const char *text = (const char *)old->entries + from;
		size_t to;

		if (rest->number != FREE && dict_find(dict, text, len, &to) == DICT_MISSING &&
			dict_rest(dict, to)->number == FREE)
			dict_place(dict, text, len, to, rest->number);
	}
	dict->has_twins = false;
}

bool dict_reshape(struct dict *dict)
{
	struct dict made = *dict;
	enum dict_kind kind = dict->kind;
	uint32_t n_slots = dict->n_slots;

	if (dict->n_long > MAX_LONG)
		kind = DICT_WIDE;
	else if (dict->has_twins)
		kind = DICT_BY_ENDS;
	else
		n_slots = slots_wanted(n_slots, dict->n_used);
	if (!make_entries(&made, kind, n_slots))
		return false;
	if (!search_factors(&made, dict)) {
		free(made.entries);
		return false;
	}
	take_entries(&made, dict);
	forgive(&made.losses);
	free(dict->entries);
	*dict = made;
	return true;
}

/* Whether texts that differ have the same head, so that no factor ever parts them. */
static bool are_twins(const struct dict *dict, const uint8_t *pattern, const char *text, size_t len)
{
	return dict->kind == DICT_BY_HEAD && len >= 8 && memcmp(pattern, text, 8) == 0;
}

enum dict_find dict_find(struct dict *dict, const char *text, size_t len, size_t *entry)
{
	const uint8_t *pattern;

	if (len + dict->fixed_len > dict_width(dict)) {
		if (dict->kind == DICT_WIDE || len + dict->fixed_len > DICT_MAX_WIDTH)
			return DICT_TOO_LONG;
		return ++dict->n_long > MAX_LONG ? DICT_RESHAPE : DICT_TOO_LONG;
	}
	*entry = dict_entry(dict, slot_of(dict, ends_of(dict, (const uint8_t *)text, len)));
	if (dict_rest(dict, *entry)->number == FREE)
		return DICT_MISSING;
	pattern = dict->entries + *entry;
	if (memcmp(pattern, text, len) == 0 && pattern[len] == (uint8_t)dict->behind[0])
		return DICT_FOUND;
	dict->has_twins |= are_twins(dict, pattern, text, len);
	return dict->losses.n >= dict->losses.max ? DICT_RESHAPE : DICT_MISSING;
}

void dict_place(struct dict *dict, const char *text, size_t len, size_t entry, uint32_t number)
{
	uint8_t *pattern = dict->entries + entry;
	struct dict_rest *rest = dict_rest(dict, entry);

	if (rest->number == FREE)
		dict->n_used++;
	else
		dict->losses.n++;
	memset(pattern, 0, dict_width(dict));
	memcpy(pattern, text, len);
	memcpy(pattern + len, dict->behind, dict->fixed_len);
	rest->number = number;
	rest->len = (uint16_t)(len + dict->fixed_len);
	rest->unmasked = (uint16_t)(64 - rest->len);
}

static bool make_pairs(struct pairs *pairs, uint32_t n_slots)
{
	pairs->entries = aligned_alloc(64, n_slots * sizeof(*pairs->entries));
	if (pairs->entries == NULL)
		return false;
	memset(pairs->entries, 0, n_slots * sizeof(*pairs->entries));
	for (uint32_t i = 0; i < n_slots; i++) {
		pairs->entries[i].key = UINT64_MAX;
		pairs->entries[i].number = FREE;
	}
	pairs->n_slots = n_slots;
	pairs->shift = shift_for(n_slots);
	pairs->factor = next_factor(&pairs->random);
	pairs->n_used = 0;
	return true;
}

bool pairs_init(struct pairs *pairs)
{
	*pairs = (struct pairs){
		.random = UINT64_C(0xd6e8feb86659fd93),
		.losses.max = FIRST_MAX_LOST,
	};
	return make_pairs(pairs, DICT_MIN_SLOTS);
}

void pairs_fini(struct pairs *pairs)
{
	free(pairs->entries);
	*pairs = (struct pairs){0};
}

/* How many keys of `old` would be pushed out. */
static uint32_t count_lost_pairs(
	const struct pairs *pairs, const struct pairs *old, uint64_t *is_taken)
{
	uint32_t n_lost = 0;

	memset(is_taken, 0, pairs->n_slots / 8);
	for (uint32_t i = 0; i < old->n_slots; i++) {
		uint64_t slot = pairs_slot(pairs, old->entries[i].key);
		uint64_t bit = UINT64_C(1) << slot % 64;

		if (old->entries[i].key == UINT64_MAX)
			continue;
		n_lost += (is_taken[slot / 64] & bit) != 0;
		is_taken[slot / 64] |= bit;
	}
	return n_lost;
}

static void search_factor(struct pairs *pairs, const struct pairs *old, uint64_t *is_taken)
{
	uint32_t n_tries = MAX_SEARCH / (old->n_slots + pairs->n_slots / 64) + 1;
	uint32_t least = UINT32_MAX;
	uint64_t best = pairs->factor;

	for (; n_tries > 0 && least > 0; n_tries--) {
		uint32_t n_lost;

		pairs->factor = next_factor(&pairs->random);
		n_lost = count_lost_pairs(pairs, old, is_taken);
		if (n_lost >= least)
			continue;
		least = n_lost;
		best = pairs->factor;
	}
	pairs->factor = best;
}

bool pairs_reshape(struct pairs *pairs)
{
	struct pairs made = *pairs;
	uint32_t n_slots = slots_wanted(pairs->n_slots, pairs->n_used);
	uint64_t *is_taken = calloc(n_slots / 64, sizeof(*is_taken));

	if (is_taken == NULL || !make_pairs(&made, n_slots)) {
		free(is_taken);
		return false;
	}
	search_factor(&made, pairs, is_taken);
	for (uint32_t i = 0; i < pairs->n_slots; i++) {
		const struct pair *old = &pairs->entries[i];
		struct pair *pair = &made.entries[pairs_slot(&made, old->key)];

		if (old->key != UINT64_MAX && pair->key == UINT64_MAX)
			pairs_place(&made, old->key, pair, old->number);
	}
	forgive(&made.losses);
	free(is_taken);
	free(pairs->entries);
	*pairs = made;
	return true;
}

enum dict_find pairs_find(struct pairs *pairs, uint64_t key, struct pair **pair)
{
	*pair = &pairs->entries[pairs_slot(pairs, key)];
	if ((*pair)->key == key)
		return DICT_FOUND;
	if ((*pair)->key != UINT64_MAX && pairs->losses.n >= pairs->losses.max)
		return DICT_RESHAPE;
	return DICT_MISSING;
}

void pairs_place(struct pairs *pairs, uint64_t key, struct pair *pair, uint32_t number)
{
	if (pair->key == UINT64_MAX)
		pairs->n_used++;
	else
		pairs->losses.n++;
	pair->key = key;
	pair->number = number;
}
