/*
 * What standard output and standard error are: a terminal or not, how large,
 * with colours or without; and what a text does to a terminal.
 */
#ifndef CLIENT_TERMINAL_H
#define CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

struct terminal {
	int columns, rows; /* 80 and 24 where nothing is known */
	bool has_cursor;   /* a terminal that TERM names, and not dumb: a screen can be drawn */
	bool has_colour;   /* the same, and no NO_COLOR */
	bool has_unicode;  /* the locale's characters are UTF-8 */
};

/* Asks anew each time: a window may have changed. `fd` is the one to be written to. */
void terminal_measure(struct terminal *terminal, int fd);

/* Columns that a UTF-8 text takes on a terminal; what has no width counts as one. */
size_t terminal_width(const char *text, size_t len);

/*
 * The bytes of the control character that begins `text`, U+0080 to U+009F among
 * them; 0 where it is none, or one of those in `kept`.
 */
size_t terminal_control_length(const char *text, size_t len, const char *kept);

/*
 * Writes a text from elsewhere so that no terminal obeys it: control characters
 * but newline and tab as \x1b and the like. Cut to what `out` holds.
 */
void terminal_escape(const char *text, size_t len, char *out, size_t size);

#endif
