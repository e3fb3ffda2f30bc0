/*
 * `sessions`: who is connected, as the daemon says at the moment of asking.
 * What another user's session runs is shown to the daemon's own user and root
 * only.
 */
#include "sql/modules.h"

#include <stdlib.h>

enum {
	COLUMN_ID,
	COLUMN_PID,
	COLUMN_UID,
	COLUMN_PROTOCOL,
	COLUMN_STATE,
	COLUMN_SINCE,
	COLUMN_QUERY
};

struct sessions_cursor {
	struct module_cursor base;
	struct session_view *rows;
	size_t n_rows;
};

static int on_connect(sqlite3 *db, void *place, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	(void)argc;
	(void)argv;
	return module_connect(db, place,
		"CREATE TABLE sessions(id INTEGER, pid INTEGER, uid INTEGER, protocol TEXT,"
		" state TEXT, since TIMESTAMP TEXT COLLATE TS, query TEXT)",
		table, error);
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	info->estimatedCost = 100;
	info->estimatedRows = 100;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	(void)table;
	return module_cursor_new(sizeof(struct sessions_cursor), cursor);
}

static void forget(struct sessions_cursor *cursor)
{
	for (size_t i = 0; i < cursor->n_rows; i++)
		free(cursor->rows[i].query);
	free(cursor->rows);
	cursor->rows = NULL;
	cursor->n_rows = 0;
	cursor->base.row = cursor->base.n_rows = 0;
}

static int on_close(sqlite3_vtab_cursor *base)
{
	forget((struct sessions_cursor *)base);
	return module_cursor_free(base);
}

static int on_filter(
	sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	struct sessions_cursor *cursor = (struct sessions_cursor *)base;
	struct connection *connection = ((struct module_table *)base->pVtab)->connection;
	const struct sql_control *control = connection->env->options.control;
	struct err err = ERR_INIT;

	(void)plan;
	(void)text;
	(void)argc;
	(void)argv;
	connection->module_was_used = true;
	forget(cursor);
	if (control == NULL || control->sessions == NULL)
		return SQLITE_OK;
	if (control->sessions(control->context, &cursor->rows, &cursor->n_rows, &err) != 0)
		return module_fail(base->pVtab, &err);
	cursor->base.n_rows = (sqlite3_int64)cursor->n_rows;
	return SQLITE_OK;
}

static bool may_see(const struct connection *connection, int64_t uid)
{
	unsigned own = connection->session->options.uid;

	return own == 0 || own == connection->env->options.daemon_uid || uid == (int64_t)own;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct sessions_cursor *cursor = (const struct sessions_cursor *)base;
	const struct module_table *table = (const struct module_table *)base->pVtab;
	const struct session_view *view = &cursor->rows[cursor->base.row];

	switch (column) {
	case COLUMN_ID: sqlite3_result_int64(context, view->id); break;
	case COLUMN_PID: sqlite3_result_int64(context, view->pid); break;
	case COLUMN_UID: sqlite3_result_int64(context, view->uid); break;
	case COLUMN_PROTOCOL:
		sqlite3_result_text(context, view->protocol, -1, SQLITE_TRANSIENT);
		break;
	case COLUMN_STATE: sqlite3_result_text(context, view->state, -1, SQLITE_TRANSIENT); break;
	case COLUMN_SINCE: module_result_time(context, view->since_us); break;
	default:
		if (view->query != NULL && may_see(table->connection, view->uid))
			sqlite3_result_text(context, view->query, -1, SQLITE_TRANSIENT);
		break;
	}
	return SQLITE_OK;
}

const sqlite3_module sessions_module = {
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
