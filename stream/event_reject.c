/*
 * Rejects: of complete values at once; of what is refused with the rest of its
 * line when that line ends, with the bytes that were kept of it.
 */
#include "stream/event_judge.h"

#include "stream/detail.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

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

/* How much of a text of `len` bytes a reject shows. */
static size_t text_length(size_t len)
{
	return len < REJECT_TEXT_MAX_BYTES ? len : REJECT_TEXT_MAX_BYTES;
}

void judge_place_reject(
	const struct feed *feed, struct reject *reject, const char *text, size_t len)
{
	const struct judge *judge = feed->judge;

	reject->line = judge->first_line + judge->n_lines;
	reject->offset = judge->offset + judge_position(feed, text);
	reject->text = text;
	reject->text_len = text_length(len);
}

int judge_give_not_an_object(struct feed *feed, const struct json_value *value)
{
	static const char *const names[] = {[JSON_NULL] = "null",
		[JSON_FALSE] = "false",
		[JSON_TRUE] = "true",
		[JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array"};
	const char *time_field = feed->judge->shape->time_field;
	struct reject reject;
	struct detail detail;

	reject.reason = REJECT_NOT_AN_OBJECT;
	judge_place_reject(feed, &reject, value->text, value->len);
	detail = detail_begin(reject.detail);
	detail_add_text(&detail, names[value->type]);
	detail_add_text(&detail, " where an object such as {\"");
	detail_add(&detail, time_field, strnlen(time_field, 64));
	detail_add_text(&detail, "\":...} is expected");
	return feed->sink->on_reject(feed->sink->context, &reject);
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

void judge_begin_pending(struct feed *feed)
{
	struct pending *pending = &feed->judge->pending;

	pending->start = judge_position(feed, feed->at);
	pending->was_mid_line = feed->judge->is_mid_line;
	pending->text_len = 0;
	feed->capture = feed->at;
}

void judge_capture(struct feed *feed)
{
	struct pending *pending = &feed->judge->pending;
	size_t n = (size_t)(feed->at - feed->capture);

	if (n > sizeof(pending->text) - pending->text_len)
		n = sizeof(pending->text) - pending->text_len;
	memcpy(pending->text + pending->text_len, feed->capture, n);
	pending->text_len += n;
	feed->capture = feed->at;
}

int judge_refuse(struct feed *feed, enum reject_reason reason, const char *what, const char *fault)
{
	struct judge *judge = feed->judge;
	struct pending *pending = &judge->pending;
	bool is_in_array = judge->state != BETWEEN;
	struct detail detail;

	if (!is_in_array)
		judge_begin_pending(feed);
	judge->state = REFUSED;
	pending->reason = reason;
	detail = detail_begin(pending->detail);
	if (reason == REJECT_EVENT_TOO_LONG) {
		detail_add_text(&detail, "longer than max_event_bytes = ");
		detail_add_number(&detail, judge->shape->max_event_bytes);
	} else {
		detail_add_text(&detail, what);
		detail_add_text(&detail, " at byte ");
		detail_add_number(&detail, judge_position(feed, fault) - pending->start + 1);
		detail_add_text(&detail, " of this");
	}
	return is_in_array ? feed->sink->on_array(feed->sink->context, JUDGE_ARRAY_DROP) : 0;
}

/* A file that begins with the byte order mark of UTF-16, as some programs write by default. */
static bool is_utf16(const struct reject *reject)
{
	return reject->reason == REJECT_BAD_JSON && reject->offset == 0 && reject->text_len >= 2 &&
	       (memcmp(reject->text, "\xff\xfe", 2) == 0 ||
		       memcmp(reject->text, "\xfe\xff", 2) == 0);
}

static int give_pending_reject(struct feed *feed)
{
	struct judge *judge = feed->judge;
	struct pending *pending = &judge->pending;
	struct reject reject;

	judge_capture(feed);
	feed->capture = NULL;
	while (pending->text_len > 0 && json_is_blank(pending->text[pending->text_len - 1]))
		pending->text_len--;
	reject.reason = pending->reason;
	reject.line = judge->first_line + judge->n_lines;
	reject.offset = judge->offset + pending->start;
	reject.text = pending->text;
	reject.text_len = pending->text_len;
	memcpy(reject.detail, pending->detail, sizeof(reject.detail));
	if (is_utf16(&reject))
		(void)snprintf(reject.detail, sizeof(reject.detail),
			"UTF-16, by its first bytes; JSON is UTF-8 (iconv -f UTF-16 -t UTF-8 makes "
			"it so)");
	return feed->sink->on_reject(feed->sink->context, &reject);
}

int judge_step_refused(struct feed *feed)
{
	struct judge *judge = feed->judge;
	int64_t limit = judge->shape->max_event_bytes;
	const char *newline = memchr(feed->at, '\n', (size_t)(feed->end - feed->at));

	if (limit < REJECT_TEXT_MAX_BYTES)
		limit = REJECT_TEXT_MAX_BYTES;
	feed->at = newline != NULL ? newline : feed->end;
	if (newline != NULL)
		judge->state = BETWEEN;
	else if (judge_position(feed, feed->at) - judge->pending.start > limit)
		judge->state = SKIPPING;
	else
		return 0;
	return give_pending_reject(feed);
}
