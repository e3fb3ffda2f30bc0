/*
 * One table per source, named for it: the events, read from the files as they
 * are now. A constraint on `file` or `time` narrows what is read; SQLite checks
 * every row again, so narrowing may be generous but never wrong.
 */
#include "sql/modules.h"

#include "base/timestamp.h"
#include "stream/recount.h"

#include <stdlib.h>
#include <strings.h>

enum { COLUMN_FILE, COLUMN_LINE, COLUMN_TIME, N_FIXED };

/*
 * What SQLite tells an event by: where it begins in its file. For OR and RIGHT
 * JOIN the table is read several times, each time narrowed in another way, and
 * a row met before is known by its key; its number within one reading would be
 * another row's in the next. No field has this name: a comma parts fields.
 */
#define PLACE "file,offset"

struct events_table {
	struct module_table base;
	size_t n_fields; /* columns between `time` and `json` */
};

struct events_cursor {
	struct module_cursor base;
	struct event_cursor *events; /* NULL: none is open */
	char *only_file;             /* what the filter points to */
	const struct event *event;   /* NULL: at the end */
	const char *file;
};

static char *declare(const struct field_spec *fields, size_t n)
{
	sqlite3_str *declaration = sqlite3_str_new(NULL);

	sqlite3_str_appendall(declaration, "CREATE TABLE events(file TEXT, line INTEGER,"
					   " time TIMESTAMP TEXT COLLATE TS,");
	for (size_t i = 0; i < n; i++)
		sqlite3_str_appendf(declaration, "\"%w\" TEXT,", fields[i].column);
	sqlite3_str_appendall(declaration,
		"json TEXT, \"" PLACE "\" HIDDEN, PRIMARY KEY(file, \"" PLACE "\")) WITHOUT ROWID");
	return sqlite3_str_finish(declaration);
}

static int on_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
	sqlite3_vtab **table, char **error)
{
	const struct module_place *place = context;
	struct field_spec *fields = NULL;
	struct events_table *new;
	struct err err = ERR_INIT;
	size_t n = 0;
	char *text;
	int rc;

	(void)argc;
	(void)argv;
	if (spec_source_fields(place->connection->spec, place->index, &fields, &n, &err) != 0)
		return SQLITE_NOMEM;
	text = declare(fields, n);
	free(fields);
	new = text != NULL ? sqlite3_malloc(sizeof(*new)) : NULL;
	if (new == NULL) {
		sqlite3_free(text);
		return SQLITE_NOMEM;
	}
	rc = sqlite3_declare_vtab(db, text);
	sqlite3_free(text);
	if (rc != SQLITE_OK) {
		*error = sqlite3_mprintf("%s", sqlite3_errmsg(db));
		sqlite3_free(new);
		return rc;
	}
	*new = (struct events_table){
		.base = {.connection = place->connection, .index = place->index}, .n_fields = n};
	*table = &new->base.base;
	return SQLITE_OK;
}

/* Whether a constraint narrows: 'f' file =, 'l' a lower and 'u' an upper bound of time, 'e' an
 * exact one; '\0' not. */
static char kind_of(sqlite3_index_info *info, int i)
{
	const struct sqlite3_index_constraint *constraint = &info->aConstraint[i];
	const char *collation = sqlite3_vtab_collation(info, i);

	if (!constraint->usable)
		return '\0';
	if (constraint->iColumn == COLUMN_FILE && strcasecmp(collation, "BINARY") == 0)
		return constraint->op == SQLITE_INDEX_CONSTRAINT_EQ ? 'f' : '\0';
	/* Under another collation than TS the texts' bytes decide, not the times. */
	if (constraint->iColumn != COLUMN_TIME || strcasecmp(collation, "TS") != 0)
		return '\0';
	switch (constraint->op) {
	case SQLITE_INDEX_CONSTRAINT_GT:
	case SQLITE_INDEX_CONSTRAINT_GE: return 'l';
	case SQLITE_INDEX_CONSTRAINT_LT:
	case SQLITE_INDEX_CONSTRAINT_LE: return 'u';
	/* Each time of a list would be a reading of all files. */
	case SQLITE_INDEX_CONSTRAINT_EQ: return sqlite3_vtab_in(info, i, -1) ? '\0' : 'e';
	default: return '\0';
	}
}

