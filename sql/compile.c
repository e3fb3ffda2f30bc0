/*
 * From text to a compiled statement: the dialect, the guard's verdict, the
 * shape, and the connection's cache of what it compiled before.
 */
#include "sql/connection.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "sql/column_types.h"
#include "sql/dialect.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct shape *shape_ref(struct shape *shape)
{
	atomic_fetch_add_explicit(&shape->n_refs, 1, memory_order_relaxed);
	return shape;
}

void shape_unref(struct shape *shape)
{
	if (shape == NULL ||
		atomic_fetch_sub_explicit(&shape->n_refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; shape->names != NULL && i < shape->n_columns; i++)
		free(shape->names[i]);
	for (size_t i = 0; shape->params != NULL && i < shape->n_params; i++)
		free(shape->params[i]);
	free(shape->names);
	free(shape->types);
	free(shape->params);
	free(shape->text);
	free(shape->source);
	free(shape);
}

static char *copy_name(const char *name)
{
	return mem_copy_text(name != NULL ? name : "", name != NULL ? strlen(name) : 0);
}

static bool fill_columns(struct shape *shape, sqlite3_stmt *stmt)
{
	shape->n_columns = (size_t)sqlite3_column_count(stmt);
	shape->names = mem_new_array(shape->n_columns, sizeof(*shape->names));
	shape->types = mem_new_array(shape->n_columns, sizeof(*shape->types));
	if (shape->names == NULL || shape->types == NULL)
		return false;
	for (size_t i = 0; i < shape->n_columns; i++) {
		const char *name = sqlite3_column_name(stmt, (int)i);

		shape->names[i] = name != NULL ? copy_name(name) : NULL;
		if (shape->names[i] == NULL)
			return false;
		shape->types[i].type = column_type_declared(sqlite3_column_decltype(stmt, (int)i));
	}
	return true;
}

/* SQLite has told the types of plain columns; those of expressions follow from their parts. */
static void infer_types(struct connection *connection, struct shape *shape)
{
	struct budget *budget = &connection->budget;
	int64_t stop_at_us = budget->stop_at_us;
	bool all_told = true;

	for (size_t i = 0; i < shape->n_columns; i++)
		all_told = all_told && shape->types[i].type[0] != '\0';
	if (all_told || shape->is_explain || (shape->saw & GUARD_SAW_PRAGMA))
		return;
	/*
	 * It reads the schema, and a read that memory is denied to rolls back the
	 * transaction around it. So time stands still for this little work.
	 */
	budget_renew(budget, INT64_MAX);
	connection->guard.is_open = true;
	column_types_infer(connection->db, connection->extension, shape->text, shape->len,
		shape->types, shape->n_columns);
	connection->guard.is_open = false;
	budget->stop_at_us = stop_at_us;
}

static bool fill_params(struct shape *shape, sqlite3_stmt *stmt)
{
	shape->n_params = (size_t)sqlite3_bind_parameter_count(stmt);
	shape->params = mem_new_array(shape->n_params, sizeof(*shape->params));
	if (shape->params == NULL)
		return false;
	for (size_t i = 0; i < shape->n_params; i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, (int)i + 1);

		shape->params[i] = name != NULL ? copy_name(name) : NULL;
		if (name != NULL && shape->params[i] == NULL)
			return false;
	}
	return true;
}

/* `text` is what was compiled, `source` what was written; both of `len` bytes. NULL: no memory. */
static struct shape *shape_new(struct connection *connection, sqlite3_stmt *stmt, const char *text,
	const char *source, size_t len)
{
	struct shape *shape = calloc(1, sizeof(*shape));

	if (shape == NULL)
		return NULL;
	shape->n_refs = 1;
	shape->len = len;
	shape->text = mem_copy_text(text, len);
	shape->source = mem_copy_text(source, len);
	shape->ends_itself = len > 0 && text[len - 1] == ';';
	shape->is_readonly = sqlite3_stmt_readonly(stmt) != 0;
	shape->is_explain = sqlite3_stmt_isexplain(stmt) != 0;
	shape->saw = connection->guard.saw;
	shape->reads_files = connection->files_are_read;
	if (shape->text == NULL || shape->source == NULL || !fill_columns(shape, stmt) ||
		!fill_params(shape, stmt)) {
		shape_unref(shape);
		return NULL;
	}
	infer_types(connection, shape);
	return shape;
}

static bool is_blank(const char *text, size_t len)
{
	return strspn(text, " \t\n\r\f") >= len;
}

