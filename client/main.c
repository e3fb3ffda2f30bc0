/*
 * The client's life, from its options to its exit status: the start-up file,
 * the settings of the command line, then one action.
 */
#include "client/actions.h"
#include "client/complete.h"
#include "client/interrupt.h"
#include "client/line.h"
#include "client/options.h"
#include "client/shell.h"
#include "client/words.h"

#include "base/file.h"

#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MONITORING_TIMEOUT_MS 10000

/* $VARIABLE/rest, or ~/otherwise; false when neither is known. */
static bool user_path(char *path, const char *variable, const char *rest, const char *otherwise)
{
	const char *base = getenv(variable);
	const char *home = getenv("HOME");

	if (base != NULL && base[0] == '/') {
		(void)snprintf(path, PATH_MAX, "%s/%s", base, rest);
		return true;
	}
	if (home == NULL || home[0] == '\0')
		return false;
	(void)snprintf(path, PATH_MAX, "%s/%s", home, otherwise);
	return true;
}

/* Returns false when the file has errors and -bail says to stop. */
static bool read_start_file(struct shell *shell, const char *named)
{
	char path[PATH_MAX] = "";
	FILE *in_before = shell->in;
	bool stops = false;

	if (named != NULL)
		(void)snprintf(path, sizeof(path), "%s", named);
	else if (!user_path(path, "XDG_CONFIG_HOME", "tally/tallyrc", ".config/tally/tallyrc") ||
		 access(path, R_OK) != 0)
		(void)!user_path(path, "", "", ".tallyrc");
	shell->in = path[0] != '\0' ? fopen(path, "re") : NULL;
	if (shell->in != NULL) {
		if (shell->is_interactive)
			(void)fprintf(stderr, "-- Loading resources from %s\n", path);
		stops = shell_read_input(shell) != 0 && shell->bails;
		(void)fclose(shell->in);
	} else if (named != NULL) {
		(void)fprintf(stderr, "cannot open: \"%s\"\n", named);
		stops = shell->bails;
	}
	shell->in = in_before;
	shell->line_number = 0;
	return !stops;
}

/*
 * A mode as an option sets less than `.mode` does:
 * sqlite3's -csv leaves the row separator alone.
 */
static void set_mode(struct shell *shell, const char *name)
{
	enum print_mode mode = PRINT_LIST;
	const char *separator = NULL;

	shell->display = DISPLAY_PRINT;
	if (strcmp(name, "chart") == 0) {
		shell->display = DISPLAY_CHART;
		return;
	}
	if (strcmp(name, "tabs") == 0 || strcmp(name, "ascii") == 0 || strcmp(name, "quote") == 0) {
		(void)print_mode_find(name, &mode);
		print_options_set_mode(&shell->print, mode);
		if (mode == PRINT_TABS)
			(void)snprintf(
				shell->print.row_separator, PRINT_SEPARATOR_BYTES, "%s", "\n");
		return;
	}
	if (strcmp(name, "csv") == 0)
		separator = ",";
	if (separator != NULL)
		(void)snprintf(
			shell->print.column_separator, PRINT_SEPARATOR_BYTES, "%s", separator);
	(void)print_mode_find(name, &mode);
	shell->print.mode = mode;
}

/* -cmd. Returns the exit status to leave with, or -1 to go on. */
static int run_cmd(struct shell *shell, const char *text)
{
	struct buf failure = {0};
	int status;

	if (text[0] == '.') {
		enum command_outcome outcome = shell_command(shell, text);

		if (shell->exits)
			return shell->exit_status;
		return outcome != COMMAND_DONE && shell->bails ? outcome == COMMAND_FAILED : -1;
	}
	status = shell_run(shell, text, &failure);
	buf_add_char(&failure, '\0');
	if (status != 0)
		(void)fprintf(
			stderr, "Error: %s\n", buf_ok(&failure) ? failure.data : "out of memory");
	buf_fini(&failure);
	return status != 0 && (shell->bails || shell->is_gone) ? status : -1;
}

