/*
 * The engine: sources, queries and their state, advanced by batches.
 *
 * A batch is straight-line code on one thread that hands slices of files to
 * workers and returns what changed. Nothing is visible or durable here: the
 * floor above applies the changes to checkpoint and mirror and then accepts
 * the batch, or abandons it, and the stream stands as it stood before. Knows
 * neither SQL nor sockets; `now_us` (wall clock, UTC) is an argument.
 *
 * One thread at a time calls in, but for stream_stop_batch, stream_notice and
 * stream_set_noticed, which any thread may call.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "base/err.h"
#include "stream/changes.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stdint.h>

struct stream;
struct batch;

/* Opens the sources. The spec must outlive the stream (or the next stream_set_spec). */
int stream_open(struct stream **stream, const struct spec *spec, struct err *err)
	__attribute__((warn_unused_result));
void stream_close(struct stream *stream);

/*
 * --- what the checkpoint remembers ----------------------------------------
 *
 * Told before the first batch; and between stream_prepare_spec and
 * stream_take_spec, of the new spec's sources and queries that the running
 * stream does not have (indices are the new spec's). In this order: the files
 * of a source by id, the offsets of all prefixes, then each query's totals and
 * after them its rows. A query that is not told of is new; the changes of its
 * first batch say is_rebuilt.
 */

/* No prefix of this number or above is in use: what is told at a reload must not meet one that is. */
int64_t stream_next_prefix_id(const struct stream *stream);

int stream_restore_file(struct stream *stream, size_t source, const struct file *file,
	struct err *err) __attribute__((warn_unused_result));
int stream_restore_offset(struct stream *stream, size_t source, const struct offset_change *offset,
	struct err *err) __attribute__((warn_unused_result));
int stream_restore_query(struct stream *stream, size_t query, const struct query_totals *totals,
	struct err *err) __attribute__((warn_unused_result));
/* A row of the query's table, or of its open windows in append mode. */
int stream_restore_row(struct stream *stream, size_t query, const struct event_value *values,
	int64_t start_us, int64_t end_us, uint64_t count, bool is_open, struct err *err)
	__attribute__((warn_unused_result));
void stream_restore_reject_totals(struct stream *stream, size_t source,
	const int64_t totals[REJECT_REASONS]);
/* All is told, be it nothing: a query without restored totals starts from the files that are there. */
int stream_restored(struct stream *stream, struct err *err) __attribute__((warn_unused_result));

/* Looking and counting. */

/* As source_notice: thread-safe; false: nothing to look at. */
bool stream_notice(struct stream *stream, size_t source, const char *relative_path);

/* As source_set_noticed: kernel notices tell of every change from now on, or no longer do. Thread-safe. */
void stream_set_noticed(struct stream *stream, size_t source, bool is_noticed);

int stream_scan(struct stream *stream, size_t source, bool full, int64_t now_us, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Plans and counts one batch of `source` for the queries that stand at one
 * prefix; where there are several, each has its turn. What changed without
 * bytes to read (states, windows that append shows, files that went) makes
 * batches of its own. Returns 1 with *batch, 0 when there is nothing to do, or
 * an error (then nothing has changed). Reading troubles of single files are no
 * error: they are in the changes. *batch is owned by the stream until accept
 * or abandon, and there is at most one.
 */
int stream_batch(struct stream *stream, size_t source, int64_t now_us, struct batch **batch,
	struct err *err) __attribute__((warn_unused_result));

const struct changes *batch_changes(const struct batch *batch);

/* The changes are durable and visible. Archives and deletes what clean_source allows if `is_synced`. */
void batch_accept(struct batch *batch, bool is_synced, int64_t now_us);
void batch_abandon(struct batch *batch);

/* Asks a running batch to end at the next slice; it is then smaller, not wrong. */
void stream_stop_batch(struct stream *stream);

/*
 * Counts on while names are looked at and bytes are read, for whoever watches
 * that a long batch moves. Any thread.
 */
unsigned stream_pulse(const struct stream *stream);

/* Life of a query. */

/* 0 and the state afterwards. The new state is in the next batch's changes. */
int stream_start_query(struct stream *stream, size_t query, struct err *err)
	__attribute__((warn_unused_result));
int stream_stop_query(struct stream *stream, size_t query, struct err *err)
	__attribute__((warn_unused_result));

/* Is that state in no accepted batch's changes yet? */
bool stream_query_is_untold(const struct stream *stream, size_t query);

/* What `queries` shows beside the totals. */
struct query_view {
	struct query_totals totals;
	int64_t n_files_behind; /* to be read, or in error */
	bool is_data_available;
	const char *exception; /* NULL: none */
	int64_t n_missed;      /* files with events that it could not count: gone before it read them */
};

void stream_query_view(const struct stream *stream, size_t query, struct query_view *view);

/* The sentence about a source that cannot be read now, or NULL. */
const char *stream_source_trouble(const struct stream *stream, size_t source);

/* When stream_scan is due without a notice, and whether a full one; INT64_MAX: only on notice. */
int64_t stream_next_look_us(const struct stream *stream, size_t source, bool *full);

/* The clock that `now_us` is read from was set by so much: what is planned moves along. */
void stream_move_clock(struct stream *stream, int64_t step_us);

/* A sentence for the log about a file of the source, each said once; NULL: no more. The caller frees it. */
char *stream_take_note(struct stream *stream, size_t source);

/* The same sources and queries with other limits, or others: definitions that stay keep their state. */
int stream_set_spec(struct stream *stream, const struct spec *spec, struct err *err)
	__attribute__((warn_unused_result));

/*
 * The same in steps, for who has more to tell or to change that may fail:
 * prepare, tell what is remembered, stream_restored, take; nothing else is
 * asked of the stream meanwhile. A preparation that fails, or is dropped, has
 * changed nothing; taking it cannot fail. Both end the reload.
 */
struct reload;
int stream_prepare_spec(struct reload **reload, struct stream *stream, const struct spec *spec,
	struct err *err) __attribute__((warn_unused_result));
void stream_take_spec(struct reload *reload);
void stream_drop_spec(struct reload *reload);

#endif
