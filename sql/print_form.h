/*
 * The printer's inside: what it holds, and the forms a mode can have. Private
 * to sql/print*.c.
 *
 * A form is a mode's three moments. A row form writes at once; a held form
 * keeps the cells in the grid and writes at the end.
 */
#ifndef SQL_PRINT_FORM_H
#define SQL_PRINT_FORM_H

#include "sql/print.h"
#include "sql/print_cell.h"

#include <stdint.h>

/* Cells kept until the end: their bytes one behind the other, and where each begins. */
struct grid {
	struct buf bytes;
	size_t *starts; /* n_cells + 1 used; starts[i + 1] - starts[i] is cell i's length */
	size_t n_cells;
	size_t cap;
	bool failed; /* no memory for a cell */
};

struct printer {
	struct print_options options; /* widths is our copy */
	const char **names;           /* this result's; one block with their text */
	size_t n;                     /* columns */
	uint64_t n_rows;              /* rows of this result so far */
	struct grid grid;             /* held forms */
	bool *continues; /* column forms: for each line of the grid, whether the next line belongs to the same row */
	size_t cap_continues;
	struct buf scratch;  /* column forms: the texts of the current row */
	struct text *rest;   /* column forms: n, what of each cell is still to be shown */
	bool *has_text;      /* column forms: n, a cell of the column is text or a blob */
	bool has_long_rows; /* column forms: some row takes more than one line */
};

struct print_form {
	void (*row)(struct printer *printer, const struct value *values, struct buf *out);
	void (*end)(struct printer *printer, struct buf *out); /* NULL: nothing; called even without a row */
};

void grid_clear(struct grid *grid);
void grid_fini(struct grid *grid);
void grid_add(struct grid *grid, struct text text);
struct text grid_cell(const struct grid *grid, size_t i);

/* print_row.c */
extern const struct print_form print_list_form, print_csv_form, print_json_form, print_line_form,
	print_quote_form, print_ascii_form, print_html_form, print_insert_form, print_tcl_form,
	print_count_form, print_off_form;

/* print_column.c */
extern const struct print_form print_column_form;

/* print_plan.c */
extern const struct print_form print_explain_form, print_plan_form;

/* Characters as the shell counts them: bytes that do not continue one. */
size_t print_length(struct text text);

/* `text` cut or padded with blanks to `width` characters; negative: right-aligned; 0: as it is. */
void print_add_padded(struct buf *out, struct text text, int width);

void print_add_repeated(struct buf *out, const char *piece, size_t n);

#endif
