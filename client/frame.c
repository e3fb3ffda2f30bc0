/* The keys of an answer, in whatever order they stand. */
#include "client/frame.h"

#include "base/mem.h"
#include "client/reader.h"

#include <stdlib.h>
#include <string.h>

void frame_fini(struct frame *frame)
{
	free(frame->names);
	free(frame->types);
	free(frame->cells);
	*frame = (struct frame){0};
}

static int fail(struct err *err)
{
	return err_set(err, ERR_PROTOCOL,
		"the answer is not one that this tally understands: is it tallyd, and of the same "
		"release?");
}

static int take_names(
	struct reader *reader, const char ***names, size_t *cap, size_t *n, struct err *err)
{
	bool first = true;
	size_t len;

	*n = 0;
	if (!reader_take(reader, '['))
		return fail(err);
	while (reader_next(reader, &first, ']')) {
		if (!mem_grow(names, cap, *n + 1, sizeof(**names)))
			return err_nomem(err);
		if (!reader_take_string(reader, &(*names)[*n], &len))
			break;
		(*n)++;
	}
	return reader->failed ? fail(err) : 0;
}

static int take_row(struct reader *reader, struct frame *frame, size_t *n_all, struct err *err)
{
	size_t before = *n_all;
	bool first = true;

	if (!reader_take(reader, '['))
		return fail(err);
	while (reader_next(reader, &first, ']')) {
		if (!mem_grow(&frame->cells, &frame->cap_cells, *n_all + 1, sizeof(*frame->cells)))
			return err_nomem(err);
		if (!reader_take_value(reader, &frame->cells[*n_all]))
			break;
		(*n_all)++;
	}
	if (frame->n_rows == 0)
		frame->n_cells = *n_all;
	if (reader->failed || *n_all - before != frame->n_cells)
		return fail(err);
	frame->n_rows++;
	return 0;
}

static int take_rows(struct reader *reader, struct frame *frame, struct err *err)
{
	bool first = true;
	size_t n_all = 0;

	frame->n_rows = 0;
	frame->n_cells = 0;
	if (!reader_take(reader, '['))
		return fail(err);
	while (reader_next(reader, &first, ']')) {
		int rc = take_row(reader, frame, &n_all, err);

		if (rc < 0)
			return rc;
	}
	return reader->failed ? fail(err) : 0;
}

static bool take_integer(struct reader *reader, int64_t *number)
{
	struct value value = {.type = VALUE_NULL};

	if (!reader_take_value(reader, &value))
		return false;
	*number = value.type == VALUE_INTEGER ? value.integer : 0;
	return true;
}

static bool take_real(struct reader *reader, double *number)
{
	struct value value = {.type = VALUE_NULL};

	if (!reader_take_value(reader, &value))
		return false;
	*number = value.type == VALUE_REAL ? value.real : 0;
	if (value.type == VALUE_INTEGER)
		*number = (double)value.integer;
	return true;
}

static bool take_error(struct reader *reader, struct frame *frame)
{
	bool first = true;

	if (!reader_take(reader, '{'))
		return false;
	while (reader_next(reader, &first, '}')) {
		const char *key;
		int64_t code;
		size_t len;

		if (!reader_take_string(reader, &key, &len) || !reader_take(reader, ':'))
			return false;
		if (strcmp(key, "code") == 0 && take_integer(reader, &code))
			frame->code = (int)code;
		else if (strcmp(key, "message") == 0)
			(void)reader_take_string(reader, &frame->message, &len);
		else if (strcmp(key, "offset") == 0)
			(void)take_integer(reader, &frame->offset);
		else
			(void)reader_skip(reader);
	}
	return !reader->failed;
}

static int take_member(struct reader *reader, const char *key, struct frame *frame, struct err *err)
{
	bool taken = true;
	int64_t number = 0;

	if (strcmp(key, "rows") == 0 || strcmp(key, "changes") == 0) {
		frame->kind = key[0] == 'r' ? FRAME_ROWS : FRAME_CHANGES;
		return take_rows(reader, frame, err);
	}
	if (strcmp(key, "columns") == 0) {
		frame->kind = FRAME_COLUMNS;
		return take_names(reader, &frame->names, &frame->cap_names, &frame->n_columns, err);
	}
	if (strcmp(key, "types") == 0) {
		return take_names(reader, &frame->types, &frame->cap_types, &frame->n_types, err);
	}
	if (strcmp(key, "id") == 0) {
		taken = take_integer(reader, &frame->id);
	} else if (strcmp(key, "ok") == 0) {
		frame->kind = FRAME_OK;
		taken = reader_skip(reader);
	} else if (strcmp(key, "count") == 0) {
		taken = take_integer(reader, &frame->count);
	} else if (strcmp(key, "snapshot") == 0) {
		taken = take_integer(reader, &number);
		frame->snapshot = (uint64_t)number;
	} else if (strcmp(key, "ms") == 0) {
		taken = take_real(reader, &frame->ms);
	} else if (strcmp(key, "error") == 0) {
		frame->kind = FRAME_ERROR;
		taken = take_error(reader, frame);
	} else {
		taken = reader_skip(reader);
	}
	return taken ? 0 : fail(err);
}

int frame_decode(struct frame *frame, char *line, size_t len, struct err *err)
{
	struct reader reader;
	bool first = true;

	frame->kind = FRAME_NONE;
	frame->id = 0;
	frame->n_columns = frame->n_types = frame->n_rows = frame->n_cells = 0;
	frame->count = 0;
	frame->snapshot = 0;
	frame->ms = 0;
	frame->code = 1;
	frame->message = "";
	frame->offset = -1;
	reader_init(&reader, line, len);
	if (!reader_take(&reader, '{'))
		return fail(err);
	while (reader_next(&reader, &first, '}')) {
		const char *key;
		size_t key_len;
		int rc;

		if (!reader_take_string(&reader, &key, &key_len) || !reader_take(&reader, ':'))
			return fail(err);
		rc = take_member(&reader, key, frame, err);
		if (rc < 0)
			return rc;
	}
	if (!reader_is_done(&reader) || frame->kind == FRAME_NONE)
		return fail(err);
	if (frame->kind == FRAME_COLUMNS && frame->n_types != frame->n_columns)
		return fail(err);
	return 0;
}
