/*
 * Counts by (bucket, group): a dense part where the data is dense, and a hash
 * of single cells for the rest.
 *
 * The dense part is one array of 4-byte counts, a row for each unit of time
 * and a column for each group. A unit is a bucket, or, where buckets are finer
 * than the times themselves (session windows count by microseconds, most
 * clocks by seconds), the coarser step that the first times share. It is made
 * larger to take in a cell only while it stays within DENSE_CELLS_PER_COUNT
 * array places for each cell known to hold a count, so it never costs more
 * than 32 bytes a cell, whatever the data: a far-off time, a million groups of
 * one event each or a million scattered microseconds go to the hash.
 *
 * A hashed cell is 16 bytes in one of PARTS open-addressing tables, which grow
 * by two fifths when four fifths full and one at a time, so it costs 20 to 28
 * bytes and growing never needs a second table of full size.
 *
 * Counts that pass 32 bits are spilled: a list of 64-bit amounts, one for each
 * 2^31 events of a cell or so.
 */
#include "stream/cells.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/names.h"

#define DENSE_CELLS_PER_COUNT 8
#define DENSE_FREE_CELLS      65536   /* always allowed: 256 KiB, touched where counted */
#define DENSE_KEPT_CELLS      4194304 /* a larger array is given back when it is cleared */
#define PARTS                 64
#define NO_UNIT               INT64_MIN

struct cell {
	int64_t bucket; /* its number: floor(time / bucket_us) */
	uint32_t group;
	uint32_t count; /* 0: free */
};

struct part {
	struct cell *cells;
	uint32_t n, cap;
};

struct spilled {
	int64_t bucket;
	uint32_t group;
	uint64_t count;
};

struct cells {
	struct names *names;
	size_t n_fields;
	int64_t bucket_us;
	uint64_t n_events;
	int64_t min_us, max_us; /* INT64_MAX, INT64_MIN: no event */

	/* The dense part: row r is the bucket with the number (first + r) * step. */
	uint32_t *counts;
	int64_t first;
	int64_t step;
	uint64_t n_rows;
	size_t stride;               /* columns, a power of two */
	uint64_t used_from, used_to; /* rows that may hold a count: [from, to) */
	uint64_t n_filled;           /* cells with a count in it, when last looked */
	uint64_t n_refusals;         /* cells it did not take in since then */
	uint64_t n_off_step;         /* events whose bucket begins between two rows */
	uint64_t n_unswept; /* events counted by others since no count was over half of 32 bits */

	struct part parts[PARTS];
	uint64_t n_hashed;
	struct spilled *spilled;
	size_t n_spilled, cap_spilled;

	int64_t last_start_us; /* of the bucket looked up last, whose number is last_bucket */
	int64_t last_bucket;
};

struct cells *cells_new(size_t n_fields, int64_t bucket_us)
{
	struct cells *cells = calloc(1, sizeof(*cells));

	assert(bucket_us >= 1);
	if (cells == NULL)
		return NULL;
	cells->names = names_new(n_fields);
	if (cells->names == NULL) {
		free(cells);
		return NULL;
	}
	cells->n_fields = n_fields;
	cells->bucket_us = bucket_us;
	cells->step = 1;
	cells->min_us = INT64_MAX;
	cells->max_us = INT64_MIN;
	return cells;
}

void cells_free(struct cells *cells)
{
	if (cells == NULL)
		return;
	for (size_t i = 0; i < PARTS; i++)
		free(cells->parts[i].cells);
	free(cells->spilled);
	free(cells->counts);
	names_free(cells->names);
	free(cells);
}

static void drop_dense(struct cells *cells)
{
	free(cells->counts);
	cells->counts = NULL;
	cells->n_rows = 0;
	cells->stride = 0;
}

