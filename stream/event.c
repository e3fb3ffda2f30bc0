/*
 * The judge: lines into values, values into events and rejects.
 *
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
#include "stream/event.h"

#include "stream/event_fields.h"
#include "stream/event_time.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(EVENT_MAX_DEPTH == JSON_MAX_DEPTH, "the reader counts the levels");

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

const char *reject_reason_name(enum reject_reason reason)
{
	static const char *const names[] = {
		[REJECT_BAD_JSON] = "bad_json",
		[REJECT_NOT_AN_OBJECT] = "not_an_object",
		[REJECT_EVENT_TOO_LONG] = "event_too_long",
		[REJECT_NO_TIME] = "no_time",
		[REJECT_BAD_TIME] = "bad_time",
		[REJECT_GROUP_TOO_LONG] = "group_too_long",
	};

	assert((size_t)reason < REJECT_REASONS);
	return names[reason];
}

struct judge *judge_new(const struct event_shape *shape)
{
	struct judge *judge = calloc(1, sizeof(*judge));

	assert(shape->max_event_bytes > 0);
	if (judge == NULL)
		return NULL;
	judge->shape = shape;
	if (!event_fields_init(&judge->fields, shape)) {
		free(judge);
		return NULL;
	}
	judge_begin(judge, &POSITION_START, 0);
	return judge;
}

void judge_free(struct judge *judge)
{
	if (judge == NULL)
		return;
	event_fields_fini(&judge->fields);
	free(judge);
}

void judge_begin(struct judge *judge, const struct position *start, int64_t offset)
{
	judge->state = (start->flags & POSITION_SKIP_LINE) != 0 ? SKIPPING : BETWEEN;
	judge->is_mid_line = (start->flags & POSITION_MID_LINE) != 0;
	judge->offset = offset;
	judge->consumed = 0;
	judge->first_line = start->line;
	judge->n_lines = 0;
	judge->n_waiting = 0;
}

static bool is_pending(const struct judge *judge)
{
	return judge->state != BETWEEN && judge->state != SKIPPING;
}

int64_t judge_settled(const struct judge *judge, struct position *at)
{
	bool is_mid_line = judge->is_mid_line;
	int64_t settled = judge->consumed;

	if (is_pending(judge)) {
		settled = judge->pending.start;
		is_mid_line = judge->pending.was_mid_line;
	}
	at->line = judge->first_line + judge->n_lines;
	at->flags = judge->state == SKIPPING ? POSITION_SKIP_LINE
		    : is_mid_line            ? POSITION_MID_LINE
					     : 0;
	return settled;
}

int64_t judge_lines(const struct judge *judge)
{
	return judge->n_lines;
}

/* --- giving events and rejects ------------------------------------------- */

static int64_t position_of(const struct feed *feed, const char *at)
{
	return feed->judge->consumed + (at - feed->data);
}

static size_t text_length(size_t len)
{
	return len < REJECT_TEXT_MAX_BYTES ? len : REJECT_TEXT_MAX_BYTES;
}

/* A reject of a complete value; the caller writes its detail. */
static void init_reject(const struct feed *feed, struct reject *reject, enum reject_reason reason,
	const char *text, size_t len)
{
	const struct judge *judge = feed->judge;

	reject->reason = reason;
	reject->line = judge->first_line + judge->n_lines;
	reject->offset = judge->offset + position_of(feed, text);
	reject->text = text;
	reject->text_len = text_length(len);
	reject->detail[0] = '\0';
}

