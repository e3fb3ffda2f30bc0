/*
 * What standard output and standard error are: a terminal or not, how large,
 * with colours or without.
 */
#ifndef CLIENT_TERMINAL_H
#define CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

struct terminal {
	int columns, rows; /* 80 and 24 where nothing is known */
	bool has_colour;   /* a terminal, not dumb, and no NO_COLOR */
	bool has_unicode;  /* the locale's characters are UTF-8 */
};

/* Asks anew each time: a window may have changed. `fd` is the one to be written to. */
void terminal_measure(struct terminal *terminal, int fd);

/* Columns that a UTF-8 text takes on a terminal; what has no width counts as one. */
size_t terminal_width(const char *text, size_t len);

#endif
