/*
 * One line of the daemon's JSON answers, decoded.
 *
 * The decoding works in place: texts and blobs of a frame point into its line,
 * which the caller keeps. Integers keep all their digits. Knows no socket.
 */
#ifndef CLIENT_FRAME_H
#define CLIENT_FRAME_H

#include "base/err.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_kind {
	FRAME_NONE,
	FRAME_COLUMNS, /* names and types; comes once, before the first row */
	FRAME_ROWS,
	FRAME_CHANGES, /* rows whose first cell is insert, update or delete */
	FRAME_OK,
	FRAME_ERROR,
};

struct frame {
	enum frame_kind kind;
	int64_t id;

	/* COLUMNS: n texts each, zero-terminated by the decoder. */
	const char **names;
	const char **types;
	size_t n_columns, n_types; /* equal */

	/* ROWS, CHANGES: n_rows rows of n_cells cells, one behind the other. */
	struct value *cells;
	size_t n_rows;
	size_t n_cells;

	/* OK; the snapshot stands in CHANGES too. */
	int64_t count;
	uint64_t snapshot;
	double ms;

	/* ERROR: SQLite's result code, the sentence, the byte of the statement or -1. */
	int code;
	const char *message;
	int64_t offset;

	size_t cap_names, cap_types, cap_cells; /* the arrays are kept for the next line */
};

void frame_fini(struct frame *frame);

/*
 * Decodes `line` (without its newline; one writable byte must follow). The
 * content of *frame, whose arrays are used again, is valid until the next call
 * and as long as the line is. ERR_PROTOCOL for what is no answer of tallyd.
 */
int frame_decode(struct frame *frame, char *line, size_t len, struct err *err)
	__attribute__((warn_unused_result));

#endif
