/* Lists, reference counts, and what they own. */
#include "daemon/pg_object.h"

#include "base/mem.h"
#include "daemon/pg_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void pg_statement_unref(struct pg_statement *statement)
{
	if (statement == NULL || --statement->n_refs > 0)
		return;
	buf_fini(&statement->sql);
	free(statement->text);
	free(statement->params);
	free(statement->columns);
	free(statement);
}

struct pg_statement *pg_statement_find(struct pg_session *pg, const char *name)
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
		pg_statement_unref(statement);
	}
}

struct pg_statement *pg_statement_new(
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

void pg_statement_keep(struct pg_session *pg, struct pg_statement *made)
{
	made->next = pg->statements;
	pg->statements = made;
	pg->n_objects++;
}

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
	pg_statement_unref(portal->statement);
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

struct pg_portal *pg_portal_new(
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
	portal->rows.owner = pg;
	portal->rows.columns = statement->columns;
	portal->rows.n_columns = statement->n_columns;
	portal->next = pg->portals;
	pg->portals = portal;
	pg->n_objects++;
	return portal;
}
