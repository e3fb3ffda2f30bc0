/*
 * A whole result on a terminal: `.mode auto` fits a box to the window, and
 * takes one line a value where no box fits.
 */
#ifndef CLIENT_DISPLAY_H
#define CLIENT_DISPLAY_H

#include "base/buf.h"
#include "base/err.h"
#include "client/query.h"
#include "sql/print.h"

/* `columns` is the window's width; `print` gives NULL's text and the headers' choice. */
int display_fitted(const struct result *result, const struct print_options *print, int columns,
	struct buf *out, struct err *err) __attribute__((warn_unused_result));

/* Prints a whole result in the mode of `print`. */
int display_printed(const struct result *result, const struct print_options *print,
	struct buf *out, struct err *err) __attribute__((warn_unused_result));

#endif
