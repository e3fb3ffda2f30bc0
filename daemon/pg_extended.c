/*
 * Prepared statements and portals: Parse, Bind, Describe, Execute, Close.
 *
 * What a statement is announced as is fixed at Parse. A portal keeps its
 * parameters; it runs its statement's text through the common execution, so
 * SQLite's compiled form comes from the session's cache and an answer may come
 * from the answer cache. An error makes the session skip messages until Sync.
 */
#include "daemon/pg_session.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_param.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The error of an extended message: said, and then silence until Sync. */
static void refuse(struct pg_session *pg, const char *state, const char *sentence)
{
	pg_fail(pg, state, sentence, NULL, 0, -1);
	pg->state = PG_STATE_SKIPPING;
}

static void refuse_err(struct pg_session *pg, const struct err *err)
{
	refuse(pg, pg_state_of(err), err->text);
}

/* --- statements ---------------------------------------------------------- */

static void statement_unref(struct pg_statement *statement)
{
	if (statement == NULL || --statement->n_refs > 0)
		return;
	buf_fini(&statement->sql);
	free(statement->text);
	free(statement->params);
	free(statement->columns);
	free(statement);
}

static struct pg_statement *statement_find(struct pg_session *pg, const char *name)
{
	struct pg_statement *statement = pg->statements;

	while (statement != NULL && strcmp(statement->name, name) != 0)
		statement = statement->next;
	return statement;
}

void pg_statements_drop(struct pg_session *pg, const char *name)
{
	struct pg_statement **link = &pg->statements;

	while (*link != NULL) {
		struct pg_statement *statement = *link;

		if (name != NULL && strcmp(statement->name, name) != 0) {
			link = &statement->next;
			continue;
		}
		*link = statement->next;
		pg->n_objects--;
		statement_unref(statement);
	}
}

static struct pg_statement *statement_new(
	const char *name, const char *text, size_t len, struct err *err)
{
	struct pg_statement *statement = calloc(1, sizeof(*statement));

	if (statement != NULL)
		statement->text = mem_copy_text(text, len);
	if (statement == NULL || statement->text == NULL) {
		free(statement);
		(void)err_nomem(err);
		return NULL;
	}
	(void)snprintf(statement->name, sizeof(statement->name), "%s", name);
	statement->len = len;
	statement->n_refs = 1;
	pg_command_parse(statement->text, len, &statement->command);
	statement->body = statement->text;
	statement->body_len = len;
	if (statement->command.kind == PG_COMMAND_DECLARE) {
		statement->body = statement->command.rest;
		statement->body_len = statement->command.rest_len;
	}
	return statement;
}

/* --- Parse --------------------------------------------------------------- */

/* Takes from SQLite's compiled form what is announced. */
static int describe_compiled(
	struct pg_statement *made, const struct statement *compiled, struct err *err)
{
	size_t n_params = statement_n_params(compiled);
	enum pg_oid *params;

	made->n_columns = statement_n_columns(compiled);
	made->columns = calloc(made->n_columns > 0 ? made->n_columns : 1, sizeof(*made->columns));
	if (made->columns == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < made->n_columns; i++) {
		(void)snprintf(made->columns[i].name, PG_NAME_BYTES, "%.63s",
			statement_column_name(compiled, i));
		made->columns[i].oid = pg_column_oid(compiled, i);
	}
	if (n_params > made->n_params) {
		params = realloc(made->params, n_params * sizeof(*params));
		if (params == NULL)
			return err_nomem(err);
		memset(params + made->n_params, 0, (n_params - made->n_params) * sizeof(*params));
		made->params = params;
	}
	made->n_params = n_params;
	pg_param_guess(made->text, made->len, made->params, made->n_params);
	return 0;
}

static enum work_step compile_step(struct work *work, int64_t budget_us, bool on_worker)
{
	struct pg_compile *compile =
		(struct pg_compile *)((char *)work - offsetof(struct pg_compile, work));
	struct pg_statement *made = compile->statement;
	struct statement *compiled = NULL;
	size_t tail;
	int rc = statement_prepare(compile->sql, made->sql.data, made->sql.len,
		budget_us > 0 ? budget_us : 2000000, &tail, &compiled, &compile->err);

