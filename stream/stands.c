/*
 * A slot whose offset is below zero says where in the list of long ones its
 * position stands. Free ones there are chained through their offset.
 *
 * The file's id is cut to its low half in a slot: ids ascend and are never
 * given twice, so the next file that could be taken for it is the one four
 * billion files later, and only if that one got the same slot with nothing
 * read of any file in the slot in between.
 */
#include "stream/stands.h"

#include "base/mem.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct short_stand {
	int64_t offset; /* below zero: -1 - the place among the long ones */
	uint32_t line;  /* 0: no file was begun */
	uint32_t file;  /* the low half of its id */
};

void stands_fini(struct stands *stands)
{
	free(stands->slots);
	free(stands->longs);
	*stands = (struct stands){0};
}

int stands_grow(struct stands *stands, size_t n_slots, struct err *err)
{
	if (n_slots <= stands->n_slots)
		return 0;
	if (!mem_grow(&stands->slots, &stands->slots_cap, n_slots, sizeof(*stands->slots)))
		return err_nomem(err);
	memset(stands->slots + stands->n_slots, 0,
		(n_slots - stands->n_slots) * sizeof(*stands->slots));
	stands->n_slots = n_slots;
	return 0;
}

int stands_reserve(struct stands *stands, size_t n, struct err *err)
{
	if (n <= stands->n_free)
		return 0;
	if (!mem_grow(&stands->longs, &stands->longs_cap, stands->n_longs + n - stands->n_free,
		    sizeof(*stands->longs)))
		return err_nomem(err);
	return 0;
}

static bool is_short(const struct stand *stand)
{
	return stand->at.skip == 0 && stand->at.unpacked == 0 && stand->at.flags == 0 &&
	       stand->seen == stand->at.offset && stand->at.line > 0 &&
	       stand->at.line <= UINT32_MAX;
}

static void drop_long(struct stands *stands, struct short_stand *slot)
{
	uint32_t place;

	if (slot->line == 0 || slot->offset >= 0)
		return;
	place = (uint32_t)(-1 - slot->offset);
	stands->longs[place].at.offset = stands->free;
	stands->free = place + 1;
	stands->n_free++;
}

static uint32_t take_long(struct stands *stands)
{
	uint32_t place;

	if (stands->free == 0) {
		assert(stands->n_longs < stands->longs_cap);
		return (uint32_t)stands->n_longs++;
	}
	place = stands->free - 1;
	stands->free = (uint32_t)stands->longs[place].at.offset;
	stands->n_free--;
	return place;
}

void stands_put(struct stands *stands, size_t slot, const struct stand *stand)
{
	struct short_stand *to = &stands->slots[slot];
	uint32_t place;

	assert(slot < stands->n_slots && stand->file_id != STAND_NO_FILE);
	drop_long(stands, to);
	*to = (struct short_stand){.offset = stand->at.offset,
		.line = (uint32_t)stand->at.line,
		.file = (uint32_t)stand->file_id};
	if (is_short(stand))
		return;
	place = take_long(stands);
	stands->longs[place] = *stand;
	to->offset = -1 - (int64_t)place;
	to->line = 1;
}

struct stand stands_get(const struct stands *stands, size_t slot, int64_t file_id)
{
	const struct short_stand *from;

	if (slot >= stands->n_slots || stands->slots[slot].line == 0 ||
		stands->slots[slot].file != (uint32_t)file_id)
		return (struct stand){.at = POSITION_START, .file_id = STAND_NO_FILE, .seen = -1};
	from = &stands->slots[slot];
	if (from->offset < 0)
		return stands->longs[-1 - from->offset];
	return (struct stand){.at = {.offset = from->offset, .line = from->line},
		.file_id = file_id,
		.seen = from->offset};
}

int stands_copy(struct stands *to, const struct stands *from, struct err *err)
{
	if (!mem_grow(&to->longs, &to->longs_cap, from->n_longs, sizeof(*to->longs)) ||
		stands_grow(to, from->n_slots, err) != 0)
		return err_nomem(err);
	if (from->n_slots > 0)
		memcpy(to->slots, from->slots, from->n_slots * sizeof(*from->slots));
	if (from->n_longs > 0)
		memcpy(to->longs, from->longs, from->n_longs * sizeof(*from->longs));
	to->n_longs = from->n_longs;
	to->n_free = from->n_free;
	to->free = from->free;
	return 0;
}
