/*
 * Events and rejects kept longer than the judge's call: copies, in order. For
 * whoever must wait until a top-level array is complete, or hands events out
 * one by one.
 */
#ifndef STREAM_HELD_H
#define STREAM_HELD_H

#include "base/buf.h"
#include "base/err.h"
#include "stream/event.h"

#include <stdbool.h>
#include <stddef.h>

struct held_item {
	bool is_reject;
	struct event event;   /* json and values are set by held_at */
	struct reject reject; /* text likewise */
	size_t text;          /* where the json or the reject's text stands */
	size_t first_value;
};

struct held {
	size_t n_fields; /* values of an event */
	struct held_item *items;
	size_t n, cap;
	struct event_value *values; /* of all events; texts are offsets until held_at */
	size_t n_values, values_cap;
	struct buf texts;
};

void held_init(struct held *held, size_t n_fields);
void held_fini(struct held *held);

/* Copies at most `max_json` bytes of the object's text. */
int held_add_event(struct held *held, const struct event *event, size_t max_json, struct err *err)
	__attribute__((warn_unused_result));
int held_add_reject(struct held *held, const struct reject *reject, struct err *err)
	__attribute__((warn_unused_result));

/* Drops all items from the n-th on; 0: all. */
void held_cut(struct held *held, size_t n);

/* The item with its texts in place; valid until the next change. Each item is asked for once. */
const struct held_item *held_at(struct held *held, size_t i);

#endif
