/*
 * The authorizer, the switches and the limits. What is not on a list is refused;
 * the list of functions is guard_functions.c's.
 */
#include "sql/guard.h"

#include "sql/tokens.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* They describe; none of them writes or reads a file. */
static const char *const pragmas[] = {"collation_list", "compile_options", "database_list",
	"function_list", "index_info", "index_list", "table_info", "table_list", "table_xinfo"};

static int refuse(struct guard *guard, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int refuse(struct guard *guard, const char *format, ...)
{
	va_list args;

	/* The first refusal is the cause of those that follow. */
	if (guard->denied[0] == '\0') {
		va_start(args, format);
		(void)vsnprintf(guard->denied, sizeof(guard->denied), format, args);
		va_end(args);
	}
	return SQLITE_DENY;
}

static bool is_in(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(names[i], name) == 0)
			return true;
	}
	return false;
}

static int judge_function(struct guard *guard, const char *name)
{
	unsigned bits;

	if (guard_knows_function(name, &bits)) {
		guard->saw |= bits;
		return SQLITE_OK;
	}
	for (const char *const *extra = guard->functions; extra != NULL && *extra != NULL;
		extra++) {
		if (strcasecmp(*extra, name) == 0) {
			guard->saw |= GUARD_SAW_FICKLE;
			return SQLITE_OK;
		}
	}
	return refuse(guard, "tallyd is read-only: the function %.64s() is not available", name);
}

/* SQLite announces every change of a schema as writing to its table; what is changed, it announces
 * too. */
static bool is_schema_table(const char *table)
{
	return strncasecmp(table, "sqlite_", 7) == 0;
}

static int judge_write(
	struct guard *guard, const char *verb, const char *table, const char *database)
{
	if (is_schema_table(table))
		return SQLITE_OK;
	if (database == NULL || strcasecmp(database, "temp") != 0)
		return refuse(guard, "tallyd is read-only: %s %.64s", verb, table);
	guard->saw |= GUARD_SAW_TEMP_WRITE;
	return SQLITE_OK;
}

static int allow_temp(struct guard *guard, unsigned saw)
{
	guard->saw |= GUARD_SAW_TEMP_SCHEMA | saw;
	return SQLITE_OK;
}

/* The rest: refused, each by its name. */
static int refuse_action(struct guard *guard, int action, const char *first, const char *second)
{
	static const struct {
		const char *words;
		int action;
		bool names_second;
	} table[] = {
		{"CREATE INDEX", SQLITE_CREATE_INDEX, false},
		{"CREATE TABLE", SQLITE_CREATE_TABLE, false},
		{"CREATE TRIGGER", SQLITE_CREATE_TEMP_TRIGGER, false},
		{"CREATE TRIGGER", SQLITE_CREATE_TRIGGER, false},
		{"CREATE VIEW", SQLITE_CREATE_VIEW, false},
		{"DROP INDEX", SQLITE_DROP_INDEX, false},
		{"DROP TABLE", SQLITE_DROP_TABLE, false},
		{"DROP TRIGGER", SQLITE_DROP_TEMP_TRIGGER, false},
		{"DROP TRIGGER", SQLITE_DROP_TRIGGER, false},
		{"DROP VIEW", SQLITE_DROP_VIEW, false},
		{"ATTACH", SQLITE_ATTACH, false},
		{"DETACH", SQLITE_DETACH, false},
		{"ALTER TABLE", SQLITE_ALTER_TABLE, true},
		{"REINDEX", SQLITE_REINDEX, false},
		{"ANALYZE", SQLITE_ANALYZE, false},
		{"CREATE VIRTUAL TABLE", SQLITE_CREATE_VTABLE, false},
		{"DROP TABLE", SQLITE_DROP_VTABLE, false},
	};

	/* ANALYZE announces first the table that it would make for its findings. */
	if (action == SQLITE_CREATE_TABLE && is_schema_table(first))
		return refuse(guard, "tallyd is read-only: ANALYZE");
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].action == action) {
			const char *name = table[i].names_second ? second : first;

			return refuse(guard, "tallyd is read-only: %s%s%.64s", table[i].words,
				name != NULL ? " " : "", name != NULL ? name : "");
		}
	}
	return refuse(guard, "tallyd is read-only: action %d", action);
}

static int on_authorize(void *context, int action, const char *first, const char *second,
	const char *database, const char *inside)
{
	struct guard *guard = context;

	(void)inside;
	if (guard->is_open)
		return SQLITE_OK;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_RECURSIVE: return SQLITE_OK;
	case SQLITE_READ:
		if (database != NULL && strcasecmp(database, "temp") == 0)
			guard->saw |= GUARD_SAW_TEMP_READ;
		return SQLITE_OK;
	case SQLITE_FUNCTION: return judge_function(guard, second);
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT: guard->saw |= GUARD_SAW_TRANSACTION; return SQLITE_OK;
	case SQLITE_PRAGMA:
		if (!is_in(pragmas, sizeof(pragmas) / sizeof(pragmas[0]), first))
			return refuse(guard, "tallyd is read-only: PRAGMA %.64s", first);
		guard->saw |= GUARD_SAW_PRAGMA;
		return SQLITE_OK;
	case SQLITE_INSERT:
		guard->saw |= GUARD_SAW_TEMP_GROWTH;
		return judge_write(guard, "INSERT INTO", first, database);
	case SQLITE_UPDATE:
		/* A DROP announces one of the schema's table. */
		if (!is_schema_table(first))
			guard->saw |= GUARD_SAW_TEMP_GROWTH;
		return judge_write(guard, "UPDATE", first, database);
	case SQLITE_DELETE: return judge_write(guard, "DELETE FROM", first, database);
	case SQLITE_CREATE_TEMP_TABLE:
	case SQLITE_CREATE_TEMP_INDEX:
	case SQLITE_DROP_TEMP_INDEX:
	case SQLITE_DROP_TEMP_TABLE:
	case SQLITE_DROP_TEMP_VIEW: return allow_temp(guard, 0);
	case SQLITE_CREATE_TEMP_VIEW: return allow_temp(guard, GUARD_SAW_CREATE_VIEW);
	case SQLITE_REINDEX:
		/* Making an index announces that it is filled. */
		if (database != NULL && strcasecmp(database, "temp") == 0)
			return allow_temp(guard, 0);
		return refuse_action(guard, action, first, second);
	default: return refuse_action(guard, action, first, second);
	}
}

