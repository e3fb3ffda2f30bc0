/*
 * How a connection to the file is set up and why:
 *
 *   locking_mode=EXCLUSIVE   one process, one connection; no shared memory file
 *   journal_mode=WAL, synchronous=NORMAL   a commit is one append without a sync
 *   wal_autocheckpoint=0     the WAL moves into the file after a batch is
 *                            visible, not inside its commit
 *   secure_delete=ON         freed pages are written as zeros, so that every
 *                            page of the file has been written and has its sum,
 *                            and the mirror need not keep them
 *
 * The WAL is always truncated after it has been moved. A WAL that stays behind
 * with frames that are in the file already would, if it were cut or damaged
 * later, put old pages over newer ones when it is replayed.
 *
 *                 ┌────────── a sync failed ──────────┐
 *   open ─► TRUSTED                                DISTRUSTED
 *                 └──◄── rewritten and renamed ◄──────┘
 *
 * While DISTRUSTED nothing is committed; the pages that SQLite reads back are
 * still right (they come from this process's cache or the kernel's), so they
 * are written once more, into a file whose sync can be believed.
 */
#include "sql/checkpoint.h"

#include "base/buf.h"
#include "sql/apply.h"
#include "sql/checkpoint_dir.h"
#include "sql/checkpoint_vfs.h"
#include "sql/collation.h"
#include "sql/counted.h"
#include "sql/db.h"
#include "sql/ledger.h"
#include "sql/migrate.h"
#include "sql/schema.h"
#include "sql/state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 16 MiB: small batches move the WAL once in a few hundred. */
#define WAL_LONG_PAGES 4096

static const char setup[] =
	"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
	" PRAGMA wal_autocheckpoint=0; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;"
	" PRAGMA cache_size=-4096";

struct checkpoint {
	struct checkpoint_dir dir;
	int lock_fd; /* -1: not held */
	bool rebuild;
	const char *loss; /* static; NULL: none */
	int64_t now_us;
	struct notices *notices;       /* borrowed */
	const struct catalog *catalog; /* borrowed; NULL before it is set */

	struct checkpoint_vfs *vfs;
	sqlite3 *db;             /* NULL between a close and an open that failed */
	struct apply *apply;     /* NULL while db or catalog are */
	struct counted *counted; /* NULL while apply is */
	int wal_pages;           /* in the WAL after the last commit */
	int tidy_at_pages;       /* when to move it next */
};

static int on_wal(void *context, sqlite3 *db, const char *schema, int n_pages)
{
	struct checkpoint *checkpoint = context;

	(void)db;
	(void)schema;
	checkpoint->wal_pages = n_pages;
	return SQLITE_OK;
}

static void close_statements(struct checkpoint *checkpoint)
{
	apply_close(checkpoint->apply);
	checkpoint->apply = NULL;
	counted_close(checkpoint->counted);
	checkpoint->counted = NULL;
}

static void close_db(struct checkpoint *checkpoint)
{
	int rc;

	close_statements(checkpoint);
	rc = sqlite3_close(checkpoint->db);
	assert(rc == SQLITE_OK);
	(void)rc;
	checkpoint->db = NULL;
	checkpoint_vfs_free(checkpoint->vfs);
	checkpoint->vfs = NULL;
}

static int open_statements(
	struct checkpoint *checkpoint, const struct catalog *catalog, struct err *err)
{
	struct apply *apply;
	struct counted *counted;
	int rc = apply_open(&apply, checkpoint->db, APPLY_CHECKPOINT, catalog, err);

	if (rc < 0)
		return rc;
	rc = counted_open(&counted, checkpoint->db, &checkpoint->dir, catalog, err);
	if (rc < 0) {
		apply_close(apply);
		return rc;
	}
	close_statements(checkpoint);
	checkpoint->apply = apply;
	checkpoint->counted = counted;
	return 0;
}

/* The old one is kept first, whole and synced. */
static int bring_up(struct checkpoint *checkpoint, int64_t version, struct err *err)
{
	char kept[96];
	int rc = checkpoint_dir_keep_format(&checkpoint->dir, checkpoint->db, version, kept, err);

	if (rc == 0)
		rc = migrate(checkpoint->db, version, err);
	if (rc < 0)
		return err_prefix(err, "%s: cannot be brought from format %lld to %d",
			checkpoint->dir.path, (long long)version, SCHEMA_VERSION);
	notices_add(checkpoint->notices,
		"%s was brought from format %lld to %d; as it was it is kept as %s",
		checkpoint->dir.path, (long long)version, SCHEMA_VERSION, kept);
	return 0;
}

