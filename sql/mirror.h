/*
 * The database in memory that users ask: the writer's side of the snapshots,
 * with the tables of the configuration in it.
 *
 * Nothing is visible before mirror_commit(), which cannot fail. Knows no disk.
 * One thread at a time.
 */
#ifndef SQL_MIRROR_H
#define SQL_MIRROR_H

#include "base/err.h"
#include "sql/catalog.h"
#include "sql/snapshot.h"
#include "sql/store.h"
#include "stream/changes.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct mirror;

int mirror_open(struct mirror **mirror, struct err *err) __attribute__((warn_unused_result));
void mirror_close(struct mirror *mirror); /* NULL is fine */

struct snapshot_store *mirror_snapshots(struct mirror *mirror);

/*
 * Fills it with a copy of `source` (every page of it is read), or makes the
 * shared tables where `source` is NULL. Before the first reader opens.
 */
int mirror_fill(struct mirror *mirror, sqlite3 *source, struct err *err)
	__attribute__((warn_unused_result));

/* At a reload: where what comes back is copied from, and its totals. */
struct mirror_source {
	sqlite3 *checkpoint;
	struct changes totals;
};

/*
 * Makes its tables those of `catalog`: one per query, empty where it is new;
 * the rows of `queries`; the settings. What is of no source and no query any
 * more goes. `back`: NULL at a start, where all that goes on is there. Publishes. The catalog must outlive the mirror or the next call;
 * on failure nothing has changed.
 */
int mirror_set_catalog(struct mirror *mirror, const struct catalog *catalog,
	const struct setting *settings, size_t n_settings, const struct mirror_source *back,
	struct err *err) __attribute__((warn_unused_result));

/* Begins a transaction and applies; on failure it is rolled back. */
int mirror_apply(struct mirror *mirror, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));
/* Adds the rows of `progress` and takes all memory that the commit needs; rolls back on failure. */
int mirror_apply_progress(struct mirror *mirror, const struct changes *changes, int64_t store_us,
	struct err *err) __attribute__((warn_unused_result));
void mirror_commit(struct mirror *mirror);
void mirror_rollback(struct mirror *mirror);

/* Frees the writer's cached pages; no transaction is open. */
void mirror_rest(struct mirror *mirror);

/* As sqlite3_progress_handler, for what is applied from now on. */
void mirror_set_progress(
	struct mirror *mirror, int n_ops, int (*on_progress)(void *context), void *context);

int mirror_set_status(struct mirror *mirror, const struct query_status *status, struct err *err)
	__attribute__((warn_unused_result));

#endif
