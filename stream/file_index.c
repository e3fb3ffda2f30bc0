/*
 * Linear probing from the hash's low bits; a dropped entry is closed over by
 * moving later ones back, so there are no tombstones. At most three quarters
 * of the cells are used, and the table is larger than any slot number in it,
 * which leaves the all-ones cell free to mean "empty".
 */
#include "stream/file_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY    UINT32_MAX
#define MIN_BITS 4
#define MAX_BITS 31

void file_index_init(struct file_index *index, uint64_t (*hash)(const void *owner, size_t slot),
	const void *owner)
{
	*index = (struct file_index){.hash = hash, .owner = owner};
}

void file_index_fini(struct file_index *index)
{
	free(index->cells);
	index->cells = NULL;
}

static size_t n_cells(const struct file_index *index)
{
	return (size_t)1 << index->bits;
}

static uint32_t tag_of(const struct file_index *index, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & ~(uint32_t)(n_cells(index) - 1);
}

static size_t slot_in(const struct file_index *index, uint32_t cell)
{
	return cell & (uint32_t)(n_cells(index) - 1);
}

static void place(struct file_index *index, uint64_t hash, size_t slot)
{
	const size_t mask = n_cells(index) - 1;
	size_t i = (size_t)hash & mask;

	while (index->cells[i] != EMPTY)
		i = (i + 1) & mask;
	index->cells[i] = tag_of(index, hash) | (uint32_t)slot;
}

static bool resize(struct file_index *index, unsigned bits)
{
	const size_t n = (size_t)1 << bits;
	struct file_index old = *index;
	uint32_t *cells = malloc(n * sizeof(*cells));
	size_t slot;
	size_t i;

	if (cells == NULL)
		return false;
	memset(cells, 0xff, n * sizeof(*cells));
	index->cells = cells;
	index->bits = bits;
	for (i = 0; old.cells != NULL && i < n_cells(&old); i++) {
		if (old.cells[i] == EMPTY)
			continue;
		slot = slot_in(&old, old.cells[i]);
		place(index, index->hash(index->owner, slot), slot);
	}
	free(old.cells);
	return true;
}

bool file_index_put(struct file_index *index, size_t slot)
{
	unsigned bits = index->cells == NULL ? MIN_BITS : index->bits;

	while (slot + 1 >= (size_t)1 << bits || (index->n + 1) * 4 > ((size_t)3 << bits)) {
		if (bits == MAX_BITS)
			return false;
		bits++;
	}
	if ((index->cells == NULL || bits != index->bits) && !resize(index, bits))
		return false;
	place(index, index->hash(index->owner, slot), slot);
	index->n++;
	return true;
}

/* Moves back what the gap at `gap` has cut off from where its hash begins. */
static void close_gap(struct file_index *index, size_t gap)
{
	const size_t mask = n_cells(index) - 1;
	size_t i = gap;
	size_t home;

	for (;;) {
		index->cells[gap] = EMPTY;
		do {
			i = (i + 1) & mask;
			if (index->cells[i] == EMPTY)
				return;
			home = (size_t)index->hash(index->owner, slot_in(index, index->cells[i])) &
			       mask;
			/* It stays as long as its home lies behind the gap, on the way to it. */
		} while (((i - home) & mask) < ((i - gap) & mask));
		index->cells[gap] = index->cells[i];
		gap = i;
	}
}

void file_index_drop(struct file_index *index, size_t slot)
{
	const uint64_t hash = index->hash(index->owner, slot);
	const size_t mask = n_cells(index) - 1;
	size_t i = (size_t)hash & mask;

	while (slot_in(index, index->cells[i]) != slot || index->cells[i] == EMPTY) {
		assert(index->cells[i] != EMPTY);
		i = (i + 1) & mask;
	}
	close_gap(index, i);
	index->n--;
}

size_t file_index_next(const struct file_index *index, struct file_index_walk *walk)
{
	uint32_t cell;
	uint32_t tag;
	size_t mask;

	if (index->cells == NULL)
		return SIZE_MAX;
	mask = n_cells(index) - 1;
	tag = tag_of(index, walk->hash);
	for (;;) {
		cell = index->cells[((size_t)walk->hash + walk->n_steps) & mask];
		if (cell == EMPTY)
			return SIZE_MAX;
		walk->n_steps++;
		if ((cell & ~(uint32_t)mask) == tag)
			return slot_in(index, cell);
	}
}
