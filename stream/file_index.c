/*
 * Linear probing from where the hash's low half falls among the cells; a
 * dropped entry is closed over by moving later ones back, so there are no
 * tombstones. At most seven eighths of the cells are used and they grow by
 * half, since memory counts here; strangers cost a comparison of tags. There
 * are more slot numbers than slots, which leaves the all-ones cell free to mean
 * "empty".
 */
#include "stream/file_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define EMPTY         UINT32_MAX
#define MIN_CELLS     16
#define MAX_SLOT_BITS 31

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

static uint32_t slot_mask(const struct file_index *index)
{
	return ((uint32_t)1 << index->slot_bits) - 1;
}

static uint32_t tag_of(const struct file_index *index, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & ~slot_mask(index);
}

static size_t slot_in(const struct file_index *index, uint32_t cell)
{
	return cell & slot_mask(index);
}

static size_t home_of(const struct file_index *index, uint64_t hash)
{
	return (size_t)(((hash & UINT32_MAX) * index->n_cells) >> 32);
}

static size_t behind(const struct file_index *index, size_t i)
{
	return i + 1 == index->n_cells ? 0 : i + 1;
}

/* Steps from one cell forward to another. */
static size_t distance(const struct file_index *index, size_t from, size_t to)
{
	return to >= from ? to - from : to + index->n_cells - from;
}

static void place(struct file_index *index, uint64_t hash, size_t slot)
{
	size_t i = home_of(index, hash);

	while (index->cells[i] != EMPTY)
		i = behind(index, i);
	index->cells[i] = tag_of(index, hash) | (uint32_t)slot;
}

static bool resize(struct file_index *index, size_t n_cells, unsigned slot_bits)
{
	struct file_index old = *index;
	uint32_t *cells = malloc(n_cells * sizeof(*cells));
	size_t slot;
	size_t i;

	if (cells == NULL)
		return false;
	memset(cells, 0xff, n_cells * sizeof(*cells));
	index->cells = cells;
	index->n_cells = n_cells;
	index->slot_bits = slot_bits;
	for (i = 0; i < old.n_cells; i++) {
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
	size_t n_cells = index->n_cells;
	unsigned slot_bits = index->slot_bits;

	while (slot + 1 >= (size_t)1 << slot_bits)
		slot_bits++;
	if (slot_bits > MAX_SLOT_BITS)
		return false;
	if (index->n + 1 > n_cells / 8 * 7)
		n_cells = n_cells < MIN_CELLS ? MIN_CELLS : n_cells + n_cells / 2;
	if ((n_cells != index->n_cells || slot_bits != index->slot_bits) &&
		!resize(index, n_cells, slot_bits))
		return false;
	place(index, index->hash(index->owner, slot), slot);
	index->n++;
	return true;
}

/* Moves back what the gap at `gap` has cut off from where its hash begins. */
static void close_gap(struct file_index *index, size_t gap)
{
	size_t i = gap;
	size_t home;

	for (;;) {
		index->cells[gap] = EMPTY;
		do {
			i = behind(index, i);
			if (index->cells[i] == EMPTY)
				return;
			home = home_of(
				index, index->hash(index->owner, slot_in(index, index->cells[i])));
			/* It stays as long as its home lies behind the gap, on the way to it. */
		} while (distance(index, home, i) < distance(index, gap, i));
		index->cells[gap] = index->cells[i];
		gap = i;
	}
}

void file_index_drop(struct file_index *index, size_t slot)
{
	size_t i = home_of(index, index->hash(index->owner, slot));

	while (index->cells[i] == EMPTY || slot_in(index, index->cells[i]) != slot) {
		assert(index->cells[i] != EMPTY);
		i = behind(index, i);
	}
	close_gap(index, i);
	index->n--;
}

size_t file_index_next(const struct file_index *index, struct file_index_walk *walk)
{
	uint32_t cell;
	uint32_t tag;
	size_t i;

	if (index->cells == NULL)
		return SIZE_MAX;
	tag = tag_of(index, walk->hash);
	i = home_of(index, walk->hash) + walk->n_steps;
	if (i >= index->n_cells)
		i -= index->n_cells;
	for (;;) {
		cell = index->cells[i];
		if (cell == EMPTY)
			return SIZE_MAX;
		walk->n_steps++;
		i = behind(index, i);
		if ((cell & ~slot_mask(index)) == tag)
			return slot_in(index, cell);
	}
}
