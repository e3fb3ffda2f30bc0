/*
 * Transactions on the writer's connection. A commit is preceded by
 * snapshot_prepare_commit, so that once the disk has a batch nothing can keep
 * the mirror from showing it.
 */
#include "sql/mirror.h"

#include "base/buf.h"
#include "base/quantity.h"
#include "sql/apply.h"
#include "sql/collation.h"
#include "sql/db.h"
#include "sql/schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct mirror {
	struct snapshot_store *snapshots;
	sqlite3 *db;
	const struct catalog *catalog; /* NULL before mirror_set_catalog */
	struct apply *apply;
	sqlite3_stmt *put_status;
};

static int open_writer(struct mirror *mirror, struct err *err)
{
	int rc = snapshot_open_writer(mirror->snapshots, &mirror->db, err);

	if (rc == 0)
		rc = collation_register(mirror->db, err);
	return rc;
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

/* --- transactions ------------------------------------------------------------- */

void mirror_rollback(struct mirror *mirror)
{
	/* Rolling back needs no memory; a statement that failed may have done it already. */
	if (sqlite3_get_autocommit(mirror->db) == 0)
		(void)sqlite3_exec(mirror->db, "ROLLBACK", NULL, NULL, NULL);
	if (mirror->apply != NULL)
		apply_rolled_back(mirror->apply);
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
	int rc = db_exec(mirror->db, "BEGIN", err);

	if (rc == 0)
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

/* --- filling ------------------------------------------------------------------- */

/* Copies all pages; the connection must be opened again afterwards, its cache holds the page 1 of
 * before. */
static int copy_pages(struct mirror *mirror, sqlite3 *source, struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(mirror->db, "main", source, "main");
	int rc;

	if (backup == NULL)
		return db_error(mirror->db, sqlite3_extended_errcode(mirror->db),
			"cannot fill the mirror", err);
	(void)sqlite3_backup_step(backup, -1);
	rc = sqlite3_backup_finish(backup);
	if (rc != SQLITE_OK)
		return db_error(source, rc, "cannot read the checkpoint", err);
	close_writer(mirror);
	return open_writer(mirror, err);
}

int mirror_fill(struct mirror *mirror, sqlite3 *source, struct err *err)
{
	int rc;

	if (source != NULL) {
		rc = copy_pages(mirror, source, err);
		if (rc < 0)
			return rc;
	}
	rc = db_exec(mirror->db, "BEGIN", err);
	if (rc < 0)
		return rc;
	rc = source != NULL ? schema_drop_state(mirror->db, err)
			    : schema_create_shared(mirror->db, err);
	if (rc == 0)
		rc = schema_create_mirror(mirror->db, err);
	return finish(mirror, rc, err);
}

/* --- the catalog ----------------------------------------------------------------- */

static bool is_fixed_table(const char *name)
{
	static const char *const fixed[] = {
		"progress", "files", "rejects", "reject_totals", "queries", "settings"};
	size_t i;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(name, fixed[i]) == 0)
			return true;
	}
	return false;
}

/* A table of a query that goes on with what it counted. */
static bool is_kept(const struct catalog *catalog, const char *name)
{
	size_t i = catalog_find_query(catalog, name);

	return i != SIZE_MAX && !catalog->queries[i].is_new;
}

/* Drops the tables of queries that are gone or begin anew. */
static int drop_tables(struct mirror *mirror, const struct catalog *catalog, struct err *err)
{
	struct buf sql = {0};
	sqlite3_stmt *stmt;
	int rc = db_prepare(
		mirror->db, "SELECT name FROM sqlite_schema WHERE type = 'table'", &stmt, err);

	if (rc < 0)
		return rc;
	while ((rc = db_step(stmt, err)) == 1) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		if (is_fixed_table(name) || is_kept(catalog, name))
			continue;
		buf_add_text(&sql, "DROP TABLE ");
		db_add_name(&sql, name);
		buf_add_char(&sql, ';');
	}
	(void)sqlite3_finalize(stmt);
	buf_add_char(&sql, '\0');
	if (rc == 0)
		rc = buf_ok(&sql) ? db_exec(mirror->db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

static int create_tables(struct mirror *mirror, const struct catalog *catalog, struct err *err)
{
	enum table_form form = TABLE_MISSING;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		const struct query_spec *query = &catalog->spec->queries[i];

		rc = schema_table_form(mirror->db, query->name, &form, err);
		if (rc == 0 && form == TABLE_MISSING)
			rc = schema_create_table(mirror->db, query->name, query, TABLE_KEYED, err);
	}
	return rc;
}

