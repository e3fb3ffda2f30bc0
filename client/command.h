/*
 * Dot-commands: the table, and what its entries are made of. Private to
 * client/command*.c.
 */
#ifndef CLIENT_COMMAND_H
#define CLIENT_COMMAND_H

#include "client/shell.h"
#include "client/words.h"

struct command {
	const char *name;
	int min_len; /* letters that must be typed at least; 0: all */
	enum command_outcome (*run)(struct shell *shell, const struct words *words);
	const char *refusal; /* why it cannot work at a distance; then run is NULL */
};

/* Tells `Usage: …` on standard error. */
enum command_outcome command_usage(const char *text);

/* Calls back with the name of every command that works. */
void command_each(void (*take)(void *context, const char *name), void *context);

/* Prints what `.help` says of names with this beginning; 0 if there are none. */
int help_show(struct buf *out, const char *pattern);

/* Tells why a query of ours failed. */
enum command_outcome command_failed(struct shell *shell, const struct err *err);

/* command_settings.c */
extern const struct command settings_commands[];
/* command_files.c */
extern const struct command file_commands[];
/* command_schema.c */
extern const struct command schema_commands[];
/* command_dump.c */
extern const struct command dump_commands[];
/* command_stream.c */
extern const struct command stream_commands[];

#endif
