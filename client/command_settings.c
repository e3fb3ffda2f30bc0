/* Commands that change how the shell behaves and shows; none needs the daemon. */
#include "client/command.h"

#include "sql/print_cell.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A command of one yes or no. */
static enum command_outcome set_flag(const struct words *words, bool *flag, const char *usage)
{
	if (words->n != 2)
		return command_usage(usage);
	*flag = words_boolean(words->word[1]) != 0;
	return COMMAND_DONE;
}

static enum command_outcome on_bail(struct shell *shell, const struct words *words)
{
	return set_flag(words, &shell->bails, ".bail on|off");
}

static enum command_outcome on_binary(struct shell *shell, const struct words *words)
{
	bool ignored;

	(void)shell; /* line ends are never translated here */
	return set_flag(words, &ignored, ".binary on|off");
}

static enum command_outcome on_changes(struct shell *shell, const struct words *words)
{
	return set_flag(words, &shell->counts_changes, ".changes on|off");
}

static enum command_outcome on_echo(struct shell *shell, const struct words *words)
{
	return set_flag(words, &shell->echoes, ".echo on|off");
}

static enum command_outcome on_timer(struct shell *shell, const struct words *words)
{
	return set_flag(words, &shell->times, ".timer on|off");
}

static enum command_outcome on_headers(struct shell *shell, const struct words *words)
{
	if (words->n == 2)
		shell->print.headers_set = true;
	return set_flag(words, &shell->print.headers, ".headers on|off");
}

static enum command_outcome on_stats(struct shell *shell, const struct words *words)
{
	if (words->n > 2)
		return command_usage(".stats ?on|off|stmt|vmstep?");
	if (words->n == 2) {
		shell->shows_stats = words_boolean(words->word[1]) != 0;
		return COMMAND_DONE;
	}
	if (shell->connection != NULL)
		buf_printf(&shell->text,
			"Snapshot:                            %llu\n"
			"Bytes received so far:               %llu\n",
			(unsigned long long)shell->snapshot,
			(unsigned long long)connection_bytes(shell->connection));
	return COMMAND_DONE;
}

static enum command_outcome on_eqp(struct shell *shell, const struct words *words)
{
	if (words->n != 2)
		return command_usage(".eqp off|on|trace|trigger|full");
	if (strcmp(words->word[1], "full") == 0)
		shell->eqp = EQP_FULL;
	else if (strcmp(words->word[1], "trigger") == 0)
		shell->eqp = EQP_TRIGGER;
	else
		shell->eqp = words_boolean(words->word[1]) == 1 ? EQP_ON : EQP_OFF;
	return COMMAND_DONE;
}

static enum command_outcome on_explain(struct shell *shell, const struct words *words)
{
	bool is_auto = words->n >= 2 && strcmp(words->word[1], "auto") == 0;
	int on = words->n >= 2 && !is_auto ? words_boolean(words->word[1]) : 1;

	if (!is_auto && on == 1 && shell->print.mode != PRINT_EXPLAIN) {
		shell->normal_mode = shell->print.mode;
		shell->print.mode = PRINT_EXPLAIN;
		shell->explains_itself = false;
	} else if (is_auto || on == 0) {
		if (shell->print.mode == PRINT_EXPLAIN)
			shell->print.mode = shell->normal_mode;
		shell->explains_itself = is_auto;
	}
	return COMMAND_DONE;
}

static void add_mode(struct shell *shell)
{
	const struct print_options *print = &shell->print;

	if (shell->display == DISPLAY_AUTO)
		buf_add_text(&shell->text, "auto");
	else if (shell->display == DISPLAY_CHART)
		buf_add_text(&shell->text, "chart");
	else
		buf_add_text(&shell->text, print_mode_name(print->mode));
	if (shell->display == DISPLAY_PRINT && print_mode_is_columnar(print->mode))
		buf_printf(&shell->text, " --wrap %d --wordwrap %s --%squote", print->wrap,
			print->wordwrap ? "on" : "off", print->quote_cells ? "" : "no");
	buf_add_char(&shell->text, '\n');
}

/* The arguments of .mode, taken before anything is changed. */
struct mode_request {
	const char *mode, *table;
	int wrap;
	bool wordwrap, quote;
};

static enum command_outcome bad_mode_option(const char *word)
{
	if (word[0] == '-')
		(void)fprintf(stderr,
			"unknown option: %s\noptions:\n"
			"  --noquote\n  --quote\n  --wordwrap on/off\n  --wrap N\n  --ww\n",
			word);
	else
		(void)fprintf(stderr, "extra argument: \"%s\"\n", word);
	return COMMAND_FAILED;
}

