/*
 * A whole result on a terminal: `.mode auto` fits a box to the window, and
 * takes one line a value where no box fits.
 */
#ifndef CLIENT_DISPLAY_H
#define CLIENT_DISPLAY_H

#include "base/buf.h"
#include "base/err.h"
#include "client/query.h"
#include "client/terminal.h"
#include "sql/print.h"

/*
 * Fits it to the terminal's columns, of which a wide character takes two; `print`
 * gives NULL's text and the headers' choice.
 */
int display_fitted(const struct result *result, const struct print_options *print,
	const struct terminal *terminal, struct buf *out, struct err *err)
	__attribute__((warn_unused_result));

/* Prints a whole result in the mode of `print`. */
int display_printed(const struct result *result, const struct print_options *print,
	struct buf *out, struct err *err) __attribute__((warn_unused_result));

#endif
