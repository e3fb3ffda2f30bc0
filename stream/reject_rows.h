/*
 * The newest rejects as rows, in the order in which they came, and the totals
 * of all of them.
 *
 * Where every fifth line is malformed, keeping rows is a good part of the
 * work. So a row and its texts stand behind each other in a block of memory
 * that has many of them, a block whose rows are all pushed out leaves its place
 * to what comes, and whoever wants the rows for good takes the blocks. One thread.
 */
#ifndef STREAM_REJECT_ROWS_H
#define STREAM_REJECT_ROWS_H

#include "base/err.h"
#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>

/* How many rows are kept. */
#define REJECT_ROWS_MAX 10000

/* The texts stand behind it, each with a NUL. */
struct reject_row {
	int64_t line; /* absolute where the slice began at a known line, else relative to it */
	int64_t offset;
	uint32_t reason; /* enum reject_reason */
	uint32_t text_len, detail_len;
};

static inline const char *reject_row_text(const struct reject_row *row)
{
	return (const char *)(row + 1);
}

/* What is wrong. */
static inline const char *reject_row_detail(const struct reject_row *row)
{
	return reject_row_text(row) + row->text_len + 1;
}

struct reject_block;

/* Zero initialisation is "none". */
struct reject_rows {
	struct reject_block *first, *last; /* NULL: no rows */
	size_t n_held;  /* rows in the blocks; of those above REJECT_ROWS_MAX the oldest are not wanted */
	int64_t totals[REJECT_REASONS];
};

/* Without rows; the totals stay. */
void reject_rows_drop(struct reject_rows *rejects);

/* As if new. */
void reject_rows_clear(struct reject_rows *rejects);

int reject_rows_add(struct reject_rows *rejects, const struct reject *reject, struct err *err)
	__attribute__((warn_unused_result));

/* Adds another's, totals included, as if each were added now. */
int reject_rows_append(struct reject_rows *rejects, const struct reject_rows *others,
	struct err *err) __attribute__((warn_unused_result));

/* Takes another's rows and totals, which is empty afterwards; `to` has none. */
void reject_rows_move(struct reject_rows *to, struct reject_rows *from);

/* How many rows there are to see. */
size_t reject_rows_count(const struct reject_rows *rejects);

/* A walk over the rows, oldest first: begin, then next until it says NULL. */
struct reject_walk {
	struct reject_block *block;
	size_t at; /* in its bytes */
};
struct reject_walk reject_rows_begin(const struct reject_rows *rejects);
struct reject_row *reject_rows_next(struct reject_walk *walk);

#endif
