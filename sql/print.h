/*
 * Rows as text, in the modes of sqlite3's shell, to the byte.
 *
 * Used by the daemon's plain-text protocol (the streaming modes) and by the
 * client (all of them). Column-shaped modes need the whole result to know
 * their widths and hold it until print_end; the others hold nothing. Knows no
 * SQLite handle and no socket: rows come as cells, bytes go into a buffer.
 */
#ifndef SQL_PRINT_H
#define SQL_PRINT_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>

enum print_mode {
	PRINT_LIST,
	PRINT_CSV,
	PRINT_TABS,
	PRINT_JSON,
	PRINT_LINE,
	PRINT_QUOTE,
	PRINT_ASCII,
	PRINT_BOX,
	PRINT_COLUMN,
	PRINT_HTML,
	PRINT_INSERT,
	PRINT_MARKDOWN,
	PRINT_QBOX,
	PRINT_TABLE,
	PRINT_TCL,
	PRINT_EXPLAIN,
};

/* NULL for an unknown name in print_mode_find. Names as in `.mode`. */
const char *print_mode_name(enum print_mode mode);
bool print_mode_find(const char *name, enum print_mode *mode);

#define PRINT_SEPARATOR_BYTES 32

struct print_options {
	enum print_mode mode;
	bool headers;
	char column_separator[PRINT_SEPARATOR_BYTES]; /* "|" for list */
	char row_separator[PRINT_SEPARATOR_BYTES];    /* "\n" */
	char null_text[PRINT_SEPARATOR_BYTES];
	char insert_table[128];
	int wrap;          /* column modes: 0 no wrapping; sqlite3's default is 60 */
	bool wordwrap;
	bool quote_cells;  /* qbox */
	const int *widths; /* .width, borrowed */
	size_t n_widths;
};

/* sqlite3's state at its start: list mode, no headers. */
void print_options_init(struct print_options *options);

/* What `.mode NAME` changes (separators, headers for column, …). */
void print_options_set_mode(struct print_options *options, enum print_mode mode);

struct printer;

/* The options are copied. NULL: no memory. */
struct printer *printer_new(const struct print_options *options);
void printer_free(struct printer *printer);

/* One result: begin, rows, end. What is ready stands in `out`. */
int print_begin(struct printer *printer, const char *const *names, size_t n, struct buf *out,
	struct err *err) __attribute__((warn_unused_result));
int print_row(struct printer *printer, const struct value *values, struct buf *out,
	struct err *err) __attribute__((warn_unused_result));
int print_end(struct printer *printer, struct buf *out, struct err *err)
	__attribute__((warn_unused_result));

#endif
