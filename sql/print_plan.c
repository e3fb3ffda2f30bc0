/*
 * EXPLAIN: the program as columns with the bodies of its loops indented, and
 * EXPLAIN QUERY PLAN as a tree. Both are short and need the whole first.
 */
#include "sql/print_form.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define N_EXPLAIN 8

static const char *const explain_names[N_EXPLAIN] = {
	"addr", "opcode", "p1", "p2", "p3", "p4", "p5", "comment"};
static const int explain_widths[N_EXPLAIN] = {4, 13, 4, 4, 4, 13, 2, 13};

static void held_row(struct printer *printer, const struct value *values, struct buf *out)
{
	char number[CELL_NUMBER_BYTES];

	(void)out;
	for (size_t i = 0; i < printer->n; i++) {
		struct text text = cell_text(&values[i], number);

		if (text.bytes == NULL)
			text = text_of(printer->options.null_text);
		grid_add(&printer->grid, text);
	}
}

static bool is_one_of(struct text text, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (text.len == strlen(names[i]) && memcmp(text.bytes, names[i], text.len) == 0)
			return true;
	}
	return false;
}

static long cell_integer(const struct printer *printer, size_t row, size_t column)
{
	struct text text = grid_cell(&printer->grid, row * printer->n + column);
	char digits[24] = "";

	memcpy(digits, text.bytes, text.len < 23 ? text.len : 23);
	return strtol(digits, NULL, 10);
}

static struct text opcode(const struct printer *printer, size_t row)
{
	return grid_cell(&printer->grid, row * printer->n + 1);
}

static bool is_program(const struct printer *printer)
{
	if (printer->n != N_EXPLAIN)
		return false;
	for (size_t i = 0; i < N_EXPLAIN; i++) {
		if (strcmp(printer->names[i], explain_names[i]) != 0)
			return false;
	}
	return true;
}

/*
 * Blanks before each opcode: what lies between a jump back and its target is a
 * loop's body. A Goto counts when its target begins a loop or its P1 says so.
 */
static void indent_loops(const struct printer *printer, size_t *indents, size_t n_rows)
{
	static const char *const next[] = {
		"Next", "Prev", "VPrev", "VNext", "SorterNext", "Return"};
	static const char *const begin[] = {"Yield", "SeekLT", "SeekGT", "RowSetRead", "Rewind"};

	for (size_t row = 0; row < n_rows; row++) {
		/* In a sub-program addresses begin anew, so the target is relative to this row. */
		long target =
			cell_integer(printer, row, 3) + (long)row - cell_integer(printer, row, 0);
		bool loops = is_one_of(opcode(printer, row), next, 6) && target > 0;

		if (is_one_of(opcode(printer, row), (const char *const[]){"Goto"}, 1) &&
			target >= 0 && target <= (long)row)
			loops = is_one_of(opcode(printer, (size_t)target), begin, 5) ||
				cell_integer(printer, row, 2) != 0;
		for (long i = target; loops && i < (long)row; i++)
			indents[i] += 2;
	}
}

static void explain_header(const struct printer *printer, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		print_add_padded(out, text_of(printer->names[i]), explain_widths[i]);
		buf_add_text(out, i + 1 < n ? "  " : "\n");
	}
	for (size_t i = 0; i < n; i++) {
		print_add_repeated(out, "-", (size_t)explain_widths[i]);
		buf_add_text(out, i + 1 < n ? "  " : "\n");
	}
}

static void explain_line(
	const struct printer *printer, size_t row, size_t n, size_t indent, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		struct text text = grid_cell(&printer->grid, row * printer->n + i);
		int width = i + 1 < n ? explain_widths[i] : 0;

		if (print_length(text) > (size_t)width)
			width = (int)print_length(text);
		if (i == 1)
			print_add_repeated(out, " ", indent);
		print_add_padded(out, text, width);
		buf_add_text(out, i + 1 < n ? "  " : "\n");
	}
}

static void explain_end(struct printer *printer, struct buf *out)
{
	size_t n = printer->n < N_EXPLAIN ? printer->n : N_EXPLAIN;
	size_t n_rows = (size_t)printer->n_rows;
	size_t *indents;

	if (n_rows == 0 || printer->grid.failed)
		return;
	indents = calloc(n_rows, sizeof(*indents));
	if (indents == NULL) {
		printer->grid.failed = true;
		return;
	}
	if (is_program(printer))
		indent_loops(printer, indents, n_rows);
	explain_header(printer, n, out);
	for (size_t row = 0; row < n_rows; row++)
		explain_line(printer, row, n, indents[row], out);
	free(indents);
}

/* The next step below `parent` from row `row` on; n_rows when there is none. */
static size_t next_child(const struct printer *printer, long parent, size_t row)
{
	while (row < printer->n_rows && cell_integer(printer, row, 1) != parent)
		row++;
	return row;
}

/* The bars that stand before a step; deeper levels than it holds are left out, as in the shell. */
#define PLAN_PREFIX_BYTES 100

static void plan_level(const struct printer *printer, long parent, char *prefix, struct buf *out)
{
	size_t row = next_child(printer, parent, 0);
	size_t n = strlen(prefix);

	while (row < printer->n_rows) {
		size_t next = next_child(printer, parent, row + 1);
		bool is_last = next >= printer->n_rows;
		struct text text = grid_cell(&printer->grid, row * printer->n + 3);

		buf_add(out, prefix, n);
		buf_add_text(out, is_last ? "`--" : "|--");
		buf_add(out, text.bytes, text.len);
		buf_add_char(out, '\n');
		if (n < PLAN_PREFIX_BYTES - 7) {
			memcpy(prefix + n, is_last ? "   " : "|  ", 4);
			plan_level(printer, cell_integer(printer, row, 0), prefix, out);
			prefix[n] = '\0';
		}
		row = next;
	}
}

static void plan_end(struct printer *printer, struct buf *out)
{
	char prefix[PLAN_PREFIX_BYTES] = "";

	if (printer->n_rows == 0 || printer->grid.failed || printer->n < 4)
		return;
	buf_add_text(out, "QUERY PLAN\n");
	plan_level(printer, 0, prefix, out);
}

const struct print_form print_explain_form = {held_row, explain_end};
const struct print_form print_plan_form = {held_row, plan_end};
