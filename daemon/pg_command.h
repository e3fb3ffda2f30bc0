/*
 * Which kind of statement a text is: a question for SQLite, or one of the
 * commands that PostgreSQL's clients send and SQLite does not know. Reads
 * tokens only; does nothing. Pure.
 */
#ifndef DAEMON_PG_COMMAND_H
#define DAEMON_PG_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pg_command_kind {
	PG_COMMAND_NONE,  /* white space and comments */
	PG_COMMAND_QUERY, /* for SQLite */
	PG_COMMAND_BEGIN,
	PG_COMMAND_COMMIT,
	PG_COMMAND_ROLLBACK,
	PG_COMMAND_SAVEPOINT,
	PG_COMMAND_RELEASE,
	PG_COMMAND_ROLLBACK_TO,
	PG_COMMAND_SET,
	PG_COMMAND_SHOW,
	PG_COMMAND_RESET,
	PG_COMMAND_DISCARD,
	PG_COMMAND_DEALLOCATE,
	PG_COMMAND_LISTEN,
	PG_COMMAND_UNLISTEN,
	PG_COMMAND_NOTIFY,
	PG_COMMAND_DECLARE, /* rest: the SELECT */
	PG_COMMAND_FETCH,
	PG_COMMAND_CLOSE,
	PG_COMMAND_COPY, /* rest: the SELECT, or the table's name */
	PG_COMMAND_UNSUPPORTED, /* name: what was asked */
};

#define PG_COMMAND_TEXT_BYTES 128

struct pg_command {
	enum pg_command_kind kind;
	char name[PG_COMMAND_TEXT_BYTES];  /* of a setting, channel, cursor …; "": ALL */
	char value[PG_COMMAND_TEXT_BYTES]; /* SET's */
	bool is_default;                   /* SET … TO DEFAULT */
	int64_t n_rows;                    /* FETCH; INT64_MAX: all; negative: backward */
	const char *rest;                  /* borrowed from the text */
	size_t rest_len;
	bool is_table; /* COPY table: rest is its name */
	bool is_csv, has_header;
	const char *tag; /* CommandComplete's for commands; the first words of it for QUERY */
};

/* ERR-free: what is not understood is a QUERY, or UNSUPPORTED with the words in `name`. */
void pg_command_parse(const char *text, size_t len, struct pg_command *command);

#endif
