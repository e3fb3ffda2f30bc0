/*
 * `static_` + a query's name: the batch twin of its table, counted from the
 * files at the moment the statement reads it.
 */
#include "sql/modules.h"

#include "stream/recount.h"

struct static_cursor {
	struct module_cursor base;
	struct recount recount;
};

static const struct query_spec *query_of(const sqlite3_vtab *table)
{
	const struct module_table *own = (const struct module_table *)table;

	return &own->connection->spec->queries[own->index];
}

static int on_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	const struct module_place *place = context;
	const struct query_spec *query = &place->connection->spec->queries[place->index];
	sqlite3_str *declaration = sqlite3_str_new(db);
	char *text;
	int rc;

	(void)argc;
	(void)argv;
	sqlite3_str_appendall(declaration, "CREATE TABLE static(");
	for (size_t i = 0; i < query->n_group_by; i++)
		sqlite3_str_appendf(declaration, "\"%w\" TEXT,", query->group_by[i].column);
	sqlite3_str_appendall(declaration, "window_start TIMESTAMP TEXT COLLATE TS,"
					   " window_end TIMESTAMP TEXT COLLATE TS, count INTEGER)");
	text = sqlite3_str_finish(declaration);
	if (text == NULL)
		return SQLITE_NOMEM;
	rc = module_connect(db, context, text, table, error);
	sqlite3_free(text);
	return rc;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	((struct module_table *)table)->connection->files_are_read = true;
	/* As dear as reading all files: never on the inner side of a join. */
	info->estimatedCost = 1e9;
	info->estimatedRows = 10000;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	(void)table;
	return module_cursor_new(sizeof(struct static_cursor), cursor);
}

static int on_close(sqlite3_vtab_cursor *base)
{
	recount_fini(&((struct static_cursor *)base)->recount);
	return module_cursor_free(base);
}

static int on_filter(
	sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	struct static_cursor *cursor = (struct static_cursor *)base;
	const struct module_table *table = (const struct module_table *)base->pVtab;
	struct connection *connection = table->connection;
	struct err err = ERR_INIT;

	(void)plan;
	(void)text;
	(void)argc;
	(void)argv;
	connection->module_was_used = true;
	cursor->base.row = cursor->base.n_rows = 0;
	recount_fini(&cursor->recount);
	cursor->recount = (struct recount){0};
	/* None of it is SQLite's memory, so it has the same limit once more. */
	if (recount_run(&cursor->recount, connection->spec, table->index,
		    connection->budget.limit_bytes, connection_is_stopped, connection, &err) != 0)
		return module_fail(base->pVtab, &err);
	cursor->base.n_rows = (sqlite3_int64)cursor->recount.n_rows;
	return SQLITE_OK;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct static_cursor *cursor = (const struct static_cursor *)base;
	const struct recount_row *row = &cursor->recount.rows[cursor->base.row];
	size_t n_fields = query_of(base->pVtab)->n_group_by;

	if ((size_t)column < n_fields) {
		const struct event_value *value = &row->values[column];

		if (value->kind == EVENT_VALUE_TEXT)
			sqlite3_result_text64(context, value->len > 0 ? value->text : "",
				value->len, SQLITE_TRANSIENT, SQLITE_UTF8);
		return SQLITE_OK;
	}
	switch ((size_t)column - n_fields) {
	case 0: module_result_time(context, row->start_us); break;
	case 1: module_result_time(context, row->end_us); break;
	default: sqlite3_result_int64(context, (sqlite3_int64)row->count); break;
	}
	return SQLITE_OK;
}

const sqlite3_module static_module = {
	.xConnect = on_connect,
	.xBestIndex = on_best_index,
	.xDisconnect = module_disconnect,
	.xOpen = on_open,
	.xClose = on_close,
	.xFilter = on_filter,
	.xNext = module_next,
	.xEof = module_eof,
	.xColumn = on_column,
	.xRowid = module_rowid,
};
