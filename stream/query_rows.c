/*
 * The end of a batch: the watermark and the horizon of retention move, and
 * what they and the fold changed becomes rows, sorted by key.
 *
 *   mode      touched              closed by the watermark        dropped by retention
 *   complete  row                  -                              row goes
 *   update    row                  leaves the state, row stays    row goes
 *   append    row of the open      row appears, open one goes     row, open or shown, goes
 *
 * The watermark that shows append's rows is the one the batch began with; the
 * one that closes update's is the one it leaves, because the next batch
 * refuses by it.
 */
#include "stream/query.h"

#include "base/mem.h"
#include "stream/watermark.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int query_rows_add(struct query_rows *rows, const struct query_row *row, struct err *err)
{
	if (!mem_grow(&rows->rows, &rows->cap, rows->n + 1, sizeof(*rows->rows)))
		return err_nomem(err);
	rows->rows[rows->n++] = *row;
	return 0;
}

static struct query_rows *state_rows(struct query *query)
{
	return query->spec->output_mode == OUTPUT_APPEND ? &query->batch.open : &query->batch.table;
}

static struct query_row row_of(const struct query *query, const struct state_entry *entry)
{
	return (struct query_row){
		.start_us = entry->start_us,
		.end_us = entry->start_us + query->rule.size_us,
		.count = entry->count,
		.group = entry->group,
	};
}

static int add_touched(struct query *query, struct err *err)
{
	struct query_batch *batch = &query->batch;
	struct query_rows *rows = state_rows(query);

	if (!mem_grow(&rows->rows, &rows->cap, rows->n + batch->n_touched, sizeof(*rows->rows)))
		return err_nomem(err);
	for (size_t i = 0; i < batch->n_touched; i++) {
		const struct query_touch *touch = &batch->touched[i];
		struct query_row row = row_of(query, state_at(query->state, touch->entry));

		row.is_new = touch->is_new;
		if (row.end_us <= batch->next.retention_end_us) {
			if (row.is_new)
				continue;
			row.count = 0;
		}
		rows->rows[rows->n++] = row;
		batch->n_updated++;
	}
	return 0;
}

/* An untouched entry that is dropped by retention, or closed by the watermark. */
static int add_leaving(
	struct query *query, const struct state_entry *entry, bool is_dropped, struct err *err)
{
	struct query_row row = row_of(query, entry);

	if (query->spec->output_mode == OUTPUT_APPEND && !is_dropped) {
		int rc;

		row.is_new = true;
		rc = query_rows_add(&query->batch.table, &row, err);
		if (rc != 0)
			return rc;
		row.is_new = false;
	} else if (!is_dropped) {
		return 0;
	}
	row.count = 0;
	return query_rows_add(state_rows(query), &row, err);
}

/* Windows that end at or before it leave the state for the watermark's sake; INT64_MIN: none. */
static int64_t closing_end(const struct query *query)
{
	if (query->spec->watermark_us < 0)
		return INT64_MIN;
	switch (query->spec->output_mode) {
	case OUTPUT_APPEND: return query->totals.watermark_us;
	case OUTPUT_UPDATE: return query->batch.next.watermark_us;
	case OUTPUT_COMPLETE: break;
	}
	return INT64_MIN;
}

static int close_entries(struct query *query, struct err *err)
{
	struct query_batch *batch = &query->batch;
	int64_t dropped_us = batch->next.retention_end_us;
	int64_t end_us = closing_end(query) > dropped_us ? closing_end(query) : dropped_us;
	int64_t oldest_us = INT64_MAX;
	uint32_t end = state_end(query->state);

	if (end_us == INT64_MIN || query->oldest_start_us > end_us - query->rule.size_us)
		return 0;
	for (uint32_t i = 0; i < end; i++) {
		const struct state_entry *entry = state_at(query->state, i);
		int rc = 0;

		if (entry->group == STATE_NONE)
			continue;
		if (entry->start_us + query->rule.size_us > end_us) {
			if (entry->start_us < oldest_us)
				oldest_us = entry->start_us;
			continue;
		}
		if (!mem_grow(&batch->leaving, &batch->leaving_cap, batch->n_leaving + 1,
			    sizeof(*batch->leaving)))
			return err_nomem(err);
		batch->leaving[batch->n_leaving++] = i;
		if (entry->mark == 0)
			rc = add_leaving(query, entry,
				entry->start_us + query->rule.size_us <= dropped_us, err);
		if (rc != 0)
			return rc;
	}
	/* Only accept takes them out: until then the oldest is still among them. */
	batch->oldest_start_us = oldest_us;
	batch->n_removed = (int64_t)batch->n_leaving;
	return shown_reserve(&query->shown, batch->n_leaving, err);
}

