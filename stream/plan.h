/*
 * What one batch will read: a fixed list of files in the source's order, from
 * where and up to where, cut into slices; and, when it was read, how far each
 * file came.
 *
 * A file whose reading ended before its planned end (an error, a file that
 * became shorter) after later slices of it had been counted makes the plan
 * invalid: it is cut there and read again, which is safe because nothing was
 * published.
 */
#ifndef STREAM_PLAN_H
#define STREAM_PLAN_H

#include "base/err.h"
#include "stream/prefix.h"
#include "stream/reader.h"
#include "stream/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Big enough that opening and the line cut in two cost nothing, small enough
 * that stopping takes no time.
 */
#define PLAN_SLICE_BYTES (INT64_C(8) << 20)

/* A batch's own memory is bounded: more files than this are the next batch's. */
#define PLAN_MAX_FILES 8192

struct plan_limits {
	int64_t max_files;   /* 0: none */
	int64_t max_bytes;   /* 0: none */
	int64_t slice_bytes; /* PLAN_SLICE_BYTES but in tests */
};

struct plan_file {
	size_t slot;
	struct slice_file read;
	int64_t stop;        /* lines that start at or behind it are not taken; SLICE_TO_END: all */
	int64_t offered;     /* bytes of the file, as planned: there is nothing to read behind them for now */
	size_t first_slice, n_slices;
	bool is_catch_up;    /* behind the frontier: all of it was judged before */
	enum slice_end cut;  /* why it was cut short before this run; SLICE_DONE: it was not */
	/* How it went; told by plan_settle. */
	enum slice_end end;  /* SLICE_DONE, or why not all of it */
	struct position at;
	int64_t n_bytes;     /* of the file */
	int64_t n_events;
	int64_t settled;     /* decompressed bytes from `read.from` on: what the in-order pass reads again */
	char *reason;        /* with SLICE_FAILED */
};

struct plan {
	struct plan_file *files;
	size_t n_files, files_cap;
	struct slice *slices;
	size_t n_slices, slices_cap;
};

void plan_fini(struct plan *plan);

/*
 * Takes the next files of `prefix` out of its heap. At least one if any is
 * there; whatever happens, the caller looks at the taken slots again
 * (prefixes_look) when the batch is over. `reader` is borrowed to look at the
 * first bytes of big files.
 */
int plan_make(struct plan *plan, struct prefixes *prefixes, struct prefix *prefix,
	const struct plan_limits *limits, struct reader *reader, struct err *err)
	__attribute__((warn_unused_result));

/*
 * After the slices were run: adds up how far each file came and makes the line
 * numbers of rejects absolute. True: the plan had to be cut, every slice is as
 * before its run, and all must be run again into cleared cells.
 */
bool plan_settle(struct plan *plan);

/*
 * Whether the batch has anything to tell of the file's bytes: it came to its
 * end, if only of an empty file, or forward.
 */
bool plan_file_was_read(const struct plan_file *file);

/* False: the slice was cut off; it is not run. */
bool plan_has_slice(const struct plan *plan, size_t slice);

#endif
