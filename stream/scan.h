/*
 * From bytes to counts at the speed of reading: the fast path.
 *
 * It learns the shape of the records from the first valid ones, recognises the
 * following records exactly or hands them to the judge (stream/event.h), and
 * counts into cells. It may only ever say "exactly the shape I learnt: here
 * are time and group" or "ask the judge"; the answer never depends on the CPU
 * level, on where a buffer ended, or on what was learnt before.
 *
 * One scan belongs to one thread and serves many slices of files, one after
 * the other; cells and dictionary go on from slice to slice.
 */
#ifndef STREAM_SCAN_H
#define STREAM_SCAN_H

#include "base/err.h"
#include "stream/cells.h"
#include "stream/event.h"
#include "stream/reject_rows.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* SCAN_JUDGE never uses the fast path: the plain twin that tests compare with. */
enum scan_level { SCAN_AUTO, SCAN_JUDGE, SCAN_PORTABLE, SCAN_AVX2, SCAN_AVX512 };

/* The level that AUTO means on this machine; TALLYD_SCAN_LEVEL in the environment (judge, portable,
 * avx2, avx512) overrides it. */
enum scan_level scan_best_level(void);

/* Whether the level that the environment asks for is the one taken; else err says which is. */
int scan_check_wanted_level(struct err *err) __attribute__((warn_unused_result));

const char *scan_level_name(enum scan_level level);

/* Whether this build and this processor have it; scan_new must not be asked for another. */
bool scan_level_is_available(enum scan_level level);

/* What a slice gave. The rejects are the scan's until the next scan_begin. */
struct scan_result {
	int64_t settled;    /* bytes since scan_begin that are consumed for good */
	struct position at; /* line and flags of that place; offset and skip are the caller's */
	int64_t n_lines;    /* newlines settled */
	int64_t n_events;
	int64_t n_in_kernel; /* of the events, those that a kernel took … */
	int64_t n_matched; /* … and those that the careful match took; the judge decided the others
			    */
	const struct reject_rows *rejects; /* the newest rows; the totals are exact */
};

struct scan;

/* Level AUTO picks the best. NULL: no memory. The shape must outlive the scan; the cells are the
 * scan's. */
struct scan *scan_new(const struct event_shape *shape, int64_t bucket_us, enum scan_level level);
void scan_free(struct scan *scan);
struct cells *scan_cells(struct scan *scan);

/*
 * Starts a slice at `start`, whose bytes begin at `offset` of the stream (for
 * the offsets of rejects). `stop_after`: lines that start at or behind this
 * many bytes since the start are not this slice's (-1: no such limit).
 */
void scan_begin(
	struct scan *scan, const struct position *start, int64_t offset, int64_t stop_after);

/*
 * Where to read the next bytes to: at least 64 KiB of room behind what is
 * still unconsumed. NULL: no memory.
 */
char *scan_room(struct scan *scan, size_t *room, struct err *err);

/*
 * `n` bytes were read there; `at_end`: none follow for now. Consumes all it
 * can. *done turns true when stop_after is passed: no more bytes are wanted.
 */
int scan_fed(struct scan *scan, size_t n, bool at_end, bool *done, struct err *err)
	__attribute__((warn_unused_result));

/* What the slice gave, at its end; its counts are in the cells now and not before. */
int scan_result(struct scan *scan, struct scan_result *result, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Gives the rejects that scan_result told away, for as long as the caller wants
 * them; `to` has none.
 */
void scan_take_rejects(struct scan *scan, struct reject_rows *to);

#endif
