/* Installing and reshaping; the looking up stands in the kernels. */
#include "stream/scan_dict.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_MAX_LOST 16
#define LAST_MAX_LOST  (1u << 24)
#define MAX_LONG       16

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

static bool make_entries(struct dict *dict, uint32_t n_slots, uint32_t width)
{
	size_t bytes = (size_t)n_slots * width * 2;
	uint8_t *entries = aligned_alloc(64, bytes);

	if (entries == NULL)
		return false;
	memset(entries, 0, bytes);
	free(dict->entries);
	dict->entries = entries;
	dict->n_slots = n_slots;
	dict->shift = shift_for(n_slots);
	dict->width = width;
	dict->entry_bytes = width * 2;
	dict->factors[0] = next_factor(&dict->random);
	dict->factors[1] = next_factor(&dict->random);
	dict->n_used = 0;
	dict->next_id = 1;
	dict->n_long = 0;
	return true;
}

bool dict_init(struct dict *dict, const char *fixed, size_t fixed_len)
{
	assert(fixed_len >= 1 && fixed_len < 32);
	*dict = (struct dict){
		.random = UINT64_C(0x9e3779b97f4a7c15),
		.losses.max = FIRST_MAX_LOST,
		.fixed_len = (uint32_t)fixed_len,
	};
	memcpy(dict->fixed, fixed, fixed_len);
	return make_entries(dict, DICT_MIN_SLOTS, 32);
}

void dict_fini(struct dict *dict)
{
	free(dict->entries);
	*dict = (struct dict){0};
}

bool dict_reshape(struct dict *dict)
{
	bool is_wider = dict->n_long > MAX_LONG && dict->width < DICT_MAX_WIDTH;
	uint32_t n_slots = is_wider ? dict->n_slots : slots_wanted(dict->n_slots, dict->n_used);

	if (!make_entries(dict, n_slots, is_wider ? DICT_MAX_WIDTH : dict->width))
		return false;
	forgive(&dict->losses);
	return true;
}

enum dict_find dict_find(struct dict *dict, const char *text, size_t len, uint32_t *slot)
{
	uint64_t head = 0, tail = 0;
	const uint8_t *pattern;

	if (len + dict->fixed_len > dict->width) {
		if (dict->width == DICT_MAX_WIDTH || len + dict->fixed_len > DICT_MAX_WIDTH)
			return DICT_TOO_LONG;
		return ++dict->n_long > MAX_LONG ? DICT_RESHAPE : DICT_TOO_LONG;
	}
	memcpy(&head, text, len < 8 ? len : 8);
	if (len >= 8)
		memcpy(&tail, text + len - 8, 8);
	*slot = dict_slot(dict, head, tail);
	if (dict_id(dict, *slot) == 0)
		return DICT_MISSING;
	pattern = dict_pattern(dict, *slot);
	if (memcmp(pattern, text, len) == 0 && pattern[len] == dict->fixed[0])
		return DICT_FOUND;
	if (dict->losses.n >= dict->losses.max || dict->next_id == UINT32_MAX)
		return DICT_RESHAPE;
	return DICT_MISSING;
}

void dict_place(struct dict *dict, const char *text, size_t len, uint32_t slot)
{
	uint8_t *pattern = dict->entries + (size_t)slot * dict->entry_bytes;

	if (dict_id(dict, slot) == 0)
		dict->n_used++;
	else
		dict->losses.n++;
	memset(pattern, 0, dict->entry_bytes);
	memcpy(pattern, text, len);
	memcpy(pattern + len, dict->fixed, dict->fixed_len);
	memcpy(pattern + dict->width, &dict->next_id, sizeof(dict->next_id));
	dict->next_id++;
}

static bool make_pairs(struct pairs *pairs, uint32_t n_slots)
{
	uint64_t *keys = calloc(n_slots, sizeof(*keys));
	uint32_t *ids = calloc(n_slots, sizeof(*ids));

	if (keys == NULL || ids == NULL) {
		free(keys);
		free(ids);
		return false;
	}
	free(pairs->keys);
	free(pairs->ids);
	pairs->keys = keys;
	pairs->ids = ids;
	pairs->n_slots = n_slots;
	pairs->shift = shift_for(n_slots);
	pairs->factor = next_factor(&pairs->random);
	pairs->n_used = 0;
	pairs->next_id = 1;
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
	free(pairs->keys);
	free(pairs->ids);
	*pairs = (struct pairs){0};
}

bool pairs_reshape(struct pairs *pairs)
{
	if (!make_pairs(pairs, slots_wanted(pairs->n_slots, pairs->n_used)))
		return false;
	forgive(&pairs->losses);
	return true;
}

enum dict_find pairs_find(struct pairs *pairs, uint64_t key, uint32_t *slot)
{
	*slot = pairs_slot(pairs, key);
	if (pairs->keys[*slot] == key)
		return DICT_FOUND;
	if (pairs->keys[*slot] != 0 &&
		(pairs->losses.n >= pairs->losses.max || pairs->next_id == UINT32_MAX))
		return DICT_RESHAPE;
	return DICT_MISSING;
}

void pairs_place(struct pairs *pairs, uint64_t key, uint32_t slot)
{
	if (pairs->keys[slot] == 0)
		pairs->n_used++;
	else
		pairs->losses.n++;
	pairs->keys[slot] = key;
	pairs->ids[slot] = pairs->next_id++;
}