	(void)on_worker;
	if (rc == PREPARE_YIELD && budget_us > 0)
		return WORK_STUCK;
	if (rc == PREPARE_YIELD)
		rc = err_set(&compile->err, ERR_LIMIT,
			"the statement is too complex: preparing it takes more than 2 seconds");
	compile->offset = rc != 0 ? sql_session_error_offset(compile->sql) : -1;
	if (rc == 0 && compiled != NULL)
		rc = describe_compiled(made, compiled, &compile->err);
	statement_free(compiled);
	compile->is_failed = rc != 0;
	return WORK_ENDED;
}

static void compile_on_ended(struct work *work)
{
	struct pg_compile *compile =
		(struct pg_compile *)((char *)work - offsetof(struct pg_compile, work));
	struct pg_session *pg =
		(struct pg_session *)((char *)compile - offsetof(struct pg_session, compile));

	if (!session_ran(&pg->session))
		return;
	pg_parse_ended(pg);
	pg_go_on(pg);
}

static void statement_keep(struct pg_session *pg, struct pg_statement *made)
{
	made->next = pg->statements;
	pg->statements = made;
	pg->n_objects++;
	pg_write_empty(&pg->out, '1');
}

static void cursor_open(
	struct pg_session *pg, struct pg_statement *statement, struct pg_portal *from);

/* Parse, or DECLARE: what was compiled is kept, or its error said. */
void pg_parse_ended(struct pg_session *pg)
{
	struct pg_compile *compile = &pg->compile;
	struct pg_statement *made = compile->statement;
	int offset = compile->offset;

	pg->running = PG_RUN_NONE;
	compile->statement = NULL;
	if (compile->is_failed) {
		if (offset >= 0)
			offset = (int)pg_translate_offset(
				made->body, made->body_len, (size_t)offset);
		pg_fail(pg, pg_state_of(&compile->err), compile->err.text, made->body,
			made->body_len, offset);
		if (compile->declares)
			pg->query_at = pg->query.len;
		else
			pg->state = PG_STATE_SKIPPING;
		statement_unref(made);
	} else if (compile->declares) {
		cursor_open(pg, made, NULL);
		statement_unref(made); /* the cursor holds it now */
	} else {
		statement_keep(pg, made);
	}
}

static void compile_start(struct pg_session *pg, struct pg_statement *made, bool declares)
{
	struct pg_compile *compile = &pg->compile;

	*compile = (struct pg_compile){.statement = made, .sql = pg->session.sql, .offset = -1};
	compile->err = (struct err)ERR_INIT;
	compile->work.step = compile_step;
	compile->work.on_ended = compile_on_ended;
	compile->declares = declares;
	pg->running = PG_RUN_COMPILE;
	session_runs(&pg->session, made->text, made->len);
	if (executor_try(pg->session.service->executor, &compile->work)) {
		bool is_there = session_ran(&pg->session);

		assert(is_there);
		pg_parse_ended(pg);
	}
}

/* The statement is one, and fits where it goes. */
static bool parse_is_allowed(struct pg_session *pg, const char *name, const char *text, size_t len)
{
	bool is_empty, rest_is_empty;
	size_t first = pg_statement_length(text, len, &is_empty);

	(void)pg_statement_length(text + first, len - first, &rest_is_empty);
	if (strlen(name) >= PG_NAME_BYTES) {
		refuse(pg, "42622", "the name of the prepared statement is too long");
	} else if (!rest_is_empty) {
		refuse(pg, "42601", "cannot insert multiple commands into a prepared statement");
	} else if (utf8_valid_prefix(text, len) < len) {
		refuse(pg, "22021", "invalid byte sequence for encoding \"UTF8\"");
	} else if (*name != '\0' && statement_find(pg, name) != NULL) {
		char sentence[128];

		(void)snprintf(sentence, sizeof(sentence),
			"prepared statement \"%s\" already exists", name);
		refuse(pg, PG_STATE_DUPLICATE, sentence);
	} else if (pg->n_objects >= PG_MAX_OBJECTS) {
		refuse(pg, "53400", "too many prepared statements and portals in this session");
	} else {
		return true;
	}
	return false;
}

