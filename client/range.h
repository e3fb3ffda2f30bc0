/*
 * Thresholds as monitoring plugins write them: `10` alerts outside 0 to 10,
 * `10:` below 10, `~:10` above 10, `10:20` outside, `@10:20` inside, the ends
 * included in the range.
 */
#ifndef CLIENT_RANGE_H
#define CLIENT_RANGE_H

#include <stdbool.h>

struct range {
	double low, high; /* may be infinite */
	bool is_inside;   /* alerts inside instead of outside */
};

/* False when `text` is no range; *range is then unchanged. */
bool range_parse(const char *text, struct range *range);

bool range_alerts(const struct range *range, double value);

#endif
