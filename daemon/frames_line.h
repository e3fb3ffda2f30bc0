/*
 * The lines of JSON that an answer is made of: each begins with the request's
 * id, the last one says how it ended. `id` is JSON as the request wrote it.
 */
#ifndef DAEMON_FRAMES_LINE_H
#define DAEMON_FRAMES_LINE_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/execution.h"

/* `{"id":1`, and the rest of the line is the caller's. */
void frames_line_begin(struct buf *out, const char *id);

/* The lines of a page of frames_sink.h, each behind the id. */
void frames_line_add_page(struct buf *out, const char *id, const char *bytes, size_t len);

/* The result code that SQLite has for a failure: its own, where it was its. */
int frames_line_code(const struct err *err, int sql_code);

/* `offset` < 0: nowhere in the text. */
void frames_line_add_error(
	struct buf *out, const char *id, int code, const char *sentence, int offset);

/* What became of an execution that did not fail. */
void frames_line_add_ok(struct buf *out, const char *id, const struct execution *execution);

#endif