static enum command_outcome read_mode(const struct words *words, struct mode_request *request)
{
	for (int i = 1; i < words->n; i++) {
		const char *word = words->word[i];
		bool has_next = i + 1 < words->n;

		if (words_is_option(word, "wrap") && has_next) {
			request->wrap = (int)words_integer(words->word[++i]);
		} else if (words_is_option(word, "ww")) {
			request->wordwrap = true;
		} else if (words_is_option(word, "wordwrap") && has_next) {
			request->wordwrap = words_boolean(words->word[++i]) != 0;
		} else if (words_is_option(word, "quote")) {
			request->quote = true;
		} else if (words_is_option(word, "noquote")) {
			request->quote = false;
		} else if (request->mode == NULL) {
			request->mode = word;
			if (strcmp(word, "qbox") == 0) {
				request->wrap = PRINT_DEFAULT_WRAP;
				request->wordwrap = false;
				request->quote = true;
			}
		} else if (request->table == NULL) {
			request->table = word;
		} else {
			return bad_mode_option(word);
		}
	}
	return COMMAND_DONE;
}

static void set_mode(struct shell *shell, enum print_mode mode, const struct mode_request *request)
{
	shell->display = DISPLAY_PRINT;
	print_options_set_mode(&shell->print, mode);
	if (print_mode_is_columnar(mode)) {
		shell->print.wrap = request->wrap;
		shell->print.wordwrap = request->wordwrap;
		shell->print.quote_cells = request->quote;
	}
	if (mode == PRINT_INSERT)
		(void)snprintf(shell->print.insert_table, sizeof(shell->print.insert_table), "%s",
			request->table != NULL ? request->table : "table");
}

static enum command_outcome on_mode(struct shell *shell, const struct words *words)
{
	struct mode_request request = {.wrap = PRINT_DEFAULT_WRAP};
	enum print_mode mode;

	if (read_mode(words, &request) == COMMAND_FAILED)
		return COMMAND_FAILED;
	if (request.mode == NULL) {
		buf_add_text(&shell->text, "current output mode: ");
		add_mode(shell);
		/* Asking sets the mode's own options anew, as in sqlite3. */
		if (shell->display != DISPLAY_PRINT)
			return COMMAND_DONE;
		request.mode = print_mode_name(shell->print.mode);
	}
	if (strcmp(request.mode, "auto") == 0) {
		shell->display = DISPLAY_AUTO;
	} else if (strcmp(request.mode, "chart") == 0) {
		shell->display = DISPLAY_CHART;
	} else if (print_mode_find(request.mode, &mode)) {
		set_mode(shell, mode, &request);
	} else {
		(void)fprintf(stderr, "Error: mode should be one of: ascii box column csv html "
				      "insert json line list markdown "
				      "qbox quote table tabs tcl\n");
		return COMMAND_FAILED;
	}
	return COMMAND_DONE;
}

static enum command_outcome on_nullvalue(struct shell *shell, const struct words *words)
{
	if (words->n != 2)
		return command_usage(".nullvalue STRING");
	(void)snprintf(shell->print.null_text, PRINT_SEPARATOR_BYTES, "%s", words->word[1]);
	return COMMAND_DONE;
}

static enum command_outcome on_prompt(struct shell *shell, const struct words *words)
{
	if (words->n >= 2)
		(void)snprintf(shell->prompt, PROMPT_BYTES, "%s", words->word[1]);
	if (words->n >= 3)
		(void)snprintf(shell->continue_prompt, PROMPT_BYTES, "%s", words->word[2]);
	return COMMAND_DONE;
}

static enum command_outcome on_separator(struct shell *shell, const struct words *words)
{
	if (words->n >= 2)
		(void)snprintf(
			shell->print.column_separator, PRINT_SEPARATOR_BYTES, "%s", words->word[1]);
	if (words->n >= 3)
		(void)snprintf(
			shell->print.row_separator, PRINT_SEPARATOR_BYTES, "%s", words->word[2]);
	if (words->n < 2 || words->n > 3)
		return command_usage(".separator COL ?ROW?");
	return COMMAND_DONE;
}

static enum command_outcome on_width(struct shell *shell, const struct words *words)
{
	size_t n = (size_t)words->n - 1;
	int *widths = realloc(shell->widths, (n + 1) * sizeof(*widths));