/* Statements for SQLite; the others are commands of ours. */
static bool is_compiled(const struct pg_statement *statement)
{
	return statement->command.kind == PG_COMMAND_QUERY ||
	       statement->command.kind == PG_COMMAND_DECLARE;
}

static int copy_columns(
	struct pg_statement *made, const struct pg_column *columns, size_t n, struct err *err)
{
	made->columns = calloc(n > 0 ? n : 1, sizeof(*made->columns));
	if (made->columns == NULL)
		return err_nomem(err);
	memcpy(made->columns, columns, n * sizeof(*columns));
	made->n_columns = n;
	return 0;
}

static int statement_prepare_text(struct pg_session *pg, struct pg_statement *made, struct err *err)
{
	const struct pg_portal *cursor;
	struct pg_column columns[3];

	if (pg->is_failed && !pg_utility_is_heard(&made->command))
		return err_set(err, ERR_DENIED,
			"current transaction is aborted, commands ignored "
			"until end of transaction block");
	if (is_compiled(made))
		return pg_translate(made->body, made->body_len, &made->sql, err);
	if (made->command.kind == PG_COMMAND_FETCH) {
		cursor = pg_portal_find(pg, made->command.name);
		if (cursor == NULL)
			return err_set(err, ERR_MISSING, "cursor \"%.60s\" does not exist",
				made->command.name);
		return copy_columns(
			made, cursor->statement->columns, cursor->statement->n_columns, err);
	}
	return copy_columns(made, columns, pg_utility_columns(&made->command, columns), err);
}

void pg_parse(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	const char *name = pg_read_text(&reader);
	const char *text = pg_read_text(&reader);
	int n = pg_read_int16(&reader);
	struct pg_statement *made;
	struct err err = ERR_INIT;

	if (reader.failed || n < 0 || (reader.end - reader.at) != 4 * (ptrdiff_t)n) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid Parse message");
		return;
	}
	if (!parse_is_allowed(pg, name, text, strlen(text)))
		return;
	if (*name == '\0')
		pg_statements_drop(pg, "");
	made = statement_new(name, text, strlen(text), &err);
	if (made == NULL) {
		refuse_err(pg, &err);
		return;
	}
	made->params = calloc(n > 0 ? (size_t)n : 1, sizeof(*made->params));
	made->n_params = made->params != NULL ? (size_t)n : 0;
	for (size_t i = 0; i < made->n_params; i++)
		made->params[i] = (enum pg_oid)pg_read_int32(&reader);
	if (statement_prepare_text(pg, made, &err) != 0) {
		refuse(pg,
			pg->is_failed             ? PG_STATE_FAILED
			: err.code == ERR_MISSING ? PG_STATE_NO_CURSOR
						  : pg_state_of(&err),
			err.text);
		statement_unref(made);
	} else if (is_compiled(made)) {
		compile_start(pg, made, false);
	} else {
		statement_keep(pg, made);
	}
}

/* --- portals ------------------------------------------------------------- */

struct pg_portal *pg_portal_find(struct pg_session *pg, const char *name)
{
	struct pg_portal *portal = pg->portals;

	while (portal != NULL && strcmp(portal->name, name) != 0)
		portal = portal->next;
	return portal;
}

static void portal_free(struct pg_portal *portal)
{
	execution_fini(&portal->execution);
	pg_rows_fini(&portal->rows);
	statement_unref(portal->statement);
	buf_fini(&portal->bytes);
	buf_fini(&portal->format);
	free(portal->params);
	free(portal);
}

void pg_portal_drop(struct pg_session *pg, struct pg_portal *portal)
{
	struct pg_portal **link = &pg->portals;

	while (*link != portal)
		link = &(*link)->next;
	*link = portal->next;
	pg->n_objects--;
	portal_free(portal);
}

void pg_portals_drop(struct pg_session *pg)
{
	while (pg->portals != NULL)
		pg_portal_drop(pg, pg->portals);
}

static struct pg_portal *portal_new(
	struct pg_session *pg, const char *name, struct pg_statement *statement, struct err *err)
{
	struct pg_portal *portal = calloc(1, sizeof(*portal));

