/*
 * SQL for strangers: a connection to the mirror's snapshots behind the guard,
 * and statements that run in bounded steps.
 *
 * Everything a client may send goes through here: the guard (authorizer, limits,
 * allocator budget, deadline), the dialect (window.start, window.end), our
 * functions and virtual tables. Knows no sockets and no protocols; what only
 * the daemon can answer (sessions, start, stop) comes through struct
 * sql_control.
 *
 * Threads: an sql_env is shared; an sql_session and its statements belong to
 * one thread at a time and may be handed over between calls. Only
 * sql_session_cancel() may be called from anywhere.
 */
#ifndef SQL_STATEMENT_H
#define SQL_STATEMENT_H

#include "base/err.h"
#include "sql/snapshot.h"
#include "sql/value.h"
#include "stream/spec.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One row of `sessions`. Texts are copied by the callee into the row's buffers. */
struct session_view {
	int64_t id, pid, uid;
	char protocol[16];  /* text, frames, postgres, http */
	char state[24];     /* idle, running, idle in transaction */
	int64_t since_us;
	char *query; /* malloc'd, freed by the caller; NULL */
};

/*
 * What the daemon does for SQL. Called on the thread that runs the statement;
 * must be thread-safe. NULL members: refused.
 */
struct sql_control {
	void *context;
	int (*start)(void *context, const char *query, char state[16], struct err *err);
	int (*stop)(void *context, const char *query, char state[16], struct err *err);
	/* Blocks; NULL name: all queries. `cancelled` is asked now and then. */
	int (*process_all)(void *context, const char *query, bool (*cancelled)(void *), void *arg,
		int64_t *batch_id, struct err *err);
	int (*sessions)(void *context, struct session_view **rows, size_t *n, struct err *err);
	/*
	 * Every some ten microseconds of a statement: may wait, so that others have their turn,
	 * until stopped(arg). NULL: nobody else is to be let go first.
	 */
	void (*pause)(void *context, bool (*stopped)(void *), void *arg);
};

struct sql_env_options {
	struct snapshot_store *snapshots;
	const struct sql_control *control; /* NULL: none (--available-now, tests) */
	int64_t query_timeout_us;          /* 0: none */
	int64_t query_memory_bytes;
	int64_t max_result_bytes;
	const char *timezone;              /* IANA name */
	/* for the events and static_ tables */
	bool (*spec_ref)(void *context, const struct spec **spec);
	void (*spec_unref)(void *context, const struct spec *spec);
	void *spec_context;
	unsigned daemon_uid;
};

struct sql_env;

/*
 * Must precede any other use of SQLite in the process: installs the budgeted
 * allocator. Idempotent.
 */
int sql_init(struct err *err) __attribute__((warn_unused_result));

int sql_env_new(struct sql_env **env, const struct sql_env_options *options, struct err *err)
	__attribute__((warn_unused_result));
/* All sessions are freed by then (asserted). NULL is accepted. */
void sql_env_free(struct sql_env *env);
/*
 * After a reload; statements that run go on under the limits they began with.
 * ERR_CONFIG for an unknown zone: nothing has changed.
 */
int sql_env_set_limits(struct sql_env *env, int64_t query_timeout_us, int64_t query_memory_bytes,
	int64_t max_result_bytes, const char *zone_name, struct err *err)
	__attribute__((warn_unused_result));

struct sql_session;
struct connection; /* one guarded SQLite connection, lent to sessions */

/*
 * What a protocol adds to the connections of its sessions: functions and
 * read-only tables of its own (PostgreSQL's catalog). `install` runs once a
 * connection, before the guard is armed; it may register functions and modules
 * and attach and fill databases in memory (`file:NAME?mode=memory&vfs=unix`: the
 * snapshots' own VFS has room for one file only), which the guard then lets
 * nobody change. `functions` are the names the guard lets pass. Immutable, outlives
 * the env.
 */
struct sql_extension {
	/*
	 * `connection` is what a function's own data may be: connection_session() tells
	 * who runs it.
	 */
	int (*install)(void *context, sqlite3 *db, struct connection *connection, struct err *err);
	void *context;
	const char *const *functions; /* ends with NULL; NULL: none */
	/* The announced type of one of them, "" where there is none; NULL: none has one. */
	const char *(*function_type)(const char *name, size_t len);
};

struct sql_session_options {
	unsigned uid; /* the peer's: decides about start(), stop() and what `sessions` shows */
	const struct sql_extension *extension; /* NULL: none */
	void *user; /* the protocol's, for its own functions; NULL: none */
};

/*
 * A session costs a few hundred bytes: it borrows a connection from the env's
 * pool for its first statement and gives it back when it holds no TEMP object,
 * no transaction and no running statement.
 */
int sql_session_new(struct sql_session **session, struct sql_env *env,
	const struct sql_session_options *options, struct err *err)
	__attribute__((warn_unused_result));
/* All its statements are freed by then (asserted). */
void sql_session_free(struct sql_session *session);

/*
 * Within a function or a virtual table that `install` registered: the session
 * that runs it, and its `user`.
 */
struct sql_session *connection_session(const struct connection *connection);
/* Whose sources and static_ tables the connection has; NULL: none. */
const struct spec *connection_spec(const struct connection *connection);
void *sql_session_user(const struct sql_session *session);

/* Session settings that a protocol may change. */
int sql_session_set_timezone(struct sql_session *session, const char *name, struct err *err)
	__attribute__((warn_unused_result));
