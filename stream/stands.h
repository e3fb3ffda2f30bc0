/*
 * Positions by slot, in sixteen bytes each.
 *
 * There may be a million of them, and nearly all are alike: at the start of a
 * line of a plain file, with nothing known behind it. Such a one is an offset,
 * a line and the file it belongs to; any other (in a compressed file, in an
 * unfinished line) stands in a list of its own. Knows nothing of files but
 * their ids. One thread at a time.
 */
#ifndef STREAM_STANDS_H
#define STREAM_STANDS_H

#include "base/err.h"
#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>

/* Where somebody stands in one file. */
struct stand {
	struct position at;
	int64_t file_id; /* whose position this is; STAND_NO_FILE: the file was not begun */
	int64_t seen;    /* bytes of the file that had been there when `at` was reached */
};

#define STAND_NO_FILE INT64_C(-1)

struct stands {
	struct short_stand *slots;
	size_t n_slots, slots_cap;
	struct stand *longs; /* some of them free */
	size_t n_longs, longs_cap;
	size_t n_free;
	uint32_t free; /* 1 + the first free one; 0: none */
};

void stands_fini(struct stands *stands);

/* Slots up to `n_slots` exist; new ones have begun no file. */
int stands_grow(struct stands *stands, size_t n_slots, struct err *err)
	__attribute__((warn_unused_result));

/* The next `n` calls of stands_put will find room. */
int stands_reserve(struct stands *stands, size_t n, struct err *err)
	__attribute__((warn_unused_result));

/* The slot exists, and room was reserved. */
void stands_put(struct stands *stands, size_t slot, const struct stand *stand);

/* Of the file with that id: no file's start if the slot's position is another file's. */
struct stand stands_get(const struct stands *stands, size_t slot, int64_t file_id);

/* `to` becomes as `from`; on failure it may have more slots, none of them changed. */
int stands_copy(struct stands *to, const struct stands *from, struct err *err)
	__attribute__((warn_unused_result));

#endif
