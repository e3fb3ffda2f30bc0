/*
 * Runs at a start and at a reload only, so nothing is kept prepared. What a
 * query that goes on shows of its numbers is carried over; what the
 * configuration says of it is written anew.
 */
#include "sql/mirror_tables.h"

#include "base/buf.h"
#include "base/quantity.h"
#include "sql/db.h"
#include "sql/mirror_return.h"
#include "sql/schema.h"

#include <string.h>

static bool is_fixed_table(const char *name)
{
	static const char *const fixed[] = {"progress", "files", "rejects", "reject_totals",
		"queries", "newest_events", "settings"};
	size_t i;

	for (i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (strcmp(name, fixed[i]) == 0)
			return true;
	}
	return false;
}

/* What the mirror has of it stays: at a start all that was filled, at a reload what goes on. */
static bool stays(bool is_reload, bool is_new, bool is_kept)
{
	return !is_new && (is_kept || !is_reload);
}

static bool source_stays(const struct catalog *catalog, size_t index, bool is_reload)
{
	return stays(is_reload, catalog->sources[index].is_new, catalog->sources[index].is_kept);
}

static bool query_stays(const struct catalog *catalog, size_t index, bool is_reload)
{
	return stays(is_reload, catalog->queries[index].is_new, catalog->queries[index].is_kept);
}

static bool table_stays(const struct catalog *catalog, const char *name, bool is_reload)
{
	size_t i = catalog_find_query(catalog, name);

	return i != SIZE_MAX && query_stays(catalog, i, is_reload);
}

/* Drops the tables of queries that are gone or begin anew. */
static int drop_tables(sqlite3 *db, const struct catalog *catalog, bool is_reload, struct err *err)
{
	struct buf sql = {0};
	sqlite3_stmt *stmt;
	int rc = db_prepare(db, "SELECT name FROM sqlite_schema WHERE type = 'table'", &stmt, err);

	if (rc < 0)
		return rc;
	while ((rc = db_step(stmt, err)) == 1) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		if (is_fixed_table(name) || table_stays(catalog, name, is_reload))
			continue;
		buf_add_text(&sql, "DROP TABLE ");
		db_add_name(&sql, name);
		buf_add_char(&sql, ';');
	}
	(void)sqlite3_finalize(stmt);
	buf_add_char(&sql, '\0');
	if (rc == 0)
		rc = buf_ok(&sql) ? db_exec(db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

static int create_tables(sqlite3 *db, const struct catalog *catalog, struct err *err)
{
	enum table_form form = TABLE_MISSING;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		const struct query_spec *query = &catalog->spec->queries[i];

		rc = schema_table_form(db, query->name, &form, err);
		if (rc == 0 && form == TABLE_MISSING)
			rc = schema_create_table(db, query->name, query, TABLE_KEYED, err);
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
	struct buf *fields, struct buf *message, struct err *err)
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
	db_bind_text(stmt, 10,
		catalog_message(&catalog->queries[index], "Initializing sources", 0, message));
	bind_duration(stmt, 9, query->watermark_us, query->watermark_us >= 0);
	return db_run(stmt, err);
}

/*
 * A query that was there keeps its numbers; what the configuration says of it
 * is written anew.
 */
static int put_queries(sqlite3 *db, const struct catalog *catalog, bool is_reload, struct err *err)
{
	struct buf fields = {0}, message = {0};
	sqlite3_stmt *stmt = NULL;
	size_t i;
	int rc;

	rc = db_exec(db,
		"CREATE TEMP TABLE kept AS SELECT rowid AS id, * FROM queries;"
		"DELETE FROM queries",
		err);
	if (rc == 0)
		rc = db_prepare(db,
			"INSERT INTO queries(rowid, name, source, state, message, is_streaming,"
			" is_data_available, is_trigger_active, \"window\", slide, session,"
			" group_by, output_mode, watermark, files, files_behind, bytes, events,"
			" rejects, late, refused, \"groups\") VALUES(?1, ?2, ?3, 'INITIALIZING',"
			" ?10, 1, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9,"
			" 0, 0, 0, 0, 0, 0, 0, 0)",
			&stmt, err);
	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++)
		rc = put_query(stmt, catalog, i, &fields, &message, err);
	(void)sqlite3_finalize(stmt);
	stmt = NULL;
	if (rc == 0)
		rc = db_prepare(db,
			"UPDATE queries SET (state, message, is_data_available, is_trigger_active,"
			" batch_id, files, files_behind, bytes, events, rejects, late, refused,"
			" \"groups\", started_at, exception) = (SELECT state, message,"
			" is_data_available, is_trigger_active, batch_id, files, files_behind,"
			" bytes, events, rejects, late, refused, \"groups\", started_at, exception"
			" FROM kept WHERE id = ?1) WHERE rowid = ?1 AND ?1 IN (SELECT id FROM "
			"kept)",
			&stmt, err);
	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		if (!query_stays(catalog, i, is_reload))
			continue;
		(void)sqlite3_bind_int64(stmt, 1, catalog->queries[i].id);
		rc = db_run(stmt, err);
	}
	(void)sqlite3_finalize(stmt);
	buf_fini(&fields);
	buf_fini(&message);
	if (rc == 0)
		rc = db_exec(db, "DROP TABLE kept", err);
	return rc;
}

