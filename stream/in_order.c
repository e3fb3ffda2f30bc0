/*
 * One buffer, one judge. What lies inside a top-level array is held back, as
 * copies, until it is known that the array counts.
 */
#include "stream/in_order.h"

#include "base/buf.h"
#include "stream/array_verdict.h"
#include "stream/held.h"

#define READ_BYTES ((size_t)256 * 1024)

/* The top-level array that the judge is in. */
enum array_state {
	ARRAY_NONE,
	ARRAY_HELD,    /* nobody knows yet whether it counts */
	ARRAY_KEPT,    /* it does */
	ARRAY_DROPPED, /* it does not */
};

struct pass {
	const struct in_order_sink *sink;
	const struct event_shape *shape;
	struct judge *judge;
	struct reader *reader;
	struct err *err;
	size_t file;
	enum array_state array;
	struct held held;
	struct buf data;
};

static int release(struct pass *pass)
{
	const struct in_order_sink *sink = pass->sink;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < pass->held.n; i++) {
		const struct held_item *item = held_at(&pass->held, i);

		if (item->is_reject)
			rc = sink->on_reject(sink->context, pass->file, &item->reject, pass->err);
		else
			rc = sink->on_event(sink->context, pass->file, &item->event, pass->err);
	}
	return rc;
}

/* So much of an array is held that its end is looked for. */
static int find_verdict(struct pass *pass)
{
	const struct array_reading reading = {
		.shape = pass->shape, .reader = pass->reader, .judge = pass->judge};
	bool is_kept;
	int rc = array_verdict(&reading, &is_kept, pass->err);

	if (rc != 0)
		return rc;
	pass->array = is_kept ? ARRAY_KEPT : ARRAY_DROPPED;
	if (is_kept)
		rc = release(pass);
	held_cut(&pass->held, 0);
	return rc;
}

/* Before one more is held. */
static int make_room(struct pass *pass)
{
	if (pass->array == ARRAY_HELD && pass->held.n >= ARRAY_HELD_MAX)
		return find_verdict(pass);
	return 0;
}

static int on_event(void *context, const struct event *event)
{
	struct pass *pass = context;
	int rc = make_room(pass);

	if (rc != 0 || pass->array == ARRAY_DROPPED)
		return rc;
	if (pass->array == ARRAY_HELD)
		return held_add_event(&pass->held, event, REJECT_TEXT_MAX_BYTES, pass->err);
	return pass->sink->on_event(pass->sink->context, pass->file, event, pass->err);
}

static int on_reject(void *context, const struct reject *reject)
{
	struct pass *pass = context;
	int rc = make_room(pass);

	if (rc != 0 || pass->array == ARRAY_DROPPED)
		return rc;
	if (pass->array == ARRAY_HELD)
		return held_add_reject(&pass->held, reject, pass->err);
	return pass->sink->on_reject(pass->sink->context, pass->file, reject, pass->err);
}

static int on_array(void *context, enum judge_array what)
{
	struct pass *pass = context;
	int rc = 0;

	if (what == JUDGE_ARRAY_KEEP && pass->array == ARRAY_HELD)
		rc = release(pass);
	held_cut(&pass->held, 0);
	pass->array = what == JUDGE_ARRAY_BEGIN ? ARRAY_HELD : ARRAY_NONE;
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

	judge_begin(pass->judge, from, position_in_stream(from, file->read.is_compressed));
	buf_clear(&pass->data);
	held_cut(&pass->held, 0);
	pass->array = ARRAY_NONE;
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
	struct reader_target target = slice_file_target(&file->read);
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
	struct pass pass = {.sink = sink, .shape = shape, .reader = reader, .err = err};
	int rc = 0;

	held_init(&pass.held, shape->n_fields);
	pass.judge = judge_new(shape);
	if (pass.judge == NULL)
		rc = err_nomem(err);
	for (pass.file = 0; rc == 0 && pass.file < plan->n_files; pass.file++)
		rc = run_file(&pass, &plan->files[pass.file], reader);
	judge_free(pass.judge);
	held_fini(&pass.held);
	buf_fini(&pass.data);
	return rc;
}
