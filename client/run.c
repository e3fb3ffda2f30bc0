/*
 * Statements: cut apart, asked one after the other, shown, and their failures
 * put into the words of sqlite3's shell.
 */
#include "client/shell.h"

#include "base/mem.h"
#include "client/chart.h"
#include "client/clock.h"
#include "client/display.h"
#include "client/interrupt.h"
#include "client/progress.h"
#include "client/sqltext.h"
#include "client/terminal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FLUSH_BYTES 65536

/* SQLite's code for an interrupted statement. */
#define CODE_INTERRUPT 9

/* One statement on its way. */
struct showing {
	struct shell *shell;
	struct print_options print; /* as this statement is shown */
	struct printer *printer; /* NULL until the columns are known, and when `result` is filled */
	struct result result;    /* for what must be looked at as a whole */
	bool as_whole;
	struct progress progress;
	uint64_t n_rows;
};

/* sqlite3's shell keeps a width for every column it has shown; `.show` lists them. */
static int extend_widths(struct shell *shell, size_t n, struct err *err)
{
	int *widths;

	if (n <= shell->print.n_widths)
		return 0;
	widths = realloc(shell->widths, n * sizeof(*widths));
	if (widths == NULL)
		return err_nomem(err);
	for (size_t i = shell->print.n_widths; i < n; i++)
		widths[i] = 0;
	shell->widths = widths;
	shell->print.widths = widths;
	shell->print.n_widths = n;
	return 0;
}

static int on_columns(void *context, const char *const *names, const char *const *types, size_t n,
	struct err *err)
{
	struct showing *showing = context;
	int rc;

	(void)types;
	showing->printer = printer_new(&showing->print);
	if (showing->printer == NULL)
		return err_nomem(err);
	rc = print_begin(showing->printer, names, n, &showing->shell->text, err);
	return rc;
}

/* Nobody takes the rows: a reader that has gone wants no word, a full disk is an error. */
static int stop_writing(const struct shell *shell, struct err *err)
{
	if (!output_is_file(&shell->output))
		return err_set(err, ERR_INTERRUPTED, "%s", "");
	return err_set(err, ERR_INVALID, "cannot write to \"%s\": %s", shell->output.name,
		strerror(shell->output.sys_errno));
}

static int on_row(void *context, const struct value *cells, size_t n, struct err *err)
{
	struct showing *showing = context;
	struct shell *shell = showing->shell;
	int rc = 0;

	if (showing->n_rows == 0 && print_mode_is_columnar(showing->print.mode))
		rc = extend_widths(shell, n, err);
	if (rc == 0)
		rc = print_row(showing->printer, cells, &shell->text, err);
	showing->n_rows++;
	if (rc == 0 && shell->text.len >= FLUSH_BYTES &&
		!output_write(&shell->output, &shell->text))
		return stop_writing(shell, err);
	return rc;
}

static int on_tick(void *context, struct err *err)
{
	struct showing *showing = context;

	(void)err;
	progress_show(
		&showing->progress, connection_bytes(showing->shell->connection), showing->n_rows);
	return 0;
}

/* What is held to its end writes nothing meanwhile, wherever it will go. */
static void start_progress(struct showing *showing)
{
	progress_start(&showing->progress, showing->as_whole ||
						   print_mode_is_columnar(showing->print.mode) ||
						   !output_is_terminal(&showing->shell->output));
}

static void choose_print(struct showing *showing, const char *sql, size_t len)
{
	struct shell *shell = showing->shell;
	enum sql_explain explain = shell->explains_itself ? sql_explain_of(sql, len) : SQL_RUN;

	showing->print = shell->print;
	if (explain == SQL_EXPLAIN)
		showing->print.mode = PRINT_EXPLAIN;
	else if (explain == SQL_QUERY_PLAN)
		showing->print.mode = PRINT_PLAN;
	else
		showing->as_whole =
			shell->display == DISPLAY_CHART ||
			(shell->display == DISPLAY_AUTO && output_is_terminal(&shell->output));
}

static int ask_streaming(
	struct showing *showing, const struct query *query, struct answer *answer, struct err *err)
{
	const struct query_handler handler = {.context = showing,
		.columns = on_columns,
		.row = on_row,
		.tick = on_tick,
		.idle_ms = PROGRESS_IDLE_MS};
	struct err end_err = ERR_INIT;
	int rc = query_run(showing->shell->connection, query, &handler, answer, err);

	progress_hide(&showing->progress);
	if (showing->printer == NULL)
		return rc;
	/* What came before a failure is shown as far as it goes; after a broken connection it is
	 * not closed off. */
	if (rc == 0 || rc == ERR_SQL) {
		if (answer->code == CODE_INTERRUPT && print_mode_is_columnar(showing->print.mode))
			buf_add_text(&showing->shell->text, "Interrupt\n");
		else if (print_end(showing->printer, &showing->shell->text, &end_err) < 0)
			*err = end_err, rc = end_err.code;
	}
	printer_free(showing->printer);
	showing->printer = NULL;
	return rc;
}

