/* Row by row, value by value: the tables of both databases have the same columns. */
#include "sql/mirror_return.h"

#include "base/buf.h"
#include "sql/db.h"
#include "sql/schema.h"

/* INSERT of all that `rows` gives; its first column is the row id if there is one. */
static int prepare_insert(
	sqlite3 *to, const char *table, sqlite3_stmt *rows, sqlite3_stmt **insert, struct err *err)
{
	struct buf sql = {0};
	int n = sqlite3_column_count(rows), i;
	int rc;

	buf_add_text(&sql, "INSERT INTO ");
	db_add_name(&sql, table);
	for (i = 0; i < n; i++) {
		buf_add_text(&sql, i == 0 ? "(" : ", ");
		db_add_name(&sql, sqlite3_column_name(rows, i));
	}
	for (i = 0; i < n; i++)
		buf_add_text(&sql, i == 0 ? ") VALUES(?" : ", ?");
	buf_add_text(&sql, ")");
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_prepare(to, sql.data, insert, err) : err_nomem(err);
	buf_fini(&sql);
	return rc;
}

/* Takes `rows` over, which stands before its first row. */
static int copy_rows(sqlite3 *to, const char *table, sqlite3_stmt *rows, struct err *err)
{
	sqlite3_stmt *insert = NULL;
	int n = sqlite3_column_count(rows), i;
	int rc = prepare_insert(to, table, rows, &insert, err);

	while (rc == 0 && (rc = db_step(rows, err)) == 1) {
		for (i = 0; i < n; i++)
			(void)sqlite3_bind_value(insert, i + 1, sqlite3_column_value(rows, i));
		rc = db_run(insert, err);
	}
	(void)sqlite3_finalize(insert);
	(void)sqlite3_finalize(rows);
	return rc;
}

/* The rows of one source or query in a table whose row ids begin with its id. */
static int copy_range(sqlite3 *to, sqlite3 *from, const char *table, int64_t id, struct err *err)
{
	struct buf sql = {0};
	sqlite3_stmt *rows = NULL;
	int rc;

	buf_printf(&sql, "SELECT rowid, * FROM %s WHERE rowid BETWEEN ?1 AND ?2", table);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_prepare(from, sql.data, &rows, err) : err_nomem(err);
	buf_fini(&sql);
	if (rc < 0)
		return rc;
	(void)sqlite3_bind_int64(rows, 1, schema_key(id, 0));
	(void)sqlite3_bind_int64(rows, 2, schema_key(id + 1, 0) - 1);
	return copy_rows(to, table, rows, err);
}

static int copy_source(
	sqlite3 *to, sqlite3 *from, const struct catalog *catalog, size_t index, struct err *err)
{
	int64_t id = catalog->sources[index].id;
	sqlite3_stmt *rows;
	int rc = copy_range(to, from, "files", id, err);

	if (rc == 0)
		rc = copy_range(to, from, "rejects", id, err);
	if (rc == 0)
		rc = db_prepare(from, "SELECT * FROM reject_totals WHERE source = ?1", &rows, err);
	if (rc < 0)
		return rc;
	db_bind_text(rows, 1, catalog->spec->sources[index].name);
	return copy_rows(to, "reject_totals", rows, err);
}

/* Its table in the form that it has there: NULL groups need the loose one. */
static int copy_table(sqlite3 *to, sqlite3 *from, const struct query_spec *query, struct err *err)
{
	enum table_form form = TABLE_MISSING;
	struct buf sql = {0};
	sqlite3_stmt *rows;
	int rc = schema_table_form(from, query->name, &form, err);

	if (rc < 0 || form == TABLE_MISSING)
		return rc;
	rc = schema_create_table(to, query->name, query, form, err);
	if (rc < 0)
		return rc;
	buf_add_text(&sql, "SELECT * FROM ");
	db_add_name(&sql, query->name);
	buf_add_char(&sql, '\0');
	rc = buf_ok(&sql) ? db_prepare(from, sql.data, &rows, err) : err_nomem(err);
	buf_fini(&sql);
	return rc == 0 ? copy_rows(to, query->name, rows, err) : rc;
}

int mirror_return(sqlite3 *to, sqlite3 *from, const struct catalog *catalog, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < catalog->spec->n_sources; i++) {
		if (!catalog->sources[i].is_new && !catalog->sources[i].is_kept)
			rc = copy_source(to, from, catalog, i, err);
	}
	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		const struct catalog_query *query = &catalog->queries[i];

		if (query->is_new || query->is_kept)
			continue;
		rc = copy_range(to, from, "progress", query->id, err);
		if (rc == 0)
			rc = copy_table(to, from, &catalog->spec->queries[i], err);
	}
	return rc;
}
