/*
 * What all sessions have in common, whatever protocol they speak: a peer, a
 * transport, a connection to SQL, a place in `sessions`, and one way to die.
 *
 * A protocol embeds struct session as its first member and says in struct
 * session_ops what it does with bytes. It answers through session_write and
 * runs statements through execution.h, one at a time. Everything here happens
 * on the loop.
 *
 *   session_accept ─▶ open ─▶ on_bytes … on_end … on_drained …
 *        session_finish: what was written goes out, then as session_close
 *        session_close, a broken transport: on_cancel ends what runs; when the
 *        transport is closed and nothing is under way: fini, and it is freed
 */
#ifndef DAEMON_SESSION_H
#define DAEMON_SESSION_H

#include "base/buf.h"
#include "base/err.h"
#include "daemon/answer_cache.h"
#include "daemon/config.h"
#include "daemon/execution.h"
#include "daemon/executor.h"
#include "daemon/transport.h"
#include "sql/statement.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `sessions.query` shows the beginning of the statement. */
#define SESSION_QUERY_BYTES 1024

/* What the statement hears that comes after a transaction was ended by idle_transaction_timeout. */
#define SESSION_LOST_TRANSACTION                                                                   \
	"the transaction was rolled back: it stood idle for longer than idle_transaction_timeout"

enum session_state { SESSION_IDLE, SESSION_RUNNING, SESSION_IN_TRANSACTION };

struct engine;
struct session;
struct session_list;

/* What the sessions of a daemon share. The loop's. */
struct service {
	uv_loop_t *loop;
	struct sql_env *env;
	struct snapshot_store *snapshots;
	struct executor *executor;
	struct answer_cache *cache;
	struct session_list *sessions;
	const struct engine *engine;
	const struct config *config; /* the limits that hold now */
	int max_sessions; /* what the descriptors allow of the config's */
	bool is_stopping; /* what ends now is the last of its session */
};

enum session_place {
	SESSION_REFUSED, /* or not judged yet */
	SESSION_SURPLUS, /* over max_sessions, of which only a few are heard */
	SESSION_COUNTED,
};

struct session_ops {
	const char *protocol; /* as `sessions` shows it at first */
	size_t size;          /* of the struct that begins with struct session */
	const struct sql_extension *extension; /* for its connections; NULL: none */
	bool is_guest; /* who reaches it was let in by nobody: a quarter of max_sessions is not for it */

	/* Its own members are zero. On failure the session is closed without a word; fini is called. */
	int (*open)(struct session *session, struct err *err);
	/* One sentence in the protocol's form, over max_sessions; then it is finished (session_refuse). */
	void (*refuse)(struct session *session, const char *sentence);
	/*
	 * Who speaks over max_sessions, without SQL and outside `sessions`, with those that may want
	 * no session; fini is not called. NULL: each is refused instead of opened.
	 */
	const struct session_ops *surplus;
	void (*on_bytes)(struct session *session, const char *bytes, size_t len);
	void (*on_end)(struct session *session);
	/* What was written is gone; more may be made. */
	void (*on_drained)(struct session *session);
	/* A new snapshot was published; NULL: it does not care. */
	void (*on_snapshot)(struct session *session);
	/* There is more to do from an earlier turn (session_want_turn). */
	void (*on_turn)(struct session *session);
	/* The transaction stood idle too long and was rolled back; NULL: lost_transaction is set instead. */
	void (*on_transaction_timeout)(struct session *session, const char *sentence);
	/* The time of session_set_deadline is over; NULL where that is never called. */
	void (*on_deadline)(struct session *session);
	/* Ends what runs; called when the session closes and when the daemon stops. */
	void (*on_cancel)(struct session *session);
	/* The daemon stops, nothing runs, and the peer may be about to ask: says so and finishes. */
	void (*on_stop)(struct session *session);
	/* Nothing is under way; the members of its own are released. */
	void (*fini)(struct session *session);
};

struct session {
	struct transport transport;
	const struct session_ops *ops;
	struct service *service;
	struct sql_session *sql; /* NULL but of SESSION_COUNTED */
	enum session_place place;
	struct session *previous, *next; /* all of them, newest first */
	struct session *next_turn;
	int64_t id, pid, uid;
	uint64_t idle_since_ms;  /* of the loop: the last bytes, or the end of the last statement */
	uint64_t finished_ms;    /* session_finish was called */
	uint64_t deadline_ms;    /* session_set_deadline; 0: none */
	uint64_t stuck_since_ms; /* the peer takes nothing since; 0: it does */
	int n_under_way;         /* executions that hold `sql`: one at most */
	bool lost_transaction;   /* the next statement is answered with SESSION_LOST_TRANSACTION */
	bool wants_turn;
	bool has_spoken; /* the peer has sent something */

	/* What `sessions` shows; behind the list's lock. */
	const char *protocol;
	enum session_state state;
	int64_t since_us;
	size_t query_len;
	char query[SESSION_QUERY_BYTES];
};

/* As transport_write. */
void session_write(struct session *session, struct buf *bytes);
/* The same at the end of a turn: what gathered the bytes becomes small again. */
void session_flush(struct session *session, struct buf *bytes);
/*
 * Within on_page, after its bytes were written: the next page is made at once if the peer took
 * them, else by on_drained (execution_resume); a closed session needs none.
 */
void session_page_written(struct session *session, struct execution *execution);
static inline bool session_is_clogged(const struct session *session)
{
	return transport_is_clogged(&session->transport);
}
static inline bool session_is_open(const struct session *session)
{
	return session->transport.state < TRANSPORT_FINISHING;
}

void session_finish(struct session *session);
void session_close(struct session *session);

/*
 * Starts a prepared execution, or another work, for which `sessions` shows the
 * text. One at a time is under way (asserted). True: it has ended already,
 * within this turn; false: its on_ended will tell, and calls session_ran.
 */
bool session_execute(struct session *session, struct execution *execution)
	__attribute__((warn_unused_result));
bool session_work(struct session *session, struct work *work, const char *text, size_t len)
	__attribute__((warn_unused_result));

/*
 * What was under way has ended, however it did. False: the session was closed
 * meanwhile and is freed now, it must not be touched again.
 */
bool session_ran(struct session *session) __attribute__((warn_unused_result));

/* Over max_sessions: says so in the log and to the peer, and finishes it. */
void session_refuse(struct session *session);

/* A peer that turns out to speak another form of the protocol. `protocol` is static. */
void session_set_protocol(struct session *session, const char *protocol);

/* on_deadline is called that much later, unless it is set anew before; 0: never. */
void session_set_deadline(struct session *session, uint64_t after_ms);

/* on_turn is called after the others had theirs: for what is left after a slice of work on the loop. */
void session_want_turn(struct session *session);

/*
 * What a session does on the loop is cut into turns: a loop over what its peer
 * has sent goes on while the session does not want another one, which it is
 * made to by session_turn_look when this one was long enough.
 */
uint64_t session_turn_begin(void);
void session_turn_look(struct session *session, uint64_t turn);

/* The daemon stops: where a protocol has a word for it, this answer is the last of the session. */
bool session_is_draining(const struct session *session);

/*
 * The next connection of `listener`; over max_sessions it is refused with a
 * sentence, or heard by the protocol's `surplus`. False: no memory, and the
 * connection is still to be taken.
 */
bool session_accept(struct service *service, uv_stream_t *listener, const struct session_ops *ops)
	__attribute__((warn_unused_result));

#endif
