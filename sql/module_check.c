/*
 * system_check: whether each query's table equals its static twin, counted
 * anew from the files, and if not, whether that can be explained.
 *
 *   SELECT * FROM system_check;            every query
 *   SELECT * FROM system_check('counts');  one
 *
 * One row a query: verdict `equal`, `different`, or `not comparable` with the
 * reason: then watermark, retention, max_groups or files that are gone have
 * taken something that a recount cannot know, or the stream has not caught up.
 * The table is the snapshot's and the files are as they are now, so a stream
 * that runs may differ for a moment: call process_all_available() before, and
 * ask twice before you believe `different`.
 */
#include "sql/modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	COLUMN_QUERY,
	COLUMN_VERDICT,
	COLUMN_REASON,
	COLUMN_ONLY_TABLE,
	COLUMN_ONLY_FILES,
	COLUMN_TABLE_EVENTS,
	COLUMN_FILES_EVENTS,
	COLUMN_NAME
};

struct check_cursor {
	struct module_cursor base; /* row: the query in spec */
	const struct spec *spec;
	char *only; /* the one query asked for; NULL: all */
	/* Of the current row: */
	int64_t only_table, only_files;     /* rows that the other side lacks */
	int64_t table_events, files_events; /* sums of count */
	char reason[256];
	bool is_equal;
};

static int on_connect(sqlite3 *db, void *place, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	(void)argc;
	(void)argv;
	return module_connect(db, place,
		"CREATE TABLE system_check(query TEXT, verdict TEXT, reason TEXT,"
		" only_in_table INTEGER, only_in_files INTEGER, table_events INTEGER,"
		" files_events INTEGER, name TEXT HIDDEN)",
		table, error);
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	((struct module_table *)table)->connection->files_are_read = true;
	info->estimatedCost = 1e10;
	for (int i = 0; i < info->nConstraint; i++) {
		const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];

		if (constraint->iColumn != COLUMN_NAME ||
			constraint->op != SQLITE_INDEX_CONSTRAINT_EQ)
			continue;
		if (!constraint->usable)
			return SQLITE_CONSTRAINT;
		info->aConstraintUsage[i].argvIndex = 1;
		info->aConstraintUsage[i].omit = 1;
		break;
	}
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	int rc = module_cursor_new(sizeof(struct check_cursor), cursor);

	if (rc == SQLITE_OK)
		((struct check_cursor *)*cursor)->spec =
			((struct module_table *)table)->connection->spec;
	return rc;
}

static int on_close(sqlite3_vtab_cursor *base)
{
	sqlite3_free(((struct check_cursor *)base)->only);
	return module_cursor_free(base);
}

static bool is_at_end(const struct check_cursor *cursor)
{
	return cursor->spec == NULL || (size_t)cursor->base.row >= cursor->spec->n_queries;
}

/*
 * The first row's integers of a statement made by
 * sqlite3_mprintf, which is freed. An SQLite code.
 */
static int ask(sqlite3 *db, char *sql, int64_t *cells, int n)
{
	sqlite3_stmt *stmt = NULL;
	int rc = SQLITE_NOMEM;

	if (sql != NULL)
		rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	for (int i = 0; rc == SQLITE_ROW && i < n; i++)
		cells[i] = sqlite3_column_int64(stmt, i);
	(void)sqlite3_finalize(stmt);
	sqlite3_free(sql);
	return rc == SQLITE_ROW ? SQLITE_OK : rc == SQLITE_DONE ? SQLITE_ERROR : rc;
}

static int compare(struct check_cursor *cursor, sqlite3 *db)
{
	const char *name = cursor->spec->queries[cursor->base.row].name;
	int64_t cells[4] = {0};
	int rc = ask(db,
		sqlite3_mprintf(
			"WITH f AS MATERIALIZED (SELECT * FROM \"static_%w\"),"
			" t AS (SELECT * FROM main.\"%w\")"
			" SELECT (SELECT count(*) FROM (SELECT * FROM t EXCEPT SELECT * FROM f)),"
			" (SELECT count(*) FROM (SELECT * FROM f EXCEPT SELECT * FROM t)),"
			" (SELECT coalesce(sum(count), 0) FROM t),"
			" (SELECT coalesce(sum(count), 0) FROM f)",
			name, name),
		cells, 4);

	if (rc != SQLITE_OK)
		return rc;
	cursor->only_table = cells[0];
	cursor->only_files = cells[1];
	cursor->table_events = cells[2];
	cursor->files_events = cells[3];
	cursor->is_equal = cells[0] == 0 && cells[1] == 0;
	return SQLITE_OK;
}

/* The reason if `n` is above 0, with the number in front unless it only says yes. The first one is
 * kept: the weightiest come first. */
static void explain(struct check_cursor *cursor, int64_t n, bool is_count, const char *text)
{
	char number[24] = "";

	if (n <= 0 || cursor->reason[0] != '\0')
		return;
	if (is_count)
		(void)snprintf(number, sizeof(number), "%lld ", (long long)n);
	(void)snprintf(cursor->reason, sizeof(cursor->reason), "%s%s", number, text);
}

