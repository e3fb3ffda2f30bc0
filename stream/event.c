/*
 * The judge: lines into values, values into events and rejects. How its states
 * follow each other is drawn in stream/event_judge.h.
 */
#include "stream/event.h"

#include "stream/detail.h"
#include "stream/event_judge.h"
#include "stream/event_time.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(EVENT_MAX_DEPTH == JSON_MAX_DEPTH, "the reader counts the levels");

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

int64_t judge_settled(const struct judge *judge, struct position *at)
{
	bool is_mid_line = judge->is_mid_line;
	int64_t settled = judge->consumed;

	if (judge_is_pending(judge)) {
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

/* The time of the object that was read last; false with *reject filled, but for its place. */
static int judge_time(struct feed *feed, int64_t *us, struct reject *reject, bool *is_good)
{
	struct judge *judge = feed->judge;
	struct event_time_source time;
	struct detail detail;
	int rc = event_fields_time(&judge->fields, &time, feed->err);

	if (rc != 0)
		return rc;
	*is_good = false;
	if (time.value == NULL) {
		reject->reason = REJECT_NO_TIME;
		detail = detail_begin(reject->detail);
		detail_add_text(&detail, "the field \"");
		detail_add(
			&detail, judge->shape->time_field, strnlen(judge->shape->time_field, 100));
		detail_add_text(&detail, "\" is missing or null");
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
		judge_place_reject(feed, &reject, text, len);
		return feed->sink->on_reject(feed->sink->context, &reject);
	}
	rc = event_fields_values(&judge->fields, feed->err);
	if (rc != 0)
		return rc;
	event.values = judge->fields.values;
	event.line = judge->first_line + judge->n_lines;
	event.offset = judge->offset + judge_position(feed, text);
	event.json = text;
	event.json_len = len;
	return feed->sink->on_event(feed->sink->context, &event);
}

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
		return judge_refuse(feed, REJECT_BAD_JSON, scan.fault, scan.at);
	if (is_cut && (status == JSON_INCOMPLETE || scan.at - start > limit))
		return judge_refuse(feed, REJECT_EVENT_TOO_LONG, NULL, start);
	/* Of a scalar at the very end more may follow. */
	if (status == JSON_INCOMPLETE || (scan.at == feed->end && value.type < JSON_ARRAY)) {
		wait_for_more(feed);
		return 0;
	}
	if (value.type == JSON_OBJECT)
		rc = give_event(feed, start, (size_t)(scan.at - start));
	else
		rc = judge_give_not_an_object(feed, &value);
	feed->at = scan.at;
	return rc;
}

static int begin_array(struct feed *feed)
{
	judge_begin_pending(feed);
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
		return judge_refuse(
			feed, REJECT_BAD_JSON, "the line ends inside an array", feed->at);
	if (*feed->at == ']' && judge->state != ARRAY_ELEMENT)
		return end_array(feed);
	if (judge->state == ARRAY_NEXT) {
		if (*feed->at != ',')
			return judge_refuse(feed, REJECT_BAD_JSON,
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
	if (rc != 0 || feed->judge->state != BETWEEN || feed->is_waiting)
		return rc;
	feed->judge->is_mid_line = true;
	/* What follows almost every value; it could wait for the next step. */
	if (feed->at < feed->end && *feed->at == '\n')
		pass_newline(feed);
	return 0;
}

static int step(struct feed *feed)
{
	switch (feed->judge->state) {
	case BETWEEN: return step_between(feed);
	case REFUSED: return judge_step_refused(feed);
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
		.capture = judge_is_pending(judge) ? data : NULL,
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
		judge_capture(&feed);
	*consumed = (size_t)(feed.at - data);
	judge->consumed += (int64_t)*consumed;
	return rc;
}
