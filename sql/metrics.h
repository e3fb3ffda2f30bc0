/*
 * The daemon's numbers in Prometheus' text format: which families there are,
 * what each is asked with, and how a row becomes a sample. The daemon's
 * /metrics and the client's --prometheus are the same by this file. Knows no
 * connection: rows come as cells. Pure.
 */
#ifndef SQL_METRICS_H
#define SQL_METRICS_H

#include "base/buf.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A family whose samples are rows: all columns but the last are labels named
 * like the columns, the last is the value.
 */
struct metric_family {
	const char *name, *type, *help, *sql;
};

/* NULL behind the last. */
const struct metric_family *metric_family_at(size_t i);

/* # HELP and # TYPE, in front of the family's first sample. */
void metric_add_head(struct buf *out, const struct metric_family *family, bool is_openmetrics);

/*
 * One sample; `labels` are the names of the n columns, written as labels may be: where two would
 * read the same, the second is numbered (query, query_2).
 */
void metric_add_sample(struct buf *out, const char *name, const char *const *labels,
	const struct value *row, size_t n);

#endif
