/*
 * The modes that write each row at once and hold nothing. In all of them the
 * header comes with the first row, so an empty result prints nothing.
 */
#include "sql/print_form.h"

#include <inttypes.h>
#include <string.h>

static bool is_first_with_headers(const struct printer *printer)
{
	return printer->n_rows == 0 && printer->options.headers;
}

/* The value as text, NULL as .nullvalue says. */
static struct text shown(
	const struct printer *printer, const struct value *value, char number[CELL_NUMBER_BYTES])
{
	struct text text = cell_text(value, number);

	if (text.bytes == NULL)
		return text_of(printer->options.null_text);
	return text;
}

static void add_separator(const struct printer *printer, size_t column, struct buf *out)
{
	if (column + 1 < printer->n)
		buf_add_text(out, printer->options.column_separator);
	else
		buf_add_text(out, printer->options.row_separator);
}

static void list_row(struct printer *printer, const struct value *values, struct buf *out)
{
	char number[CELL_NUMBER_BYTES];

	if (is_first_with_headers(printer)) {
		for (size_t i = 0; i < printer->n; i++) {
			buf_add_text(out, printer->names[i]);
			add_separator(printer, i, out);
		}
	}
	for (size_t i = 0; i < printer->n; i++) {
		struct text text = shown(printer, &values[i], number);

		buf_add(out, text.bytes, text.len);
		add_separator(printer, i, out);
	}
}

static void csv_row(struct printer *printer, const struct value *values, struct buf *out)
{
	const char *separator = printer->options.column_separator;
	char number[CELL_NUMBER_BYTES];

	if (is_first_with_headers(printer)) {
		for (size_t i = 0; i < printer->n; i++) {
			cell_add_csv(out, text_of(printer->names[i]), separator);
			add_separator(printer, i, out);
		}
	}
	for (size_t i = 0; i < printer->n; i++) {
		struct text text = cell_text(&values[i], number);

		if (text.bytes == NULL)
			buf_add_text(out, printer->options.null_text);
		else
			cell_add_csv(out, text, separator);
		add_separator(printer, i, out);
	}
}

static void json_row(struct printer *printer, const struct value *values, struct buf *out)
{
	buf_add_text(out, printer->n_rows == 0 ? "[{" : ",\n{");
	for (size_t i = 0; i < printer->n; i++) {
		if (i > 0)
			buf_add_char(out, ',');
		cell_add_json_string(out, printer->names[i], strlen(printer->names[i]));
		buf_add_char(out, ':');
		cell_add_json(out, &values[i]);
	}
	buf_add_char(out, '}');
}

static void json_end(struct printer *printer, struct buf *out)
{
	if (printer->n_rows > 0)
		buf_add_text(out, "]\n");
}

static void line_row(struct printer *printer, const struct value *values, struct buf *out)
{
	char number[CELL_NUMBER_BYTES];
	size_t width = 5;

	for (size_t i = 0; i < printer->n; i++) {
		if (strlen(printer->names[i]) > width)
			width = strlen(printer->names[i]);
	}
	if (printer->n_rows > 0)
		buf_add_text(out, printer->options.row_separator);
	for (size_t i = 0; i < printer->n; i++) {
		struct text text = shown(printer, &values[i], number);

		/* Bytes, not characters: the one place where the shell pads so. */
		print_add_repeated(out, " ", width - strlen(printer->names[i]));
		buf_add_text(out, printer->names[i]);
		buf_add_text(out, " = ");
		buf_add(out, text.bytes, text.len);
		buf_add_text(out, printer->options.row_separator);
	}
}

static void quote_row(struct printer *printer, const struct value *values, struct buf *out)
{
	if (is_first_with_headers(printer)) {
		for (size_t i = 0; i < printer->n; i++) {
			cell_add_sql_string(out, text_of(printer->names[i]));
			add_separator(printer, i, out);
		}
	}
	for (size_t i = 0; i < printer->n; i++) {
		cell_add_quote(out, &values[i]);
		add_separator(printer, i, out);
	}
}

static void html_row(struct printer *printer, const struct value *values, struct buf *out)
{
	char number[CELL_NUMBER_BYTES];

	if (is_first_with_headers(printer)) {
		buf_add_text(out, "<TR>");
		for (size_t i = 0; i < printer->n; i++) {
			buf_add_text(out, "<TH>");
			cell_add_html(out, text_of(printer->names[i]));
			buf_add_text(out, "</TH>\n");
		}
		buf_add_text(out, "</TR>\n");
	}
	buf_add_text(out, "<TR>");
	for (size_t i = 0; i < printer->n; i++) {
		buf_add_text(out, "<TD>");
		cell_add_html(out, shown(printer, &values[i], number));
		buf_add_text(out, "</TD>\n");
	}
	buf_add_text(out, "</TR>\n");
}

static void insert_row(struct printer *printer, const struct value *values, struct buf *out)
{
	buf_add_text(out, "INSERT INTO ");
	cell_add_identifier(out, printer->options.insert_table);
	if (printer->options.headers) {
		for (size_t i = 0; i < printer->n; i++) {
			buf_add_char(out, i > 0 ? ',' : '(');
			cell_add_identifier(out, printer->names[i]);
		}
		buf_add_char(out, ')');
	}
	for (size_t i = 0; i < printer->n; i++) {
		buf_add_text(out, i > 0 ? "," : " VALUES(");
		cell_add_insert(out, &values[i], printer->options.keep_newlines);
	}
	buf_add_text(out, ");\n");
}

static void tcl_row(struct printer *printer, const struct value *values, struct buf *out)
{
	char number[CELL_NUMBER_BYTES];

	if (is_first_with_headers(printer)) {
		for (size_t i = 0; i < printer->n; i++) {
			cell_add_c(out, text_of(printer->names[i]));
			add_separator(printer, i, out);
		}
	}
	for (size_t i = 0; i < printer->n; i++) {
		cell_add_c(out, shown(printer, &values[i], number));
		add_separator(printer, i, out);
	}
}

static void count_row(struct printer *printer, const struct value *values, struct buf *out)
{
	(void)printer;
	(void)values;
	(void)out;
}

static void count_end(struct printer *printer, struct buf *out)
{
	if (printer->n_rows > 0)
		buf_printf(out, "%" PRIu64 " row%s\n", printer->n_rows,
			printer->n_rows != 1 ? "s" : "");
}

const struct print_form print_list_form = {list_row, NULL};
const struct print_form print_csv_form = {csv_row, NULL};
const struct print_form print_json_form = {json_row, json_end};
const struct print_form print_line_form = {line_row, NULL};
const struct print_form print_quote_form = {quote_row, NULL};
/* ascii is list with other separators. */
const struct print_form print_ascii_form = {list_row, NULL};
const struct print_form print_html_form = {html_row, NULL};
const struct print_form print_insert_form = {insert_row, NULL};
const struct print_form print_tcl_form = {tcl_row, NULL};
const struct print_form print_count_form = {count_row, count_end};
const struct print_form print_off_form = {count_row, NULL};
