/*
 * JSON out: strings with everything escaped that must be, numbers exactly.
 * Commas and braces are the caller's.
 */
#ifndef BASE_JSON_WRITE_H
#define BASE_JSON_WRITE_H

#include "base/buf.h"

/*
 * A quoted string. Bytes that are no UTF-8 become U+FFFD, NUL \u0000, so the
 * result is always valid JSON.
 */
void json_write_string(struct buf *buf, const char *text, size_t len);

/*
 * 17 significant digits, so that a reader gets the same double back; never
 * called with NaN or an infinity.
 */
void json_write_double(struct buf *buf, double number);

/* {"blob":"<base64>"} */
void json_write_blob(struct buf *buf, const void *bytes, size_t len);

#endif
