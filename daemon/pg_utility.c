/*
 * The commands that PostgreSQL's clients send and SQLite does not know:
 * transactions in all their spellings, SET and SHOW, DISCARD, LISTEN, cursors.
 */
#include "daemon/pg_utility.h"

#include "daemon/pg_answer.h"
#include "daemon/pg_channel.h"
#include "daemon/pg_cursor.h"
#include "daemon/pg_error.h"
#include "daemon/pg_object.h"
#include "daemon/pg_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void transaction_begin(struct pg_session *pg, const struct pg_command *command)
{
	if (sql_session_in_transaction(pg->session.sql)) {
		pg_notice(pg, "25001", "there is already a transaction in progress");
		pg_write_complete(&pg->out, command->tag);
		return;
	}
	pg_run_control(pg, "BEGIN", command->tag);
}

static void transaction_end(struct pg_session *pg, const struct pg_command *command)
{
	bool was_failed = pg->is_failed;
	bool commits = command->kind == PG_COMMAND_COMMIT && !was_failed;

	pg->is_failed = false;
	pg_portals_drop(pg);
	if (!sql_session_in_transaction(pg->session.sql)) {
		pg_notice(pg, PG_STATE_NO_TRANSACTION, "there is no transaction in progress");
		pg_write_complete(&pg->out, command->tag);
		return;
	}
	pg_run_control(pg, commits ? "COMMIT" : "ROLLBACK", commits ? "COMMIT" : "ROLLBACK");
}

/* Nothing is written in a transaction, so a savepoint has nothing to go back to. */
static void savepoint(struct pg_session *pg, const struct pg_command *command)
{
	if (!sql_session_in_transaction(pg->session.sql)) {
		pg_refuse(pg, PG_STATE_NO_TRANSACTION,
			"SAVEPOINT can only be used in transaction blocks");
		return;
	}
	if (command->kind == PG_COMMAND_ROLLBACK_TO)
		pg->is_failed = false;
	pg_write_complete(&pg->out, command->tag);
}

static void report(struct pg_session *pg, const char *name)
{
	const char *canonical;

	if (pg_setting_is_reported(name, &canonical))
		pg_write_parameter(&pg->out, canonical, pg_settings_get(&pg->settings, canonical));
}

void pg_report_settings(struct pg_session *pg)
{
	const char *name;

	for (size_t i = 0; (name = pg_setting_name_at(i)) != NULL; i++)
		report(pg, name);
}

/* statement_timeout: milliseconds, or a number with ms, s, min. */
static int set_timeout(struct pg_session *pg, const char *value, struct err *err)
{
	char *unit;
	long long n = strtoll(value, &unit, 10);
	long long factor = 1000;

	if (unit == value || n < 0 || n > INT32_MAX)
		return err_set(err, ERR_INVALID,
			"invalid value for parameter \"statement_timeout\": \"%.60s\"", value);
	while (*unit == ' ')
		unit++;
	if (strcmp(unit, "s") == 0)
		factor = 1000000;
	else if (strcmp(unit, "min") == 0)
		factor = 60000000;
	else if (*unit != '\0' && strcmp(unit, "ms") != 0)
		return err_set(err, ERR_INVALID,
			"invalid value for parameter \"statement_timeout\": \"%.60s\"", value);
	sql_session_set_timeout(pg->session.sql, n * factor);
	return 0;
}

/* What a setting does beside being shown; `value` is the new one, or the default after RESET. */
static int apply(struct pg_session *pg, const char *name, const char *value, struct err *err)
{
	if (strcasecmp(name, "timezone") == 0)
		return sql_session_set_timezone(pg->session.sql, value, err);
	if (strcasecmp(name, "statement_timeout") == 0)
		return set_timeout(pg, value, err);
	return 0;
}

int pg_setting_give(struct pg_session *pg, const char *name, const char *value, struct err *err)
{
	int rc = apply(pg, name, value, err);

	return rc == 0 ? pg_settings_set(&pg->settings, name, value, err) : rc;
}

/* Clients keep what they were told of, and are told again. */
static void reset_all(struct pg_session *pg)
{
	const struct pg_settings before = pg->settings;
	struct err err = ERR_INIT;

	pg_settings_reset(&pg->settings, NULL);
	(void)!apply(pg, "timezone", pg_settings_get(&pg->settings, "timezone"), &err);
	(void)!apply(pg, "statement_timeout", "0", &err);
	for (size_t i = 0; i < before.n_changed; i++)
		report(pg, before.changed[i].name);
}

static void setting_set(struct pg_session *pg, const struct pg_command *command)
{
	struct err err = ERR_INIT;
	bool is_known = pg_settings_get(&pg->settings, command->name) != NULL;
	bool is_reset = command->kind == PG_COMMAND_RESET || command->is_default;
	const char *value = command->value;
	char sentence[200];
	int rc = 0;

	if (strcmp(command->name, "transaction") == 0) {
		pg_write_complete(&pg->out, command->tag);
		return;
	}
	if (is_reset && command->name[0] == '\0') {
		reset_all(pg);
		pg_write_complete(&pg->out, command->tag);
		return;
	}
	if (is_reset) {
		pg_settings_reset(&pg->settings, command->name);
		value = pg_settings_get(&pg->settings, command->name);
		if (value == NULL)
			value = "";
	}
	rc = is_reset ? apply(pg, command->name, value, &err)
		      : pg_setting_give(pg, command->name, value, &err);
	if (rc != 0) {
		pg_refuse(pg, rc == ERR_DENIED ? "55P02" : "22023", err.text);
		return;
	}
	if (!is_known && strchr(command->name, '.') == NULL) {
		(void)snprintf(sentence, sizeof(sentence),
			"parameter \"%s\" is kept for this session and has no effect",
			command->name);
		pg_notice(pg, PG_STATE_UNKNOWN_SETTING, sentence);
	}
	report(pg, command->name);
	pg_write_complete(&pg->out, command->tag);
}

