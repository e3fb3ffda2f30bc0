/*
 * Rows as the body of an HTTP answer: JSON, CSV, lines of JSON, or samples of a
 * metric. Called on whatever thread steps the statement.
 */
#ifndef DAEMON_HTTP_SINK_H
#define DAEMON_HTTP_SINK_H

#include "daemon/execution.h"
#include "sql/metrics.h"

#include <stdbool.h>
#include <stddef.h>

enum http_format { HTTP_JSON, HTTP_CSV, HTTP_NDJSON, HTTP_METRIC };

struct http_sink {
	enum http_format format;
	const struct metric_family *family; /* HTTP_METRIC */
	bool is_openmetrics;
	bool omits_head; /* HTTP_METRIC: the family's head was written with the statement before */
	bool has_head;   /* HTTP_METRIC: it was written since somebody set this to false */
	bool has_rows;
	size_t n_columns;
	char **names; /* owned: the statement is not there for every row; HTTP_METRIC: as labels */
};

extern const struct execution_sink http_sink_ops; /* its context is a struct http_sink */

/* Forgets the last result; the format stays. */
void http_sink_reset(struct http_sink *sink);

#endif
