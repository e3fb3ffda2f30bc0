/*
 * A session that speaks PostgreSQL's protocol, version 3.
 *
 * Outside, only the ops are used; the rest of this header is shared by the
 * files that make it up: pg_session.c (life, start-up, reading messages),
 * pg_extended.c (prepared statements and portals), pg_run.c (running one
 * statement and saying how it ended), pg_utility.c (the commands that SQLite
 * does not know), pg_rows.c (rows as messages). All on the loop, but for the
 * sink in pg_rows.c.
 *
 *   STARTUP ──packet──▶ READY ──a statement──▶ RUNNING ──ended──▶ READY
 *                         │ error in an extended message
 *                         └──▶ SKIPPING ──Sync──▶ READY
 */
#ifndef DAEMON_PG_SESSION_H
#define DAEMON_PG_SESSION_H

#include "base/buf.h"
#include "daemon/pg_catalog.h"
#include "daemon/pg_codec.h"
#include "daemon/pg_command.h"
#include "daemon/pg_settings.h"
#include "daemon/pg_types.h"
#include "daemon/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct session_ops pg_session_ops;

/* Names of statements and portals, and how many of each a session may hold. */
#define PG_NAME_BYTES  64
#define PG_MAX_OBJECTS 1000
/* PostgreSQL's own bound is 65,535; SQLite's is 32,766. */
#define PG_MAX_PARAMS 32766

enum pg_state { PG_STATE_STARTUP, PG_STATE_READY, PG_STATE_RUNNING, PG_STATE_SKIPPING, PG_STATE_OVER };

struct pg_column {
	char name[PG_NAME_BYTES];
	enum pg_oid oid;
};

/* A prepared statement: Parse made it. */
struct pg_statement {
	struct pg_statement *next;
	char name[PG_NAME_BYTES];
	char *text; /* as the client wrote it; the command's `rest` points into it */
	size_t len;
	struct pg_command command;
	const char *body; /* what `sql` was translated from, within `text`; the rest of a DECLARE */
	size_t body_len;
	struct buf sql; /* for QUERY and DECLARE */
	enum pg_oid *params;
	size_t n_params;
	struct pg_column *columns; /* fixed from Parse to Close; a DECLARE's are its cursor's */
	size_t n_columns;
	int n_refs; /* its name and its portals */
};

struct pg_session;

/* How rows become messages. Used by the sink on whatever thread steps. */
struct pg_rows {
	struct pg_session *owner;
	const struct pg_column *columns; /* announced already; NULL: announce from the statement */
	size_t n_columns;
	enum pg_oid *oids; /* owned */
	unsigned char *formats; /* owned, one per column; NULL: all text */
	size_t n_oids;
	bool is_silent; /* BEGIN and the like: nothing is written */
	bool is_copy, is_csv, has_header;
	int64_t n_changes; /* of an INSERT, UPDATE or DELETE in a TEMP table */
};

/* A bound statement: Bind made it, or DECLARE. */
struct pg_portal {
	struct pg_portal *next;
	char name[PG_NAME_BYTES];
	struct pg_statement *statement; /* a reference */
	struct value *params;           /* their bytes are in `bytes` */
	size_t n_params;
	struct buf bytes;
	struct pg_rows rows;
	struct execution execution;
	struct buf format; /* for the answer cache */
	bool is_begun, is_done;
	bool is_cursor; /* DECLARE made it */
};

struct pg_channel {
	struct pg_channel *next;
	char name[PG_NAME_BYTES];
	int64_t batch_id; /* told last; INT64_MIN: not looked yet */
};

/* What runs now, and what is to be said when it ended. */
enum pg_running {
	PG_RUN_NONE,
	PG_RUN_SIMPLE,  /* a statement of a Query message */
	PG_RUN_PORTAL,  /* Execute, FETCH */
	PG_RUN_CONTROL, /* BEGIN, COMMIT, ROLLBACK as SQLite's */
	PG_RUN_COMPILE, /* Parse */
	PG_RUN_CHANNELS, /* looking for what LISTEN waits for */
};

/* Compiling a statement for Parse: on the loop first, on a worker when it is long. */
struct pg_compile {
	struct work work;
	struct pg_statement *statement; /* being made */
	struct sql_session *sql;
	struct err err;
	int offset;
	bool is_failed;
	bool declares; /* it is a DECLARE of a Query message, else Parse's */
};

struct pg_session {
	struct session session; /* first */
	enum pg_state state;
	bool has_ended;  /* the peer sends no more */
	bool is_in_turn; /* messages are being read further up the stack */
	struct buf in, out;
	size_t in_at; /* consumed bytes of `in` */

	char user[PG_NAME_BYTES], database[PG_NAME_BYTES];
	struct pg_identity identity;
	struct pg_settings settings;
	int32_t secret;

	struct pg_statement *statements;
	struct pg_portal *portals;
	size_t n_objects;
	struct pg_channel *channels;
	bool wants_channels; /* a snapshot came since they were looked at */

	/* The transaction block: is_failed says E, sql_session_in_transaction says T. */
	bool is_failed;

