/*
 * From cells, or single events, to counts: which windows, which of them are
 * closed, and whether there is room for a new row. All events of a cell lie in
 * the same windows, so a cell is treated like `count` events at its start.
 */
#include "stream/query.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* In the map from a source's groups to a query's: not looked up yet; too long for this query. */
#define MAP_UNKNOWN  UINT32_MAX
#define MAP_TOO_LONG (UINT32_MAX - 1)

/* The windows of one time, as far as they still take events. */
struct span {
	int64_t time_us;
	int64_t newest_us;    /* start of the newest window */
	int64_t min_start_us; /* windows that start before it are closed or dropped */
	bool is_late;         /* a window was refused by the watermark, or all are dropped */
};

/* A count on its way to its entry. */
struct waiting {
	int64_t start_us;
	uint64_t count;
	uint32_t group;
};

#define MAX_WAITING 32

struct fold {
	struct query *query;
	const struct cells *cells;
	uint32_t *map; /* from the cells' groups */
	struct event_value *tuple;
	struct span span;
	bool has_span;
	struct waiting waiting[MAX_WAITING]; /* while the memory brings what they need */
	size_t n_waiting;
};

static bool drops_late(const struct query *query)
{
	return query->spec->watermark_us >= 0 && query->spec->output_mode != OUTPUT_COMPLETE;
}

static void span_of(const struct query *query, int64_t time_us, struct span *span)
{
	const struct window_rule *rule = &query->rule;
	int64_t size_us = query->sessions != NULL ? query->spec->session_us : rule->size_us;
	int64_t newest_us = query->sessions != NULL ? time_us : window_newest(rule, time_us);
	int64_t oldest_us = newest_us;

	*span = (struct span){
		.time_us = time_us, .newest_us = newest_us, .min_start_us = INT64_MIN};
	if (query->sessions == NULL)
		oldest_us = newest_us -
			    (newest_us + size_us - 1 - time_us) / rule->slide_us * rule->slide_us;
	if (drops_late(query)) {
		span->min_start_us = query->totals.watermark_us - size_us + 1;
		span->is_late = oldest_us < span->min_start_us;
	}
	if (query->totals.retention_end_us != INT64_MIN) {
		int64_t min_start_us = query->totals.retention_end_us - size_us + 1;

		if (newest_us < min_start_us)
			span->is_late = true;
		if (min_start_us > span->min_start_us)
			span->min_start_us = min_start_us;
	}
}

static bool has_room(const struct query *query)
{
	return query_n_groups(query) < query->spec->max_groups;
}

static bool was_full(const struct query *query)
{
	return query->batch.n_groups_before >= query->spec->max_groups;
}

static int touch(struct query *query, uint32_t entry, bool is_new, struct err *err)
{
	struct query_batch *batch = &query->batch;
	struct state_entry *row = state_at(query->state, entry);

	if (!mem_grow(&batch->touched, &batch->touched_cap, batch->n_touched + 1,
		    sizeof(*batch->touched)))
		return err_nomem(err);
	batch->touched[batch->n_touched++] = (struct query_touch){
		.before = row->count,
		.entry = entry,
		.is_new = is_new,
	};
	row->mark = 1;
	return 0;
}

static int add_entry(
	struct query *query, uint32_t group, int64_t start_us, uint32_t *entry, struct err *err)
{
	int rc;

	if (!mem_grow(&query->batch.touched, &query->batch.touched_cap, query->batch.n_touched + 1,
		    sizeof(*query->batch.touched)))
		return err_nomem(err);
	rc = state_add(query->state, group, start_us, entry, err);
	if (rc != 0)
		return rc;
	groups_ref(query->groups, group);
	if (start_us < query->oldest_start_us)
		query->oldest_start_us = start_us;
	return touch(query, *entry, true, err);
}

/* `count` events of a group in one window: counted, or *is_refused, or QUERY_OVER. */
static int fold_window(struct query *query, uint32_t group, int64_t start_us, uint64_t count,
	bool *is_refused, struct err *err)
{
	uint32_t entry = state_find(query->state, group, start_us);
	int rc = 0;

	if (entry == STATE_NONE) {
		if (!has_room(query)) {
			*is_refused = true;
			/* Where there was no room from the start, all new rows are refused, in any
			 * order. */
			return query->batch.in_order || was_full(query) ? 0 : QUERY_OVER;
		}
		rc = add_entry(query, group, start_us, &entry, err);
	} else if (state_at(query->state, entry)->mark == 0) {
		rc = touch(query, entry, false, err);
	}
	if (rc == 0)
		state_at(query->state, entry)->count += count;
	return rc;
}

