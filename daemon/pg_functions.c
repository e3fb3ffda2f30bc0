/*
 * Functions under PostgreSQL's names. Those about the session find it through
 * the connection; most others are constants that make a client content. A
 * regular expression runs in libc's matcher, so pattern and subject are bounded,
 * and back references and counted repeats, which make it exponential, are refused.
 */
#include "daemon/pg_functions.h"

#include "base/json_write.h"
#include "daemon/pg_catalog.h"
#include "daemon/pg_convert.h"
#include "daemon/pg_settings.h"
#include "sql/statement.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REGEXP_PATTERN_MAX_BYTES 256
#define REGEXP_SUBJECT_MAX_BYTES 4096

static const struct pg_identity *identity_of(sqlite3_context *context)
{
	struct sql_session *session = connection_session(sqlite3_user_data(context));

	return session == NULL ? NULL : pg_identity_of(sql_session_user(session));
}

static void result_text(sqlite3_context *context, const char *text)
{
	if (text == NULL)
		sqlite3_result_null(context);
	else
		sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

/* A function's own data is its constant, or the connection that tells the session. */
static void constant_text(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	result_text(context, sqlite3_user_data(context));
}

static void constant_null(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)context;
	(void)argc;
	(void)argv;
}

static void constant_true(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	sqlite3_result_int(context, 1);
}

static void constant_false(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	sqlite3_result_int(context, 0);
}

static void first_argument(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	sqlite3_result_value(context, argv[0]);
}

static void session_user(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const struct pg_identity *identity = identity_of(context);

	(void)argc;
	(void)argv;
	result_text(context, identity == NULL ? NULL : identity->user);
}

static void session_database(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const struct pg_identity *identity = identity_of(context);

	(void)argc;
	(void)argv;
	result_text(context, identity == NULL ? NULL : identity->database);
}

static void session_pid(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const struct pg_identity *identity = identity_of(context);

	(void)argc;
	(void)argv;
	sqlite3_result_int(context, identity == NULL ? 0 : identity->backend_pid);
}

/* current_setting(name [, missing_ok]) */
static void session_setting(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const struct pg_identity *identity = identity_of(context);
	const char *name = (const char *)sqlite3_value_text(argv[0]);
	const char *value = NULL;
	char message[128];

	if (identity != NULL && name != NULL)
		value = identity->setting(identity->context, name);
	if (value == NULL && (argc < 2 || sqlite3_value_int(argv[1]) == 0)) {
		(void)snprintf(message, sizeof(message),
			"unrecognized configuration parameter \"%.60s\"", name == NULL ? "" : name);
		sqlite3_result_error(context, message, -1);
		return;
	}
	result_text(context, value);
}

/* The names of the tables that are made when they are asked, as JSON: no schema lists them. */
static void virtual_tables(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const struct spec *spec = connection_spec(sqlite3_user_data(context));
	struct buf json = {0};

	(void)argc;
	(void)argv;
	buf_add_text(&json, "[\"sessions\"");
	for (size_t i = 0; spec != NULL && i < spec->n_sources; i++)
		buf_printf(&json, ",\"%s\"", spec->sources[i].name);
	for (size_t i = 0; spec != NULL && i < spec->n_queries; i++)
		buf_printf(&json, ",\"static_%s\"", spec->queries[i].name);
	buf_add_char(&json, ']');
	if (buf_ok(&json))
		sqlite3_result_text(context, json.data, (int)json.len, SQLITE_TRANSIENT);
	else
		sqlite3_result_error_nomem(context);
	buf_fini(&json);
}

/* All settings as a list: their names, or with 1 the values they have by default. */
static void setting_names(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	static const struct pg_settings none;
	bool wants_values = sqlite3_value_int(argv[0]) != 0;
	struct buf json = {0};
	const char *name;

	(void)argc;
	for (size_t i = 0; (name = pg_setting_name_at(i)) != NULL; i++) {
		const char *text = wants_values ? pg_settings_get(&none, name) : name;

		buf_add_char(&json, i == 0 ? '[' : ',');
		json_write_string(&json, text, strlen(text));
	}
	buf_add_char(&json, ']');
	if (buf_ok(&json))
		sqlite3_result_text(context, json.data, (int)json.len, SQLITE_TRANSIENT);
	else
		sqlite3_result_error_nomem(context);
	buf_fini(&json);
}

