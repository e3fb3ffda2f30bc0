/*
 * Counts by (bucket, group), each for itself: the part of stream/cells.h for
 * data that no array is worth.
 *
 * A cell is 16 bytes in one of LOOSE_PARTS open-addressing tables, which grow
 * by two fifths when four fifths full and one at a time, so it costs 20 to 28
 * bytes and growing never needs a second table of full size.
 *
 * Counts that pass 32 bits are spilled: a list of 64-bit amounts, one for each
 * 2^31 events of a cell or so. One thread at a time.
 */
#ifndef STREAM_LOOSE_CELLS_H
#define STREAM_LOOSE_CELLS_H

#include "base/err.h"
#include "stream/cells.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOOSE_PARTS 64

struct loose_cell {
	int64_t bucket; /* its number: floor(time / bucket_us) */
	uint32_t group;
	uint32_t count; /* 0: free */
};

struct loose_part {
	struct loose_cell *cells;
	uint32_t n, cap;
};

struct loose_spilled {
	int64_t bucket;
	uint32_t group;
	uint64_t count;
};

/* Zero initialisation is "none". */
struct loose_cells {
	struct loose_part parts[LOOSE_PARTS];
	uint64_t n; /* cells, without what is spilled */
	struct loose_spilled *spilled;
	size_t n_spilled, cap_spilled;
};

size_t loose_cells_bytes(const struct loose_cells *cells);

/* Forgets all and gives all memory back. */
void loose_cells_clear(struct loose_cells *cells);

int loose_cells_add(struct loose_cells *cells, int64_t bucket, uint32_t group, uint64_t n,
	struct err *err) __attribute__((warn_unused_result));

/* Keeps an amount that is too large for a cell, of this or of another kind. */
int loose_cells_spill(struct loose_cells *cells, int64_t bucket, uint32_t group, uint64_t n,
	struct err *err) __attribute__((warn_unused_result));

/*
 * Offers every cell to `take`, and drops those for which it returns true.
 * Where there is no memory for the smaller tables some stay without being
 * offered.
 */
typedef bool loose_cells_take_fn(void *context, int64_t bucket, uint32_t group, uint32_t n);
void loose_cells_move(struct loose_cells *cells, loose_cells_take_fn *take, void *context);

/* As cells_each; a bucket begins at its number times bucket_us. */
int loose_cells_each(const struct loose_cells *cells, int64_t bucket_us, cells_each_fn *each,
	void *context, struct err *err) __attribute__((warn_unused_result));

#endif
