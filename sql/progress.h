/*
 * One batch of a query told as Spark tells it: StreamingQueryProgress, key for
 * key, with the values that apply here. Pure; any thread.
 */
#ifndef SQL_PROGRESS_H
#define SQL_PROGRESS_H

#include "base/buf.h"
#include "sql/catalog.h"
#include "stream/changes.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Rows a second since the trigger before, to one decimal as Spark rounds.
 * False: there was none before.
 */
bool progress_input_rate(const struct progress *progress, double *rate);
/* Rows a second of the trigger's own time. */
double progress_processed_rate(const struct progress *progress, int64_t trigger_us);

/*
 * Appends the document. `query` is an index into the catalog's spec; `store_us`
 * is what applying the changes took, which `progress` does not know.
 */
void progress_write_json(struct buf *buf, const struct catalog *catalog, size_t query,
	const struct progress *progress, int64_t store_us);

#endif
