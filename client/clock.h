/* Time that only goes on, for how long something took. */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

#include <limits.h>
#include <stdint.h>
#include <time.h>

/* A deadline that does not come. */
#define CLOCK_NEVER INT64_MAX

static inline int64_t clock_now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline int64_t clock_now_ms(void)
{
	return clock_now_us() / 1000;
}

/* CLOCK_NEVER where the time is longer than any. */
static inline int64_t clock_deadline_ms(int64_t timeout_ms)
{
	int64_t now_ms = clock_now_ms();

	return timeout_ms < CLOCK_NEVER - now_ms ? now_ms + timeout_ms : CLOCK_NEVER;
}

/* The time until a deadline as poll() wants it: 0 when it is over, -1 for CLOCK_NEVER. */
static inline int clock_left_ms(int64_t deadline_ms)
{
	int64_t left_ms = deadline_ms - clock_now_ms();

	if (deadline_ms == CLOCK_NEVER)
		return -1;
	return left_ms < 0 ? 0 : left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

#endif
