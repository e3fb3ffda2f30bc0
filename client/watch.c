/*
 * A statement shown again and again as the stream moves. Whether it moved says
 * the snapshot's number, for which a trivial statement is enough; so a costly
 * one runs only when there is something new.
 */
#include "client/actions.h"

#include "client/chart.h"
#include "client/display.h"
#include "client/interrupt.h"
#include "client/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct watch {
	struct shell *shell;
	const char *sql;
	int64_t interval_us;
	bool is_screen; /* redraw in place, else write one answer below the other */
	bool has_shown;
	uint64_t snapshot; /* of what was shown last */
	struct terminal terminal;
};

static void format_now(char text[32])
{
	time_t now = time(NULL);
	struct tm local;

	(void)localtime_r(&now, &local);
	(void)strftime(text, 32, "%Y-%m-%d %H:%M:%S", &local);
}

static int add_answer(struct watch *watch, struct result *result, struct buf *out, struct err *err)
{
	struct shell *shell = watch->shell;
	bool is_chart = shell->display == DISPLAY_CHART;

	if ((is_chart || shell->display == DISPLAY_AUTO) &&
		result_escape(result, is_chart ? "" : "\n\t", err) < 0)
		return err->code;
	if (is_chart) {
		/* The head takes one line of the screen. */
		struct terminal rest = watch->terminal;

		rest.rows -= watch->is_screen ? 1 : 0;
		return chart_draw(result, &rest, out, err);
	}
	if (shell->display == DISPLAY_AUTO && output_is_terminal(&shell->output))
		return display_fitted(result, &shell->print, &watch->terminal, out, err);
	return display_printed(result, &shell->print, out, err);
}

/* Home, each line cleared behind its text, and the rest of the screen; what does not fit is left
 * out. */
static void put_screen(struct watch *watch, const char *head, const struct buf *body)
{
	struct buf *out = &watch->shell->text;
	const char *at = body->data;
	const char *end = body->data + body->len;
	int line = 1;

	buf_printf(out, "\033[H%s\033[K", head);
	while (at < end && line < watch->terminal.rows) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((newline != NULL ? newline : end) - at);

		buf_add_text(out, "\r\n");
		buf_add(out, at, len);
		buf_add_text(out, "\033[K");
		at += len + 1;
		line++;
	}
	buf_add_text(out, "\033[J");
}

static void show_screen(struct watch *watch, const char *note, const struct buf *body)
{
	char head[256];
	char now[32];

	format_now(now);
	(void)snprintf(head, sizeof(head), "tally: snapshot %llu, %s%s (Ctrl-C ends)",
		(unsigned long long)watch->snapshot, now, note);
	put_screen(watch, head, body);
	shell_flush(watch->shell);
	(void)fflush(stdout);
}

static int show_answer(struct watch *watch, struct result *result, struct err *err)
{
	struct buf body = {0};
	char now[32];
	int rc = add_answer(watch, result, &body, err);

	watch->snapshot = result->answer.snapshot;
	if (rc == 0 && watch->is_screen) {
		show_screen(watch, "", &body);
	} else if (rc == 0) {
		format_now(now);
		buf_printf(&watch->shell->text, "-- %s, snapshot %llu\n", now,
			(unsigned long long)watch->snapshot);
		buf_add(&watch->shell->text, body.data, body.len);
		shell_flush(watch->shell);
		(void)fflush(watch->shell->output.file);
	}
	buf_fini(&body);
	return rc;
}

/* Asks whether there is anything new and shows it. */
static int look(struct watch *watch, struct err *err)
{
	struct result probe = {0};
	struct result result = {0};
	struct terminal terminal;
	bool is_new;
	int rc = shell_ask(watch->shell, "SELECT 1", &probe, err);

	terminal_measure(&terminal, STDOUT_FILENO);
	is_new = !watch->has_shown || probe.answer.snapshot != watch->snapshot ||
		 terminal.columns != watch->terminal.columns ||
		 terminal.rows != watch->terminal.rows;
	result_fini(&probe);
	if (rc < 0 || !is_new)
		return rc;
	watch->terminal = terminal;
	rc = shell_ask(watch->shell, watch->sql, &result, err);
	if (rc == 0)
		rc = show_answer(watch, &result, err);
	watch->has_shown |= rc == 0;
	result_fini(&result);
	return rc;
}

/* A lost connection is waited for on a screen; anything else ends the watch. */
static bool survives(struct watch *watch, int rc, const struct err *err)
{
	struct buf nothing = {0};

	if (rc == 0)
		return true;
	if (rc == ERR_SQL || rc == ERR_LIMIT || rc == ERR_INVALID || rc == ERR_NOMEM ||
		!watch->is_screen || !watch->has_shown)
		return false;
	buf_printf(&nothing, "%s\n", err->text);
	show_screen(watch, ", connection lost, trying again", &nothing);
	buf_fini(&nothing);
	watch->snapshot = 0;
	return true;
}

bool watch_run(struct shell *shell, const char *sql, int64_t interval_us)
{
	struct watch watch = {.shell = shell, .sql = sql, .interval_us = interval_us};
	struct err err = ERR_INIT;
	int rc = 0;

	terminal_measure(&watch.terminal, STDOUT_FILENO);
	watch.is_screen = output_is_terminal(&shell->output) && watch.terminal.has_cursor;
	if (watch.is_screen)
		buf_add_text(&shell->text, "\033[?25l\033[?7l\033[2J");
	for (;;) {
		rc = look(&watch, &err);
		if (interrupt_count() > 0 || shell->output.failed || !survives(&watch, rc, &err))
			break;
		if (interrupt_wait_screen(-1, (int)(interval_us / 1000)) == INTERRUPT_CTRL_C)
			break;
	}
	if (watch.is_screen)
		buf_add_text(&shell->text, "\033[?7h\033[?25h\r\n");
	shell_flush(shell);
	if (interrupt_count() > 0)
		rc = 0;
	interrupt_clear();
	if (rc < 0)
		(void)fprintf(stderr, "Error: %s\n", err.text);
	return rc == 0;
}

int action_watch(struct shell *shell, const struct options *options)
{
	char *end;
	double seconds = strtod(options->watch, &end);

	if (*end != '\0' || end == options->watch || seconds < 0.05 || seconds > 86400) {
		(void)fprintf(stderr,
			"%s: Error: -w needs a number of seconds from 0.05 to 86400, not \"%s\"\n",
			shell->program, options->watch);
		return 1;
	}
	if (options->n_texts != 1) {
		(void)fprintf(stderr, "%s: Error: -w needs one SQL statement\n", shell->program);
		return 1;
	}
	return watch_run(shell, options->texts[0], (int64_t)(seconds * 1e6)) ? 0 : 1;
}