/* Returns the exit status to leave with, or -1 to go on. */
static int apply_option(struct shell *shell, const struct option_word *word)
{
	struct print_options *print = &shell->print;

	switch (word->id) {
	case OPTION_MODE: set_mode(shell, word->name); break;
	case OPTION_SEPARATOR:
		(void)snprintf(print->column_separator, PRINT_SEPARATOR_BYTES, "%s", word->value);
		break;
	case OPTION_NEWLINE:
		(void)snprintf(print->row_separator, PRINT_SEPARATOR_BYTES, "%s", word->value);
		break;
	case OPTION_NULLVALUE:
		(void)snprintf(print->null_text, PRINT_SEPARATOR_BYTES, "%s", word->value);
		break;
	case OPTION_HEADER:
	case OPTION_NOHEADER:
		print->headers = word->id == OPTION_HEADER;
		print->headers_set = true;
		break;
	case OPTION_ECHO: shell->echoes = true; break;
	case OPTION_EQP: shell->eqp = EQP_ON; break;
	case OPTION_EQPFULL: shell->eqp = EQP_FULL; break;
	case OPTION_STATS: shell->shows_stats = true; break;
	case OPTION_TIMEOUT:
		shell->timeout_ms = words_integer(word->value);
		if (words_is_number(word->value))
			break;
		(void)fprintf(stderr,
			"%s: Error: -timeout needs a number of milliseconds, not \"%s\"\n",
			shell->program, word->value);
		return 1;
	case OPTION_INTERACTIVE: shell->is_interactive = true; break;
	case OPTION_BATCH: shell->is_interactive = false; break;
	case OPTION_CMD: return run_cmd(shell, word->value);
	case OPTION_REFUSED:
		(void)fprintf(stderr,
			"%s: Error: %s does not work at a distance: it is for a database file or "
			"the library that opens it\nUse -help for a list of options.\n",
			shell->program, word->shown);
		return 1;
	case OPTION_UNKNOWN:
		(void)fprintf(stderr,
			"%s: Error: unknown option: %s\nUse -help for a list of options.\n",
			shell->program, word->shown);
		return 1;
	default: break;
	}
	return -1;
}

/* The second walk over the command line. */
static int apply_options(struct shell *shell, int argc, char **argv)
{
	for (int i = 1; i < argc;) {
		struct option_word word;
		int status;

		if (!options_next(argc, argv, &i, &word))
			return 1;
		status = apply_option(shell, &word);
		if (status >= 0)
			return status;
	}
	return -1;
}

/* The arguments behind the socket, one after the other until one fails. */
static int run_texts(struct shell *shell, const struct options *options)
{
	for (int i = 0; i < options->n_texts; i++) {
		struct buf failure = {0};
		int status;

		if (options->texts[i][0] == '.') {
			enum command_outcome outcome = shell_command(shell, options->texts[i]);

			if (shell->exits)
				return shell->exit_status;
			if (outcome != COMMAND_DONE)
				return outcome == COMMAND_FAILED;
			continue;
		}
		status = shell_run(shell, options->texts[i], &failure);
		buf_add_char(&failure, '\0');
		if (status != 0)
			(void)fprintf(stderr, "Error: %s\n",
				buf_ok(&failure) ? failure.data : "out of memory");
		buf_fini(&failure);
		if (status != 0)
			return status;
	}
	return 0;
}

static void greet(struct shell *shell)
{
	struct result version = {0};
	struct err err = ERR_INIT;

	(void)printf("tally %s\nEnter \".help\" for usage hints.\n", PACKAGE_VERSION);
	if (shell_ask(shell, "SELECT tally_version()", &version, &err) == 0 && version.n_rows == 1)
		(void)printf("Connected to tallyd %s at %s\n", result_text(&version, 0, 0),
			shell->socket_path);
	else if (shell->connection == NULL)
		(void)fprintf(stderr, "Error: %s\n", err.text);
	result_fini(&version);
}