static int on_session(void *context, uint32_t group, const struct session *before,
	const struct session *after, struct err *err)
{
	struct query *query = context;
	const struct session *there = after->count > 0 ? after : before;
	struct query_row row = {
		.start_us = there->start_us,
		.end_us = there->end_us,
		.count = after->count,
		.group = group,
		.is_new = before->count == 0,
	};

	if (after->count > 0)
		query->batch.n_updated++;
	else
		query->batch.n_removed++;
	return query_rows_add(state_rows(query), &row, err);
}

static int close_sessions(struct query *query, struct err *err)
{
	struct query_batch *batch = &query->batch;
	struct query_rows *rows = &batch->table;
	size_t n = 0;
	int rc = sessions_close(query->sessions, batch->next.retention_end_us, NULL, NULL, err);

	if (rc != 0)
		return rc;
	/* Rows that append shows in this very batch may be older than retention allows. */
	for (size_t i = 0; i < rows->n; i++) {
		if (rows->rows[i].end_us > batch->next.retention_end_us)
			rows->rows[n++] = rows->rows[i];
	}
	rows->n = n;
	rc = shown_reserve(&query->shown, n, err);
	return rc != 0 ? rc : sessions_each_change(query->sessions, on_session, query, err);
}

static int on_shown(void *context, const struct shown_row *shown, struct err *err)
{
	struct query *query = context;
	struct query_row row = {
		.start_us = shown->start_us, .end_us = shown->end_us, .group = shown->group};

	return query_rows_add(&query->batch.table, &row, err);
}

static void give_progress(struct query *query, struct query_change *change)
{
	const struct query_batch *batch = &query->batch;
	struct progress *progress = &change->progress;
	bool has_events = batch->n_events > 0;

	progress->batch_id = batch->next.batch_id;
	progress->n_rows = batch->n_events;
	progress->n_groups = batch->next.n_groups;
	progress->n_groups_updated = batch->n_updated;
	progress->n_groups_removed = batch->n_removed;
	progress->n_late = batch->n_late;
	progress->watermark_us = batch->next.watermark_us;
	progress->max_time_us = has_events ? batch->max_time_us : INT64_MIN;
	progress->min_time_us = has_events ? batch->min_time_us : INT64_MIN;
	progress->state_bytes = (int64_t)query_state_bytes(query);
}

static void advance(struct query *query)
{
	struct query_batch *batch = &query->batch;
	struct query_totals *next = &batch->next;

	next->batch_id++;
	next->n_events += batch->n_events;
	next->n_rejects += batch->n_too_long;
	next->n_late += batch->n_late;
	next->n_refused += batch->n_refused;
	if (batch->n_events > 0 && batch->max_time_us > next->max_time_us)
		next->max_time_us = batch->max_time_us;
	next->watermark_us =
		watermark_next(next->watermark_us, next->max_time_us, query->spec->watermark_us);
	next->retention_end_us = retention_next(
		next->retention_end_us, next->max_time_us, query->spec->retention_us);
}

/*
 * The ordered changes stand for the rows now. Those of a large batch leave
 * their memory to the store, which needs most while it applies them; sessions
 * look at theirs once more when the batch is accepted.
 */
static void give_back_rows(struct query *query)
{
	struct query_batch *batch = &query->batch;

	if (query->sessions != NULL ||
		(batch->table.cap <= QUERY_KEPT_ROWS && batch->open.cap <= QUERY_KEPT_ROWS))
		return;
	free(batch->table.rows);
	free(batch->open.rows);
	batch->table = batch->open = (struct query_rows){0};
}

int query_finish(struct query *query, struct query_change *change, struct err *err)
{
	struct query_batch *batch = &query->batch;
	int rc;

	assert(batch->is_open && batch->n_points == 0);
	advance(query);
	if (query->sessions != NULL) {
		rc = close_sessions(query, err);
	} else {
		rc = add_touched(query, err);
		if (rc == 0)
			rc = close_entries(query, err);
	}
	if (rc == 0)
		rc = shown_each(&query->shown, batch->next.retention_end_us, on_shown, query, err);
	if (rc != 0)
		return rc;
	batch->changes = mem_new_array(batch->table.n + batch->open.n, sizeof(*batch->changes));
	if (batch->changes == NULL)
		return err_nomem(err);
	rc = query_order_rows(query, &batch->table, batch->changes, err);
	if (rc == 0)
		rc = query_order_rows(query, &batch->open, batch->changes + batch->table.n, err);
	if (rc != 0)
		return rc;
	batch->next.n_groups = query_n_groups(query) - (int64_t)batch->n_leaving;
	change->rows = batch->changes;
	change->n_rows = batch->table.n;
	change->open_rows = batch->changes + batch->table.n;
	change->n_open_rows = batch->open.n;
	give_back_rows(query);
	change->totals = batch->next;
	change->has_progress = true;
	change->is_rebuilt = !query->is_restored;
	give_progress(query, change);
	return 0;
}
