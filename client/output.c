/*
 * A result on the terminal of an interactive shell is held until it is longer
 * than the screen; then the pager takes it and all that follows.
 */
#include "client/output.h"

#include "client/interrupt.h"
#include "client/terminal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void output_init(struct output *output)
{
	*output = (struct output){.file = stdout};
}

void output_fini(struct output *output)
{
	output_end(output);
	output_reset(output);
	output_clear_temp(output);
	buf_fini(&output->held);
}

bool output_is_terminal(const struct output *output)
{
	return output->file == stdout && isatty(STDOUT_FILENO) != 0;
}

bool output_is_file(const struct output *output)
{
	return output->file != stdout && output->file != stderr && output->name[0] != '|';
}

static bool write_file(struct output *output, FILE *file, const struct buf *text)
{
	if (text->len > 0 && fwrite(text->data, 1, text->len, file) != text->len) {
		output->failed = true;
		output->sys_errno = errno;
	}
	return !output->failed;
}

/* Lines of the text as a terminal of this width folds them. */
static int count_lines(const struct buf *text, int columns)
{
	size_t from = 0;
	int n = 0;

	for (size_t i = 0; i < text->len; i++) {
		if (text->data[i] != '\n')
			continue;
		n += 1 + (int)((terminal_width(text->data + from, i - from) + (size_t)columns - 1) /
				 (size_t)columns);
		if (i > from)
			n--;
		from = i + 1;
	}
	return n;
}

static void start_pager(struct output *output)
{
	const char *command = output->pager != NULL ? output->pager : getenv("PAGER");

	if (command == NULL || command[0] == '\0')
		command = "less";
	(void)setenv("LESS", "FRX", 0);
	(void)fflush(stdout);
	output->pipe = popen(command, "w"); /* NOLINT(cert-env33-c): the user's own pager */
}

bool output_write(struct output *output, struct buf *text)
{
	struct terminal terminal;

	if (!output->holds) {
		(void)write_file(output, output->file, text);
	} else if (output->pipe != NULL) {
		(void)write_file(output, output->pipe, text);
	} else {
		terminal_measure(&terminal, STDOUT_FILENO);
		output->n_lines += count_lines(text, terminal.columns);
		buf_add(&output->held, text->data, text->len);
		if (output->n_lines >= terminal.rows) {
			start_pager(output);
			(void)write_file(output, output->pipe != NULL ? output->pipe : output->file,
				&output->held);
			buf_clear(&output->held);
			output->holds = output->pipe != NULL;
		}
	}
	buf_clear(text);
	return !output->failed;
}

void output_flush(struct output *output)
{
	if (fflush(output->file) == 0)
		return;
	output->failed = true;
	output->sys_errno = errno;
}

void output_begin(struct output *output)
{
	struct terminal terminal;

	terminal_measure(&terminal, STDOUT_FILENO);
	output->failed = false;
	output->n_lines = 0;
	output->holds = output->may_page && output_is_terminal(output) && terminal.has_cursor;
}

void output_end(struct output *output)
{
	if (output->holds && output->pipe == NULL)
		(void)write_file(output, output->file, &output->held);
	buf_clear(&output->held);
	if (output->pipe != NULL) {
		(void)pclose(output->pipe);
		/* A Ctrl-C while the pager had the terminal was meant for it. */
		interrupt_clear();
		output->pipe = NULL;
	}
	output->holds = false;
}

void output_clear_temp(struct output *output)
{
	if (output->temp_path[0] != '\0' && !output->opens_viewer) {
		(void)unlink(output->temp_path);
		output->temp_path[0] = '\0';
	}
}

bool output_make_temp(struct output *output, const char *suffix)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	output_clear_temp(output);
	(void)snprintf(output->temp_path, sizeof(output->temp_path), "%s/tally-XXXXXX.%s",
		dir != NULL && dir[0] != '\0' ? dir : "/tmp", suffix);
	fd = mkstemps(output->temp_path, (int)strlen(suffix) + 1);
	if (fd < 0) {
		output->temp_path[0] = '\0';
		return false;
	}
	(void)close(fd);
	return true;
}

static void open_viewer(struct output *output)
{
	char command[PATH_MAX + 16];

	(void)snprintf(command, sizeof(command), "xdg-open %s", output->temp_path);
	if (system(command) != 0) /* NOLINT(cert-env33-c): the user's own viewer */
		(void)fprintf(stderr, "Failed: [%s]\n", command);
	else
		/* The viewer reads the file after the command has returned. */
		(void)sleep(2);
	output->opens_viewer = false;
}

/* The last bytes of a file are written when it is closed. */
static void close_file(struct output *output)
{
	bool is_broken = ferror(output->file) != 0;
	bool is_closed = fclose(output->file) == 0;

	if (is_closed && !is_broken)
		return;
	(void)fprintf(stderr, "Error: \"%s\" is not whole: %s\n", output->name,
		strerror(is_broken ? output->sys_errno : errno));
	output->has_lost = true;
}

void output_reset(struct output *output)
{
	if (output->name[0] == '|')
		(void)pclose(output->file);
	else if (output_is_file(output))
		close_file(output);
	if (output->opens_viewer)
		open_viewer(output);
	output->name[0] = '\0';
	output->file = stdout;
}

bool output_open(struct output *output, const char *name)
{
	FILE *file = NULL;

	if (name[0] == '|') {
		(void)fflush(stdout);
		file = popen(name + 1, "w"); /* NOLINT(cert-env33-c): the user's own command */
		if (file == NULL)
			(void)fprintf(stderr, "Error: cannot open pipe \"%s\"\n", name + 1);
	} else if (strcmp(name, "stdout") == 0) {
		file = stdout;
	} else if (strcmp(name, "stderr") == 0) {
		file = stderr;
	} else if (strcmp(name, "off") != 0) {
		file = fopen(name, "we");
		if (file == NULL) {
			(void)fprintf(stderr, "Error: cannot open \"%s\"\n", name);
			(void)fprintf(stderr, "Error: cannot write to \"%s\"\n", name);
		}
	}
	if (file == NULL)
		return false;
	output->file = file;
	(void)snprintf(output->name, sizeof(output->name), "%s", name);
	return true;
}