static void bind_duration(sqlite3_stmt *stmt, int index, int64_t us, bool is_there)
{
	char text[DURATION_TEXT_BYTES];

	if (!is_there) {
		(void)sqlite3_bind_null(stmt, index);
		return;
	}
	(void)sqlite3_bind_text(
		stmt, index, text, (int)duration_format(us, text), SQLITE_TRANSIENT);
}

static int put_query(sqlite3_stmt *stmt, const struct catalog *catalog, size_t index,
	struct buf *fields, struct err *err)
{
	const struct query_spec *query = &catalog->spec->queries[index];
	size_t i;

	buf_clear(fields);
	for (i = 0; i < query->n_group_by; i++) {
		buf_add_text(fields, i > 0 ? ", " : "");
		buf_add_text(fields, query->group_by[i].path);
	}
	if (!buf_ok(fields))
		return err_nomem(err);
	(void)sqlite3_bind_int64(stmt, 1, catalog->queries[index].id);
	db_bind_text(stmt, 2, query->name);
	db_bind_text(stmt, 3, catalog->spec->sources[query->source].name);
	bind_duration(stmt, 4, query->window_us, query->session_us == 0);
	bind_duration(stmt, 5, query->slide_us,
		query->session_us == 0 && query->slide_us != query->window_us);
	bind_duration(stmt, 6, query->session_us, query->session_us != 0);
	(void)sqlite3_bind_text(
		stmt, 7, fields->data != NULL ? fields->data : "", (int)fields->len, SQLITE_STATIC);
	db_bind_text(stmt, 8, output_mode_name(query->output_mode));
	bind_duration(stmt, 9, query->watermark_us, query->watermark_us >= 0);
	return db_run(stmt, err);
}

/*
 * A query that was there keeps its numbers; what the configuration says of it
 * is written anew.
 */
static int put_queries(struct mirror *mirror, const struct catalog *catalog, struct err *err)
{
	struct buf fields = {0};
	sqlite3_stmt *stmt = NULL;
	size_t i;
	int rc;

	rc = db_exec(mirror->db,
		"CREATE TEMP TABLE kept AS SELECT rowid AS id, * FROM queries;"
		"DELETE FROM queries",
		err);
	if (rc == 0)
		rc = db_prepare(mirror->db,
			"INSERT INTO queries(rowid, name, source, state, message, is_streaming,"
			" is_data_available, is_trigger_active, \"window\", slide, session,"
			" group_by, output_mode, watermark, files, files_behind, bytes, events,"
			" rejects, late, refused, \"groups\") VALUES(?1, ?2, ?3, 'INITIALIZING',"
			" 'Initializing sources', 1, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9,"
			" 0, 0, 0, 0, 0, 0, 0, 0)",
			&stmt, err);
	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++)
		rc = put_query(stmt, catalog, i, &fields, err);
	(void)sqlite3_finalize(stmt);
	stmt = NULL;
	if (rc == 0)
		rc = db_prepare(mirror->db,
			"UPDATE queries SET (state, message, is_data_available, is_trigger_active,"
			" batch_id, files, files_behind, bytes, events, rejects, late, refused,"
			" \"groups\", started_at, exception) = (SELECT state, message,"
			" is_data_available, is_trigger_active, batch_id, files, files_behind,"
			" bytes, events, rejects, late, refused, \"groups\", started_at, exception"
			" FROM kept WHERE id = ?1) WHERE rowid = ?1 AND ?1 IN (SELECT id FROM "
			"kept)",
			&stmt, err);
	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		if (catalog->queries[i].is_new)
			continue;
		(void)sqlite3_bind_int64(stmt, 1, catalog->queries[i].id);
		rc = db_run(stmt, err);
	}
	(void)sqlite3_finalize(stmt);
	buf_fini(&fields);
	if (rc == 0)
		rc = db_exec(mirror->db, "DROP TABLE kept", err);
	return rc;
}

/* `DELETE FROM table WHERE column NOT IN (the names that go on)` */
static void add_purge(
	struct buf *sql, const struct catalog *catalog, const char *table, bool by_source)
{
	const struct spec *spec = catalog->spec;
	size_t n = by_source ? spec->n_sources : spec->n_queries;
	const char *comma = "";
	size_t i;

