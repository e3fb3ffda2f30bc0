/*
 * Transactions on the writer's connection. A commit is preceded by
 * snapshot_prepare_commit, so that once the disk has a batch nothing can keep
 * the mirror from showing it.
 *
 * The connection keeps no journal, which for a batch that changes every row
 * would be a third copy of the pages: the pages of the newest version are all
 * there is to go back to (sql/pages.h). So what fails in a transaction, or is
 * rolled back, closes the connection, and the next transaction opens another.
 */
#include "sql/mirror.h"

#include "base/buf.h"
#include "sql/apply.h"
#include "sql/collation.h"
#include "sql/db.h"
#include "sql/mirror_tables.h"
#include "sql/schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct mirror {
	struct snapshot_store *snapshots;
	const struct catalog *catalog; /* NULL before mirror_set_catalog */
	sqlite3 *db;                   /* the writer; NULL after a rollback */
	struct apply *apply;           /* NULL while db or catalog are */
	sqlite3_stmt *put_status;      /* NULL before it is needed */
	int progress_ops;              /* 0: nobody wants to hear */
	int (*on_progress)(void *context);
	void *progress_context;
};

static int open_writer(struct mirror *mirror, struct err *err)
{
	int rc = snapshot_open_writer(mirror->snapshots, &mirror->db, err);

	if (rc == 0)
		rc = collation_register(mirror->db, err);
	if (rc == 0)
		sqlite3_progress_handler(mirror->db, mirror->progress_ops, mirror->on_progress,
			mirror->progress_context);
	return rc;
}

static void close_writer(struct mirror *mirror)
{
	int rc;

	apply_close(mirror->apply);
	mirror->apply = NULL;
	(void)sqlite3_finalize(mirror->put_status);
	mirror->put_status = NULL;
	rc = sqlite3_close(mirror->db);
	assert(rc == SQLITE_OK);
	(void)rc;
	mirror->db = NULL;
}

int mirror_open(struct mirror **out, struct err *err)
{
	struct mirror *mirror = calloc(1, sizeof(*mirror));
	int rc;

	*out = NULL;
	if (mirror == NULL)
		return err_nomem(err);
	mirror->snapshots = snapshot_store_new();
	rc = mirror->snapshots != NULL ? open_writer(mirror, err) : err_nomem(err);
	if (rc < 0) {
		mirror_close(mirror);
		return rc;
	}
	*out = mirror;
	return 0;
}

void mirror_close(struct mirror *mirror)
{
	if (mirror == NULL)
		return;
	close_writer(mirror);
	snapshot_store_free(mirror->snapshots);
	free(mirror);
}

struct snapshot_store *mirror_snapshots(struct mirror *mirror)
{
	return mirror->snapshots;
}

/* A transaction on a connection that is good, with the statements for the catalog. */
static int begin(struct mirror *mirror, struct err *err)
{
	int rc = 0;

	if (mirror->db == NULL)
		rc = open_writer(mirror, err);
	if (rc == 0 && mirror->apply == NULL && mirror->catalog != NULL)
		rc = apply_open(&mirror->apply, mirror->db, APPLY_MIRROR, mirror->catalog, err);
	if (rc == 0)
		rc = db_exec(mirror->db, "BEGIN", err);
	if (rc < 0)
		close_writer(mirror);
	return rc;
}

void mirror_rollback(struct mirror *mirror)
{
	close_writer(mirror);
}

/* Makes the transaction visible, or rolls it back. */
static int finish(struct mirror *mirror, int rc, struct err *err)
{
	if (rc == 0)
		rc = snapshot_prepare_commit(mirror->db, err);
	if (rc == 0)
		mirror_commit(mirror);
	else
		mirror_rollback(mirror);
	return rc;
}

void mirror_commit(struct mirror *mirror)
{
	int rc = sqlite3_exec(mirror->db, "COMMIT", NULL, NULL, NULL);

	/* All it needs was taken before (snapshot_prepare_commit). */
	assert(rc == SQLITE_OK);
	(void)rc;
}

int mirror_apply(struct mirror *mirror, const struct changes *changes, struct err *err)
{
	int rc = begin(mirror, err);

	if (rc < 0)
		return rc;
	rc = apply_changes(mirror->apply, changes, err);
	if (rc < 0)
		mirror_rollback(mirror);
	return rc;
}

int mirror_apply_progress(
	struct mirror *mirror, const struct changes *changes, int64_t store_us, struct err *err)
{
	int rc = apply_progress(mirror->apply, changes, store_us, err);

	if (rc == 0)
		rc = snapshot_prepare_commit(mirror->db, err);
	if (rc < 0)
		mirror_rollback(mirror);
	return rc;
}

/*
 * Copies all pages. The connection is closed then: whether it went well or not,
 * what its cache holds is the page 1 of before.
 */
