/*
 * What the records of a source look like: learnt from one that the judge has
 * accepted.
 *
 * A shape says the same thing twice. Its *members* are the names at which
 * values stand, with any value in between: the careful match reads them with
 * the strict reader of base/json.h, so it takes every record with these names
 * in this order and leaves only what needs the judge's word. Its *tokens* go
 * down to the digits: the literal text, the numbers and strings between it,
 * the spelling of the time. From them a kernel's program is made
 * (stream/scan_program.h), which takes only records of exactly this form.
 *
 * Neither ever accepts what the judge would not, and both give the same time
 * and the same texts. Knows no cells and no buffers.
 */
#ifndef STREAM_SCAN_SHAPE_H
#define STREAM_SCAN_SHAPE_H

#include "base/json.h"
#include "stream/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHAPE_MAX_TOKENS     96
#define SHAPE_MAX_LINE_BYTES 4096
#define SHAPE_MAX_FIELDS     8

enum role {
	ROLE_NONE,
	ROLE_TIME,
	ROLE_GROUP,      /* of the field `field` */
	ROLE_NOT_OBJECT, /* a dotted path would go on in it: nothing is grouped only while it is no
			    object */
};

/* A value and the literal text in front of it. */
struct member {
	enum role role;
	uint32_t field;
	uint32_t depth;     /* containers that are open around the value */
	uint32_t text, len; /* the literal, as a range of the shape's line */
};

enum token_kind {
	TOKEN_LITERAL,
	TOKEN_NUMBER,
	TOKEN_STRING, /* what stands between the quotes; they belong to the literals */
	TOKEN_WORD,   /* true, false or null */
};

struct token {
	enum token_kind kind;
	enum role role;
	uint32_t field;
	uint32_t text, len; /* in the shape's line */
};

struct shape {
	const struct event_shape *event;
	char line[SHAPE_MAX_LINE_BYTES]; /* the record that it was learnt from, its newline included
					  */
	size_t len;
	struct member members[SHAPE_MAX_TOKENS];
	size_t n_members;
	uint32_t tail, tail_len; /* the literal behind the last value */
	struct token tokens[SHAPE_MAX_TOKENS];
	size_t n_tokens;
};

/*
 * Learns from a line that is one event, its newline included. False where the
 * shape is not one for the fast path: nested too deep, too long, escaped names,
 * a name on a path that stands twice, a group that is an object or array.
 */
bool shape_learn(
	struct shape *shape, const struct event_shape *event, const char *line, size_t len);

/* What a careful match found; texts point into the line. */
struct match {
	const char *next; /* behind the newline */
	int64_t time_us;
	const char *time; /* its source text, without the quotes of a string */
	uint32_t time_len;
	struct event_value values[SHAPE_MAX_FIELDS];
	/* The source text, without the quotes of a string; NULL: the field is missing. */
	const char *sources[SHAPE_MAX_FIELDS];
	uint32_t source_lens[SHAPE_MAX_FIELDS];
	enum json_type types[SHAPE_MAX_FIELDS];
};

/* Whether the line at `at` is an event of this shape, by the judge's own rules; false: ask the
 * judge. */
bool shape_match(const struct shape *shape, const char *at, const char *end, struct match *match);

#endif