static void open_editor(struct shell *shell)
{
	char path[PATH_MAX] = "";
	struct err err = ERR_INIT;
	char *slash;

	if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0)
		return;
	if (user_path(path, "XDG_STATE_HOME", "tally/history", ".local/state/tally/history")) {
		slash = strrchr(path, '/');
		*slash = '\0';
		if (file_make_dirs(path, 0700, &err) < 0)
			path[0] = '\0';
		else
			*slash = '/';
	}
	if (line_editor_new(
		    &shell->editor, path[0] != '\0' ? path : NULL, complete_word, shell, &err) < 0)
		(void)fprintf(stderr, "Error: %s\n", err.text);
}

static int run_shell(struct shell *shell, const struct options *options)
{
	int status;

	if (options->n_texts > 0)
		return run_texts(shell, options);
	if (!shell->is_interactive) {
		shell->in = stdin;
		status = shell_read_input(shell);
		return shell->exits ? shell->exit_status : status;
	}
	/* The pager may be left and a pipe may break; neither ends the shell. */
	(void)signal(SIGPIPE, SIG_IGN);
	shell->output.may_page = true;
	greet(shell);
	open_editor(shell);
	shell->in = NULL;
	status = shell_read_input(shell);
	return shell->exits ? shell->exit_status : status;
}

/* Whoever asks by the clock must not wait for a daemon that hangs. */
static int run_bounded(struct shell *shell, const struct options *options,
	int (*action)(struct shell *shell, const struct options *options))
{
	if (shell->timeout_ms == 0)
		shell->timeout_ms = MONITORING_TIMEOUT_MS;
	return action(shell, options);
}

static int run_action(struct shell *shell, const struct options *options)
{
	switch (options->action) {
	case ACTION_WATCH: return action_watch(shell, options);
	case ACTION_FOLLOW: return action_follow(shell, options);
	case ACTION_PING: return run_bounded(shell, options, action_ping);
	case ACTION_CHECK: return run_bounded(shell, options, action_check);
	case ACTION_PROMETHEUS: return run_bounded(shell, options, action_prometheus);
	case ACTION_VERIFY: return action_verify(shell);
	default: return run_shell(shell, options);
	}
}

static int run(struct shell *shell, const struct options *options, int argc, char **argv)
{
	int status;

	shell->bails = options->bails;
	shell->is_interactive = isatty(STDIN_FILENO) != 0 && !options->is_batch;
	if (isatty(STDOUT_FILENO) != 0)
		shell->display = DISPLAY_AUTO;
	if (options->socket != NULL)
		(void)snprintf(
			shell->socket_path, sizeof(shell->socket_path), "%s", options->socket);
	interrupt_start();
	/* Plugins and exporters must not depend on what a user has at home. */
	if (options->action <= ACTION_FOLLOW && !read_start_file(shell, options->init_file))
		return 1;
	status = apply_options(shell, argc, argv);
	return status >= 0 ? status : run_action(shell, options);
}

int main(int argc, char **argv)
{
	struct options options = {0};
	struct shell shell;
	int status;

	(void)setlocale(LC_CTYPE, "");
	(void)setvbuf(stderr, NULL, _IONBF, 0);
	options.texts = calloc((size_t)argc + 1, sizeof(*options.texts));
	if (options.texts == NULL)
		return 1;
	if (!options_scan(&options, argc, argv)) {
		free(options.texts);
		return 1;
	}
	shell_init(&shell, argv[0]);
	if (options.action == ACTION_HELP) {
		(void)fputs(options_help, stdout);
		status = 0;
	} else if (options.action == ACTION_VERSION) {
		(void)printf("tally %s\n", PACKAGE_VERSION);
		status = 0;
	} else {
		status = run(&shell, &options, argc, argv);
	}
	shell_fini(&shell);
	free(options.texts);
	/* Of a write that failed before there may be nothing left to flush. */
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		if (status == 0)
			(void)fprintf(
				stderr, "Error: standard output took only a part of the answer\n");
		shell.output.has_lost = true;
	}
	if (shell.output.has_lost && status == 0)
		status = 1;
	return status;
}
