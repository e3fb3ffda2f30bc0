/*
 * One continuous query: its state, and how a batch's cells change it.
 *
 * A batch is begun, folded into, finished, and then accepted or abandoned.
 * Folding changes the state in place and remembers what stood there, so
 * abandoning brings back exactly what was, and the same bytes give the same
 * numbers again. What was late, refused, closed by the watermark or dropped by
 * retention is decided here and nowhere else. Knows no files and no threads.
 *
 * The life of a batch:
 *
 *   query_begin → query_fold_cells… → query_fold_end ─┐
 *        │  or query_fold_event… → query_fold_end ────┴→ query_finish → query_accept
 *        └──────────── query_abandon from anywhere ──────────┘
 *
 * One thread at a time.
 */
#ifndef STREAM_QUERY_H
#define STREAM_QUERY_H

#include "base/err.h"
#include "stream/cells.h"
#include "stream/changes.h"
#include "stream/groups.h"
#include "stream/session.h"
#include "stream/shown.h"
#include "stream/spec.h"
#include "stream/state.h"
#include "stream/window.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Returned by folds: max_groups would be passed, and which groups are the first
 * only the order of events tells.
 */
#define QUERY_OVER 1

/* Arrays of a batch that are longer than this are given back when it is over. */
#define QUERY_KEPT_ROWS 4096

/* A row on its way into the changes. */
struct query_row {
	int64_t start_us, end_us;
	uint64_t count;
	uint32_t group;
	bool is_new;
};

struct query_rows {
	struct query_row *rows;
	size_t n, cap;
};

/* An entry of the state that a batch has changed. */
struct query_touch {
	uint64_t before;
	uint32_t entry;
	bool is_new;
};

/* A cell that waits for the end of the fold, because sessions are merged in order of time. */
struct query_point {
	struct session_point point;
	uint32_t group;
};

/* What one batch has done to the query; empty between batches. */
struct query_batch {
	bool is_open;
	bool in_order;             /* events come one by one: who is first is admitted */
	int64_t n_groups_before;   /* rows of the state when the batch began */
	struct query_totals next;  /* the totals if it is accepted; complete after query_finish */
	struct query_touch *touched;
	size_t n_touched, touched_cap;
	uint32_t *leaving;         /* entries that leave the state on accept */
	size_t n_leaving, leaving_cap;
	int64_t oldest_start_us;   /* of the entries that stay, where some leave */
	struct query_point *points;
	size_t n_points, points_cap;
	struct query_rows table;   /* changes of the query's table */
	struct query_rows open;    /* append mode: of the windows not yet shown */
	struct row_change *changes; /* both, sorted, as they go out */
	int64_t n_events;          /* judged, without those of too long a group */
	int64_t n_too_long;        /* rejected by this query as group_too_long */
	int64_t n_late, n_refused;
	int64_t min_time_us, max_time_us; /* INT64_MAX, INT64_MIN: no event */
	int64_t n_updated, n_removed;     /* rows of the state */
};

struct query {
	const struct query_spec *spec; /* borrowed; outlives the query or query_set_spec */
	struct window_rule rule;       /* fixed windows */
	struct groups *groups;
	struct state *state;       /* fixed windows; else NULL */
	struct sessions *sessions; /* session windows; else NULL */
	struct shown shown;        /* closed rows that retention will have to drop */
	int64_t oldest_start_us;   /* no entry of the state starts before it */
	struct query_totals totals;
	bool is_restored;          /* the checkpoint knew it, or a batch was accepted */
	char *exception;           /* with QUERY_FAILED; NULL: none */
	char *message;             /* with QUERY_FAILED: what `queries.message` says; NULL: none */
	bool is_state_changed;     /* since the last accepted batch: stopped, failed or started */
	int64_t last_trigger_us;   /* the start of the last trigger of this run; INT64_MIN: none */
	size_t *fields;            /* of each group_by field: its place in the source's union */
	struct query_batch batch;
};

/* `fields` is copied. NULL: no memory. */
struct query *query_new(const struct query_spec *spec, const size_t *fields);
void query_free(struct query *query);

/*
 * The same definition, with other limits or with its fields elsewhere in the
 * union. Takes `fields` over (malloc'd).
 */
void query_set_spec(struct query *query, const struct query_spec *spec, size_t *fields);

/* So many groups will be restored; a number that does not hold does no harm. */
void query_reserve(struct query *query, int64_t n_groups);

/* A row of the checkpoint; `is_open`: of the windows that append mode has not shown yet. */
int query_restore_row(struct query *query, const struct event_value *values, int64_t start_us,
	int64_t end_us, uint64_t count, bool is_open, struct err *err)
	__attribute__((warn_unused_result));

/* Rows of the state: what max_groups bounds. */
int64_t query_n_groups(const struct query *query);
size_t query_state_bytes(const struct query *query);

/*
 * Append mode: the watermark has passed windows that are not yet shown, so a
 * batch without files is due.
 */
bool query_has_closed(struct query *query);

/*
 * `in_order`: query_fold_event() will come for each event in file order, and
 * the first ones are admitted; else cells come in any order.
 */
int query_begin(struct query *query, bool in_order, struct err *err)
	__attribute__((warn_unused_result));

/* 0, QUERY_OVER or an error; after either of the last two the batch must be abandoned. */
int query_fold_cells(struct query *query, const struct cells *cells, struct err *err)
	__attribute__((warn_unused_result));

/* `values` are the source's union. */
int query_fold_event(struct query *query, int64_t time_us, const struct event_value *values,
	struct err *err) __attribute__((warn_unused_result));

/* Whether the query groups by one of `values` that is too long. */
bool query_is_too_long(const struct query *query, const struct event_value *values);

/*
 * Cells know the newest and the oldest time of all their events. Where some were too long for
 * this query (batch.n_too_long), these are forgotten and told anew, event by event.
 */
void query_forget_times(struct query *query);
void query_see_event(
	struct query *query, int64_t time_us, const struct event_value *values);

/* After the last cell or event: 0, QUERY_OVER or an error. */
int query_fold_end(struct query *query, struct err *err) __attribute__((warn_unused_result));

/*
 * Moves watermark and retention and fills `change` with rows, totals and the
 * query's part of progress. What `change` points into lives until accept or
 * abandon. The caller has set the numbers of files, bytes and rejects in
 * batch.next.
 */
int query_finish(struct query *query, struct query_change *change, struct err *err)
	__attribute__((warn_unused_result));

void query_accept(struct query *query);
void query_abandon(struct query *query);

/*
 * For the parts of this module: puts rows into `changes`, which has room for
 * them, in the order of their keys; adds one.
 */
int query_order_rows(const struct query *query, const struct query_rows *rows,
	struct row_change *changes, struct err *err) __attribute__((warn_unused_result));
int query_rows_add(struct query_rows *rows, const struct query_row *row, struct err *err)
	__attribute__((warn_unused_result));

#endif