/* part of an answer cache's key */
const char *sql_session_timezone(const struct sql_session *session);
/* may only lower the env's; 0: the env's */
void sql_session_set_timeout(struct sql_session *session, int64_t timeout_us);

bool sql_session_in_transaction(const struct sql_session *session);
bool sql_session_has_temp(const struct sql_session *session);
/*
 * Ends running statements, the transaction and its pinned snapshot; drops TEMP
 * objects when `all`.
 */
void sql_session_reset(struct sql_session *session, bool all);

/*
 * The protocol waits for its peer now: statements that are prepared and do not
 * run let go of the connection (and find their way back by themselves).
 */
void sql_session_rest(struct sql_session *session);

/*
 * What is being prepared or stepped ends with ERR_INTERRUPTED soon, and so does
 * an execution that has begun and waits for its next step. Where nothing runs
 * it is ignored, so that a cancel that comes too late does not hit the next
 * statement. Any thread.
 */
void sql_session_cancel(struct sql_session *session);

/*
 * Around work that takes several calls, such as a prepare and the steps behind
 * it: a cancel that comes between two of them counts, and it ends with the work.
 */
void sql_session_hold(struct sql_session *session, bool is_held);

struct statement;

/*
 * Prepares the first statement of text[0, len); *tail_offset is where the rest
 * begins. Leaves *statement NULL for white space and comments. `budget_us`
 * bounds the time it takes (0: the session's timeout): past it the answer is
 * PREPARE_YIELD, nothing has changed, and a worker asks again without budget.
 * ERR_SQL with SQLite's own sentence, ERR_DENIED with the guard's ("tallyd is
 * read-only: …"), ERR_LIMIT, ERR_NOMEM, ERR_INTERRUPTED; the session's error
 * code and offset say more.
 */
#define PREPARE_YIELD 1
int statement_prepare(struct sql_session *session, const char *text, size_t len, int64_t budget_us,
	size_t *tail_offset, struct statement **statement, struct err *err)
	__attribute__((warn_unused_result));
/* The compiled form goes back to the connection's cache. NULL is accepted. */
void statement_free(struct statement *statement);

/*
 * SQLite's (extended) result code and the byte offset of the last failure of
 * this session; -1: none.
 */
int sql_session_error_code(const struct sql_session *session);
int sql_session_error_offset(const struct sql_session *session);

size_t statement_n_columns(const struct statement *statement);
const char *statement_column_name(const struct statement *statement, size_t column);
/*
 * INTEGER, REAL, TEXT, BLOB, TIMESTAMP as announced (declared, or what follows
 * from the arguments); "" if nothing follows.
 */
const char *statement_column_type(const struct statement *statement, size_t column);
/*
 * An INTEGER that is a truth value: of a comparison, TRUE or FALSE, or declared
 * BOOLEAN. For protocols that have a type for it.
 */
bool statement_column_is_boolean(const struct statement *statement, size_t column);
/* Made of other rows: sum(x), max(x) + 1, … */
bool statement_column_is_aggregate(const struct statement *statement, size_t column);
bool statement_is_readonly(const struct statement *statement);
bool statement_is_explain(const struct statement *statement);

size_t statement_n_params(const struct statement *statement);
/* 0-based; NULL: nameless */
const char *statement_param_name(const struct statement *statement, size_t index);
int statement_bind(struct statement *statement, size_t index, const struct value *value,
	struct err *err) __attribute__((warn_unused_result));

/*
 * May be tried on the loop: read-only, no function in it that waits, controls or
 * makes much from nothing, no file is opened, and neither text nor parameters
 * are long. After the parameters were bound.
 */
bool statement_may_run_inline(const struct statement *statement);

/*
 * What the caller noted of the statement's last run, which the next statement of the same text
 * on this connection finds: that it took longer than the budgets which are given to try it, so that
 * trying again would be work thrown away.
 */
bool statement_is_long(const struct statement *statement);
void statement_set_long(struct statement *statement, bool is_long);

enum step {
	STEP_ROW,   /* a row is there */
	STEP_DONE,
	STEP_YIELD, /* the budget is over before the next row: step again, on any thread */
	STEP_ERROR,
};

/*
 * The next row. `budget_us` bounds the time of this call (0: until the
 * statement's own deadline), and with it the length of the values made on the
 * way, since nothing looks at the clock while one is. Past either SQLite's
 * work for the row is thrown away:
 * STEP_YIELD, and no row is lost and none doubled, because the next call does
 * it again from the start, behind the last row given and on the same snapshot;
 * so whoever asks again gives it more time. A statement that cannot be done
 * again (it writes, or what it read may have changed) yields at once where
 * there is a budget, and goes on with 0. The deadline (query_timeout) runs from
 * the first step, cells over max_result_bytes end the statement with ERR_LIMIT.
 * After STEP_DONE and STEP_ERROR the statement is reset; the next step starts
 * it again.
 */
enum step statement_step(struct statement *statement, int64_t budget_us, struct err *err);

/* The cells of the current row, valid until the next call. ERR_NOMEM, ERR_LIMIT. */
int statement_row(struct statement *statement, const struct value **values, struct err *err)
	__attribute__((warn_unused_result));

/* The snapshot this execution saw; 0 before the first step. */
uint64_t statement_snapshot(const struct statement *statement);

/* After STEP_DONE: rows an INSERT, UPDATE or DELETE changed in TEMP tables. */
int64_t statement_n_changes(const struct statement *statement);

/* After STEP_DONE: the answer depends on nothing but text, parameters, snapshot, time zone. */
bool statement_is_cacheable(const struct statement *statement);

void statement_reset(struct statement *statement);

#endif