static int ask_whole(
	struct showing *showing, const struct query *query, struct answer *answer, struct err *err)
{
	struct shell *shell = showing->shell;
	struct result *result = &showing->result;
	struct terminal terminal;
	struct err shown_err = ERR_INIT;
	int shown;
	int rc = result_fetch(shell->connection, query, &showing->progress, result, err);

	*answer = result->answer;
	showing->n_rows = result->n_rows;
	if (rc == 0 && result->n_rows > 0) {
		bool is_chart = shell->display == DISPLAY_CHART;

		terminal_measure(&terminal, STDOUT_FILENO);
		shown = result_escape(result, is_chart ? "" : "\n\t", &shown_err);
		if (shown == 0 && is_chart)
			shown = chart_draw(result, &terminal, &shell->text, &shown_err);
		else if (shown == 0)
			shown = display_fitted(
				result, &shell->print, &terminal, &shell->text, &shown_err);
		if (shown < 0)
			*err = shown_err, rc = shown;
	}
	result_fini(result);
	return rc;
}

/*
 * Two lines that show where in the statement the error is: the text around it,
 * and a marker. `sql` begins with the failed statement and may go on behind it.
 */
static void add_error_context(struct buf *out, const char *sql, int64_t offset)
{
	size_t len;

	if (offset < 0 || (size_t)offset > strlen(sql))
		return;
	while (offset > 50) {
		offset--;
		sql++;
		while (((unsigned char)*sql & 0xc0) == 0x80) {
			sql++;
			offset--;
		}
	}
	len = strlen(sql);
	if (len > 78) {
		len = 78;
		while (len > 0 && ((unsigned char)sql[len] & 0xc0) == 0x80)
			len--;
	}
	buf_add_text(out, "\n  ");
	for (size_t i = 0; i < len; i++)
		buf_add_char(out, sql[i] >= '\t' && sql[i] <= '\r' ? ' ' : sql[i]);
	if (offset < 25)
		buf_printf(out, "\n  %*s^--- error here", (int)offset, "");
	else
		buf_printf(out, "\n  %*serror here ---^", (int)offset - 14, "");
}

/* Puts the failure into words; returns the exit status it stands for. */
static int describe(struct shell *shell, const char *sql, int rc, const struct answer *answer,
	const struct err *err, struct buf *failure)
{
	if (rc == ERR_SQL) {
		bool ran = answer->has_columns || answer->was_cancelled;

		buf_printf(failure, "%s, %s", ran ? "stepping" : "in prepare",
			answer->code != 0 ? answer->message : err->text);
		if (answer->code > 1)
			buf_printf(failure, " (%d)", answer->code & 0xff);
		if (!ran)
			add_error_context(failure, sql, answer->offset);
		return answer->code != 0 ? answer->code & 0xff : 1;
	}
	/* What went wrong on this side is no fault of the connection. */
	if ((rc == ERR_LIMIT || rc == ERR_NOMEM || rc == ERR_INVALID) &&
		shell->connection != NULL) {
		buf_printf(failure, "stepping, %s", err->text);
		return CODE_INTERRUPT;
	}
	/* A second Ctrl-C while the statement would not end: out. */
	if (rc == ERR_INTERRUPTED && shell->is_interactive && interrupt_count() > 1) {
		shell->exits = true;
		shell->exit_status = 1;
	}
	shell_disconnect(shell);
	shell->is_gone = !shell->is_interactive;
	buf_add_text(failure, err->text);
	return 1;
}

int shell_print_query(
	struct shell *shell, const char *sql, const struct print_options *print, struct err *err)
{
	const struct query query = {
		.sql = sql, .len = strlen(sql), .timeout_ms = shell->timeout_ms};
	struct showing showing = {.shell = shell, .print = *print};
	struct answer answer;
	int rc = shell_connect(shell, err);

	if (rc < 0)
		return rc;
	start_progress(&showing);
	rc = ask_streaming(&showing, &query, &answer, err);
	if (rc < 0 && rc != ERR_SQL && rc != ERR_LIMIT)
		shell_disconnect(shell);
	return rc;
}

/* Without `.parameter` all are NULL, and the daemon wants to be told even that. */
static int bind_params(struct shell *shell, struct query *query, struct err *err)
{
	if (shell->params == NULL && !sql_has_parameters(query->sql))
		return 0;
	if (shell->params == NULL && params_new(&shell->params, err) < 0)
		return err->code;
	return params_bind(
		shell->params, query->sql, query->len, &query->params, &query->n_params, err);
}

/* `explain` is put before the statement: `.eqp`, or "". */
static int run_statement(struct shell *shell, const char *explain, const char *sql, size_t len,
	struct answer *answer, struct err *err)
{
	struct showing showing = {.shell = shell};
	struct buf text = {0};
	struct query query;
	int rc = 0;

