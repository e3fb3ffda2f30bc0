/* Commands that sqlite3's shell does not have: they look at the stream and steer it. */
#include "client/command.h"

#include "base/quantity.h"
#include "client/actions.h"
#include "client/report.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static enum command_outcome on_status(struct shell *shell, const struct words *words)
{
	struct err err = ERR_INIT;

	if (words->n != 1)
		return command_usage(".status");
	return report_status(shell, &err) < 0 ? command_failed(shell, &err) : COMMAND_DONE;
}

/* Asks for a table and frees the question. */
static enum command_outcome show(struct shell *shell, char *sql)
{
	struct err err = ERR_INIT;
	int rc = sql != NULL ? report_table(shell, sql, &err) : err_nomem(&err);

	sqlite3_free(sql);
	return rc < 0 ? command_failed(shell, &err) : COMMAND_DONE;
}

static bool is_file_state(const char *word)
{
	static const char *const states[] = {
		"waiting", "growing", "done", "archived", "deleted", "missing", "error"};
	bool is_one = false;

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		is_one |= strcasecmp(word, states[i]) == 0;
	return is_one;
}

static enum command_outcome on_files(struct shell *shell, const struct words *words)
{
	if (words->n > 2 || (words->n == 2 && !is_file_state(words->word[1])))
		return command_usage(
			".files ?waiting|growing|done|archived|deleted|missing|error?");
	return show(shell,
		sqlite3_mprintf("SELECT source, path, size, offset, state, events, rejects, mtime,"
				" ifnull(reason, '') AS reason FROM files WHERE state LIKE %Q"
				" ORDER BY source, mtime, path",
			words->n == 2 ? words->word[1] : "%"));
}

static enum command_outcome on_rejects(struct shell *shell, const struct words *words)
{
	enum command_outcome outcome;

	if (words->n > 2 || (words->n == 2 && !words_is_number(words->word[1])))
		return command_usage(".rejects ?N?");
	outcome = show(shell,
		sqlite3_mprintf("SELECT source, file, line, reason, detail, substr(text, 1, 80) ||"
				" iif(length(text) > 80, '…', '') AS text FROM rejects"
				" ORDER BY rowid DESC LIMIT %lld",
			words->n == 2 ? (long long)words_integer(words->word[1]) : 20LL));
	if (outcome == COMMAND_FAILED)
		return outcome;
	return show(shell,
		sqlite3_mprintf(
			"SELECT source, reason, count FROM reject_totals ORDER BY source, reason"));
}

/* start(name) or stop(name): says the new state. */
static enum command_outcome control(
	struct shell *shell, const struct words *words, const char *function, const char *usage)
{
	enum command_outcome outcome = COMMAND_DONE;
	struct result state = {0};
	struct err err = ERR_INIT;
	char *sql;

	if (words->n != 2)
		return command_usage(usage);
	sql = sqlite3_mprintf("SELECT %s(%Q)", function, words->word[1]);
	if (sql == NULL || shell_ask(shell, sql, &state, &err) < 0)
		outcome = command_failed(shell, &err);
	else if (state.n_rows == 1)
		buf_printf(&shell->text, "%s: %s\n", words->word[1], result_text(&state, 0, 0));
	result_fini(&state);
	sqlite3_free(sql);
	return outcome;
}

static enum command_outcome on_start(struct shell *shell, const struct words *words)
{
	return control(shell, words, "start", ".start NAME");
}

static enum command_outcome on_stop(struct shell *shell, const struct words *words)
{
	return control(shell, words, "stop", ".stop NAME");
}

/* `.watch`'s and `.follow`'s SQL: the rest of the line, else the last statement. */
static enum command_outcome with_sql(struct shell *shell, const struct words *words, int from,
	bool (*run)(struct shell *shell, const char *sql, int64_t interval_us), int64_t interval_us,
	const char *usage)
{
	/* As it was typed: the quotes belong to the SQL. */
	const char *sql = words->n > from ? words->from[from] : shell->last_sql;

	if (sql == NULL)
		return command_usage(usage);
	return run(shell, sql, interval_us) ? COMMAND_DONE : COMMAND_FAILED;
}

static enum command_outcome on_watch(struct shell *shell, const struct words *words)
{
	int64_t interval_us = 2000000;
	char *end = NULL;
	double seconds = words->n > 1 ? strtod(words->word[1], &end) : 0;
	bool has_seconds = words->n > 1 && *end == '\0' && end != words->word[1];

	if (has_seconds && (seconds < 0.05 || seconds > 86400))
		return command_usage(".watch ?SECONDS? ?SQL?");
	if (has_seconds)
		interval_us = (int64_t)(seconds * 1e6);
	return with_sql(shell, words, has_seconds ? 2 : 1, watch_run, interval_us,
		".watch ?SECONDS? ?SQL?");
}

static bool follow(struct shell *shell, const char *sql, int64_t interval_us)
{
	(void)interval_us;
	return follow_run(shell, sql);
}

static enum command_outcome on_follow(struct shell *shell, const struct words *words)
{
	return with_sql(shell, words, 1, follow, 0, ".follow SQL");
}

static enum command_outcome on_pager(struct shell *shell, const struct words *words)
{
	bool is_off = words->n == 2 && strcmp(words->word[1], "off") == 0;

	if (words->n < 2)
		return command_usage(".pager on|off|COMMAND");
	shell->output.may_page = !is_off && shell->is_interactive;
	if (!is_off) {
		free(shell->pager);
		shell->pager = strcmp(words->word[1], "on") == 0 ? NULL : words_join(words, 1);
		shell->output.pager = shell->pager;
	}
	return COMMAND_DONE;
}

static enum command_outcome on_open(struct shell *shell, const struct words *words)
{
	struct err err = ERR_INIT;

	if (words->n > 2)
		return command_usage(".open ?SOCKET?");
	shell_disconnect(shell);
	if (words->n == 2)
		(void)snprintf(
			shell->socket_path, sizeof(shell->socket_path), "%s", words->word[1]);
	return shell_connect(shell, &err) < 0 ? command_failed(shell, &err) : COMMAND_DONE;
}

const struct command stream_commands[] = {
	{"files", 2, on_files, NULL},
	{"follow", 2, on_follow, NULL},
	{"open", 2, on_open, NULL},
	{"pager", 3, on_pager, NULL},
	{"rejects", 3, on_rejects, NULL},
	{"start", 4, on_start, NULL},
	{"status", 5, on_status, NULL},
	{"stop", 3, on_stop, NULL},
	{"watch", 2, on_watch, NULL},
	{NULL, 0, NULL, NULL},
};
