/*
 * The events of a source one by one, for SQL: file by file through the judge,
 * a buffer at a time. What a buffer gives is held as copies and handed out.
 */
#include "stream/recount.h"

#include "base/buf.h"
#include "base/mem.h"
#include "stream/array_verdict.h"
#include "stream/fields.h"
#include "stream/held.h"
#include "stream/listing.h"
#include "stream/reader.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES ((size_t)256 * 1024)

/* The top-level array that the judge is in. */
enum array_state {
	ARRAY_NONE,
	ARRAY_HELD,    /* nobody knows yet whether it counts */
	ARRAY_KEPT,    /* it does: what comes is handed out */
	ARRAY_DROPPED, /* it does not: what comes is passed by */
};

struct event_cursor {
	const struct event_filter *filter;
	struct event_filter filter_copy;
	char *file_name; /* of the filter; NULL: all */
	recount_cancelled_fn *cancelled;
	void *context;
	struct fields fields;
	struct event_shape shape;
	size_t *columns; /* for each column its place in the union */
	size_t n_columns;
	struct event_value *values; /* of the event handed out, by column */
	struct event event;
	struct listing listing;
	struct reader *reader;
	struct judge *judge;
	struct listed file; /* being read; no name: none */
	bool is_at_end;     /* the file has no more bytes */
	struct buf data;
	struct held held;
	enum array_state array;
	size_t array_from; /* ARRAY_HELD: held items from here on are its */
	size_t next;       /* of the held items */
	struct err *err;   /* of the running call */
};

int spec_source_fields(const struct spec *spec, size_t source, struct field_spec **fields,
	size_t *n, struct err *err)
{
	size_t most = 0;

	for (size_t i = 0; i < spec->n_queries; i++) {
		if (spec->queries[i].source == source)
			most += spec->queries[i].n_group_by;
	}
	*n = 0;
	*fields = mem_new_array(most, sizeof(**fields));
	if (*fields == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < spec->n_queries; i++) {
		const struct query_spec *query = &spec->queries[i];

		for (size_t j = 0; query->source == source && j < query->n_group_by; j++) {
			size_t k = 0;

			while (k < *n &&
				strcmp((*fields)[k].column, query->group_by[j].column) != 0)
				k++;
			if (k == *n)
				(*fields)[(*n)++] = query->group_by[j];
		}
	}
	return 0;
}

static int open_columns(
	struct event_cursor *cursor, const struct spec *spec, size_t source, struct err *err)
{
	struct field_spec *columns = NULL;
	int rc = fields_of_source(&cursor->fields, spec, source, err);

	if (rc == 0)
		rc = spec_source_fields(spec, source, &columns, &cursor->n_columns, err);
	if (rc != 0)
		return rc;
	cursor->shape = fields_shape(&cursor->fields, &spec->sources[source]);
	held_init(&cursor->held, cursor->fields.n);
	cursor->columns = mem_new_array(cursor->n_columns, sizeof(*cursor->columns));
	cursor->values = mem_new_array(cursor->n_columns, sizeof(*cursor->values));
	for (size_t i = 0; cursor->columns != NULL && i < cursor->n_columns; i++)
		cursor->columns[i] = fields_find(&cursor->fields, columns[i].path);
	free(columns);
	return cursor->columns != NULL && cursor->values != NULL ? 0 : err_nomem(err);
}

static int open_cursor(struct event_cursor *cursor, const struct spec *spec, size_t source,
	const struct event_filter *filter, struct err *err)
{
	int rc = open_columns(cursor, spec, source, err);

	if (rc != 0)
		return rc;
	cursor->filter_copy = *filter;
	cursor->filter = &cursor->filter_copy;
	if (filter->file != NULL)
		cursor->file_name = mem_copy_text(filter->file, strlen(filter->file));
	cursor->reader = reader_new();
	cursor->judge = judge_new(&cursor->shape);
	if (cursor->reader == NULL || cursor->judge == NULL ||
		(filter->file != NULL && cursor->file_name == NULL))
		return err_nomem(err);
	return listing_open(&cursor->listing, &spec->sources[source], err);
}

int event_cursor_open(struct event_cursor **out, const struct spec *spec, size_t source,
	const struct event_filter *filter, recount_cancelled_fn *cancelled, void *context,
	struct err *err)
{
	struct event_cursor *cursor = calloc(1, sizeof(*cursor));
	int rc;

	if (cursor == NULL)
		return err_nomem(err);
	cursor->cancelled = cancelled;
	cursor->context = context;
	rc = open_cursor(cursor, spec, source, filter, err);
	if (rc != 0) {
		event_cursor_close(cursor);
		return rc;
	}
	*out = cursor;
	return 0;
}

void event_cursor_close(struct event_cursor *cursor)
{
	if (cursor == NULL)
		return;
	listing_close(&cursor->listing);
	reader_free(cursor->reader);
	judge_free(cursor->judge);
	held_fini(&cursor->held);
	buf_fini(&cursor->data);
	fields_fini(&cursor->fields);
	free(cursor->columns);
	free(cursor->values);
	free(cursor->file_name);
	free(cursor);
}

/* So much of an array is held that its end is looked for. */
static int find_verdict(struct event_cursor *cursor)
{
	const struct array_reading reading = {
		.shape = &cursor->shape,
		.reader = cursor->reader,
		.judge = cursor->judge,
		.cancelled = cursor->cancelled,
		.context = cursor->context,
	};
	bool is_kept;
	int rc = array_verdict(&reading, &is_kept, cursor->err);

	if (rc != 0)
		return rc;
	cursor->array = is_kept ? ARRAY_KEPT : ARRAY_DROPPED;
	if (!is_kept)
		held_cut(&cursor->held, cursor->array_from);
	return 0;
}

