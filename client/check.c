/*
 * `--check`: one line for a monitoring system, in the words of its plugins.
 * What is asked of the daemon decides a status; the worst of them is shown.
 */
#include "client/actions.h"

#include "base/quantity.h"
#include "base/timestamp.h"
#include "client/clock.h"
#include "client/range.h"

#include <inttypes.h>
#include <string.h>

enum status { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN };

struct check {
	struct shell *shell;
	enum status status;
	struct buf text;   /* behind "TALLY OK - " */
	struct buf values; /* behind the bar */
	struct range warning, critical;
	bool has_warning, has_critical;
	const char *warning_text, *critical_text;
	const char *lag_text; /* --lag as it was given; NULL */
	int64_t lag_limit_us; /* 0: none */
};

/* The worst that is known wins: what could not be judged hides nothing that is wrong. */
static void raise(struct check *check, enum status status)
{
	static const int weights[] = {
		[STATUS_OK] = 0, [STATUS_UNKNOWN] = 1, [STATUS_WARNING] = 2, [STATUS_CRITICAL] = 3};

	if (weights[status] > weights[check->status])
		check->status = status;
}

static void add_text(struct check *check, const char *text)
{
	if (check->text.len > 0)
		buf_add_text(&check->text, ", ");
	buf_add_text(&check->text, text);
}

/* Judges the value that the ranges are for, and adds it to the performance data. */
static void judge(struct check *check, const char *label, double value, const char *unit)
{
	if (check->has_critical && range_alerts(&check->critical, value))
		raise(check, STATUS_CRITICAL);
	if (check->has_warning && range_alerts(&check->warning, value))
		raise(check, STATUS_WARNING);
	buf_printf(&check->values, "%s'", check->values.len > 0 ? " " : "");
	/* A quote in a label is doubled, and it ends at an equals sign. */
	for (const char *at = label; *at != '\0'; at++) {
		if (*at == '\'')
			buf_add_char(&check->values, '\'');
		buf_add_char(&check->values, *at == '=' ? '_' : *at);
	}
	buf_printf(&check->values, "'=%.15g%s;%s;%s", value, unit,
		check->warning_text != NULL ? check->warning_text : "",
		check->critical_text != NULL ? check->critical_text : "");
}

/* The state of every query, and the sums of their numbers. */
static int check_queries(struct check *check, struct err *err)
{
	struct result rows = {0};
	long long files = 0;
	long long events = 0;
	long long rejects = 0;
	int rc = shell_ask(check->shell,
		"SELECT name, state, files, files_behind, events, rejects, late,"
		" coalesce(exception, message, '') FROM queries ORDER BY name",
		&rows, err);

	for (size_t i = 0; i < rows.n_rows; i++) {
		const char *state = result_text(&rows, i, 1);
		char text[256];

		files += result_integer(&rows, i, 2);
		events += result_integer(&rows, i, 4);
		rejects += result_integer(&rows, i, 5);
		if (strcmp(state, "FAILED") != 0 && strcmp(state, "STOPPED") != 0)
			continue;
		(void)snprintf(text, sizeof(text), "%s is %s%s%.160s", result_text(&rows, i, 0),
			state, result_text(&rows, i, 7)[0] != '\0' ? ": " : "",
			result_text(&rows, i, 7));
		add_text(check, text);
		raise(check, state[0] == 'F' ? STATUS_CRITICAL : STATUS_WARNING);
	}
	if (rc == 0) {
		char text[256];

		(void)snprintf(text, sizeof(text),
			"%zu quer%s, %lld files, %lld events, %lld rejects", rows.n_rows,
			rows.n_rows == 1 ? "y" : "ies", files, events, rejects);
		add_text(check, text);
		buf_printf(&check->values, "%s'events'=%lldc 'rejects'=%lldc 'files'=%lld",
			check->values.len > 0 ? " " : "", events, rejects, files);
	}
	result_fini(&rows);
	return rc;
}

/* A file that cannot be read is tried again for ever, and what is in it does not count. */
static int check_files(struct check *check, struct err *err)
{
	struct result rows = {0};
	int rc = shell_ask(check->shell,
		"SELECT count(*), max(path) FROM files WHERE state = 'error'", &rows, err);
	char text[256];

	if (rc == 0 && rows.n_rows == 1 && result_integer(&rows, 0, 0) > 0) {
		int64_t n = result_integer(&rows, 0, 0);

		(void)snprintf(text, sizeof(text), "%" PRId64 " file%s in error, such as %.100s", n,
			n == 1 ? "" : "s", result_text(&rows, 0, 1));
		add_text(check, text);
		raise(check, STATUS_WARNING);
	}
	result_fini(&rows);
	return rc;
}

/* Adds to the text whose event it is, and its age to the values. */
static void judge_lag(struct check *check, struct result *newest, bool has_sql)
{
	bool is_one_of_many = result_integer(newest, 0, 3) > 1;
	double lag_s = (double)result_integer(newest, 0, 2);
	bool is_old = check->lag_limit_us > 0 && lag_s * US_PER_S > (double)check->lag_limit_us;
	char text[192];

	(void)snprintf(text, sizeof(text), "newest event%s%.60s %.30s UTC%s%.60s",
		is_one_of_many ? " of " : "", is_one_of_many ? result_text(newest, 0, 0) : "",
		result_text(newest, 0, 1), is_old ? " is older than " : "",
		is_old ? check->lag_text : "");
	add_text(check, text);
	if (is_old)
		raise(check, STATUS_CRITICAL);
	if (!has_sql)
		judge(check, "lag", lag_s, "s");
	else
		buf_printf(
			&check->values, "%s'lag'=%.15gs", check->values.len > 0 ? " " : "", lag_s);
}

