/*
 * The counting side of a program: from a kernel's slots and windows to cells.
 *
 * Each cursor counts into a window of its own while times come in order, all
 * of them into the rows of the cells while they do not; what the windows hold
 * is in the cells only after a flush. Knows no buffers and no judge.
 */
#ifndef STREAM_SCAN_COUNT_H
#define STREAM_SCAN_COUNT_H

#include "base/err.h"
#include "stream/cells.h"
#include "stream/scan_kernel.h"
#include "stream/scan_program.h"
#include "stream/scan_shape.h"

#include <stdbool.h>
#include <stdint.h>

/* Where a cursor's window lies. */
struct window_place {
	uint64_t first, last; /* values; first > last: no window yet */
	int64_t base_us;      /* the time of the value 0 */
};

struct count {
	struct program program;
	struct cells *cells;      /* not owned */
	int64_t bucket_us;
	struct kernel kernel;
	struct window_place places[KERNEL_CURSORS];
	bool in_rows;
	bool is_dirty;    /* windows may hold counts */
	uint64_t n_moves;  /* of windows, added up */
	uint64_t n_taught; /* texts and pairs that found a free place, added up */

	/* By slot of the last table of the program. */
	uint32_t *groups;         /* numbers in the cells */
	uint32_t *used;           /* the slots that have one */
	uint32_t n_slots, n_used;
	size_t cap_used;
};

/* False: no kernel form, or no memory. The count is not to be moved. */
bool count_init(struct count *count, const struct shape *shape, struct cells *cells,
	int64_t bucket_us);
void count_fini(struct count *count);

/*
 * A record was matched carefully and its group looked up: from now on the
 * kernel knows the group's text, and the cursor's window is where the record
 * is.
 */
int count_learn(struct count *count, const struct match *match, uint32_t group, int cursor,
	struct err *err) __attribute__((warn_unused_result));

/* Windows or rows from now on; windows are flushed. */
int count_set_rows(struct count *count, bool in_rows, struct err *err)
	__attribute__((warn_unused_result));

/* Runs the kernel; see kernel_fn. *n_records: how many were counted. */
int count_run(struct count *count, kernel_fn *kernel, uint32_t *failed, uint64_t *n_records,
	struct err *err) __attribute__((warn_unused_result));

/* Where to put cursors: at[i]; all of them stand at a record when the kernel is run. */
static inline const char **count_cursors(struct count *count)
{
	return count->kernel.at;
}

/* Everything that was counted is in the cells afterwards. */
int count_flush(struct count *count, struct err *err) __attribute__((warn_unused_result));

#endif