/* A function whose constant is a SELECT of its arguments. */
static void look_up(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	sqlite3_stmt *look = NULL;
	int rc = sqlite3_prepare_v2(
		sqlite3_context_db_handle(context), sqlite3_user_data(context), -1, &look, NULL);

	for (int i = 0; rc == SQLITE_OK && i < argc && i < sqlite3_bind_parameter_count(look); i++)
		rc = sqlite3_bind_value(look, i + 1, argv[i]);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(look);
	if (rc == SQLITE_ROW)
		sqlite3_result_value(context, sqlite3_column_value(look, 0));
	else if (rc != SQLITE_DONE)
		sqlite3_result_error_code(context, rc);
	(void)sqlite3_finalize(look);
}

static void format_type(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	static const struct {
		int oid;
		const char *name;
	} types[] = {{16, "boolean"}, {17, "bytea"}, {18, "\"char\""}, {19, "name"}, {20, "bigint"},
		{21, "smallint"}, {23, "integer"}, {25, "text"}, {26, "oid"}, {114, "json"},
		{700, "real"}, {701, "double precision"}, {705, "unknown"}, {1000, "boolean[]"},
		{1005, "smallint[]"}, {1007, "integer[]"}, {1009, "text[]"}, {1016, "bigint[]"},
		{1022, "double precision[]"}, {1042, "character"}, {1043, "character varying"},
		{1082, "date"}, {1114, "timestamp without time zone"},
		{1115, "timestamp without time zone[]"}, {1184, "timestamp with time zone"},
		{1700, "numeric"}};
	int oid = sqlite3_value_int(argv[0]);

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].oid == oid) {
			result_text(context, types[i].name);
			return;
		}
	result_text(context, "???");
}

/* 'name'::regclass is the table's oid; a number stays one. */
static void cast_regclass(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	sqlite3 *db = sqlite3_context_db_handle(context);
	sqlite3_stmt *look = NULL;
	char message[128];

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_value(context, argv[0]);
		return;
	}
	if (sqlite3_prepare_v2(db, "SELECT oid FROM pg_class WHERE relname = ?1", -1, &look,
		    NULL) == SQLITE_OK) {
		(void)sqlite3_bind_value(look, 1, argv[0]);
		if (sqlite3_step(look) == SQLITE_ROW) {
			sqlite3_result_int64(context, sqlite3_column_int64(look, 0));
		} else {
			(void)snprintf(message, sizeof(message),
				"relation \"%.60s\" does not exist",
				(const char *)sqlite3_value_text(argv[0]));
			sqlite3_result_error(context, message, -1);
		}
	}
	(void)sqlite3_finalize(look);
}

static void quote_ident(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	bool is_plain = text != NULL && text[0] >= 'a' && text[0] <= 'z';
	char *quoted;

	(void)argc;
	if (text == NULL)
		return;
	is_plain =
		is_plain && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
	quoted = sqlite3_mprintf(is_plain ? "%s" : "\"%w\"", text);
	sqlite3_result_text(context, quoted, -1, sqlite3_free);
}

/* subject ~ pattern is regexp(pattern, subject); a leading (?i) ignores case. */
static void regexp(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *pattern = (const char *)sqlite3_value_text(argv[0]);
	const char *subject = (const char *)sqlite3_value_text(argv[1]);
	int flags = REG_EXTENDED | REG_NOSUB;
	regex_t compiled;

	(void)argc;
	if (pattern == NULL || subject == NULL)
		return;
	if (strncmp(pattern, "(?i)", 4) == 0) {
		flags |= REG_ICASE;
		pattern += 4;
	}
	if (strlen(pattern) > REGEXP_PATTERN_MAX_BYTES ||
		strlen(subject) > REGEXP_SUBJECT_MAX_BYTES || strchr(pattern, '{') != NULL) {
		sqlite3_result_error(context,
			"regular expressions are limited to 256 bytes, without {}, on texts of "
			"4096 bytes",
			-1);
		return;
	}
	for (const char *at = strchr(pattern, '\\'); at != NULL; at = strchr(at + 2, '\\')) {
		if (at[1] >= '1' && at[1] <= '9') {
			sqlite3_result_error(context,
				"back references are not supported in regular expressions", -1);
			return;
		}
		if (at[1] == '\0')
			break;
	}
	if (regcomp(&compiled, pattern, flags) != 0) {
		sqlite3_result_error(context, "invalid regular expression", -1);
		return;
	}
	sqlite3_result_int(context, regexec(&compiled, subject, 0, NULL, 0) == 0);
	regfree(&compiled);
}

