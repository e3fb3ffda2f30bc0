/*
 * The rules of counting written down a second time, as slowly and plainly as
 * possible: one event after the other, windows found by trying, rows in a list.
 * What the engine says is compared with it.
 */
#ifndef TESTS_STREAM_NAIVE_H
#define TESTS_STREAM_NAIVE_H

#include "base/buf.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NAIVE_FIELDS 2

/* Every duration of a spec is a multiple of it, so that window starts are found by trying. */
#define NAIVE_STEP_US 250

/* An event: its time, and for each field the text, or NULL. */
struct naive_event {
	int64_t time_us;
	const char *fields[NAIVE_FIELDS];
};

struct naive_row {
	char key[64]; /* the group's values, as bench_rows shows them */
	int64_t start_us, end_us;
	uint64_t count;
	bool is_open; /* append: not yet shown */
	bool is_closed; /* update: has left the state */
};

struct naive {
	const struct query_spec *spec;
	int fields[NAIVE_FIELDS]; /* of the group, in order; -1: no more */
	struct naive_row *rows;
	size_t n_rows, cap;
	int64_t n_events, n_late, n_refused;
	int64_t max_time_us, watermark_us, horizon_us;
};

void naive_init(struct naive *naive, const struct query_spec *spec);
void naive_fini(struct naive *naive);

/* One numbered batch: these events in this order. */
void naive_batch(struct naive *naive, const struct naive_event *events, size_t n);

/* True: append has windows to show, so a batch without events comes next. */
bool naive_has_closed(const struct naive *naive);

/* As bench_rows. */
const char *naive_text(struct naive *naive, bool is_open, struct buf *text);

/* Rows of the state. */
int64_t naive_n_groups(const struct naive *naive);

#endif
