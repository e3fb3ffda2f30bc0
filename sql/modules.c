/* The list of our virtual tables, and what they have in common. */
#include "sql/modules.h"

#include "base/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int module_connect(
	sqlite3 *db, void *context, const char *declaration, sqlite3_vtab **table, char **error)
{
	const struct module_place *place = context;
	struct module_table *new;
	int rc = sqlite3_declare_vtab(db, declaration);

	if (rc != SQLITE_OK) {
		*error = sqlite3_mprintf("%s", sqlite3_errmsg(db));
		return rc;
	}
	new = sqlite3_malloc(sizeof(*new));
	if (new == NULL)
		return SQLITE_NOMEM;
	*new = (struct module_table){.connection = place->connection, .index = place->index};
	*table = &new->base;
	return SQLITE_OK;
}

int module_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

int module_cursor_new(size_t bytes, sqlite3_vtab_cursor **cursor)
{
	struct module_cursor *new = sqlite3_malloc64(bytes);

	if (new == NULL)
		return SQLITE_NOMEM;
	memset(new, 0, bytes);
	*cursor = &new->base;
	return SQLITE_OK;
}

int module_cursor_free(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

int module_next(sqlite3_vtab_cursor *base)
{
	((struct module_cursor *)base)->row++;
	return SQLITE_OK;
}

int module_eof(sqlite3_vtab_cursor *base)
{
	const struct module_cursor *cursor = (const struct module_cursor *)base;

	return cursor->row >= cursor->n_rows;
}

int module_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *row)
{
	*row = ((const struct module_cursor *)base)->row;
	return SQLITE_OK;
}

int module_fail(sqlite3_vtab *table, const struct err *err)
{
	if (err->code == ERR_NOMEM)
		return SQLITE_NOMEM;
	if (err->code == ERR_INTERRUPTED)
		return SQLITE_INTERRUPT;
	sqlite3_free(table->zErrMsg);
	table->zErrMsg = sqlite3_mprintf("%s", err->text);
	return SQLITE_ERROR;
}

void module_result_time(sqlite3_context *context, int64_t us)
{
	char text[TIMESTAMP_TEXT_BYTES];
	size_t len = timestamp_format(us, text);

	sqlite3_result_text(context, text, (int)len, SQLITE_TRANSIENT);
}

static int add(struct connection *connection, const char *name, const sqlite3_module *module,
	size_t index, struct err *err)
{
	struct module_place *place = malloc(sizeof(*place));

	if (place == NULL)
		return err_nomem(err);
	*place = (struct module_place){connection, index};
	if (sqlite3_create_module_v2(connection->db, name, module, place, free) != SQLITE_OK)
		return err_nomem(err);
	return 0;
}

static int add_of_spec(struct connection *connection, const struct spec *spec, struct err *err)
{
	char name[SPEC_NAME_BYTES + sizeof("static_")];
	int status = 0;

	for (size_t i = 0; status == 0 && i < spec->n_sources; i++)
		status = add(connection, spec->sources[i].name, &events_module, i, err);
	for (size_t i = 0; status == 0 && i < spec->n_queries; i++) {
		(void)snprintf(name, sizeof(name), "static_%s", spec->queries[i].name);
		status = add(connection, name, &static_module, i, err);
	}
	return status;
}

int modules_register(struct connection *connection, struct err *err)
{
	int status = add(connection, "windows", &windows_module, 0, err);

	if (status == 0)
		status = add(connection, "sessions", &sessions_module, 0, err);
	if (status == 0)
		status = add(connection, "system_check", &check_module, 0, err);
	if (status == 0 && connection->spec != NULL)
		status = add_of_spec(connection, connection->spec, err);
	return status;
}
