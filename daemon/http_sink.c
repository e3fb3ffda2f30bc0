/* The forms of an answer. JSON is one object, so that a browser takes it in one go. */
#include "daemon/http_sink.h"

#include "base/csv.h"
#include "base/json_write.h"
#include "base/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void http_sink_reset(struct http_sink *sink)
{
	for (size_t i = 0; i < sink->n_columns && sink->names != NULL; i++)
		free(sink->names[i]);
	free((void *)sink->names);
	sink->names = NULL;
	sink->n_columns = 0;
	sink->has_rows = false;
}

static int take_names(struct http_sink *sink, const struct statement *statement, struct err *err)
{
	size_t n = statement_n_columns(statement);

	http_sink_reset(sink);
	sink->names = calloc(n > 0 ? n : 1, sizeof(*sink->names));
	if (sink->names == NULL)
		return err_nomem(err);
	sink->n_columns = n;
	for (size_t i = 0; i < n; i++) {
		sink->names[i] = strdup(statement_column_name(statement, i));
		if (sink->names[i] == NULL)
			return err_nomem(err);
	}
	return sink->format == HTTP_METRIC ? metric_labels_spell(sink->names, n, err) : 0;
}

static void add_json(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: buf_add_text(out, "null"); break;
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL:
		if (isfinite(value->real))
			json_write_double(out, value->real);
		else
			buf_add_text(out, "null");
		break;
	case VALUE_TEXT: json_write_string(out, value->data, value->len); break;
	case VALUE_BLOB: json_write_blob(out, value->data, value->len); break;
	}
}

static void add_csv(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: break;
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL:
		if (isfinite(value->real))
			json_write_double(out, value->real);
		else
			buf_add_text(out, value->real > 0 ? "Infinity" : "-Infinity");
		break;
	default: csv_add_cell(out, value->data, value->len); break;
	}
}

static int on_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	struct http_sink *sink = context;
	int rc = take_names(sink, statement, err);

	for (size_t i = 0; rc == 0 && i < sink->n_columns; i++) {
		if (sink->format == HTTP_JSON) {
			buf_add_text(page, i == 0 ? "{\"columns\":[" : ",");
			json_write_string(page, sink->names[i], strlen(sink->names[i]));
		} else if (sink->format == HTTP_CSV) {
			if (i > 0)
				buf_add_char(page, ',');
			csv_add_cell(page, sink->names[i], strlen(sink->names[i]));
		}
	}
	if (sink->format == HTTP_JSON)
		buf_add_text(
			page, sink->n_columns == 0 ? "{\"columns\":[],\"rows\":[" : "],\"rows\":[");
	else if (sink->format == HTTP_CSV && sink->n_columns > 0)
		buf_add_text(page, "\r\n");
	return rc;
}

static void add_object(const struct http_sink *sink, const struct value *values, struct buf *page)
{
	buf_add_char(page, '{');
	for (size_t i = 0; i < sink->n_columns; i++) {
		if (i > 0)
			buf_add_char(page, ',');
		json_write_string(page, sink->names[i], strlen(sink->names[i]));
		buf_add_char(page, ':');
		add_json(page, &values[i]);
	}
	buf_add_text(page, "}\n");
}

static int on_row(void *context, const struct value *values, struct buf *page, struct err *err)
{
	struct http_sink *sink = context;

	(void)err;
	if (sink->format == HTTP_METRIC) {
		if (!sink->has_rows && !sink->omits_head)
			metric_add_head(page, sink->family, sink->is_openmetrics);
		sink->has_head = true;
		metric_add_sample(page, sink->family->name, (const char *const *)sink->names,
			values, sink->n_columns);
	} else if (sink->format == HTTP_NDJSON) {
		add_object(sink, values, page);
	} else {
		bool is_json = sink->format == HTTP_JSON;

		if (is_json)
			buf_add_text(page, sink->has_rows ? ",\n[" : "[");
		for (size_t i = 0; i < sink->n_columns; i++) {
			if (i > 0)
				buf_add_char(page, ',');
			if (is_json)
				add_json(page, &values[i]);
			else
				add_csv(page, &values[i]);
		}
		buf_add_text(page, is_json ? "]" : "\r\n");
	}
	sink->has_rows = true;
	return 0;
}

static int on_end(void *context, const struct statement *statement, int64_t n_rows,
	struct buf *page, struct err *err)
{
	const struct http_sink *sink = context;

	(void)n_rows;
	(void)err;
	if (sink->format == HTTP_JSON)
		buf_printf(page, "],\"snapshot\":%llu}\n",
			(unsigned long long)statement_snapshot(statement));
	return 0;
}

const struct execution_sink http_sink_ops = {.begin = on_begin, .row = on_row, .end = on_end};
