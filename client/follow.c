/*
 * A subscription: the rows of a statement, then each change of them as it
 * comes, one line each, with the kind of change in front. In JSON mode each
 * line is an object of its own, because the array would never end.
 */
#include "client/actions.h"

#include "base/mem.h"
#include "client/interrupt.h"
#include "sql/print_cell.h"

#include <stdlib.h>
#include <string.h>

struct following {
	struct shell *shell;
	struct printer *printer; /* NULL in JSON mode */
	const char **names;      /* "change", then the statement's, copied */
	struct buf name_text;
	size_t n; /* with the first */
	struct value *cells;
};

static int start_printer(struct following *following, struct err *err)
{
	struct print_options print = following->shell->print;

	if (print.mode == PRINT_JSON)
		return 0;
	/* Modes that need the whole result first have none here. */
	if (following->shell->display != DISPLAY_PRINT || print_mode_is_columnar(print.mode)) {
		print_options_set_mode(&print, PRINT_LIST);
		print.headers = true;
	}
	following->printer = printer_new(&print);
	if (following->printer == NULL)
		return err_nomem(err);
	return print_begin(
		following->printer, following->names, following->n, &following->shell->text, err);
}

static int on_columns(void *context, const char *const *names, const char *const *types, size_t n,
	struct err *err)
{
	struct following *following = context;
	size_t at = 0;

	(void)types;
	following->n = n + 1;
	following->names = mem_new_array(n + 1, sizeof(*following->names));
	following->cells = mem_new_array(n + 1, sizeof(*following->cells));
	for (size_t i = 0; i < n; i++)
		buf_add(&following->name_text, names[i], strlen(names[i]) + 1);
	if (following->names == NULL || following->cells == NULL || !buf_ok(&following->name_text))
		return err_nomem(err);
	following->names[0] = "change";
	for (size_t i = 0; i < n; i++) {
		following->names[i + 1] = following->name_text.data + at;
		at += strlen(following->names[i + 1]) + 1;
	}
	return start_printer(following, err);
}

static void add_object(struct following *following)
{
	struct buf *out = &following->shell->text;

	for (size_t i = 0; i < following->n; i++) {
		buf_add_char(out, i > 0 ? ',' : '{');
		cell_add_json_string(out, following->names[i], strlen(following->names[i]));
		buf_add_char(out, ':');
		cell_add_json(out, &following->cells[i]);
	}
	buf_add_text(out, "}\n");
}

static int add_line(struct following *following, const char *op, const struct value *cells,
	size_t n, struct err *err)
{
	following->cells[0] = (struct value){.type = VALUE_TEXT, .data = op, .len = strlen(op)};
	memcpy(following->cells + 1, cells, n * sizeof(*cells));
	if (following->printer != NULL)
		return print_row(
			following->printer, following->cells, &following->shell->text, err);
	add_object(following);
	return 0;
}

static int on_row(void *context, const struct value *cells, size_t n, struct err *err)
{
	return add_line(context, "insert", cells, n, err);
}

static int flush(struct following *following, struct err *err)
{
	struct shell *shell = following->shell;

	if (shell->text.len == 0)
		return 0;
	if (!output_write(&shell->output, &shell->text) || fflush(shell->output.file) != 0)
		return err_set(err, ERR_IO, "nobody reads the output any more");
	return 0;
}

static int on_change(void *context, const char *op, const struct value *cells, size_t n,
	uint64_t snapshot, struct err *err)
{
	(void)snapshot;
	if (op[0] == '\0')
		return flush(context, err);
	return add_line(context, op, cells, n, err);
}

/* The first rows are shown as soon as they are all there. */
static int on_tick(void *context, struct err *err)
{
	return flush(context, err);
}

bool follow_run(struct shell *shell, const char *sql)
{
	struct following following = {.shell = shell};
	const struct query_handler handler = {.context = &following,
		.columns = on_columns,
		.row = on_row,
		.change = on_change,
		.tick = on_tick,
		.idle_ms = 100};
	struct answer answer = {0};
	struct err err = ERR_INIT;
	struct buf text = {0};
	int rc;

	buf_printf(&text, "SUBSCRIBE %s", sql);
	rc = buf_ok(&text) ? shell_connect(shell, &err) : err_nomem(&err);
	if (rc == 0)
		rc = query_run(shell->connection,
			&(struct query){.sql = text.data, .len = text.len}, &handler, &answer,
			&err);
	shell_flush(shell);
	if (rc < 0 && rc != ERR_SQL)
		shell_disconnect(shell);
	/* Ctrl-C is the way to end it. */
	if (interrupt_count() > 0)
		rc = 0;
	interrupt_clear();
	if (rc < 0)
		(void)fprintf(stderr, "Error: %s\n", err.text);
	printer_free(following.printer);
	free(following.names);
	free(following.cells);
	buf_fini(&following.name_text);
	buf_fini(&text);
	return rc == 0;
}

int action_follow(struct shell *shell, const struct options *options)
{
	return follow_run(shell, options->follow) ? 0 : 1;
}