	if (portal == NULL) {
		(void)err_nomem(err);
		return NULL;
	}
	(void)snprintf(portal->name, sizeof(portal->name), "%s", name);
	portal->statement = statement;
	statement->n_refs++;
	execution_init(&portal->execution);
	portal->execution.on_page = pg_run_on_page;
	portal->execution.on_ended = pg_run_on_ended;
	portal->rows.owner = pg;
	portal->rows.columns = statement->columns;
	portal->rows.n_columns = statement->n_columns;
	portal->next = pg->portals;
	pg->portals = portal;
	pg->n_objects++;
	return portal;
}

/* The formats of a Bind: none (text), one for all, or one each. False: a count that fits neither.
 */
static bool read_formats(struct pg_reader *reader, size_t n, unsigned char *formats, bool *is_valid)
{
	int given = pg_read_int16(reader);

	if (given < 0 || (given > 1 && (size_t)given != n))
		return false;
	for (int i = 0; i < given; i++) {
		int format = pg_read_int16(reader);

		*is_valid = *is_valid && (format == 0 || format == 1);
		if (given == 1)
			memset(formats, format, n);
		else
			formats[i] = (unsigned char)format;
	}
	return true;
}

/* Values may lie in `bytes`, which moves while it grows: their places are noted first and made
 * pointers last. */
static int read_params(struct pg_portal *portal, struct pg_reader *reader,
	const unsigned char *formats, struct err *err)
{
	size_t n = portal->n_params;

	for (size_t i = 0; i < n; i++) {
		struct buf scratch = {0};
		struct pg_parameter parameter = {.oid = portal->statement->params[i],
			.format = formats[i],
			.len = pg_read_int32(reader)};
		int rc;

		if (parameter.len > 0 || parameter.len == 0)
			parameter.data = pg_read_bytes(reader, (size_t)parameter.len);
		if (reader->failed)
			return err_set(err, ERR_PROTOCOL, "invalid Bind message");
		rc = pg_read_parameter(&parameter, &portal->params[i], &scratch, err);
		if (rc == 0 && portal->params[i].data != NULL) {
			buf_add(&portal->bytes, portal->params[i].data, portal->params[i].len);
			rc = buf_ok(&portal->bytes) ? 0 : err_nomem(err);
		}
		buf_fini(&scratch);
		if (rc != 0)
			return rc;
	}
	for (size_t i = 0, at = 0; i < n; i++) {
		if (portal->params[i].data == NULL)
			continue;
		portal->params[i].data = portal->bytes.data != NULL ? portal->bytes.data + at : "";
		at += portal->params[i].len;
	}
	return 0;
}

static int fill_portal(struct pg_portal *portal, struct pg_reader *reader, struct err *err)
{
	struct pg_statement *statement = portal->statement;
	size_t n = statement->n_params;
	size_t n_columns = statement->n_columns;
	unsigned char *formats = calloc(n > 0 ? n : 1, 1);
	bool is_valid = true;
	int given;
	int rc = 0;

	portal->params = calloc(n > 0 ? n : 1, sizeof(*portal->params));
	portal->rows.formats = calloc(n_columns > 0 ? n_columns : 1, 1);
	if (formats == NULL || portal->params == NULL || portal->rows.formats == NULL) {
		rc = err_nomem(err);
	} else if (!read_formats(reader, n, formats, &is_valid)) {
		rc = err_set(err, ERR_PROTOCOL,
			"bind message has the wrong number of parameter formats");
	} else {
		given = pg_read_int16(reader);
		portal->n_params = n;
		if (given < 0 || (size_t)given != n)
			rc = err_set(err, ERR_PROTOCOL,
				"bind message supplies %d parameters, but prepared statement "
				"\"%s\" "
				"requires %zu",
				given, statement->name, n);
		else
			rc = read_params(portal, reader, formats, err);
	}
	if (rc == 0 && !read_formats(reader, n_columns, portal->rows.formats, &is_valid))
		rc = err_set(
			err, ERR_PROTOCOL, "bind message has the wrong number of result formats");
	if (rc == 0 && (!is_valid || !pg_reader_is_done(reader)))
		rc = err_set(err, ERR_PROTOCOL, "invalid Bind message");
	free(formats);
	return rc;
}

