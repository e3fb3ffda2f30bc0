/*
 * What one event is, and the plain judge that decides it.
 *
 * The judge is the complete, strict, validating parser (RFC 8259, UTF-8, the
 * source text of numbers): every rule about lines, objects, arrays, time and
 * groups stands here and nowhere else. The fast path (stream/scan.h) may only
 * recognise what the judge has already accepted in shape. Knows no files, no
 * windows and no tables. One judge belongs to one thread.
 */
#ifndef STREAM_EVENT_H
#define STREAM_EVENT_H

#include "base/err.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_GROUP_MAX_BYTES   65536
#define EVENT_MAX_DEPTH         1000
#define REJECT_TEXT_MAX_BYTES   1024
#define REJECT_DETAIL_MAX_BYTES 160

enum reject_reason {
	REJECT_BAD_JSON,
	REJECT_NOT_AN_OBJECT,
	REJECT_EVENT_TOO_LONG,
	REJECT_NO_TIME,
	REJECT_BAD_TIME,
	REJECT_GROUP_TOO_LONG,
	REJECT_REASONS /* how many there are */
};

/* `bad_json` and so on: the names that users see. */
const char *reject_reason_name(enum reject_reason reason);

/*
 * What the events of one source are read for: the union of its queries' fields.
 * Immutable, outlives the judges.
 */
struct event_shape {
	const char *time_field;
	enum time_unit time_unit;
	int64_t max_event_bytes;
	const char *const *fields; /* dotted paths, distinct */
	size_t n_fields;
};

enum event_value_kind {
	EVENT_VALUE_TEXT,
	EVENT_VALUE_NULL,     /* null or missing */
	EVENT_VALUE_TOO_LONG, /* over EVENT_GROUP_MAX_BYTES: a reject for the queries that group by it */
};

struct event_value {
	const char *text; /* unescaped string, or source text of any other value; may hold NULs; valid during the call */
	uint32_t len;
	enum event_value_kind kind;
};

struct event {
	int64_t time_us;
	const struct event_value *values; /* one per field of the shape */
	int64_t line;                     /* 1-based, relative to where the judge was begun */
	int64_t offset;                   /* of the object's first byte in the (decompressed) stream */
	const char *json;                 /* the object's source text */
	size_t json_len;
};

struct reject {
	enum reject_reason reason;
	int64_t line;
	int64_t offset;                       /* of the value's first byte */
	const char *text;                     /* from there to the value's (bad_json, event_too_long: the line's) end, REJECT_TEXT_MAX_BYTES at most */
	size_t text_len;
	char detail[REJECT_DETAIL_MAX_BYTES]; /* what is wrong and what would be right */
};

/*
 * How far a run of bytes has been consumed. `offset` counts bytes of the file;
 * of a compressed one it is the start of a frame, `unpacked` the decompressed
 * bytes of the file in front of that start and `skip` those consumed behind it
 * (both are 0 in a plain file). `line` is the number of the line on which
 * the position stands, 1 at the start of a file.
 */
struct position {
	int64_t offset;
	int64_t skip;
	int64_t line;
	int64_t unpacked;
	uint32_t flags;
};

#define POSITION_SKIP_LINE 1u /* the rest of this line belongs to a value already rejected */
#define POSITION_MID_LINE  2u /* values of this line have been consumed already */

#define POSITION_START                                                                             \
	(struct position)                                                                          \
	{                                                                                          \
		.line = 1                                                                          \
	}

/* The offset of its next byte in the (decompressed) stream: what events and rejects are given. */
static inline int64_t position_in_stream(const struct position *at, bool is_compressed)
{
	return (is_compressed ? at->unpacked : at->offset) + at->skip;
}

/*
 * Receives what the judge decides, in the order of the bytes. A callback that
 * returns non-zero ends the feed with that code; the judge must then be begun
 * again. The events and rejects of a top-level array's elements arrive between
 * on_array(BEGIN) and on_array(KEEP) or on_array(DROP): until KEEP they do not
 * count, after DROP they never did, and where the bytes end before either,
 * the settled position still stands in front of the array. The reject of a
 * dropped array itself follows behind the DROP.
 */
enum judge_array { JUDGE_ARRAY_BEGIN, JUDGE_ARRAY_KEEP, JUDGE_ARRAY_DROP };

struct judge_sink {
	void *context;
	int (*on_event)(void *context, const struct event *event);
	int (*on_reject)(void *context, const struct reject *reject);
	int (*on_array)(void *context, enum judge_array what);
};

struct judge;

/* NULL: no memory. The shape must outlive the judge. */
struct judge *judge_new(const struct event_shape *shape);
void judge_free(struct judge *judge);

/*
 * Starts at `start`: its line is the first line's number, its flags say
 * whether the position stands inside a line. `offset` is where the fed bytes
 * begin in the offsets that events and rejects are given.
 */
void judge_begin(struct judge *judge, const struct position *start, int64_t offset);

/*
 * Judges data[0, len), which continues where the last feed's *consumed ended.
 * With `at_end`, no byte follows for now: complete objects and arrays of an
 * unfinished last line count, and what must wait for the line's end is not
 * settled. Bytes that are not consumed are presented again, with more behind
 * them; the judge never needs more than max_event_bytes + 1 of them, and looks
 * at a value that stays incomplete again only when twice as much of it is
 * there, or its line's end.
 *
 * Inside a long top-level array elements are consumed one by one, but the
 * settled position stays in front of the array until its end. So it does in
 * front of a malformed value: its reject is given at the line's end, or when
 * the rest of the line has passed max_event_bytes.
 *
 * Returns 0, a callback's code, or ERR_NOMEM.
 */
int judge_feed(struct judge *judge, const char *data, size_t len, bool at_end, size_t *consumed,
	const struct judge_sink *sink, struct err *err) __attribute__((warn_unused_result));

/*
 * What is settled: every event before it has been given out for good.
 * `settled` is in bytes since judge_begin, the line and the flags are in *at.
 */
int64_t judge_settled(const struct judge *judge, struct position *at);

/* Lines finished (newlines settled) since judge_begin. */
int64_t judge_lines(const struct judge *judge);

/*
 * The reject group_too_long of an event whose value of `field` is
 * EVENT_VALUE_TOO_LONG, for whoever groups by it: the judge itself lets the
 * event pass, since other queries of the source may not.
 */
void event_reject_group(const struct event *event, const char *field, struct reject *reject);

#endif
