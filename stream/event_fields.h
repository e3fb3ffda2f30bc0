/*
 * Finds the time and the group fields of one object, while it is validated.
 *
 * Fields may be dotted paths. Only the first parts of the paths are looked for
 * on the way through the object, and the last member of each name is kept; the
 * rest of a path is followed in that member alone, so that the last duplicate
 * wins whole. Knows neither lines nor what a time means.
 */
#ifndef STREAM_EVENT_FIELDS_H
#define STREAM_EVENT_FIELDS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "stream/event.h"

#include <stdbool.h>
#include <stddef.h>

struct field_path {
	size_t head;
	const char *rest; /* behind the first dot; NULL: the head is all */
};

struct event_fields {
	struct json_member *heads; /* the paths' first parts; several paths may share one */
	size_t n_heads;
	struct field_path time;
	struct field_path *paths; /* one per field of the shape */
	size_t n_paths;
	struct event_value *values; /* one per field of the shape */
	struct json_value inner;    /* what was found behind a dot last */
	struct buf unescaped;       /* texts of strings that had escapes, of the object read last */
};

/* The shape must outlive the fields. False: no memory (nothing to release). */
bool event_fields_init(struct event_fields *fields, const struct event_shape *shape);
void event_fields_fini(struct event_fields *fields);

/* Reads the object at scan->at as json_read_value does, and remembers the members that are asked
 * for. */
enum json_status event_fields_read(struct event_fields *fields, struct json_scan *scan);

/* The time field of an object; `text` and `len`: what it stands for where it is a string. */
struct event_time_source {
	const struct json_value
		*value; /* NULL: missing, or null; valid until fields->values are made */
	const char *text;
	size_t len;
};

/* After a complete read, and before the next: the time field, and fields->values. ERR_NOMEM is the
 * only failure. */
int event_fields_time(struct event_fields *fields, struct event_time_source *time, struct err *err)
	__attribute__((warn_unused_result));
int event_fields_values(struct event_fields *fields, struct err *err)
	__attribute__((warn_unused_result));

#endif
