/* Open addressing in several tables, and a list for what is too large for them. */
#include "stream/loose_cells.h"

#include "base/mem.h"

#include <stdlib.h>

void loose_cells_clear(struct loose_cells *cells)
{
	for (size_t i = 0; i < LOOSE_PARTS; i++)
		free(cells->parts[i].cells);
	free(cells->spilled);
	*cells = (struct loose_cells){0};
}

size_t loose_cells_bytes(const struct loose_cells *cells)
{
	size_t bytes = cells->cap_spilled * sizeof(*cells->spilled);

	for (size_t i = 0; i < LOOSE_PARTS; i++)
		bytes += cells->parts[i].cap * sizeof(*cells->parts[i].cells);
	return bytes;
}

static uint64_t hash_cell(int64_t bucket, uint32_t group)
{
	uint64_t hash =
		((uint64_t)bucket ^ (uint64_t)group << 40 ^ group) * UINT64_C(0x9e3779b97f4a7c15);

	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

/* The place of the cell in its part, or the free one where it belongs. */
static struct loose_cell *find_cell(
	const struct loose_part *part, uint64_t hash, int64_t bucket, uint32_t group)
{
	uint32_t at = (uint32_t)((hash >> 32) * part->cap >> 32);

	while (part->cells[at].count != 0 &&
		(part->cells[at].bucket != bucket || part->cells[at].group != group))
		at = at + 1 < part->cap ? at + 1 : 0;
	return &part->cells[at];
}

static int grow_part(struct loose_part *part, struct err *err)
{
	struct loose_part grown = {.n = part->n};
	uint64_t cap = part->cap < 16 ? 16 : (uint64_t)part->cap * 7 / 5;

	if (cap > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "too many counts in one pass");
	grown.cap = (uint32_t)cap;
	grown.cells = mem_new_array(grown.cap, sizeof(*grown.cells));
	if (grown.cells == NULL)
		return err_nomem(err);
	for (uint32_t i = 0; i < part->cap; i++) {
		const struct loose_cell *cell = &part->cells[i];

		if (cell->count != 0)
			*find_cell(&grown, hash_cell(cell->bucket, cell->group), cell->bucket,
				cell->group) = *cell;
	}
	free(part->cells);
	*part = grown;
	return 0;
}

int loose_cells_spill(
	struct loose_cells *cells, int64_t bucket, uint32_t group, uint64_t n, struct err *err)
{
	if (!mem_grow(&cells->spilled, &cells->cap_spilled, cells->n_spilled + 1,
		    sizeof(*cells->spilled)))
		return err_nomem(err);
	cells->spilled[cells->n_spilled++] =
		(struct loose_spilled){.bucket = bucket, .group = group, .count = n};
	return 0;
}

int loose_cells_add(
	struct loose_cells *cells, int64_t bucket, uint32_t group, uint64_t n, struct err *err)
{
	uint64_t hash = hash_cell(bucket, group);
	struct loose_part *part = &cells->parts[hash % LOOSE_PARTS];
	struct loose_cell *cell;

	if (part->n >= part->cap / 5 * 4 && grow_part(part, err) < 0)
		return err->code;
	cell = find_cell(part, hash, bucket, group);
	if (n + cell->count > UINT32_MAX) {
		/* What stays in the cell must not be 0, which would free its place. */
		if (loose_cells_spill(cells, bucket, group, n + cell->count - 1, err) < 0)
			return err->code;
		n = cell->count == 0;
		cell->count = cell->count != 0;
	}
	if (cell->count == 0) {
		cell->bucket = bucket;
		cell->group = group;
		part->n++;
		cells->n++;
	}
	cell->count += (uint32_t)n;
	return 0;
}

/* What remains of a part, in a table of the same size. */
static void move_part(struct loose_part *part, loose_cells_take_fn *take, void *context)
{
	struct loose_part kept = {.cap = part->cap};

	kept.cells = part->n > 0 ? mem_new_array(kept.cap, sizeof(*kept.cells)) : NULL;
	if (kept.cells == NULL)
		return;
	for (uint32_t at = 0; at < part->cap; at++) {
		struct loose_cell cell = part->cells[at];

		if (cell.count == 0 || take(context, cell.bucket, cell.group, cell.count))
			continue;
		*find_cell(&kept, hash_cell(cell.bucket, cell.group), cell.bucket, cell.group) =
			cell;
		kept.n++;
	}
	free(part->cells);
	*part = kept;
}

void loose_cells_move(struct loose_cells *cells, loose_cells_take_fn *take, void *context)
{
	for (size_t i = 0; i < LOOSE_PARTS; i++) {
		struct loose_part *part = &cells->parts[i];
		uint32_t n = part->n;

		move_part(part, take, context);
		cells->n -= n - part->n;
	}
}

static int each_of_part(const struct loose_part *part, int64_t bucket_us, cells_each_fn *each,
	void *context, struct err *err)
{
	int rc = 0;

	for (uint32_t at = 0; at < part->cap && rc == 0; at++) {
		const struct loose_cell *cell = &part->cells[at];

		if (cell->count != 0)
			rc = each(context, cell->bucket * bucket_us, cell->group, cell->count, err);
	}
	return rc;
}

int loose_cells_each(const struct loose_cells *cells, int64_t bucket_us, cells_each_fn *each,
	void *context, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; i < LOOSE_PARTS && rc == 0; i++)
		rc = each_of_part(&cells->parts[i], bucket_us, each, context, err);
	for (size_t i = 0; i < cells->n_spilled && rc == 0; i++) {
		const struct loose_spilled *spilled = &cells->spilled[i];

		rc = each(
			context, spilled->bucket * bucket_us, spilled->group, spilled->count, err);
	}
	return rc;
}
