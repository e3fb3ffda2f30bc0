/*
 * A connection that only looks and is closed again. The header is judged first,
 * by the same code as at a start, so that no pipe or foreign file is opened.
 */
#include "sql/removed.h"

#include "sql/checkpoint_dir.h"
#include "sql/checkpoint_vfs.h"
#include "sql/collation.h"
#include "sql/db.h"
#include "sql/state.h"

#include <stdbool.h>
#include <stdlib.h>

static int read_names(const char *path, char ***names, size_t *n, struct err *err)
{
	struct checkpoint_vfs *vfs = checkpoint_vfs_new_reader();
	sqlite3 *db = NULL;
	int rc = vfs != NULL ? checkpoint_vfs_open(vfs, path, false, &db, err) : err_nomem(err);

	if (rc == 0) {
		/* Closing must not move the WAL. */
		(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		rc = collation_register(db, err);
	}
	/* The WAL's index in this process's memory, not in a file. */
	if (rc == 0)
		rc = db_exec(db, "PRAGMA locking_mode=EXCLUSIVE", err);
	if (rc == 0)
		rc = state_query_names(db, names, n, err);
	(void)sqlite3_close(db);
	checkpoint_vfs_free(vfs);
	return rc;
}

static bool is_configured(const struct spec *spec, const char *name)
{
	size_t i;

	for (i = 0; i < spec->n_queries; i++) {
		if (sqlite3_stricmp(spec->queries[i].name, name) == 0)
			return true;
	}
	return false;
}

int removed_queries(
	const char *state_dir, const struct spec *spec, char ***names, size_t *n, struct err *err)
{
	enum checkpoint_finding finding = CHECKPOINT_MISSING;
	char reason[ERR_TEXT_BYTES] = "";
	struct checkpoint_dir dir;
	size_t n_all = 0, i;
	int rc;

	*names = NULL;
	*n = 0;
	if (!checkpoint_dir_init(&dir, state_dir))
		return err_nomem(err);
	rc = checkpoint_dir_inspect(&dir, &finding, reason, err);
	if (rc == 0 && finding == CHECKPOINT_DAMAGED)
		rc = err_set(err, ERR_CORRUPT, "%s: %s", dir.path, reason);
	if (rc == 0 && finding == CHECKPOINT_GOOD)
		rc = read_names(dir.path, names, &n_all, err);
	checkpoint_dir_fini(&dir);
	for (i = 0; rc == 0 && i < n_all; i++) {
		if (is_configured(spec, (*names)[i]))
			free((*names)[i]);
		else
			(*names)[(*n)++] = (*names)[i];
	}
	return rc;
}