void cells_clear(struct cells *cells)
{
	for (size_t i = 0; i < PARTS; i++) {
		free(cells->parts[i].cells);
		cells->parts[i] = (struct part){0};
	}
	cells->n_hashed = 0;
	cells->n_spilled = 0;
	if (cells->n_rows * cells->stride > DENSE_KEPT_CELLS)
		drop_dense(cells);
	else if (cells->used_from < cells->used_to)
		memset(cells->counts + cells->used_from * cells->stride, 0,
			(cells->used_to - cells->used_from) * cells->stride *
				sizeof(*cells->counts));
	cells->used_from = cells->used_to = 0;
	cells->n_filled = 0;
	cells->n_refusals = 0;
	cells->n_events = 0;
	cells->n_unswept = 0;
	cells->min_us = INT64_MAX;
	cells->max_us = INT64_MIN;
}

int cells_group(
	struct cells *cells, const struct event_value *values, uint32_t *group, struct err *err)
{
	return names_put(cells->names, values, group, err);
}

uint64_t cells_events(const struct cells *cells)
{
	return cells->n_events;
}

int64_t cells_max_time_us(const struct cells *cells)
{
	assert(cells->n_events > 0);
	return cells->max_us;
}

int64_t cells_min_time_us(const struct cells *cells)
{
	assert(cells->n_events > 0);
	return cells->min_us;
}

uint32_t cells_n_groups(const struct cells *cells)
{
	return names_count(cells->names);
}

size_t cells_bytes(const struct cells *cells)
{
	/* The values of a tuple, its text and its place in the table of tuples. */
	size_t name_bytes = cells->n_fields * (sizeof(struct event_value) + 32) + 16;
	size_t bytes = cells->n_rows * cells->stride * sizeof(*cells->counts) +
		       cells->cap_spilled * sizeof(*cells->spilled) +
		       cells_n_groups(cells) * name_bytes;

	for (size_t i = 0; i < PARTS; i++)
		bytes += cells->parts[i].cap * sizeof(*cells->parts[i].cells);
	return bytes;
}

const struct event_value *cells_group_values(const struct cells *cells, uint32_t group)
{
	return names_values(cells->names, group);
}

static int64_t floor_div(int64_t n, int64_t d)
{
	int64_t quotient = n / d;

	return n % d < 0 ? quotient - 1 : quotient;
}

/* --- single cells -------------------------------------------------------- */

static uint64_t hash_cell(int64_t bucket, uint32_t group)
{
	uint64_t hash =
		((uint64_t)bucket ^ (uint64_t)group << 40 ^ group) * UINT64_C(0x9e3779b97f4a7c15);

	hash ^= hash >> 32;
	hash *= UINT64_C(0xd6e8feb86659fd93);
	return hash ^ hash >> 32;
}

/* The place of the cell in its part, or the free one where it belongs. */
static struct cell *find_cell(
	const struct part *part, uint64_t hash, int64_t bucket, uint32_t group)
{
	uint32_t at = (uint32_t)((hash >> 32) * part->cap >> 32);

	while (part->cells[at].count != 0 &&
		(part->cells[at].bucket != bucket || part->cells[at].group != group))
		at = at + 1 < part->cap ? at + 1 : 0;
	return &part->cells[at];
}

static int grow_part(struct part *part, struct err *err)
{
	struct part grown = {.n = part->n};
	uint64_t cap = part->cap < 16 ? 16 : (uint64_t)part->cap * 7 / 5;

	if (cap > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "too many counts in one pass");
	grown.cap = (uint32_t)cap;
	grown.cells = mem_new_array(grown.cap, sizeof(*grown.cells));
	if (grown.cells == NULL)
		return err_nomem(err);
	for (uint32_t i = 0; i < part->cap; i++) {
		const struct cell *cell = &part->cells[i];

		if (cell->count != 0)
			*find_cell(&grown, hash_cell(cell->bucket, cell->group), cell->bucket,
				cell->group) = *cell;
	}
	free(part->cells);
	*part = grown;
	return 0;
}

