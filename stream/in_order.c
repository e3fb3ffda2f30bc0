/*
 * One buffer, one judge. What lies inside a top-level array is held back, as
 * copies, until the judge says that the array counts.
 */
#include "stream/in_order.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES ((size_t)256 * 1024)

/* An event or a reject of an array that has not ended. Its texts stand in `texts` from `text` on.
 */
struct held {
	bool is_reject;
	struct event event;
	struct reject reject;
	size_t text; /* of the object or the reject */
	size_t first_value;
};

struct pass {
	const struct event_shape *shape;
	const struct in_order_sink *sink;
	struct judge *judge;
	struct err *err;
	size_t file;
	bool is_in_array;
	struct held *held;
	size_t n_held, held_cap;
	struct event_value *values; /* of all held events; their text is an offset until release */
	size_t n_values, values_cap;
	struct buf texts;
	struct buf data;
};

static int hold(struct pass *pass, const struct held *held)
{
	if (!mem_grow(&pass->held, &pass->held_cap, pass->n_held + 1, sizeof(*held)))
		return err_nomem(pass->err);
	pass->held[pass->n_held++] = *held;
	return 0;
}

static size_t keep_text(struct pass *pass, const char *text, size_t len)
{
	size_t at = pass->texts.len;

	buf_add(&pass->texts, text, len);
	return at;
}

static int hold_event(struct pass *pass, const struct event *event)
{
	size_t n = pass->shape->n_fields;
	struct held held = {.event = *event, .first_value = pass->n_values};

	if (held.event.json_len > REJECT_TEXT_MAX_BYTES)
		held.event.json_len = REJECT_TEXT_MAX_BYTES;
	held.text = keep_text(pass, event->json, held.event.json_len);
	if (!mem_grow(&pass->values, &pass->values_cap, pass->n_values + n, sizeof(*pass->values)))
		return err_nomem(pass->err);
	for (size_t i = 0; i < n; i++) {
		struct event_value value = event->values[i];

		if (value.kind == EVENT_VALUE_TEXT)
			value.text =
				(const char *)(uintptr_t)keep_text(pass, value.text, value.len);
		pass->values[pass->n_values++] = value;
	}
	if (!buf_ok(&pass->texts))
		return err_nomem(pass->err);
	return hold(pass, &held);
}

static int on_event(void *context, const struct event *event)
{
	struct pass *pass = context;

	if (pass->is_in_array)
		return hold_event(pass, event);
	return pass->sink->on_event(pass->sink->context, pass->file, event, pass->err);
}

static int on_reject(void *context, const struct reject *reject)
{
	struct pass *pass = context;
	struct held held = {.is_reject = true, .reject = *reject};

	if (!pass->is_in_array)
		return pass->sink->on_reject(pass->sink->context, pass->file, reject, pass->err);
	held.text = keep_text(pass, reject->text, reject->text_len);
	if (!buf_ok(&pass->texts))
		return err_nomem(pass->err);
	return hold(pass, &held);
}

static void forget(struct pass *pass)
{
	pass->n_held = 0;
	pass->n_values = 0;
	buf_clear(&pass->texts);
}

static int release(struct pass *pass)
{
	const struct in_order_sink *sink = pass->sink;
	int rc = 0;

	for (size_t i = 0; i < pass->n_values; i++) {
		struct event_value *value = &pass->values[i];

		if (value->kind == EVENT_VALUE_TEXT)
			value->text = pass->texts.data + (uintptr_t)value->text;
	}
	for (size_t i = 0; rc == 0 && i < pass->n_held; i++) {
		struct held *held = &pass->held[i];

		if (held->is_reject) {
			held->reject.text = pass->texts.data + held->text;
			rc = sink->on_reject(sink->context, pass->file, &held->reject, pass->err);
			continue;
		}
		held->event.json = pass->texts.data + held->text;
		held->event.values = pass->values + held->first_value;
		rc = sink->on_event(sink->context, pass->file, &held->event, pass->err);
	}
	return rc;
}

static int on_array(void *context, enum judge_array what)
{
	struct pass *pass = context;
	int rc = 0;

	pass->is_in_array = what == JUDGE_ARRAY_BEGIN;
	if (what == JUDGE_ARRAY_KEEP)
		rc = release(pass);
	forget(pass);
	return rc;
}

/* Up to `left` of the file's bytes behind what is in the buffer; less only at the end. */
static int fill(struct pass *pass, struct reader *reader, int64_t left, size_t *n)
{
	char *room = buf_reserve(&pass->data, READ_BYTES);
	int rc;

	if (room == NULL)
		return err_nomem(pass->err);
	rc = reader_read(reader, room, READ_BYTES, n, pass->err);
	if (rc != 0)
		return rc;
	if ((int64_t)*n > left)
		*n = (size_t)left;
	pass->data.len += *n;
	return 0;
}

static int judge_file(struct pass *pass, const struct plan_file *file, struct reader *reader)
{
	const struct judge_sink sink = {.context = pass,
		.on_event = on_event,
		.on_reject = on_reject,
		.on_array = on_array};
	const struct position *from = &file->read.from;
	int64_t left = file->settled;

	judge_begin(pass->judge, from, from->offset + from->skip);
	buf_clear(&pass->data);
	forget(pass);
	pass->is_in_array = false;
	for (;;) {
		size_t n = 0;
		size_t consumed = 0;
		int rc = left > 0 ? fill(pass, reader, left, &n) : 0;

		if (rc == 0 && left > 0 && n == 0)
			rc = err_set(pass->err, ERR_IO, "%s became shorter while it was read",
				file->read.path);
		if (rc != 0)
			return rc;
		left -= (int64_t)n;
		rc = judge_feed(pass->judge, pass->data.data, pass->data.len, left == 0, &consumed,
			&sink, pass->err);
		if (rc != 0)
			return rc;
		buf_drop(&pass->data, consumed);
		if (left == 0)
			return 0;
	}
}

static int run_file(struct pass *pass, const struct plan_file *file, struct reader *reader)
{
	struct reader_target target = {
		.dir_fd = file->read.dir_fd,
		.path = file->read.path,
		.identity = file->read.known,
		.at = file->read.from,
		.limit = file->read.limit,
	};
	int rc;

	if (file->settled == 0)
		return 0;
	rc = reader_open(reader, &target, pass->err);
	if (rc != 0)
		return rc;
	rc = judge_file(pass, file, reader);
	reader_close(reader);
	return rc;
}

int in_order_run(const struct plan *plan, const struct event_shape *shape, struct reader *reader,
	const struct in_order_sink *sink, struct err *err)
{
	struct pass pass = {.shape = shape, .sink = sink, .err = err};
	int rc = 0;

	pass.judge = judge_new(shape);
	if (pass.judge == NULL)
		rc = err_nomem(err);
	for (pass.file = 0; rc == 0 && pass.file < plan->n_files; pass.file++)
		rc = run_file(&pass, &plan->files[pass.file], reader);
	judge_free(pass.judge);
	free(pass.held);
	free(pass.values);
	buf_fini(&pass.texts);
	buf_fini(&pass.data);
	return rc;
}
