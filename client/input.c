/*
 * Input: lines put together to statements, dot-commands taken as they come.
 * A dot-command stands at the beginning of a line while no statement is open.
 */
#include "client/shell.h"

#include "client/interrupt.h"
#include "client/line.h"
#include "client/sqltext.h"

#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#define MAX_NESTING 25

/* A statement being put together. */
struct pending {
	struct buf sql; /* zero-terminated while it is not empty */
	struct sql_scan scan;
	int first_line;
};

static void pending_clear(struct pending *pending)
{
	buf_clear(&pending->sql);
	pending->scan = (struct sql_scan){0};
}

static bool pending_is_empty(const struct pending *pending)
{
	return pending->sql.len == 0;
}

static void pending_add(struct pending *pending, const char *line, int line_number)
{
	if (pending_is_empty(pending)) {
		line += strspn(line, " \t\n\v\f\r");
		pending->first_line = line_number;
	} else {
		pending->sql.data[pending->sql.len - 1] = '\n';
	}
	buf_add(&pending->sql, line, strlen(line) + 1);
}

/* Whether the statement so far would be whole with a semicolon behind it. */
static bool pending_could_end(struct pending *pending)
{
	bool complete;

	if (pending_is_empty(pending))
		return true;
	pending->sql.data[pending->sql.len - 1] = ';';
	buf_add_char(&pending->sql, '\0');
	if (!buf_ok(&pending->sql))
		return false;
	complete = sqlite3_complete(pending->sql.data) != 0;
	pending->sql.len--;
	pending->sql.data[pending->sql.len - 1] = '\0';
	return complete;
}

/* The next line; NULL at the end. It stays until the next call. */
static const char *read_line(
	struct shell *shell, char **line, size_t *cap, bool continues, bool *was_interrupted)
{
	const char *prompt = continues ? shell->continue_prompt : shell->prompt;
	FILE *in = shell->in != NULL ? shell->in : stdin;
	ssize_t n;

	*was_interrupted = false;
	if (shell->in == NULL && shell->editor != NULL)
		return line_editor_read(shell->editor, prompt, was_interrupted);
	if (shell->in == NULL && shell->is_interactive) {
		interrupt_clear();
		(void)fputs(prompt, stdout);
		(void)fflush(stdout);
	}
	n = getline(line, cap, in);
	if (n < 0)
		return NULL;
	if (n > 0 && (*line)[n - 1] == '\n')
		(*line)[--n] = '\0';
	if (n > 0 && (*line)[n - 1] == '\r')
		(*line)[--n] = '\0';
	return *line;
}

static void echo(struct shell *shell, const char *text)
{
	if (!shell->echoes)
		return;
	buf_add_text(&shell->text, text);
	buf_add_char(&shell->text, '\n');
	shell_flush(shell);
}

/* .once ends behind the statement that it was for. */
static void finish_once(struct shell *shell)
{
	if (shell->output.uses > 0) {
		shell->output.uses = 0;
		output_reset(&shell->output);
	} else {
		output_clear_temp(&shell->output);
	}
}

static int run_pending(struct shell *shell, struct pending *pending)
{
	int n_errors;

	if (!buf_ok(&pending->sql)) {
		(void)fprintf(stderr, "Error: out of memory\n");
		pending_clear(pending);
		return 1;
	}
	echo(shell, pending->sql.data);
	n_errors = shell_run_input(shell, pending->sql.data, pending->first_line);
	pending_clear(pending);
	return n_errors;
}

/* What a line on its own is. Returns true when it is dealt with. */
static bool take_whole_line(
	struct shell *shell, struct pending *pending, const char *line, int *n_errors, bool *exits)
{
	if (!pending_is_empty(pending))
		return false;
	if (sql_scan_is_white(&pending->scan)) {
		echo(shell, line);
		return true;
	}
	if (line[0] != '.' && line[0] != '#')
		return false;
	echo(shell, line);
	if (line[0] == '.') {
		switch (shell_command(shell, line)) {
		case COMMAND_EXIT: *exits = true; break;
		case COMMAND_FAILED: (*n_errors)++; break;
		case COMMAND_DONE: break;
		}
	}
	return true;
}

/* Returns the number of errors. */
static int take_line(struct shell *shell, struct pending *pending, const char *line, bool *exits)
{
	int n_errors = 0;

	if (pending->scan.wait == 0 && sql_is_terminator(line) && pending_could_end(pending))
		line = ";";
	sql_scan_line(&pending->scan, line);
	if (take_whole_line(shell, pending, line, &n_errors, exits)) {
		pending->scan = (struct sql_scan){0};
		return n_errors;
	}
	pending_add(pending, line, shell->line_number);
	if (!buf_ok(&pending->sql))
		return run_pending(shell, pending);
	if (pending->scan.wait == 0 && pending->scan.ends_in_semicolon &&
		sqlite3_complete(pending->sql.data)) {
		n_errors = run_pending(shell, pending);
		finish_once(shell);
	} else if (sql_scan_is_white(&pending->scan)) {
		echo(shell, pending->sql.data);
		pending_clear(pending);
	}
	return n_errors;
}

static int read_all(struct shell *shell)
{
	struct pending pending = {0};
	bool is_typed = shell->in == NULL && shell->is_interactive;
	bool was_interrupted;
	bool exits = false;
	char *line = NULL;
	size_t cap = 0;
	int n_errors = 0;
	int n_interrupts = 0; /* at an empty prompt, one after the other */

	while (!exits && !shell->exits && !shell->is_gone &&
		(n_errors == 0 || !shell->bails || is_typed)) {
		const char *next;

		output_flush(&shell->output);
		next = read_line(shell, &line, &cap, !pending_is_empty(&pending), &was_interrupted);
		if (next == NULL) {
			if (is_typed)
				(void)puts("");
			break;
		}
		if (was_interrupted) {
			n_interrupts +=
				pending_is_empty(&pending) && line_editor_was_empty(shell->editor);
			pending_clear(&pending);
			if (n_interrupts > 1)
				break;
			if (n_interrupts == 1)
				(void)puts("(another Ctrl-C leaves)");
			continue;
		}
		n_interrupts = 0;
		/* Ctrl-C while a script ran ends the script. */
		if (interrupt_count() > 0 && !is_typed)
			break;
		shell->line_number++;
		n_errors += take_line(shell, &pending, next, &exits);
	}
	if (!pending_is_empty(&pending) && !exits && !shell->exits && !shell->is_gone)
		n_errors += run_pending(shell, &pending);
	buf_fini(&pending.sql);
	free(line);
	return n_errors;
}

int shell_read_input(struct shell *shell)
{
	int n_errors;

	if (shell->nesting == MAX_NESTING) {
		(void)fprintf(stderr,
			"Input nesting limit (%d) reached at line %d. Check recursion.\n",
			MAX_NESTING, shell->line_number);
		return 1;
	}
	shell->nesting++;
	shell->line_number = 0;
	n_errors = read_all(shell);
	shell->nesting--;
	return n_errors > 0;
}
