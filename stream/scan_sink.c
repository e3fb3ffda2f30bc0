/*
 * An array's events are held as (group, time) pairs while they are few, which
 * costs a line of small arrays next to nothing; a long array is counted into
 * cells of its own, so its memory is bounded by its distinct cells.
 */
#include "stream/scan_sink.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MAX_HELD 4096

int scan_sink_init(struct scan_sink *sink, size_t n_fields, int64_t bucket_us)
{
	*sink = (struct scan_sink){.bucket_us = bucket_us, .n_fields = n_fields};
	sink->cells = cells_new(n_fields, bucket_us);
	return sink->cells != NULL ? 0 : ERR_NOMEM;
}

static void forget_array(struct scan_sink *sink)
{
	sink->is_in_array = false;
	sink->n_held = 0;
	cells_free(sink->held_cells);
	sink->held_cells = NULL;
	reject_rows_clear(&sink->held_rejects);
}

void scan_sink_fini(struct scan_sink *sink)
{
	forget_array(sink);
	free(sink->held);
	reject_rows_drop(&sink->held_rejects);
	reject_rows_drop(&sink->rejects);
	cells_free(sink->cells);
	*sink = (struct scan_sink){0};
}

void scan_sink_begin(struct scan_sink *sink)
{
	forget_array(sink);
	reject_rows_clear(&sink->rejects);
	sink->n_events = 0;
}

void scan_sink_end(struct scan_sink *sink)
{
	forget_array(sink);
}

/* From pairs to cells of their own. */
static int hold_in_cells(struct scan_sink *sink, struct err *err)
{
	sink->held_cells = cells_new(sink->n_fields, sink->bucket_us);
	if (sink->held_cells == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < sink->n_held; i++) {
		uint32_t group;

		if (cells_group(sink->held_cells,
			    cells_group_values(sink->cells, sink->held[i].group), &group, err) < 0)
			return err->code;
		if (cells_add(sink->held_cells, group, sink->held[i].time_us, 1, err) < 0)
			return err->code;
	}
	sink->n_held = 0;
	return 0;
}

static int hold_event(struct scan_sink *sink, const struct event *event, struct err *err)
{
	uint32_t group;

	if (sink->held_cells == NULL && sink->n_held == MAX_HELD && hold_in_cells(sink, err) < 0)
		return err->code;
	if (sink->held_cells != NULL) {
		if (cells_group(sink->held_cells, event->values, &group, err) < 0)
			return err->code;
		return cells_add(sink->held_cells, group, event->time_us, 1, err);
	}
	if (cells_group(sink->cells, event->values, &group, err) < 0)
		return err->code;
	if (!mem_grow(&sink->held, &sink->cap_held, sink->n_held + 1, sizeof(*sink->held)))
		return err_nomem(err);
	sink->held[sink->n_held++] = (struct held_event){.time_us = event->time_us, .group = group};
	return 0;
}

int scan_sink_event(struct scan_sink *sink, const struct event *event, struct err *err)
{
	uint32_t group;

	if (sink->is_in_array)
		return hold_event(sink, event, err);
	if (cells_group(sink->cells, event->values, &group, err) < 0)
		return err->code;
	sink->has_event = true;
	sink->event_time_us = event->time_us;
	sink->event_group = group;
	sink->n_events++;
	return cells_add(sink->cells, group, event->time_us, 1, err);
}

int scan_sink_reject(struct scan_sink *sink, const struct reject *reject, struct err *err)
{
	return reject_rows_add(
		sink->is_in_array ? &sink->held_rejects : &sink->rejects, reject, err);
}

static int keep_array(struct scan_sink *sink, struct err *err)
{
	for (size_t i = 0; i < sink->n_held; i++) {
		if (cells_add(sink->cells, sink->held[i].group, sink->held[i].time_us, 1, err) < 0)
			return err->code;
	}
	sink->n_events += (int64_t)sink->n_held;
	if (sink->held_cells != NULL) {
		sink->n_events += (int64_t)cells_events(sink->held_cells);
		if (cells_merge(sink->cells, sink->held_cells, err) < 0)
			return err->code;
	}
	return reject_rows_append(&sink->rejects, &sink->held_rejects, err);
}

int scan_sink_array(struct scan_sink *sink, enum judge_array what, struct err *err)
{
	if (what == JUDGE_ARRAY_KEEP && keep_array(sink, err) < 0)
		return err->code;
	forget_array(sink);
	sink->is_in_array = what == JUDGE_ARRAY_BEGIN;
	return 0;
}
