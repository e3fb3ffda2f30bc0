/*
 * A strict reader of JSON texts (RFC 8259) that stand on one line.
 *
 * It validates while it walks: UTF-8 everywhere, no raw control characters in
 * strings, no leading zeros, no trailing commas, nesting up to JSON_MAX_DEPTH.
 * It copies nothing and allocates nothing: a value is its source text. A line
 * break is no white space here, because no value goes on behind it; a
 * failure's `at` tells whether that is what stood there.
 *
 * Bytes may end anywhere: what may still become right is JSON_INCOMPLETE, what
 * cannot is JSON_MALFORMED, and which of them it is depends on the bytes only.
 * A number or literal that touches the end is incomplete, since more of it may
 * follow. Knows no events.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_MAX_DEPTH 1000

enum json_type {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

enum json_status {
	JSON_OK,
	JSON_INCOMPLETE,
	JSON_MALFORMED,
};

struct json_value {
	const char *text; /* the source, quotes and brackets included */
	size_t len;
	enum json_type type;
	bool has_escapes; /* a string that json_unescape must see */
};

/*
 * A member that json_read_object looks for, by its unescaped name; the value is
 * that of the last one.
 */
struct json_member {
	const char *name;
	size_t name_len;
	struct json_value value; /* text NULL: missing */
};

struct json_scan {
	const char *at;    /* the next byte; after JSON_MALFORMED the first wrong one */
	const char *end;   /* behind the last byte there is */
	const char *fault; /* after JSON_MALFORMED: what is wrong, in a few words; static */
	unsigned depth;    /* containers that are open around `at`, by the caller's account */
	enum json_status status; /* what the last call returned */
};

static inline bool json_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * Reads the value whose first byte is *scan->at (there is one), nested ones
 * with it, and leaves `at` behind it. On JSON_INCOMPLETE and JSON_MALFORMED
 * *value is undefined.
 */
enum json_status json_read_value(struct json_scan *scan, struct json_value *value);

/*
 * The same for an object, whose opening bracket stands at `at`: fills the
 * values of members[0, n), whose names are distinct.
 */
enum json_status json_read_object(struct json_scan *scan, struct json_member *members, size_t n);

/* One member of a complete, valid object; false: it has none of that name. */
bool json_find_member(const struct json_value *object, const char *name, size_t len,
	struct json_value *value);

/*
 * The text that a complete, valid string stands for; it is never longer than
 * its source. \u0000 becomes a NUL, a lone surrogate U+FFFD. Returns the length.
 */
size_t json_unescape(const struct json_value *string, char *out);

/* The bytes of a blob over its base64, which takes more room. False: it is none. */
bool json_decode_blob(char *text, size_t *len);

/* Whether a complete, valid string stands for `text`. */
bool json_string_is(const struct json_value *string, const char *text, size_t len);

#endif
