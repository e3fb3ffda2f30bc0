/*
 * The sentence of a reject, put together without printf: where every fifth line
 * is malformed, printf would be a quarter of the work. What does not fit is
 * cut, and there is always a NUL.
 */
#ifndef STREAM_DETAIL_H
#define STREAM_DETAIL_H

#include "stream/event.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct detail {
	char *text; /* REJECT_DETAIL_MAX_BYTES of the caller's */
	size_t len;
};

static inline struct detail detail_begin(char text[REJECT_DETAIL_MAX_BYTES])
{
	text[0] = '\0';
	return (struct detail){.text = text};
}

static inline void detail_add(struct detail *detail, const char *bytes, size_t n)
{
	size_t room = REJECT_DETAIL_MAX_BYTES - 1 - detail->len;

	if (n > room)
		n = room;
	memcpy(detail->text + detail->len, bytes, n);
	detail->len += n;
	detail->text[detail->len] = '\0';
}

static inline void detail_add_text(struct detail *detail, const char *text)
{
	detail_add(detail, text, strlen(text));
}

/* `number` is not negative. */
static inline void detail_add_number(struct detail *detail, int64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	detail_add(detail, digits + at, sizeof(digits) - at);
}

#endif
