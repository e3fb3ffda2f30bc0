/*
 * What a PostgreSQL session says beside rows: errors, notices, descriptions.
 * Everything gathers in its `out`. On the loop.
 */
#ifndef DAEMON_PG_ANSWER_H
#define DAEMON_PG_ANSWER_H

#include "daemon/pg_session.h"

void pg_flush(struct pg_session *pg);
/* As ReadyForQuery has it: I, T or E. */
char pg_transaction_status(const struct pg_session *pg);

/*
 * Says ERROR, and a failed transaction block is noted. The rest of the Query
 * message is dropped, or an extended session skips everything until Sync.
 */
void pg_refuse(struct pg_session *pg, const char *state, const char *sentence);
void pg_refuse_err(struct pg_session *pg, const struct err *err);
/* The offset is one in the translation of `text`; NULL: of no text of the client's. */
void pg_refuse_translated(struct pg_session *pg, const struct err *err, const char *text,
	size_t len, int offset);
/* There is no value for the first parameter of the text; false: it has none. */
bool pg_refuse_parameter(struct pg_session *pg, const char *text, size_t len)
	__attribute__((warn_unused_result));
/* After a failure in a transaction block only its end is heard: true, and refused. */
bool pg_must_end(struct pg_session *pg, const struct pg_command *command);

void pg_notice(struct pg_session *pg, const char *state, const char *sentence);
/* The protocol was broken: FATAL, and the session ends. */
void pg_die(struct pg_session *pg, const char *state, const char *sentence);
/* The daemon stops: the same. */
void pg_say_stopping(struct pg_session *pg);

/* RowDescription, or NoData for none; `formats` NULL: all text. */
void pg_write_description(struct buf *out, const struct pg_column *columns, size_t n,
	const unsigned char *formats);

#endif
