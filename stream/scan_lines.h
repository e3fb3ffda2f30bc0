/*
 * Who looks at which of a run of whole lines: kernel, careful match or judge.
 *
 * Keeps the shapes learnt so far, runs the kernel of the one that most records
 * have, and gives to the judge what no shape matches, in the order of the
 * bytes and with the numbers of the lines. Knows no slices and no reading.
 */
#ifndef STREAM_SCAN_LINES_H
#define STREAM_SCAN_LINES_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/scan_kernel.h"
#include "stream/scan_sink.h"

#include <stddef.h>
#include <stdint.h>

/* The longest run that lines_take takes. */
#define LINES_MAX_BYTES ((size_t)512 * 1024)

struct lines;

/* `judge_sink` is what the judge's word goes to, and ends in `sink`. NULL: no memory. All must
 * outlive the lines. */
struct lines *lines_new(const struct event_shape *shape, struct judge *judge,
	const struct judge_sink *judge_sink, struct scan_sink *sink,
	const struct kernel_level *level);
void lines_free(struct lines *lines);

/*
 * Counts the whole lines of [from, to), of which the first has the number
 * `line` and begins at `offset` of the stream. Adds how many there are to *line.
 */
int lines_take(struct lines *lines, char *from, char *to, int64_t *line, int64_t offset,
	struct err *err) __attribute__((warn_unused_result));

/* How many events went which way since lines_new; those of the judge are not among them. */
struct lines_ways {
	int64_t n_in_kernel, n_matched;
};
struct lines_ways lines_ways(const struct lines *lines);

/* Everything taken so far is in the cells afterwards. */
int lines_flush(struct lines *lines, struct err *err) __attribute__((warn_unused_result));

#endif