static int spill(struct cells *cells, int64_t bucket, uint32_t group, uint64_t n, struct err *err)
{
	if (!mem_grow(&cells->spilled, &cells->cap_spilled, cells->n_spilled + 1,
		    sizeof(*cells->spilled)))
		return err_nomem(err);
	cells->spilled[cells->n_spilled++] =
		(struct spilled){.bucket = bucket, .group = group, .count = n};
	return 0;
}

static int add_hashed(
	struct cells *cells, int64_t bucket, uint32_t group, uint64_t n, struct err *err)
{
	uint64_t hash = hash_cell(bucket, group);
	struct part *part = &cells->parts[hash % PARTS];
	struct cell *cell;

	if (part->n >= part->cap / 5 * 4 && grow_part(part, err) < 0)
		return err->code;
	cell = find_cell(part, hash, bucket, group);
	if (n + cell->count > UINT32_MAX) {
		/* What stays in the cell must not be 0, which would free its place. */
		if (spill(cells, bucket, group, n + cell->count - 1, err) < 0)
			return err->code;
		n = cell->count == 0;
		cell->count = cell->count != 0;
	}
	if (cell->count == 0) {
		cell->bucket = bucket;
		cell->group = group;
		part->n++;
		cells->n_hashed++;
	}
	cell->count += (uint32_t)n;
	return 0;
}

/* --- the dense part ------------------------------------------------------ */

/* The unit of a bucket, or NO_UNIT where the bucket begins between two. */
static int64_t unit_of(const struct cells *cells, int64_t bucket)
{
	int64_t unit;

	if (cells->step == 1)
		return bucket;
	unit = floor_div(bucket, cells->step);
	return unit * cells->step == bucket ? unit : NO_UNIT;
}

static uint32_t *dense_count(const struct cells *cells, int64_t bucket, uint32_t group)
{
	int64_t unit = unit_of(cells, bucket);
	uint64_t row = (uint64_t)unit - (uint64_t)cells->first;

	if (unit == NO_UNIT || row >= cells->n_rows || group >= cells->stride)
		return NULL;
	return &cells->counts[row * cells->stride + group];
}

static void use_row(struct cells *cells, uint64_t row)
{
	if (cells->used_from == cells->used_to) {
		cells->used_from = row;
		cells->used_to = row + 1;
	} else if (row < cells->used_from) {
		cells->used_from = row;
	} else if (row >= cells->used_to) {
		cells->used_to = row + 1;
	}
}

static uint64_t count_filled(const struct cells *cells)
{
	const uint32_t *count = cells->counts + cells->used_from * cells->stride;
	const uint32_t *end = cells->counts + cells->used_to * cells->stride;
	uint64_t n = 0;

	for (; count < end; count++)
		n += *count != 0;
	return n;
}

/*
 * The coarsest of second, millisecond and microsecond on which this bucket
 * begins, where buckets are finer than that: the step of an empty dense part.
 */
static int64_t choose_step(const struct cells *cells, int64_t bucket)
{
	static const int64_t clocks_us[] = {US_PER_S, US_PER_MS};

	for (size_t i = 0; i < sizeof(clocks_us) / sizeof(*clocks_us); i++) {
		int64_t step = clocks_us[i] / cells->bucket_us;

		if (step > 1 && clocks_us[i] % cells->bucket_us == 0 && bucket % step == 0)
			return step;
	}
	return 1;
}

/*
 * The hashed cells that the dense part now covers move into it. Where there is
 * no memory for the smaller table they stay, which is as right: a cell may
 * come in parts.
 */