static int on_event(void *context, const struct event *event)
{
	struct event_cursor *cursor = context;

	if (event->time_us < cursor->filter->min_us || event->time_us > cursor->filter->max_us)
		return 0;
	if (cursor->array == ARRAY_HELD && cursor->held.n - cursor->array_from >= ARRAY_HELD_MAX &&
		find_verdict(cursor) != 0)
		return cursor->err->code;
	if (cursor->array == ARRAY_DROPPED)
		return 0;
	return held_add_event(&cursor->held, event, SIZE_MAX, cursor->err);
}

static int on_reject(void *context, const struct reject *reject)
{
	(void)context;
	(void)reject;
	return 0;
}

static int on_array(void *context, enum judge_array what)
{
	struct event_cursor *cursor = context;

	if (what == JUDGE_ARRAY_DROP && cursor->array == ARRAY_HELD)
		held_cut(&cursor->held, cursor->array_from);
	cursor->array = what == JUDGE_ARRAY_BEGIN ? ARRAY_HELD : ARRAY_NONE;
	cursor->array_from = cursor->held.n;
	return 0;
}

static int read_more(struct event_cursor *cursor)
{
	const struct judge_sink sink = {.context = cursor,
		.on_event = on_event,
		.on_reject = on_reject,
		.on_array = on_array};
	char *room = buf_reserve(&cursor->data, READ_BYTES);
	struct err trouble = ERR_INIT;
	size_t consumed = 0;
	size_t n = 0;
	int rc;

	if (room == NULL)
		return err_nomem(cursor->err);
	/* What was read whole counts; the files table has the trouble's sentence. */
	if (reader_read(cursor->reader, room, READ_BYTES, &n, &trouble) != 0)
		n = 0;
	cursor->data.len += n;
	cursor->is_at_end = n == 0;
	rc = judge_feed(cursor->judge, cursor->data.data, cursor->data.len, cursor->is_at_end,
		&consumed, &sink, cursor->err);
	buf_drop(&cursor->data, consumed);
	return rc;
}

/* 0: it is open; ERR_MISSING: put aside; ERR_IO, ERR_INVALID: passed by. */
static int open_listed(struct event_cursor *cursor, const struct listed *listed)
{
	struct reader_target target = {
		.dir_fd = source_dir_fd(cursor->listing.source),
		.path = listed->file->path,
		/* After a rotation its name may be that of a file that was read already. */
		.identity = &listed->file->identity,
		.at = POSITION_START,
		.limit = listed->size,
	};
	struct err trouble = ERR_INIT;
	int rc = reader_open(cursor->reader, &target, &trouble);

	if (rc != 0 && open_lacks_room(&trouble))
		*cursor->err = trouble;
	return rc;
}

/* 1: a file is open, 0: there is no more. What cannot be opened is passed by, unless nothing can.
 */
static int open_next(struct event_cursor *cursor)
{
	const struct position start = POSITION_START;
	struct listed listed;
	int rc;

	for (;;) {
		cursor->file = (struct listed){0};
		rc = listing_next(&cursor->listing, &listed, cursor->err);
		if (rc != 1)
			return rc;
		if (cursor->file_name != NULL && strcmp(cursor->file_name, listed.name) != 0)
			continue;
		rc = open_listed(cursor, &listed);
		if (cursor->err->code != 0)
			return cursor->err->code;
		if (rc == 0)
			break;
		if (rc == ERR_MISSING)
			rc = listing_put_aside(&cursor->listing, &listed, cursor->err);
		if (rc == ERR_NOMEM)
			return rc;
	}
	cursor->file = listed;
	judge_begin(cursor->judge, &start, 0);
	buf_clear(&cursor->data);
	held_cut(&cursor->held, 0);
	cursor->array = ARRAY_NONE;
	cursor->is_at_end = false;
	return 1;
}

/* Held items that may be handed out: those of an array only when it has ended. */
static size_t n_ready(const struct event_cursor *cursor)
{
	return cursor->array == ARRAY_HELD ? cursor->array_from : cursor->held.n;
}

/* 1: something is ready behind `next`; 0: the end. */
static int fill(struct event_cursor *cursor)
{
	while (cursor->next >= n_ready(cursor)) {
		int rc;

		if (cursor->cancelled != NULL && cursor->cancelled(cursor->context))
			return err_set(cursor->err, ERR_INTERRUPTED, "interrupted");
		if (cursor->array != ARRAY_HELD) {
			held_cut(&cursor->held, 0);
			cursor->next = 0;
		}
		if (cursor->file.name != NULL && !cursor->is_at_end) {
			rc = read_more(cursor);
			if (rc != 0)
				return rc;
			continue;
		}
		cursor->next = 0;
		rc = open_next(cursor);
		if (rc != 1)
			return rc;
	}
	return 1;
}

int event_cursor_next(
	struct event_cursor *cursor, const struct event **event, const char **file, struct err *err)
{
	const struct held_item *item;
	int rc;

	cursor->err = err;
	rc = fill(cursor);
	cursor->err = NULL;
	if (rc != 1)
		return rc;
	item = held_at(&cursor->held, cursor->next++);
	cursor->event = item->event;
	for (size_t i = 0; i < cursor->n_columns; i++)
		cursor->values[i] = item->event.values[cursor->columns[i]];
	cursor->event.values = cursor->values;
	*event = &cursor->event;
	*file = cursor->file.name;
	return 1;
}
