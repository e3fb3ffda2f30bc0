/*
 * The private counts of one thread: how many events of each group fell into
 * each bucket of time.
 *
 * A bucket is the largest step that divides every window boundary of the
 * queries that share the pass (1 microsecond where there are session windows),
 * so all of them are folded from the same cells, and a second query costs a
 * fold, not a pass. A group here is the tuple of the source's fields, numbered
 * in order of appearance; the fold translates it to each query's own groups.
 *
 * One thread writes; after that thread is done, another may read. The layout
 * behind it is dense where the data is (see cells.c) and never quadratic.
 */
#ifndef STREAM_CELLS_H
#define STREAM_CELLS_H

#include "base/err.h"
#include "stream/event.h"

#include <stdbool.h>
#include <stdint.h>

struct cells;

/* bucket_us >= 1. NULL: no memory. */
struct cells *cells_new(size_t n_fields, int64_t bucket_us);
void cells_free(struct cells *cells);

/*
 * Forgets counts; keeps groups (their numbers stay) and memory where that is
 * cheap. Costs what was counted, not what is kept.
 */
void cells_clear(struct cells *cells);

/* The number of a group, made if it is new; ERR_NOMEM is the only failure. */
int cells_group(struct cells *cells, const struct event_value *values, uint32_t *group,
	struct err *err) __attribute__((warn_unused_result));

/* Adds `n` events of one group at one time. */
int cells_add(struct cells *cells, uint32_t group, int64_t time_us, uint64_t n, struct err *err)
	__attribute__((warn_unused_result));

/* Whether all counts lie in an array, so that adding them elsewhere costs a few steps each. */
bool cells_are_dense(const struct cells *cells);

/* Adds all of `from` (of the same fields and bucket) to `into`. */
int cells_merge(struct cells *into, const struct cells *from, struct err *err)
	__attribute__((warn_unused_result));

uint64_t cells_events(const struct cells *cells);

/*
 * For the fast path, which counts into the dense part itself: the count of
 * `group` in the bucket that begins at start_us + row * unit_us stands at
 * counts[row * stride + group], for group < stride and row < n_rows. A time
 * belongs to a row only if it is less than bucket_us behind its start (unit_us
 * is a multiple of bucket_us). Valid until the next call that adds. n_rows is
 * 0 while there is no dense part.
 */
struct cells_rows {
	uint32_t *counts;
	uint64_t n_rows;
	size_t stride;
	int64_t start_us, unit_us, bucket_us;
};

void cells_rows(struct cells *cells, struct cells_rows *rows);

/*
 * `n` events, not more than CELLS_MAX_NOTED, have been counted there, with
 * these lowest and highest times (ignored where n is 0).
 */
#define CELLS_MAX_NOTED (UINT64_C(1) << 30)
int cells_noted(struct cells *cells, uint64_t n, int64_t min_us, int64_t max_us, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The same for events that were counted elsewhere first: `n` of them at times
 * in the bucket of time_us, whose exact range is told by cells_saw, once for
 * many calls.
 */
int cells_add_counted(struct cells *cells, uint32_t group, int64_t time_us, uint64_t n,
	struct err *err) __attribute__((warn_unused_result));
void cells_saw(struct cells *cells, int64_t min_us, int64_t max_us);

/* The exact highest and lowest event time; only where cells_events() > 0. */
int64_t cells_max_time_us(const struct cells *cells);
int64_t cells_min_time_us(const struct cells *cells);

uint32_t cells_n_groups(const struct cells *cells);

/* Memory it holds, about: a group's names are taken for short. */
size_t cells_bytes(const struct cells *cells);

/* The fields of a group: as many as cells_new was told; valid until cells_free. */
const struct event_value *cells_group_values(const struct cells *cells, uint32_t group);

/*
 * Every cell with a count, in no promised order; where the data is dense, bucket
 * by bucket in order of time, and within a bucket by number of group. A cell may
 * come in several parts, which add up (those that pass 32 bits do).
 * bucket_start_us is floored, so it may lie before the first event. A non-zero
 * return ends it.
 */
typedef int cells_each_fn(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err);
int cells_each(const struct cells *cells, cells_each_fn *each, void *context, struct err *err)
	__attribute__((warn_unused_result));

#endif
