/*
 * What the judge says about some bytes, as text that tests can compare, fed in
 * one piece or in any others. The caller's side of the judge's contract stands
 * here too: unconsumed bytes are presented again, and what an unfinished array
 * gave does not count.
 */
#ifndef TESTS_STREAM_JUDGED_H
#define TESTS_STREAM_JUDGED_H

#include "base/buf.h"
#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>

/*
 * One line for each decision: `event LINE OFFSET TIME_US 'value' …` with NULL
 * and TOO LONG unquoted, `reject LINE OFFSET reason text`; at the end, where
 * the settled position stands, `settled N line L lines N flags`.
 */
struct judged {
	struct buf text;
	size_t kept;        /* of text, before an array that is not kept yet */
	size_t max_held;    /* most bytes that were not consumed after a feed */
	struct reject last; /* its text points nowhere */
};

/*
 * Judges data[0, len) in pieces that end at cuts[0]
 * < cuts[1] < … and at len, the last with at_end.
 */
void judge_in_pieces(struct judged *judged, const struct event_shape *shape, const char *data,
	size_t len, const size_t *cuts, size_t n_cuts);

/* The same as one batch after the other: at each cut all there is was read, and the next begins
 * where that settled. */
void judge_in_batches(struct judged *judged, const struct event_shape *shape, const char *data,
	size_t len, const size_t *cuts, size_t n_cuts);

void judged_fini(struct judged *judged);

#endif
