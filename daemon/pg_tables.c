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

#include "daemon/pg_catalog.h"
#include "sql/column_types.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define RELATIONS                                                                                  \
	"(SELECT 16384 + row_number() OVER (ORDER BY name) AS oid, * FROM (SELECT name, type, "    \
	"schema = 'temp' AS is_temp FROM pragma_table_list "                                       \
	"WHERE schema IN ('main', 'temp') AND type <> 'virtual' AND name NOT LIKE 'sqlite~_%' "    \
	"ESCAPE '~' UNION ALL SELECT value, 'view', FALSE FROM json_each(pg_virtual_tables())))"

#define OF_TYPE(integer, real, blob, time, boolean, text)                                          \
	"CASE WHEN c.type LIKE '%INT%' THEN " integer " WHEN c.type IN ('REAL', 'DOUBLE', "        \
	"'FLOAT') THEN " real " WHEN c.type = 'BLOB' THEN " blob                                   \
	" WHEN c.type LIKE 'TIMESTAMP%' THEN " time " WHEN c.type LIKE 'BOOL%' THEN " boolean      \
	" ELSE " text " END"
#define TYPE_OID OF_TYPE("20", "701", "17", "1114", "16", "25")
#define TYPE_NAME                                                                                  \
	OF_TYPE("'bigint'", "'double precision'", "'bytea'", "'timestamp without time zone'",      \
		"'boolean'", "'text'")
#define SHORT_TYPE_NAME OF_TYPE("'int8'", "'float8'", "'bytea'", "'timestamp'", "'bool'", "'text'")
#define COLUMNS         RELATIONS " r, pragma_table_xinfo(r.name) c WHERE c.hidden = 0"

/* What stands beside SQLite's functions, with what is said of it. */
#define OWN_FUNCTIONS                                                                              \
	"(VALUES ('date_format', 'text', 'timestamp, pattern text', "                              \
	"'a timestamp in the words of a pattern'), "                                               \
	"('date_trunc', 'timestamp', 'unit text, timestamp', "                                     \
	"'a timestamp cut to its hour, day …'), "                                                \
	"('from_unixtime', 'text', 'seconds bigint', 'the text of a UNIX time'), "                 \
	"('from_unixtime', 'text', 'seconds bigint, pattern text', 'the text of a UNIX time'), "   \
	"('unix_timestamp', 'bigint', '', 'the UNIX time now'), "                                  \
	"('unix_timestamp', 'bigint', 'timestamp', 'the UNIX time of a timestamp'), "              \
	"('to_timestamp', 'timestamp', 'text', 'the timestamp that a text spells'), "              \
	"('tally_version', 'text', '', 'the version of tallyd'), "                                 \
	"('windows', 'TABLE(window_start timestamp, window_end timestamp)', "                      \
	"'\"from\" timestamp, \"to\" timestamp, size text', 'every window of a span'), "           \
	"('start', 'text', 'query text', 'starts a continuous query'), "                           \
	"('stop', 'text', 'query text', 'stops a continuous query'), "                             \
	"('process_all_available', 'bigint', '', 'waits until all that is there is counted'), "    \
	"('process_all_available', 'bigint', 'query text', "                                       \
	"'waits until all that is there is counted'))"

