/*
 * From the text of a group to a small number in one look: a direct-mapped
 * table that the kernels read without a branch.
 *
 * It is a cache, not a map. A text that is not there, or whose place another
 * has taken, is a miss, which the careful match puts right and installs. So a
 * new name costs one careful record and never a rebuild. When installed texts
 * push each other out too often, the table changes its hash or grows, each
 * time only after twice as many such losses, so that the work stays in
 * proportion whatever the names are.
 *
 * Several fields chain: the number of the first text and of the second make
 * the number of a pair, by a table of the same kind, and so on.
 */
#ifndef STREAM_SCAN_DICT_H
#define STREAM_SCAN_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DICT_MIN_SLOTS 256
#define DICT_MAX_SLOTS 16384
#define DICT_MAX_WIDTH 64

/* When a table that loses entries should change. */
struct losses {
	uint32_t n;
	uint32_t max; /* how many are borne before the next change */
};

struct dict {
	/*
	 * An entry is `width` bytes of pattern (text, stop byte, tail, zeros) and
	 * its number; entry_bytes apart. A free one is all zeros, which no record
	 * matches, since what is compared always holds the stop byte.
	 */
	uint8_t *entries;
	uint32_t width;       /* 32 or 64 */
	uint32_t entry_bytes; /* twice that */
	uint32_t n_slots, shift;
	uint64_t factors[2];
	uint32_t n_used, next_id;
	uint32_t n_long;      /* texts met that only a wider table takes */
	struct losses losses;
	uint64_t random;
	uint32_t fixed_len;   /* of what follows each text in the pattern: the stop byte and the tail */
	uint8_t fixed[DICT_MAX_WIDTH];
};

/* Which bytes of a text its hash looks at: the first eight, and the last eight where it has them. */
struct dict_masks {
	uint64_t head, tail;
};
extern const struct dict_masks dict_masks[DICT_MAX_WIDTH + 1];

/* `fixed`: the literal that each pattern takes in behind the text; its first byte stops the text. */
bool dict_init(struct dict *dict, const char *fixed, size_t fixed_len);
void dict_fini(struct dict *dict);

static inline uint32_t dict_slot(const struct dict *dict, uint64_t head, uint64_t tail)
{
	return (uint32_t)((head * dict->factors[0] + tail * dict->factors[1]) >> dict->shift);
}

static inline const uint8_t *dict_pattern(const struct dict *dict, uint32_t slot)
{
	return dict->entries + (size_t)slot * dict->entry_bytes;
}

/* The number of the text in a slot; 0: the slot is free. No number is given twice before a reshape. */
static inline uint32_t dict_id(const struct dict *dict, uint32_t slot)
{
	uint32_t id;

	memcpy(&id, dict_pattern(dict, slot) + dict->width, sizeof(id));
	return id;
}

enum dict_find {
	DICT_FOUND,    /* the text is in *slot */
	DICT_MISSING,  /* it belongs in *slot; dict_place puts it there and pushes out what is there */
	DICT_RESHAPE,  /* so many were pushed out that the table should be reshaped first */
	DICT_TOO_LONG, /* it is not for this table */
};
enum dict_find dict_find(struct dict *dict, const char *text, size_t len, uint32_t *slot);
void dict_place(struct dict *dict, const char *text, size_t len, uint32_t slot);

/* Empties the table and gives it another hash, more slots or more width. False: no memory, nothing has changed. */
bool dict_reshape(struct dict *dict);

struct pairs {
	uint64_t *keys; /* both numbers; 0: free */
	uint32_t *ids;
	uint32_t n_slots, shift;
	uint64_t factor;
	uint32_t n_used, next_id;
	struct losses losses;
	uint64_t random;
};

bool pairs_init(struct pairs *pairs);
void pairs_fini(struct pairs *pairs);

static inline uint64_t pairs_key(uint32_t first, uint32_t second)
{
	return (uint64_t)first << 32 | second;
}

static inline uint32_t pairs_slot(const struct pairs *pairs, uint64_t key)
{
	return (uint32_t)((key * pairs->factor) >> pairs->shift);
}

/* As for texts; never DICT_TOO_LONG. */
enum dict_find pairs_find(struct pairs *pairs, uint64_t key, uint32_t *slot);
void pairs_place(struct pairs *pairs, uint64_t key, uint32_t slot);
bool pairs_reshape(struct pairs *pairs);

#endif
