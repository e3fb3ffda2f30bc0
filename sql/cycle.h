/*
 * One turn of the engine, from the directory to the snapshot, in sequence:
 * scan, batch, checkpoint (durable), mirror (visible), accept. Straight-line
 * and blocking: the daemon runs it on a pool thread, `--available-now` on the
 * main one, tests wherever they like.
 */
#ifndef SQL_CYCLE_H
#define SQL_CYCLE_H

#include "base/err.h"
#include "sql/store.h"
#include "stream/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct cycle_outcome {
	bool did_batch;     /* a batch was published */
	bool is_idle;       /* nothing was pending */
	int64_t batch_id;   /* of the last published batch */
	int64_t n_events;
	size_t n_files;     /* whose rows were written */
	uint64_t snapshot;  /* number of the published snapshot */
};

/*
 * Scans (fully or by notices) and runs at most one batch of `source`. A failure
 * has changed nothing and may be retried.
 */
int cycle_run(struct stream *stream, struct store *store, size_t source, bool full_scan,
	int64_t now_us, struct cycle_outcome *outcome, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The same without looking at the directory. Where a query has just been
 * started or stopped, that is the batch, and nothing is read.
 */
int cycle_run_unscanned(struct stream *stream, struct store *store, size_t source, int64_t now_us,
	struct cycle_outcome *outcome, struct err *err) __attribute__((warn_unused_result));

#endif
