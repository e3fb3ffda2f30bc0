/* See the header; a page begins with a new line, whatever ended the one before. */
#include "daemon/frames_sink.h"

#include "base/json_write.h"
#include "daemon/frames_line.h"

#include <math.h>
#include <string.h>

static inline void add_value(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: buf_add(out, "null", 4); break;
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL:
		if (isinf(value->real))
			buf_add_text(out, value->real > 0 ? "{\"real\":\"Infinity\"}"
							  : "{\"real\":\"-Infinity\"}");
		else
			json_write_double(out, value->real);
		break;
	case VALUE_TEXT: json_write_string(out, value->data, value->len); break;
	case VALUE_BLOB: json_write_blob(out, value->data, value->len); break;
	}
}

void frames_write_value(struct buf *out, const struct value *value)
{
	add_value(out, value);
}

void frames_write_columns(struct buf *out, const struct statement *statement)
{
	size_t n = statement_n_columns(statement);

	buf_add_text(out, ",\"columns\":[");
	for (size_t i = 0; i < n; i++) {
		const char *name = statement_column_name(statement, i);
		if (i > 0)
			buf_add_char(out, ',');
		json_write_string(out, name, strlen(name));
	}
	buf_add_text(out, "],\"types\":[");
	for (size_t i = 0; i < n; i++) {
		const char *type = statement_column_type(statement, i);
		if (i > 0)
			buf_add_char(out, ',');
		json_write_string(out, type, strlen(type));
	}
	buf_add_text(out, "]}\n");
}

static int on_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	struct frames_sink *sink = context;

	(void)err;
	sink->n_columns = statement_n_columns(statement);
	sink->is_open = false;
	frames_write_columns(page, statement);
	return 0;
}

static int on_row(void *context, const struct value *values, struct buf *page, struct err *err)
{
	struct frames_sink *sink = context;

	(void)err;
	if (sink->is_open) {
		buf_add_char(page, ',');
	} else {
		if (sink->id != NULL)
			frames_line_begin(page, sink->id);
		buf_add_text(page, ",\"rows\":[");
	}
	sink->is_open = true;
	for (size_t i = 0; i < sink->n_columns; i++) {
		buf_add_char(page, i > 0 ? ',' : '[');
		add_value(page, &values[i]);
	}
	buf_add_char(page, ']');
	return 0;
}

void frames_sink_close(struct frames_sink *sink, struct buf *page)
{
	if (sink->is_open)
		buf_add_text(page, "]}\n");
	sink->is_open = false;
}

static int on_end(void *context, const struct statement *statement, int64_t n_rows,
	struct buf *page, struct err *err)
{
	(void)statement;
	(void)n_rows;
	(void)err;
	frames_sink_close(context, page);
	return 0;
}

const struct execution_sink frames_sink_ops = {
	.begin = on_begin, .row = on_row, .end = on_end, .begins_failures = true};
