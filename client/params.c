/* The table, and the numbering of a statement's parameters. */
#include "client/params.h"

#include "base/mem.h"
#include "client/sqltext.h"

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* SQLite's own limit on ?NNN. */
#define MAX_NUMBER 32766

struct params {
	sqlite3 *db;
	char **names; /* of the statement being bound; NULL for a nameless one */
	size_t n_names, cap_names;
	struct value *values;
	size_t cap_values;
	struct buf text; /* what the values point into */
};

int params_new(struct params **params, struct err *err)
{
	struct params *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return err_nomem(err);
	if (sqlite3_open(":memory:", &new->db) != SQLITE_OK ||
		sqlite3_exec(new->db,
			"CREATE TABLE parameters(key TEXT PRIMARY KEY, value) WITHOUT ROWID", NULL,
			NULL, NULL) != SQLITE_OK) {
		(void)err_set(err, ERR_NOMEM, "%s", sqlite3_errmsg(new->db));
		params_free(new);
		return err->code;
	}
	*params = new;
	return 0;
}

static void clear_names(struct params *params)
{
	for (size_t i = 0; i < params->n_names; i++)
		free(params->names[i]);
	params->n_names = 0;
}

void params_free(struct params *params)
{
	if (params == NULL)
		return;
	clear_names(params);
	free(params->names);
	free(params->values);
	buf_fini(&params->text);
	(void)sqlite3_close(params->db);
	free(params);
}

