/*
 * Rows that stand in a query's table but have left its state: windows that the
 * watermark has closed. Nothing is counted in them any more; they are kept,
 * only where there is retention, so that it can name the rows it drops.
 * A heap by the end of the window.
 */
#ifndef STREAM_SHOWN_H
#define STREAM_SHOWN_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct shown_row {
	int64_t start_us, end_us;
	uint32_t group;
};

struct shown {
	struct shown_row *rows;
	size_t n, cap;
};

void shown_fini(struct shown *shown);

/* Room for `n` more, so that shown_add cannot fail. */
int shown_reserve(struct shown *shown, size_t n, struct err *err)
	__attribute__((warn_unused_result));
void shown_add(struct shown *shown, const struct shown_row *row);

/* Calls for every row with end <= end_us; a non-zero return ends it. Nothing is removed. */
typedef int shown_each_fn(void *context, const struct shown_row *row, struct err *err);
int shown_each(const struct shown *shown, int64_t end_us, shown_each_fn *each, void *context,
	struct err *err) __attribute__((warn_unused_result));

/* Takes the row that ends first if its end <= end_us: 1, else 0. */
int shown_pop(struct shown *shown, int64_t end_us, struct shown_row *row);

#endif
