/*
 * Bytes in, whole lines out. Owns what has come and was not taken; knows
 * nothing of what a line says. The loop's.
 */
#ifndef DAEMON_TEXT_LINES_H
#define DAEMON_TEXT_LINES_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero: nothing has come. */
struct text_lines {
	struct buf in;
	size_t at;      /* what stands before it in `in` was taken */
	size_t seen;    /* bytes behind `at` without a newline */
	bool has_ended; /* no more bytes come */
	bool is_cut;    /* the last line's newline is ours */
};

void text_lines_fini(struct text_lines *lines);

/* False: no memory; the lines that were taken are no longer there. */
bool text_lines_add(struct text_lines *lines, const char *bytes, size_t len)
	__attribute__((warn_unused_result));

/* Bytes that were not taken. */
size_t text_lines_len(const struct text_lines *lines);

/* The byte that the next line begins with, whole or not; '\0': nothing is here. */
char text_lines_peek(const struct text_lines *lines);

/*
 * The next line, `len` bytes with its newline, to be written in until the next call; NULL: it is not
 * all here. The last line before the end needs no newline and is given one.
 */
char *text_lines_take(struct text_lines *lines, size_t *len);

/* After all lines were taken: what held them becomes small again. */
void text_lines_rest(struct text_lines *lines);

#endif
