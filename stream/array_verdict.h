/*
 * Whether a top-level array counts, before its end has been reached.
 *
 * Nothing of an array that breaks off counts, so whoever wants its events one
 * by one has to hold them until its end. Of a long one that would be any amount
 * of memory: instead its bytes are judged twice, the first time for the verdict
 * alone.
 */
#ifndef STREAM_ARRAY_VERDICT_H
#define STREAM_ARRAY_VERDICT_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/reader.h"

#include <stdbool.h>

/* So many events and rejects are held before it is asked for. */
#define ARRAY_HELD_MAX 4096

/* Who is inside the array: the judge, begun where the reader was opened. */
struct array_reading {
	const struct event_shape *shape;
	const struct reader *reader;
	const struct judge *judge;
	bool (*cancelled)(void *context); /* asked between buffers; NULL: nobody is */
	void *context;
};

/* An array that has no end yet does not count. ERR_INTERRUPTED where it was cancelled. */
int array_verdict(const struct array_reading *reading, bool *is_kept, struct err *err)
	__attribute__((warn_unused_result));

#endif