	buf_add_text(&text, explain);
	buf_add(&text, sql, len);
	buf_add_char(&text, '\0');
	if (!buf_ok(&text))
		return err_nomem(err);
	query = (struct query){
		.sql = text.data, .len = text.len - 1, .timeout_ms = shell->timeout_ms};
	rc = bind_params(shell, &query, err);
	if (rc == 0)
		rc = shell_connect(shell, err);
	if (rc == 0) {
		choose_print(&showing, query.sql, query.len);
		start_progress(&showing);
		output_begin(&shell->output);
		rc = showing.as_whole ? ask_whole(&showing, &query, answer, err)
				      : ask_streaming(&showing, &query, answer, err);
		shell_flush(shell);
		output_end(&shell->output);
		if (rc == 0)
			shell->snapshot = answer->snapshot;
	}
	buf_fini(&text);
	return rc;
}

static int run_with_plan(
	struct shell *shell, const char *sql, size_t len, struct answer *answer, struct err *err)
{
	bool explained = sql_explain_of(sql, len) != SQL_RUN;
	struct err ignored = ERR_INIT;

	if (shell->eqp != EQP_OFF && !explained)
		(void)!run_statement(shell, "EXPLAIN QUERY PLAN ", sql, len, answer, &ignored);
	if (shell->eqp == EQP_FULL && !explained)
		(void)!run_statement(shell, "EXPLAIN ", sql, len, answer, &ignored);
	return run_statement(shell, "", sql, len, answer, err);
}

static void show_stats(struct shell *shell, const struct answer *answer)
{
	buf_printf(&shell->text, "Snapshot:                            %llu\n",
		(unsigned long long)answer->snapshot);
	buf_printf(&shell->text, "Time in the daemon:                  %.3f ms\n", answer->ms);
	buf_printf(&shell->text, "Bytes received so far:               %llu\n",
		(unsigned long long)connection_bytes(shell->connection));
	shell_flush(shell);
}

int shell_run(struct shell *shell, const char *sql, struct buf *failure)
{
	while (*sql != '\0') {
		size_t len = sql_statement_length(sql);
		struct answer answer = {.offset = -1};
		struct err err = ERR_INIT;
		int rc = 0;

		if (!sql_is_empty(sql, len))
			rc = run_with_plan(shell, sql, len, &answer, &err);
		if (rc == ERR_INTERRUPTED && err.text[0] == '\0')
			return 0;
		if (rc < 0)
			return describe(shell, sql, rc, &answer, &err, failure);
		if (shell->shows_stats && shell->connection != NULL)
			show_stats(shell, &answer);
		sql += len;
		sql += strspn(sql, " \t\n\v\f\r");
	}
	return 0;
}

/* Only TEMP tables can be changed, but those can. */
static void show_changes(struct shell *shell)
{
	struct result changes = {0};
	struct err ignored = ERR_INIT;

	if (shell_ask(shell, "SELECT changes(), total_changes()", &changes, &ignored) == 0 &&
		changes.n_rows == 1)
		buf_printf(&shell->text, "changes: %" PRId64 "   total_changes: %" PRId64 "\n",
			result_integer(&changes, 0, 0), result_integer(&changes, 0, 1));
	shell_flush(shell);
	result_fini(&changes);
}

static double seconds(const struct timeval *from, const struct timeval *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_usec - from->tv_usec) * 1e-6;
}

static void print_failure(struct shell *shell, const char *text, int line)
{
	const char *type = "Error";

	if (strncmp(text, "in prepare, ", 12) == 0) {
		type = "Parse error";
		text += 12;
	} else if (strncmp(text, "stepping, ", 10) == 0) {
		type = "Runtime error";
		text += 10;
	}
	if (shell->in != NULL || !shell->is_interactive)
		(void)fprintf(stderr, "%s near line %d: %s\n", type, line, text);
	else
		(void)fprintf(stderr, "%s: %s\n", type, text);
}

int shell_run_input(struct shell *shell, const char *sql, int line)
{
	struct rusage before = {0};
	struct rusage after = {0};
	struct buf failure = {0};
	int64_t started = clock_now_ms();
	int rc;

	free(shell->last_sql);
	shell->last_sql = strdup(sql);
	(void)getrusage(RUSAGE_SELF, &before);
	rc = shell_run(shell, sql, &failure);
	if (shell->times) {
		(void)getrusage(RUSAGE_SELF, &after);
		(void)printf("Run Time: real %.3f user %f sys %f\n",
			(double)(clock_now_ms() - started) * 0.001,
			seconds(&before.ru_utime, &after.ru_utime),
			seconds(&before.ru_stime, &after.ru_stime));
	}
	if (rc != 0) {
		buf_add_char(&failure, '\0');
		print_failure(shell, buf_ok(&failure) ? failure.data : "out of memory", line);
	} else if (shell->counts_changes) {
		show_changes(shell);
	}
	buf_fini(&failure);
	return rc != 0;
}
