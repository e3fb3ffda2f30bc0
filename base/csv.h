/*
 * A cell of CSV as RFC 4180 has it, and PostgreSQL's COPY: in quotes only where
 * it must be. sqlite3's shell quotes more; that is sql/print_cell.h.
 */
#ifndef BASE_CSV_H
#define BASE_CSV_H

#include "base/buf.h"

#include <stddef.h>

/*
 * Appends one cell; an empty one stands in quotes, so that it is not NULL. What
 * is no UTF-8 shows as U+FFFD.
 */
void csv_add_cell(struct buf *out, const char *text, size_t len);

#endif
