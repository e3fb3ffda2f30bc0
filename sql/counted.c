/*
 * The tables are asked for one file at a time, but for files with a greater id
 * than any that may stand in them: of these nothing has been noted yet.
 */
#include "sql/counted.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sql/db.h"
#include "sql/ledger.h"
#include "sql/schema.h"

#include <assert.h>
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
	int64_t *newest;       /* by source: no greater key stands in the tables; -1: ask them */
};

int counted_open(struct counted **out, sqlite3 *db, const struct checkpoint_dir *dir,
	const struct catalog *catalog, struct err *err)
{
	struct counted *counted = calloc(1, sizeof(*counted));
	size_t i;
	int rc;

	*out = NULL;
	if (counted == NULL)
		return err_nomem(err);
	*counted = (struct counted){.db = db, .dir = dir, .catalog = catalog};
	counted->newest = mem_new_array(catalog->spec->n_sources, sizeof(*counted->newest));
	for (i = 0; counted->newest != NULL && i < catalog->spec->n_sources; i++)
		counted->newest[i] = -1;
	rc = counted->newest == NULL ? err_nomem(err)
				     : db_prepare(db,
					       "SELECT path, " IS_COUNTED ", " IS_GONE
					       " FROM files AS f WHERE rowid = ?1",
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
	free(counted->newest);
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

static int find_newest(struct counted *counted, size_t source, struct err *err)
{
	int64_t id = counted->catalog->sources[source].id;
	sqlite3_stmt *stmt;
	int rc;

	if (counted->newest[source] >= 0)
		return 0;
	rc = db_prepare(counted->db,
		"SELECT coalesce(max(rowid), ?1) FROM files WHERE rowid BETWEEN ?1 AND ?2", &stmt,
		err);
	if (rc < 0)
		return rc;
	(void)sqlite3_bind_int64(stmt, 1, schema_key(id, 0));
	(void)sqlite3_bind_int64(stmt, 2, schema_key(id + 1, 0) - 1);
	rc = db_step(stmt, err);
	if (rc == 1)
		counted->newest[source] = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return rc < 0 ? rc : 0;
}

/* 1: the tables have the file as it is now; 0: they have not. */
static int is_known(struct counted *counted, const struct file *file, int64_t key, struct err *err)
{
	int rc;

	(void)sqlite3_bind_int64(counted->known, 1, key);
	rc = db_step(counted->known, err);
	if (rc != 1)
		return rc;
	rc = strcmp(db_text(counted->known, 0), file->path) == 0 &&
	     sqlite3_column_int(counted->known, 1) != 0 &&
	     (sqlite3_column_int(counted->known, 2) != 0) == file_is_gone(file);
	(void)sqlite3_reset(counted->known);
	return rc;
}

/* *newest grows with the keys that are noted. */
static int note_file(
	struct counted *counted, const struct file_change *change, int64_t *newest, struct err *err)
{
	const struct file *file = change->file;
	const char *dir = counted->catalog->spec->sources[change->source].path;
	int64_t key = schema_key(counted->catalog->sources[change->source].id, file->id);
	int rc = 0;

	if (change->is_forgotten)
		return 0;
	if (key > *newest)
		*newest = key;
	if (change->least_offset == 0 && file->n_events == 0 && file->n_rejects == 0)
		return 0;
	if (key <= counted->newest[change->source])
		rc = is_known(counted, file, key, err);
	if (rc == 0)
		ledger_add(counted->ledger, key, dir, file->path, file_is_gone(file));
	return rc < 0 ? rc : 0;
}

int counted_note(struct counted *counted, const struct changes *changes, struct err *err)
{
	int64_t newest = -1;
	size_t i;
	int rc = 0;

	if (counted->ledger == NULL)
		rc = renew(counted, err);
	if (rc == 0 && changes->n_files > 0)
		rc = find_newest(counted, changes->source, err);
	for (i = 0; rc == 0 && i < changes->n_files; i++) {
		assert(changes->files[i].source == changes->source);
		rc = note_file(counted, &changes->files[i], &newest, err);
	}
	if (newest > -1 && newest > counted->newest[changes->source])
		counted->newest[changes->source] = newest;
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

/* What was counted after the tables were written has a greater key than any in them. */
struct newest {
	sqlite3_stmt *of_source;
	int64_t source; /* the one that `key` is of; -1: none yet */
	int64_t key;
	struct err *err;
};

static bool is_older(void *context, int64_t key)
{
	struct newest *newest = context;
	int64_t source = key >> SCHEMA_KEY_BITS;

	if (source != newest->source) {
		(void)sqlite3_bind_int64(newest->of_source, 1, source);
		(void)sqlite3_bind_int64(newest->of_source, 2, schema_key(source, 0));
		(void)sqlite3_bind_int64(newest->of_source, 3, schema_key(source + 1, 0) - 1);
		newest->source = source;
		newest->key = INT64_MAX;
		if (db_step(newest->of_source, newest->err) == 1)
			newest->key = sqlite3_column_int64(newest->of_source, 0);
		(void)sqlite3_reset(newest->of_source);
	}
	return key <= newest->key;
}

/* A source that the tables do not have was removed, unless it is newer than all they have. */
#define NEWEST_OF_SOURCE                                                                           \
	"SELECT CASE WHEN EXISTS (SELECT 1 FROM \"state:sources\" WHERE id = ?1)"                  \
	" OR ?1 > (SELECT coalesce(max(id), -1) FROM \"state:sources\")"                           \
	" THEN (SELECT coalesce(max(rowid), -1) FROM files WHERE rowid BETWEEN ?2 AND ?3)"         \
	" ELSE ?3 END"

int counted_find_lost(sqlite3 *db, const struct checkpoint_dir *dir, struct err *err)
{
	struct newest newest = {.source = -1, .err = err};
	struct buf buf = {0};
	const char *path = checkpoint_dir_path(dir, &buf, "counted");
	size_t n_missing = 0;
	int rc = path != NULL ? db_prepare(db, NEWEST_OF_SOURCE, &newest.of_source, err)
			      : err_nomem(err);

	if (rc == 0)
		rc = ledger_check(path, is_older, &newest, &n_missing, err);
	(void)sqlite3_finalize(newest.of_source);
	buf_fini(&buf);
	/* A ledger that is lost itself tells nothing about a checkpoint that is good. */
	if (rc == ERR_CONFIG)
		rc = err->code = n_missing > 0 ? ERR_MISSING : 0;
	return rc;
}
