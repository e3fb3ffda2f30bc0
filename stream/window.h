/*
 * From a time to its windows: pure arithmetic on microseconds, UTC.
 *
 * Windows are half-open, aligned to the epoch plus an offset, and may overlap
 * (slide < size). Division floors, so times before 1970 are right too. A size
 * or a gap is at most WINDOW_MAX_US, which keeps every sum of an event time
 * and a duration inside 64 bits. Knows no groups, no counts and no lateness.
 */
#ifndef STREAM_WINDOW_H
#define STREAM_WINDOW_H

#include "stream/spec.h"

#include <stdint.h>

/* Somewhat over 20,000 years: longer than the range of event times. */
#define WINDOW_MAX_US INT64_C(631152000000000000)

struct window_rule {
	int64_t size_us;   /* > 0 */
	int64_t slide_us;  /* 0 < slide <= size */
	int64_t offset_us; /* |offset| < slide */
};

/* The rule of a query that has no session windows. */
struct window_rule window_rule_of(const struct query_spec *query);

/* time / step * step with the quotient floored; step > 0. */
int64_t window_floor(int64_t time_us, int64_t step_us);

/*
 * The start of the newest window that may contain `time_us`; the older ones
 * follow at steps of slide_us as long as window_contains() holds:
 *
 *   for (start = window_newest(rule, t); window_contains(rule, start, t); start -= rule->slide_us)
 */
int64_t window_newest(const struct window_rule *rule, int64_t time_us);

static inline bool window_contains(const struct window_rule *rule, int64_t start_us, int64_t time_us)
{
	return start_us + rule->size_us > time_us;
}

/*
 * The largest step that divides every window boundary of the query and
 * `bucket_us`, which is that of other queries (0: none yet); 1 where there are
 * session windows. All times of one such bucket lie in the same windows.
 */
int64_t window_bucket(int64_t bucket_us, const struct query_spec *query);

#endif
