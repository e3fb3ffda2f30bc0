/*
 * The daemon's numbers in Prometheus' text format: which families there are,
 * what each is asked with, and how a row becomes a sample. The daemon's
 * /metrics and the client's --prometheus are the same by this file. Knows no
 * connection: rows come as cells. Pure.
 */
#ifndef SQL_METRICS_H
#define SQL_METRICS_H

#include "base/buf.h"
#include "base/err.h"
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
 * Makes labels of the names of columns, each malloc'd: written as labels may be, and where two would
 * read the same, the second is numbered (query, query_2). ERR_NOMEM: some may be done.
 */
int metric_labels_spell(char **labels, size_t n, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Adds the statement behind tallyd_group_events: the sum of each group of a query over all windows.
 * A label that is empty is one that is missing, so the group without a value and the empty one are
 * one sample.
 */
void metric_add_totals_sql(struct buf *sql, const char *query, const char *const *fields, size_t n);

/* One sample of n columns; the last is the value, the others have `labels` as they were spelled. */
void metric_add_sample(struct buf *out, const char *name, const char *const *labels,
	const struct value *row, size_t n);

#endif
