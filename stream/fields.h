/*
 * What the events of one source are read for: the union of the fields that its
 * queries group by, each path once, and where each query finds its own in it.
 */
#ifndef STREAM_FIELDS_H
#define STREAM_FIELDS_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/spec.h"

#include <stddef.h>

struct fields {
	const char **paths; /* borrowed from the spec */
	size_t n;
};

/* In order of first appearance in the spec. */
int fields_of_source(struct fields *fields, const struct spec *spec, size_t source, struct err *err)
	__attribute__((warn_unused_result));
void fields_fini(struct fields *fields);

/* The place of a path that is in the union. */
size_t fields_find(const struct fields *fields, const char *path);

/* For each group_by field of the query its place; the caller frees the array. NULL: no memory. */
size_t *fields_places(const struct fields *fields, const struct query_spec *query);

/* The shape borrows the fields and the source's spec. */
struct event_shape fields_shape(const struct fields *fields, const struct source_spec *source);

#endif