	if (widths == NULL) {
		(void)fprintf(stderr, "Error: out of memory\n");
		return COMMAND_FAILED;
	}
	for (size_t i = 0; i < n; i++)
		widths[i] = (int)words_integer(words->word[i + 1]);
	shell->widths = widths;
	shell->print.widths = widths;
	shell->print.n_widths = n;
	return COMMAND_DONE;
}

static enum command_outcome on_timeout(struct shell *shell, const struct words *words)
{
	shell->timeout_ms = words->n >= 2 ? words_integer(words->word[1]) : 0;
	return COMMAND_DONE;
}

static void show_text(struct shell *shell, const char *name, const char *value)
{
	buf_printf(&shell->text, "%12s: %s\n", name, value);
}

static void show_quoted(struct shell *shell, const char *name, const char *value)
{
	buf_printf(&shell->text, "%12s: ", name);
	cell_add_c(&shell->text, text_of(value));
	buf_add_char(&shell->text, '\n');
}

static enum command_outcome on_show(struct shell *shell, const struct words *words)
{
	static const char *const on_off[] = {"off", "on", "trigger", "full"};
	const struct print_options *print = &shell->print;

	if (words->n != 1)
		return command_usage(".show");
	show_text(shell, "echo", on_off[shell->echoes]);
	show_text(shell, "eqp", on_off[shell->eqp & 3]);
	show_text(shell, "explain",
		print->mode == PRINT_EXPLAIN ? "on"
		: shell->explains_itself     ? "auto"
					     : "off");
	show_text(shell, "headers", on_off[print->headers]);
	buf_printf(&shell->text, "%12s: ", "mode");
	add_mode(shell);
	show_quoted(shell, "nullvalue", print->null_text);
	show_text(shell, "output", shell->output.name[0] != '\0' ? shell->output.name : "stdout");
	show_quoted(shell, "colseparator", print->column_separator);
	show_quoted(shell, "rowseparator", print->row_separator);
	show_text(shell, "stats", on_off[shell->shows_stats]);
	buf_printf(&shell->text, "%12s: ", "width");
	for (size_t i = 0; i < print->n_widths; i++)
		buf_printf(&shell->text, "%d ", print->widths[i]);
	buf_add_char(&shell->text, '\n');
	show_text(shell, "filename", shell->socket_path);
	return COMMAND_DONE;
}

static enum command_outcome on_exit_command(struct shell *shell, const struct words *words)
{
	if (words->n > 1)
		shell->exit_status = (int)words_integer(words->word[1]) & 0xff;
	if (shell->exit_status != 0)
		shell->exits = true;
	return COMMAND_EXIT;
}

static enum command_outcome on_quit(struct shell *shell, const struct words *words)
{
	(void)shell;
	(void)words;
	return COMMAND_EXIT;
}

static enum command_outcome on_cd(struct shell *shell, const struct words *words)
{
	(void)shell;
	if (words->n != 2)
		return command_usage(".cd DIRECTORY");
	if (chdir(words->word[1]) == 0)
		return COMMAND_DONE;
	(void)fprintf(stderr, "Cannot change to directory \"%s\"\n", words->word[1]);
	return COMMAND_FAILED;
}

static enum command_outcome on_help(struct shell *shell, const struct words *words)
{
	if (help_show(&shell->text, words->n >= 2 ? words->word[1] : NULL) == 0)
		buf_printf(&shell->text, "Nothing matches '%s'\n", words->word[1]);
	return COMMAND_DONE;
}

const struct command settings_commands[] = {
	{"bail", 3, on_bail, NULL},
	{"binary", 3, on_binary, NULL},
	{"cd", 0, on_cd, NULL},
	{"changes", 3, on_changes, NULL},
	{"echo", 1, on_echo, NULL},
	{"eqp", 1, on_eqp, NULL},
	{"exit", 1, on_exit_command, NULL},
	{"explain", 1, on_explain, NULL},
	{"headers", 1, on_headers, NULL},
	{"help", 1, on_help, NULL},
	{"mode", 1, on_mode, NULL},
	{"nullvalue", 1, on_nullvalue, NULL},
	{"prompt", 1, on_prompt, NULL},
	{"quit", 1, on_quit, NULL},
	{"separator", 2, on_separator, NULL},
	{"show", 3, on_show, NULL},
	{"stats", 2, on_stats, NULL},
	{"timeout", 5, on_timeout, NULL},
	{"timer", 5, on_timer, NULL},
	{"width", 1, on_width, NULL},
	{NULL, 0, NULL, NULL},
};