/* A cached form of the text's first statement that nobody uses, moved to the front. */
static struct compiled *find_cached(struct connection *connection, const char *text, size_t len)
{
	for (struct compiled **at = &connection->compiled; *at != NULL; at = &(*at)->next) {
		struct compiled *found = *at;
		const struct shape *shape = found->shape;

		if (found->in_use || shape->len > len ||
			memcmp(shape->source, text, shape->len) != 0)
			continue;
		if (shape->len < len && !shape->ends_itself)
			continue;
		*at = found->next;
		found->next = connection->compiled;
		connection->compiled = found;
		found->in_use = true;
		return found;
	}
	return NULL;
}

static void dispose(struct compiled *compiled)
{
	(void)sqlite3_finalize(compiled->stmt);
	shape_unref(compiled->shape);
	free(compiled);
}

/* Makes room: the least recently used that nobody uses goes. */
static void evict(struct connection *connection)
{
	struct compiled **last = NULL;

	for (struct compiled **at = &connection->compiled; *at != NULL; at = &(*at)->next) {
		if (!(*at)->in_use)
			last = at;
	}
	if (last != NULL) {
		struct compiled *old = *last;

		*last = old->next;
		connection->n_compiled--;
		dispose(old);
	}
}

void compile_forget(struct connection *connection, struct compiled *compiled)
{
	for (struct compiled **at = &connection->compiled; *at != NULL; at = &(*at)->next) {
		if (*at == compiled) {
			*at = compiled->next;
			connection->n_compiled--;
			compiled->is_cached = false;
			return;
		}
	}
}

void compile_release(struct connection *connection, struct compiled *compiled)
{
	connection_enter(connection);
	(void)sqlite3_reset(compiled->stmt);
	(void)sqlite3_clear_bindings(compiled->stmt);
	compiled->in_use = false;
	if (!compiled->is_cached)
		dispose(compiled);
	connection_leave(connection);
}

/* Only what reads is worth keeping: TEMP objects come and go. */
static void keep(struct connection *connection, struct compiled *compiled)
{
	if (!compiled->shape->is_readonly || compiled->shape->is_explain)
		return;
	if (connection->n_compiled >= CONNECTION_MAX_COMPILED)
		evict(connection);
	if (connection->n_compiled >= CONNECTION_MAX_COMPILED)
		return;
	compiled->is_cached = true;
	compiled->next = connection->compiled;
	connection->compiled = compiled;
	connection->n_compiled++;
}

/* Triples of the dialect that are looked at one by one; each costs a look at the whole text. */
#define MAX_REWRITES 32

static int prepare(struct connection *connection, const char *text, size_t len, sqlite3_stmt **stmt,
	const char **tail)
{
	guard_begin(&connection->guard);
	connection->files_are_read = false;
	return sqlite3_prepare_v3(connection->db, text, (int)len + 1, 0, stmt, tail);
}

/* Whether the SELECT of a CREATE VIEW compiles by itself. */
static bool select_compiles(struct connection *connection, const char *text, size_t from, size_t to)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v3(connection->db, text + from, (int)(to - from), 0, &stmt, NULL);

	(void)sqlite3_finalize(stmt);
	return rc == SQLITE_OK;
}

/*
 * Whether copy did not compile, or is a view that will not: *offset is where a
 * name was not found, -1 where SQLite does not tell.
 */
static bool is_unresolved(
	struct connection *connection, int rc, const char *copy, const char *tail, int *offset)
{
	size_t end = (size_t)(tail - copy);
	size_t select = 0;

	if (rc == SQLITE_OK) {
		if (connection->guard.saw & GUARD_SAW_CREATE_VIEW)
			select = dialect_view_select(copy, end);
		if (select == 0 || select_compiles(connection, copy, select, end))
			return false;
	}
	*offset = sqlite3_error_offset(connection->db);
	if (*offset >= 0)
		*offset += (int)select;
	return true;
}

/* Rewrites what SQLite says it did not find, there and nowhere else. False: that does not show. */
static bool rewrite_unresolved(struct connection *connection, char *copy, size_t len, int offset)
{
	static const char words[] = "no such column: ";
	const char *message = sqlite3_errmsg(connection->db);

	if (offset >= 0)
		return dialect_rewrite_at(copy, len, (size_t)offset);
	return strncmp(message, words, sizeof(words) - 1) == 0 &&
	       dialect_rewrite_on(copy, len, message + sizeof(words) - 1);
}

/*
 * Compiles copy[0, len) as it is and, should that fail or would the view it
 * makes fail, with window.start and window.end spelled out where they are not
 * found. `copy` is then changed.
 */
