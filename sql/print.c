/*
 * The printer: options, the choice of a mode's form, and the order of the
 * three calls. How a mode looks stands in print_row.c, print_column.c and
 * print_plan.c, how a cell looks in print_cell.c.
 */
#include "sql/print.h"

#include "base/mem.h"
#include "sql/print_form.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mode_row {
	const char *shown;            /* in `.show` and `.mode` */
	const char *column_separator; /* what the choice sets; NULL: left as it is */
	const char *row_separator;
	const struct print_form *form;
	bool is_columnar;
};

static const struct mode_row modes[PRINT_N_MODES] = {
	[PRINT_LIST] = {"list", "|", "\n", &print_list_form, false},
	[PRINT_CSV] = {"csv", ",", "\r\n", &print_csv_form, false},
	[PRINT_TABS] = {"tabs", "\t", NULL, &print_list_form, false},
	[PRINT_JSON] = {"json", NULL, NULL, &print_json_form, false},
	[PRINT_LINE] = {"line", NULL, "\n", &print_line_form, false},
	[PRINT_QUOTE] = {"quote", ",", "\n", &print_quote_form, false},
	[PRINT_ASCII] = {"ascii", "\x1f", "\x1e", &print_ascii_form, false},
	[PRINT_BOX] = {"box", NULL, NULL, &print_column_form, true},
	[PRINT_COLUMN] = {"column", NULL, "\n", &print_column_form, true},
	[PRINT_HTML] = {"html", NULL, NULL, &print_html_form, false},
	[PRINT_INSERT] = {"insert", NULL, NULL, &print_insert_form, false},
	[PRINT_MARKDOWN] = {"markdown", NULL, NULL, &print_column_form, true},
	[PRINT_QBOX] = {"qbox", NULL, NULL, &print_column_form, true},
	[PRINT_TABLE] = {"table", NULL, NULL, &print_column_form, true},
	[PRINT_TCL] = {"tcl", " ", "\n", &print_tcl_form, false},
	[PRINT_COUNT] = {"count", NULL, NULL, &print_count_form, false},
	[PRINT_OFF] = {"off", NULL, NULL, &print_off_form, false},
	[PRINT_EXPLAIN] = {"explain", NULL, NULL, &print_explain_form, false},
	[PRINT_PLAN] = {"eqp", NULL, NULL, &print_plan_form, false},
};

/* In sqlite3's order, so that `.mode c` is column and `.mode t` tcl. */
static const struct {
	const char *name;
	enum print_mode mode;
} choices[] = {
	{"lines", PRINT_LINE},
	{"columns", PRINT_COLUMN},
	{"list", PRINT_LIST},
	{"html", PRINT_HTML},
	{"tcl", PRINT_TCL},
	{"csv", PRINT_CSV},
	{"tabs", PRINT_TABS},
	{"insert", PRINT_INSERT},
	{"quote", PRINT_QUOTE},
	{"ascii", PRINT_ASCII},
	{"markdown", PRINT_MARKDOWN},
	{"table", PRINT_TABLE},
	{"box", PRINT_BOX},
	{"count", PRINT_COUNT},
	{"off", PRINT_OFF},
	{"json", PRINT_JSON},
};

const char *print_mode_name(enum print_mode mode)
{
	return modes[mode].shown;
}

bool print_mode_is_columnar(enum print_mode mode)
{
	return modes[mode].is_columnar;
}

bool print_mode_find(const char *name, enum print_mode *mode)
{
	/* qbox is spelled out, because a prefix of it is quote. */
	if (strcmp(name, "qbox") == 0) {
		*mode = PRINT_QBOX;
		return true;
	}
	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		if (strncmp(name, choices[i].name, strlen(name)) == 0) {
			*mode = choices[i].mode;
			return true;
		}
	}
	return false;
}

void print_options_init(struct print_options *options)
{
	*options = (struct print_options){
		.mode = PRINT_LIST,
		.column_separator = "|",
		.row_separator = "\n",
		.insert_table = "table",
	};
}

void print_options_set_mode(struct print_options *options, enum print_mode mode)
{
	const struct mode_row *row = &modes[mode];

	if (row->column_separator != NULL)
		(void)snprintf(options->column_separator, PRINT_SEPARATOR_BYTES, "%s",
			row->column_separator);
	if (row->row_separator != NULL)
		(void)snprintf(
			options->row_separator, PRINT_SEPARATOR_BYTES, "%s", row->row_separator);
	if (mode == PRINT_COLUMN && !options->headers_set)
		options->headers = true;
	if (row->is_columnar) {
		options->wrap = PRINT_DEFAULT_WRAP;
		options->wordwrap = false;
		options->quote_cells = mode == PRINT_QBOX;
	}
	options->mode = mode;
	if (mode == PRINT_TABS)
		options->mode = PRINT_LIST;
	if (mode == PRINT_QBOX)
		options->mode = PRINT_BOX;
}

