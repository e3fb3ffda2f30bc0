/*
 * The loop over the frames of one answer. Exactly one OK or ERROR ends it;
 * anything else that ends it is a connection that broke.
 */
#include "client/query.h"

#include "base/mem.h"
#include "client/clock.h"
#include "client/interrupt.h"
#include "client/terminal.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's code for an interrupted statement. */
#define CODE_INTERRUPT 9

/* How long a cancelled statement may take to say so: to a person, and to a program that has waited
 * already. */
#define CANCEL_MS 5000
#define STOP_MS   1000

/* How long the rest of a stopped statement's answer is read: it was on its way, and is not much. */
#define DRAIN_MS 10000

struct run {
	struct connection *connection;
	const struct query_handler *handler;
	struct answer *answer;
	int64_t id;
	int64_t timeout_ms;
	int64_t deadline_ms; /* of the statement; once it is stopped, of what still comes */
	size_t n_columns;    /* announced */
	int seen;            /* presses of Ctrl-C that have been acted upon */
	int rc;              /* what the handler said; then the rest of the answer is only read */
	struct err *err;
};

/* The rows must have what the columns promised: those who take them count on it. */
static int check_width(const struct run *run, size_t n, struct err *err)
{
	if (run->answer->has_columns && n == run->n_columns && n > 0)
		return 0;
	return err_set(err, ERR_PROTOCOL,
		"the answer is broken: a row of %zu cells where %zu were announced", n,
		run->n_columns);
}

