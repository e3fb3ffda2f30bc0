/*
 * windows(from, to, size): the windows of `size` that have an instant in
 * [from, to), aligned to the epoch as the queries' own are. Joined to a
 * query's table it shows the windows in which nothing happened.
 */
#include "sql/modules.h"

#include "base/quantity.h"
#include "base/timestamp.h"

#include <stdlib.h>

enum { COLUMN_START, COLUMN_END, COLUMN_FROM, COLUMN_TO, COLUMN_SIZE };

#define N_ARGUMENTS   3
#define ALL_ARGUMENTS ((1 << N_ARGUMENTS) - 1)

struct windows_cursor {
	struct module_cursor base;
	int64_t start_us, to_us, size_us;
	sqlite3_value *arguments[N_ARGUMENTS]; /* as they were given */
};

static int on_connect(sqlite3 *db, void *place, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	(void)argc;
	(void)argv;
	return module_connect(db, place,
		"CREATE TABLE windows(window_start TIMESTAMP TEXT COLLATE TS,"
		" window_end TIMESTAMP TEXT COLLATE TS, \"from\" HIDDEN, \"to\" HIDDEN, size "
		"HIDDEN)",
		table, error);
}

/*
 * All three arguments are needed; argument i of xFilter is column COLUMN_FROM + i,
 * and the plan says by bits which there are. The branches of an OR are planned
 * without them, which must not fail: such a plan is only too dear to be taken.
 */
static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	int places[N_ARGUMENTS] = {0};
	int found = 0;

	(void)table;
	for (int i = 0; i < info->nConstraint; i++) {
		int argument = info->aConstraint[i].iColumn - COLUMN_FROM;

		if (argument < 0 || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
			continue;
		if (!info->aConstraint[i].usable)
			return SQLITE_CONSTRAINT;
		/* What stands behind the call's own arguments is SQLite's to compare. */
		if ((found & 1 << argument) == 0)
			places[argument] = i;
		found |= 1 << argument;
	}
	info->idxNum = found;
	info->estimatedCost = found == ALL_ARGUMENTS ? 1000 : 1e50;
	info->estimatedRows = 1000;
	for (int i = 0; found == ALL_ARGUMENTS && i < N_ARGUMENTS; i++) {
		info->aConstraintUsage[places[i]].argvIndex = i + 1;
		info->aConstraintUsage[places[i]].omit = 1;
	}
	if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn <= COLUMN_END &&
		!info->aOrderBy[0].desc)
		info->orderByConsumed = 1;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	(void)table;
	return module_cursor_new(sizeof(struct windows_cursor), cursor);
}

static void forget(struct windows_cursor *cursor)
{
	for (int i = 0; i < N_ARGUMENTS; i++) {
		sqlite3_value_free(cursor->arguments[i]);
		cursor->arguments[i] = NULL;
	}
}

static int on_close(sqlite3_vtab_cursor *base)
{
	forget((struct windows_cursor *)base);
	return module_cursor_free(base);
}

static int read_bound(sqlite3_value *value, const char *name, int64_t *us, struct err *err)
{
	const char *text;

	if (sqlite3_value_type(value) == SQLITE_INTEGER) {
		int64_t seconds = sqlite3_value_int64(value);

		if (seconds >= -CALENDAR_MAX_US / US_PER_S &&
			seconds <= CALENDAR_MAX_US / US_PER_S) {
			*us = seconds * US_PER_S;
			return 0;
		}
	}
	text = (const char *)sqlite3_value_text(value);
	/* The end of a window may lie past the years of events. */
	if (text != NULL && timestamp_parse_bound(text, (size_t)sqlite3_value_bytes(value), us) &&
		*us >= -CALENDAR_MAX_US && *us <= CALENDAR_MAX_US)
		return 0;
	return err_set(err, ERR_INVALID, "windows: %s is no time: '%.60s'", name,
		text != NULL ? text : "NULL");
}

static int read_size(sqlite3_value *value, int64_t *us, struct err *err)
{
	const char *text = (const char *)sqlite3_value_text(value);

	if (text == NULL)
		return err_set(err, ERR_INVALID, "windows: the size is NULL");
	if (duration_parse(text, us, err) != 0)
		return err_prefix(err, "windows");
	if (*us <= 0)
		return err_set(err, ERR_INVALID, "windows: the size is not above 0: '%.60s'", text);
	if (*us > TIMESTAMP_MAX_US - TIMESTAMP_MIN_US)
		return err_set(
			err, ERR_LIMIT, "windows: the size is longer than time: '%.60s'", text);
	return 0;
}

static int on_filter(
	sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv)
{
	struct windows_cursor *cursor = (struct windows_cursor *)base;
	struct err err = ERR_INIT;
	int64_t from_us = 0, rest;

	(void)text;
	forget(cursor);
	if (plan != ALL_ARGUMENTS) {
		(void)err_set(&err, ERR_INVALID,
			"windows(from, to, size) takes three arguments, like "
			"windows('2016-07-26', '2016-07-27', '1 hour')");
		return module_fail(base->pVtab, &err);
	}
	for (int i = 0; i < argc; i++) {
		cursor->arguments[i] = sqlite3_value_dup(argv[i]);
		if (cursor->arguments[i] == NULL)
			return SQLITE_NOMEM;
	}
	/* The bounds of a table without rows: no windows. */
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
		sqlite3_value_type(argv[1]) == SQLITE_NULL) {
		cursor->start_us = cursor->to_us = 0;
		return SQLITE_OK;
	}
	if (read_bound(argv[0], "from", &from_us, &err) != 0 ||
		read_bound(argv[1], "to", &cursor->to_us, &err) != 0 ||
		read_size(argv[2], &cursor->size_us, &err) != 0)
		return module_fail(base->pVtab, &err);
	rest = from_us % cursor->size_us;
	cursor->start_us = from_us - rest - (rest < 0 ? cursor->size_us : 0);
	cursor->base.row = 1;
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct windows_cursor *cursor = (struct windows_cursor *)base;

	/* Neither a bound nor a size is so long that this could wrap. */
	cursor->start_us += cursor->size_us;
	cursor->base.row++;
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *base)
{
	const struct windows_cursor *cursor = (const struct windows_cursor *)base;

	return cursor->start_us >= cursor->to_us;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct windows_cursor *cursor = (const struct windows_cursor *)base;

	if (column == COLUMN_START)
		module_result_time(context, cursor->start_us);
	else if (column == COLUMN_END)
		module_result_time(context, cursor->start_us + cursor->size_us);
	else
		sqlite3_result_value(context, cursor->arguments[column - COLUMN_FROM]);
	return SQLITE_OK;
}

const sqlite3_module windows_module = {
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
