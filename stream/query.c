/*
 * A query between batches: made, restored from the checkpoint, and a finished
 * batch accepted or taken back. The fold stands in query_fold.c, the rows that
 * go out in query_rows.c.
 */
#include "stream/query.h"

#include "base/mem.h"
#include "stream/watermark.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static size_t *copy_fields(const struct query_spec *spec, const size_t *fields)
{
	size_t *copy = mem_new_array(spec->n_group_by, sizeof(*copy));

	if (copy != NULL && spec->n_group_by > 0)
		memcpy(copy, fields, spec->n_group_by * sizeof(*copy));
	return copy;
}

static const struct query_totals fresh_totals = {
	.batch_id = -1,
	.prefix_id = -1,
	.watermark_us = WATERMARK_START_US,
	.max_time_us = INT64_MIN,
	.retention_end_us = INT64_MIN,
	.state = QUERY_INITIALIZING,
};

struct query *query_new(const struct query_spec *spec, const size_t *fields)
{
	struct query *query = calloc(1, sizeof(*query));

	if (query == NULL)
		return NULL;
	query->spec = spec;
	query->totals = fresh_totals;
	query->oldest_start_us = INT64_MAX;
	query->last_trigger_us = INT64_MIN;
	query->fields = copy_fields(spec, fields);
	query->groups = groups_new(spec->n_group_by);
	if (spec->session_us > 0) {
		query->sessions = sessions_new(spec->session_us);
	} else {
		query->rule = window_rule_of(spec);
		query->state = state_new();
	}
	if (query->fields == NULL || query->groups == NULL ||
		(query->sessions == NULL && query->state == NULL)) {
		query_free(query);
		return NULL;
	}
	return query;
}

static void batch_fini(struct query_batch *batch)
{
	free(batch->touched);
	free(batch->leaving);
	free(batch->points);
	free(batch->table.rows);
	free(batch->open.rows);
	free(batch->changes);
}

void query_free(struct query *query)
{
	if (query == NULL)
		return;
	batch_fini(&query->batch);
	shown_fini(&query->shown);
	sessions_free(query->sessions);
	state_free(query->state);
	groups_free(query->groups);
	free(query->exception);
	free(query->message);
	free(query->fields);
	free(query);
}

void query_set_spec(struct query *query, const struct query_spec *spec, size_t *fields)
{
	assert(!query->batch.is_open && spec->n_group_by == query->spec->n_group_by);
	free(query->fields);
	query->fields = fields;
	query->spec = spec;
}

/* Each row is there once, by its key in the checkpoint: nobody has to look for it first. */
static int restore_entry(
	struct query *query, uint32_t group, int64_t start_us, uint64_t count, struct err *err)
{
	uint32_t entry;
	int rc = state_add(query->state, group, start_us, &entry, err);

	if (rc != 0)
		return rc;
	groups_ref(query->groups, group);
	state_at(query->state, entry)->count = count;
	if (start_us < query->oldest_start_us)
		query->oldest_start_us = start_us;
	return 0;
}

static int restore_session(struct query *query, uint32_t group, int64_t start_us, int64_t end_us,
	uint64_t count, struct err *err)
{
	struct session session = {.start_us = start_us, .end_us = end_us, .count = count};
	int rc = sessions_restore(query->sessions, group, &session, err);

	if (rc == 0)
		groups_ref(query->groups, group);
	return rc;
}

/* A closed row matters only to retention. */
static int restore_shown(
	struct query *query, uint32_t group, int64_t start_us, int64_t end_us, struct err *err)
{
	struct shown_row row = {.start_us = start_us, .end_us = end_us, .group = group};
	int rc = shown_reserve(&query->shown, 1, err);

	if (rc != 0)
		return rc;
	shown_add(&query->shown, &row);
	groups_ref(query->groups, group);
	return 0;
}

/* Whether a row of the checkpoint is still part of the state, and not only of the table. */
static bool is_in_state(const struct query *query, int64_t end_us, bool is_open)
{
	switch (query->spec->output_mode) {
	case OUTPUT_APPEND: return is_open;
	case OUTPUT_UPDATE:
		return query->spec->watermark_us < 0 || end_us > query->totals.watermark_us;
	case OUTPUT_COMPLETE: break;
	}
	return true;
}

void query_reserve(struct query *query, int64_t n_groups)
{
	if (query->sessions == NULL && n_groups > 0 && n_groups <= query->spec->max_groups)
		state_reserve(query->state, (size_t)n_groups);
}

int query_restore_row(struct query *query, const struct event_value *values, int64_t start_us,
	int64_t end_us, uint64_t count, bool is_open, struct err *err)
{
	bool in_state = is_in_state(query, end_us, is_open);
	uint32_t group;
	int rc;

	assert(!query->batch.is_open);
	if (!in_state && query->spec->retention_us < 0)
		return 0;
	rc = groups_intern(query->groups, values, &group, err);
	if (rc != 0)
		return rc;
	if (!in_state)
		return restore_shown(query, group, start_us, end_us, err);
	if (query->sessions != NULL)
		return restore_session(query, group, start_us, end_us, count, err);
	return restore_entry(query, group, start_us, count, err);
}

int64_t query_n_groups(const struct query *query)
{
	if (query->sessions != NULL)
		return (int64_t)sessions_count(query->sessions);
	return state_count(query->state);
}