static int hand_rows(struct run *run, const struct frame *frame, struct err *err)
{
	const struct query_handler *handler = run->handler;

	if (frame->n_rows > 0 && check_width(run, frame->n_cells, err) < 0)
		return err->code;
	for (size_t i = 0; i < frame->n_rows; i++) {
		int rc = handler->row(
			handler->context, frame->cells + i * frame->n_cells, frame->n_cells, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int hand_changes(struct run *run, const struct frame *frame, struct err *err)
{
	const struct query_handler *handler = run->handler;

	if (handler->change == NULL)
		return 0;
	if (frame->n_rows > 0 && check_width(run, frame->n_cells - 1, err) < 0)
		return err->code;
	for (size_t i = 0; i < frame->n_rows && frame->n_cells > 0; i++) {
		const struct value *cells = frame->cells + i * frame->n_cells;
		const char *op = cells[0].type == VALUE_TEXT ? cells[0].data : "";
		int rc = handler->change(
			handler->context, op, cells + 1, frame->n_cells - 1, frame->snapshot, err);

		if (rc < 0)
			return rc;
	}
	return handler->change(handler->context, "", NULL, 0, frame->snapshot, err);
}

static int hand_frame(struct run *run, const struct frame *frame, struct err *err)
{
	const struct query_handler *handler = run->handler;

	switch (frame->kind) {
	case FRAME_COLUMNS:
		if (run->answer->has_columns)
			return err_set(
				err, ERR_PROTOCOL, "the answer is broken: columns come twice");
		run->answer->has_columns = true;
		run->n_columns = frame->n_columns;
		return handler->columns(
			handler->context, frame->names, frame->types, frame->n_columns, err);
	case FRAME_ROWS: return hand_rows(run, frame, err);
	case FRAME_CHANGES: return hand_changes(run, frame, err);
	default: return 0;
	}
}

/* Stops the statement because the handler wants no more. */
static int stop(struct run *run, int rc)
{
	struct err err = ERR_INIT;

	run->rc = rc;
	run->deadline_ms = clock_deadline_ms(DRAIN_MS);
	return connection_cancel(run->connection, run->id, &err);
}

/* How long the next frame is waited for; -1: as long as it takes. */
static int wait_ms(const struct run *run)
{
	if (run->seen > 0 || run->rc < 0)
		return run->seen > 0 ? CANCEL_MS : STOP_MS;
	if (run->handler->tick != NULL)
		return run->handler->idle_ms;
	return clock_left_ms(run->deadline_ms);
}

/* After a frame or an idle moment of a statement that is still wanted. */
static int tick(struct run *run)
{
	const struct query_handler *handler = run->handler;
	int rc = 0;

	if (clock_now_ms() >= run->deadline_ms)
		rc = err_set(run->err, ERR_LIMIT,
			"interrupted: it took longer than the timeout of %" PRId64 " ms",
			run->timeout_ms);
	else if (handler->tick != NULL)
		rc = handler->tick(handler->context, run->err);
	return rc < 0 ? stop(run, rc) : 0;
}

/* One frame or one idle moment. 1: the answer is whole. */
static int take_frame(struct run *run)
{
	struct frame *frame = NULL;
	int rc = connection_next(run->connection, run->seen, wait_ms(run), &frame, run->err);

	if (rc == ERR_INTERRUPTED && run->seen == 0) {
		run->seen = interrupt_count();
		return connection_cancel(run->connection, run->id, run->err);
	}
	if (rc < 0 && rc != ERR_BUSY)
		return rc;
	if (rc == ERR_BUSY && (run->seen > 0 || run->rc < 0))
		return rc;
	if (rc == 0 && frame->id == run->id) {
		if (frame->kind == FRAME_OK || frame->kind == FRAME_ERROR) {
			run->answer->snapshot = frame->snapshot;
			run->answer->ms = frame->ms;
			if (frame->kind == FRAME_OK)
				return 1;
			run->answer->code = frame->code != 0 ? frame->code : 1;
			run->answer->offset = frame->offset;
			terminal_escape(frame->message, strlen(frame->message),
				run->answer->message, sizeof(run->answer->message));
			return 1;
		}
		rc = run->rc == 0 ? hand_frame(run, frame, run->err) : 0;
		if (rc < 0)
			return stop(run, rc);
	}
	if (run->rc == 0)
		return tick(run);
	if (clock_now_ms() >= run->deadline_ms)
		return err_set(run->err, ERR_BUSY, "tallyd was told to stop and goes on answering");
	return 0;
}

int query_run(struct connection *connection, const struct query *query,
	const struct query_handler *handler, struct answer *answer, struct err *err)
{
	struct run run = {.connection = connection,
		.handler = handler,
		.answer = answer,
		.timeout_ms = query->timeout_ms,
		.deadline_ms = CLOCK_NEVER};
	struct err handler_err = ERR_INIT;
	int rc;

	*answer = (struct answer){.offset = -1};
	run.err = err;
	if (query->timeout_ms > 0)
		run.deadline_ms = clock_deadline_ms(query->timeout_ms);
	rc = connection_send(
		connection, query->sql, query->len, query->params, query->n_params, &run.id, err);
	while (rc == 0) {
		bool had_handler_error = run.rc < 0;

		rc = take_frame(&run);
		if (!had_handler_error && run.rc < 0)
			handler_err = *err;
	}
	if (rc < 0)
		return rc;
	if (run.rc < 0) {
		*err = handler_err;
		return run.rc;
	}
	/* However the daemon puts it: it ended because we asked. */
	if (answer->code != 0 && run.seen > 0) {
		answer->code = CODE_INTERRUPT;
		answer->was_cancelled = true;
		answer->offset = -1;
		(void)snprintf(answer->message, sizeof(answer->message), "interrupted");
	}
	if (answer->code != 0)
		return err_set(err, ERR_SQL, "%s", answer->message);
	return 0;
}

/*
 * While a result grows its texts may move, so cells hold offsets into `text`
 * until it is whole.
 */
static const char *as_offset(size_t offset)
{
	return (const char *)(uintptr_t)offset;
}

static size_t keep(struct result *result, const char *bytes, size_t len)
{
	size_t offset = result->text.len;

	buf_add(&result->text, bytes, len);
	buf_add_char(&result->text, '\0');
	return offset;
}

static int on_columns(void *context, const char *const *names, const char *const *types, size_t n,
	struct err *err)
{
	struct result *result = context;

	result->names = mem_new_array(2 * n, sizeof(*result->names));
	if (result->names == NULL)
		return err_nomem(err);
	result->n_columns = n;
	result->types = result->names + n;
	for (size_t i = 0; i < n; i++) {
		result->names[i] = as_offset(keep(result, names[i], strlen(names[i])));
		result->types[i] = as_offset(keep(result, types[i], strlen(types[i])));
	}
	return buf_ok(&result->text) ? 0 : err_nomem(err);
}

static int on_row(void *context, const struct value *cells, size_t n, struct err *err)
{
	struct result *result = context;
	size_t at = result->n_rows * n;

	if (!mem_grow(&result->cells, &result->cap_cells, at + n, sizeof(*result->cells)))
		return err_nomem(err);
	for (size_t i = 0; i < n; i++) {
		result->cells[at + i] = cells[i];
		if (cells[i].type == VALUE_TEXT || cells[i].type == VALUE_BLOB)
			result->cells[at + i].data =
				as_offset(keep(result, cells[i].data, cells[i].len));
	}
	result->n_rows++;
	return buf_ok(&result->text) ? 0 : err_nomem(err);
}

static void resolve(struct result *result)
{
	const char *base = result->text.data;

	for (size_t i = 0; i < 2 * result->n_columns; i++)
		result->names[i] = base + (uintptr_t)result->names[i];
	for (size_t i = 0; i < result->n_rows * result->n_columns; i++) {
		struct value *cell = &result->cells[i];

		if (cell->type == VALUE_TEXT || cell->type == VALUE_BLOB)
			cell->data = base + (uintptr_t)cell->data;
	}
}

static int on_tick(void *context, struct err *err)
{
	const struct result *result = context;

	(void)err;
	progress_show(result->progress, connection_bytes(result->connection), result->n_rows);
	return 0;
}

int result_fetch(struct connection *connection, const struct query *query,
	struct progress *progress, struct result *result, struct err *err)
{
	const struct query_handler handler = {.context = result,
		.columns = on_columns,
		.row = on_row,
		.tick = progress != NULL ? on_tick : NULL,
		.idle_ms = PROGRESS_IDLE_MS};
	int rc;

	result->connection = connection;
	result->progress = progress;
	rc = query_run(connection, query, &handler, &result->answer, err);
	if (progress != NULL)
		progress_hide(progress);
	resolve(result);
	return rc;
}

static size_t count_controls(const struct value *value, const char *kept)
{
	size_t n = 0;

	for (size_t i = 0; value->type == VALUE_TEXT && i < value->len; i++)
		n += terminal_control_length(value->data + i, value->len - i, kept) > 0;
	return n;
}

static void escape_cell(struct value *value, const char *kept, struct buf *out)
{
	size_t begin = out->len;

	for (size_t i = 0; i < value->len;) {
		size_t n = terminal_control_length(value->data + i, value->len - i, kept);

		if (n == 0)
			buf_add_char(out, value->data[i++]);
		for (; n > 0; n--)
			buf_printf(out, "\\x%02x", (unsigned)(unsigned char)value->data[i++]);
	}
	value->data = out->data + begin;
	value->len = out->len - begin;
	buf_add_char(out, '\0');
}

int result_escape(struct result *result, const char *kept, struct err *err)
{
	size_t n_cells = result->n_rows * result->n_columns;
	size_t room = 0;

	for (size_t i = 0; i < n_cells; i++) {
		size_t n = count_controls(&result->cells[i], kept);

		/* A control of two bytes is eight, and each print wants room for its NUL. */
		room += n > 0 ? result->cells[i].len + 8 * n + 2 : 0;
	}
	/* Once, so that the cells do not move. */
	if (room == 0)
		return 0;
	if (buf_reserve(&result->escaped, room) == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < n_cells; i++)
		if (count_controls(&result->cells[i], kept) > 0)
			escape_cell(&result->cells[i], kept, &result->escaped);
	return 0;
}

void result_fini(struct result *result)
{
	free(result->names);
	free(result->cells);
	buf_fini(&result->text);
	buf_fini(&result->escaped);
	*result = (struct result){0};
}

const struct value *result_cell(const struct result *result, size_t row, size_t column)
{
	static const struct value none = {.type = VALUE_NULL};

	assert(row < result->n_rows);
	return column < result->n_columns ? &result->cells[row * result->n_columns + column]
					  : &none;
}

const char *result_text(struct result *result, size_t row, size_t column)
{
	const struct value *value = result_cell(result, row, column);

	switch (value->type) {
	case VALUE_INTEGER:
		(void)snprintf(result->number, sizeof(result->number), "%" PRId64, value->integer);
		return result->number;
	case VALUE_REAL:
		(void)snprintf(result->number, sizeof(result->number), "%.15g", value->real);
		return result->number;
	case VALUE_TEXT:
	case VALUE_BLOB: return value->data;
	default: return "";
	}
}

int64_t result_integer(const struct result *result, size_t row, size_t column)
{
	const struct value *value = result_cell(result, row, column);

	if (value->type == VALUE_REAL)
		return fabs(value->real) < 9.2e18 ? (int64_t)value->real : 0;
	return value->type == VALUE_INTEGER ? value->integer : 0;
}

double result_real(const struct result *result, size_t row, size_t column)
{
	const struct value *value = result_cell(result, row, column);

	if (value->type == VALUE_INTEGER)
		return (double)value->integer;
	return value->type == VALUE_REAL ? value->real : 0;
}
