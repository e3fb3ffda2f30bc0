/* Integers as decimal digits. */
#ifndef BASE_DIGITS_H
#define BASE_DIGITS_H

#include <stdint.h>

/* What the longest takes: a sign and 19 digits. */
#define DIGITS_BYTES 20

/* Writes `n` so that it ends before `end`, without a NUL; returns where it begins. */
static inline char *digits_before(char *end, int64_t n)
{
	uint64_t rest = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do {
		*--end = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (n < 0)
		*--end = '-';
	return end;
}

#endif
