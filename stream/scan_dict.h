/*
 * From the text of a group to its entry in one look: a direct-mapped table that
 * the kernels read without a branch.
 *
 * It is a cache, not a map. A text that is not there, or whose place another
 * has taken, is a miss, which the careful match puts right and installs. So a
 * new name costs one careful record and never a rebuild. When installed texts
 * push each other out too often, the table changes its hash or grows, each
 * time only after twice as many such losses, so that the work stays in
 * proportion whatever the names are.
 *
 * Several fields chain: the number of the first text and of the second make
 * the entry of a pair in a table of the same kind, whose number goes on, and so
 * on. The entries of the last table hold the counts of the cursors' windows.
 */
#ifndef STREAM_SCAN_DICT_H
#define STREAM_SCAN_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define DICT_CURSORS    6 /* of a kernel */
#define DICT_MIN_SLOTS  256
#define DICT_MAX_SLOTS  16384
#define DICT_MAX_WIDTH  64
#define DICT_MAX_NUMBER (UINT32_MAX - 1)

/* How a text finds its slot; each kind when the one before it does not do. */
enum dict_kind {
	DICT_BY_HEAD, /* by its first eight bytes, what follows a shorter one included */
	DICT_BY_ENDS, /* by its first and last eight bytes */
	DICT_WIDE,    /* the same for patterns of 64 bytes */
};

/*
 * An entry is the pattern (text, stop byte, tail, zeros; 32 bytes, in a wide
 * table 64) and this behind it.
 */
struct dict_rest {
	uint32_t number;   /* UINT32_MAX: the entry is free */
	uint16_t len;      /* bytes of the pattern that count … */
	uint16_t unmasked; /* … and 64 less them */
	uint32_t counts[DICT_CURSORS];
};

#define DICT_ENTRY_SHIFT      6 /* 64 bytes each */
#define DICT_ENTRY_MASK       (~UINT64_C(63))
#define DICT_WIDE_ENTRY_SHIFT 7
#define DICT_LEN_AT           36 /* in an entry that is not wide */
#define DICT_UNMASKED_AT      38

/* When a table that loses entries should change. */
struct losses {
	uint32_t n;
	uint32_t max; /* how many are borne before the next change */
};

struct dict {
	uint8_t *entries;
	enum dict_kind kind;
	uint32_t n_slots, shift;
	uint64_t factors[2];
	uint32_t n_used;
	uint32_t n_long; /* texts met that only a wider table takes */
	bool has_twins;  /* two texts were met that have the same head */
	struct losses losses;
	uint64_t random;
	uint32_t fixed_len; /* of what follows each text in the pattern: the stop byte and the tail
			     */
	char behind[8];
};

/*
 * Which bytes of a text its hash looks at: the
 * first eight, and the last eight where it has them.
 */
struct dict_masks {
	uint64_t head, tail;
};
extern const struct dict_masks dict_masks[DICT_MAX_WIDTH + 1];

/*
 * `behind`: eight bytes that stand behind any text; the pattern takes in the
 * first fixed_len of them, and the first of all stops the text. by_head: all
 * eight are always the same, so that the heads of texts are, too.
 */
bool dict_init(struct dict *dict, const char behind[8], size_t fixed_len, bool by_head);
void dict_fini(struct dict *dict);

static inline uint32_t dict_slot(const struct dict *dict, uint64_t head, uint64_t tail)
{
	return (uint32_t)((head * dict->factors[0] + tail * dict->factors[1]) >> dict->shift);
}

static inline size_t dict_width(const struct dict *dict)
{
	return dict->kind == DICT_WIDE ? 64 : 32;
}

/* The place of a slot's entry in the table. */
static inline size_t dict_entry(const struct dict *dict, uint32_t slot)
{
	return (size_t)slot << (dict->kind == DICT_WIDE ? DICT_WIDE_ENTRY_SHIFT : DICT_ENTRY_SHIFT);
}

/* Where the numbers stand: this plus the place of an entry. */
static inline uint8_t *dict_numbers(const struct dict *dict)
{
	return dict->entries + dict_width(dict);
}

static inline struct dict_rest *dict_rest(const struct dict *dict, size_t entry)
{
	return (struct dict_rest *)(void *)(dict_numbers(dict) + entry);
}

enum dict_find {
	DICT_FOUND,   /* the text is in *entry */
	DICT_MISSING, /* it belongs in *entry; dict_place puts it there and pushes out what is there
		       */
	DICT_RESHAPE, /* so many were pushed out that the table should be reshaped first */
	DICT_TOO_LONG, /* it is not for this table */
};

enum dict_find dict_find(struct dict *dict, const char *text, size_t len, size_t *entry);
void dict_place(struct dict *dict, const char *text, size_t len, size_t entry, uint32_t number);

/*
 * Gives the table another hash, more slots or more width. The entries keep
 * their numbers but not their places, and a few may be lost. False: no memory,
 * nothing has changed.
 */
bool dict_reshape(struct dict *dict);

struct pair {
	_Alignas(64) uint64_t key; /* both numbers; UINT64_MAX: free */
	uint32_t number;
	uint32_t unused;
	uint32_t counts[DICT_CURSORS];
};

struct pairs {
	struct pair *entries;
	uint32_t n_slots, shift;
	uint64_t factor;
	uint32_t n_used;
	struct losses losses;
	uint64_t random;
};

bool pairs_init(struct pairs *pairs);
void pairs_fini(struct pairs *pairs);

static inline uint64_t pairs_key(uint32_t first, uint32_t second)
{
	return (uint64_t)first << 32 | second;
}

static inline uint64_t pairs_slot(const struct pairs *pairs, uint64_t key)
{
	return key * pairs->factor >> pairs->shift;
}

/* As for texts; never DICT_TOO_LONG. */
enum dict_find pairs_find(struct pairs *pairs, uint64_t key, struct pair **pair);
void pairs_place(struct pairs *pairs, uint64_t key, struct pair *pair, uint32_t number);
bool pairs_reshape(struct pairs *pairs);

#endif
