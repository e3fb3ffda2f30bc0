/*
 * The functions that strangers may call, and what is done about the others.
 */
#include "sql/guard.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bits of the list of functions; 0: as quick and as constant as its arguments. */
enum {
	SLOW = GUARD_SAW_SLOW,
	FICKLE = GUARD_SAW_FICKLE,
	CONTROL = GUARD_SAW_CONTROL,
	DEAR = GUARD_SAW_DEAR
};

/*
 * Not here, on purpose: load_extension and fts3_tokenizer (reach outside),
 * json_patch (quadratic inside one opcode), sqlite_log, sqlite_offset, and the
 * functions of the full text and R-tree modules, which are taken away.
 * date('now') is not fickle here: the VFS notices when the clock is read.
 */
struct known_function {
	const char *name;
	unsigned bits;
};

static const struct known_function functions[] = {
	{"->", SLOW},
	{"->>", SLOW},
	{"abs", 0},
	{"acos", 0},
	{"acosh", 0},
	{"asin", 0},
	{"asinh", 0},
	{"atan", 0},
	{"atan2", 0},
	{"atanh", 0},
	{"avg", 0},
	{"ceil", 0},
	{"ceiling", 0},
	{"changes", FICKLE},
	{"char", 0},
	{"coalesce", 0},
	{"cos", 0},
	{"cosh", 0},
	{"count", 0},
	{"cume_dist", 0},
	{"current_date", 0},
	{"current_time", 0},
	{"current_timestamp", 0},
	{"date", 0},
	{"date_format", 0},
	{"date_trunc", 0},
	{"datetime", 0},
	{"degrees", 0},
	{"dense_rank", 0},
	{"exp", 0},
	{"first_value", 0},
	{"floor", 0},
	{"format", 0},
	{"from_unixtime", 0},
	{"glob", 0},
	{"group_concat", 0},
	{"hex", SLOW},
	{"ifnull", 0},
	{"iif", 0},
	{"instr", 0},
	{"json", SLOW},
	{"json_array", SLOW},
	{"json_array_length", SLOW},
	{"json_each", SLOW},
	{"json_extract", SLOW},
	{"json_group_array", SLOW},
	{"json_group_object", SLOW},
	{"json_insert", SLOW},
	{"json_object", SLOW},
	{"json_quote", SLOW},
	{"json_remove", SLOW},
	{"json_replace", SLOW},
	{"json_set", SLOW},
	{"json_tree", SLOW},
	{"json_type", SLOW},
	{"json_valid", SLOW},
	{"julianday", 0},
	{"lag", 0},
	{"last_insert_rowid", FICKLE},
	{"last_value", 0},
	{"lead", 0},
	{"length", 0},
	{"like", 0},
	{"likelihood", 0},
	{"likely", 0},
	{"ln", 0},
	{"log", 0},
	{"log10", 0},
	{"log2", 0},
	{"lower", 0},
	{"ltrim", 0},
	{"max", 0},
	{"min", 0},
	{"mod", 0},
	{"nth_value", 0},
	{"ntile", 0},
	{"nullif", 0},
	{"percent_rank", 0},
	{"pi", 0},
	{"pow", 0},
	{"power", 0},
	{"printf", 0},
	{"process_all_available", SLOW | FICKLE | CONTROL},
	{"quote", SLOW},
	{"radians", 0},
	{"random", SLOW | FICKLE},
	{"randomblob", SLOW | FICKLE},
	{"rank", 0},
	{"replace", SLOW},
	{"round", 0},
	{"row_number", 0},
	{"rtrim", 0},
	{"sign", 0},
	{"sin", 0},
	{"sinh", 0},
	{"soundex", 0},
	{"sqlite_compileoption_get", 0},
	{"sqlite_compileoption_used", 0},
	{"sqlite_source_id", 0},
	{"sqlite_version", 0},
	{"sqrt", 0},
	{"start", SLOW | FICKLE | CONTROL},
	{"stop", SLOW | FICKLE | CONTROL},
	{"strftime", DEAR},
	{"substr", 0},
	{"substring", 0},
	{"subtype", 0},
	{"sum", 0},
	{"tally_version", 0},
	{"tan", 0},
	{"tanh", 0},
	{"time", 0},
	{"to_timestamp", 0},
	{"total", 0},
	{"total_changes", FICKLE},
	{"trim", 0},
	{"trunc", 0},
	{"typeof", 0},
	{"unicode", 0},
	{"unix_timestamp", 0},
	{"unixepoch", 0},
	{"unlikely", 0},
	{"upper", 0},
	{"zeroblob", SLOW},
};

