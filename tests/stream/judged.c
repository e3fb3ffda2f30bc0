/* The judge's decisions as text. Whatever cannot happen in a test aborts it. */
#include "tests/stream/judged.h"

#include <stdlib.h>
#include <string.h>

static void add_bytes(struct buf *buf, const char *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (bytes[i] == '\0')
			buf_add_text(buf, "<NUL>");
		else
			buf_add_char(buf, bytes[i]);
	}
}

struct run {
	struct judged *judged;
	size_t n_fields;
};

static int on_event(void *context, const struct event *event)
{
	struct run *run = context;
	struct buf *text = &run->judged->text;
	size_t i;

	if (event->json[0] != '{' || event->json[event->json_len - 1] != '}')
		abort();
	buf_printf(text, "event %lld %lld %lld", (long long)event->line, (long long)event->offset,
		(long long)event->time_us);
	for (i = 0; i < run->n_fields; i++) {
		if (event->values[i].kind == EVENT_VALUE_NULL) {
			buf_add_text(text, " NULL");
		} else if (event->values[i].kind == EVENT_VALUE_TOO_LONG) {
			buf_add_text(text, " TOO LONG");
		} else {
			buf_add_text(text, " '");
			add_bytes(text, event->values[i].text, event->values[i].len);
			buf_add_char(text, '\'');
		}
	}
	buf_add_char(text, '\n');
	return 0;
}

static int on_reject(void *context, const struct reject *reject)
{
	struct run *run = context;
	struct buf *text = &run->judged->text;

	if (reject->detail[0] == '\0' || reject->text_len > REJECT_TEXT_MAX_BYTES)
		abort();
	buf_printf(text, "reject %lld %lld %s ", (long long)reject->line, (long long)reject->offset,
		reject_reason_name(reject->reason));
	add_bytes(text, reject->text, reject->text_len);
	buf_add_char(text, '\n');
	run->judged->last = *reject;
	run->judged->last.text = NULL;
	return 0;
}

static int on_array(void *context, enum judge_array what)
{
	struct run *run = context;
	struct judged *judged = run->judged;

	if ((what == JUDGE_ARRAY_BEGIN) != (judged->kept == SIZE_MAX))
		abort();
	if (what == JUDGE_ARRAY_DROP)
		judged->text.len = judged->kept;
	judged->kept = what == JUDGE_ARRAY_BEGIN ? judged->text.len : SIZE_MAX;
	return 0;
}

/* Longer runs are not copied: what tests say about their cost would be the copies'. */
#define COPIED_BYTES 65536

/* Presents data[*at, end), in memory that ends where the bytes end, and moves *at behind what was
 * consumed. */
static void feed(
	struct judge *judge, struct run *run, const char *data, size_t *at, size_t end, bool at_end)
{
	const struct judge_sink sink = {run, on_event, on_reject, on_array};
	struct err err = ERR_INIT;
	size_t n = end - *at;
	bool is_copied = n <= COPIED_BYTES;
	char *copy = is_copied ? malloc(n + 1) : NULL;
	size_t consumed;

	if (is_copied && copy == NULL)
		abort();
	if (is_copied)
		memcpy(copy + 1, data + *at, n);
	if (judge_feed(judge, is_copied ? copy + 1 : data + *at, n, at_end, &consumed, &sink,
		    &err) != 0)
		abort();
	free(copy);
	*at += consumed;
	if (n - consumed > run->judged->max_held)
		run->judged->max_held = n - consumed;
}

static void drop_unfinished(struct judged *judged)
{
	if (judged->kept != SIZE_MAX)
		judged->text.len = judged->kept;
	judged->kept = SIZE_MAX;
}

static void add_end(struct judged *judged, int64_t settled, const struct position *at)
{
	buf_printf(&judged->text, "settled %lld line %lld%s%s\n", (long long)settled,
		(long long)at->line, (at->flags & POSITION_MID_LINE) != 0 ? " mid-line" : "",
		(at->flags & POSITION_SKIP_LINE) != 0 ? " skip-line" : "");
	buf_add_char(&judged->text, '\0');
	if (!buf_ok(&judged->text))
		abort();
}

static struct judge *new_judge(const struct event_shape *shape)
{
	struct judge *judge = judge_new(shape);

	if (judge == NULL)
		abort();
	return judge;
}

void judge_in_pieces(struct judged *judged, const struct event_shape *shape, const char *data,
	size_t len, const size_t *cuts, size_t n_cuts)
{
	struct judge *judge = new_judge(shape);
	struct run run = {judged, shape->n_fields};
	struct position at;
	size_t done = 0;
	size_t i;
	int64_t settled;

	*judged = (struct judged){.kept = SIZE_MAX};
	for (i = 0; i < n_cuts; i++)
		feed(judge, &run, data, &done, cuts[i], false);
	feed(judge, &run, data, &done, len, true);
	drop_unfinished(judged);
	settled = judge_settled(judge, &at);
	if (judge_lines(judge) != at.line - 1)
		abort();
	add_end(judged, settled, &at);
	judge_free(judge);
}

void judge_in_batches(struct judged *judged, const struct event_shape *shape, const char *data,
	size_t len, const size_t *cuts, size_t n_cuts)
{
	struct judge *judge = new_judge(shape);
	struct run run = {judged, shape->n_fields};
	struct position at = POSITION_START;
	size_t i, done, start = 0;

	*judged = (struct judged){.kept = SIZE_MAX};
	for (i = 0; i <= n_cuts; i++) {
		judge_begin(judge, &at, (int64_t)start);
		done = start;
		feed(judge, &run, data, &done, i < n_cuts ? cuts[i] : len, true);
		drop_unfinished(judged);
		start += (size_t)judge_settled(judge, &at);
	}
	add_end(judged, (int64_t)start, &at);
	judge_free(judge);
}

void judged_fini(struct judged *judged)
{
	buf_fini(&judged->text);
}
