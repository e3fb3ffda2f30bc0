/*
 * Rows as lines of JSON. The first page is without the `{"id":1` in front: that
 * is put there when it is sent, so that a kept answer serves any request. Longer
 * answers are not kept, and their further pages go out as they are.
 */
#ifndef DAEMON_FRAMES_SINK_H
#define DAEMON_FRAMES_SINK_H

#include "daemon/execution.h"

struct frames_sink {
	size_t n_columns;
	const char *id; /* of the request, borrowed, once the first page is sent; NULL before */
	bool is_open; /* a line of rows has begun and waits for its end */
};

extern const struct execution_sink frames_sink_ops; /* its context is a struct frames_sink */

/* Ends the line of rows that the page ends with, if there is one. */
void frames_sink_close(struct frames_sink *sink, struct buf *page);

/* ,"columns":[…],"types":[…]} and a newline. */
void frames_write_columns(struct buf *out, const struct statement *statement);

/* One cell: integers with all digits, reals with 17, a blob and an infinity as objects. */
void frames_write_value(struct buf *out, const struct value *value);

#endif