static void move_hashed(struct cells *cells)
{
	for (size_t i = 0; i < PARTS; i++) {
		struct part *part = &cells->parts[i];
		struct part kept = {.cap = part->cap};

		kept.cells = part->n > 0 ? mem_new_array(kept.cap, sizeof(*kept.cells)) : NULL;
		if (kept.cells == NULL)
			continue;
		for (uint32_t at = 0; at < part->cap; at++) {
			struct cell cell = part->cells[at];
			uint32_t *count;

			if (cell.count == 0)
				continue;
			count = dense_count(cells, cell.bucket, cell.group);
			if (count != NULL && cell.count <= UINT32_MAX - *count) {
				*count += cell.count;
				use_row(cells, (uint64_t)(count - cells->counts) / cells->stride);
				continue;
			}
			*find_cell(&kept, hash_cell(cell.bucket, cell.group), cell.bucket,
				cell.group) = cell;
			kept.n++;
		}
		cells->n_hashed -= part->n - kept.n;
		free(part->cells);
		*part = kept;
	}
}

/* A larger array with the old rows in their new place; the hashed cells follow. */
static int resize_dense(
	struct cells *cells, int64_t first, uint64_t n_rows, size_t stride, struct err *err)
{
	uint32_t *counts = mem_new_array(n_rows * stride, sizeof(*counts));
	uint64_t shift = (uint64_t)cells->first - (uint64_t)first;

	if (counts == NULL)
		return err_nomem(err);
	for (uint64_t row = cells->used_from; row < cells->used_to; row++)
		memcpy(counts + (row + shift) * stride, cells->counts + row * cells->stride,
			cells->stride * sizeof(*counts));
	if (cells->used_from < cells->used_to) {
		cells->used_from += shift;
		cells->used_to += shift;
	}
	free(cells->counts);
	cells->counts = counts;
	cells->first = first;
	cells->n_rows = n_rows;
	cells->stride = stride;
	cells->n_refusals = UINT32_MAX; /* the next refusal looks again */
	move_hashed(cells);
	return 0;
}

static size_t stride_for(size_t stride, uint32_t group)
{
	if (stride == 0)
		stride = 1;
	while (stride <= group)
		stride *= 2;
	return stride;
}

/*
 * How large the dense part may be: what is always allowed, or in proportion to
 * the cells in use. Those of the array are counted again only after an eighth
 * as many refusals as it has places, so a refusal costs a few steps.
 */
static uint64_t dense_limit(struct cells *cells, uint64_t wanted)
{
	uint64_t area = (cells->used_to - cells->used_from) * cells->stride;

	if (wanted <= DENSE_FREE_CELLS)
		return DENSE_FREE_CELLS;
	if (++cells->n_refusals > area / 8) {
		cells->n_filled = count_filled(cells);
		cells->n_refusals = 0;
	}
	return (cells->n_hashed + cells->n_filled) * DENSE_CELLS_PER_COUNT;
}

/*
 * The step was too coarse after all: the dense part goes to the hash and
 * begins anew with single buckets. At most once between two clears.
 */
static int refine_step(struct cells *cells, struct err *err)
{
	for (uint64_t row = cells->used_from; row < cells->used_to; row++) {
		for (uint32_t group = 0; group < cells->stride; group++) {
			uint32_t *count = &cells->counts[row * cells->stride + group];

			if (*count == 0)
				continue;
			if (add_hashed(cells, (cells->first + (int64_t)row) * cells->step, group,
				    *count, err) < 0)
				return err->code;
			*count = 0;
		}
	}
	cells->used_from = cells->used_to = 0;
	drop_dense(cells);
	cells->step = 1;
	return 0;
}

/* An empty dense part costs nothing to move: it begins where the counting is now. */
static void anchor(struct cells *cells, int64_t bucket)
{
	cells->step = choose_step(cells, bucket);
	cells->n_off_step = 0;
	cells->first = unit_of(cells, bucket) - (int64_t)(cells->n_rows / 4);
}

/*
 * Makes the dense part cover a cell if that is worth it: the rows in use, the
 * cell's own, and half as many again on the side where it lies, so that times
 * in order cost a copy now and then.
 */
