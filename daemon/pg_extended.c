/*
 * What a statement is announced as is fixed at Parse. A portal keeps its
 * parameters; it runs its statement's text through the common execution, so
 * SQLite's compiled form comes from the session's cache and an answer may come
 * from the answer cache. An error makes the session skip messages until Sync.
 */
#include "daemon/pg_extended.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "daemon/pg_answer.h"
#include "daemon/pg_compile.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_object.h"
#include "daemon/pg_param.h"
#include "daemon/pg_run.h"
#include "daemon/pg_utility.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The statement is one, and fits where it goes. */
static bool parse_is_allowed(struct pg_session *pg, const char *name, const char *text, size_t len)
{
	bool is_empty, rest_is_empty;
	size_t first = pg_statement_length(text, len, &is_empty);

	(void)pg_statement_length(text + first, len - first, &rest_is_empty);
	if (strlen(name) >= PG_NAME_BYTES) {
		pg_refuse(pg, "42622", "the name of the prepared statement is too long");
	} else if (!rest_is_empty) {
		pg_refuse(pg, "42601", "cannot insert multiple commands into a prepared statement");
	} else if (utf8_valid_prefix(text, len) < len) {
		pg_refuse(pg, "22021", "invalid byte sequence for encoding \"UTF8\"");
	} else if (*name != '\0' && pg_statement_find(pg, name) != NULL) {
		char sentence[128];

		(void)snprintf(sentence, sizeof(sentence),
			"prepared statement \"%s\" already exists", name);
		pg_refuse(pg, PG_STATE_DUPLICATE, sentence);
	} else if (pg->n_objects >= PG_MAX_OBJECTS) {
		pg_refuse(pg, "53400", "too many prepared statements and portals in this session");
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

static void parsed(struct pg_session *pg, struct pg_statement *made)
{
	pg_statement_keep(pg, made);
	pg_write_empty(&pg->out, '1');
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
	made = pg_statement_new(name, text, strlen(text), &err);
	if (made == NULL) {
		pg_refuse_err(pg, &err);
		return;
	}
	made->params = calloc(n > 0 ? (size_t)n : 1, sizeof(*made->params));
	if (made->params == NULL) {
		(void)err_nomem(&err);
		pg_refuse_err(pg, &err);
		pg_statement_unref(made);
		return;
	}
	made->n_params = (size_t)n;
	for (size_t i = 0; i < made->n_params; i++)
		made->params[i] = (enum pg_oid)pg_read_int32(&reader);
	if (pg_must_end(pg, &made->command)) {
		pg_statement_unref(made);
	} else if (statement_prepare_text(pg, made, &err) != 0) {
		pg_refuse(pg, err.code == ERR_MISSING ? PG_STATE_NO_CURSOR : pg_state_of(&err),
			err.text);
		pg_statement_unref(made);
	} else if (is_compiled(made)) {
		pg_compile(pg, made, parsed);
	} else {
		parsed(pg, made);
	}
}

/*
 * The formats of a Bind: none (text), one for all,
 * or one each. False: a count that fits neither.
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

		if (parameter.len >= 0)
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
	statement = pg_statement_find(pg, of);
	portal = pg_portal_find(pg, name);
	if (statement == NULL) {
		(void)snprintf(sentence, sizeof(sentence),
			"prepared statement \"%.60s\" does not exist", of);
		pg_refuse(pg, PG_STATE_NO_STATEMENT, sentence);
		return;
	}
	if (pg_must_end(pg, &statement->command))
		return;
	if (portal != NULL && *name != '\0') {
		(void)snprintf(sentence, sizeof(sentence), "cursor \"%s\" already exists", name);
		pg_refuse(pg, "42P03", sentence);
		return;
	}
	if (portal != NULL)
		pg_portal_drop(pg, portal);
	if (pg->n_objects >= PG_MAX_OBJECTS) {
		pg_refuse(pg, "53400", "too many prepared statements and portals in this session");
		return;
	}
	portal = pg_portal_new(pg, name, statement, &err);
	if (portal == NULL || fill_portal(portal, &reader, &err) != 0) {
		if (portal != NULL)
			pg_portal_drop(pg, portal);
		pg_refuse_err(pg, &err);
		return;
	}
	pg_write_empty(&pg->out, '2');
}

/* DECLARE gives no rows; its columns are the cursor's. */
static size_t n_described(const struct pg_statement *statement)
{
	return statement->command.kind == PG_COMMAND_DECLARE ? 0 : statement->n_columns;
}

static void describe_statement(struct pg_session *pg, const char *name)
{
	struct pg_statement *statement = pg_statement_find(pg, name);
	char sentence[160];
	size_t mark;

	if (statement == NULL) {
		(void)snprintf(sentence, sizeof(sentence),
			"prepared statement \"%.60s\" does not exist", name);
		pg_refuse(pg, PG_STATE_NO_STATEMENT, sentence);
		return;
	}
	mark = pg_begin(&pg->out, 't');
	pg_add_int16(&pg->out, (int)statement->n_params);
	for (size_t i = 0; i < statement->n_params; i++)
		pg_add_int32(&pg->out, (int32_t)statement->params[i]);
	pg_end(&pg->out, mark);
	pg_write_description(&pg->out, statement->columns, n_described(statement), NULL);
}

/* NULL: there is none, and it is said. */
static struct pg_portal *portal_of(struct pg_session *pg, const char *name)
{
	struct pg_portal *portal = pg_portal_find(pg, name);
	char sentence[160];

	if (portal != NULL)
		return portal;
	(void)snprintf(sentence, sizeof(sentence), "portal \"%.60s\" does not exist", name);
	pg_refuse(pg, PG_STATE_NO_CURSOR, sentence);
	return NULL;
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
	portal = portal_of(pg, name);
	if (portal != NULL)
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
	portal = portal_of(pg, name);
	if (portal == NULL || pg_must_end(pg, &portal->statement->command))
		return;
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
		pg_statement_unref(statement);
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
