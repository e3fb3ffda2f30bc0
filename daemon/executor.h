/*
 * Who runs when: pieces of work that are tried on the loop and go on on a
 * worker, page by page.
 *
 * A work is stepped, never waited for. A step does as much as its budget
 * allows and says what is next: it ended, its page is full, or its time is
 * over. A full page goes to whoever made the work, on the loop, and the work
 * stands still until work_continue; so a reader that does not read costs one
 * page and no worker. A work whose time is over queues behind the others.
 *
 *   IDLE ──executor_try──▶ (ended at once: IDLE again, nothing is called)
 *     │                 └─▶ PARKED after on_page, or QUEUED
 *     └──executor_submit──▶ QUEUED ──▶ RUNNING ──▶ QUEUED   (time over)
 *                                        ├──▶ PARKED ──work_continue──▶ QUEUED
 *                                        └──▶ IDLE, on_ended
 *
 * Knows no SQL and no sockets. Everything but the step itself, and
 * executor_blocks, happens on the loop.
 */
#ifndef DAEMON_EXECUTOR_H
#define DAEMON_EXECUTOR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* What a statement may take of the loop's time before it moves to a worker. */
#define INLINE_BUDGET_US 300
/* What a work may take of a worker's time while others wait. */
#define WORKER_BUDGET_US 50000
/* Steps that wait for the daemon itself (process_all_available) at the same time; each keeps a thread. */
#define EXECUTOR_MAX_BLOCKED 4

enum work_step {
	WORK_ENDED,
	WORK_PAGE,  /* on_page shall take what there is */
	WORK_YIELD, /* the budget is over, or the work is not for the loop */
};

enum work_state { WORK_IDLE, WORK_QUEUED, WORK_RUNNING, WORK_PARKED };

struct executor;

struct work {
	/* `on_worker` false: on the loop; what may block or change anything yields at once. */
	enum work_step (*step)(struct work *work, int64_t budget_us, bool on_worker);
	void (*on_page)(struct work *work);
	void (*on_ended)(struct work *work);
	/* The executor's own. */
	struct executor *executor;
	struct work *next; /* in the queue */
	uv_work_t request;
	enum work_state state;
	enum work_step outcome;
};

struct executor {
	uv_loop_t *loop;
	uv_async_t wake; /* a worker blocks: another may run in its place */
	struct work *first, *last;
	int n_running; /* on workers, blocked ones included */
	int max_running;
	atomic_int n_blocked;
};

void executor_init(struct executor *executor, uv_loop_t *loop, int max_running);
/* No work is queued or running by then (asserted). */
void executor_close(struct executor *executor);

void executor_set_max_running(struct executor *executor, int max_running);

/* Tries `work` on the loop. True: it ended, and on_ended is not called for it. */
bool executor_try(struct executor *executor, struct work *work);

/* Puts `work` in the queue for a worker. */
void executor_submit(struct executor *executor, struct work *work);

/* After on_page: the page is gone, the next may be made. */
void work_continue(struct work *work);

/*
 * Within a step on a worker: from now on it only waits, or it waits no longer.
 * False: too many wait already, this one must not. Any thread.
 */
bool executor_block(struct executor *executor);
void executor_unblock(struct executor *executor);

#endif