struct printer *printer_new(const struct print_options *options)
{
	struct printer *printer = calloc(1, sizeof(*printer));
	int *widths;

	if (printer == NULL)
		return NULL;
	widths = mem_new_array(options->n_widths, sizeof(*widths));
	if (widths == NULL) {
		free(printer);
		return NULL;
	}
	if (options->n_widths > 0)
		memcpy(widths, options->widths, options->n_widths * sizeof(*widths));
	printer->options = *options;
	printer->options.widths = widths;
	return printer;
}

void printer_free(struct printer *printer)
{
	if (printer == NULL)
		return;
	free((void *)(uintptr_t)printer->options.widths);
	free(printer->names);
	free(printer->continues);
	free(printer->rest);
	free(printer->has_text);
	buf_fini(&printer->scratch);
	grid_fini(&printer->grid);
	free(printer);
}

/* One block: the pointers, then the texts they point to. */
static const char **copy_names(const char *const *names, size_t n)
{
	size_t bytes = n * sizeof(char *);
	const char **copy;
	char *at;

	for (size_t i = 0; i < n; i++)
		bytes += strlen(names[i]) + 1;
	copy = malloc(bytes > 0 ? bytes : 1);
	if (copy == NULL)
		return NULL;
	at = (char *)(copy + n);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]) + 1;

		memcpy(at, names[i], len);
		copy[i] = at;
		at += len;
	}
	return copy;
}

static const struct print_form *form_of(const struct printer *printer)
{
	return modes[printer->options.mode].form;
}

int print_begin(struct printer *printer, const char *const *names, size_t n, struct buf *out,
	struct err *err)
{
	const char **copy = copy_names(names, n);
	struct text *rest = mem_new_array(n, sizeof(*rest));
	bool *has_text = mem_new_array(n, sizeof(*has_text));

	(void)out; /* sqlite3 writes a header with the first row, never without one */
	if (copy == NULL || rest == NULL || has_text == NULL) {
		free(copy);
		free(rest);
		free(has_text);
		return err_nomem(err);
	}
	free(printer->names);
	free(printer->rest);
	free(printer->has_text);
	printer->names = copy;
	printer->rest = rest;
	printer->has_text = has_text;
	printer->n = n;
	printer->n_rows = 0;
	printer->has_long_rows = false;
	grid_clear(&printer->grid);
	return 0;
}

int print_row(struct printer *printer, const struct value *values, struct buf *out, struct err *err)
{
	assert(printer->names != NULL);
	form_of(printer)->row(printer, values, out);
	printer->n_rows++;
	if (!buf_ok(out) || printer->grid.failed)
		return err_nomem(err);
	return 0;
}

int print_end(struct printer *printer, struct buf *out, struct err *err)
{
	if (form_of(printer)->end != NULL)
		form_of(printer)->end(printer, out);
	if (!buf_ok(out) || printer->grid.failed)
		return err_nomem(err);
	grid_clear(&printer->grid);
	return 0;
}

void grid_clear(struct grid *grid)
{
	buf_clear(&grid->bytes);
	grid->n_cells = 0;
	grid->failed = false;
}

void grid_fini(struct grid *grid)
{
	buf_fini(&grid->bytes);
	free(grid->starts);
	*grid = (struct grid){0};
}

void grid_add(struct grid *grid, struct text text)
{
	if (!mem_grow(&grid->starts, &grid->cap, grid->n_cells + 2, sizeof(size_t))) {
		grid->failed = true;
		return;
	}
	grid->starts[grid->n_cells] = grid->bytes.len;
	buf_add(&grid->bytes, text.bytes, text.len);
	grid->n_cells++;
	grid->starts[grid->n_cells] = grid->bytes.len;
	if (!buf_ok(&grid->bytes))
		grid->failed = true;
}

struct text grid_cell(const struct grid *grid, size_t i)
{
	assert(i < grid->n_cells);
	return (struct text){
		grid->bytes.data + grid->starts[i], grid->starts[i + 1] - grid->starts[i]};
}

size_t print_length(struct text text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.bytes[i] & 0xc0) != 0x80;
	return n;
}

void print_add_repeated(struct buf *out, const char *piece, size_t n)
{
	size_t len = strlen(piece);

	while (n-- > 0)
		buf_add(out, piece, len);
}

void print_add_padded(struct buf *out, struct text text, int width)
{
	size_t wanted = (size_t)(width < 0 ? -(long)width : width);
	size_t n = 0;
	size_t i = 0;

	/* A stray continuation byte belongs to the character before it, as in the shell. */
	while (i < text.len) {
		bool starts = ((unsigned char)text.bytes[i] & 0xc0) != 0x80;

		if (starts && wanted > 0 && n == wanted)
			break;
		n += starts;
		i++;
	}
	if (width < 0 && n < wanted)
		print_add_repeated(out, " ", wanted - n);
	buf_add(out, text.bytes, i);
	if (width > 0 && n < wanted)
		print_add_repeated(out, " ", wanted - n);
}
