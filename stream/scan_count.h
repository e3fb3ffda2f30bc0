/*
 * The counting side of a program: from a kernel's entries and windows to cells.
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

/* Where a cursor's window lies, in ticks (see struct time_form). */
struct window_place {
	uint64_t first, last; /* first > last: no window yet */
	int64_t base_us;      /* the time of the tick 0 */
};

struct count {
	struct program program;
	const struct kernel_level *level;
	struct cells *cells; /* not owned */
	int64_t bucket_us;
	struct kernel kernel;
	struct window_place places[DICT_CURSORS];
	bool wants_rows;
	bool in_rows;      /* wanted, or there are too many groups for windows */
	bool is_dirty;     /* windows may hold counts */
	uint64_t n_moves;  /* of windows, added up */
	uint64_t n_taught; /* texts and pairs that found a free place, added up */
	uint32_t next_number;
	struct dict_rest alone; /* where records without a group field are counted */

	/* The entries of the last table that have a group, as places in it. */
	size_t *used;
	size_t n_used, cap_used;
};

/* False: no kernel form, or no memory. The count is not to be moved. */
bool count_init(struct count *count, const struct shape *shape, const struct kernel_level *level,
	struct cells *cells, int64_t bucket_us);
void count_fini(struct count *count);

/*
 * A record was matched carefully and its group looked up: from now on the
 * kernel knows the group's text, and the cursor's window is where the record
 * is.
 */
int count_learn(struct count *count, const struct match *match, uint32_t group, int cursor,
	struct err *err) __attribute__((warn_unused_result));

/* Windows or rows from now on; windows are flushed. */
int count_set_rows(struct count *count, bool wants_rows, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Runs the kernel from where its cursors stand, each at the first byte of a
 * record; *failed as it says. *n_records: how many were counted.
 */
int count_run(struct count *count, uint32_t *failed, uint64_t *n_records, struct err *err)
	__attribute__((warn_unused_result));

/* Everything that was counted is in the cells afterwards. */
int count_flush(struct count *count, struct err *err) __attribute__((warn_unused_result));

#endif
