/* The tables are asked for one file at a time: batches change few files, and the row is in the
 * cache anyway. */
#include "sql/counted.h"

#include "base/buf.h"
#include "sql/db.h"
#include "sql/ledger.h"
#include "sql/schema.h"

#include <stdlib.h>
#include <string.h>

/* What makes a row of `files` a counted one, and a gone one. */
#define IS_COUNTED "(f.offset > 0 OR f.events > 0 OR f.rejects > 0)"
#define IS_GONE    "f.state IN ('archived', 'deleted', 'missing')"

struct counted {
	sqlite3 *db; /* borrowed, as are the next two */
	const struct checkpoint_dir *dir;
	const struct catalog *catalog;
	struct ledger *ledger; /* NULL: to be written anew */
	sqlite3_stmt *known;   /* what the tables say of one file */
};

int counted_open(struct counted **out, sqlite3 *db, const struct checkpoint_dir *dir,
	const struct catalog *catalog, struct err *err)
{
	struct counted *counted = calloc(1, sizeof(*counted));
	int rc;

	*out = NULL;
	if (counted == NULL)
		return err_nomem(err);
	*counted = (struct counted){.db = db, .dir = dir, .catalog = catalog};
	rc = db_prepare(db,
		"SELECT path, " IS_COUNTED ", " IS_GONE " FROM files AS f WHERE rowid = ?1",
		&counted->known, err);
	if (rc < 0) {
		counted_close(counted);
		return rc;
	}
	*out = counted;
	return 0;
}

void counted_close(struct counted *counted)
{
	if (counted == NULL)
		return;
	(void)sqlite3_finalize(counted->known);
	ledger_close(counted->ledger);
	free(counted);
}

static int gather_all(struct counted *counted, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(counted->db,
		"SELECT f.rowid, q.path, coalesce(s.path, f.path), " IS_GONE
		" FROM files AS f JOIN \"state:files\" AS s ON s.key = f.rowid"
		" JOIN \"state:sources\" AS q ON q.id = f.rowid >> ?1 WHERE " IS_COUNTED,
		&stmt, err);

	if (rc < 0)
		return rc;
	(void)sqlite3_bind_int(stmt, 1, SCHEMA_KEY_BITS);
	while ((rc = db_step(stmt, err)) == 1)
		/* column_text ends a blob's bytes with a NUL too. */
		ledger_add(counted->ledger, sqlite3_column_int64(stmt, 0), db_text(stmt, 1),
			db_text(stmt, 2), sqlite3_column_int(stmt, 3) != 0);
	(void)sqlite3_finalize(stmt);
	return rc;
}

static int renew(struct counted *counted, struct err *err)
{
	struct buf buf = {0};
	const char *path = checkpoint_dir_path(counted->dir, &buf, "counted");
	int rc = path != NULL ? ledger_open(&counted->ledger, path, err) : err_nomem(err);

	buf_fini(&buf);
	if (rc < 0)
		return rc;
	rc = gather_all(counted, err);
	if (rc == 0)
		rc = ledger_replace(counted->ledger, err);
	if (rc < 0) {
		ledger_close(counted->ledger);
		counted->ledger = NULL;
	}
	return rc;
}

static int note_file(struct counted *counted, const struct file_change *change, struct err *err)
{
	const struct file *file = change->file;
	const struct source_spec *source = &counted->catalog->spec->sources[change->source];
	int64_t key = schema_key(counted->catalog->sources[change->source].id, file->id);
	bool is_gone = file_is_gone(file);
	bool is_known = false;
	int rc;

	if (change->is_forgotten ||
		(change->least_offset == 0 && file->n_events == 0 && file->n_rejects == 0))
		return 0;
	(void)sqlite3_bind_int64(counted->known, 1, key);
	rc = db_step(counted->known, err);
	if (rc < 0)
		return rc;
	if (rc == 1) {
		is_known = strcmp(db_text(counted->known, 0), file->path) == 0 &&
			   sqlite3_column_int(counted->known, 1) != 0 &&
			   (sqlite3_column_int(counted->known, 2) != 0) == is_gone;
		(void)sqlite3_reset(counted->known);
	}
	if (!is_known)
		ledger_add(counted->ledger, key, source->path, file->path, is_gone);
	return 0;
}

int counted_note(struct counted *counted, const struct changes *changes, struct err *err)
{
	size_t i;
	int rc = 0;

	if (counted->ledger == NULL)
		rc = renew(counted, err);
	for (i = 0; rc == 0 && i < changes->n_files; i++)
		rc = note_file(counted, &changes->files[i], err);
	return rc == 0 ? ledger_write(counted->ledger, err) : rc;
}

int counted_sync(struct counted *counted, struct err *err)
{
	int rc;

	if (counted->ledger == NULL)
		return 0;
	rc = ledger_sync(counted->ledger, err);
	if (rc == 0)
		return 0;
	/* After a failed sync the descriptor is not believed again: a new file, synced. */
	ledger_close(counted->ledger);
	counted->ledger = NULL;
	return renew(counted, err);
}