#define OWN_TABLES                                                                                 \
	"(VALUES ('queries', 'the continuous queries and how they are'), "                         \
	"('progress', 'the newest batches of each query'), "                                       \
	"('files', 'the files of each source and how far they are read'), "                        \
	"('rejects', 'lines that are no events'), "                                                \
	"('reject_totals', 'how many lines were rejected, by reason'), "                           \
	"('newest_events', 'the time of the newest event of each query'), "                        \
	"('sessions', 'who is connected and what is running'), "                                   \
	"('settings', 'the configuration in effect'))"

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
		"-1.0 AS reltuples, 0 AS reltoastrelid, FALSE AS relhasindex, "
		"FALSE AS relisshared, "
		"CASE WHEN is_temp THEN 't' ELSE 'p' END AS relpersistence, "
		"CASE type WHEN 'view' THEN 'v' ELSE 'r' END AS relkind, "
		"(SELECT count(*) FROM pragma_table_info(name)) AS relnatts, "
		"0 AS relchecks, FALSE AS relhasrules, FALSE AS relhastriggers, "
		"FALSE AS relhassubclass, FALSE AS relrowsecurity, FALSE AS relforcerowsecurity, "
		"TRUE AS relispopulated, 'd' AS relreplident, FALSE AS relispartition, "
		"NULL AS relacl, NULL AS reloptions, NULL AS relpartbound FROM " RELATIONS},
	{"pg_attribute", "SELECT r.oid AS attrelid, c.name AS attname, " TYPE_OID " AS atttypid, "
			 "-1 AS attstattarget, -1 AS attlen, c.cid + 1 AS attnum, 0 AS attndims, "
			 "-1 AS atttypmod, FALSE AS attbyval, 'p' AS attstorage, 'i' AS attalign, "
			 "'' AS attcompression, FALSE AS attnotnull, FALSE AS atthasdef, "
			 "FALSE AS atthasmissing, '' AS attidentity, '' AS attgenerated, "
			 "FALSE AS attisdropped, TRUE AS attislocal, 0 AS attinhcount, "
			 "0 AS attcollation, NULL AS attacl, NULL AS attoptions, "
			 "NULL AS attfdwoptions FROM " COLUMNS},
	{"pg_type",
		"SELECT column1 AS oid, column2 AS typname, 11 AS typnamespace, 10 AS typowner, "
		"column3 AS typlen, FALSE AS typbyval, 'b' AS typtype, column4 AS typcategory, "
		"FALSE AS typispreferred, TRUE AS typisdefined, ',' AS typdelim, 0 AS typrelid, "
		"column6 AS typelem, column5 AS typarray, 0 AS typbasetype, -1 AS typtypmod, "
		"FALSE AS typnotnull, 0 AS typndims, 0 AS typcollation, NULL AS typdefault, "
		"column2 || 'in' AS typinput, column2 || 'out' AS typoutput, "
		"column2 || 'recv' AS typreceive, column2 || 'send' AS typsend, NULL AS typacl "
		"FROM (VALUES "
		"(16, 'bool', 1, 'B', 1000, 0), (17, 'bytea', -1, 'U', 1001, 0), "
		"(18, 'char', 1, 'Z', 1002, 0), "
		"(19, 'name', 64, 'S', 1003, 0), (20, 'int8', 8, 'N', 1016, 0), "
		"(21, 'int2', 2, 'N', 1005, 0), (23, 'int4', 4, 'N', 1007, 0), "
		"(25, 'text', -1, 'S', 1009, 0), (26, 'oid', 4, 'N', 1028, 0), "
		"(114, 'json', -1, 'U', 199, 0), (700, 'float4', 4, 'N', 1021, 0), "
		"(701, 'float8', 8, 'N', 1022, 0), (705, 'unknown', -2, 'X', 0, 0), "
		"(1042, 'bpchar', -1, 'S', 1014, 0), (1043, 'varchar', -1, 'S', 1015, 0), "
		"(1082, 'date', 4, 'D', 1182, 0), (1114, 'timestamp', 8, 'D', 1115, 0), "
		"(1184, 'timestamptz', 8, 'D', 1185, 0), (1700, 'numeric', -1, 'N', 1231, 0), "
		"(1000, '_bool', -1, 'A', 0, 16), (1005, '_int2', -1, 'A', 0, 21), "
		"(1007, '_int4', -1, 'A', 0, 23), (1009, '_text', -1, 'A', 0, 25), "
		"(1016, '_int8', -1, 'A', 0, 20), (1022, '_float8', -1, 'A', 0, 701), "
		"(1115, '_timestamp', -1, 'A', 0, 1114))"},
	{"pg_am", "SELECT 2 AS oid, 'heap' AS amname, 't' AS amtype, 0 AS amhandler"},
	{"pg_database",
		"SELECT 1 AS oid, current_database() AS datname, 10 AS datdba, 6 AS encoding, "
		"'c' AS datlocprovider, FALSE AS datistemplate, TRUE AS datallowconn, "
		"-1 AS datconnlimit, 'C.UTF-8' AS datcollate, 'C.UTF-8' AS datctype, "
		"1663 AS dattablespace, NULL AS daticulocale, NULL AS datacl"},
	{"pg_tablespace",
		"SELECT 1663 AS oid, 'pg_default' AS spcname, 10 AS spcowner, NULL AS spcacl, "
		"NULL AS spcoptions"},
	{"pg_language", "SELECT 12 AS oid, 'internal' AS lanname, 10 AS lanowner, TRUE AS "
			"lanpltrusted, FALSE AS lanispl, 0 AS laninline, 0 AS lanvalidator, "
			"0 AS lanplcallfoid, 2612 AS tableoid, NULL AS lanacl"},
	{"pg_roles", "SELECT 10 AS oid, pg_current_user() AS rolname, FALSE AS rolsuper, "
		     "TRUE AS rolinherit, FALSE AS rolcreaterole, FALSE AS rolcreatedb, "
		     "TRUE AS rolcanlogin, FALSE AS rolreplication, -1 AS rolconnlimit, "
		     "NULL AS rolvaliduntil, FALSE AS rolbypassrls"},
	{"pg_user", "SELECT pg_current_user() AS usename, 10 AS usesysid, FALSE AS usesuper"},
	{"pg_proc",
		"SELECT 20000 + row_number() OVER (ORDER BY proname, arguments) AS oid, *, "
		"10 AS proowner, 12 AS prolang, 25 AS prorettype, 's' AS provolatile, "
		"'u' AS proparallel, FALSE AS prosecdef, FALSE AS proretset, NULL AS proacl, "
		"proname AS prosrc, '' AS proargtypes FROM (SELECT column1 AS proname, "
		"2200 AS pronamespace, 'f' AS prokind, column2 AS result, column3 AS arguments, "
		"CASE column3 WHEN '' THEN 0 ELSE 1 END AS pronargs, column4 AS description "
		"FROM " OWN_FUNCTIONS " UNION ALL SELECT name, 11, "
		"CASE type WHEN 'a' THEN 'a' WHEN 'w' THEN 'w' ELSE 'f' END, '', '', narg, NULL "
		"FROM pragma_function_list WHERE name NOT LIKE 'pg~_%' ESCAPE '~' AND name NOT IN "
		"(SELECT column1 FROM " OWN_FUNCTIONS "))"},
	{"pg_extension",
		"SELECT 0 AS oid, '' AS extname, '' AS extversion, 0 AS extnamespace WHERE 0"},
	{"pg_description",
		"SELECT c.oid AS objoid, 1259 AS classoid, 0 AS objsubid, column2 AS description "
		"FROM " OWN_TABLES " JOIN " RELATIONS " c ON c.name = column1 "
		"UNION ALL SELECT oid, 1255, 0, description FROM pg_proc "
		"WHERE description IS NOT NULL"},
	{"pg_attrdef", "SELECT 0 AS oid, 0 AS adrelid, 0 AS adnum, '' AS adbin WHERE 0"},
	{"pg_collation",
		"SELECT 950 AS oid, 'C' AS collname, 11 AS collnamespace, 'C' AS collcollate, "
		"'C' AS collctype, NULL AS colliculocale, 'c' AS collprovider, "
		"TRUE AS collisdeterministic, -1 AS collencoding"},
	{"pg_range", "SELECT 0 AS rngtypid, 0 AS rngsubtype, 0 AS rngmultitypid WHERE 0"},
	{"pg_enum", "SELECT 0 AS oid, 0 AS enumtypid, 0 AS enumsortorder, '' AS enumlabel WHERE 0"},
	{"pg_tables", "SELECT 'public' AS schemaname, name AS tablename, "
		      "pg_current_user() AS tableowner, NULL AS tablespace, FALSE AS hasindexes, "
		      "FALSE AS hasrules, FALSE AS hastriggers, FALSE AS rowsecurity "
		      "FROM " RELATIONS " WHERE type <> 'view'"},
	{"pg_views", "SELECT 'public' AS schemaname, name AS viewname, "
		     "pg_current_user() AS viewowner, pg_get_viewdef(oid) AS definition "
		     "FROM " RELATIONS " WHERE type = 'view'"},
	{"pg_matviews", "SELECT '' AS schemaname, '' AS matviewname, '' AS matviewowner WHERE 0"},
	{"pg_settings",
		"SELECT value AS name, current_setting(value) AS setting, NULL AS unit, "
		"'tallyd' AS category, '' AS short_desc, 'user' AS context, 'string' AS vartype, "
		"'session' AS source, json_extract(pg_setting_names(1), '$[' || key || ']') "
		"AS boot_val FROM json_each(pg_setting_names(0))"},
	{"pg_stat_activity",
		"SELECT 1 AS datid, current_database() AS datname, id AS pid, uid AS usesysid, "
		"pg_current_user() AS usename, protocol AS application_name, state, "
		"since AS state_change, since AS backend_start, query, 'client backend' "
		"AS backend_type FROM sessions"},
	{"information_schema_tables",
		"SELECT current_database() AS table_catalog, 'public' AS table_schema, "
		"name AS table_name, CASE WHEN is_temp AND type = 'table' THEN 'LOCAL TEMPORARY' "
		"WHEN type = 'view' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, "
		"'NO' AS is_insertable_into FROM " RELATIONS},
	{"information_schema_views",
		"SELECT current_database() AS table_catalog, 'public' AS table_schema, "
		"name AS table_name, pg_get_viewdef(oid) AS view_definition, 'NO' AS is_updatable "
		"FROM " RELATIONS " WHERE type = 'view'"},
	{"information_schema_columns",
		"SELECT current_database() AS table_catalog, 'public' AS table_schema, "
		"r.name AS table_name, c.name AS column_name, c.cid + 1 AS ordinal_position, "
		"NULL AS column_default, 'YES' AS is_nullable, " TYPE_NAME " AS data_type, "
		"NULL AS character_maximum_length, NULL AS numeric_precision, "
		"NULL AS numeric_scale, NULL AS datetime_precision, "
		"current_database() AS udt_catalog, 'pg_catalog' AS udt_schema, " SHORT_TYPE_NAME
		" AS udt_name, 'NO' AS is_updatable FROM " COLUMNS},
	{"information_schema_schemata",
		"SELECT current_database() AS catalog_name, nspname AS schema_name, "
		"pg_current_user() AS schema_owner FROM pg_namespace"},
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