static int compare_name(const void *key, const void *entry)
{
	const struct known_function *function = entry;

	return strcasecmp(key, function->name);
}

static const struct known_function *find_function(const char *name)
{
	return bsearch(name, functions, sizeof(functions) / sizeof(functions[0]),
		sizeof(functions[0]), compare_name);
}

bool guard_knows_function(const char *name, unsigned *bits)
{
	const struct known_function *known = find_function(name);

	if (known != NULL)
		*bits = known->bits;
	return known != NULL;
}

/* What stands in place of a function that is not on the list; its data is the name. */
static void on_missing(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	char *sentence = sqlite3_mprintf("tallyd is read-only: the function %s() is not available",
		(const char *)sqlite3_user_data(context));

	(void)argc;
	(void)argv;
	if (sentence == NULL)
		sqlite3_result_error_nomem(context);
	else
		sqlite3_result_error(context, sentence, -1);
	sqlite3_free(sentence);
}

/* Appends a copy; false: no memory. */
static bool add_unlisted(struct guard_unlisted *unlisted, size_t *cap, const char *name, int argc)
{
	if (!mem_grow(&unlisted->functions, cap, unlisted->n + 1, sizeof(*unlisted->functions)))
		return false;
	unlisted->functions[unlisted->n].name = mem_copy_text(name, strlen(name));
	if (unlisted->functions[unlisted->n].name == NULL)
		return false;
	unlisted->functions[unlisted->n++].argc = argc;
	return true;
}

int guard_unlisted_init(struct guard_unlisted *unlisted, struct err *err)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	bool whole = true;
	size_t cap = 0;
	int rc;

	*unlisted = (struct guard_unlisted){0};
	rc = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(db, "SELECT DISTINCT name, narg FROM pragma_function_list",
			-1, &stmt, NULL);
	while (rc == SQLITE_OK && whole && sqlite3_step(stmt) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(stmt, 0);

		whole = name != NULL &&
			(find_function(name) != NULL ||
				add_unlisted(unlisted, &cap, name, sqlite3_column_int(stmt, 1)));
	}
	if (sqlite3_finalize(stmt) != SQLITE_OK)
		whole = false;
	(void)sqlite3_close(db);
	if (rc == SQLITE_OK && whole)
		return 0;
	guard_unlisted_fini(unlisted);
	return err_nomem(err);
}

void guard_unlisted_fini(struct guard_unlisted *unlisted)
{
	for (size_t i = 0; i < unlisted->n; i++)
		free(unlisted->functions[i].name);
	free(unlisted->functions);
	*unlisted = (struct guard_unlisted){0};
}

/*
 * The authorizer does not hear of functions in the CHECK of a TEMP table: where
 * main is read-only SQLite 3.40 reads such constraints only with the schema,
 * which it trusts. So what is not on the list is covered as well.
 */
int guard_cover_functions(sqlite3 *db, const struct guard_unlisted *unlisted, struct err *err)
{
	for (size_t i = 0; i < unlisted->n; i++) {
		const struct guard_function *function = &unlisted->functions[i];

		if (sqlite3_create_function_v2(db, function->name, function->argc,
			    SQLITE_UTF8 | SQLITE_DIRECTONLY, function->name, on_missing, NULL, NULL,
			    NULL) != SQLITE_OK)
			return err_nomem(err);
	}
	return 0;
}
