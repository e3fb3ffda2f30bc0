/* Division that rounds down, so that what lies before zero is in its place too. */
#ifndef BASE_FLOOR_H
#define BASE_FLOOR_H

#include <stdint.h>

/* The largest integer <= n / d; d > 0. */
static inline int64_t floor_div(int64_t n, int64_t d)
{
	return n / d - (n % d < 0);
}

#endif
