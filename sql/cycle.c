/*
 * The one place where "durable before visible, and both before anything is
 * deleted" is written down: store_commit() makes the batch durable and then
 * visible, store_sync() makes it survive a power cut, and only then may the
 * stream archive or delete what the batch has read to its end.
 */
#include "sql/cycle.h"

int cycle_run(struct stream *stream, struct store *store, size_t source, bool full_scan,
	int64_t now_us, struct cycle_outcome *outcome, struct err *err)
{
	int rc;

	*outcome = (struct cycle_outcome){.batch_id = -1};
	rc = stream_scan(stream, source, full_scan, now_us, err);
	return rc < 0 ? rc : cycle_run_unscanned(stream, store, source, now_us, outcome, err);
}

int cycle_run_unscanned(struct stream *stream, struct store *store, size_t source, int64_t now_us,
	struct cycle_outcome *outcome, struct err *err)
{
	const struct changes *changes;
	struct batch *batch;
	bool is_synced = false;
	size_t i;
	int rc;

	*outcome = (struct cycle_outcome){.batch_id = -1};
	rc = stream_batch(stream, source, now_us, &batch, err);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		outcome->is_idle = true;
		return 0;
	}
	changes = batch_changes(batch);
	rc = store_commit(store, changes, err);
	if (rc < 0) {
		batch_abandon(batch);
		return rc;
	}
	for (i = 0; i < changes->n_queries; i++) {
		const struct query_change *query = &changes->queries[i];

		if (query->totals.batch_id > outcome->batch_id)
			outcome->batch_id = query->totals.batch_id;
		/* They share the pass, so they have read the same events. */
		if (query->has_progress && query->progress.n_rows > outcome->n_events)
			outcome->n_events = query->progress.n_rows;
	}
	outcome->did_batch = true;
	outcome->n_files = changes->n_files;
	outcome->snapshot = snapshot_newest_number(store_snapshots(store));
	if (changes->needs_sync) {
		struct err sync_err = ERR_INIT;

		/* Not synced means not archived; the next batch that is may do it. */
		is_synced = store_sync(store, &sync_err) == 0;
	}
	batch_accept(batch, is_synced, now_us);
	return 0;
}