static int fold_session(struct query *query, const struct span *span, uint32_t group,
	uint64_t count, struct err *err)
{
	struct query_batch *batch = &query->batch;
	struct session_point point = {.time_us = span->time_us, .count = count};

	if (batch->in_order) {
		if (!has_room(query) &&
			sessions_would_open(query->sessions, group, span->time_us)) {
			batch->n_refused += (int64_t)count;
			return 0;
		}
		return sessions_add(query->sessions, group, &point, 1, err);
	}
	if (!mem_grow(&batch->points, &batch->points_cap, batch->n_points + 1,
		    sizeof(*batch->points)))
		return err_nomem(err);
	batch->points[batch->n_points++] = (struct query_point){.point = point, .group = group};
	return 0;
}

static int fold_span(struct query *query, const struct span *span, uint32_t group, uint64_t count,
	struct err *err)
{
	struct query_batch *batch = &query->batch;
	bool is_refused = false;

	if (span->is_late)
		batch->n_late += (int64_t)count;
	if (query->sessions != NULL) {
		if (span->newest_us < span->min_start_us)
			return 0;
		return fold_session(query, span, group, count, err);
	}
	for (int64_t start = span->newest_us;
		start >= span->min_start_us && window_contains(&query->rule, start, span->time_us);
		start -= query->rule.slide_us) {
		int rc = fold_window(query, group, start, count, &is_refused, err);

		if (rc != 0)
			return rc;
	}
	if (is_refused)
		batch->n_refused += (int64_t)count;
	return 0;
}

static int fold_waiting(struct fold *fold, struct err *err)
{
	struct query *query = fold->query;
	bool is_refused = false;
	int rc = 0;

	for (size_t i = 0; i < fold->n_waiting; i++)
		state_prefetch_entry(
			query->state, fold->waiting[i].group, fold->waiting[i].start_us);
	for (size_t i = 0; rc == 0 && i < fold->n_waiting; i++)
		rc = fold_window(query, fold->waiting[i].group, fold->waiting[i].start_us,
			fold->waiting[i].count, &is_refused, err);
	fold->n_waiting = 0;
	return rc;
}

/*
 * As fold_span() for fixed windows that had room when the batch began, where no
 * event is refused: either all find room, or the fold ends with QUERY_OVER. A
 * large state is bound by the way to memory, so lookups go in flocks.
 */
static int fold_later(struct fold *fold, uint32_t group, uint64_t count, struct err *err)
{
	const struct window_rule *rule = &fold->query->rule;
	const struct span *span = &fold->span;
	int rc = 0;

	if (span->is_late)
		fold->query->batch.n_late += (int64_t)count;
	for (int64_t start = span->newest_us; rc == 0 && start >= span->min_start_us &&
					      window_contains(rule, start, span->time_us);
		start -= rule->slide_us) {
		state_prefetch_place(fold->query->state, group, start);
		fold->waiting[fold->n_waiting++] =
			(struct waiting){.start_us = start, .count = count, .group = group};
		if (fold->n_waiting == MAX_WAITING)
			rc = fold_waiting(fold, err);
	}
	return rc;
}

/* The query's number of a tuple of the source's union. */
static int translate(struct query *query, const struct event_value *values,
	struct event_value *tuple, uint32_t *group, struct err *err)
{
	for (size_t i = 0; i < query->spec->n_group_by; i++) {
		tuple[i] = values[query->fields[i]];
		if (tuple[i].kind == EVENT_VALUE_TOO_LONG) {
			*group = MAP_TOO_LONG;
			return 0;
		}
	}
	return groups_intern(query->groups, tuple, group, err);
}

static int on_cell(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err)
{
	struct fold *fold = context;
	struct query *query = fold->query;
	int rc;

	if (fold->map[group] == MAP_UNKNOWN) {
		rc = translate(query, cells_group_values(fold->cells, group), fold->tuple,
			&fold->map[group], err);
		if (rc != 0)
			return rc;
	}
	if (fold->map[group] == MAP_TOO_LONG) {
		query->batch.n_too_long += (int64_t)count;
		return 0;
	}
	if (!fold->has_span || fold->span.time_us != bucket_start_us) {
		span_of(query, bucket_start_us, &fold->span);
		fold->has_span = true;
	}
	query->batch.n_events += (int64_t)count;
	if (query->state != NULL && !was_full(query))
		return fold_later(fold, fold->map[group], count, err);
	return fold_span(query, &fold->span, fold->map[group], count, err);
}

static void see_time(struct query_batch *batch, int64_t time_us)
{
	if (time_us > batch->max_time_us)
		batch->max_time_us = time_us;
	if (time_us < batch->min_time_us)
		batch->min_time_us = time_us;
}