#define DESCRIPTION "SELECT description FROM pg_description WHERE objoid = ?1"
/* The text behind AS; what the daemon makes itself has none. */
#define VIEW_DEFINITION                                                                            \
	"SELECT trim(coalesce(substr(sql, instr(upper(sql), ' AS ') + 4), "                        \
	"'SELECT * FROM ' || relname)) || ';' FROM pg_class LEFT JOIN temp.sqlite_schema ON "      \
	"name = relname WHERE oid = ?1"

#define FUNCTION_OID "SELECT min(oid) FROM pg_proc WHERE proname = ?1 OR oid = ?1"
#define FUNCTION_DEFINITION                                                                        \
	"SELECT 'CREATE FUNCTION ' || proname || '(' || arguments || ') RETURNS ' || result || "   \
	"' LANGUAGE internal' || char(10) FROM pg_proc WHERE oid = ?1"

typedef void function(sqlite3_context *context, int argc, sqlite3_value **argv);

/* name, arguments, announced type, call, constant */
#define FUNCTIONS(X)                                                                               \
	X("version", 0, "TEXT", constant_text,                                                     \
		"PostgreSQL " PG_SERVER_VERSION " (tallyd " PACKAGE_VERSION ")")                   \
	X("current_database", 0, "TEXT", session_database, NULL)                                   \
	X("current_schema", 0, "TEXT", constant_text, "public")                                    \
	X("current_schemas", 1, "TEXT", constant_text, "{pg_catalog,public}")                      \
	X("pg_current_user", 0, "TEXT", session_user, NULL)                                        \
	X("current_setting", 1, "TEXT", session_setting, NULL)                                     \
	X("current_setting", 2, "TEXT", session_setting, NULL)                                     \
	X("set_config", 3, "TEXT", look_up, "SELECT ?2")                                           \
	X("pg_backend_pid", 0, "INTEGER", session_pid, NULL)                                       \
	X("pg_virtual_tables", 0, "TEXT", virtual_tables, NULL)                                    \
	X("pg_is_in_recovery", 0, "BOOLEAN", constant_false, NULL)                                 \
	X("pg_get_userbyid", 1, "TEXT", session_user, NULL)                                        \
	X("pg_table_is_visible", 1, "BOOLEAN", constant_true, NULL)                                \
	X("pg_type_is_visible", 1, "BOOLEAN", constant_true, NULL)                                 \
	X("pg_function_is_visible", 1, "BOOLEAN", constant_true, NULL)                             \
	X("pg_relation_is_publishable", 1, "BOOLEAN", constant_false, NULL)                        \
	X("has_table_privilege", 2, "BOOLEAN", constant_true, NULL)                                \
	X("has_table_privilege", 3, "BOOLEAN", constant_true, NULL)                                \
	X("has_schema_privilege", 2, "BOOLEAN", constant_true, NULL)                               \
	X("pg_get_expr", 2, "TEXT", constant_null, NULL)                                           \
	X("pg_get_expr", 3, "TEXT", constant_null, NULL)                                           \
	X("pg_get_function_result", 1, "TEXT", look_up,                                            \
		"SELECT result FROM pg_proc WHERE oid = ?1")                                       \
	X("pg_get_function_arguments", 1, "TEXT", look_up,                                         \
		"SELECT arguments FROM pg_proc WHERE oid = ?1")                                    \
	X("pg_get_function_identity_arguments", 1, "TEXT", look_up,                                \
		"SELECT arguments FROM pg_proc WHERE oid = ?1")                                    \
	X("pg_get_function_sqlbody", 1, "TEXT", constant_null, NULL)                               \
	X("pg_get_viewdef", 1, "TEXT", look_up, VIEW_DEFINITION)                                   \
	X("pg_get_viewdef", 2, "TEXT", look_up, VIEW_DEFINITION)                                   \
	X("pg_setting_names", 1, "TEXT", setting_names, NULL)                                      \
	X("pg_database_size", 1, "INTEGER", constant_false, NULL)                                  \
	X("pg_tablespace_size", 1, "INTEGER", constant_false, NULL)                                \
	X("pg_tablespace_location", 1, "TEXT", constant_text, "")                                  \
	X("pg_total_relation_size", 1, "INTEGER", constant_false, NULL)                            \
	X("pg_collation_is_visible", 1, "BOOLEAN", constant_true, NULL)                            \
	X("pg_char_to_encoding", 1, "INTEGER", look_up, "SELECT 6 + ?1 * 0")                       \
	X("getdatabaseencoding", 0, "TEXT", constant_text, "UTF8")                                 \
	X("has_database_privilege", 2, "BOOLEAN", constant_true, NULL)                             \
	X("has_database_privilege", 3, "BOOLEAN", constant_true, NULL)                             \
	X("has_schema_privilege", 3, "BOOLEAN", constant_true, NULL)                               \
	X("has_column_privilege", 3, "BOOLEAN", constant_true, NULL)                               \
	X("has_any_column_privilege", 2, "BOOLEAN", constant_true, NULL)                           \
	X("inet_server_addr", 0, "TEXT", constant_null, NULL)                                      \
	X("inet_server_port", 0, "INTEGER", constant_null, NULL)                                   \
	X("pg_encoding_to_char", 1, "TEXT", constant_text, "UTF8")                                 \
	X("array_length", 2, "INTEGER", look_up,                                                   \
		"SELECT nullif(json_array_length(pg_array(?1)), 0)")                               \
	X("pg_element", 2, "TEXT", look_up,                                                        \
		"SELECT json_extract(pg_array(?1), '$[' || (?2 - 1) || ']')")                      \
	X("parse_ident", 1, "TEXT", look_up, "SELECT '{' || replace(?1, '.', ',') || '}'")         \
	X("array_remove", 2, "TEXT", first_argument, NULL)                                         \
	X("pg_regproc", 1, "INTEGER", look_up, FUNCTION_OID)                                       \
	X("pg_get_functiondef", 1, "TEXT", look_up, FUNCTION_DEFINITION)                           \
	X("array_to_string", 2, "TEXT", first_argument, NULL)                                      \
	X("obj_description", 1, "TEXT", look_up, DESCRIPTION)                                      \
	X("obj_description", 2, "TEXT", look_up, DESCRIPTION)                                      \
	X("col_description", 2, "TEXT", constant_null, NULL)                                       \
	X("shobj_description", 2, "TEXT", constant_null, NULL)                                     \
	X("pg_table_size", 1, "INTEGER", constant_false, NULL)                                     \
	X("pg_relation_size", 1, "INTEGER", constant_false, NULL)                                  \
	X("pg_size_pretty", 1, "TEXT", first_argument, NULL)                                       \
	X("format_type", 2, "TEXT", format_type, NULL)                                             \
	X("quote_ident", 1, "TEXT", quote_ident, NULL)                                             \
	X("to_regclass", 1, "INTEGER", cast_regclass, NULL)                                        \
	X("pg_regclass", 1, "INTEGER", cast_regclass, NULL)                                        \
	X("pg_int", 1, "INTEGER", pg_convert_int, NULL)                                            \
	X("pg_float", 1, "REAL", pg_convert_float, NULL)                                           \
	X("pg_bool", 1, "BOOLEAN", pg_convert_bool, NULL)                                          \
	X("pg_bytea", 1, "BLOB", pg_convert_bytea, NULL)                                           \
	X("pg_date", 1, "TEXT", pg_convert_date, NULL)                                             \
	X("pg_extract", 2, "REAL", pg_convert_extract, NULL)                                       \
	X("pg_interval", 3, "TIMESTAMP", pg_convert_interval, NULL)                                \
	X("pg_array", 1, "TEXT", pg_convert_array, NULL)                                           \
	X("regexp", 2, "BOOLEAN", regexp, NULL)

#define ROW(name, n_args, type, call, constant)  {name, n_args, type, call, constant},
#define NAME(name, n_args, type, call, constant) name,

static const struct {
	const char *name;
	int n_args;
	const char *type;
	function *call;
	const char *constant;
} functions[] = {FUNCTIONS(ROW)};

const char *const pg_function_names[] = {FUNCTIONS(NAME) NULL};

#define N_FUNCTIONS (sizeof(functions) / sizeof(functions[0]))

int pg_functions_install(sqlite3 *db, struct connection *connection)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; i < N_FUNCTIONS && rc == SQLITE_OK; i++)
		rc = sqlite3_create_function(db, functions[i].name, functions[i].n_args,
			SQLITE_UTF8,
			functions[i].constant != NULL ? (void *)(uintptr_t)functions[i].constant
						      : (void *)connection,
			functions[i].call, NULL, NULL);
	return rc;
}

const char *pg_function_type(const char *name, size_t len)
{
	for (size_t i = 0; i < N_FUNCTIONS; i++) {
		if (strlen(functions[i].name) == len &&
			strncasecmp(functions[i].name, name, len) == 0)
			return functions[i].type;
	}
	return "";
}