static int give_not_an_object(struct feed *feed, const struct json_value *value)
{
	static const char *const names[] = {[JSON_NULL] = "null",
		[JSON_FALSE] = "false",
		[JSON_TRUE] = "true",
		[JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array"};
	struct reject reject;

	init_reject(feed, &reject, REJECT_NOT_AN_OBJECT, value->text, value->len);
	(void)snprintf(reject.detail, sizeof(reject.detail),
		"%s where an object such as {\"%.64s\":...} is expected", names[value->type],
		feed->judge->shape->time_field);
	return feed->sink->on_reject(feed->sink->context, &reject);
}

/* The time of the object that was read last; false with *reject filled, but for its place. */
static int judge_time(struct feed *feed, int64_t *us, struct reject *reject, bool *is_good)
{
	struct judge *judge = feed->judge;
	struct event_time_source time;
	int rc = event_fields_time(&judge->fields, &time, feed->err);

	if (rc != 0)
		return rc;
	*is_good = false;
	if (time.value == NULL) {
		reject->reason = REJECT_NO_TIME;
		(void)snprintf(reject->detail, sizeof(reject->detail),
			"the field \"%.100s\" is missing or null", judge->shape->time_field);
		return 0;
	}
	reject->reason = REJECT_BAD_TIME;
	if (time.value->type == JSON_NUMBER)
		*is_good = event_time_from_number(time.value->text, time.value->len,
			judge->shape->time_unit, us, reject->detail);
	else
		*is_good =
			event_time_from_value(time.value, time.text, time.len, us, reject->detail);
	return 0;
}

/* The object that was read last, whose source is text[0, len). */
static int give_event(struct feed *feed, const char *text, size_t len)
{
	struct judge *judge = feed->judge;
	struct reject reject;
	struct event event;
	bool is_good;
	int rc = judge_time(feed, &event.time_us, &reject, &is_good);

	if (rc != 0)
		return rc;
	if (!is_good) {
		reject.line = judge->first_line + judge->n_lines;
		reject.offset = judge->offset + position_of(feed, text);
		reject.text = text;
		reject.text_len = text_length(len);
		return feed->sink->on_reject(feed->sink->context, &reject);
	}
	rc = event_fields_values(&judge->fields, feed->err);
	if (rc != 0)
		return rc;
	event.values = judge->fields.values;
	event.line = judge->first_line + judge->n_lines;
	event.offset = judge->offset + position_of(feed, text);
	event.json = text;
	event.json_len = len;
	return feed->sink->on_event(feed->sink->context, &event);
}

void event_reject_group(const struct event *event, const char *field, struct reject *reject)
{
	reject->reason = REJECT_GROUP_TOO_LONG;
	reject->line = event->line;
	reject->offset = event->offset;
	reject->text = event->json;
	reject->text_len = text_length(event->json_len);
	(void)snprintf(reject->detail, sizeof(reject->detail),
		"the value of \"%.64s\" is longer than %d bytes", field, EVENT_GROUP_MAX_BYTES);
}

/* --- what is not final yet ----------------------------------------------- */

static void begin_pending(struct feed *feed)
{
	struct pending *pending = &feed->judge->pending;

	pending->start = position_of(feed, feed->at);
	pending->was_mid_line = feed->judge->is_mid_line;
	pending->text_len = 0;
	feed->capture = feed->at;
}

/* Keeps the first bytes of what is pending, since its reject may be given when they are gone. */
static void capture(struct feed *feed)
{
	struct pending *pending = &feed->judge->pending;
	size_t n = (size_t)(feed->at - feed->capture);

	if (n > sizeof(pending->text) - pending->text_len)
		n = sizeof(pending->text) - pending->text_len;
	memcpy(pending->text + pending->text_len, feed->capture, n);
	pending->text_len += n;
	feed->capture = feed->at;
}

/*
 * The value at feed->at, or the array around it, is refused with the rest of
 * its line. `fault`: the place of what is wrong.
 */
static int refuse(struct feed *feed, enum reject_reason reason, const char *what, const char *fault)
{
	struct judge *judge = feed->judge;
	struct pending *pending = &judge->pending;
	bool is_in_array = judge->state != BETWEEN;
	long long at_byte;

	if (!is_in_array)
		begin_pending(feed);
	judge->state = REFUSED;
	pending->reason = reason;
	at_byte = position_of(feed, fault) - pending->start + 1;
	if (reason == REJECT_EVENT_TOO_LONG)
		(void)snprintf(pending->detail, sizeof(pending->detail),
			"longer than max_event_bytes = %lld",
			(long long)judge->shape->max_event_bytes);
	else
		(void)snprintf(pending->detail, sizeof(pending->detail), "%s at byte %lld of this",
			what, at_byte);
	return is_in_array ? feed->sink->on_array(feed->sink->context, JUDGE_ARRAY_DROP) : 0;
}

static int give_pending_reject(struct feed *feed)
{
	struct judge *judge = feed->judge;
	struct pending *pending = &judge->pending;
	struct reject reject;

	capture(feed);
	feed->capture = NULL;
	while (pending->text_len > 0 && json_is_blank(pending->text[pending->text_len - 1]))
		pending->text_len--;
	reject.reason = pending->reason;
	reject.line = judge->first_line + judge->n_lines;
	reject.offset = judge->offset + pending->start;
	reject.text = pending->text;
	reject.text_len = pending->text_len;
	memcpy(reject.detail, pending->detail, sizeof(reject.detail));
	return feed->sink->on_reject(feed->sink->context, &reject);
}

/* In REFUSED: to the line's end, or so far that waiting for it would hold up the settled position.
 */
static int step_refused(struct feed *feed)
{
	struct judge *judge = feed->judge;
	int64_t limit = judge->shape->max_event_bytes;
	const char *newline = memchr(feed->at, '\n', (size_t)(feed->end - feed->at));

	if (limit < REJECT_TEXT_MAX_BYTES)
		limit = REJECT_TEXT_MAX_BYTES;
	feed->at = newline != NULL ? newline : feed->end;
	if (newline != NULL)
		judge->state = BETWEEN;
	else if (position_of(feed, feed->at) - judge->pending.start > limit)
		judge->state = SKIPPING;
	else
		return 0;
	return give_pending_reject(feed);
}

/* --- values -------------------------------------------------------------- */

static void wait_for_more(struct feed *feed)
{
	feed->is_waiting = true;
	feed->judge->n_waiting = (size_t)(feed->end - feed->at);
	feed->judge->n_wanted = 2 * feed->judge->n_waiting;
}

/*
 * Reads, judges and passes the value at feed->at. Where it cannot (the state
 * is then REFUSED, or more bytes are needed) feed->at stays.
 */
static int take_value(struct feed *feed)
{
	struct judge *judge = feed->judge;
	const char *start = feed->at;
	int64_t limit = judge->shape->max_event_bytes;
	bool is_cut = feed->end - start > limit;
	struct json_scan scan = {
		.at = start,
		.end = is_cut ? start + limit + 1 : feed->end,
		.depth = judge->state != BETWEEN,
	};
	struct json_value value = {.type = JSON_OBJECT};
	enum json_status status;
	int rc;

	if (*start == '{')
		status = event_fields_read(&judge->fields, &scan);
	else
		status = json_read_value(&scan, &value);
	if (status == JSON_MALFORMED)
		return refuse(feed, REJECT_BAD_JSON, scan.fault, scan.at);
	if (is_cut && (status == JSON_INCOMPLETE || scan.at - start > limit))
		return refuse(feed, REJECT_EVENT_TOO_LONG, NULL, start);
	/* Of a scalar at the very end more may follow. */
	if (status == JSON_INCOMPLETE || (scan.at == feed->end && value.type < JSON_ARRAY)) {
		wait_for_more(feed);
		return 0;
	}
	if (value.type == JSON_OBJECT)
		rc = give_event(feed, start, (size_t)(scan.at - start));
	else
		rc = give_not_an_object(feed, &value);
	feed->at = scan.at;
	return rc;
}

/* --- arrays -------------------------------------------------------------- */

static int begin_array(struct feed *feed)
{
	begin_pending(feed);
	feed->judge->state = ARRAY_FIRST;
	feed->at++;
	return feed->sink->on_array(feed->sink->context, JUDGE_ARRAY_BEGIN);
}

static int end_array(struct feed *feed)
{
	feed->judge->state = BETWEEN;
	feed->judge->is_mid_line = true;
	feed->capture = NULL;
	feed->at++;
	return feed->sink->on_array(feed->sink->context, JUDGE_ARRAY_KEEP);
}

/* Inside an array, on a byte that is not blank. */
static int step_array(struct feed *feed)
{
	struct judge *judge = feed->judge;
	int rc;

	if (*feed->at == '\n')
		return refuse(feed, REJECT_BAD_JSON, "the line ends inside an array", feed->at);
	if (*feed->at == ']' && judge->state != ARRAY_ELEMENT)
		return end_array(feed);
	if (judge->state == ARRAY_NEXT) {
		if (*feed->at != ',')
			return refuse(feed, REJECT_BAD_JSON,
				"a comma or the closing bracket is expected", feed->at);
		judge->state = ARRAY_ELEMENT;
		feed->at++;
		return 0;
	}
	rc = take_value(feed);
	if (judge->state != REFUSED && !feed->is_waiting)
		judge->state = ARRAY_NEXT;
	return rc;
}

/* --- lines --------------------------------------------------------------- */

static void pass_newline(struct feed *feed)
{
	feed->at++;
	feed->judge->n_lines++;
	feed->judge->is_mid_line = false;
}

static int step_skipping(struct feed *feed)
{
	const char *newline = memchr(feed->at, '\n', (size_t)(feed->end - feed->at));

	feed->at = newline != NULL ? newline : feed->end;
	if (newline != NULL)
		feed->judge->state = BETWEEN;
	return 0;
}

/* Between values, on a byte that is not blank. */
static int step_between(struct feed *feed)
{
	int rc;

	if (*feed->at == '\n') {
		pass_newline(feed);
		return 0;
	}
	if (*feed->at == '[')
		return begin_array(feed);
	rc = take_value(feed);
	if (feed->judge->state == BETWEEN && !feed->is_waiting)
		feed->judge->is_mid_line = true;
	return rc;
}

static int step(struct feed *feed)
{
	switch (feed->judge->state) {
	case BETWEEN: return step_between(feed);
	case REFUSED: return step_refused(feed);
	case SKIPPING: return step_skipping(feed);
	default: return step_array(feed);
	}
}

/* A byte order mark at the start of the stream is passed; half of one waits. */
static void pass_mark(struct feed *feed)
{
	static const char mark[] = "\xEF\xBB\xBF";
	size_t n = (size_t)(feed->end - feed->at);

	if (n >= 3) {
		if (memcmp(feed->at, mark, 3) == 0)
			feed->at += 3;
	} else if (memcmp(feed->at, mark, n) == 0) {
		feed->is_waiting = true;
	}
}

/*
 * Whether a value that was incomplete is worth another look. Without this a
 * long value fed in small pieces would be read again from its start for each.
 */
static bool is_worth_a_look(struct judge *judge, const char *data, size_t len, bool at_end)
{
	size_t known = judge->n_waiting;

	judge->n_waiting = 0;
	if (at_end || len >= judge->n_wanted || len <= known ||
		len > (size_t)judge->shape->max_event_bytes ||
		memchr(data + known, '\n', len - known) != NULL)
		return true;
	judge->n_waiting = len;
	return false;
}

int judge_feed(struct judge *judge, const char *data, size_t len, bool at_end, size_t *consumed,
	const struct judge_sink *sink, struct err *err)
{
	struct feed feed = {
		.judge = judge,
		.sink = sink,
		.err = err,
		.data = data,
		.at = data,
		.end = data + len,
		.capture = is_pending(judge) ? data : NULL,
	};
	int rc = 0;

	*consumed = 0;
	if (len == 0 || (judge->n_waiting > 0 && !is_worth_a_look(judge, data, len, at_end)))
		return 0;
	if (judge->consumed + judge->offset == 0)
		pass_mark(&feed);
	while (rc == 0 && !feed.is_waiting) {
		while (feed.at < feed.end && json_is_blank(*feed.at))
			feed.at++;
		if (feed.at == feed.end)
			break;
		rc = step(&feed);
	}
	if (feed.capture != NULL)
		capture(&feed);
	*consumed = (size_t)(feed.at - data);
	judge->consumed += (int64_t)*consumed;
	return rc;
}
