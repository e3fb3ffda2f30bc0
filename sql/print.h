/*
 * Rows as text, in the modes of the sqlite3 3.40.1 shell, to the byte.
 *
 * Used by the daemon's plain-text protocol (the streaming modes) and by the
 * client (all of them). Column-shaped modes need the whole result to know
 * their widths and hold it until print_end; the others hold nothing. Knows no
 * SQLite handle and no socket: rows come as cells, bytes go into a buffer. Of
 * SQLite it takes the number formats and the list of keywords.
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
	PRINT_TABS, /* a choice of separators: print_options_set_mode makes it PRINT_LIST */
	PRINT_JSON,
	PRINT_LINE,
	PRINT_QUOTE,
	PRINT_ASCII,
	PRINT_BOX,
	PRINT_COLUMN,
	PRINT_HTML,
	PRINT_INSERT,
	PRINT_MARKDOWN,
	PRINT_QBOX, /* PRINT_BOX with quoted cells */
	PRINT_TABLE,
	PRINT_TCL,
	PRINT_COUNT,   /* the number of rows */
	PRINT_OFF,     /* nothing */
	PRINT_EXPLAIN, /* the program of an EXPLAIN, loops indented */
	PRINT_PLAN,    /* EXPLAIN QUERY PLAN as a tree */
	PRINT_N_MODES,
};

/* As `.mode` and `.show` say it. */
const char *print_mode_name(enum print_mode mode);

/* What `.mode NAME` understands: any prefix of a name, the first in sqlite3's order. */
bool print_mode_find(const char *name, enum print_mode *mode);

/* True when the mode holds all rows until print_end. */
bool print_mode_is_columnar(enum print_mode mode);

/* sqlite3 cuts a separator and the text of NULL at 19 bytes. */
#define PRINT_SEPARATOR_BYTES 20
#define PRINT_TABLE_BYTES     128
#define PRINT_DEFAULT_WRAP    60

struct print_options {
	enum print_mode mode;
	bool headers;
	bool headers_set; /* headers were asked for or refused by name: `.mode column` leaves them */
	char column_separator[PRINT_SEPARATOR_BYTES]; /* "|" for list */
	char row_separator[PRINT_SEPARATOR_BYTES];    /* "\n" */
	char null_text[PRINT_SEPARATOR_BYTES];
	char insert_table[PRINT_TABLE_BYTES]; /* quoted as needed when printed */
	bool keep_newlines;                   /* insert: line ends stay in the literal as they are */
	int wrap;                             /* column modes: characters; 0 no wrapping */
	bool wordwrap;
	bool quote_cells;  /* column modes: SQL literals, as qbox */
	bool numbers_right; /* column modes, and not sqlite3's: columns of numbers alone stand on the right */
	/* Column modes, and not sqlite3's: the columns that a text takes. NULL: its characters. */
	size_t (*measure)(const char *text, size_t len);
	const int *widths; /* .width: characters, negative for right-aligned, 0 as needed; borrowed */
	size_t n_widths;
};

/* sqlite3's state at its start: list mode, no headers, no wrapping. */
void print_options_init(struct print_options *options);

/*
 * What `.mode NAME` changes: separators, headers for column, wrapping and
 * quoting for the column modes (whose options, if any, are set afterwards).
 */
void print_options_set_mode(struct print_options *options, enum print_mode mode);

struct printer;

/* The options are copied, the widths too. NULL: no memory. */
struct printer *printer_new(const struct print_options *options);
void printer_free(struct printer *printer);

/*
 * One result: begin, rows, end; then the next may begin. What is ready stands
 * in `out`. An empty result prints nothing in any mode but count. The only
 * failure is ERR_NOMEM.
 */
int print_begin(struct printer *printer, const char *const *names, size_t n, struct buf *out,
	struct err *err) __attribute__((warn_unused_result));
int print_row(struct printer *printer, const struct value *values, struct buf *out,
	struct err *err) __attribute__((warn_unused_result));
int print_end(struct printer *printer, struct buf *out, struct err *err)
	__attribute__((warn_unused_result));

#endif
