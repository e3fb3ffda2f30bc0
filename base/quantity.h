/*
 * Durations and sizes as people write them in configuration and options.
 *
 * A duration is Spark's interval text: `1 hour`, `90 seconds`, `1 day 12
 * hours`, `250 milliseconds`, weeks to microseconds, singular or plural, any
 * case, an optional leading word `interval`; months and years are refused by
 * name. A size is bytes, or a number with KiB, MiB, GiB (1024) or KB, MB, GB
 * (1000).
 */
#ifndef BASE_QUANTITY_H
#define BASE_QUANTITY_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define DURATION_TEXT_BYTES 96

/* The sentence of a failure names the text and what would be right; it has no file or key in it. */
int duration_parse(const char *text, int64_t *us, struct err *err)
	__attribute__((warn_unused_result));

/* `1 hour`, `1 day 12 hours`: duration_parse reads it back. Returns the length. */
size_t duration_format(int64_t us, char text[DURATION_TEXT_BYTES]);

int size_parse(const char *text, int64_t *bytes, struct err *err)
	__attribute__((warn_unused_result));

/* `256 MiB`, `1000`: the largest binary unit that divides it. Returns the length. */
size_t size_format(int64_t bytes, char text[DURATION_TEXT_BYTES]);

#endif
