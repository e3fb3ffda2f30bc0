/*
 * The database on disk: opened, changed, made durable.
 *
 * A commit survives the death of the process (WAL, synchronous NORMAL);
 * checkpoint_sync() makes it survive a power cut, by moving all of the WAL into
 * the file and syncing both. After a sync that failed the files are not
 * believed any more: before the next commit or sync the content is written
 * into a new file, which replaces them. The files themselves are
 * sql/checkpoint_dir.h's, their pages sql/checkpoint_vfs.h's.
 *
 * One thread at a time. On a failure the transaction is rolled back and the
 * next may be tried; what was in the way may be gone by then.
 */
#ifndef SQL_CHECKPOINT_H
#define SQL_CHECKPOINT_H

#include "base/err.h"
#include "sql/catalog.h"
#include "sql/notices.h"
#include "stream/changes.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct checkpoint;

struct checkpoint_options {
	const char *dir;
	bool rebuild;            /* accept that counted files are gone */
	int64_t now_us;          /* for the dated name of what is moved aside */
	struct notices *notices; /* borrowed for as long as the checkpoint lives */
};

/*
 * Takes the lock, finishes what a crash interrupted, opens the file or makes
 * it. ERR_BUSY names the holder; ERR_VERSION for a newer schema (nothing is
 * touched); ERR_CONFIG for what only a person can mend. A file that is seen to
 * be damaged is replaced as by checkpoint_replace_damaged(); most damage shows
 * only when the pages are read.
 */
int checkpoint_open(struct checkpoint **checkpoint, const struct checkpoint_options *options,
	struct err *err) __attribute__((warn_unused_result));
/* Syncs first, if it can. */
void checkpoint_close(struct checkpoint *checkpoint); /* NULL is fine */

/*
 * After a failed sync: writes it anew, or says why that cannot be done. Then
 * there is a connection.
 */
int checkpoint_make_trusted(struct checkpoint *checkpoint, struct err *err)
	__attribute__((warn_unused_result));

sqlite3 *checkpoint_db(struct checkpoint *checkpoint);

/*
 * `reason` says what was found while reading. If every file that was counted is
 * still there, or the options say so, the file is moved aside and a new, empty
 * one stands in its place, with a notice; else ERR_CONFIG and nothing has
 * changed.
 */
int checkpoint_replace_damaged(struct checkpoint *checkpoint, const char *reason, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Why this run began with an empty one although there had been another, for the
 * message of each query; static. NULL: it did not.
 */
const char *checkpoint_loss(const struct checkpoint *checkpoint);

/*
 * The catalog, which has been adopted (sql/state.h) and must outlive it or the
 * next call. On failure the old one holds.
 */
int checkpoint_set_catalog(struct checkpoint *checkpoint, const struct catalog *catalog,
	struct err *err) __attribute__((warn_unused_result));

/* Back to the one before, which cannot fail: the file is opened anew when it is next needed. */
void checkpoint_return_to_catalog(struct checkpoint *checkpoint, const struct catalog *catalog);

/* Begins a transaction, drops what begins anew, applies. */
int checkpoint_apply(struct checkpoint *checkpoint, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));
int checkpoint_apply_progress(struct checkpoint *checkpoint, const struct changes *changes,
	int64_t store_us, struct err *err) __attribute__((warn_unused_result));
int checkpoint_commit(struct checkpoint *checkpoint, struct err *err)
	__attribute__((warn_unused_result));
void checkpoint_rollback(struct checkpoint *checkpoint);

/* The WAL has grown long. */
bool checkpoint_is_untidy(const struct checkpoint *checkpoint);

/*
 * Moves it into the file. After a failure nothing is lost; it counts as long
 * again when it is twice as long.
 */
int checkpoint_tidy(struct checkpoint *checkpoint, struct err *err)
	__attribute__((warn_unused_result));

int checkpoint_sync(struct checkpoint *checkpoint, struct err *err)
	__attribute__((warn_unused_result));

#endif
