/*
 * Where a cursor's window lies: the run of times that a kernel knows to be of
 * one bucket by comparing their digits. Places windows and asks of them; what
 * is counted in one, stream/scan_count.c flushes before it moves.
 */
#ifndef STREAM_SCAN_WINDOWS_H
#define STREAM_SCAN_WINDOWS_H

#include "stream/scan_count.h"

#include <stdbool.h>
#include <stdint.h>

/* From now on no time lies in it. */
void window_close(struct count *count, int cursor);

/*
 * The ticks around a time that lie in its bucket, on its day and in the years
 * that exist, and have all but their last eight digits in common.
 */
void window_place(struct count *count, int cursor, int64_t base_us, int64_t time_us);

/* The time of a tick. */
int64_t window_time_us(const struct count *count, int cursor, uint64_t ticks);

/*
 * The time of the tick 0 for a record: its date. False where it is not written
 * in the program's form.
 */
bool window_base_us(const struct count *count, const struct match *match, int64_t *base_us);

bool window_has(const struct count *count, int cursor, int64_t base_us, int64_t time_us);

#endif
