/*
 * `.mode chart`: a result drawn in characters.
 *
 * A column of times and a number become a timeline, one series for each value
 * of a label column; a label and a number become horizontal bars. What has no
 * number is refused with a sentence. Pure: from cells to text.
 */
#ifndef CLIENT_CHART_H
#define CLIENT_CHART_H

#include "base/buf.h"
#include "base/err.h"
#include "client/query.h"
#include "client/terminal.h"

int chart_draw(struct result *result, const struct terminal *terminal, struct buf *out,
	struct err *err) __attribute__((warn_unused_result));

#endif
