/*
 * column, box, table, markdown: the modes that need the whole result to know
 * how wide a column is.
 *
 * The grid holds the header's cells, then lines of cells. A row is one line,
 * or several when one of its cells holds a line end or is longer than the
 * wrapping allows; `continues` tells which. Cells are wrapped as they come,
 * so the end only measures and draws. Which bytes break a line, where a word
 * may be cut and how a tab grows follows the shell's own rules.
 */
#include "sql/print_form.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

#define BAR "\u2502"

/* The lines of a frame: left end, joint, right end, and what runs between. */
struct rule {
	const char *left, *joint, *right, *dash;
};

struct frame {
	const char *left, *between, *right; /* around and between the cells of a line */
	const struct rule *top, *below_header, *between_rows, *bottom; /* NULL: none */
	bool has_header; /* headers stand there whatever .headers says, centred */
};

static const struct rule box_top = {"\u250c", "\u252c", "\u2510", "\u2500"};
static const struct rule box_middle = {"\u251c", "\u253c", "\u2524", "\u2500"};
static const struct rule box_bottom = {"\u2514", "\u2534", "\u2518", "\u2500"};
static const struct rule table_rule = {"+", "+", "+", "-"};
static const struct rule markdown_rule = {"|", "|", "|", "-"};

static const struct frame box_frame = {
	BAR " ", " " BAR " ", " " BAR "\n", &box_top, &box_middle, &box_middle, &box_bottom, true};
static const struct frame table_frame = {
	"| ", " | ", " |\n", &table_rule, &table_rule, &table_rule, &table_rule, true};
static const struct frame markdown_frame = {
	"| ", " | ", " |\n", NULL, &markdown_rule, NULL, NULL, true};
static const struct frame column_frame = {"", "  ", "\n", NULL, NULL, NULL, NULL, false};

static const struct frame *frame_of(const struct printer *printer)
{
	switch (printer->options.mode) {
	case PRINT_BOX: return &box_frame;
	case PRINT_TABLE: return &table_frame;
	case PRINT_MARKDOWN: return &markdown_frame;
	default: return &column_frame;
	}
}

/* Whether the column's cells stand on the right. */
static bool is_right(const struct printer *printer, size_t column)
{
	if (printer->options.numbers_right && !printer->has_text[column])
		return true;
	return column < printer->options.n_widths && printer->options.widths[column] < 0;
}

static int width_asked(const struct printer *printer, size_t column)
{
	return column < printer->options.n_widths ? printer->options.widths[column] : 0;
}

/* The byte at `i`, a NUL past the end: the rules below look one byte ahead. */
static unsigned char byte_at(struct text text, size_t i)
{
	return i < text.len ? (unsigned char)text.bytes[i] : 0;
}

static bool continues_character(struct text text, size_t i)
{
	return (byte_at(text, i) & 0xc0) == 0x80;
}

static bool is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static size_t length_of(const struct printer *printer, struct text text)
{
	return printer->options.measure != NULL ? printer->options.measure(text.bytes, text.len)
						: print_length(text);
}

/* The character that begins at `i`. For the shell a stray continuation byte is one, too. */
static struct text character_at(
	const struct printer *printer, struct text text, size_t i, size_t *width)
{
	struct text character = {text.bytes + i, 1};

	while (continues_character(text, i + character.len))
		character.len++;
	*width = printer->options.measure != NULL ? length_of(printer, character) : 1;
	return character;
}

/* How many bytes of `text` fit into `width` before a control byte; *full: the width is used up. One
 * character does, however wide it is. */
static size_t bytes_that_fit(
	const struct printer *printer, struct text text, size_t width, bool *full)
{
	size_t n = 0;
	size_t i = 0;

	while (n < width) {
		if (byte_at(text, i) >= ' ') {
			size_t wide;
			struct text character = character_at(printer, text, i, &wide);

			if (n + wide > width && n > 0) {
				n = width;
				break;
			}
			n += wide;
			i += character.len;
		} else if (byte_at(text, i) == '\t') {
			do
				n++;
			while ((n & 7) != 0 && n < width);
			i++;
		} else {
			break;
		}
	}
	*full = n >= width;
	return i;
}

/* A better place to break than `i`, in the second half of the line: behind a blank, else where a
 * word ends. */
static size_t word_break(struct text text, size_t i)
{
	size_t k;

	for (k = i; k > i / 2; k--) {
		if (is_space(byte_at(text, k - 1)))
			return k;
	}
	for (k = i; k > i / 2; k--) {
		if (is_word(byte_at(text, k - 1)) != is_word(byte_at(text, k)) &&
			!continues_character(text, k))
			return k;
	}
	return 0;
}