#define MAX_COLUMNS 48

/*
 * The columns are those of the SELECT, by name and by the type that follows:
 * psql compares identifiers with quoted numbers, and INTEGER affinity makes
 * '16384' equal 16384.
 */
static void add_columns(
	sqlite3 *db, const struct pg_table *table, sqlite3_stmt *rows, sqlite3_str *ddl)
{
	int n = sqlite3_column_count(rows);
	struct column_type types[MAX_COLUMNS] = {{0}};

	assert(n <= MAX_COLUMNS);
	for (int i = 0; i < n; i++)
		types[i].type = column_type_declared(sqlite3_column_decltype(rows, i));
	column_types_infer(db, &pg_catalog, table->select, strlen(table->select), types, (size_t)n);
	for (int i = 0; i < n; i++)
		sqlite3_str_appendf(ddl, "%s\"%w\" %s", i == 0 ? "CREATE TABLE x(" : ", ",
			sqlite3_column_name(rows, i), types[i].type);
	sqlite3_str_appendall(ddl, ")");
}

static int declare_columns(sqlite3 *db, const struct pg_table *table, char **message)
{
	sqlite3_stmt *rows = NULL;
	sqlite3_str *ddl = sqlite3_str_new(db);
	int rc = sqlite3_prepare_v2(db, table->select, -1, &rows, NULL);
	char *text;

	if (rc == SQLITE_OK)
		add_columns(db, table, rows, ddl);
	else
		*message = sqlite3_mprintf("%s: %s", table->name, sqlite3_errmsg(db));
	(void)sqlite3_finalize(rows);
	text = sqlite3_str_finish(ddl);
	if (rc == SQLITE_OK)
		rc = text == NULL ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text);
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
