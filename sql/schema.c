/* Tables made, dropped and rebuilt. Stateless: what there is, the database itself says. */
#include "sql/schema.h"

#include "sql/db.h"
#include "sql/schema_sql.h"

#include <string.h>

int schema_create_shared(sqlite3 *db, struct err *err)
{
	return db_exec(db, schema_shared, err);
}

int schema_create_checkpoint(sqlite3 *db, struct err *err)
{
	return db_exec(db, schema_checkpoint, err);
}

int schema_create_mirror(sqlite3 *db, struct err *err)
{
	return db_exec(db, schema_mirror, err);
}

const char *schema_open_table_name(struct buf *buf, const char *query)
{
	buf_clear(buf);
	buf_printf(buf, "state:open:%s", query);
	return buf_ok(buf) ? buf->data : NULL;
}

int schema_table_form(sqlite3 *db, const char *table, enum table_form *form, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db,
		"SELECT wr FROM pragma_table_list WHERE schema = 'main'"
		" AND name = ?1 COLLATE NOCASE",
		&stmt, err);

	if (rc < 0)
		return rc;
	db_bind_text(stmt, 1, table);
	rc = db_step(stmt, err);
	if (rc == 0)
		*form = TABLE_MISSING;
	else if (rc == 1)
		*form = sqlite3_column_int(stmt, 0) != 0 ? TABLE_KEYED : TABLE_LOOSE;
	(void)sqlite3_finalize(stmt);
	return rc < 0 ? rc : 0;
}

static void add_fields(struct buf *sql, const struct query_spec *query, const char *suffix)
{
	size_t i;

	for (i = 0; i < query->n_group_by; i++) {
		db_add_name(sql, query->group_by[i].column);
		buf_add_text(sql, suffix);
	}
}

/* Runs what was written into `sql`, and frees it. */
static int run_buf(sqlite3 *db, struct buf *sql, struct err *err)
{
	int rc;

	buf_add_char(sql, '\0');
	rc = buf_ok(sql) ? db_exec(db, sql->data, err) : err_nomem(err);
	buf_fini(sql);
	return rc;
}

int schema_create_table(sqlite3 *db, const char *table, const struct query_spec *query,
	enum table_form form, struct err *err)
{
	struct buf sql = {0};

	buf_add_text(&sql, "CREATE TABLE ");
	db_add_name(&sql, table);
	buf_add_char(&sql, '(');
	add_fields(&sql, query, " TEXT, ");
	buf_add_text(&sql, "window_start TIMESTAMP TEXT COLLATE TS,"
			   " window_end TIMESTAMP TEXT COLLATE TS, count INTEGER");
	if (form == TABLE_KEYED) {
		buf_add_text(&sql, ", PRIMARY KEY(");
		add_fields(&sql, query, ", ");
		buf_add_text(&sql, "window_start)) WITHOUT ROWID");
	} else {
		buf_add_text(&sql, "); CREATE INDEX ");
		buf_add_char(&sql, '"');
		buf_add_text(&sql, table); /* our own names: nothing to escape */
		buf_add_text(&sql, ":key\" ON ");
		db_add_name(&sql, table);
		buf_add_char(&sql, '(');
		add_fields(&sql, query, ", ");
		buf_add_text(&sql, "window_start, window_end, count)");
	}
	return run_buf(db, &sql, err);
}

int schema_drop_table(sqlite3 *db, const char *table, struct err *err)
{
	struct buf sql = {0};

	buf_add_text(&sql, "DROP TABLE IF EXISTS ");
	db_add_name(&sql, table);
	return run_buf(db, &sql, err);
}

int schema_loosen_table(
	sqlite3 *db, const char *table, const struct query_spec *query, struct err *err)
{
	struct buf sql = {0};
	int rc;

	buf_add_text(&sql, "ALTER TABLE ");
	db_add_name(&sql, table);
	buf_add_text(&sql, " RENAME TO \"state:keyed\"");
	rc = run_buf(db, &sql, err);
	if (rc < 0)
		return rc;
	rc = schema_create_table(db, table, query, TABLE_LOOSE, err);
	if (rc < 0)
		return rc;
	buf_add_text(&sql, "INSERT INTO ");
	db_add_name(&sql, table);
	buf_add_text(&sql, " SELECT * FROM \"state:keyed\"; DROP TABLE \"state:keyed\"");
	return run_buf(db, &sql, err);
}

int schema_drop_state(sqlite3 *db, struct err *err)
{
	struct buf names = {0};
	sqlite3_stmt *stmt;
	int rc = db_prepare(db,
		"SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'state:*'",
		&stmt, err);

	if (rc < 0)
		return rc;
	while ((rc = db_step(stmt, err)) == 1) {
		buf_add_text(&names, "DROP TABLE ");
		db_add_name(&names, (const char *)sqlite3_column_text(stmt, 0));
		buf_add_text(&names, "; ");
	}
	(void)sqlite3_finalize(stmt);
	if (rc < 0) {
		buf_fini(&names);
		return rc;
	}
	return run_buf(db, &names, err);
}
