/*
 * One guarded connection to the snapshots, and the pool it comes from. Private
 * to the statement layer (env, session, statement, virtual tables).
 *
 * A connection is lent to one session at a time and belongs to that session's
 * thread meanwhile. With it go its compiled statements, so that a hundred
 * sessions that ask the same question share a handful of connections that know
 * the answer's plan. A connection that ever held TEMP objects is closed, never
 * lent again.
 */
#ifndef SQL_CONNECTION_H
#define SQL_CONNECTION_H

#include "sql/allocator.h"
#include "sql/functions.h"
#include "sql/guard.h"
#include "sql/statement.h"
#include "sql/zone.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sqlite3.h>

#define CONNECTION_MAX_COMPILED 32
#define CONNECTION_MAX_IDLE     16

/*
 * What is known of a statement once it is compiled; immutable and shared by
 * the statements and the compiled form, which come and go on other threads.
 */
struct shape {
	_Atomic int n_refs;
	char *text; /* NUL-terminated, as it was prepared: window.end is window_end here */
	size_t len;
	char *source; /* as it was written; what the cache compares */
	bool ends_itself; /* the source ends with its semicolon: any text may follow */
	size_t n_columns;
	char **names;
	struct column_type *types;
	size_t n_params;
	char **params; /* NULL: nameless */
	bool is_readonly, is_explain;
	bool reads_files; /* a virtual table that opens the sources' files */
	unsigned saw;     /* GUARD_SAW_ bits of preparing */
	atomic_bool is_long; /* see statement_is_long; sessions that share the shape all learn it */
};

struct shape *shape_ref(struct shape *shape);
void shape_unref(struct shape *shape); /* NULL is accepted */

/* A compiled statement of one connection; in use by one struct statement at a time. */
struct compiled {
	sqlite3_stmt *stmt;
	struct shape *shape;
	bool in_use;
	bool is_cached;        /* in its connection's list */
	struct compiled *next; /* less recently used */
};

struct limits {
	int64_t query_timeout_us, query_memory_bytes, max_result_bytes;
};

struct connection {
	sqlite3 *db;
	struct sql_env *env;
	struct sql_session *session; /* who has it; NULL: idle */
	const struct sql_extension *extension;
	const struct spec *spec; /* what its virtual tables show; NULL: none */
	struct budget budget;
	struct guard guard;
	struct function_scope functions;
	struct compiled *compiled; /* newest first */
	size_t n_compiled;
	int64_t waited_us;  /* spent in functions that wait: no part of query_timeout */
	bool module_was_used; /* one of our virtual tables ran since the statement began */
	bool files_are_read;  /* one that opens files was planned since preparing began */
	bool is_tainted;      /* had TEMP objects */
	bool *clock_was_read; /* the VFS's, see snapshot_clock_flag */
	struct statement *stepping; /* NULL: none; what the progress handler may interrupt */
	bool has_yielded;    /* the progress handler broke off at yield_at_us; memory goes on */
	/* From then on it breaks off what can be replayed; INT64_MAX: never. */
	int64_t yield_at_us;
	/*
	 * Or so long after its next call, which sets yield_at_us: most rows are
	 * there before it is called at all, and need no look at the clock. 0: not so.
	 */
	int64_t yield_after_us;
	struct connection *next; /* in the pool */
};

struct sql_env {
	struct sql_env_options options;
	struct guard_unlisted unlisted; /* what each connection covers */
	pthread_mutex_t mutex; /* over what follows */
	struct limits limits;
	struct zone *zone;
	struct connection *idle; /* the last given back first: its caches are warm */
	size_t n_idle;
	_Atomic size_t n_sessions;
};

struct sql_session {
	struct sql_env *env;
	struct sql_session_options options;
	struct connection *connection; /* NULL: none borrowed */
	struct zone *zone;   /* its own or the env's when it was last asked */
	bool has_own_zone;
	struct limits limits; /* as they were when it borrowed its connection */
	int64_t timeout_us;  /* 0: the env's */
	_Atomic bool is_busy; /* something is prepared, stepped, or half done: may be cancelled */
	_Atomic bool is_cancelled;
	bool is_held; /* sql_session_hold */
	int error_code, error_offset;
	size_t n_statements; /* alive */
	struct statement *attached; /* those that hold a compiled form; they keep the connection */
	size_t n_running;    /* of them, executions begun and not ended */
	/* what its statements see; NULL: none runs and no transaction is open */
	struct snapshot *pinned;
	bool has_temp;           /* TEMP objects: the connection stays */
};

/* Lends a connection to the session, opened if none is idle; at once if it has one. */
int connection_borrow(struct sql_session *session, struct err *err)
	__attribute__((warn_unused_result));
/*
 * Gives the session's connection back if nothing holds it: no statement,
 * transaction or TEMP object.
 */
void connection_give_back(struct sql_session *session);
/* Closes it, TEMP objects and all. */
void connection_close(struct connection *connection);

/* Between these two the calling thread's SQLite work counts on the connection's budget. */
void connection_enter(struct connection *connection);
void connection_leave(struct connection *connection);

/* For loops of virtual tables: true when the statement was cancelled or its time is over. */
bool connection_is_stopped(void *connection);

/* start, stop and process_all_available. */
int control_register(struct connection *connection, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Around what may be cancelled; a cancel from before is forgotten.
 * session_end_work: if nothing is half done, and the session is not held.
 */
void session_begin_work(struct sql_session *session);
void session_end_work(struct sql_session *session);

/* What bounds the time of its statements: the shorter of its own and the env's; 0: nothing. */
int64_t session_timeout_us(const struct sql_session *session);
/* When a piece of work that begins now must be over; INT64_MAX: never. */
int64_t session_deadline_us(const struct sql_session *session);

/* Ends all executions of the session's statements, and takes their compiled forms back. */
void session_detach_all(struct sql_session *session);
/* The same for those that do not run. */
void session_detach_idle(struct sql_session *session);

/* The memory that the session's next piece of work may take: a share from what is in use now. */
void connection_renew(struct connection *connection, int64_t stop_at_us);

/*
 * The failure behind `rc`, in the session's code and offset and in *err: the
 * guard's sentence, SQLite's, or what ended the budget. Right after the call
 * that failed. Returns err->code.
 */
int connection_fail(struct connection *connection, int rc, struct err *err);

/* compile.c */

/*
 * The first statement of the text, compiled or from the connection's cache, in
 * use by the caller. *compiled is NULL for white space and comments.
 * PREPARE_YIELD when the budget's time ended it.
 */
int compile(struct connection *connection, const char *text, size_t len, size_t *tail_offset,
	struct compiled **compiled, struct err *err) __attribute__((warn_unused_result));
/* The same form again, for a statement that was detached. */
int compile_shape(struct connection *connection, struct shape *shape, struct compiled **compiled,
	struct err *err) __attribute__((warn_unused_result));
/* Out of the cache: it is in use still and goes with its release. */
void compile_forget(struct connection *connection, struct compiled *compiled);
/* Back to the cache, or away with it. */
void compile_release(struct connection *connection, struct compiled *compiled);

#endif
