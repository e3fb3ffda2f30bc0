/*
 * Threads of low priority that take turns, for what may take minutes.
 *
 * libuv's pool knows one priority for all of its threads, and a thread that has
 * given its own away may not have it back; so these are threads of their own.
 * The loop and everything short get the processors first.
 *
 * More tasks may be begun than run: `n_turns` of them have the turn, and who
 * had it for a slice hands it on to the next at his next background_pause(). So
 * a task that takes seconds is done in seconds, whatever takes minutes beside
 * it. Who has not had a turn yet goes first.
 *
 * Submitting and `done` happen on the loop; handing over is the barrier, as in
 * libuv's pool.
 */
#ifndef DAEMON_BACKGROUND_H
#define DAEMON_BACKGROUND_H

#include "base/err.h"

#include <stdbool.h>
#include <uv.h>

/* Added to the threads' nice value: about a tenth of a processor that others want as well. */
#define BACKGROUND_NICE 10
/* A turn, where others wait for theirs. */
#define BACKGROUND_SLICE_US 50000

struct background;

struct background_task {
	void (*run)(struct background_task *task);  /* on a thread */
	void (*done)(struct background_task *task); /* on the loop, afterwards */
	struct background_task *next;               /* in a queue; the module's own */
};

/*
 * `n_turns` threads at once, more as they are needed, up to n_threads. Keeps the
 * loop alive only while tasks are under way.
 */
int background_start(struct background **background, uv_loop_t *loop, int n_turns, int n_threads,
	struct err *err) __attribute__((warn_unused_result));

void background_set_turns(struct background *background, int n_turns);

/* Tasks for which there is no thread wait for one. */
void background_submit(struct background *background, struct background_task *task);

/*
 * Within a task, often: where the turn is over, waits for the next one, or until
 * is_stopped(arg). On any other thread it does nothing.
 */
void background_pause(bool (*is_stopped)(void *arg), void *arg);

/* No task is under way (asserted). NULL is accepted. The memory goes when the loop has run dry. */
void background_stop(struct background *background);

#endif
