/*
 * A walk over one JSON line that turns its leaves into cells where they stand.
 *
 * base/json.h judges each leaf; this steps through the arrays and objects
 * around them. Every take function moves on behind what it took and returns
 * false when the text is something else; then the reader has failed for good.
 * A line and its cells share memory: it can be read once.
 */
#ifndef CLIENT_READER_H
#define CLIENT_READER_H

#include "base/json.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>

struct reader {
	struct json_scan scan;
	bool failed;
};

/* One byte behind the line must be writable. */
void reader_init(struct reader *reader, char *line, size_t len);

/* True and moved on when the next character is `c`. */
bool reader_take(struct reader *reader, char c);

/* A string, decoded and zero-terminated in place (it may hold NULs as well). */
bool reader_take_string(struct reader *reader, const char **text, size_t *len);

/* null, true, false (as 1, 0), a number, a string, {"blob":…} or {"real":…}. */
bool reader_take_value(struct reader *reader, struct value *value);

/* Any value, unread. */
bool reader_skip(struct reader *reader);

/*
 * Steps through an array or object: false at its closing bracket (or when
 * failed). *first is true before the first call.
 */
bool reader_next(struct reader *reader, bool *first, char close);

/* The whole line was taken and nothing was wrong. */
bool reader_is_done(struct reader *reader);

#endif
