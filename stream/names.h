/*
 * Numbers for groups: each distinct tuple of field values gets the next number.
 *
 * A tuple is compared by kind and bytes; NULL differs from the empty text. The
 * values and their texts stay where they are until names_free, so that other
 * threads may read them while nobody puts. Knows neither times nor counts.
 */
#ifndef STREAM_NAMES_H
#define STREAM_NAMES_H

#include "base/err.h"
#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>

struct names;

/* Tuples of n_fields values; with 0 fields there is one tuple. NULL: no memory. */
struct names *names_new(size_t n_fields);
void names_free(struct names *names);

/*
 * The number of the tuple, given to it now if it is new; the texts are copied.
 * ERR_NOMEM or ERR_LIMIT.
 */
int names_put(struct names *names, const struct event_value *values, uint32_t *number,
	struct err *err) __attribute__((warn_unused_result));

uint32_t names_count(const struct names *names);

/* The values of a number below names_count(); valid until names_free. */
const struct event_value *names_values(const struct names *names, uint32_t number);

#endif
