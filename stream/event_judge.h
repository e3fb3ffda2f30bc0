/*
 * The judge's inside, shared by the files that make it up: event.c walks over
 * lines, arrays and values, event_reject.c keeps and gives what is refused.
 */
#ifndef STREAM_EVENT_JUDGE_H
#define STREAM_EVENT_JUDGE_H

#include "stream/event.h"
#include "stream/event_fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 *                  '['                    ','
 *   BETWEEN ----------------> ARRAY_FIRST       ARRAY_NEXT -------> ARRAY_ELEMENT
 *     | ^ ^                     |    |  element     ^  |               |  element
 *     | | |         ']'         |    +--------------+  |               +---> ARRAY_NEXT
 *     | | +---------------------+<---------------------+ ']'
 *     | |
 *     | +------------- line's end ------------+----------------+
 *     v  malformed, too long (arrays too)     |                | line's end
 *   REFUSED ----------------------------------+                |
 *     +------- the rest of the line is too long --------> SKIPPING
 *
 * The settled position follows the consumed one in BETWEEN and SKIPPING. In the
 * other states it stands where the array or the refused value begins, because
 * until its end nothing about it is final.
 */
enum judge_state {
	BETWEEN,       /* between the values of a line, or in front of it */
	ARRAY_FIRST,   /* behind a top-level array's opening bracket */
	ARRAY_NEXT,    /* behind an element */
	ARRAY_ELEMENT, /* behind a comma */
	REFUSED,       /* in the rest of a line whose reject is pending */
	SKIPPING,      /* in the rest of a line whose reject was given */
};

/* A value that is not final yet: a top-level array, or what was refused. */
struct pending {
	int64_t start;             /* of its first byte since judge_begin */
	bool was_mid_line;         /* whether values of its line stood before it */
	enum reject_reason reason; /* while REFUSED */
	char detail[REJECT_DETAIL_MAX_BYTES];
	char text[REJECT_TEXT_MAX_BYTES]; /* its first bytes, as far as they were consumed */
	size_t text_len;
};

struct judge {
	const struct event_shape *shape;
	struct event_fields fields;
	enum judge_state state;
	bool is_mid_line;   /* values of this line have been consumed */
	int64_t offset;     /* of the first byte since judge_begin in the stream */
	int64_t consumed;   /* bytes since judge_begin */
	int64_t first_line; /* the number of the line that judge_begin stood on */
	int64_t n_lines;    /* newlines consumed; none is consumed while a value is pending */
	size_t n_waiting;   /* bytes of an incomplete value that were looked at in vain; 0: none */
	size_t n_wanted;    /* look again when so many of them are there */
	struct pending pending;
};

/* One call of judge_feed. */
struct feed {
	struct judge *judge;
	const struct judge_sink *sink;
	struct err *err;
	const char *data; /* stands at judge->consumed */
	const char *at;   /* consumed up to here */
	const char *end;
	const char *capture; /* where the pending text goes on in this feed's bytes; NULL: none */
	bool is_waiting;     /* more bytes are needed */
};

static inline bool judge_is_pending(const struct judge *judge)
{
	return judge->state != BETWEEN && judge->state != SKIPPING;
}

/* Bytes since judge_begin. */
static inline int64_t judge_position(const struct feed *feed, const char *at)
{
	return feed->judge->consumed + (at - feed->data);
}

/* Where a reject of the complete value text[0, len) stands, and its text; reason and detail are the
 * caller's. */
void judge_place_reject(
	const struct feed *feed, struct reject *reject, const char *text, size_t len);

/* A complete value of another kind. */
int judge_give_not_an_object(struct feed *feed, const struct json_value *value);

/* An array, or a refused value, begins at feed->at. */
void judge_begin_pending(struct feed *feed);

/* Keeps the first bytes of what is pending, since its reject may be given when they are gone. */
void judge_capture(struct feed *feed);

/*
 * The value at feed->at, or the array around it, is refused with the rest of
 * its line: REFUSED. `fault` is the place of what is wrong, `what` the words
 * for it (unused where it is too long).
 */
int judge_refuse(struct feed *feed, enum reject_reason reason, const char *what, const char *fault);

/* In REFUSED: on to the line's end, or so far that waiting for it would hold up the settled
 * position. */
int judge_step_refused(struct feed *feed);

#endif
