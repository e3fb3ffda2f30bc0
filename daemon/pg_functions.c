/*
 * Functions under PostgreSQL's names. Those about the session find it through
 * the connection; most others are constants that make a client content. A
 * regular expression runs in libc's matcher, so pattern and subject are bounded,
 * and back references and counted repeats, which make it exponential, are refused.
 */
#include "daemon/pg_functions.h"

#include "base/timestamp.h"
#include "daemon/pg_catalog.h"
#include "daemon/pg_types.h"
#include "sql/statement.h"

#include <math.h>
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

static void format_type(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	static const struct {
		int oid;
		const char *name;
	} types[] = {{16, "boolean"}, {17, "bytea"}, {20, "bigint"}, {21, "smallint"},
		{23, "integer"}, {25, "text"}, {701, "double precision"},
		{1114, "timestamp without time zone"}, {1184, "timestamp with time zone"},
		{1700, "numeric"}};
	int oid = sqlite3_value_int(argv[0]);

	(void)argc;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].oid == oid) {
			result_text(context, types[i].name);
			return;
		}
	result_text(context, "???");
}

/* x::int: a text must be a whole number, as PostgreSQL wants it; a real is rounded. */
static void cast_int(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text;
	char *end;
	char message[128];
	long long n;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_FLOAT) {
		double x = rint(sqlite3_value_double(argv[0]));

		if (x >= -9223372036854775808.0 && x < 9223372036854775808.0)
			sqlite3_result_int64(context, (sqlite3_int64)x);
		else
			sqlite3_result_error(context, "bigint out of range", -1);
		return;
	}
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_value(context, argv[0]);
		return;
	}
	text = (const char *)sqlite3_value_text(argv[0]);
	n = text == NULL ? 0 : strtoll(text, &end, 10);
	if (text == NULL || *text == '\0' || *end != '\0') {
		(void)snprintf(message, sizeof(message),
			"invalid input syntax for type integer: \"%.60s\"",
			text == NULL ? "" : text);
		sqlite3_result_error(context, message, -1);
		return;
	}
	sqlite3_result_int64(context, n);
}

static void cast_bool(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_int(context, sqlite3_value_double(argv[0]) != 0);
		return;
	}
	text = (const char *)sqlite3_value_text(argv[0]);
	sqlite3_result_int(context, text != NULL && strchr("tTyY1oO", *text) != NULL &&
					    *text != '\0' && strcasecmp(text, "off") != 0);
}

/* '\\x00ff'::bytea is these bytes; another text is its own. */
static void cast_bytea(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct pg_parameter parameter = {.oid = PG_BYTEA};
	struct value value;
	struct buf scratch = {0};
	struct err err = ERR_INIT;

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_value(context, argv[0]);
		return;
	}
	parameter.data = (const char *)sqlite3_value_text(argv[0]);
	parameter.len = sqlite3_value_bytes(argv[0]);
	if (parameter.data == NULL)
		sqlite3_result_error_nomem(context);
	else if (pg_read_parameter(&parameter, &value, &scratch, &err) != 0)
		sqlite3_result_error(context, err.text, -1);
	else
		sqlite3_result_blob64(context, value.data, value.len, SQLITE_TRANSIENT);
	buf_fini(&scratch);
}