static int set_up(struct checkpoint *checkpoint, struct err *err)
{
	int64_t version = 0;
	int rc;

	/* Closing must not move the WAL by itself: checkpoint_close() decides. */
	(void)sqlite3_db_config(checkpoint->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	rc = collation_register(checkpoint->db, err);
	if (rc == 0)
		rc = db_exec(checkpoint->db, setup, err);
	/* After `setup`: wal_autocheckpoint is a hook too and would take its place. */
	(void)sqlite3_wal_hook(checkpoint->db, on_wal, checkpoint);
	if (rc == 0)
		rc = db_get_int(checkpoint->db, "PRAGMA user_version", 0, &version, err);
	if (rc == 0 && migrate_knows(version))
		rc = bring_up(checkpoint, version, err);
	else if (rc == 0 && version > SCHEMA_VERSION)
		/* Its WAL says so; the header is judged before the file is opened. */
		rc = checkpoint_dir_refuse_newer(&checkpoint->dir, version, err);
	else if (rc == 0 && version != SCHEMA_VERSION)
		rc = err_set(err, ERR_CORRUPT, "its schema version reads %lld", (long long)version);
	if (rc == 0 && checkpoint->catalog != NULL)
		rc = open_statements(checkpoint, checkpoint->catalog, err);
	return rc;
}

static int open_db(struct checkpoint *checkpoint, struct err *err)
{
	int rc;

	checkpoint->vfs = checkpoint_vfs_new();
	if (checkpoint->vfs == NULL)
		return err_nomem(err);
	checkpoint->wal_pages = 0;
	checkpoint->tidy_at_pages = WAL_LONG_PAGES;
	rc = checkpoint_vfs_open(
		checkpoint->vfs, checkpoint->dir.path, false, &checkpoint->db, err);
	if (rc == 0)
		rc = set_up(checkpoint, err);
	if (rc < 0)
		close_db(checkpoint);
	return rc;
}

sqlite3 *checkpoint_db(struct checkpoint *checkpoint)
{
	return checkpoint->db;
}

int checkpoint_set_catalog(
	struct checkpoint *checkpoint, const struct catalog *catalog, struct err *err)
{
	int rc = open_statements(checkpoint, catalog, err);

	if (rc == 0)
		checkpoint->catalog = catalog;
	return rc;
}

void checkpoint_return_to_catalog(struct checkpoint *checkpoint, const struct catalog *catalog)
{
	checkpoint->catalog = catalog;
	close_db(checkpoint);
}

/* Nothing is touched before it is clear that the counts can be made again. */
static int judge_loss(struct checkpoint *checkpoint, const char *reason, struct err *err)
{
	struct err loss = ERR_INIT;
	struct buf buf = {0};
	const char *path = checkpoint_dir_path(&checkpoint->dir, &buf, "counted");
	size_t n_missing;
	int rc =
		path != NULL ? ledger_check(path, NULL, NULL, &n_missing, &loss) : err_nomem(&loss);

	buf_fini(&buf);
	if (rc == 0)
		return 0;
	if (rc != ERR_CONFIG)
		return err_set(err, rc, "%s", loss.text);
	if (checkpoint->rebuild) {
		notices_add(checkpoint->notices,
			"%s; counting what is there, as --rebuild asks for", loss.text);
		return 0;
	}
	return err_set(err, ERR_CONFIG,
		"%s is damaged (%s), and its counts cannot be made again from the files: %s."
		" Restore it from a backup, or start with --rebuild to count what is there",
		checkpoint->dir.path, reason, loss.text);
}

int checkpoint_replace_damaged(struct checkpoint *checkpoint, const char *reason, struct err *err)
{
	char why[ERR_TEXT_BYTES];
	char aside[96];
	int rc;

	(void)snprintf(why, sizeof(why), "%s", reason);
	rc = judge_loss(checkpoint, why, err);
	if (rc < 0)
		return rc;
	close_db(checkpoint);
	rc = checkpoint_dir_move_aside(&checkpoint->dir, checkpoint->now_us, aside, err);
	if (rc == 0)
		rc = checkpoint_dir_create(&checkpoint->dir, err);
	if (rc == 0)
		rc = open_db(checkpoint, err);
	if (rc < 0)
		return rc;
	checkpoint->loss = "counted anew since the checkpoint was damaged";
	notices_add(checkpoint->notices,
		"%s is damaged (%s): moved aside as %s, everything is counted anew",
		checkpoint->dir.path, why, aside);
	return 0;
}

/*
 * A missing file is a first start, but not beside what only a run with a
 * checkpoint leaves: then the loss is told, and counting begins anew all the same.
 */
static void tell_missing(struct checkpoint *checkpoint)
{
	static const char *const names[] = {"counted", "checkpoint-wal"};
	struct err loss = ERR_INIT;
	struct buf counted = {0}, buf = {0};
	const char *ledger = checkpoint_dir_path(&checkpoint->dir, &counted, "counted");
	const char *path = NULL;
	size_t i;

	for (i = 0; path == NULL && i < sizeof(names) / sizeof(names[0]); i++) {
		path = checkpoint_dir_path(&checkpoint->dir, &buf, names[i]);
		if (path != NULL && access(path, F_OK) != 0)
			path = NULL;
	}
	if (path != NULL && ledger != NULL) {
		size_t n_missing;
		int rc = ledger_check(ledger, NULL, NULL, &n_missing, &loss);

		checkpoint->loss = "counted anew since the checkpoint was missing";
		notices_add(checkpoint->notices,
			"%s is missing, and %s says that there was one: counting begins anew from"
			" the files that are there (%s)",
			checkpoint->dir.path, path,
			rc == 0 ? "every file that was counted still is" : loss.text);
	}
	buf_fini(&counted);
	buf_fini(&buf);
}

static void tell_lost(struct checkpoint *checkpoint)
{
	struct err loss = ERR_INIT;

	if (counted_find_lost(checkpoint->db, &checkpoint->dir, &loss) == ERR_MISSING)
		notices_add(checkpoint->notices,
			"%s is older than its list of counted files, as when an old one was put "
			"back"
			" or checkpoint-wal was removed: %s, and not counted any more",
			checkpoint->dir.path, loss.text);
}

const char *checkpoint_loss(const struct checkpoint *checkpoint)
{
	return checkpoint->loss;
}

static int open_files(struct checkpoint *checkpoint, struct err *err)
{
	enum checkpoint_finding finding;
	char reason[ERR_TEXT_BYTES] = "";
	int rc = checkpoint_dir_recover(&checkpoint->dir, err);

	if (rc == 0)
		rc = checkpoint_dir_inspect(&checkpoint->dir, &finding, reason, err);
	if (rc < 0)
		return rc;
	if (finding == CHECKPOINT_MISSING) {
		tell_missing(checkpoint);
		rc = checkpoint_dir_create(&checkpoint->dir, err);
		return rc == 0 ? open_db(checkpoint, err) : rc;
	}
	if (finding == CHECKPOINT_GOOD) {
		rc = open_db(checkpoint, err);
		if (rc == 0)
			tell_lost(checkpoint);
		if (rc != ERR_CORRUPT)
			return rc;
		memcpy(reason, err->text, sizeof(reason));
	}
	return checkpoint_replace_damaged(checkpoint, reason, err);
}

int checkpoint_open(
	struct checkpoint **out, const struct checkpoint_options *options, struct err *err)
{
	struct checkpoint *checkpoint = calloc(1, sizeof(*checkpoint));
	int rc;

	*out = NULL;
	if (checkpoint == NULL)
		return err_nomem(err);
	checkpoint->lock_fd = -1;
	checkpoint->rebuild = options->rebuild;
	checkpoint->now_us = options->now_us;
	checkpoint->notices = options->notices;
	rc = checkpoint_dir_init(&checkpoint->dir, options->dir) ? 0 : err_nomem(err);
	if (rc == 0)
		rc = checkpoint_dir_lock(&checkpoint->dir, &checkpoint->lock_fd, err);
	if (rc == 0)
		rc = open_files(checkpoint, err);
	if (rc < 0) {
		checkpoint_close(checkpoint);
		return rc;
	}
	*out = checkpoint;
	return 0;
}

void checkpoint_close(struct checkpoint *checkpoint)
{
	struct err err = ERR_INIT;

	if (checkpoint == NULL)
		return;
	/* What cannot be synced now stays in the WAL for the next start. */
	if (checkpoint->db != NULL && checkpoint->wal_pages > 0)
		(void)!checkpoint_sync(checkpoint, &err);
	close_db(checkpoint);
	if (checkpoint->lock_fd >= 0)
		(void)close(checkpoint->lock_fd);
	checkpoint_dir_fini(&checkpoint->dir);
	free(checkpoint);
}

/* Out of DISTRUSTED: what was written before cannot be believed, so all of it is written again. */
static int rewrite(struct checkpoint *checkpoint, struct err *err)
{
	int rc = 0;

	if (checkpoint->db != NULL)
		rc = checkpoint_dir_rewrite(&checkpoint->dir, checkpoint->db, err);
	if (rc < 0)
		return rc;
	close_db(checkpoint);
	rc = checkpoint_dir_recover(&checkpoint->dir, err);
	return rc == 0 ? open_db(checkpoint, err) : rc;
}

int checkpoint_make_trusted(struct checkpoint *checkpoint, struct err *err)
{
	int rc = 0;

	if (checkpoint->db == NULL || checkpoint_vfs_sync_failed(checkpoint->vfs))
		rc = rewrite(checkpoint, err);
	return rc < 0 ? err_prefix(err, "the checkpoint cannot be written anew after a failed sync")
		      : 0;
}

void checkpoint_rollback(struct checkpoint *checkpoint)
{
	if (checkpoint->db != NULL && sqlite3_get_autocommit(checkpoint->db) == 0)
		(void)sqlite3_exec(checkpoint->db, "ROLLBACK", NULL, NULL, NULL);
	if (checkpoint->apply != NULL)
		apply_rolled_back(checkpoint->apply);
}

static int fail(struct checkpoint *checkpoint, int rc, struct err *err)
{
	if (rc < 0) {
		checkpoint_rollback(checkpoint);
		err_prefix(err, "%s", checkpoint->dir.path);
	}
	return rc;
}

int checkpoint_apply(struct checkpoint *checkpoint, const struct changes *changes, struct err *err)
{
	int rc = checkpoint_make_trusted(checkpoint, err);

	if (rc < 0)
		return rc;
	rc = counted_note(checkpoint->counted, changes, err);
	if (rc == 0)
		rc = db_exec(checkpoint->db, "BEGIN IMMEDIATE", err);
	if (rc == 0)
		rc = state_rebuild(checkpoint->db, checkpoint->catalog, err);
	if (rc == 0)
		rc = apply_changes(checkpoint->apply, changes, err);
	return fail(checkpoint, rc, err);
}

int checkpoint_apply_progress(struct checkpoint *checkpoint, const struct changes *changes,
	int64_t store_us, struct err *err)
{
	return fail(checkpoint, apply_progress(checkpoint->apply, changes, store_us, err), err);
}

int checkpoint_commit(struct checkpoint *checkpoint, struct err *err)
{
	return fail(checkpoint, db_exec(checkpoint->db, "COMMIT", err), err);
}

/* Syncs the WAL, moves it into the file, syncs that, truncates the WAL. */
static int move_wal(struct checkpoint *checkpoint, struct err *err)
{
	int rc = sqlite3_wal_checkpoint_v2(
		checkpoint->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	if (rc != SQLITE_OK)
		return db_error(checkpoint->db, rc, checkpoint->dir.path, err);
	checkpoint->wal_pages = 0;
	checkpoint->tidy_at_pages = WAL_LONG_PAGES;
	return 0;
}

/* Both must be on disk; the list first, so that it never says less than the tables. */
static int sync_all(struct checkpoint *checkpoint, struct err *err)
{
	int rc = 0;

	if (checkpoint->counted != NULL)
		rc = counted_sync(checkpoint->counted, err);
	return rc == 0 ? move_wal(checkpoint, err) : rc;
}

bool checkpoint_is_untidy(const struct checkpoint *checkpoint)
{
	return checkpoint->wal_pages >= checkpoint->tidy_at_pages;
}

int checkpoint_tidy(struct checkpoint *checkpoint, struct err *err)
{
	int rc = sync_all(checkpoint, err);

	if (rc < 0)
		checkpoint->tidy_at_pages = checkpoint->wal_pages * 2;
	return rc;
}

int checkpoint_sync(struct checkpoint *checkpoint, struct err *err)
{
	int rc = checkpoint_make_trusted(checkpoint, err);

	return rc == 0 ? sync_all(checkpoint, err) : rc;
}