/* What a recount cannot know, from the query's own numbers and its files. */
static int find_reason(struct check_cursor *cursor, sqlite3 *db)
{
	const struct query_spec *query = &cursor->spec->queries[cursor->base.row];
	const char *source = cursor->spec->sources[query->source].name;
	int64_t state[6] = {0}, files[2] = {0};
	int rc = ask(db,
		sqlite3_mprintf("SELECT state IN ('STOPPED', 'FAILED', 'TERMINATED'), state = "
				"'INITIALIZING',"
				" files_behind, is_data_available, late, refused"
				" FROM main.queries WHERE name = %Q",
			query->name),
		state, 6);

	if (rc == SQLITE_OK)
		rc = ask(db,
			sqlite3_mprintf(
				"SELECT count(*) FILTER (WHERE state IN ('missing', 'archived',"
				" 'deleted') AND events > 0), count(*) FILTER (WHERE state = "
				"'error')"
				" FROM main.files WHERE source = %Q",
				source),
			files, 2);
	if (rc != SQLITE_OK)
		return rc;
	explain(cursor, files[0], true, "counted files are gone");
	explain(cursor, files[1], true, "files cannot be read (state error)");
	explain(cursor, state[0], false, "the query is stopped");
	explain(cursor, state[1], false, "the query has not seen all files yet");
	explain(cursor, state[2], true, "files are not read to their end yet");
	explain(cursor, state[3], false, "there is data that no batch has read yet");
	explain(cursor, state[4], true, "events were left out by watermark or retention");
	explain(cursor, state[5], true, "events were refused by max_groups");
	explain(cursor, query->output_mode == OUTPUT_APPEND, false,
		"append mode shows a window only when it is closed");
	explain(cursor, query->retention_us >= 0, false, "retention has dropped old windows");
	return SQLITE_OK;
}

/* Goes on to the next query that was asked for and judges it. */
static int judge(struct check_cursor *cursor)
{
	struct connection *connection =
		((struct module_table *)cursor->base.base.pVtab)->connection;
	int rc;

	while (!is_at_end(cursor) && cursor->only != NULL &&
		strcasecmp(cursor->only, cursor->spec->queries[cursor->base.row].name) != 0)
		cursor->base.row++;
	if (is_at_end(cursor))
		return SQLITE_OK;
	cursor->reason[0] = '\0';
	rc = compare(cursor, connection->db);
	if (rc == SQLITE_OK && !cursor->is_equal)
		rc = find_reason(cursor, connection->db);
	if (rc == SQLITE_ERROR) {
		struct err err = ERR_INIT;

		(void)err_set(&err, ERR_SQL, "system_check: %s: %s",
			cursor->spec->queries[cursor->base.row].name,
			sqlite3_errmsg(connection->db));
		return module_fail(cursor->base.base.pVtab, &err);
	}
	return rc;
}

static int on_filter(
	sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	struct check_cursor *cursor = (struct check_cursor *)base;
	struct err err = ERR_INIT;
	int rc;

	(void)plan;
	(void)text;
	((struct module_table *)base->pVtab)->connection->module_was_used = true;
	cursor->base.row = 0;
	sqlite3_free(cursor->only);
	cursor->only = NULL;
	if (argc > 0) {
		cursor->only = sqlite3_mprintf("%s", sqlite3_value_text(argv[0]));
		if (cursor->only == NULL)
			return SQLITE_NOMEM;
	}
	rc = judge(cursor);
	if (rc == SQLITE_OK && cursor->only != NULL && is_at_end(cursor)) {
		(void)err_set(&err, ERR_MISSING, "no such query: '%.60s'", cursor->only);
		return module_fail(base->pVtab, &err);
	}
	return rc;
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct check_cursor *cursor = (struct check_cursor *)base;

	cursor->base.row++;
	return judge(cursor);
}

static int on_eof(sqlite3_vtab_cursor *base)
{
	return is_at_end((const struct check_cursor *)base);
}

static const char *verdict_of(const struct check_cursor *cursor)
{
	if (cursor->is_equal)
		return "equal";
	return cursor->reason[0] != '\0' ? "not comparable" : "different";
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct check_cursor *cursor = (const struct check_cursor *)base;

	switch (column) {
	case COLUMN_QUERY:
		sqlite3_result_text(context, cursor->spec->queries[cursor->base.row].name, -1,
			SQLITE_TRANSIENT);
		break;
	case COLUMN_VERDICT:
		sqlite3_result_text(context, verdict_of(cursor), -1, SQLITE_STATIC);
		break;
	case COLUMN_REASON:
		if (cursor->reason[0] != '\0')
			sqlite3_result_text(context, cursor->reason, -1, SQLITE_TRANSIENT);
		break;
	case COLUMN_ONLY_TABLE: sqlite3_result_int64(context, cursor->only_table); break;
	case COLUMN_ONLY_FILES: sqlite3_result_int64(context, cursor->only_files); break;
	case COLUMN_TABLE_EVENTS: sqlite3_result_int64(context, cursor->table_events); break;
	case COLUMN_FILES_EVENTS: sqlite3_result_int64(context, cursor->files_events); break;
	default: sqlite3_result_text(context, cursor->only, -1, SQLITE_TRANSIENT); break;
	}
	return SQLITE_OK;
}

const sqlite3_module check_module = {
	.xConnect = on_connect,
	.xBestIndex = on_best_index,
	.xDisconnect = module_disconnect,
	.xOpen = on_open,
	.xClose = on_close,
	.xFilter = on_filter,
	.xNext = on_next,
	.xEof = on_eof,
	.xColumn = on_column,
	.xRowid = module_rowid,
};
