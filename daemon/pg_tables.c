/*
 * The catalog's tables: each is a SELECT over SQLite's pragma functions and
 * constant rows. One virtual table module serves them all: it runs the SELECT
 * and hands its rows on.
 *
 * Identifiers of tables are 16384 plus their place in the order of names, so
 * they are stable while the schema is, which is what a client needs between two
 * look-ups.
 */
#include "daemon/pg_tables.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RELATIONS                                                                                  \
	"SELECT 16384 + row_number() OVER (ORDER BY name) AS oid, name, type, schema "             \
	"FROM pragma_table_list WHERE schema IN ('main', 'temp') AND name NOT LIKE 'sqlite~_%' "   \
	"ESCAPE '~'"

#define TYPE_OF(column)                                                                            \
	"CASE WHEN " column " LIKE 'INT%' THEN 20 WHEN " column " = 'REAL' THEN 701 WHEN " column  \
	" = 'BLOB' THEN 17 WHEN " column " LIKE 'TIMESTAMP%' THEN 1114 ELSE 25 END"

#define TYPE_NAME_OF(column)                                                                       \
	"CASE WHEN " column " LIKE 'INT%' THEN 'bigint' WHEN " column                              \
	" = 'REAL' THEN 'double precision' WHEN " column " = 'BLOB' THEN 'bytea' WHEN " column     \
	" LIKE 'TIMESTAMP%' THEN 'timestamp without time zone' ELSE 'text' END"

struct pg_table {
	const char *name;
	const char *select; /* gives its rows and names its columns */
};