static int prepare_dialect(struct connection *connection, char *copy, size_t len,
	sqlite3_stmt **stmt, const char **tail)
{
	int offset = -1;

	for (int n = 0;; n++) {
		int rc = prepare(connection, copy, len, stmt, tail);

		if (!is_unresolved(connection, rc, copy, *tail, &offset) || rc == SQLITE_NOMEM ||
			!budget_check(&connection->budget))
			return rc;
		/* Whoever writes more of them than that names nothing else window. */
		if ((n >= MAX_REWRITES || !rewrite_unresolved(connection, copy, len, offset)) &&
			!dialect_rewrite_all(copy, len))
			return rc;
		(void)sqlite3_finalize(*stmt);
	}
}

/* What was not found either under the name that nobody wrote is told as it was written. */
static int tell_as_written(struct connection *connection, const char *source, char *copy,
	size_t len, sqlite3_stmt **stmt, const char **tail)
{
	memcpy(copy, source, len);
	return prepare(connection, copy, len, stmt, tail);
}

static bool is_about_rewritten(struct connection *connection)
{
	const char *message = sqlite3_errmsg(connection->db);

	return strncmp(message, "no such column: ", 16) == 0 &&
	       (strstr(message, "window_start") != NULL || strstr(message, "window_end") != NULL);
}

/* What SQLite would misunderstand silently: a NUL ends its text, and broken UTF-8 passes. */
static int check_text(struct sql_session *session, const char *text, size_t len, struct err *err)
{
	const char *nul = memchr(text, '\0', len);
	size_t valid = utf8_valid_prefix(text, len);

	session->error_code = SQLITE_ERROR;
	if (len > 1 << 20) {
		session->error_code = SQLITE_TOOBIG;
		return err_set(err, ERR_LIMIT, "the statement is longer than 1 MiB");
	}
	if (nul != NULL) {
		session->error_offset = (int)(nul - text);
		return err_set(err, ERR_SQL, "the statement holds a NUL at byte %d",
			session->error_offset);
	}
	if (valid < len) {
		session->error_offset = (int)valid;
		return err_set(err, ERR_SQL, "the statement is no UTF-8 at byte %zu", valid);
	}
	session->error_code = SQLITE_OK;
	return 0;
}

/* The compiled form around `stmt`, which it owns from here on. NULL: no memory. */
static struct compiled *wrap(struct connection *connection, sqlite3_stmt *stmt, struct shape *shape)
{
	struct compiled *compiled = shape != NULL ? calloc(1, sizeof(*compiled)) : NULL;

	if (compiled == NULL) {
		shape_unref(shape);
		(void)sqlite3_finalize(stmt);
		return NULL;
	}
	compiled->stmt = stmt;
	compiled->shape = shape;
	compiled->in_use = true;
	keep(connection, compiled);
	return compiled;
}

static int compile_copy(struct connection *connection, const char *source, char *copy, size_t len,
	size_t *tail_offset, struct compiled **compiled, struct err *err)
{
	sqlite3_stmt *stmt = NULL;
	const char *tail = copy;
	int rc = prepare_dialect(connection, copy, len, &stmt, &tail);
	size_t used;

	if (rc == SQLITE_ERROR && is_about_rewritten(connection) && memcmp(copy, source, len) != 0)
		rc = tell_as_written(connection, source, copy, len, &stmt, &tail);
	if (rc != SQLITE_OK)
		return connection_fail(connection, rc, err);
	used = (size_t)(tail - copy);
	*tail_offset = used;
	if (stmt == NULL)
		return 0;
	if (!guard_judge(&connection->guard, stmt, copy, used)) {
		(void)sqlite3_finalize(stmt);
		return connection_fail(connection, SQLITE_AUTH, err);
	}
	*compiled = wrap(connection, stmt, shape_new(connection, stmt, copy, source, used));
	return *compiled != NULL ? 0 : err_nomem(err);
}

int compile(struct connection *connection, const char *text, size_t len, size_t *tail_offset,
	struct compiled **compiled, struct err *err)
{
	char *copy;
	int status;

	*compiled = find_cached(connection, text, len);
	if (*compiled != NULL) {
		*tail_offset = (*compiled)->shape->len;
		return 0;
	}
	*tail_offset = len;
	if (len == 0)
		return 0;
	status = check_text(connection->session, text, len, err);
	if (status != 0)
		return status;
	copy = mem_copy_text(text, len);
	if (copy == NULL)
		return err_nomem(err);
	if (is_blank(copy, len)) {
		free(copy);
		return 0;
	}
	connection_enter(connection);
	status = compile_copy(connection, text, copy, len, tail_offset, compiled, err);
	connection_leave(connection);
	free(copy);
	return status;
}

int compile_shape(struct connection *connection, struct shape *shape, struct compiled **compiled,
	struct err *err)
{
	size_t unused;

	return compile(connection, shape->source, shape->len, &unused, compiled, err);
}
