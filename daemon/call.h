/*
 * A question that a statement on a worker asks the daemon and waits for:
 * start, stop, process_all_available. Made on the worker, answered on the
 * loop; whoever is last frees it.
 */
#ifndef DAEMON_CALL_H
#define DAEMON_CALL_H

#include "base/err.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum call_kind { CALL_START, CALL_STOP, CALL_PROCESS_ALL };

struct call {
	struct call *next; /* whoever holds it, on the loop */
	enum call_kind kind;
	char *query;       /* NULL: all of them */
	/* The answer, behind the desk's lock. */
	struct err err;    /* code 0: it went well */
	char state[16];
	int64_t batch_id;
	bool is_answered, is_abandoned;
};

/* Where calls are handed over. */
struct call_desk {
	pthread_mutex_t lock;
	pthread_cond_t answered;
	uv_async_t wake;
	struct call *first, *last; /* not taken by the loop yet */
	bool is_closed;
	void (*on_call)(void *context, struct call *call);
	void *context;
};

/* `on_call` runs on the loop and takes the call: it must be answered, now or later. */
void call_desk_open(struct call_desk *desk, uv_loop_t *loop,
	void (*on_call)(void *context, struct call *call), void *context);
/* On the loop. Calls that come later are answered with "shutting down" at once. */
void call_desk_close(struct call_desk *desk);
void call_desk_fini(struct call_desk *desk);

/*
 * On a worker: asks and waits. `cancelled` (may be NULL) is asked ten times a
 * second. ERR_INTERRUPTED, or what the answer says.
 */
int call_make(struct call_desk *desk, enum call_kind kind, const char *query,
	bool (*cancelled)(void *), void *arg, char state[16], int64_t *batch_id, struct err *err)
	__attribute__((warn_unused_result));

/* On the loop: the call is gone afterwards. `err` code 0: it went well. */
void call_answer(struct call_desk *desk, struct call *call, const struct err *err,
	const char *state, int64_t batch_id);

/* On the loop: nobody waits for it any more. */
bool call_is_abandoned(struct call_desk *desk, const struct call *call);

#endif