static const struct pg_table tables[] = {
	{"pg_namespace",
		"SELECT column1 AS oid, column2 AS nspname, 10 AS nspowner, NULL AS nspacl FROM "
		"(VALUES (11, 'pg_catalog'), (2200, 'public'), (13000, 'information_schema'))"},
	{"pg_class",
		"SELECT oid, name AS relname, 2200 AS relnamespace, 0 AS reltype, 0 AS reloftype, "
		"10 AS relowner, 2 AS relam, 0 AS relfilenode, 0 AS reltablespace, 0 AS relpages, "
		"-1.0 AS reltuples, 0 AS reltoastrelid, 'f' AS relhasindex, 'f' AS relisshared, "
		"CASE schema WHEN 'temp' THEN 't' ELSE 'p' END AS relpersistence, "
		"CASE type WHEN 'view' THEN 'v' ELSE 'r' END AS relkind, 0 AS relnatts, "
		"0 AS relchecks, 'f' AS relhasrules, 'f' AS relhastriggers, "
		"'f' AS relhassubclass, 'f' AS relrowsecurity, 'f' AS relforcerowsecurity, "
		"'t' AS relispopulated, 'd' AS relreplident, 'f' AS relispartition, "
		"NULL AS relacl, NULL AS reloptions, NULL AS relpartbound FROM (" RELATIONS ")"},
	{"pg_attribute", "SELECT r.oid AS attrelid, c.name AS attname, " TYPE_OF(
				 "c.type") " AS atttypid, "
					   "-1 AS attstattarget, -1 AS attlen, c.cid + 1 AS "
					   "attnum, 0 AS attndims, "
					   "-1 AS atttypmod, 'f' AS attbyval, 'p' AS attstorage, "
					   "'i' AS attalign, "
					   "'' AS attcompression, 0 AS attnotnull, 0 AS atthasdef, "
					   "'' AS attidentity, "
					   "'' AS attgenerated, 0 AS attisdropped, 0 AS "
					   "attcollation, NULL AS attacl "
					   "FROM (" RELATIONS ") r, pragma_table_xinfo(r.name) c"},
	{"pg_type",
		"SELECT column1 AS oid, column2 AS typname, 11 AS typnamespace, 10 AS typowner, "
		"column3 AS typlen, 'f' AS typbyval, 'b' AS typtype, column4 AS typcategory, "
		"'f' AS typispreferred, 't' AS typisdefined, ',' AS typdelim, 0 AS typrelid, "
		"0 AS typelem, column5 AS typarray, 0 AS typbasetype, -1 AS typtypmod, "
		"'f' AS typnotnull, 0 AS typndims, 0 AS typcollation, NULL AS typdefault, "
		"column2 || 'in' AS typinput, column2 || 'out' AS typoutput FROM (VALUES "
		"(16, 'bool', 1, 'B', 1000), (17, 'bytea', -1, 'U', 1001), "
		"(19, 'name', 64, 'S', 1003), (20, 'int8', 8, 'N', 1016), "
		"(21, 'int2', 2, 'N', 1005), (23, 'int4', 4, 'N', 1007), "
		"(25, 'text', -1, 'S', 1009), (26, 'oid', 4, 'N', 1028), "
		"(114, 'json', -1, 'U', 199), (700, 'float4', 4, 'N', 1021), "
		"(701, 'float8', 8, 'N', 1022), (705, 'unknown', -2, 'X', 0), "
		"(1042, 'bpchar', -1, 'S', 1014), (1043, 'varchar', -1, 'S', 1015), "
		"(1082, 'date', 4, 'D', 1182), (1114, 'timestamp', 8, 'D', 1115), "
		"(1184, 'timestamptz', 8, 'D', 1185), (1700, 'numeric', -1, 'N', 1231))"},
	{"pg_am", "SELECT 2 AS oid, 'heap' AS amname, 't' AS amtype"},
	{"pg_database",
		"SELECT 1 AS oid, current_database() AS datname, 10 AS datdba, 6 AS encoding, "
		"'c' AS datlocprovider, 'f' AS datistemplate, 't' AS datallowconn, "
		"-1 AS datconnlimit, 'C.UTF-8' AS datcollate, 'C.UTF-8' AS datctype, "
		"NULL AS daticulocale, NULL AS datacl"},
	{"pg_roles", "SELECT 10 AS oid, pg_current_user() AS rolname, 'f' AS rolsuper, "
		     "'t' AS rolinherit, 'f' AS rolcreaterole, 'f' AS rolcreatedb, "
		     "'t' AS rolcanlogin, 'f' AS rolreplication, -1 AS rolconnlimit, "
		     "NULL AS rolvaliduntil, 'f' AS rolbypassrls"},
	{"pg_user", "SELECT pg_current_user() AS usename, 10 AS usesysid, 0 AS usesuper"},
	{"pg_proc",
		"SELECT 20000 + row_number() OVER (ORDER BY name, narg) AS oid, "
		"name AS proname, 2200 AS pronamespace, "
		"CASE type WHEN 'a' THEN 'a' WHEN 'w' THEN 'w' ELSE 'f' END AS prokind, narg "
		"FROM pragma_function_list WHERE builtin = 0 AND name NOT LIKE 'pg~_%' ESCAPE '~'"},
	{"pg_extension",
		"SELECT 0 AS oid, '' AS extname, '' AS extversion, 0 AS extnamespace WHERE 0"},
	{"pg_description", "SELECT 0 AS objoid, 0 AS classoid, 0 AS objsubid, '' AS description "
			   "WHERE 0"},
	{"pg_attrdef", "SELECT 0 AS oid, 0 AS adrelid, 0 AS adnum, '' AS adbin WHERE 0"},
	{"pg_collation", "SELECT 0 AS oid, '' AS collname WHERE 0"},
	{"pg_range", "SELECT 0 AS rngtypid, 0 AS rngsubtype WHERE 0"},
	{"pg_enum", "SELECT 0 AS oid, 0 AS enumtypid, 0 AS enumsortorder, '' AS enumlabel WHERE 0"},
	{"pg_tables", "SELECT 'public' AS schemaname, name AS tablename, "
		      "pg_current_user() AS tableowner FROM (" RELATIONS ") WHERE type <> 'view'"},
	{"pg_views", "SELECT 'public' AS schemaname, name AS viewname, "
		     "pg_current_user() AS viewowner FROM (" RELATIONS ") WHERE type = 'view'"},
	{"pg_settings",
		"SELECT name, value AS setting, '' AS unit, origin AS source FROM settings"},
	{"information_schema_tables",
		"SELECT current_database() AS table_catalog, 'public' AS table_schema, "
		"name AS table_name, "
		"CASE type WHEN 'view' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, "
		"'NO' AS is_insertable_into FROM (" RELATIONS ")"},
	{"information_schema_columns",
		"SELECT current_database() AS table_catalog, 'public' AS table_schema, "
		"r.name AS table_name, c.name AS column_name, c.cid + 1 AS ordinal_position, "
		"NULL AS column_default, 'YES' AS is_nullable, " TYPE_NAME_OF(
			"c.type") " AS data_type, NULL AS character_maximum_length, 'NO' AS "
				  "is_updatable "
				  "FROM (" RELATIONS ") r, pragma_table_xinfo(r.name) c"},
	{"information_schema_schemata",
		"SELECT current_database() AS catalog_name, 'public' AS schema_name, "
		"pg_current_user() AS schema_owner"},
};

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

struct catalog_table {
	sqlite3_vtab base;
	sqlite3 *db;
	const struct pg_table *table;
};

