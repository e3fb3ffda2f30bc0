/* Commands that lead output and input elsewhere. */
#include "client/command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The arguments of .output, .once and .excel. */
struct output_request {
	char *file; /* owned; NULL: standard output */
	bool has_mark, opens_sheet, opens_editor;
};

static enum command_outcome bad_output_word(
	struct shell *shell, const char *what, const char *word, const char *command)
{
	buf_printf(&shell->text, "ERROR: %s: \"%s\".  Usage:\n", what, word);
	(void)help_show(&shell->text, command);
	return COMMAND_FAILED;
}

static enum command_outcome read_output(
	struct shell *shell, const struct words *words, struct output_request *request)
{
	bool is_excel = request->opens_sheet;

	for (int i = 1; i < words->n; i++) {
		const char *word = words->word[i];

		if (words_is_option(word, "bom")) {
			request->has_mark = true;
		} else if (!is_excel && words_is_option(word, "x")) {
			request->opens_sheet = true;
		} else if (!is_excel && words_is_option(word, "e")) {
			request->opens_editor = true;
		} else if (word[0] == '-') {
			return bad_output_word(shell, "unknown option", word, words->word[0]);
		} else if (request->file != NULL || request->opens_sheet || request->opens_editor) {
			return bad_output_word(shell, "extra parameter", word, words->word[0]);
		} else if (word[0] == '|') {
			/* A pipe's command is the rest of the line. */
			request->file = words_join(words, i);
			break;
		} else {
			request->file = strdup(word);
		}
	}
	return COMMAND_DONE;
}

/* The next result goes into a file that a viewer opens afterwards. */
static bool prepare_viewer(struct shell *shell, struct output_request *request)
{
	if (!output_make_temp(&shell->output, request->opens_sheet ? "csv" : "txt")) {
		(void)fprintf(stderr, "Error: cannot make a temporary file\n");
		return false;
	}
	shell->output.opens_viewer = true;
	shell->print_before = shell->print;
	shell->restores_print = true;
	if (request->opens_sheet) {
		shell->echoes = false;
		print_options_set_mode(&shell->print, PRINT_CSV);
	}
	free(request->file);
	request->file = strdup(shell->output.temp_path);
	return request->file != NULL;
}

static enum command_outcome redirect(
	struct shell *shell, const struct words *words, bool once, struct output_request *request)
{
	enum command_outcome outcome = read_output(shell, words, request);

	if (outcome == COMMAND_FAILED)
		return outcome;
	shell->output.uses = once ? 2 : 0;
	output_reset(&shell->output);
	if ((request->opens_sheet || request->opens_editor) && !prepare_viewer(shell, request))
		return COMMAND_FAILED;
	if (!output_open(&shell->output, request->file != NULL ? request->file : "stdout"))
		return COMMAND_FAILED;
	if (request->has_mark)
		buf_add_text(&shell->text, "\xef\xbb\xbf");
	return outcome;
}

static enum command_outcome on_output(struct shell *shell, const struct words *words)
{
	struct output_request request = {0};
	enum command_outcome outcome = redirect(shell, words, false, &request);

	free(request.file);
	return outcome;
}

static enum command_outcome on_once(struct shell *shell, const struct words *words)
{
	struct output_request request = {0};
	enum command_outcome outcome = redirect(shell, words, true, &request);

	free(request.file);
	return outcome;
}

static enum command_outcome on_excel(struct shell *shell, const struct words *words)
{
	struct output_request request = {.opens_sheet = true};
	enum command_outcome outcome = redirect(shell, words, true, &request);

	free(request.file);
	return outcome;
}

static enum command_outcome on_print(struct shell *shell, const struct words *words)
{
	for (int i = 1; i < words->n; i++) {
		if (i > 1)
			buf_add_char(&shell->text, ' ');
		buf_add_text(&shell->text, words->word[i]);
	}
	buf_add_char(&shell->text, '\n');
	return COMMAND_DONE;
}

/* A file, a device or a named pipe; directories are not read. */
static FILE *open_source(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0 ||
		!(S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode)))
		return NULL;
	return fopen(path, "re");
}

static enum command_outcome on_read(struct shell *shell, const struct words *words)
{
	FILE *in_before = shell->in;
	int line_before = shell->line_number;
	bool is_pipe;
	int failed;

	if (words->n != 2)
		return command_usage(".read FILE");
	is_pipe = words->word[1][0] == '|';
	/* NOLINTNEXTLINE(cert-env33-c): the user's own command */
	shell->in = is_pipe ? popen(words->word[1] + 1, "r") : open_source(words->word[1]);
	if (shell->in == NULL) {
		shell->in = in_before;
		(void)fprintf(stderr, "Error: cannot open \"%s\"\n", words->word[1]);
		return COMMAND_FAILED;
	}
	failed = shell_read_input(shell);
	if (is_pipe)
		(void)pclose(shell->in);
	else
		(void)fclose(shell->in);
	shell->in = in_before;
	shell->line_number = line_before;
	return failed ? COMMAND_FAILED : COMMAND_DONE;
}

static enum command_outcome on_system(struct shell *shell, const struct words *words)
{
	struct buf command = {0};
	int status;

	if (words->n < 2)
		return command_usage(".system COMMAND");
	for (int i = 1; i < words->n; i++) {
		const char *quote = strchr(words->word[i], ' ') != NULL ? "\"" : "";

		buf_printf(&command, "%s%s%s%s", i > 1 ? " " : "", quote, words->word[i], quote);
	}
	buf_add_char(&command, '\0');
	shell_flush(shell);
	(void)fflush(stdout);
	/* NOLINTNEXTLINE(cert-env33-c): the user's own command */
	status = buf_ok(&command) ? system(command.data) : 1;
	buf_fini(&command);
	if (status != 0)
		(void)fprintf(stderr, "System command returns %d\n", status);
	return COMMAND_DONE;
}

static enum command_outcome parameter_help(struct shell *shell)
{
	(void)help_show(&shell->text, "parameter");
	return COMMAND_DONE;
}

static enum command_outcome on_parameter(struct shell *shell, const struct words *words)
{
	const char *verb = words->n > 1 ? words->word[1] : "";
	struct err err = ERR_INIT;

	if (shell->params == NULL && params_new(&shell->params, &err) < 0)
		return command_failed(shell, &err);
	if (words->n == 2 && strcmp(verb, "clear") == 0) {
		params_clear(shell->params);
	} else if (words->n == 2 && strcmp(verb, "list") == 0) {
		params_list(shell->params, &shell->text);
	} else if (words->n == 3 && strcmp(verb, "unset") == 0) {
		params_unset(shell->params, words->word[2]);
	} else if (words->n == 4 && strcmp(verb, "set") == 0) {
		if (params_set(shell->params, words->word[2], words->word[3], &err) < 0)
			return command_failed(shell, &err);
	} else if (words->n != 2 || strcmp(verb, "init") != 0) {
		return parameter_help(shell);
	}
	return COMMAND_DONE;
}

const struct command file_commands[] = {
	{"excel", 0, on_excel, NULL},
	{"output", 1, on_output, NULL},
	{"once", 1, on_once, NULL},
	{"parameter", 3, on_parameter, NULL},
	{"print", 3, on_print, NULL},
	{"read", 3, on_read, NULL},
	{"shell", 2, on_system, NULL},
	{"system", 2, on_system, NULL},
	{NULL, 0, NULL, NULL},
};
