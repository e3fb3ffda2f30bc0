/*
 * JSON numbers as exact decimals: no binary fraction comes between the text
 * and the integer.
 */
#ifndef BASE_DECIMAL_H
#define BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The largest integer <= number × 10^shift, for a text that is a JSON number
 * (sign, fraction and exponent of any length). False where it does not fit
 * into 64 bits: *result is then unchanged.
 */
bool decimal_floor(const char *text, size_t len, int shift, int64_t *result);

#endif