static int admit(struct cells *cells, int64_t bucket, uint32_t group, struct err *err)
{
	bool is_empty = cells->used_from == cells->used_to;
	size_t stride = stride_for(cells->stride, group);
	int64_t unit, first, last;
	uint64_t n_rows, limit, spare;

	if (is_empty)
		anchor(cells, bucket);
	unit = unit_of(cells, bucket);
	if (unit == NO_UNIT) {
		if (++cells->n_off_step > 1024 && cells->n_off_step > cells->n_events / 8)
			return refine_step(cells, err);
		return 0;
	}
	if (dense_count(cells, bucket, group) != NULL)
		return 0;
	first = last = unit;
	if (!is_empty && cells->first + (int64_t)cells->used_from < first)
		first = cells->first + (int64_t)cells->used_from;
	if (!is_empty && cells->first + (int64_t)cells->used_to - 1 > last)
		last = cells->first + (int64_t)cells->used_to - 1;
	n_rows = (uint64_t)last - (uint64_t)first + 1;
	if (n_rows > UINT32_MAX || n_rows * stride > UINT32_MAX)
		return 0;
	limit = dense_limit(cells, n_rows * stride);
	if (n_rows * stride > limit)
		return 0;
	spare = limit / stride - n_rows;
	if (spare > n_rows / 2)
		spare = n_rows / 2;
	if (unit == first)
		first -= (int64_t)spare;
	return resize_dense(cells, first, n_rows + spare, stride, err);
}

/* No count may run over 32 bits: those past half of them are moved to the list. */
static int sweep(struct cells *cells, struct err *err)
{
	for (uint64_t row = cells->used_from; row < cells->used_to; row++) {
		for (uint32_t group = 0; group < cells->stride; group++) {
			uint32_t *count = &cells->counts[row * cells->stride + group];

			if (*count < UINT32_MAX / 2)
				continue;
			if (spill(cells, (cells->first + (int64_t)row) * cells->step, group, *count,
				    err) < 0)
				return err->code;
			*count = 0;
		}
	}
	cells->n_unswept = 0;
	return 0;
}

/* --- counting ------------------------------------------------------------ */

static int add_bucket(
	struct cells *cells, int64_t bucket, uint32_t group, uint64_t n, struct err *err)
{
	uint32_t *count = dense_count(cells, bucket, group);

	if (count == NULL) {
		if (admit(cells, bucket, group, err) < 0)
			return err->code;
		count = dense_count(cells, bucket, group);
		if (count == NULL)
			return add_hashed(cells, bucket, group, n, err);
	}
	if (n + *count > UINT32_MAX / 2) {
		if (spill(cells, bucket, group, n + *count, err) < 0)
			return err->code;
		*count = 0;
		return 0;
	}
	*count += (uint32_t)n;
	use_row(cells, (uint64_t)(count - cells->counts) / cells->stride);
	return 0;
}

void cells_saw(struct cells *cells, int64_t min_us, int64_t max_us)
{
	if (min_us < cells->min_us)
		cells->min_us = min_us;
	if (max_us > cells->max_us)
		cells->max_us = max_us;
}

static int64_t bucket_of(struct cells *cells, int64_t time_us)
{
	if (time_us < cells->last_start_us || time_us - cells->last_start_us >= cells->bucket_us) {
		cells->last_bucket = floor_div(time_us, cells->bucket_us);
		cells->last_start_us = cells->last_bucket * cells->bucket_us;
	}
	return cells->last_bucket;
}

int cells_add_counted(
	struct cells *cells, uint32_t group, int64_t time_us, uint64_t n, struct err *err)
{
	if (n == 0)
		return 0;
	if (add_bucket(cells, bucket_of(cells, time_us), group, n, err) < 0)
		return err->code;
	cells->n_events += n;
	return 0;
}

int cells_add(struct cells *cells, uint32_t group, int64_t time_us, uint64_t n, struct err *err)
{
	if (cells_add_counted(cells, group, time_us, n, err) < 0)
		return err->code;
	if (n > 0)
		cells_saw(cells, time_us, time_us);
	return 0;
}

