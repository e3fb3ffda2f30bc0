/*
 * The cursors of a kernel over a run of whole lines: where each begins, what
 * happens when one is through, and when the careful path is asked instead.
 */
#ifndef STREAM_SCAN_CURSORS_H
#define STREAM_SCAN_CURSORS_H

#include "base/err.h"
#include "stream/scan_count.h"

#include <stdint.h>

/*
 * A record that the kernel did not take: `*next` becomes the first byte behind
 * its line. Called for the lines of different cursors in turn, in the order of
 * the bytes only for each cursor. Non-zero ends the run.
 */
typedef int cursors_careful_fn(
	void *context, const char *at, int cursor, const char **next, struct err *err);

/*
 * Takes the lines of [from, to), which ends with a newline and is longer than
 * CURSORS_MIN_BYTES. *n_records: how many the kernel counted; each other line
 * was given to `careful` once. The bytes are written to while it runs.
 */
#define CURSORS_MIN_BYTES 2048
int cursors_run(struct count *count, char *from, char *to, cursors_careful_fn *careful,
	void *context, uint64_t *n_records, struct err *err) __attribute__((warn_unused_result));

#endif