size_t pg_utility_columns(const struct pg_command *command, struct pg_column columns[3])
{
	static const char *const all[] = {"name", "setting", "description"};

	if (command->kind != PG_COMMAND_SHOW)
		return 0;
	if (command->name[0] != '\0') {
		const char *canonical;

		(void)pg_setting_is_reported(command->name, &canonical);
		columns[0] = (struct pg_column){.oid = PG_TEXT};
		(void)snprintf(columns[0].name, PG_NAME_BYTES, "%.63s", canonical);
		return 1;
	}
	for (size_t i = 0; i < 3; i++) {
		columns[i] = (struct pg_column){.oid = PG_TEXT};
		(void)snprintf(columns[i].name, PG_NAME_BYTES, "%s", all[i]);
	}
	return 3;
}

static void add_text_row(struct buf *out, const char *const *cells, int n)
{
	size_t mark = pg_begin(out, 'D');

	pg_add_int16(out, n);
	for (int i = 0; i < n; i++) {
		pg_add_int32(out, (int32_t)strlen(cells[i]));
		buf_add_text(out, cells[i]);
	}
	pg_end(out, mark);
}

static void setting_show(
	struct pg_session *pg, const struct pg_command *command, const struct pg_portal *from)
{
	const char *value = pg_settings_get(&pg->settings, command->name);
	struct pg_column columns[3];
	size_t n = pg_utility_columns(command, columns);
	char sentence[200];
	const char *name;

	if (command->name[0] != '\0' && value == NULL) {
		(void)snprintf(sentence, sizeof(sentence),
			"unrecognized configuration parameter \"%s\"", command->name);
		pg_refuse(pg, PG_STATE_UNKNOWN_SETTING, sentence);
		return;
	}
	if (from == NULL)
		pg_write_description(&pg->out, columns, n, NULL);
	if (value != NULL) {
		add_text_row(&pg->out, &value, 1);
	} else {
		for (size_t i = 0; (name = pg_setting_name_at(i)) != NULL; i++) {
			const char *cells[3] = {name, pg_settings_get(&pg->settings, name), ""};

			add_text_row(&pg->out, cells, 3);
		}
	}
	pg_write_complete(&pg->out, command->tag);
}

static void discard(struct pg_session *pg, const struct pg_command *command)
{
	if (sql_session_in_transaction(pg->session.sql)) {
		pg_refuse(pg, "25001", "DISCARD ALL cannot run inside a transaction block");
		return;
	}
	pg_portals_drop(pg);
	pg_statements_drop(pg, NULL);
	pg_channels_drop(pg, NULL);
	reset_all(pg);
	sql_session_reset(pg->session.sql, true);
	pg_write_complete(&pg->out, command->tag);
}

static void unsupported(struct pg_session *pg, const struct pg_command *command)
{
	char sentence[200];

	(void)snprintf(sentence, sizeof(sentence), "tallyd does not support %s", command->name);
	pg_refuse(pg, PG_STATE_UNSUPPORTED, sentence);
}

void pg_utility(struct pg_session *pg, const struct pg_command *command, struct pg_portal *from)
{
	switch (command->kind) {
	case PG_COMMAND_NONE:
	case PG_COMMAND_QUERY: break;
	case PG_COMMAND_BEGIN: transaction_begin(pg, command); break;
	case PG_COMMAND_COMMIT:
	case PG_COMMAND_ROLLBACK: transaction_end(pg, command); break;
	case PG_COMMAND_SAVEPOINT:
	case PG_COMMAND_RELEASE:
	case PG_COMMAND_ROLLBACK_TO: savepoint(pg, command); break;
	case PG_COMMAND_SET:
	case PG_COMMAND_RESET: setting_set(pg, command); break;
	case PG_COMMAND_SHOW: setting_show(pg, command, from); break;
	case PG_COMMAND_DISCARD: discard(pg, command); break;
	case PG_COMMAND_DEALLOCATE:
		pg_statements_drop(pg, command->name[0] == '\0' ? NULL : command->name);
		pg_write_complete(&pg->out, command->tag);
		break;
	case PG_COMMAND_LISTEN: pg_channel_listen(pg, command); break;
	case PG_COMMAND_UNLISTEN:
		pg_channels_drop(pg, command->name[0] == '\0' ? NULL : command->name);
		pg_write_complete(&pg->out, command->tag);
		break;
	case PG_COMMAND_NOTIFY: pg_write_complete(&pg->out, command->tag); break;
	case PG_COMMAND_DECLARE: pg_cursor_declare(pg, command, from); break;
	case PG_COMMAND_FETCH:
	case PG_COMMAND_CLOSE: pg_cursor_use(pg, command, from); break;
	case PG_COMMAND_COPY: pg_run_copy(pg, command); break;
	case PG_COMMAND_UNSUPPORTED: unsupported(pg, command); break;
	}
}