/* Runs `sql`, freed here; NULL means no memory. */
static int run(struct params *params, char *sql, struct err *err)
{
	int rc = 0;

	if (sql == NULL)
		return err_nomem(err);
	if (sqlite3_exec(params->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		rc = err_set(err, ERR_SQL, "%s", sqlite3_errmsg(params->db));
	sqlite3_free(sql);
	return rc;
}

int params_set(struct params *params, const char *name, const char *value, struct err *err)
{
	static const char *const forms[] = {"REPLACE INTO parameters(key, value) VALUES(%Q, %s)",
		"REPLACE INTO parameters(key, value) VALUES(%Q, %Q)"};
	sqlite3_stmt *stmt = NULL;

	/* As an expression if it can be prepared as one, else as text. */
	for (size_t i = 0; i < 2 && stmt == NULL; i++) {
		char *sql = sqlite3_mprintf(forms[i], name, value);

		if (sql == NULL)
			return err_nomem(err);
		(void)sqlite3_prepare_v2(params->db, sql, -1, &stmt, NULL);
		sqlite3_free(sql);
	}
	if (stmt == NULL)
		return err_set(err, ERR_SQL, "%s", sqlite3_errmsg(params->db));
	(void)sqlite3_step(stmt);
	(void)sqlite3_finalize(stmt);
	return 0;
}

void params_unset(struct params *params, const char *name)
{
	struct err err = ERR_INIT;

	(void)!run(params, sqlite3_mprintf("DELETE FROM parameters WHERE key = %Q", name), &err);
}

void params_clear(struct params *params)
{
	struct err err = ERR_INIT;

	(void)!run(params, sqlite3_mprintf("DELETE FROM parameters"), &err);
}

static int longest_name(struct params *params)
{
	sqlite3_stmt *stmt = NULL;
	int len = 0;

	if (sqlite3_prepare_v2(params->db, "SELECT max(length(key)) FROM parameters", -1, &stmt,
		    NULL) == SQLITE_OK &&
		sqlite3_step(stmt) == SQLITE_ROW)
		len = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return len > 40 ? 40 : len;
}

void params_list(struct params *params, struct buf *out)
{
	int width = longest_name(params);
	sqlite3_stmt *stmt = NULL;

	if (width == 0 || sqlite3_prepare_v2(params->db, "SELECT key, quote(value) FROM parameters",
				  -1, &stmt, NULL) != SQLITE_OK)
		return;
	while (sqlite3_step(stmt) == SQLITE_ROW)
		buf_printf(out, "%-*s %s\n", width, (const char *)sqlite3_column_text(stmt, 0),
			(const char *)sqlite3_column_text(stmt, 1));
	(void)sqlite3_finalize(stmt);
}

/* A number that SQLite does not allow is left out: the daemon says what is wrong with it. */
static int add_name(
	struct params *params, size_t number, const char *name, size_t len, struct err *err)
{
	if (number == 0 || number > MAX_NUMBER)
		return 0;
	if (!mem_grow(&params->names, &params->cap_names, number, sizeof(*params->names)))
		return err_nomem(err);
	while (params->n_names < number)
		params->names[params->n_names++] = NULL;
	if (params->names[number - 1] != NULL)
		return 0;
	params->names[number - 1] = mem_copy_text(name, len);
	return params->names[number - 1] != NULL ? 0 : err_nomem(err);
}

/* A name seen before keeps its number; a bare ? and a new name get the next. */
static int number_parameter(struct params *params, const char *token, size_t len, struct err *err)
{
	if (token[0] == '?' && len > 1)
		return add_name(params, strtoul(token + 1, NULL, 10), token, len, err);
	if (token[0] == '?') {
		char name[24];
		int n = snprintf(name, sizeof(name), "?%zu", params->n_names + 1);

		return add_name(params, params->n_names + 1, name, (size_t)n, err);
	}
	for (size_t i = 0; i < params->n_names; i++) {
		if (params->names[i] != NULL && strlen(params->names[i]) == len &&
			memcmp(params->names[i], token, len) == 0)
			return 0;
	}
	return add_name(params, params->n_names + 1, token, len, err);
}

static int find_names(struct params *params, const char *sql, size_t len, struct err *err)
{
	enum sql_token kind;
	size_t at = 0;

	clear_names(params);
	while (at < len) {
		size_t n = sql_take_token(sql + at, &kind);

		if (kind == SQL_END)
			break;
		if (kind == SQL_PARAMETER && number_parameter(params, sql + at, n, err) < 0)
			return err->code;
		at += n;
	}
	return 0;
}

static void keep_value(struct params *params, sqlite3_stmt *stmt, struct value *value)
{
	size_t offset = params->text.len;

	switch (sqlite3_column_type(stmt, 0)) {
	case SQLITE_INTEGER:
		value->type = VALUE_INTEGER;
		value->integer = sqlite3_column_int64(stmt, 0);
		return;
	case SQLITE_FLOAT:
		value->type = VALUE_REAL;
		value->real = sqlite3_column_double(stmt, 0);
		return;
	case SQLITE_NULL: return;
	default: break;
	}
	value->type = sqlite3_column_type(stmt, 0) == SQLITE_BLOB ? VALUE_BLOB : VALUE_TEXT;
	buf_add(&params->text, sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
	value->len = params->text.len - offset;
	/* The bytes may still move: an offset until all are there. */
	value->data = (const char *)(uintptr_t)offset;
}

int params_bind(struct params *params, const char *sql, size_t len, const struct value **values,
	size_t *n, struct err *err)
{
	sqlite3_stmt *stmt = NULL;

	*n = 0;
	buf_clear(&params->text);
	if (find_names(params, sql, len, err) < 0)
		return err->code;
	if (!mem_grow(&params->values, &params->cap_values, params->n_names + 1,
		    sizeof(*params->values)))
		return err_nomem(err);
	if (sqlite3_prepare_v2(params->db, "SELECT value FROM parameters WHERE key = ?1", -1, &stmt,
		    NULL) != SQLITE_OK)
		return err_set(err, ERR_NOMEM, "%s", sqlite3_errmsg(params->db));
	for (size_t i = 0; i < params->n_names; i++) {
		params->values[i] = (struct value){.type = VALUE_NULL};
		if (params->names[i] == NULL)
			continue;
		(void)sqlite3_bind_text(stmt, 1, params->names[i], -1, SQLITE_STATIC);
		if (sqlite3_step(stmt) == SQLITE_ROW)
			keep_value(params, stmt, &params->values[i]);
		(void)sqlite3_reset(stmt);
	}
	(void)sqlite3_finalize(stmt);
	buf_add_char(&params->text, '\0');
	if (!buf_ok(&params->text))
		return err_nomem(err);
	for (size_t i = 0; i < params->n_names; i++) {
		if (params->values[i].type == VALUE_TEXT || params->values[i].type == VALUE_BLOB)
			params->values[i].data =
				params->text.data + (uintptr_t)params->values[i].data;
	}
	*values = params->values;
	*n = params->n_names;
	return 0;
}