	buf_printf(sql, "DELETE FROM %s WHERE %s NOT IN (", table, by_source ? "source" : "query");
	for (i = 0; i < n; i++) {
		if (by_source ? catalog->sources[i].is_new : catalog->queries[i].is_new)
			continue;
		/* Names are of letters, digits and `_`. */
		buf_printf(sql, "%s'%s'", comma,
			by_source ? spec->sources[i].name : spec->queries[i].name);
		comma = ", ";
	}
	buf_add_text(sql, ");");
}

static int purge_rows(struct mirror *mirror, const struct catalog *catalog, struct err *err)
{
	struct buf sql = {0};
	int rc;

	add_purge(&sql, catalog, "files", true);
	add_purge(&sql, catalog, "rejects", true);
	add_purge(&sql, catalog, "reject_totals", true);
	add_purge(&sql, catalog, "progress", false);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_exec(mirror->db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

static int put_settings(
	struct mirror *mirror, const struct setting *settings, size_t n, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	size_t i;
	int rc = db_exec(mirror->db, "DELETE FROM settings", err);

	if (rc == 0)
		rc = db_prepare(mirror->db, "INSERT INTO settings VALUES(?1, ?2, ?3)", &stmt, err);
	for (i = 0; rc == 0 && i < n; i++) {
		db_bind_text(stmt, 1, settings[i].name);
		db_bind_text(stmt, 2, settings[i].value);
		db_bind_text(stmt, 3, settings[i].origin);
		rc = db_run(stmt, err);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

static const char put_status_text[] =
	"UPDATE queries SET state = ?2, message = coalesce(?3, message), exception = ?4,"
	" files_behind = ?5, is_data_available = ?6, is_trigger_active = ?7 WHERE rowid = ?1"
	" AND (state IS NOT ?2 OR message IS NOT coalesce(?3, message) OR exception IS NOT ?4"
	" OR files_behind IS NOT ?5 OR is_data_available IS NOT ?6"
	" OR is_trigger_active IS NOT ?7)";

int mirror_set_catalog(struct mirror *mirror, const struct catalog *catalog,
	const struct setting *settings, size_t n_settings, struct err *err)
{
	struct apply *apply = NULL;
	int rc = db_exec(mirror->db, "BEGIN", err);

	if (rc < 0)
		return rc;
	rc = drop_tables(mirror, catalog, err);
	if (rc == 0)
		rc = create_tables(mirror, catalog, err);
	if (rc == 0)
		rc = put_queries(mirror, catalog, err);
	if (rc == 0)
		rc = purge_rows(mirror, catalog, err);
	if (rc == 0)
		rc = put_settings(mirror, settings, n_settings, err);
	if (rc == 0)
		rc = apply_open(&apply, mirror->db, APPLY_MIRROR, catalog, err);
	if (rc == 0 && mirror->put_status == NULL)
		rc = db_prepare(mirror->db, put_status_text, &mirror->put_status, err);
	rc = finish(mirror, rc, err);
	if (rc < 0) {
		apply_close(apply);
		return rc;
	}
	apply_close(mirror->apply);
	mirror->apply = apply;
	mirror->catalog = catalog;
	return 0;
}

int mirror_set_status(struct mirror *mirror, const struct query_status *status, struct err *err)
{
	sqlite3_stmt *stmt = mirror->put_status;
	size_t i;
	int rc = db_exec(mirror->db, "BEGIN", err);

	for (i = 0; rc == 0 && i < mirror->catalog->spec->n_queries; i++) {
		(void)sqlite3_bind_int64(stmt, 1, mirror->catalog->queries[i].id);
		db_bind_text(stmt, 2, query_state_name(status[i].state));
		db_bind_text(stmt, 3, status[i].message);
		db_bind_text(stmt, 4, status[i].exception);
		(void)sqlite3_bind_int64(stmt, 5, status[i].n_files_behind);
		(void)sqlite3_bind_int(stmt, 6, status[i].is_data_available);
		(void)sqlite3_bind_int(stmt, 7, status[i].is_trigger_active);
		rc = db_run(stmt, err);
	}
	/* Where no row differed there is nothing dirty, and nothing is published. */
	return finish(mirror, rc, err);
}