size_t query_state_bytes(const struct query *query)
{
	size_t bytes = groups_bytes(query->groups) + query->shown.cap * sizeof(struct shown_row);

	if (query->sessions != NULL)
		return bytes + sessions_bytes(query->sessions);
	return bytes + state_bytes(query->state);
}

static bool state_has_closed(struct query *query, int64_t end_us)
{
	int64_t oldest = INT64_MAX;
	uint32_t end = state_end(query->state);

	if (query->oldest_start_us > end_us - query->rule.size_us)
		return false;
	for (uint32_t i = 0; i < end; i++) {
		const struct state_entry *entry = state_at(query->state, i);

		if (entry->group != STATE_NONE && entry->start_us < oldest)
			oldest = entry->start_us;
	}
	query->oldest_start_us = oldest;
	return oldest <= end_us - query->rule.size_us;
}

bool query_has_closed(struct query *query)
{
	if (query->spec->output_mode != OUTPUT_APPEND)
		return false;
	if (query->sessions != NULL)
		return sessions_has_closed(query->sessions, query->totals.watermark_us);
	return state_has_closed(query, query->totals.watermark_us);
}

/* Ready for the next batch; what a large batch needed goes back to the allocator. */
static void batch_clear(struct query_batch *batch)
{
	static const size_t keep = QUERY_KEPT_ROWS;
	struct query_batch empty = {0};

	if (batch->touched_cap <= keep && batch->points_cap <= keep && batch->table.cap <= keep &&
		batch->open.cap <= keep && batch->leaving_cap <= keep) {
		empty.touched = batch->touched;
		empty.touched_cap = batch->touched_cap;
		empty.leaving = batch->leaving;
		empty.leaving_cap = batch->leaving_cap;
		empty.points = batch->points;
		empty.points_cap = batch->points_cap;
		empty.table =
			(struct query_rows){.rows = batch->table.rows, .cap = batch->table.cap};
		empty.open = (struct query_rows){.rows = batch->open.rows, .cap = batch->open.cap};
		free(batch->changes);
	} else {
		batch_fini(batch);
	}
	*batch = empty;
}

/* A closed entry leaves the state; its row stays in the table, where only retention reaches it. */
static void leave(struct query *query, uint32_t entry)
{
	const struct state_entry *gone = state_at(query->state, entry);
	struct shown_row row = {
		.start_us = gone->start_us,
		.end_us = gone->start_us + query->rule.size_us,
		.group = gone->group,
	};

	if (query->spec->retention_us >= 0 && query->spec->output_mode != OUTPUT_COMPLETE &&
		row.end_us > query->totals.retention_end_us)
		shown_add(&query->shown, &row);
	else
		groups_unref(query->groups, gone->group);
	state_remove(query->state, entry);
}

static int count_session(void *context, uint32_t group, const struct session *before,
	const struct session *after, struct err *err)
{
	struct query *query = context;

	(void)err;
	if (before->count == 0)
		groups_ref(query->groups, group);
	if (after->count == 0)
		groups_unref(query->groups, group);
	return 0;
}

static void accept_sessions(struct query *query)
{
	const struct query_rows *rows = &query->batch.table;
	struct err ignored = ERR_INIT;
	int rc;

	if (query->spec->output_mode == OUTPUT_APPEND && query->spec->retention_us >= 0) {
		for (size_t i = 0; i < rows->n; i++) {
			struct shown_row row = {
				.start_us = rows->rows[i].start_us,
				.end_us = rows->rows[i].end_us,
				.group = rows->rows[i].group,
			};

			if (rows->rows[i].count == 0)
				continue;
			groups_ref(query->groups, row.group);
			shown_add(&query->shown, &row);
		}
	}
	rc = sessions_each_change(query->sessions, count_session, query, &ignored);
	assert(rc == 0);
	sessions_accept(query->sessions);
}

void query_accept(struct query *query)
{
	struct query_batch *batch = &query->batch;
	struct shown_row row;

	assert(batch->is_open);
	while (shown_pop(&query->shown, batch->next.retention_end_us, &row))
		groups_unref(query->groups, row.group);
	query->totals = batch->next;
	query->is_restored = true;
	if (query->sessions != NULL) {
		accept_sessions(query);
	} else {
		for (size_t i = 0; i < batch->n_touched; i++)
			state_at(query->state, batch->touched[i].entry)->mark = 0;
		for (size_t i = 0; i < batch->n_leaving; i++)
			leave(query, batch->leaving[i]);
		if (batch->n_leaving > 0)
			query->oldest_start_us = batch->oldest_start_us;
	}
	groups_settle(query->groups);
	batch_clear(batch);
}

void query_abandon(struct query *query)
{
	struct query_batch *batch = &query->batch;

	if (!batch->is_open)
		return;
	for (size_t i = batch->n_touched; i-- > 0;) {
		const struct query_touch *touch = &batch->touched[i];
		struct state_entry *entry = state_at(query->state, touch->entry);

		if (!touch->is_new) {
			entry->count = touch->before;
			entry->mark = 0;
			continue;
		}
		groups_unref(query->groups, entry->group);
		state_remove(query->state, touch->entry);
	}
	if (query->sessions != NULL)
		sessions_abandon(query->sessions);
	groups_settle(query->groups);
	batch_clear(batch);
}