static void cast_date(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	char canonical[TIMESTAMP_TEXT_BYTES];
	int64_t us;

	(void)argc;
	if (text == NULL)
		return;
	if (!timestamp_parse(text, strlen(text), &us)) {
		sqlite3_result_error(context, "invalid input syntax for type date", -1);
		return;
	}
	(void)timestamp_format(us, canonical);
	sqlite3_result_text(context, canonical, 10, SQLITE_TRANSIENT);
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

static void extract_field(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *field = (const char *)sqlite3_value_text(argv[0]);
	const char *text = (const char *)sqlite3_value_text(argv[1]);
	struct civil civil;
	int64_t us, day;
	char message[128];

	(void)argc;
	if (field == NULL || text == NULL)
		return;
	if (!timestamp_parse_bound(text, strlen(text), &us)) {
		(void)snprintf(message, sizeof(message),
			"invalid input syntax for type timestamp: \"%.60s\"", text);
		sqlite3_result_error(context, message, -1);
		return;
	}
	civil_from_us(us, &civil);
	day = us / US_PER_DAY - (us % US_PER_DAY < 0);
	if (strcasecmp(field, "epoch") == 0)
		sqlite3_result_double(context, (double)us / 1e6);
	else if (strcasecmp(field, "year") == 0)
		sqlite3_result_int64(context, civil.year);
	else if (strcasecmp(field, "month") == 0)
		sqlite3_result_int(context, civil.month);
	else if (strcasecmp(field, "day") == 0)
		sqlite3_result_int(context, civil.day);
	else if (strcasecmp(field, "hour") == 0)
		sqlite3_result_int(context, civil.hour);
	else if (strcasecmp(field, "minute") == 0)
		sqlite3_result_int(context, civil.minute);
	else if (strcasecmp(field, "second") == 0)
		sqlite3_result_double(context, civil.second + civil.us / 1e6);
	else if (strcasecmp(field, "dow") == 0)
		sqlite3_result_int64(context, ((day + 4) % 7 + 7) % 7);
	else {
		(void)snprintf(message, sizeof(message),
			"unit \"%.40s\" not supported: epoch, year, month, day, hour, minute, "
			"second, dow",
			field);
		sqlite3_result_error(context, message, -1);
	}
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

typedef void function(sqlite3_context *context, int argc, sqlite3_value **argv);

/* name, arguments, call, constant */
#define FUNCTIONS(X)                                                                               \
	X("version", 0, constant_text,                                                             \
		"PostgreSQL " PG_SERVER_VERSION " (tallyd " PACKAGE_VERSION ")")                   \
	X("current_database", 0, session_database, NULL)                                           \
	X("current_schema", 0, constant_text, "public")                                            \
	X("current_schemas", 1, constant_text, "{pg_catalog,public}")                              \
	X("pg_current_user", 0, session_user, NULL)                                                \
	X("current_setting", 1, session_setting, NULL)                                             \
	X("current_setting", 2, session_setting, NULL)                                             \
	X("pg_backend_pid", 0, session_pid, NULL)                                                  \
	X("pg_is_in_recovery", 0, constant_text, "f")                                              \
	X("pg_get_userbyid", 1, session_user, NULL)                                                \
	X("pg_table_is_visible", 1, constant_true, NULL)                                           \
	X("pg_type_is_visible", 1, constant_true, NULL)                                            \
	X("pg_function_is_visible", 1, constant_true, NULL)                                        \
	X("pg_relation_is_publishable", 1, constant_false, NULL)                                   \
	X("has_table_privilege", 2, constant_true, NULL)                                           \
	X("has_table_privilege", 3, constant_true, NULL)                                           \
	X("has_schema_privilege", 2, constant_true, NULL)                                          \
	X("pg_get_expr", 2, constant_null, NULL)                                                   \
	X("pg_get_expr", 3, constant_null, NULL)                                                   \
	X("pg_get_function_result", 1, constant_text, "")                                          \
	X("pg_get_function_arguments", 1, constant_text, "")                                       \
	X("pg_encoding_to_char", 1, constant_text, "UTF8")                                         \
	X("array_to_string", 2, first_argument, NULL)                                              \
	X("obj_description", 1, constant_null, NULL)                                               \
	X("obj_description", 2, constant_null, NULL)                                               \
	X("col_description", 2, constant_null, NULL)                                               \
	X("shobj_description", 2, constant_null, NULL)                                             \
	X("pg_table_size", 1, constant_false, NULL)                                                \
	X("pg_relation_size", 1, constant_false, NULL)                                             \
	X("pg_size_pretty", 1, first_argument, NULL)                                               \
	X("format_type", 2, format_type, NULL)                                                     \
	X("quote_ident", 1, quote_ident, NULL)                                                     \
	X("to_regclass", 1, cast_regclass, NULL)                                                   \
	X("pg_regclass", 1, cast_regclass, NULL)                                                   \
	X("pg_int", 1, cast_int, NULL)                                                             \
	X("pg_bool", 1, cast_bool, NULL)                                                           \
	X("pg_bytea", 1, cast_bytea, NULL)                                                         \
	X("pg_date", 1, cast_date, NULL)                                                           \
	X("pg_extract", 2, extract_field, NULL)                                                    \
	X("regexp", 2, regexp, NULL)

#define ROW(name, n_args, call, constant)  {name, n_args, call, constant},
#define NAME(name, n_args, call, constant) name,

static const struct {
	const char *name;
	int n_args;
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
