/*
 * start(), stop() and process_all_available(): SQL's hands on the daemon, for
 * its own user and root only.
 */
#include "sql/connection.h"

#include <stdio.h>
#include <string.h>

static void deny(sqlite3_context *context, struct connection *connection, const char *function)
{
	(void)snprintf(connection->guard.denied, sizeof(connection->guard.denied),
		"%s: only the daemon's own user and root may", function);
	sqlite3_result_error_code(context, SQLITE_AUTH);
}

static bool may_control(const struct connection *connection)
{
	unsigned uid = connection->session->options.uid;

	return uid == 0 || uid == connection->env->options.daemon_uid;
}

/* The argument as a query's name; NULL with an error result. */
static const char *name_of(sqlite3_context *context, sqlite3_value *value, const char *function)
{
	const char *name = (const char *)sqlite3_value_text(value);
	char sentence[64];

	if (name == NULL) {
		(void)snprintf(
			sentence, sizeof(sentence), "%s: a query's name is expected", function);
		sqlite3_result_error(context, sentence, -1);
	}
	return name;
}

static void start_or_stop(sqlite3_context *context, sqlite3_value *value, bool start)
{
	struct connection *connection = sqlite3_user_data(context);
	const struct sql_control *control = connection->env->options.control;
	const char *function = start ? "start" : "stop";
	int (*call)(void *, const char *, char[16], struct err *) = NULL;
	struct err err = ERR_INIT;
	char state[16] = "";
	const char *name;

	if (control != NULL)
		call = start ? control->start : control->stop;
	if (!may_control(connection)) {
		deny(context, connection, function);
		return;
	}
	if (call == NULL) {
		sqlite3_result_error(context, "no daemon runs that could do it", -1);
		return;
	}
	name = name_of(context, value, function);
	if (name == NULL)
		return;
	if (call(control->context, name, state, &err) != 0)
		sqlite3_result_error(context, err.text, -1);
	else
		sqlite3_result_text(context, state, -1, SQLITE_TRANSIENT);
}

static void on_start(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	start_or_stop(context, argv[0], true);
}

static void on_stop(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	start_or_stop(context, argv[0], false);
}

/* Waiting heeds the client's cancel, not the statement's timeout. */
static bool is_cancelled(void *context)
{
	const struct connection *connection = context;

	return atomic_load(&connection->session->is_cancelled);
}

static void wait_for_all(sqlite3_context *context, struct connection *connection, const char *name)
{
	const struct sql_control *control = connection->env->options.control;
	int64_t begun_us = budget_now_us();
	struct err err = ERR_INIT;
	int64_t batch_id = -1;
	int64_t waited_us;
	int status = control->process_all(
		control->context, name, is_cancelled, connection, &batch_id, &err);

	waited_us = budget_now_us() - begun_us;
	connection->waited_us += waited_us;
	if (connection->budget.stop_at_us != INT64_MAX)
		connection->budget.stop_at_us += waited_us;
	if (status == ERR_INTERRUPTED)
		sqlite3_result_error_code(context, SQLITE_INTERRUPT);
	else if (status != 0)
		sqlite3_result_error(context, err.text, -1);
	else
		sqlite3_result_int64(context, batch_id);
}

static void on_process_all(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct connection *connection = sqlite3_user_data(context);
	const struct sql_control *control = connection->env->options.control;
	const char *name = NULL;

	if (!may_control(connection)) {
		deny(context, connection, "process_all_available");
	} else if (control == NULL || control->process_all == NULL) {
		sqlite3_result_error(context, "no daemon runs that could do it", -1);
	} else if (!sqlite3_get_autocommit(connection->db)) {
		sqlite3_result_error(context,
			"process_all_available: not inside BEGIN, whose snapshot would hide the "
			"result",
			-1);
	} else {
		if (argc > 0) {
			name = name_of(context, argv[0], "process_all_available");
			if (name == NULL)
				return;
		}
		wait_for_all(context, connection, name);
	}
}

int control_register(struct connection *connection, struct err *err)
{
	static const struct {
		const char *name;
		int argc;
		void (*call)(sqlite3_context *context, int argc, sqlite3_value **argv);
	} table[] = {
		{"start", 1, on_start},
		{"stop", 1, on_stop},
		{"process_all_available", 0, on_process_all},
		{"process_all_available", 1, on_process_all},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (sqlite3_create_function_v2(connection->db, table[i].name, table[i].argc,
			    SQLITE_UTF8 | SQLITE_DIRECTONLY, connection, table[i].call, NULL, NULL,
			    NULL) != SQLITE_OK)
			return err_nomem(err);
	}
	return 0;
}
