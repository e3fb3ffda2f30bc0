/*
 * Times as their digits: ticks (the digits as one number), and codes (the same
 * digits, four bits each), which kernels make faster and which are in the same
 * order.
 */
#ifndef STREAM_SCAN_TICKS_H
#define STREAM_SCAN_TICKS_H

#include "stream/scan_program.h"

#include <stdbool.h>
#include <stdint.h>

/* Ticks that have all but their last eight digits in common have codes that differ in 32 bits. */
#define TICKS_BLOCK UINT64_C(100000000)

uint64_t ticks_to_code(uint64_t ticks);
uint64_t ticks_from_code(uint64_t code);

/* Microseconds behind the base: 1970, or the day's beginning. */
int64_t ticks_to_us(const struct time_form *form, uint64_t ticks);

/*
 * The first and the last tick whose times lie in [first_us, last_us], and the
 * one that is at `time_us` or last before it. False where there is none.
 */
bool ticks_in(const struct time_form *form, int64_t base_us, int64_t first_us, int64_t last_us,
	int64_t time_us, uint64_t *first, uint64_t *last, uint64_t *ticks);

#endif