static int copy_pages(struct mirror *mirror, sqlite3 *source, struct err *err)
{
	sqlite3_backup *backup;
	int rc = mirror->db == NULL ? open_writer(mirror, err) : 0;

	if (rc < 0)
		goto out;
	backup = sqlite3_backup_init(mirror->db, "main", source, "main");
	if (backup == NULL) {
		rc = db_error(mirror->db, sqlite3_extended_errcode(mirror->db),
			"cannot fill the mirror", err);
		goto out;
	}
	(void)sqlite3_backup_step(backup, -1);
	rc = sqlite3_backup_finish(backup);
	if (rc != SQLITE_OK)
		rc = db_error(source, rc, "cannot read the checkpoint", err);
out:
	close_writer(mirror);
	return rc;
}

int mirror_fill(struct mirror *mirror, sqlite3 *source, struct err *err)
{
	int rc = source != NULL ? copy_pages(mirror, source, err) : 0;

	if (rc == 0)
		rc = begin(mirror, err);
	if (rc < 0)
		return rc;
	rc = source != NULL ? schema_drop_state(mirror->db, err)
			    : schema_create_shared(mirror->db, err);
	if (rc == 0)
		rc = schema_create_mirror(mirror->db, err);
	return finish(mirror, rc, err);
}

static const char put_status_text[] =
	"UPDATE queries SET state = ?2, message = coalesce(?3, message),"
	" exception = CASE WHEN ?2 = 'FAILED' THEN coalesce(?4, exception) ELSE ?4 END,"
	" files_behind = ?5, is_data_available = ?6, is_trigger_active = ?7 WHERE rowid = ?1"
	" AND (state IS NOT ?2 OR message IS NOT coalesce(?3, message)"
	" OR exception IS NOT CASE WHEN ?2 = 'FAILED' THEN coalesce(?4, exception) ELSE ?4 END"
	" OR files_behind IS NOT ?5 OR is_data_available IS NOT ?6"
	" OR is_trigger_active IS NOT ?7)";

int mirror_set_catalog(struct mirror *mirror, const struct catalog *catalog,
	const struct setting *settings, size_t n_settings, const struct mirror_source *back,
	struct err *err)
{
	struct apply *apply = NULL;
	int rc = begin(mirror, err);

	if (rc < 0)
		return rc;
	rc = mirror_tables_set(mirror->db, catalog, settings, n_settings,
		back != NULL ? back->checkpoint : NULL, err);
	/* Two on one connection would share the names of what their statements read from; a
	 * failure closes the connection, and the next one gets statements for the old catalog. */
	apply_close(mirror->apply);
	mirror->apply = NULL;
	if (rc == 0)
		rc = apply_open(&apply, mirror->db, APPLY_MIRROR, catalog, err);
	if (rc == 0 && back != NULL)
		rc = apply_changes(apply, &back->totals, err);
	if (rc == 0)
		rc = snapshot_prepare_commit(mirror->db, err);
	if (rc < 0) {
		apply_close(apply);
		mirror_rollback(mirror);
		return rc;
	}
	mirror_commit(mirror);
	mirror->apply = apply;
	mirror->catalog = catalog;
	return 0;
}

int mirror_set_status(struct mirror *mirror, const struct query_status *status, struct err *err)
{
	struct buf message = {0};
	sqlite3_stmt *stmt;
	size_t i;
	int rc = begin(mirror, err);

	if (rc < 0)
		return rc;
	if (mirror->put_status == NULL)
		rc = db_prepare(mirror->db, put_status_text, &mirror->put_status, err);
	stmt = mirror->put_status;
	for (i = 0; rc == 0 && i < mirror->catalog->spec->n_queries; i++) {
		(void)sqlite3_bind_int64(stmt, 1, mirror->catalog->queries[i].id);
		db_bind_text(stmt, 2, query_state_name(status[i].state));
		db_bind_text(stmt, 3,
			catalog_message(&mirror->catalog->queries[i], status[i].message,
				status[i].n_missed, &message));
		db_bind_text(stmt, 4, status[i].exception);
		(void)sqlite3_bind_int64(stmt, 5, status[i].n_files_behind);
		(void)sqlite3_bind_int(stmt, 6, status[i].is_data_available);
		(void)sqlite3_bind_int(stmt, 7, status[i].is_trigger_active);
		rc = db_run(stmt, err);
	}
	buf_fini(&message);
	/* Where no row differed there is nothing dirty, and nothing is published. */
	return finish(mirror, rc, err);
}

void mirror_rest(struct mirror *mirror)
{
	if (mirror->db != NULL)
		(void)sqlite3_db_release_memory(mirror->db);
}

void mirror_set_progress(
	struct mirror *mirror, int n_ops, int (*on_progress)(void *context), void *context)
{
	mirror->progress_ops = n_ops;
	mirror->on_progress = on_progress;
	mirror->progress_context = context;
	if (mirror->db != NULL)
		sqlite3_progress_handler(mirror->db, n_ops, on_progress, context);
}
