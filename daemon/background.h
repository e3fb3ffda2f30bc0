/*
 * Threads of low priority, for what may take minutes. libuv's pool knows one
 * priority for all of its threads, and a thread that has given its own away may
 * not have it back; so these are threads of their own. The loop and everything
 * short get the processors first.
 *
 * Submitting and `done` happen on the loop; handing over is the barrier, as in
 * libuv's pool.
 */
#ifndef DAEMON_BACKGROUND_H
#define DAEMON_BACKGROUND_H

#include "base/err.h"

#include <uv.h>

/* Added to the threads' nice value: about a tenth of a processor that others want as well. */
#define BACKGROUND_NICE 10

struct background;

struct background_task {
	void (*run)(struct background_task *task);  /* on a thread */
	void (*done)(struct background_task *task); /* on the loop, afterwards */
	struct background_task *next;               /* in a queue; the module's own */
};

/* `n_threads` threads that wait. Keeps the loop alive only while tasks are under way. */
int background_start(struct background **background, uv_loop_t *loop, int n_threads,
	struct err *err) __attribute__((warn_unused_result));

/* More tasks than threads wait for their turn. */
void background_submit(struct background *background, struct background_task *task);

/* No task is under way (asserted). NULL is accepted. The memory goes when the loop has run dry. */
void background_stop(struct background *background);

#endif