void pg_bind(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	const char *name = pg_read_text(&reader);
	const char *of = pg_read_text(&reader);
	struct pg_statement *statement;
	struct pg_portal *portal;
	struct err err = ERR_INIT;
	char sentence[160];

	if (reader.failed || strlen(name) >= PG_NAME_BYTES) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid Bind message");
		return;
	}
	statement = statement_find(pg, of);
	portal = pg_portal_find(pg, name);
	if (statement == NULL) {
		(void)snprintf(sentence, sizeof(sentence),
			"prepared statement \"%.60s\" does not exist", of);
		refuse(pg, PG_STATE_NO_STATEMENT, sentence);
		return;
	}
	if (pg->is_failed && !pg_utility_is_heard(&statement->command)) {
		refuse(pg, PG_STATE_FAILED,
			"current transaction is aborted, commands ignored until end of transaction "
			"block");
		return;
	}
	if (portal != NULL && *name != '\0') {
		(void)snprintf(sentence, sizeof(sentence), "cursor \"%s\" already exists", name);
		refuse(pg, "42P03", sentence);
		return;
	}
	if (portal != NULL)
		pg_portal_drop(pg, portal);
	if (pg->n_objects >= PG_MAX_OBJECTS) {
		refuse(pg, "53400", "too many prepared statements and portals in this session");
		return;
	}
	portal = portal_new(pg, name, statement, &err);
	if (portal == NULL || fill_portal(portal, &reader, &err) != 0) {
		if (portal != NULL)
			pg_portal_drop(pg, portal);
		refuse_err(pg, &err);
		return;
	}
	pg_write_empty(&pg->out, '2');
}

/* What stands in the way of a cursor of that name; NULL: nothing. */
static const char *cursor_obstacle(
	struct pg_session *pg, const char *name, char sentence[160], const char **state)
{
	*state = PG_STATE_NO_TRANSACTION;
	if (!sql_session_in_transaction(pg->session.sql) || pg->is_implicit)
		return "DECLARE CURSOR can only be used in transaction blocks";
	*state = "42P03";
	(void)snprintf(sentence, 160, "cursor \"%.60s\" already exists", name);
	if (pg_portal_find(pg, name) != NULL)
		return sentence;
	*state = "53400";
	return pg->n_objects >= PG_MAX_OBJECTS ? "too many cursors in this session" : NULL;
}

/* A portal under the cursor's name over a compiled DECLARE; the parameters of `from` go over. */
static void cursor_open(
	struct pg_session *pg, struct pg_statement *statement, struct pg_portal *from)
{
	size_t n = statement->n_columns > 0 ? statement->n_columns : 1;
	struct err err = ERR_INIT;
	struct pg_portal *cursor = portal_new(pg, statement->command.name, statement, &err);

	if (cursor != NULL)
		cursor->rows.formats = calloc(n, 1);
	if (cursor == NULL || cursor->rows.formats == NULL) {
		if (cursor != NULL)
			pg_portal_drop(pg, cursor);
		pg_refuse_command(pg, "53200", "out of memory");
		return;
	}
	cursor->is_cursor = true;
	if (from != NULL) {
		cursor->params = from->params;
		cursor->n_params = from->n_params;
		cursor->bytes = from->bytes;
		from->params = NULL;
		from->n_params = 0;
		from->bytes = (struct buf){0};
	}
	pg_write_complete(&pg->out, statement->command.tag);
}

void pg_declare(struct pg_session *pg, const struct pg_command *command, struct pg_portal *from)
{
	char text[160];
	const char *state;
	const char *sentence = cursor_obstacle(pg, command->name, text, &state);
	struct err err = ERR_INIT;
	struct pg_statement *made;

	if (sentence != NULL) {
		pg_refuse_command(pg, state, sentence);
		return;
	}
	if (from != NULL) {
		cursor_open(pg, from->statement, from);
		return;
	}
	made = statement_new(
		"", pg->query.data + pg->query_at - pg->query_len, pg->query_len, &err);
	if (made == NULL || pg_translate(made->body, made->body_len, &made->sql, &err) != 0) {
		pg_refuse_command(
			pg, err.code == ERR_INVALID ? "42601" : pg_state_of(&err), err.text);
		statement_unref(made);
		return;
	}
	compile_start(pg, made, true);
}

