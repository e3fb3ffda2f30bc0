/* What a store told the stream that stands in for the real one. */
#ifndef TESTS_SQL_STAND_IN_H
#define TESTS_SQL_STAND_IN_H

#include "base/buf.h"
#include "stream/stream.h"

#include <stddef.h>

/* Zero initialisation is "nothing told". Passed where a struct stream is wanted. */
struct told {
	struct buf text; /* one line per call; of rows the first hundred */
	size_t n_rows, n_files;
};

/* The first prefix that the stream that stands in has not given away. */
#define STAND_IN_PREFIX 50

static inline struct stream *told_stream(struct told *told)
{
	return (struct stream *)(void *)told;
}

#endif
