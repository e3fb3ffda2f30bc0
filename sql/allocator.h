/*
 * SQLite's memory, with a budget for whoever is a stranger.
 *
 * SQLite's own heap limit is the whole process's, and its prepare heeds neither
 * the progress handler nor an interrupt. So every allocation of SQLite comes
 * through here: while a thread works for a budget, bytes are counted on it, and
 * past its bytes or its time it gets no more memory. SQLite takes that for an
 * exhausted heap and unwinds cleanly; the connection stays good.
 *
 * Threads: a budget belongs to one thread at a time (the one between enter and
 * leave); what it points to as `cancelled` may be set by any.
 */
#ifndef SQL_ALLOCATOR_H
#define SQL_ALLOCATOR_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Why a budget refused; the first reason stays until budget_renew. */
enum budget_end { BUDGET_OPEN, BUDGET_BYTES, BUDGET_TIME, BUDGET_CANCELLED };

struct budget {
	int64_t used_bytes;  /* alive, allocated under this budget */
	int64_t limit_bytes; /* INT64_MAX: none */
	int64_t stop_at_us;  /* on the monotonic clock; INT64_MAX: never */
	const _Atomic bool *cancelled; /* NULL: cannot be */
	uint32_t n_calls;    /* the clock is read at every 16th */
	enum budget_end ended;
};

/*
 * Installs the allocator and initialises SQLite (one connection a thread, no
 * statistics). Once a process, before any other use of SQLite.
 */
int allocator_install(struct err *err) __attribute__((warn_unused_result));

/* The calling thread's allocations count on `budget` until allocator_leave. Does not nest. */
void allocator_enter(struct budget *budget);
void allocator_leave(void);

/* Forgets why it ended; the next check starts afresh. */
void budget_renew(struct budget *budget, int64_t stop_at_us);

/* False when time is over or the work was cancelled: for loops inside one function call. */
bool budget_check(struct budget *budget);

/* Microseconds on the monotonic clock. */
int64_t budget_now_us(void);
/* The earlier of the deadline (INT64_MAX: none) and the end of a time that begins now (0: none). */
int64_t budget_stop_at_us(int64_t deadline_us, int64_t time_us);

#endif
