/*
 * The bytes of a settled plan once more, through the judge, event by event in
 * the order of the files: for the few questions that sums cannot answer. Which
 * groups were first when there is no room for all, which line was the first
 * malformed one, and where the values too long for a group stand.
 */
#ifndef STREAM_IN_ORDER_H
#define STREAM_IN_ORDER_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/plan.h"
#include "stream/reader.h"

#include <stddef.h>

/* A non-zero return ends the pass with that code. `file` is an index into the plan's files. */
struct in_order_sink {
	void *context;
	int (*on_event)(void *context, size_t file, const struct event *event, struct err *err);
	int (*on_reject)(void *context, size_t file, const struct reject *reject, struct err *err);
};

/* A file that can no longer be read as it was read before is an ERR_IO. */
int in_order_run(const struct plan *plan, const struct event_shape *shape, struct reader *reader,
	const struct in_order_sink *sink, struct err *err) __attribute__((warn_unused_result));

#endif
