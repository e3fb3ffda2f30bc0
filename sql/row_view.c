/* One full scan and no plan but that: the smallest virtual table there is. */
#include "sql/row_view.h"

#include "base/buf.h"
#include "sql/db.h"

struct view_table {
	sqlite3_vtab base;
	struct row_view *view;
};

struct view_cursor {
	sqlite3_vtab_cursor base;
	size_t at;
};

static struct row_view *view_of(const sqlite3_vtab_cursor *cursor)
{
	return ((const struct view_table *)cursor->pVtab)->view;
}

static int on_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	struct row_view *view = context;
	struct view_table *new;
	struct buf sql = {0};
	int rc = SQLITE_NOMEM;

	(void)argc;
	(void)argv;
	(void)error;
	buf_printf(&sql, "CREATE TABLE row_view(%s)", view->columns);
	if (buf_ok(&sql))
		rc = sqlite3_declare_vtab(db, sql.data);
	buf_fini(&sql);
	if (rc != SQLITE_OK)
		return rc;
	new = sqlite3_malloc(sizeof(*new));
	if (new == NULL)
		return SQLITE_NOMEM;
	*new = (struct view_table){.view = view};
	*table = &new->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	info->estimatedCost = 1e6;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	struct view_cursor *new = sqlite3_malloc(sizeof(*new));

	(void)table;
	if (new == NULL)
		return SQLITE_NOMEM;
	*new = (struct view_cursor){0};
	*cursor = &new->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

/* To the next row that is shown, from this one on. */
static void settle(struct view_cursor *cursor)
{
	const struct row_view *view = view_of(&cursor->base);

	while (cursor->at < view->to && view->is_shown != NULL &&
		!view->is_shown(view->rows, cursor->at))
		cursor->at++;
}

static int on_filter(
	sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	struct view_cursor *cursor = (struct view_cursor *)base;

	(void)plan;
	(void)text;
	(void)argc;
	(void)argv;
	cursor->at = view_of(base)->from;
	settle(cursor);
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct view_cursor *cursor = (struct view_cursor *)base;

	cursor->at++;
	settle(cursor);
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *cursor)
{
	return ((struct view_cursor *)cursor)->at >= view_of(cursor)->to;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *result, int column)
{
	struct row_view *view = view_of(base);

	view->show(view->rows, ((struct view_cursor *)base)->at, column, result);
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *cursor, sqlite3_int64 *rowid)
{
	*rowid = (sqlite3_int64)((struct view_cursor *)cursor)->at;
	return SQLITE_OK;
}

/* No xCreate: it is there without a CREATE, and DROP cannot reach it. */
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

int row_view_open(struct row_view *view, sqlite3 *db, const char *name, struct err *err)
{
	int rc = sqlite3_create_module_v2(db, name, &module, view, NULL);

	return rc == SQLITE_OK ? 0 : db_error(db, rc, "cannot show changed rows to SQL", err);
}

void row_view_close(sqlite3 *db, const char *name)
{
	(void)sqlite3_create_module_v2(db, name, NULL, NULL, NULL);
}
