/*
 * What time has closed: the watermark of late events and the horizon of
 * retention. Both only move forward, by the newest event of a finished batch.
 */
#ifndef STREAM_WATERMARK_H
#define STREAM_WATERMARK_H

#include <stdint.h>

/* Where a watermark stands before the first batch: 1970, as in Spark. */
#define WATERMARK_START_US INT64_C(0)

/*
 * The watermark for the next batch: the highest event time so far, floored to
 * milliseconds, minus the delay; never behind `watermark_us`. Without a delay
 * (-1) or without events (INT64_MIN) it stays.
 */
int64_t watermark_next(int64_t watermark_us, int64_t max_time_us, int64_t delay_us);

/* Windows that end at or before it are dropped; INT64_MIN: none yet, or no retention (-1). */
int64_t retention_next(int64_t horizon_us, int64_t max_time_us, int64_t retention_us);

#endif
