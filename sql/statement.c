/*
 * What a statement is: its text's shape, its parameters, and the compiled form
 * that it holds or finds again. execution.c runs it.
 */
#include "sql/execution.h"

#include "base/mem.h"
#include "sql/column_types.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void link_in(struct statement *statement)
{
	struct sql_session *session = statement->session;

	statement->previous = NULL;
	statement->next = session->attached;
	if (session->attached != NULL)
		session->attached->previous = statement;
	session->attached = statement;
}

static void link_out(struct statement *statement)
{
	if (statement->next != NULL)
		statement->next->previous = statement->previous;
	if (statement->previous != NULL)
		statement->previous->next = statement->next;
	else
		statement->session->attached = statement->next;
}

static int bind_one(sqlite3_stmt *stmt, int index, const struct value *value)
{
	switch (value->type) {
	case VALUE_INTEGER: return sqlite3_bind_int64(stmt, index, value->integer);
	case VALUE_REAL: return sqlite3_bind_double(stmt, index, value->real);
	case VALUE_TEXT:
		return sqlite3_bind_text64(
			stmt, index, value->data, value->len, SQLITE_STATIC, SQLITE_UTF8);
	case VALUE_BLOB:
		return sqlite3_bind_blob64(stmt, index, value->data, value->len, SQLITE_STATIC);
	default: return sqlite3_bind_null(stmt, index);
	}
}

int statement_bind_all(struct statement *statement, struct err *err)
{
	struct connection *connection = statement->session->connection;
	int rc = SQLITE_OK;

	if (statement->params == NULL)
		return 0;
	connection_enter(connection);
	for (size_t i = 0; rc == SQLITE_OK && i < statement->shape->n_params; i++)
		rc = bind_one(statement->compiled->stmt, (int)i + 1, &statement->params[i]);
	connection_leave(connection);
	return rc == SQLITE_OK ? 0 : connection_fail(connection, rc, err);
}

void statement_detach(struct statement *statement)
{
	if (statement->compiled == NULL)
		return;
	compile_release(statement->session->connection, statement->compiled);
	statement->compiled = NULL;
	link_out(statement);
}

/* 0, PREPARE_YIELD or an error. */
int statement_attach(struct statement *statement, int64_t stop_at_us, struct err *err)
{
	struct sql_session *session = statement->session;
	int status;

	if (statement->compiled != NULL)
		return 0;
	status = connection_borrow(session, err);
	if (status != 0)
		return status;
	connection_renew(session->connection, stop_at_us);
	status = compile_shape(session->connection, statement->shape, &statement->compiled, err);
	if (status == 0)
		link_in(statement);
	return status;
}

void session_detach_idle(struct sql_session *session)
{
	struct statement *next;

	for (struct statement *statement = session->attached; statement != NULL; statement = next) {
		next = statement->next;
		if (!statement->is_running)
			statement_detach(statement);
	}
}

void session_detach_all(struct sql_session *session)
{
	while (session->attached != NULL) {
		struct statement *statement = session->attached;

		statement_reset(statement);
		if (statement->compiled != NULL)
			statement_detach(statement);
	}
}

static int new_statement(struct sql_session *session, struct compiled *compiled,
	struct statement **statement, struct err *err)
{
	struct statement *new = calloc(1, sizeof(*new));

	if (new != NULL)
		new->row = mem_new_array(compiled->shape->n_columns, sizeof(*new->row));
	if (new == NULL || new->row == NULL) {
		free(new);
		compile_release(session->connection, compiled);
		return err_nomem(err);
	}
	new->session = session;
	new->shape = shape_ref(compiled->shape);
	new->compiled = compiled;
	session->n_statements++;
	link_in(new);
	*statement = new;
	return 0;
}

int statement_prepare(struct sql_session *session, const char *text, size_t len, int64_t budget_us,
	size_t *tail_offset, struct statement **statement, struct err *err)
{
	struct compiled *compiled = NULL;
	int status;

	*statement = NULL;
	session->error_code = SQLITE_OK;
	session->error_offset = -1;
	session_begin_work(session);
	status = connection_borrow(session, err);
	if (status != 0) {
		session_end_work(session);
		return status;
	}
	connection_renew(
		session->connection, budget_stop_at_us(session_deadline_us(session), budget_us));
	status = compile(session->connection, text, len, tail_offset, &compiled, err);
	if (status == ERR_INTERRUPTED && budget_us > 0 &&
		session->connection->budget.ended == BUDGET_TIME)
		status = PREPARE_YIELD;
	if (status == 0 && compiled != NULL)
		status = new_statement(session, compiled, statement, err);
	session_end_work(session);
	connection_give_back(session);
	return status;
}