void guard_begin(struct guard *guard)
{
	guard->saw = 0;
	guard->denied[0] = '\0';
}

bool guard_judge(struct guard *guard, sqlite3_stmt *stmt, const char *text, size_t len)
{
	struct tokens tokens = {text, text + len};
	struct token verb;

	if (sqlite3_stmt_readonly(stmt) ||
		(guard->saw &
			(GUARD_SAW_TEMP_WRITE | GUARD_SAW_TEMP_SCHEMA | GUARD_SAW_TRANSACTION)))
		return true;
	do
		verb = tokens_next(&tokens);
	while (token_is(&verb, ";"));
	/* What a DROP or CREATE would do is announced: this one, with IF [NOT] EXISTS, does
	 * nothing. */
	if (token_is_word(&verb, "drop") || token_is_word(&verb, "create"))
		return true;
	(void)refuse(
		guard, "tallyd is read-only: %.*s", verb.len > 64 ? 64 : (int)verb.len, verb.at);
	return false;
}

void guard_limit_values(sqlite3 *db, int64_t query_memory_bytes)
{
	/* A value is often held twice or three times while it is made; events' json may have 16
	 * MiB. */
	int64_t bytes = query_memory_bytes / 4;

	if (bytes > 64 << 20)
		bytes = 64 << 20;
	if (bytes < 1 << 20)
		bytes = 1 << 20;
	(void)sqlite3_limit(db, SQLITE_LIMIT_LENGTH, (int)bytes);
}

static void set_limits(sqlite3 *db)
{
	static const struct {
		int limit, value;
	} limits[] = {
		/* A person's longest statement is some kilobytes; a program's list of ids fits. */
		{SQLITE_LIMIT_SQL_LENGTH, 1 << 20},
		/* Wide enough for any of our tables joined ten times; names are resolved in n². */
		{SQLITE_LIMIT_COLUMN, 1000},
		/* Each level is a stack frame of the parser and of the code generator. */
		{SQLITE_LIMIT_EXPR_DEPTH, 500},
		/* Terms of a UNION are compiled recursively. */
		{SQLITE_LIMIT_COMPOUND_SELECT, 200},
		/* About 100 MB of program; the memory budget is met before. */
		{SQLITE_LIMIT_VDBE_OP, 1000000},
		/*
		 * SQLite's own default; Debian's build
		 * allows 250,000, an array of as many cells.
		 */
		{SQLITE_LIMIT_VARIABLE_NUMBER, 32766},
		/* Each path of a JSON function is a walk over the whole text, within one opcode. */
		{SQLITE_LIMIT_FUNCTION_ARG, 64},
		/* TEMP triggers are refused; nothing is left to nest. */
		{SQLITE_LIMIT_TRIGGER_DEPTH, 1},
		/* Sorting threads would escape the thread's budget. */
		{SQLITE_LIMIT_WORKER_THREADS, 0},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		(void)sqlite3_limit(db, limits[i].limit, limits[i].value);
}

int guard_prepare(sqlite3 *db, const struct guard_unlisted *unlisted, struct err *err)
{
	/* Of the built-in modules only these read nothing but their arguments. */
	static const char *kept[] = {"json_each", "json_tree", NULL};
	static const struct {
		int option, value;
	} switches[] = {
		{SQLITE_DBCONFIG_DEFENSIVE, 1},
		{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
		{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
		{SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0},
		{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0},
		{SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0},
		/* People from Spark put patterns into double quotes. */
		{SQLITE_DBCONFIG_DQS_DML, 1},
	};

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		if (sqlite3_db_config(db, switches[i].option, switches[i].value, NULL) != SQLITE_OK)
			return err_set(err, ERR_IO, "SQLite lacks a switch that tallyd needs: %d",
				switches[i].option);
	}
	if (sqlite3_drop_modules(db, kept) != SQLITE_OK)
		return err_nomem(err);
	set_limits(db);
	return guard_cover_functions(db, unlisted, err);
}

int guard_arm(sqlite3 *db, struct guard *guard, struct err *err)
{
	/* Not zero before: an extension may have attached databases of its own. */
	(void)sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	if (sqlite3_set_authorizer(db, on_authorize, guard) != SQLITE_OK)
		return err_set(err, ERR_IO, "SQLite refuses the guard: %s", sqlite3_errmsg(db));
	return 0;
}