/* Adds the first `len` bytes with tabs grown to the next eighth column. */
static void add_expanded(
	const struct printer *printer, struct buf *out, struct text text, size_t len, size_t width)
{
	size_t n = 0;
	size_t i = 0;

	while (i < len) {
		if (byte_at(text, i) >= ' ') {
			size_t wide;
			struct text character = character_at(printer, text, i, &wide);

			buf_add(out, character.bytes, character.len);
			n += wide;
			i += character.len;
		} else if (byte_at(text, i) == '\t') {
			do {
				n++;
				buf_add_char(out, ' ');
			} while ((n & 7) != 0 && n < width);
			i++;
		} else {
			break;
		}
	}
}

/* Adds the first line of *rest to `out` and leaves in *rest what is for the next; bytes NULL when
 * there is none. */
static void take_line(
	const struct printer *printer, struct text *rest, int asked_width, struct buf *out)
{
	size_t width = (size_t)(asked_width < 0 ? -(long)asked_width : asked_width);
	size_t shown;
	size_t next;
	bool full;

	if (width == 0)
		width = 1000000;
	next = bytes_that_fit(printer, *rest, width, &full);
	shown = full && printer->options.wordwrap ? word_break(*rest, next) : 0;
	if (shown > 0) {
		next = shown;
		while (byte_at(*rest, next) == ' ')
			next++;
	} else {
		shown = next;
	}
	add_expanded(printer, out, *rest, shown, width);
	if (!(full && byte_at(*rest, next) >= ' ')) {
		if (byte_at(*rest, next) == '\r' && byte_at(*rest, next + 1) == '\n')
			next++;
		next++; /* the control byte that ended the line, or the NUL behind the text */
	}
	if (next >= rest->len)
		*rest = (struct text){NULL, 0};
	else
		*rest = (struct text){rest->bytes + next, rest->len - next};
}

static void add_line_cell(struct printer *printer, size_t column, struct text *rest)
{
	struct grid *grid = &printer->grid;
	int width = width_asked(printer, column);

	if (width == 0)
		width = printer->options.wrap;
	grid_add(grid, (struct text){"", 0});
	if (rest->bytes != NULL && !grid->failed) {
		take_line(printer, rest, width, &grid->bytes);
		grid->starts[grid->n_cells] = grid->bytes.len;
		grid->failed = !buf_ok(&grid->bytes);
	}
}

/*
 * The cells of a row as text, one behind the other
 * in `scratch`, each found again through rest[].
 */
static bool gather_row(struct printer *printer, const struct value *values)
{
	struct buf *scratch = &printer->scratch;
	char number[CELL_NUMBER_BYTES];

	buf_clear(scratch);
	for (size_t i = 0; i < printer->n; i++) {
		size_t from = scratch->len;

		printer->has_text[i] |=
			values[i].type == VALUE_TEXT || values[i].type == VALUE_BLOB;
		if (printer->options.quote_cells) {
			cell_add_qbox(scratch, &values[i]);
		} else {
			struct text text = cell_text(&values[i], number);

			if (text.bytes == NULL)
				text = text_of(printer->options.null_text);
			buf_add(scratch, text.bytes, text.len);
		}
		printer->rest[i].len = scratch->len - from;
	}
	buf_add_char(scratch, '\0'); /* so that it has bytes even if every cell is empty */
	if (!buf_ok(scratch))
		return false;
	for (size_t i = 0, at = 0; i < printer->n; i++) {
		printer->rest[i].bytes = scratch->data + at;
		at += printer->rest[i].len;
	}
	return true;
}

static bool note_line(struct printer *printer, bool continues)
{
	size_t line;

	/* SQLite has no rows without columns. */
	assert(printer->n > 0);
	line = printer->grid.n_cells / printer->n - 1;
	if (!mem_grow(&printer->continues, &printer->cap_continues, line + 1, sizeof(bool)))
		return false;
	printer->continues[line] = continues;
	printer->has_long_rows |= continues;
	return true;
}

