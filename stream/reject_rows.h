/*
 * The newest rejects of a slice as rows, and the totals of all of them.
 *
 * Where every fifth line is malformed, keeping rows is a good part of the
 * work, so a row that is pushed out leaves its memory to the one that comes,
 * and a cleared collection keeps what it has for the next slice. One thread.
 */
#ifndef STREAM_REJECT_ROWS_H
#define STREAM_REJECT_ROWS_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/scan.h"

#include <stddef.h>
#include <stdint.h>

/* The newest SCAN_MAX_REJECTS, in a ring. Zero initialisation is "none". */
struct reject_rows {
	struct scan_reject *rows;
	size_t n, cap;
	size_t n_made;  /* rows from 0 on that have memory for their texts */
	size_t n_bytes; /* of that memory */
	size_t oldest;  /* index of the first in order; not 0 only when the ring is full */
	int64_t totals[REJECT_REASONS];
};

void reject_rows_fini(struct reject_rows *rejects);
void reject_rows_clear(struct reject_rows *rejects);
int reject_rows_add(struct reject_rows *rejects, const struct reject *reject, struct err *err)
	__attribute__((warn_unused_result));

/* Puts the oldest first in memory. */
void reject_rows_straighten(struct reject_rows *rejects);

/* The rows, oldest first, and their texts in one piece of memory, which is the caller's to free. NULL: no memory. */
struct scan_reject *reject_rows_copy(const struct reject_rows *rejects);

#endif