struct catalog_cursor {
	sqlite3_vtab_cursor base;
	sqlite3_stmt *rows;
	int rc; /* of the newest step */
};

/*
 * Identifiers are numbers, and psql compares them with quoted ones: INTEGER
 * affinity makes '16384' equal 16384.
 */
static const char *affinity(const char *name)
{
	size_t len = strlen(name);

	return len >= 3 && strcmp(name + len - 2, "id") == 0 ? " INTEGER" : "";
}

/* The columns are those of the SELECT, by name. */
static int declare_columns(sqlite3 *db, const struct pg_table *table, char **message)
{
	sqlite3_stmt *rows = NULL;
	sqlite3_str *ddl = sqlite3_str_new(db);
	int rc = sqlite3_prepare_v2(db, table->select, -1, &rows, NULL);
	char *text;

	for (int i = 0; rc == SQLITE_OK && i < sqlite3_column_count(rows); i++)
		sqlite3_str_appendf(ddl, "%s\"%w\"%s", i == 0 ? "CREATE TABLE x(" : ", ",
			sqlite3_column_name(rows, i), affinity(sqlite3_column_name(rows, i)));
	sqlite3_str_appendall(ddl, ")");
	(void)sqlite3_finalize(rows);
	text = sqlite3_str_finish(ddl);
	if (rc == SQLITE_OK)
		rc = text == NULL ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text);
	else
		*message = sqlite3_mprintf("%s: %s", table->name, sqlite3_errmsg(db));
	sqlite3_free(text);
	return rc;
}

static int on_connect(sqlite3 *db, void *aux, int argc, const char *const *argv, sqlite3_vtab **out,
	char **message)
{
	struct catalog_table *table;
	int rc = declare_columns(db, aux, message);

	(void)argc;
	(void)argv;
	if (rc != SQLITE_OK)
		return rc;
	table = sqlite3_malloc(sizeof(*table));
	if (table == NULL)
		return SQLITE_NOMEM;
	*table = (struct catalog_table){.db = db, .table = aux};
	*out = &table->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *base)
{
	sqlite3_free(base);
	return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	(void)base;
	info->estimatedCost = 1000;
	info->estimatedRows = 100;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
	struct catalog_cursor *cursor = sqlite3_malloc(sizeof(*cursor));

	(void)base;
	if (cursor == NULL)
		return SQLITE_NOMEM;
	*cursor = (struct catalog_cursor){.rc = SQLITE_DONE};
	*out = &cursor->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *base)
{
	struct catalog_cursor *cursor = (struct catalog_cursor *)base;

	(void)sqlite3_finalize(cursor->rows);
	sqlite3_free(cursor);
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct catalog_cursor *cursor = (struct catalog_cursor *)base;

	cursor->rc = sqlite3_step(cursor->rows);
	return cursor->rc == SQLITE_ROW || cursor->rc == SQLITE_DONE ? SQLITE_OK : cursor->rc;
}

static int on_filter(
	sqlite3_vtab_cursor *base, int index, const char *text, int argc, sqlite3_value **argv)
{
	struct catalog_cursor *cursor = (struct catalog_cursor *)base;
	struct catalog_table *table = (struct catalog_table *)base->pVtab;
	int rc;

	(void)index;
	(void)text;
	(void)argc;
	(void)argv;
	(void)sqlite3_finalize(cursor->rows);
	cursor->rows = NULL;
	rc = sqlite3_prepare_v2(table->db, table->table->select, -1, &cursor->rows, NULL);
	return rc == SQLITE_OK ? on_next(base) : rc;
}

static int on_eof(sqlite3_vtab_cursor *base)
{
	return ((struct catalog_cursor *)base)->rc != SQLITE_ROW;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	sqlite3_result_value(
		context, sqlite3_column_value(((struct catalog_cursor *)base)->rows, column));
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
	(void)base;
	*rowid = 0;
	return SQLITE_OK;
}

static const sqlite3_module module = {
	.xConnect = on_connect,
	.xBestIndex = on_best_index,
	.xDisconnect = on_disconnect,
	.xOpen = on_open,
	.xClose = on_close,
	.xFilter = on_filter,
	.xNext = on_next,
	.xEof = on_eof,
	.xColumn = on_column,
	.xRowid = on_rowid,
};

int pg_tables_install(sqlite3 *db)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < N_TABLES && rc == SQLITE_OK; i++)
		rc = sqlite3_create_module(
			db, tables[i].name, &module, (void *)(uintptr_t)&tables[i]);
	return rc;
}
