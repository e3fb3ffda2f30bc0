/*
 * One batch's changes, written into one database: the same code for the
 * checkpoint and the mirror, so the two cannot disagree.
 *
 * The caller opens and ends the transaction. Changes are final values, so
 * applying them twice leaves what applying them once leaves. Statements are
 * prepared once and kept. Knows which tables only one of the two has, and
 * nothing of files, snapshots and durability.
 *
 * One thread at a time; two appliers of the same changes may run side by side.
 */
#ifndef SQL_APPLY_H
#define SQL_APPLY_H

#include "base/err.h"
#include "sql/catalog.h"
#include "stream/changes.h"

#include <sqlite3.h>
#include <stdint.h>

#define APPLY_REJECTS_KEPT  10000 /* per source */
#define APPLY_PROGRESS_KEPT 100   /* per query */

enum apply_target { APPLY_CHECKPOINT, APPLY_MIRROR };

struct apply;

/*
 * The tables of the catalog's queries are there. Database and catalog must
 * outlive it; after the catalog or a table's form changed, a new one is needed.
 */
int apply_open(struct apply **apply, sqlite3 *db, enum apply_target target,
	const struct catalog *catalog, struct err *err) __attribute__((warn_unused_result));
void apply_close(struct apply *apply);

/* All but progress. On failure the caller rolls back. */
int apply_changes(struct apply *apply, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));

/* The rows of `progress`; store_us is what applying the changes took. */
int apply_progress(struct apply *apply, const struct changes *changes, int64_t store_us,
	struct err *err) __attribute__((warn_unused_result));

/* After a rollback: forgets what was remembered about the rolled back rows. */
void apply_rolled_back(struct apply *apply);

#endif