static void column_row(struct printer *printer, const struct value *values, struct buf *out)
{
	bool continues = true;

	(void)out;
	if (printer->n_rows == 0) {
		for (size_t i = 0; i < printer->n; i++) {
			struct text name = text_of(printer->names[i]);

			add_line_cell(printer, i, &name);
		}
	}
	if (!gather_row(printer, values)) {
		printer->grid.failed = true;
		return;
	}
	while (continues && !printer->grid.failed) {
		continues = false;
		for (size_t i = 0; i < printer->n; i++) {
			add_line_cell(printer, i, &printer->rest[i]);
			continues |= printer->rest[i].bytes != NULL;
		}
		if (!printer->grid.failed)
			printer->grid.failed = !note_line(printer, continues);
	}
}

static size_t *measure_columns(const struct printer *printer)
{
	size_t *widths = mem_new_array(printer->n, sizeof(*widths));

	if (widths == NULL)
		return NULL;
	for (size_t i = 0; i < printer->n; i++) {
		int asked = width_asked(printer, i);

		widths[i] = (size_t)(asked < 0 ? -(long)asked : asked);
	}
	for (size_t i = 0; i < printer->grid.n_cells; i++) {
		size_t length = length_of(printer, grid_cell(&printer->grid, i));

		if (length > widths[i % printer->n])
			widths[i % printer->n] = length;
	}
	return widths;
}

static void draw_rule(const struct printer *printer, const struct rule *rule, const size_t *widths,
	struct buf *out)
{
	if (rule == NULL)
		return;
	for (size_t i = 0; i < printer->n; i++) {
		buf_add_text(out, i == 0 ? rule->left : rule->joint);
		print_add_repeated(out, rule->dash, widths[i] + 2);
	}
	buf_add_text(out, rule->right);
	buf_add_char(out, '\n');
}

static void draw_line(
	const struct printer *printer, size_t line, const size_t *widths, struct buf *out)
{
	const struct frame *frame = frame_of(printer);

	buf_add_text(out, frame->left);
	for (size_t i = 0; i < printer->n; i++) {
		struct text cell = grid_cell(&printer->grid, line * printer->n + i);
		size_t free_columns = widths[i] - length_of(printer, cell);

		if (i > 0)
			buf_add_text(out, frame->between);
		if (is_right(printer, i))
			print_add_repeated(out, " ", free_columns);
		buf_add(out, cell.bytes, cell.len);
		if (!is_right(printer, i))
			print_add_repeated(out, " ", free_columns);
	}
	buf_add_text(out, frame->right);
}

static void draw_centred_header(
	const struct printer *printer, const size_t *widths, struct buf *out)
{
	const struct frame *frame = frame_of(printer);

	buf_add_text(out, frame->left);
	for (size_t i = 0; i < printer->n; i++) {
		struct text name = grid_cell(&printer->grid, i);
		size_t free_columns = widths[i] - length_of(printer, name);

		if (i > 0)
			buf_add_text(out, frame->between);
		print_add_repeated(out, " ", free_columns / 2);
		buf_add(out, name.bytes, name.len);
		print_add_repeated(out, " ", (free_columns + 1) / 2);
	}
	buf_add_text(out, frame->right);
}

static void draw_header(const struct printer *printer, const size_t *widths, struct buf *out)
{
	const struct frame *frame = frame_of(printer);

	if (frame->has_header) {
		draw_rule(printer, frame->top, widths, out);
		draw_centred_header(printer, widths, out);
		draw_rule(printer, frame->below_header, widths, out);
	} else if (printer->options.headers) {
		draw_line(printer, 0, widths, out);
		for (size_t i = 0; i < printer->n; i++) {
			print_add_repeated(out, "-", widths[i]);
			buf_add_text(out, i + 1 < printer->n ? "  " : "\n");
		}
	}
}

static void column_end(struct printer *printer, struct buf *out)
{
	const struct frame *frame = frame_of(printer);
	size_t *widths;
	size_t n_lines;

	if (printer->n_rows == 0 || printer->n == 0 || printer->grid.failed)
		return;
	widths = measure_columns(printer);
	if (widths == NULL) {
		printer->grid.failed = true;
		return;
	}
	n_lines = printer->grid.n_cells / printer->n;
	draw_header(printer, widths, out);
	for (size_t line = 1; line < n_lines; line++) {
		draw_line(printer, line, widths, out);
		if (!printer->has_long_rows || printer->continues[line] || line + 1 == n_lines)
			continue;
		if (printer->options.mode == PRINT_COLUMN)
			buf_add_char(out, '\n');
		else
			draw_rule(printer, frame->between_rows, widths, out);
	}
	draw_rule(printer, frame->bottom, widths, out);
	free(widths);
}

const struct print_form print_column_form = {column_row, column_end};
