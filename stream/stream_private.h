/*
 * What the parts of the engine share: the stream, one intake per source, and
 * the batch in flight. For stream*.c and batch*.c only.
 */
#ifndef STREAM_STREAM_PRIVATE_H
#define STREAM_STREAM_PRIVATE_H

#include "stream/crew.h"
#include "stream/fields.h"
#include "stream/plan.h"
#include "stream/prefix.h"
#include "stream/query.h"
#include "stream/source.h"
#include "stream/stream.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A source, what its events are read for, and where its queries stand. */
struct intake {
	size_t index; /* of the source in the spec */
	struct source *source;
	struct fields fields;
	struct event_shape shape;
	struct prefixes prefixes;
	size_t turn;               /* whose turn it is among the prefixes */
	bool may_merge;            /* prefixes have moved since they were last compared */
	int64_t reject_totals[REJECT_REASONS];
	struct scans scans;
	size_t *dirty;             /* slots whose row goes into the next changes, some more than once */
	size_t n_dirty, dirty_cap;
	size_t *cleanable;         /* slots that clean_source may take once a checkpoint is synced */
	size_t n_cleanable, cleanable_cap;
	size_t n_uncleaned;        /* the first so many could not go and wait for clean_retry_us */
	bool must_clean;           /* ask for a synced checkpoint for them, even if nothing else happens */
	int64_t clean_retry_us;    /* when to ask again for those that were left; INT64_MAX: none were */
	int64_t clean_pause_us;    /* the last pause before such a try */
	char *note;                /* for the log; NULL: none */
	struct file *forgotten;    /* id and path of files whose row has to go */
	size_t n_forgotten, forgotten_cap;
};

struct stream {
	const struct spec *spec;
	struct intake *intakes; /* by source */
	struct query **queries; /* by query; NULL only while the stream is being opened */
	struct crew crew;
	struct batch *batch;     /* in flight; NULL: none */
	struct reload *reload;   /* prepared and neither taken nor dropped; NULL: none */
	atomic_bool stop;
	atomic_uint pulse; /* counts on while a batch, or a look at a directory, moves */
	int64_t next_prefix_id;
	int64_t slice_bytes;     /* PLAN_SLICE_BYTES but in tests */
	enum scan_level level;
};

#define RELOAD_NEW SIZE_MAX

/* A reload under way: what becomes of the old, by new index; and what is made for the new. */
struct reload {
	struct stream *stream;
	const struct spec *spec;
	int64_t first_prefix_id; /* prefixes from this one on were made for it */
	size_t *old_sources;     /* the old index; RELOAD_NEW: the stream does not have it */
	size_t *old_queries;
	struct intake *intakes; /* new ones are open; of kept ones only the fields are made */
	struct query **queries; /* new ones are made; kept ones are NULL until the end */
	size_t **places;        /* of each query's fields in its source's union */
};

/* A prefix that is to be merged into another, or to get some of its queries. */
struct prefix_move {
	struct prefix *from, *to;
	bool is_split; /* only those queries that are not active move */
};

enum batch_kind {
	BATCH_HOUSE,   /* states, prefixes, files: nothing is counted and nothing numbered */
	BATCH_CLOSING, /* append shows windows; no files */
	BATCH_DATA,
};

struct batch {
	struct stream *stream;
	struct intake *intake;
	enum batch_kind kind;
	int64_t now_us;
	int64_t start_us, planned_us, scanned_us, folded_us; /* monotonic clock: only differences mean anything */
	struct prefix *prefix; /* BATCH_DATA: whose */
	struct plan plan;
	size_t *members;       /* queries that take part, by index */
	size_t n_members;
	int64_t *n_too_long;   /* per file of the plan: events with a value too long to group by; NULL: none */
	struct reject_change *too_long; /* their rows, in order */
	size_t n_too_long_rows, too_long_cap;
	struct prefix_move *moves;
	size_t n_moves, moves_cap;
	int64_t *n_missed;     /* BATCH_HOUSE with moves: by query, what goes out of sight by them; else NULL */
	struct changes changes;
	struct file *files;    /* as the changes show them: after the batch */
	size_t n_files;
	int64_t *dropped;
	int64_t (*reject_totals)[REJECT_REASONS];
};

/* Whether the query counts: neither stopped nor failed. */
bool query_is_active(const struct query *query);

/* The prefix a query stands at. */
struct prefix *stream_prefix_of(const struct stream *stream, size_t query);

/* Opens the source and everything that belongs to it. What a failure leaves is intake_close's. */
int intake_open(struct intake *intake, struct stream *stream, const struct spec *spec,
	size_t source, struct err *err) __attribute__((warn_unused_result));
void intake_close(struct intake *intake);

/* All are placed: who stands at which prefix, and what is there to read for it? */
void stream_count_queries(struct stream *stream);

/* The slot's row goes into the next changes. */
int intake_mark(struct intake *intake, size_t slot, struct err *err)
	__attribute__((warn_unused_result));

/* Takes over what the source says has changed. */
int intake_look(struct intake *intake, struct err *err) __attribute__((warn_unused_result));

/* batch_run.c: reading and counting. */

/*
 * Besides 0 and errors: asked to stop before anything was read; the members
 * have failed, their state says so.
 */
#define BATCH_STOPPED 2
#define BATCH_FAILED  3

/* Plans, reads and folds. After anything but 0 the queries are as before. */
int batch_run(struct batch *batch, struct err *err) __attribute__((warn_unused_result));

/* batch_house.c: what changes without counting. */

/* 1: there is something, and the batch's moves are filled; 0: nothing. */
int batch_plan_house(struct batch *batch, struct err *err) __attribute__((warn_unused_result));
/* Where a query stands after the batch's moves. */
const struct prefix *batch_prefix_after(const struct batch *batch, size_t query);
void batch_apply_moves(struct batch *batch);
void batch_drop_moves(struct batch *batch);

/* batch_changes.c: what goes out. */

int batch_make_changes(struct batch *batch, struct err *err) __attribute__((warn_unused_result));

/* The row of a file that waits is left to a later batch. */
bool batch_defers_row(const struct batch *batch, size_t slot);

/* What the plan's file `at` adds to the numbers of its row. */
void batch_count_file(const struct batch *batch, size_t at, struct file *file);

/* The size up to which there was something to read. */
int64_t batch_consumed_limit(const struct plan_file *read);

/* batch_rejects.c: what was refused. */

/* Of all files, and of the plan's file `at` with what was too long to group by. */
int64_t batch_rejects(const struct batch *batch);
int64_t batch_rejects_of_file(const struct batch *batch, size_t at);

/* Rows and totals of the batch's changes. */
int batch_make_rejects(struct batch *batch, struct err *err) __attribute__((warn_unused_result));

/* batch.c */

void batch_free(struct batch *batch);

#endif
