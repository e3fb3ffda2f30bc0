/* Installing and reshaping; the looking up stands in the kernels. */
#include "stream/scan_dict.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_MAX_LOST 16
#define LAST_MAX_LOST  (1u << 24)
#define MAX_LONG       16
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
	return n_used > n_slots / 8 && n_slots < DICT_MAX_SLOTS ? n_slots * 4 : n_slots;
}

/*
 * A free entry must be one that no bytes match: its pattern is one that belongs
 * to another slot. Zeros belong to slot 0, bytes of 255 to another.
 */
static void free_entries(struct dict *dict)
{
	size_t width = dict_width(dict);

	do {
		dict->factors[0] = next_factor(&dict->random);
		dict->factors[1] = next_factor(&dict->random);
	} while (dict_slot(dict, UINT64_MAX, 0) == 0 ||
		 dict_slot(dict, UINT64_MAX, UINT64_MAX) == 0);
	for (uint32_t slot = 0; slot < dict->n_slots; slot++) {
		size_t entry = dict_entry(dict, slot);

		memset(dict->entries + entry, slot == 0 ? 0xff : 0, width);
		*dict_rest(dict, entry) =
			(struct dict_rest){.number = FREE, .len = 8, .unmasked = 56};
	}
}

static bool make_entries(struct dict *dict, enum dict_kind kind, uint32_t n_slots)
{
	struct dict made = *dict;

	made.kind = kind;
	made.n_slots = n_slots;
	made.shift = shift_for(n_slots);
	made.entries = aligned_alloc(64, dict_entry(&made, n_slots));
	if (made.entries == NULL)
		return false;
	made.n_used = 0;
	made.n_long = 0;
	made.has_twins = false;
	free_entries(&made);
	free(dict->entries);
	*dict = made;
	return true;
}

bool dict_init(struct dict *dict, const char *fixed, size_t fixed_len, bool by_head)
{
	assert(fixed_len >= 1 && fixed_len < 32);
	*dict = (struct dict){
		.random = UINT64_C(0x9e3779b97f4a7c15),
		.losses.max = FIRST_MAX_LOST,
		.fixed_len = (uint32_t)fixed_len,
	};
	memcpy(dict->fixed, fixed, fixed_len);
	return make_entries(dict, by_head ? DICT_BY_HEAD : DICT_BY_ENDS, DICT_MIN_SLOTS);
}

void dict_fini(struct dict *dict)
{
	free(dict->entries);
	*dict = (struct dict){0};
}

bool dict_reshape(struct dict *dict)
{
	enum dict_kind kind = dict->kind;
	uint32_t n_slots = dict->n_slots;

	if (dict->n_long > MAX_LONG)
		kind = DICT_WIDE;
	else if (dict->has_twins)
		kind = DICT_BY_ENDS;
	else
		n_slots = slots_wanted(n_slots, dict->n_used);
	if (!make_entries(dict, kind, n_slots))
		return false;
	forgive(&dict->losses);
	return true;
}

static uint32_t find_slot(const struct dict *dict, const char *text, size_t len)
{
	uint64_t head = 0, tail = 0;

	memcpy(&head, text, dict->kind == DICT_BY_HEAD || len >= 8 ? 8 : len);
	if (dict->kind != DICT_BY_HEAD && len >= 8)
		memcpy(&tail, text + len - 8, 8);
	return dict_slot(dict, head, tail);
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
	*entry = dict_entry(dict, find_slot(dict, text, len));
	if (dict_rest(dict, *entry)->number == FREE)
		return DICT_MISSING;
	pattern = dict->entries + *entry;
	if (memcmp(pattern, text, len) == 0 && pattern[len] == dict->fixed[0])
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
	memcpy(pattern + len, dict->fixed, dict->fixed_len);
	rest->number = number;
	rest->len = (uint16_t)(len + dict->fixed_len);
	rest->unmasked = (uint16_t)(64 - rest->len);
}

static bool make_pairs(struct pairs *pairs, uint32_t n_slots)
{
	struct pair *entries = aligned_alloc(64, n_slots * sizeof(*entries));

	if (entries == NULL)
		return false;
	memset(entries, 0, n_slots * sizeof(*entries));
	for (uint32_t i = 0; i < n_slots; i++) {
		entries[i].key = UINT64_MAX;
		entries[i].number = FREE;
	}
	free(pairs->entries);
	pairs->entries = entries;
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

bool pairs_reshape(struct pairs *pairs)
{
	if (!make_pairs(pairs, slots_wanted(pairs->n_slots, pairs->n_used)))
		return false;
	forgive(&pairs->losses);
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