/* --- Describe, Execute, Close -------------------------------------------- */

void pg_write_description(
	struct buf *out, const struct pg_column *columns, size_t n, const unsigned char *formats)
{
	size_t mark;

	if (n == 0) {
		pg_write_empty(out, 'n');
		return;
	}
	mark = pg_begin(out, 'T');
	pg_add_int16(out, (int)n);
	for (size_t i = 0; i < n; i++) {
		pg_add_text(out, columns[i].name);
		pg_add_int32(out, 0);
		pg_add_int16(out, 0);
		pg_add_int32(out, (int32_t)columns[i].oid);
		pg_add_int16(out, pg_type_size(columns[i].oid));
		pg_add_int32(out, -1);
		pg_add_int16(out, formats == NULL ? 0 : formats[i]);
	}
	pg_end(out, mark);
}

/* DECLARE gives no rows; its columns are the cursor's. */
static size_t n_described(const struct pg_statement *statement)
{
	return statement->command.kind == PG_COMMAND_DECLARE ? 0 : statement->n_columns;
}

static void describe_statement(struct pg_session *pg, const char *name)
{
	struct pg_statement *statement = statement_find(pg, name);
	char sentence[160];
	size_t mark;

	if (statement == NULL) {
		(void)snprintf(sentence, sizeof(sentence),
			"prepared statement \"%.60s\" does not exist", name);
		refuse(pg, PG_STATE_NO_STATEMENT, sentence);
		return;
	}
	mark = pg_begin(&pg->out, 't');
	pg_add_int16(&pg->out, (int)statement->n_params);
	for (size_t i = 0; i < statement->n_params; i++)
		pg_add_int32(&pg->out, (int32_t)statement->params[i]);
	pg_end(&pg->out, mark);
	pg_write_description(&pg->out, statement->columns, n_described(statement), NULL);
}

void pg_describe(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	unsigned char what = pg_read_byte(&reader);
	const char *name = pg_read_text(&reader);
	struct pg_portal *portal;

	if (!pg_reader_is_done(&reader) || (what != 'S' && what != 'P')) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid Describe message");
		return;
	}
	if (what == 'S') {
		describe_statement(pg, name);
		return;
	}
	portal = pg_portal_find(pg, name);
	if (portal == NULL)
		refuse(pg, PG_STATE_NO_CURSOR, "portal does not exist");
	else
		pg_write_description(&pg->out, portal->statement->columns,
			portal->is_cursor ? portal->statement->n_columns
					  : n_described(portal->statement),
			portal->rows.formats);
}

void pg_execute(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	const char *name = pg_read_text(&reader);
	int32_t max_rows = pg_read_int32(&reader);
	struct pg_portal *portal;
	struct pg_statement *statement;

	if (!pg_reader_is_done(&reader)) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid Execute message");
		return;
	}
	portal = pg_portal_find(pg, name);
	if (portal == NULL) {
		refuse(pg, PG_STATE_NO_CURSOR, "portal does not exist");
		return;
	}
	statement = portal->statement;
	if (statement->command.kind == PG_COMMAND_NONE) {
		pg_write_empty(&pg->out, 'I');
	} else if (statement->command.kind == PG_COMMAND_QUERY) {
		pg_run_portal(pg, portal, max_rows > 0 ? max_rows : 0, false);
	} else {
		/* The command may drop portals, this one too. */
		struct pg_command command = statement->command;

		statement->n_refs++;
		pg_utility(pg, &command, portal);
		statement_unref(statement);
	}
}

void pg_close(struct pg_session *pg, const struct pg_message *message)
{
	struct pg_reader reader = pg_reader_of(message);
	unsigned char what = pg_read_byte(&reader);
	const char *name = pg_read_text(&reader);
	struct pg_portal *portal;

	if (!pg_reader_is_done(&reader) || (what != 'S' && what != 'P')) {
		pg_die(pg, PG_STATE_PROTOCOL, "invalid Close message");
		return;
	}
	if (what == 'S') {
		pg_statements_drop(pg, name);
	} else {
		portal = pg_portal_find(pg, name);
		if (portal != NULL)
			pg_portal_drop(pg, portal);
	}
	pg_write_empty(&pg->out, '3');
}