static int on_closed(void *context, uint32_t group, const struct session *session, struct err *err)
{
	struct query *query = context;
	struct query_row row = {
		.start_us = session->start_us,
		.end_us = session->end_us,
		.count = session->count,
		.group = group,
		.is_new = true,
	};

	return query_rows_add(&query->batch.table, &row, err);
}

void query_forget_times(struct query *query)
{
	query->batch.min_time_us = INT64_MAX;
	query->batch.max_time_us = INT64_MIN;
}

int query_begin(struct query *query, bool in_order, struct err *err)
{
	struct query_batch *batch = &query->batch;

	assert(!batch->is_open);
	batch->is_open = true;
	batch->in_order = in_order;
	batch->n_groups_before = query_n_groups(query);
	batch->next = query->totals;
	query_forget_times(query);
	if (query->sessions == NULL || query->spec->output_mode != OUTPUT_APPEND)
		return 0;
	/* Before anything is folded: what the watermark has closed joins no new event. */
	return sessions_close(query->sessions, query->totals.watermark_us, on_closed, query, err);
}

int query_fold_cells(struct query *query, const struct cells *cells, struct err *err)
{
	struct fold fold = {.query = query, .cells = cells};
	size_t n_groups = cells_n_groups(cells);
	int64_t n_before = query->batch.n_events;
	int rc;

	assert(query->batch.is_open && !query->batch.in_order);
	if (cells_events(cells) == 0)
		return 0;
	fold.map = malloc(n_groups * sizeof(*fold.map));
	fold.tuple = mem_new_array(query->spec->n_group_by, sizeof(*fold.tuple));
	if (fold.map == NULL || fold.tuple == NULL) {
		rc = err_nomem(err);
		goto out;
	}
	memset(fold.map, 0xff, n_groups * sizeof(*fold.map));
	rc = cells_each(cells, on_cell, &fold, err);
	if (rc == 0)
		rc = fold_waiting(&fold, err);
	if (query->batch.n_events > n_before) {
		see_time(&query->batch, cells_max_time_us(cells));
		see_time(&query->batch, cells_min_time_us(cells));
	}
out:
	free(fold.map);
	free(fold.tuple);
	return rc;
}

int query_fold_event(
	struct query *query, int64_t time_us, const struct event_value *values, struct err *err)
{
	struct event_value *tuple;
	struct span span;
	uint32_t group;
	int rc;

	assert(query->batch.is_open && query->batch.in_order);
	tuple = mem_new_array(query->spec->n_group_by, sizeof(*tuple));
	if (tuple == NULL)
		return err_nomem(err);
	rc = translate(query, values, tuple, &group, err);
	free(tuple);
	if (rc != 0)
		return rc;
	if (group == MAP_TOO_LONG) {
		query->batch.n_too_long++;
		return 0;
	}
	query->batch.n_events++;
	see_time(&query->batch, time_us);
	span_of(query, time_us, &span);
	return fold_span(query, &span, group, 1, err);
}

bool query_is_too_long(const struct query *query, const struct event_value *values)
{
	for (size_t i = 0; i < query->spec->n_group_by; i++) {
		if (values[query->fields[i]].kind == EVENT_VALUE_TOO_LONG)
			return true;
	}
	return false;
}

void query_see_event(struct query *query, int64_t time_us, const struct event_value *values)
{
	if (!query_is_too_long(query, values))
		see_time(&query->batch, time_us);
}

static int by_group_and_time(const void *a, const void *b)
{
	const struct query_point *one = a;
	const struct query_point *two = b;

	if (one->group != two->group)
		return one->group < two->group ? -1 : 1;
	if (one->point.time_us != two->point.time_us)
		return one->point.time_us < two->point.time_us ? -1 : 1;
	return 0;
}

int query_fold_end(struct query *query, struct err *err)
{
	struct query_batch *batch = &query->batch;
	struct session_point *run;
	size_t at = 0;
	int rc = 0;

	if (batch->n_points == 0)
		return 0;
	run = malloc(batch->n_points * sizeof(*run));
	if (run == NULL)
		return err_nomem(err);
	qsort(batch->points, batch->n_points, sizeof(*batch->points), by_group_and_time);
	while (rc == 0 && at < batch->n_points) {
		uint32_t group = batch->points[at].group;
		size_t n = 0;

		for (; at < batch->n_points && batch->points[at].group == group; at++)
			run[n++] = batch->points[at].point;
		rc = sessions_add(query->sessions, group, run, n, err);
	}
	free(run);
	batch->n_points = 0;
	if (rc == 0 && query_n_groups(query) > query->spec->max_groups &&
		query_n_groups(query) > batch->n_groups_before)
		return QUERY_OVER;
	return rc;
}