static void free_params(struct statement *statement)
{
	for (size_t i = 0; statement->params != NULL && i < statement->shape->n_params; i++)
		free((void *)(uintptr_t)statement->params[i].data);
	free(statement->params);
}

void statement_free(struct statement *statement)
{
	struct sql_session *session;

	if (statement == NULL)
		return;
	session = statement->session;
	statement_reset(statement);
	statement_detach(statement);
	connection_give_back(session);
	free_params(statement);
	free(statement->row);
	shape_unref(statement->shape);
	free(statement);
	session->n_statements--;
}

int statement_bind(
	struct statement *statement, size_t index, const struct value *value, struct err *err)
{
	size_t n = statement->shape->n_params;
	struct value copy = *value;

	if (index >= n)
		return err_set(err, ERR_SQL, "the statement has %zu parameter%s, not %zu", n,
			n == 1 ? "" : "s", index + 1);
	assert(!statement->is_running);
	if (value->type == VALUE_TEXT || value->type == VALUE_BLOB) {
		copy.data = mem_copy_text(value->data, value->len);
		if (copy.data == NULL)
			return err_nomem(err);
	} else {
		copy.data = NULL;
	}
	if (statement->params == NULL) {
		statement->params = mem_new_array(n, sizeof(*statement->params));
		if (statement->params == NULL) {
			free((void *)(uintptr_t)copy.data);
			return err_nomem(err);
		}
	}
	free((void *)(uintptr_t)statement->params[index].data);
	statement->params[index] = copy;
	return 0;
}

size_t statement_n_columns(const struct statement *statement)
{
	return statement->shape->n_columns;
}

const char *statement_column_name(const struct statement *statement, size_t column)
{
	return statement->shape->names[column];
}

const char *statement_column_type(const struct statement *statement, size_t column)
{
	return statement_column_is_boolean(statement, column)
		       ? "INTEGER"
		       : statement->shape->types[column].type;
}

bool statement_column_is_boolean(const struct statement *statement, size_t column)
{
	return strcmp(statement->shape->types[column].type, COLUMN_TYPE_BOOLEAN) == 0;
}

bool statement_column_is_aggregate(const struct statement *statement, size_t column)
{
	return statement->shape->types[column].is_aggregate;
}

bool statement_is_readonly(const struct statement *statement)
{
	return statement->shape->is_readonly;
}

bool statement_is_explain(const struct statement *statement)
{
	return statement->shape->is_explain;
}

size_t statement_n_params(const struct statement *statement)
{
	return statement->shape->n_params;
}

const char *statement_param_name(const struct statement *statement, size_t index)
{
	return statement->shape->params[index];
}

/* Texts that are longer may keep a single opcode busy for longer than the loop can wait. */
#define INLINE_MAX_BYTES 16384

bool statement_may_run_inline(const struct statement *statement)
{
	const struct shape *shape = statement->shape;
	size_t bytes = shape->len;

	for (size_t i = 0; statement->params != NULL && i < shape->n_params; i++)
		bytes += statement->params[i].len;
	return shape->is_readonly && !shape->reads_files && bytes <= INLINE_MAX_BYTES &&
	       (shape->saw & (GUARD_SAW_SLOW | GUARD_SAW_CONTROL)) == 0;
}

bool statement_is_long(const struct statement *statement)
{
	return atomic_load_explicit(&statement->shape->is_long, memory_order_relaxed);
}

void statement_set_long(struct statement *statement, bool is_long)
{
	atomic_store_explicit(&statement->shape->is_long, is_long, memory_order_relaxed);
}

uint64_t statement_snapshot(const struct statement *statement)
{
	return statement->snapshot;
}

int64_t statement_n_changes(const struct statement *statement)
{
	return statement->n_changes;
}

bool statement_is_cacheable(const struct statement *statement)
{
	return statement->is_cacheable;
}
