/*
 * The batch twin: counts a query's files from their first byte, as they are
 * now, without watermark, retention and max_groups; and reads single events
 * for SQL. Used by the `static_` tables and the events tables, from statement
 * threads; shares nothing with the running stream but the immutable spec.
 */
#ifndef STREAM_RECOUNT_H
#define STREAM_RECOUNT_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stdint.h>

/* Asked between buffers; true ends the work with ERR_INTERRUPTED. */
typedef bool recount_cancelled_fn(void *context);

struct recount_row {
	const struct event_value *values; /* one per group_by field */
	int64_t start_us, end_us;
	uint64_t count;
};

struct recount {
	struct recount_row *rows; /* sorted by (values, start_us) */
	size_t n_rows;
	void *memory; /* what the rows point into */
};

/* Past about `max_bytes` of memory (INT64_MAX: none) it ends with ERR_LIMIT. */
int recount_run(struct recount *recount, const struct spec *spec, size_t query, int64_t max_bytes,
	recount_cancelled_fn *cancelled, void *context, struct err *err)
	__attribute__((warn_unused_result));
void recount_fini(struct recount *recount);

/* The events of a source, file by file in the source's order. */
struct event_cursor;

struct event_filter {
	const char *file;      /* only this one; NULL: all */
	int64_t min_us, max_us; /* inclusive; INT64_MIN, INT64_MAX: open */
};

int event_cursor_open(struct event_cursor **cursor, const struct spec *spec, size_t source,
	const struct event_filter *filter, recount_cancelled_fn *cancelled, void *context,
	struct err *err) __attribute__((warn_unused_result));
void event_cursor_close(struct event_cursor *cursor);

/*
 * 1 with the next event (valid until the next call; values are the source's
 * union of fields), 0 at the end.
 */
int event_cursor_next(struct event_cursor *cursor, const struct event **event, const char **file,
	struct err *err) __attribute__((warn_unused_result));

/*
 * The union of the group_by fields of a source's queries, in the order of the
 * events table's columns.
 */
int spec_source_fields(const struct spec *spec, size_t source, struct field_spec **fields,
	size_t *n, struct err *err) __attribute__((warn_unused_result));

#endif
