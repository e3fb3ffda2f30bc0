/*
 * Fitting: columns that are narrow stay whole, the wide ones share what is
 * left. The share is found by raising it until the window is full.
 */
#include "client/display.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "sql/print_cell.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Below this a cell cannot be read any more. */
#define NARROWEST 8

int display_printed(const struct result *result, const struct print_options *print, struct buf *out,
	struct err *err)
{
	struct printer *printer = printer_new(print);
	int rc;

	if (printer == NULL)
		return err_nomem(err);
	rc = print_begin(printer, result->names, result->n_columns, out, err);
	for (size_t row = 0; row < result->n_rows && rc == 0; row++)
		rc = print_row(printer, result->cells + row * result->n_columns, out, err);
	if (rc == 0)
		rc = print_end(printer, out, err);
	printer_free(printer);
	return rc;
}

static size_t length_of(const struct print_options *print, const char *text, size_t len)
{
	return print->measure != NULL ? print->measure(text, len) : utf8_length(text, len);
}

/* The longest line of a text, as the printer counts it. */
static size_t longest_line(const struct print_options *print, const char *text, size_t len)
{
	size_t longest = 0;

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end != NULL ? (size_t)(end - text) : len;
		size_t width = length_of(print, text, n);

		if (width > longest)
			longest = width;
		if (end == NULL)
			break;
		text += n + 1;
		len -= n + 1;
	}
	return longest;
}

static size_t cell_width(const struct print_options *print, const struct value *value)
{
	char number[CELL_NUMBER_BYTES];
	struct text text = cell_text(value, number);

	if (text.bytes == NULL)
		return length_of(print, print->null_text, strlen(print->null_text));
	return longest_line(print, text.bytes, text.len);
}

static void measure(const struct result *result, const struct print_options *print, int *widths)
{
	for (size_t i = 0; i < result->n_columns; i++)
		widths[i] = (int)length_of(print, result->names[i], strlen(result->names[i]));
	for (size_t i = 0; i < result->n_rows * result->n_columns; i++) {
		size_t width = cell_width(print, &result->cells[i]);
		int *widest = &widths[i % result->n_columns];

		if (width > (size_t)*widest)
			*widest = width > 100000 ? 100000 : (int)width;
	}
}

static long total_width(const int *widths, size_t n, int share)
{
	long total = 0;

	for (size_t i = 0; i < n; i++)
		total += widths[i] < share ? widths[i] : share;
	return total;
}

/* The width that wide columns get so that all fit into `room`: 0 when nothing needs to give way, -1
 * when nothing helps. */
static int find_share(const int *widths, size_t n, long room)
{
	int share = NARROWEST;

	if (total_width(widths, n, INT_MAX) <= room)
		return 0;
	if (total_width(widths, n, share) > room)
		return -1;
	while (total_width(widths, n, share + 1) <= room)
		share++;
	return share;
}

int display_fitted(const struct result *result, const struct print_options *print,
	const struct terminal *terminal, struct buf *out, struct err *err)
{
	struct print_options fitted = *print;
	size_t n = result->n_columns;
	long room = terminal->columns - (long)(3 * n + 1);
	int *widths = mem_new_array(n, sizeof(*widths));
	int share;
	int rc;

	if (widths == NULL)
		return err_nomem(err);
	fitted.measure = terminal->has_unicode ? terminal_width : NULL;
	measure(result, &fitted, widths);
	share = find_share(widths, n, room);
	print_options_set_mode(&fitted, share < 0 ? PRINT_LINE : PRINT_BOX);
	fitted.wrap = share;
	fitted.wordwrap = true;
	fitted.numbers_right = true;
	fitted.n_widths = 0;
	rc = display_printed(result, &fitted, out, err);
	free(widths);
	return rc;
}
