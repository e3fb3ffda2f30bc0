/*
 * What there was to read at one moment: the files of a source that queries had
 * not read to their end, and how long each was.
 *
 * Whoever waits until everything that was there is counted waits for a mark,
 * not for silence, which under endless arrivals never comes. Immutable once
 * made; owned by whoever holds a reference, on one thread. The stream is asked
 * between batches.
 */
#ifndef STREAM_MARK_H
#define STREAM_MARK_H

#include "base/err.h"
#include "stream/stream.h"

#include <stdbool.h>
#include <stddef.h>

struct mark;

/* As the source was at the last scan; with one reference. */
int mark_new(struct mark **mark, const struct stream *stream, size_t source, struct err *err)
	__attribute__((warn_unused_result));
struct mark *mark_ref(struct mark *mark);
void mark_unref(struct mark *mark); /* NULL is accepted */

/*
 * Whether `query` (SIZE_MAX: every query of the source that counts) has read
 * all of it and shows what append had to show after it. Files that are gone or
 * in error are passed by. *n_passed is the caller's: 0 at first, then how many
 * files of the mark need not be looked at again, so that asking often is cheap.
 */
bool mark_is_reached(
	const struct mark *mark, const struct stream *stream, size_t query, size_t *n_passed);

#endif