/* Rows whose id has no source of the catalog in its upper bits. */
static void add_row_purge(
	struct buf *sql, const struct catalog *catalog, const char *table, bool is_reload)
{
	const char *comma = "";
	size_t i;

	buf_printf(sql, "DELETE FROM %s WHERE rowid >> %d NOT IN (", table, SCHEMA_KEY_BITS);
	for (i = 0; i < catalog->spec->n_sources; i++) {
		if (!source_stays(catalog, i, is_reload))
			continue;
		buf_printf(sql, "%s%lld", comma, (long long)catalog->sources[i].id);
		comma = ", ";
	}
	buf_add_text(sql, ");");
}

/* Rows that name no source, or no query, of the catalog. */
static void add_name_purge(struct buf *sql, const struct catalog *catalog, const char *table,
	bool by_source, bool is_reload)
{
	const struct spec *spec = catalog->spec;
	size_t n = by_source ? spec->n_sources : spec->n_queries;
	const char *comma = "";
	size_t i;

	buf_printf(sql, "DELETE FROM %s WHERE %s NOT IN (", table, by_source ? "source" : "query");
	for (i = 0; i < n; i++) {
		if (by_source ? !source_stays(catalog, i, is_reload)
			      : !query_stays(catalog, i, is_reload))
			continue;
		/* Names are of letters, digits and `_`. */
		buf_printf(sql, "%s'%s'", comma,
			by_source ? spec->sources[i].name : spec->queries[i].name);
		comma = ", ";
	}
	buf_add_text(sql, ");");
}

/* A source that has another name now. */
static int rename_sources(sqlite3 *db, const struct catalog *catalog, struct err *err)
{
	struct buf sql = {0};
	size_t i;
	int rc;

	for (i = 0; i < catalog->spec->n_sources; i++) {
		const char *name = catalog->spec->sources[i].name;
		int64_t id = catalog->sources[i].id;
		long long first = schema_key(id, 0), last = schema_key(id + 1, 0) - 1;

		buf_printf(&sql,
			"UPDATE files SET source = '%s' WHERE rowid BETWEEN %lld AND %lld AND"
			" source <> '%s'; UPDATE rejects SET source = '%s' WHERE rowid BETWEEN"
			" %lld AND %lld AND source <> '%s';",
			name, first, last, name, name, first, last, name);
	}
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_exec(db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

static int purge_rows(sqlite3 *db, const struct catalog *catalog, bool is_reload, struct err *err)
{
	struct buf sql = {0};
	int rc;

	add_row_purge(&sql, catalog, "files", is_reload);
	add_row_purge(&sql, catalog, "rejects", is_reload);
	add_name_purge(&sql, catalog, "reject_totals", true, is_reload);
	add_name_purge(&sql, catalog, "progress", false, is_reload);
	add_name_purge(&sql, catalog, "newest_events", false, is_reload);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_exec(db, sql.data, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

static int put_settings(sqlite3 *db, const struct setting *settings, size_t n, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	size_t i;
	int rc = db_exec(db, "DELETE FROM settings", err);

	if (rc == 0)
		rc = db_prepare(db, "INSERT INTO settings VALUES(?1, ?2, ?3)", &stmt, err);
	for (i = 0; rc == 0 && i < n; i++) {
		db_bind_text(stmt, 1, settings[i].name);
		db_bind_text(stmt, 2, settings[i].value);
		db_bind_text(stmt, 3, settings[i].origin);
		rc = db_run(stmt, err);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

int mirror_tables_set(sqlite3 *db, const struct catalog *catalog, const struct setting *settings,
	size_t n_settings, sqlite3 *checkpoint, struct err *err)
{
	bool is_reload = checkpoint != NULL;
	int rc = drop_tables(db, catalog, is_reload, err);

	if (rc == 0)
		rc = put_queries(db, catalog, is_reload, err);
	if (rc == 0)
		rc = purge_rows(db, catalog, is_reload, err);
	if (rc == 0)
		rc = rename_sources(db, catalog, err);
	if (rc == 0 && is_reload)
		rc = mirror_return(db, checkpoint, catalog, err);
	if (rc == 0)
		rc = create_tables(db, catalog, err);
	if (rc == 0)
		rc = put_settings(db, settings, n_settings, err);
	return rc;
}
