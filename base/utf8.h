/* UTF-8 as RFC 3629 has it: no surrogates, no overlong forms, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * The length of the character at `text` (len >= 1), 1 to 4, or 0 where it is
 * none; *is_cut: it is the beginning of one and the text ends inside it.
 */
size_t utf8_sequence(const char *text, size_t len, bool *is_cut);

/* The length of the valid prefix; `len` when all is valid. */
size_t utf8_valid_prefix(const char *text, size_t len);

/*
 * Appends `text` with every ill-formed part shown as one U+FFFD; a part is the
 * longest beginning of a sequence, else one byte, as the Unicode standard
 * recommends and as most programs show it.
 */
void utf8_add_shown(struct buf *buf, const char *text, size_t len);

/*
 * Bytes that are no continuation bytes: code points in valid text, and how
 * sqlite3's shell measures a column.
 */
size_t utf8_length(const char *text, size_t len);

/* Writes a code point (what is none, surrogates too, becomes U+FFFD); returns 1 to 4. */
size_t utf8_encode(unsigned code_point, char out[4]);

#endif