void cells_rows(struct cells *cells, struct cells_rows *rows)
{
	*rows = (struct cells_rows){
		.counts = cells->counts,
		.n_rows = cells->n_rows,
		.stride = cells->stride,
		.start_us = cells->first * cells->step * cells->bucket_us,
		.unit_us = cells->step * cells->bucket_us,
		.bucket_us = cells->bucket_us,
	};
}

int cells_noted(struct cells *cells, uint64_t n, int64_t min_us, int64_t max_us, struct err *err)
{
	int64_t unit_us = cells->step * cells->bucket_us;

	if (n == 0)
		return 0;
	assert(n <= CELLS_MAX_NOTED && cells->n_rows > 0);
	use_row(cells, (uint64_t)(floor_div(min_us, unit_us) - cells->first));
	use_row(cells, (uint64_t)(floor_div(max_us, unit_us) - cells->first));
	cells_saw(cells, min_us, max_us);
	cells->n_events += n;
	cells->n_unswept += n;
	return cells->n_unswept > UINT32_MAX / 2 - CELLS_MAX_NOTED ? sweep(cells, err) : 0;
}

/* --- reading ------------------------------------------------------------- */

static int each_dense(
	const struct cells *cells, cells_each_fn *each, void *context, struct err *err)
{
	int rc = 0;

	for (uint64_t row = cells->used_from; row < cells->used_to; row++) {
		const uint32_t *counts = cells->counts + row * cells->stride;
		int64_t bucket = (cells->first + (int64_t)row) * cells->step;

		for (uint32_t group = 0; group < cells->stride && rc == 0; group++) {
			if (counts[group] != 0)
				rc = each(context, bucket * cells->bucket_us, group, counts[group],
					err);
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

int cells_each(const struct cells *cells, cells_each_fn *each, void *context, struct err *err)
{
	int rc = each_dense(cells, each, context, err);

	for (size_t i = 0; i < PARTS && rc == 0; i++) {
		const struct part *part = &cells->parts[i];

		for (uint32_t at = 0; at < part->cap && rc == 0; at++) {
			const struct cell *cell = &part->cells[at];

			if (cell->count != 0)
				rc = each(context, cell->bucket * cells->bucket_us, cell->group,
					cell->count, err);
		}
	}
	for (size_t i = 0; i < cells->n_spilled && rc == 0; i++) {
		const struct spilled *spilled = &cells->spilled[i];

		rc = each(context, spilled->bucket * cells->bucket_us, spilled->group,
			spilled->count, err);
	}
	return rc;
}

/* What a merge carries along: the numbers that the other's groups have here, looked up when first
 * met. */
struct merge {
	struct cells *into;
	const struct cells *from;
	uint32_t *groups; /* UINT32_MAX: not looked up yet */
};

static int merge_cell(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err)
{
	struct merge *merge = context;
	uint32_t *number = &merge->groups[group];

	if (*number == UINT32_MAX &&
		cells_group(merge->into, cells_group_values(merge->from, group), number, err) < 0)
		return err->code;
	return add_bucket(
		merge->into, bucket_of(merge->into, bucket_start_us), *number, count, err);
}

int cells_merge(struct cells *into, const struct cells *from, struct err *err)
{
	struct merge merge = {.into = into, .from = from};
	size_t n_groups = cells_n_groups(from);
	int rc;

	assert(into->bucket_us == from->bucket_us && into->n_fields == from->n_fields);
	if (from->n_events == 0)
		return 0;
	merge.groups = malloc(n_groups * sizeof(*merge.groups));
	if (merge.groups == NULL)
		return err_nomem(err);
	memset(merge.groups, 0xff, n_groups * sizeof(*merge.groups));
	cells_saw(into, from->min_us, from->max_us);
	into->n_events += from->n_events;
	rc = cells_each(from, merge_cell, &merge, err);
	free(merge.groups);
	return rc;
}
