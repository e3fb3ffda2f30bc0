/*
 * The files of a source as they are now, apart from the running stream: listed
 * once, in the source's order, all to be read from their first byte.
 */
#ifndef STREAM_LISTING_H
#define STREAM_LISTING_H

#include "base/err.h"
#include "stream/prefix.h"
#include "stream/source.h"
#include "stream/spec.h"

struct listing {
	struct source *source;
	struct prefixes prefixes;
	struct prefix *prefix; /* its heap holds what is still to be read */
};

/* What a failure leaves is released. A directory that cannot be read is ERR_IO with the source's sentence. */
int listing_open(struct listing *listing, const struct source_spec *spec, struct err *err)
	__attribute__((warn_unused_result));
void listing_close(struct listing *listing);

/* The next file; NULL: no more. Its address is good until listing_close. */
const struct file *listing_next(struct listing *listing);

#endif
