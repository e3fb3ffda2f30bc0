/*
 * Who runs when: pieces of work that are tried on the loop and go on on
 * workers, page by page, so that what is long never holds up what is short.
 *
 * A work is stepped, never waited for. A step does as much as its budget
 * allows and says what is next: it ended, its page is full, or it needs more
 * time. A full page goes to whoever made the work, on the loop, and the work
 * stands still until work_continue; so a reader that does not read costs one
 * page and no worker.
 *
 * There are lanes, each with workers of its own: SHORT, where a step has 50 ms
 * and a work that needs more moves on; LONG, where it has all the time it
 * wants, on threads of low priority that take turns (daemon/background.h), for
 * as many works at once as are configured; and OTHER, for works that cannot be
 * begun twice (they change something or ask the daemon).
 *
 *   IDLE ──executor_try──▶ (ended at once: IDLE again, nothing is called)
 *                       └─▶ PARKED after on_page, or QUEUED
 *
 *   QUEUED ──▶ RUNNING ──▶ QUEUED   (in this lane or the next)
 *                 ├──▶ PARKED ──work_continue──▶ QUEUED
 *                 └──▶ IDLE, on_ended
 *
 * Knows no SQL and no sockets. Everything but the step itself, executor_block
 * and executor_unblock happens on the loop.
 */
#ifndef DAEMON_EXECUTOR_H
#define DAEMON_EXECUTOR_H

#include "base/err.h"
#include "daemon/background.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/*
 * What a statement may take of the loop's time before it moves to a worker, and
 * in the SHORT lane.
 */
#define INLINE_BUDGET_US 300
#define SHORT_BUDGET_US  50000

/* Works begun in the LONG lane that take turns, at least; more wait until one ended. */
#define EXECUTOR_MIN_BEGUN 64
/* Works at once in the lanes whose number is not configured. */
#define EXECUTOR_MAX_SHORT 2
#define EXECUTOR_MAX_OTHER 2
/* Steps that wait for the daemon itself at the same time; another may run in the place of each. */
#define EXECUTOR_MAX_BLOCKED 4

enum work_step {
	WORK_ENDED,
	WORK_PAGE,  /* on_page shall take what there is */
	WORK_YIELD, /* the budget is over: in its lane if it moved on, else in the next */
	WORK_STUCK, /* the budget is over and nothing came of it: it needs the next lane */
	WORK_OTHER, /* from the loop: it is for the OTHER lane */
};

enum work_lane { LANE_SHORT, LANE_LONG, LANE_OTHER, LANES };

enum work_state { WORK_IDLE, WORK_QUEUED, WORK_RUNNING, WORK_PARKED };

struct executor;

struct work {
	/*
	 * `budget_us` bounds the time; 0: as long as a page takes. `on_worker` false: on the
	 * loop, where what may block or change anything says WORK_OTHER at once.
	 */
	enum work_step (*step)(struct work *work, int64_t budget_us, bool on_worker);
	void (*on_page)(struct work *work);
	void (*on_ended)(struct work *work);
	/* The executor's own. */
	struct executor *executor;
	struct work *next; /* in the queue */
	uv_work_t request;            /* in the pool */
	struct background_task task; /* in the LONG lane */
	enum work_lane lane;
	enum work_state state;
	enum work_step outcome;
};

struct executor_lane {
	struct work *first, *last; /* the queue */
	int n_running, max_running;
};

struct executor {
	uv_loop_t *loop;
	uv_async_t wake; /* a worker blocks: another may run in its place */
	struct background *background; /* where the LONG lane runs */
	struct executor_lane lanes[LANES];
	atomic_int n_blocked; /* in the OTHER lane */
};

/* `max_long`: works of the LONG lane that have the turn at once. */
int executor_open(struct executor *executor, uv_loop_t *loop, int max_long, struct err *err)
	__attribute__((warn_unused_result));
/* No work is queued or running by then (asserted). */
void executor_close(struct executor *executor);

void executor_set_max_long(struct executor *executor, int max_long);

/* Tries `work` on the loop. True: it ended, and on_ended is not called for it. */
bool executor_try(struct executor *executor, struct work *work);

/* After on_page: the page is gone, the next may be made. */
void work_continue(struct work *work);

/*
 * Within a step in the OTHER lane: from now on it only waits, or it waits no
 * longer. False: too many wait already, this one must not.
 */
bool executor_block(struct executor *executor);
void executor_unblock(struct executor *executor);

#endif
