/* A cursor is a portal that stays until its transaction ends. */
#include "daemon/pg_cursor.h"

#include "daemon/pg_answer.h"
#include "daemon/pg_compile.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_error.h"
#include "daemon/pg_object.h"
#include "daemon/pg_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	struct pg_portal *cursor = pg_portal_new(pg, statement->command.name, statement, &err);

	if (cursor != NULL)
		cursor->rows.formats = calloc(n, 1);
	if (cursor == NULL || cursor->rows.formats == NULL) {
		if (cursor != NULL)
			pg_portal_drop(pg, cursor);
		pg_refuse(pg, "53200", "out of memory");
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

/* A Query message has no values for parameters. */
static void declared(struct pg_session *pg, struct pg_statement *made)
{
	if (made->n_params == 0 || !pg_refuse_parameter(pg, made->body, made->body_len))
		cursor_open(pg, made, NULL);
	pg_statement_unref(made); /* the cursor holds it now */
}

void pg_cursor_declare(
	struct pg_session *pg, const struct pg_command *command, struct pg_portal *from)
{
	char text[160];
	const char *state;
	const char *sentence = cursor_obstacle(pg, command->name, text, &state);
	struct err err = ERR_INIT;
	struct pg_statement *made;

	if (sentence != NULL) {
		pg_refuse(pg, state, sentence);
		return;
	}
	if (from != NULL) {
		cursor_open(pg, from->statement, from);
		return;
	}
	made = pg_statement_new(
		"", pg->query.data + pg->query_at - pg->query_len, pg->query_len, &err);
	if (made == NULL || pg_translate(made->body, made->body_len, &made->sql, &err) != 0) {
		pg_refuse_err(pg, &err);
		pg_statement_unref(made);
		return;
	}
	pg_compile(pg, made, declared);
}

/* The formats in which Execute wants what FETCH finds; a Query message wants text and a
 * description. */
static void cursor_fetch(struct pg_session *pg, const struct pg_command *command,
	struct pg_portal *cursor, const struct pg_portal *from)
{
	const struct pg_statement *statement = cursor->statement;
	size_t n = statement->n_columns;

	if (from == NULL)
		pg_write_description(&pg->out, statement->columns, n, NULL);
	if (from != NULL && from->statement->n_columns == n)
		memcpy(cursor->rows.formats, from->rows.formats, n);
	else
		memset(cursor->rows.formats, 0, n);
	/* The row that it stands on again, which no cursor that only goes forward has. */
	if (command->n_rows == 0)
		pg_write_complete(&pg->out, "FETCH 0");
	else
		pg_run_portal(pg, cursor, command->n_rows, true);
}

void pg_cursor_use(
	struct pg_session *pg, const struct pg_command *command, const struct pg_portal *from)
{
	struct pg_portal *portal;
	char sentence[200];

	if (command->kind == PG_COMMAND_CLOSE && command->name[0] == '\0') {
		pg_portals_drop(pg);
		pg_write_complete(&pg->out, command->tag);
		return;
	}
	portal = pg_portal_find(pg, command->name);
	if (portal == NULL) {
		(void)snprintf(
			sentence, sizeof(sentence), "cursor \"%s\" does not exist", command->name);
		pg_refuse(pg, PG_STATE_NO_CURSOR, sentence);
	} else if (command->kind == PG_COMMAND_FETCH && command->n_rows >= 0) {
		cursor_fetch(pg, command, portal, from);
	} else if (command->kind == PG_COMMAND_FETCH) {
		pg_refuse(pg, "55000", "cursor can only scan forward");
	} else {
		pg_portal_drop(pg, portal);
		pg_write_complete(&pg->out, command->tag);
	}
}