/* How old the newest event is, of the query that is furthest behind; the ranges are for it unless
 * --sql gives another value. */
static int check_lag(struct check *check, bool has_sql, struct err *err)
{
	struct result newest = {0};
	int rc = shell_ask(check->shell,
		"SELECT query, time, unix_timestamp() - unix_timestamp(time),"
		" (SELECT count(*) FROM queries) FROM newest_events"
		" WHERE time IS NOT NULL ORDER BY time LIMIT 1",
		&newest, err);

	if (rc == 0 && newest.n_rows > 0) {
		judge_lag(check, &newest, has_sql);
	} else if (rc == 0) {
		if (check->lag_limit_us > 0 ||
			(!has_sql && (check->has_warning || check->has_critical)))
			raise(check, STATUS_UNKNOWN);
		add_text(check, "no event yet");
	}
	result_fini(&newest);
	return rc;
}

static int check_value(struct check *check, const char *sql, struct err *err)
{
	struct result rows = {0};
	const struct value *value;
	char text[128];
	int rc = shell_ask(check->shell, sql, &rows, err);

	if (rc == 0 && (rows.n_rows == 0 || rows.n_columns == 0))
		rc = err_set(err, ERR_INVALID, "the statement has no row to check");
	if (rc == 0) {
		value = result_cell(&rows, 0, 0);
		if (value->type != VALUE_INTEGER && value->type != VALUE_REAL)
			rc = err_set(err, ERR_INVALID, "the first value is no number");
	}
	if (rc == 0) {
		(void)snprintf(
			text, sizeof(text), "%.60s %s", rows.names[0], result_text(&rows, 0, 0));
		add_text(check, text);
		judge(check, rows.names[0], result_real(&rows, 0, 0), "");
	}
	result_fini(&rows);
	return rc;
}

static int read_options(struct check *check, const struct options *options, struct err *err)
{
	check->warning_text = options->watch;
	check->critical_text = options->critical;
	check->lag_text = options->lag;
	check->has_warning = options->watch != NULL;
	check->has_critical = options->critical != NULL;
	if (check->has_warning && !range_parse(options->watch, &check->warning))
		return err_set(err, ERR_USAGE, "-w \"%s\" is no range", options->watch);
	if (check->has_critical && !range_parse(options->critical, &check->critical))
		return err_set(err, ERR_USAGE, "-c \"%s\" is no range", options->critical);
	if (options->lag != NULL)
		return duration_parse(options->lag, &check->lag_limit_us, err);
	return 0;
}

static int run_checks(struct check *check, const struct options *options, struct err *err)
{
	int rc = read_options(check, options, err);

	if (rc == 0)
		rc = shell_connect(check->shell, err);
	if (rc < 0) {
		raise(check,
			rc == ERR_USAGE || rc == ERR_INVALID ? STATUS_UNKNOWN : STATUS_CRITICAL);
		return rc;
	}
	if (options->sql != NULL)
		rc = check_value(check, options->sql, err);
	if (rc == 0)
		rc = check_queries(check, err);
	if (rc == 0)
		rc = check_files(check, err);
	if (rc == 0)
		rc = check_lag(check, options->sql != NULL, err);
	/*
	 * A statement that is wrong says nothing about
	 * the daemon; a connection that breaks does.
	 */
	if (rc < 0)
		raise(check, rc == ERR_SQL || rc == ERR_INVALID ? STATUS_UNKNOWN : STATUS_CRITICAL);
	return rc;
}

int action_check(struct shell *shell, const struct options *options)
{
	static const char *const names[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
	struct check check = {.shell = shell};
	struct err err = ERR_INIT;
	int rc = run_checks(&check, options, &err);

	if (rc < 0)
		add_text(&check, err.text);
	buf_add_char(&check.text, '\0');
	buf_add_char(&check.values, '\0');
	if (buf_ok(&check.text) && buf_ok(&check.values)) {
		/* A bar in the text would begin the performance data, and a control end the line.
		 */
		for (char *at = check.text.data; *at != '\0'; at++) {
			if (*at == '|' || (*at > '\0' && *at < ' '))
				*at = ' ';
		}
		(void)printf("TALLY %s - %s%s%s\n", names[check.status], check.text.data,
			check.values.data[0] != '\0' ? " | " : "", check.values.data);
	}
	buf_fini(&check.text);
	buf_fini(&check.values);
	return (int)check.status;
}

int action_ping(struct shell *shell, const struct options *options)
{
	struct result version = {0};
	struct err err = ERR_INIT;
	int64_t started_us = clock_now_us();
	int rc = shell_ask(shell, "SELECT tally_version()", &version, &err);
	int64_t ended_us = clock_now_us();

	(void)options;
	if (rc == 0 && version.n_rows == 1)
		(void)printf("tallyd %s answers at %s in %.2f ms\n", result_text(&version, 0, 0),
			shell->socket_path, (double)(ended_us - started_us) / 1e3);
	else
		(void)fprintf(stderr, "Error: %s\n", err.text);
	result_fini(&version);
	return rc == 0 ? 0 : 1;
}