	enum pg_running running;
	struct pg_portal *portal; /* PG_RUN_PORTAL */
	struct execution execution;
	struct pg_rows rows;
	struct buf sql; /* translated text of a simple statement */
	struct pg_command command;
	struct pg_compile compile;
	struct buf query; /* the Query message's text; empty: none is under way */
	size_t query_at, query_len; /* behind the statement that is taken now; its length */
	bool is_implicit; /* the transaction around several statements is ours */
	const char *tag;  /* PG_RUN_CONTROL: what is said afterwards; NULL: nothing */
	const char *original; /* of the running statement, for error positions; NULL: its offsets are its own */
	size_t original_len;
	bool is_fetch; /* the portal runs for FETCH, not for Execute */
};

static inline struct pg_session *pg_of(struct session *session)
{
	return (struct pg_session *)session;
}

/* --- pg_session.c -------------------------------------------------------- */

/* Goes on reading messages, after something that ran has ended. */
void pg_go_on(struct pg_session *pg);
void pg_flush(struct pg_session *pg);
char pg_transaction_status(const struct pg_session *pg);
/* Says ERROR. `offset` in `text`, -1: none; a failed transaction block is noted. */
void pg_fail(struct pg_session *pg, const char *state, const char *sentence, const char *text,
	size_t len, int offset);
void pg_notice(struct pg_session *pg, const char *state, const char *sentence);
/* The protocol was broken: FATAL, and the session ends. */
void pg_die(struct pg_session *pg, const char *state, const char *sentence);

/* --- pg_extended.c ------------------------------------------------------- */

void pg_parse(struct pg_session *pg, const struct pg_message *message);
void pg_bind(struct pg_session *pg, const struct pg_message *message);
void pg_describe(struct pg_session *pg, const struct pg_message *message);
void pg_execute(struct pg_session *pg, const struct pg_message *message);
void pg_close(struct pg_session *pg, const struct pg_message *message);
void pg_parse_ended(struct pg_session *pg);
struct pg_portal *pg_portal_find(struct pg_session *pg, const char *name);
/*
 * DECLARE: a portal under the cursor's name. Of a Query message it is compiled
 * first (NULL); else `from` is the portal whose statement it is, and its
 * parameters go over to the cursor.
 */
void pg_declare(struct pg_session *pg, const struct pg_command *command, struct pg_portal *from);
void pg_portal_drop(struct pg_session *pg, struct pg_portal *portal);
void pg_portals_drop(struct pg_session *pg); /* the end of a transaction */
void pg_statements_drop(struct pg_session *pg, const char *name); /* NULL: all; "" too is a name */
void pg_write_description(struct buf *out, const struct pg_column *columns, size_t n,
	const unsigned char *formats);

/* --- pg_run.c ------------------------------------------------------------ */

void pg_query(struct pg_session *pg, const struct pg_message *message);
/* The next statement of the Query message, if one is under way. */
void pg_query_go_on(struct pg_session *pg);
/* Execute; with `is_fetch` a FETCH of a cursor. max_rows 0: all. */
void pg_run_portal(
	struct pg_session *pg, struct pg_portal *portal, int64_t max_rows, bool is_fetch);
/* BEGIN, COMMIT, ROLLBACK for SQLite; `tag` is said afterwards, NULL: nothing. */
void pg_run_control(struct pg_session *pg, const char *sql, const char *tag);
/* COPY (SELECT …) TO STDOUT */
void pg_run_copy(struct pg_session *pg, const struct pg_command *command);
void pg_run_channels(struct pg_session *pg);
void pg_run_cancel(struct pg_session *pg);
struct execution *pg_run_current(struct pg_session *pg);
void pg_run_on_page(struct execution *execution);
void pg_run_on_ended(struct execution *execution);

/* --- pg_utility.c -------------------------------------------------------- */

/*
 * Does a command that is no QUERY and says so, rows of SHOW included. `from` is
 * the portal that Execute named; NULL: it comes from a Query message, and rows
 * are described first. It may start something that runs, and drop `from`.
 */
void pg_utility(struct pg_session *pg, const struct pg_command *command, struct pg_portal *from);
/* An error of a command: in a Query message the rest is dropped, in an extended one all until Sync. */
void pg_refuse_command(struct pg_session *pg, const char *state, const char *sentence);
/* The columns that a command answers with (SHOW); 0: none. */
size_t pg_utility_columns(const struct pg_command *command, struct pg_column columns[3]);
void pg_report_settings(struct pg_session *pg);
/* After a failure in a transaction block only these are heard. */
bool pg_utility_is_heard(const struct pg_command *command);
void pg_channels_drop(struct pg_session *pg, const char *name); /* NULL: all */

/* --- pg_rows.c ----------------------------------------------------------- */

/* What a compiled statement's column is announced as. */
enum pg_oid pg_column_oid(const struct statement *statement, size_t column);
extern const struct execution_sink pg_rows_sink;
void pg_rows_fini(struct pg_rows *rows);

#endif
