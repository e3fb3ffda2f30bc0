/*
 * Where a slice's decisions go: events into cells, rejects into rows and totals.
 *
 * What the judge says between the beginning and the end of a top-level array
 * is tentative: it is held back and either joins the rest or is forgotten.
 * Knows neither buffers nor shapes.
 */
#ifndef STREAM_SCAN_SINK_H
#define STREAM_SCAN_SINK_H

#include "base/err.h"
#include "stream/cells.h"
#include "stream/event.h"
#include "stream/reject_rows.h"
#include "stream/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An event of an array that has not ended. */
struct held_event {
	int64_t time_us;
	uint32_t group;
};

struct scan_sink {
	struct cells *cells; /* owned */
	int64_t bucket_us;
	size_t n_fields;
	int64_t n_events;           /* of this slice */
	struct reject_rows rejects; /* of this slice */

	bool is_in_array;
	struct held_event *held; /* the first few thousand events of the array … */
	size_t n_held, cap_held;
	struct cells *held_cells; /* … and, from then on, all of them; NULL: not that many */
	struct reject_rows held_rejects;

	bool has_event; /* the newest event seen outside of arrays, for whoever learns from it */
	int64_t event_time_us;
	uint32_t event_group;
};

int scan_sink_init(struct scan_sink *sink, size_t n_fields, int64_t bucket_us)
	__attribute__((warn_unused_result));
void scan_sink_fini(struct scan_sink *sink);

/* A new slice: what an unfinished array held back is forgotten. */
void scan_sink_begin(struct scan_sink *sink);

/* The end of a slice: the same. */
void scan_sink_end(struct scan_sink *sink);

/* The callbacks of the judge; their context is a struct scan_sink, their failure is in *err. */
int scan_sink_event(struct scan_sink *sink, const struct event *event, struct err *err)
	__attribute__((warn_unused_result));
int scan_sink_reject(struct scan_sink *sink, const struct reject *reject, struct err *err)
	__attribute__((warn_unused_result));
int scan_sink_array(struct scan_sink *sink, enum judge_array what, struct err *err)
	__attribute__((warn_unused_result));

#endif
