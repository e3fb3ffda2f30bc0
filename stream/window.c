/* The arithmetic of windows; see the header for its bounds. */
#include "stream/window.h"

#include <assert.h>

struct window_rule window_rule_of(const struct query_spec *query)
{
	struct window_rule rule = {
		.size_us = query->window_us,
		.slide_us = query->slide_us,
		.offset_us = query->start_offset_us,
	};

	assert(rule.size_us > 0 && rule.size_us <= WINDOW_MAX_US);
	assert(rule.slide_us > 0 && rule.slide_us <= rule.size_us);
	return rule;
}

int64_t window_floor(int64_t time_us, int64_t step_us)
{
	int64_t rest = time_us % step_us;

	if (rest < 0)
		rest += step_us;
	return time_us - rest;
}

int64_t window_newest(const struct window_rule *rule, int64_t time_us)
{
	return window_floor(time_us - rule->offset_us, rule->slide_us) + rule->offset_us;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
	while (b != 0) {
		int64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a < 0 ? -a : a;
}

int64_t window_bucket(int64_t bucket_us, const struct query_spec *query)
{
	if (query->session_us > 0)
		return 1;
	bucket_us = common_divisor(bucket_us, query->window_us);
	bucket_us = common_divisor(bucket_us, query->slide_us);
	return common_divisor(bucket_us, query->start_offset_us);
}
