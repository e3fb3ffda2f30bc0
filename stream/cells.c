/*
 * Counts by (bucket, group): a dense part where the data is dense, and single
 * cells (stream/loose_cells.h) for the rest.
 *
 * The dense part is one array of 4-byte counts, a row for each unit of time
 * and a column for each group. A unit is a bucket, or, where buckets are finer
 * than the times themselves (session windows count by microseconds, most
 * clocks by seconds), the coarser step that the first times share. It is made
 * larger to take in a cell only while it stays within DENSE_CELLS_PER_COUNT
 * array places for each cell known to hold a count, so it never costs more
 * than 32 bytes a cell, whatever the data: a far-off time, a million groups of
 * one event each or a million scattered microseconds stay single cells.
 */
#include "stream/cells.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/floor.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/loose_cells.h"
#include "stream/names.h"

#define DENSE_CELLS_PER_COUNT 8
#define DENSE_FREE_CELLS      65536   /* always allowed: 256 KiB, touched where counted */
#define DENSE_KEPT_CELLS      4194304 /* a larger array is given back when it is cleared */
#define NO_UNIT               INT64_MIN

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

	struct loose_cells loose; /* what the dense part does not take */

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
	loose_cells_clear(&cells->loose);
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
	loose_cells_clear(&cells->loose);
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

bool cells_are_dense(const struct cells *cells)
{
	return cells->loose.n == 0 && cells->loose.n_spilled == 0;
}

uint32_t cells_n_groups(const struct cells *cells)
{
	return names_count(cells->names);
}

size_t cells_bytes(const struct cells *cells)
{
	/* The values of a tuple, its text and its place in the table of tuples. */
	size_t name_bytes = cells->n_fields * (sizeof(struct event_value) + 32) + 16;

	return cells->n_rows * cells->stride * sizeof(*cells->counts) +
	       loose_cells_bytes(&cells->loose) + cells_n_groups(cells) * name_bytes;
}

const struct event_value *cells_group_values(const struct cells *cells, uint32_t group)
{
	return names_values(cells->names, group);
}

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

/* Takes a single cell into the dense part, if that covers it and the sum is not over 32 bits. */
static bool take_in(void *context, int64_t bucket, uint32_t group, uint32_t n)
{
	struct cells *cells = context;
	uint32_t *count = dense_count(cells, bucket, group);

	if (count == NULL || n > UINT32_MAX - *count)
		return false;
	*count += n;
	use_row(cells, (uint64_t)(count - cells->counts) / cells->stride);
	return true;
}

/* A larger array with the old rows in their new place; the single cells that it covers follow. */
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
	loose_cells_move(&cells->loose, take_in, cells);
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
	return (cells->loose.n + cells->n_filled) * DENSE_CELLS_PER_COUNT;
}

/*
 * The step was too coarse after all: the dense part becomes single cells and
 * begins anew with single buckets. At most once between two clears.
 */
static int refine_step(struct cells *cells, struct err *err)
{
	for (uint64_t row = cells->used_from; row < cells->used_to; row++) {
		for (uint32_t group = 0; group < cells->stride; group++) {
			uint32_t *count = &cells->counts[row * cells->stride + group];

			if (*count == 0)
				continue;
			if (loose_cells_add(&cells->loose,
				    (cells->first + (int64_t)row) * cells->step, group, *count,
				    err) < 0)
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
			if (loose_cells_spill(&cells->loose,
				    (cells->first + (int64_t)row) * cells->step, group, *count,
				    err) < 0)
				return err->code;
			*count = 0;
		}
	}
	cells->n_unswept = 0;
	return 0;
}

static int add_bucket(
	struct cells *cells, int64_t bucket, uint32_t group, uint64_t n, struct err *err)
{
	uint32_t *count = dense_count(cells, bucket, group);

	if (count == NULL) {
		if (admit(cells, bucket, group, err) < 0)
			return err->code;
		count = dense_count(cells, bucket, group);
		if (count == NULL)
			return loose_cells_add(&cells->loose, bucket, group, n, err);
	}
	if (n + *count > UINT32_MAX / 2) {
		if (loose_cells_spill(&cells->loose, bucket, group, n + *count, err) < 0)
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

	return rc == 0 ? loose_cells_each(&cells->loose, cells->bucket_us, each, context, err) : rc;
}
