/*
 * A session that speaks PostgreSQL's protocol, version 3: what it consists of.
 * All on the loop, but for the sinks.
 *
 *   STARTUP ──packet──▶ READY ──error in an extended message──▶ SKIPPING ──Sync──▶ READY
 *                         └──Terminate, or the protocol was broken──▶ OVER
 *
 * While something runs (`running`) no further message is read.
 *
 * Its files, each of which includes only those above it:
 *   pg_answer    what is said beside rows
 *   pg_object    statements and portals by name; pg_rows: rows as messages
 *   pg_run       running one statement, and how it ended; pg_compile: for Parse
 *   pg_cancel    CancelRequest, which comes on another connection
 *   pg_cursor    DECLARE, FETCH; pg_channel: LISTEN
 *   pg_utility   the commands that SQLite does not know
 *   pg_query     the Query message; pg_extended: Parse to Close
 *   pg_session   life, start-up, reading messages
 * What ends on a later turn of the loop calls `go_on`, which is the way up.
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

enum pg_state {
	PG_STATE_STARTUP,
	PG_STATE_READY,
	PG_STATE_SKIPPING,
	PG_STATE_OVER,
};

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
	void (*done)(struct pg_session *pg, struct pg_statement *made);
};

struct pg_session {
	struct session session; /* first */
	enum pg_state state;
	/* Goes on reading messages, after something that ran has ended. */
	void (*go_on)(struct pg_session *pg);
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
	struct value told;   /* the oldest of what was told, while they are looked at */

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
	bool is_abandoned; /* one of them failed: the rest is not wanted */
	const char *tag;  /* PG_RUN_CONTROL: what is said afterwards; NULL: nothing */
	const char *original; /* text of what runs, for error positions; NULL: none of the client's */
	size_t original_len;
	bool is_fetch; /* the portal runs for FETCH, not for Execute */
};

static inline struct pg_session *pg_of(struct session *session)
{
	return (struct pg_session *)session;
}

#endif