/* The plan is a text of kinds, one per argument of xFilter. */
static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	char *plan = sqlite3_malloc(info->nConstraint + 1);
	int n = 0;

	if (plan == NULL)
		return SQLITE_NOMEM;
	((struct module_table *)table)->connection->files_are_read = true;
	info->estimatedCost = 1e9;
	info->estimatedRows = 10000000;
	for (int i = 0; i < info->nConstraint; i++) {
		char kind = kind_of(info, i);

		if (kind == '\0')
			continue;
		plan[n++] = kind;
		info->aConstraintUsage[i].argvIndex = n;
		info->estimatedCost /= kind == 'f' ? 100 : 2;
		info->estimatedRows /= kind == 'f' ? 100 : 4;
	}
	plan[n] = '\0';
	info->idxStr = plan;
	info->needToFreeIdxStr = 1;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **cursor)
{
	(void)table;
	return module_cursor_new(sizeof(struct events_cursor), cursor);
}

static void forget(struct events_cursor *cursor)
{
	event_cursor_close(cursor->events);
	sqlite3_free(cursor->only_file);
	cursor->events = NULL;
	cursor->only_file = NULL;
	cursor->event = NULL;
}

static int on_close(sqlite3_vtab_cursor *base)
{
	forget((struct events_cursor *)base);
	return module_cursor_free(base);
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct events_cursor *cursor = (struct events_cursor *)base;
	struct err err = ERR_INIT;
	int status = event_cursor_next(cursor->events, &cursor->event, &cursor->file, &err);

	if (status <= 0)
		cursor->event = NULL;
	return status < 0 ? module_fail(base->pVtab, &err) : SQLITE_OK;
}

static void narrow_time(struct event_filter *filter, char kind, sqlite3_value *value)
{
	const char *text = (const char *)sqlite3_value_text(value);
	int64_t us;

	/* What is no time compares as bytes: nothing can be said about it here. */
	if (text == NULL || !timestamp_parse_bound(text, (size_t)sqlite3_value_bytes(value), &us))
		return;
	if (kind != 'u' && us > filter->min_us)
		filter->min_us = us;
	if (kind != 'l' && us < filter->max_us)
		filter->max_us = us;
}

static int on_filter(
	sqlite3_vtab_cursor *base, int unused, const char *plan, int argc, sqlite3_value **argv)
{
	struct events_cursor *cursor = (struct events_cursor *)base;
	const struct module_table *table = (const struct module_table *)base->pVtab;
	struct connection *connection = table->connection;
	struct event_filter filter = {.min_us = INT64_MIN, .max_us = INT64_MAX};
	struct err err = ERR_INIT;

	(void)unused;
	connection->module_was_used = true;
	forget(cursor);
	for (int i = 0; i < argc; i++) {
		if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
			return SQLITE_OK; /* nothing equals, precedes or follows NULL */
		if (plan[i] != 'f') {
			narrow_time(&filter, plan[i], argv[i]);
		} else if (cursor->only_file == NULL) {
			cursor->only_file = sqlite3_mprintf("%s", sqlite3_value_text(argv[i]));
			if (cursor->only_file == NULL)
				return SQLITE_NOMEM;
		}
	}
	filter.file = cursor->only_file;
	if (event_cursor_open(&cursor->events, connection->spec, table->index, &filter,
		    connection_is_stopped, connection, &err) != 0)
		return module_fail(base->pVtab, &err);
	return on_next(base);
}

static int on_eof(sqlite3_vtab_cursor *base)
{
	return ((const struct events_cursor *)base)->event == NULL;
}

static void give_field(sqlite3_context *context, const struct event_value *value)
{
	/* A value too long for a group is in `json` still. */
	if (value->kind == EVENT_VALUE_TEXT)
		sqlite3_result_text64(context, value->len > 0 ? value->text : "", value->len,
			SQLITE_TRANSIENT, SQLITE_UTF8);
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct events_cursor *cursor = (const struct events_cursor *)base;
	const struct events_table *table = (const struct events_table *)base->pVtab;
	const struct event *event = cursor->event;

	if (column == COLUMN_FILE)
		sqlite3_result_text(context, cursor->file, -1, SQLITE_TRANSIENT);
	else if (column == COLUMN_LINE)
		sqlite3_result_int64(context, event->line);
	else if (column == COLUMN_TIME)
		module_result_time(context, event->time_us);
	else if ((size_t)column < N_FIXED + table->n_fields)
		give_field(context, &event->values[column - N_FIXED]);
	else if ((size_t)column == N_FIXED + table->n_fields)
		sqlite3_result_text64(
			context, event->json, event->json_len, SQLITE_TRANSIENT, SQLITE_UTF8);
	else
		sqlite3_result_int64(context, event->offset);
	return SQLITE_OK;
}

const sqlite3_module events_module = {
	.xConnect = on_connect,
	.xBestIndex = on_best_index,
	.xDisconnect = module_disconnect,
	.xOpen = on_open,
	.xClose = on_close,
	.xFilter = on_filter,
	.xNext = on_next,
	.xEof = on_eof,
	.xColumn = on_column,
};
