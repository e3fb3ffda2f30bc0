/*
 * The dot-commands of the plain-text protocol: how rows are printed, what an
 * error does, and how to leave. They work as in sqlite3's shell.
 */
#ifndef DAEMON_TEXT_COMMAND_H
#define DAEMON_TEXT_COMMAND_H

#include "base/buf.h"
#include "sql/print.h"

#include <stdbool.h>
#include <stddef.h>

#define TEXT_END_BYTES 80

struct text_settings {
	struct print_options print;
	bool bail;
	char end[TEXT_END_BYTES]; /* .end TEXT; "" : none */
};

enum text_command_result {
	TEXT_COMMAND_DONE,
	TEXT_COMMAND_FAILED, /* the sentence is in `out` */
	TEXT_COMMAND_QUIT,
};

void text_settings_init(struct text_settings *settings);

/* What the bytes of an answer depend on; returns its length. */
#define TEXT_FORMAT_BYTES 160
size_t text_settings_format(const struct text_settings *settings, char format[TEXT_FORMAT_BYTES]);

/* `line` begins with the dot and has no newline; it is written to. */
enum text_command_result text_command_run(
	struct text_settings *settings, char *line, struct buf *out);

#endif
