/*
 * What one batch changed: the one thing that leaves the stream floor.
 *
 * The same changes are applied to the checkpoint on disk and to the mirror in
 * memory, so counts and offsets can never disagree. Everything here is a final
 * value ("the count is now 17"), never a difference, so applying it twice is
 * harmless. Owned by the batch that made it; readable from several threads
 * while nobody writes.
 */
#ifndef STREAM_CHANGES_H
#define STREAM_CHANGES_H

#include "stream/event.h"
#include "stream/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A row of a query's table (or of its open windows); its key is (values,
 * start_us). Count 0 deletes it. The end of a session may change with the
 * count, so an update writes both.
 */
struct row_change {
	const struct event_value *values; /* one per group_by field: TEXT or NULL */
	int64_t start_us, end_us;
	uint64_t count;
	bool is_new; /* the row did not exist before this batch */
};

enum query_state { QUERY_INITIALIZING, QUERY_ACTIVE, QUERY_STOPPED, QUERY_FAILED, QUERY_TERMINATED };

const char *query_state_name(enum query_state state);

/* The numbers of one query that survive a restart. Totals are since its first batch. */
struct query_totals {
	int64_t batch_id; /* newest; -1: none yet */
	int64_t prefix_id;
	int64_t n_files, n_bytes; /* files begun; bytes of the files as they lie there */
	int64_t n_events;         /* valid ones, late and refused ones too */
	int64_t n_rejects, n_late, n_refused;
	int64_t n_groups;         /* rows of the state now */
	int64_t watermark_us;     /* the time; 0 at first, as in Spark */
	int64_t max_time_us;      /* newest event; INT64_MIN: none yet */
	int64_t retention_end_us; /* windows that end at or before it are dropped; INT64_MIN: none yet */
	int64_t started_at_us;
	int64_t n_missed;         /* files with events that were gone before it read them, now out of sight */
	enum query_state state;
};

/* One entry of `progress`. Durations in microseconds. */
struct progress {
	int64_t batch_id;
	int64_t timestamp_us; /* the trigger's start */
	int64_t trigger_us, plan_us, scan_us, fold_us; /* the store adds its own */
	int64_t n_files, n_bytes, n_rows;
	int64_t previous_timestamp_us; /* of the trigger before; INT64_MIN: first */
	int64_t n_groups, n_groups_updated, n_groups_removed, n_late;
	int64_t watermark_us;
	int64_t max_time_us, min_time_us; /* of this batch's events; INT64_MIN: none */
	int64_t state_bytes;
};

struct query_change {
	size_t query;     /* index into the spec's queries */
	bool is_rebuilt;  /* first batch of a rebuild: everything the tables held for it goes first */
	struct row_change *rows; /* the table, sorted by (values, start_us); unique */
	size_t n_rows;
	struct row_change *open_rows; /* append mode: the windows not yet shown, sorted alike */
	size_t n_open_rows;
	struct query_totals totals;
	struct progress progress;
	bool has_progress;   /* false: no numbered batch, only totals or state changed */
	const char *message; /* Spark's status text; NULL: unchanged */
	const char *exception; /* set with QUERY_FAILED; NULL: none */
};

struct file_change {
	size_t source;            /* index into the spec's sources */
	const struct file *file;
	int64_t least_offset;     /* of the source's queries, what `files.offset` shows */
	bool is_forgotten;        /* delete its row and its offsets; only id and path are set */
};

/*
 * Where one prefix stands in one file. A file that the prefix has not begun has
 * none. A prefix may outlive its queries (the bytes it has judged are not
 * judged anew): it is kept, and restored, until it is in dropped_prefixes.
 */
struct offset_change {
	int64_t prefix_id;
	int64_t file_id;
	struct position at;
};

struct reject_change {
	size_t source;
	const char *path; /* of the file */
	enum reject_reason reason;
	int64_t line, offset;
	const char *detail;
	const char *text;
	size_t text_len;
};

struct changes {
	size_t source; /* of files, offsets and prefixes: a batch is of one source */
	struct query_change *queries; /* none where only files changed */
	size_t n_queries;
	struct file_change *files; /* by id; those to be forgotten come last */
	size_t n_files;
	struct offset_change *offsets; /* of a batch that counts, in the order of reading */
	size_t n_offsets;
	const int64_t *dropped_prefixes; /* merged into another: their offsets go */
	size_t n_dropped_prefixes;
	struct reject_change *rejects; /* oldest first; only bytes never judged before */
	size_t n_rejects;
	int64_t (*reject_totals)[REJECT_REASONS]; /* per source, totals now; n_sources of the spec */
	bool needs_sync; /* something will be archived or deleted on the strength of this */
};

#endif
