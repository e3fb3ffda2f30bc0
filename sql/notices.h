/*
 * Sentences that a library has for the log and may not log itself: first in,
 * first out. One thread at a time.
 */
#ifndef SQL_NOTICES_H
#define SQL_NOTICES_H

#include <stddef.h>

#define NOTICES_KEPT 64

/* Zero initialisation is empty. */
struct notices {
	char *texts[NOTICES_KEPT];
	size_t first, n;
	char *taken; /* the one given out last */
};

void notices_fini(struct notices *notices);

/* Where there is no memory or no room for one more, it is left out. */
void notices_add(struct notices *notices, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Valid until the next call; NULL: no more. */
const char *notices_take(struct notices *notices);

#endif
