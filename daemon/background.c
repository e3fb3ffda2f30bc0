/*
 * All behind one lock: the tasks that wait for a thread, those that are done
 * (the loop is woken for them), and the threads that wait for their turn.
 */
#include "daemon/background.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* Who waits for a turn looks so often whether the wait is for nothing. */
#define LOOK_NS 20000000

struct tasks {
	struct background_task *first, *last;
};

/* A thread that waits for its turn; on its stack. */
struct waiter {
	struct waiter *next;
	pthread_cond_t granted;
	bool is_granted;
};

struct waiters {
	struct waiter *first, *last;
};

struct background {
	uv_async_t wake;      /* there is something in `finished` */
	int n_under_way;      /* the loop's */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wanted;
	pthread_t *threads;
	int n_threads, max_threads;
	int n_idle, n_waiting; /* threads without a task, tasks without a thread */
	struct tasks waiting, finished;
	int n_turns, max_turns;
	struct waiters fresh, others; /* for their first turn, for another */
	atomic_int n_waiters;         /* of both; also read without the lock */
	bool is_stopping;
};

/* What a task's thread knows of itself. */
static _Thread_local struct {
	struct background *background; /* NULL: no task runs here */
	int64_t turn_ends_us;
	bool has_turn;
} own;

static int64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void tasks_add(struct tasks *tasks, struct background_task *task)
{
	task->next = NULL;
	if (tasks->last != NULL)
		tasks->last->next = task;
	else
		tasks->first = task;
	tasks->last = task;
}

static struct background_task *tasks_take(struct tasks *tasks)
{
	struct background_task *task = tasks->first;

	if (task == NULL)
		return NULL;
	tasks->first = task->next;
	if (tasks->first == NULL)
		tasks->last = NULL;
	return task;
}

/* Turns, behind the lock. */

static void waiters_add(struct waiters *waiters, struct waiter *waiter)
{
	waiter->next = NULL;
	if (waiters->last != NULL)
		waiters->last->next = waiter;
	else
		waiters->first = waiter;
	waiters->last = waiter;
}

static void waiters_remove(struct waiters *waiters, struct waiter *waiter)
{
	struct waiter **link = &waiters->first;
	struct waiter *before = NULL;

	for (; *link != waiter; link = &(*link)->next)
		before = *link;
	*link = waiter->next;
	if (waiters->last == waiter)
		waiters->last = before;
}

/* Gives the turns that are free to those who wait. */
static void turns_grant(struct background *background)
{
	while (background->n_turns < background->max_turns) {
		struct waiters *from =
			background->fresh.first != NULL ? &background->fresh : &background->others;
		struct waiter *waiter = from->first;

		if (waiter == NULL)
			return;
		waiters_remove(from, waiter);
		atomic_fetch_sub(&background->n_waiters, 1);
		background->n_turns++;
		waiter->is_granted = true;
		pthread_cond_signal(&waiter->granted);
	}
}

static void turn_give(struct background *background)
{
	own.has_turn = false;
	background->n_turns--;
	turns_grant(background);
}

/* Waits for a turn; `is_stopped` NULL: as long as it takes. */
static void turn_take(
	struct background *background, struct waiters *as, bool (*is_stopped)(void *arg), void *arg)
{
	struct waiter waiter = {0};
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&waiter.granted, &attributes);
	pthread_condattr_destroy(&attributes);
	waiters_add(as, &waiter);
	atomic_fetch_add(&background->n_waiters, 1);
	turns_grant(background);
	while (!waiter.is_granted && (is_stopped == NULL || !is_stopped(arg))) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_cond_timedwait(&waiter.granted, &background->lock, &until);
	}
	/* Who is stopped unwinds, which is short, without a turn. */
	if (!waiter.is_granted) {
		waiters_remove(as, &waiter);
		atomic_fetch_sub(&background->n_waiters, 1);
	}
	pthread_cond_destroy(&waiter.granted);
	own.has_turn = waiter.is_granted;
	own.turn_ends_us = monotonic_us() + BACKGROUND_SLICE_US;
}

void background_pause(bool (*is_stopped)(void *arg), void *arg)
{
	struct background *background = own.background;

	if (background == NULL || !own.has_turn || atomic_load(&background->n_waiters) == 0 ||
		monotonic_us() < own.turn_ends_us)
		return;
	pthread_mutex_lock(&background->lock);
	turn_give(background);
	turn_take(background, &background->others, is_stopped, arg);
	pthread_mutex_unlock(&background->lock);
}

static void task_run(struct background *background, struct background_task *task)
{
	own.background = background;
	turn_take(background, &background->fresh, NULL, NULL);
	pthread_mutex_unlock(&background->lock);
	task->run(task);
	pthread_mutex_lock(&background->lock);
	if (own.has_turn)
		turn_give(background);
	own.background = NULL;
	tasks_add(&background->finished, task);
	(void)uv_async_send(&background->wake);
}

static void *on_thread(void *context)
{
	struct background *background = context;

	/* Of the calling thread alone. Where it is refused they run like all others. */
	(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + BACKGROUND_NICE);
	pthread_mutex_lock(&background->lock);
	while (!background->is_stopping) {
		struct background_task *task = tasks_take(&background->waiting);

		if (task == NULL) {
			pthread_cond_wait(&background->wanted, &background->lock);
			continue;
		}
		background->n_waiting--;
		background->n_idle--;
		task_run(background, task);
		background->n_idle++;
	}
	pthread_mutex_unlock(&background->lock);
	return NULL;
}

/* 0 or an errno; behind the lock. */
static int thread_add(struct background *background)
{
	int rc = pthread_create(
		&background->threads[background->n_threads], NULL, on_thread, background);

	if (rc == 0) {
		background->n_threads++;
		background->n_idle++;
	}
	return rc;
}

/* `done` may submit the same task again. */
static void on_wake(uv_async_t *wake)
{
	struct background *background = wake->data;
	struct background_task *task;

	pthread_mutex_lock(&background->lock);
	struct tasks finished = background->finished;
	background->finished = (struct tasks){0};
	pthread_mutex_unlock(&background->lock);
	while ((task = tasks_take(&finished)) != NULL) {
		if (--background->n_under_way == 0)
			uv_unref((uv_handle_t *)&background->wake);
		task->done(task);
	}
}

void background_submit(struct background *background, struct background_task *task)
{
	if (background->n_under_way++ == 0)
		uv_ref((uv_handle_t *)&background->wake);
	pthread_mutex_lock(&background->lock);
	tasks_add(&background->waiting, task);
	background->n_waiting++;
	/* Where no more can be had, those that are there will come to it. */
	if (background->n_waiting > background->n_idle &&
		background->n_threads < background->max_threads)
		(void)thread_add(background);
	pthread_cond_signal(&background->wanted);
	pthread_mutex_unlock(&background->lock);
}

void background_set_turns(struct background *background, int n_turns)
{
	pthread_mutex_lock(&background->lock);
	background->max_turns = n_turns;
	turns_grant(background);
	pthread_mutex_unlock(&background->lock);
}

static void on_closed(uv_handle_t *handle)
{
	struct background *background = handle->data;

	pthread_cond_destroy(&background->wanted);
	pthread_mutex_destroy(&background->lock);
	free(background->threads);
	free(background);
}

int background_start(struct background **background, uv_loop_t *loop, int n_turns, int n_threads,
	struct err *err)
{
	struct background *new = calloc(1, sizeof(*new));
	int rc;

	assert(n_turns > 0 && n_threads >= n_turns);
	if (new != NULL)
		new->threads = mem_new_array((size_t)n_threads, sizeof(*new->threads));
	if (new == NULL || new->threads == NULL) {
		free(new);
		return err_nomem(err);
	}
	new->max_turns = n_turns;
	new->max_threads = n_threads;
	pthread_mutex_init(&new->lock, NULL);
	pthread_cond_init(&new->wanted, NULL);
	rc = uv_async_init(loop, &new->wake, on_wake);
	assert(rc == 0);
	new->wake.data = new;
	uv_unref((uv_handle_t *)&new->wake);
	pthread_mutex_lock(&new->lock);
	while (rc == 0 && new->n_threads < n_turns)
		rc = thread_add(new);
	pthread_mutex_unlock(&new->lock);
	if (rc == 0) {
		*background = new;
		return 0;
	}
	(void)err_set_errno(err, rc,
		"cannot make %d threads for long statements (only %d can be had)", n_turns,
		new->n_threads);
	background_stop(new);
	return err->code;
}

void background_stop(struct background *background)
{
	if (background == NULL)
		return;
	assert(background->n_under_way == 0);
	pthread_mutex_lock(&background->lock);
	background->is_stopping = true;
	pthread_cond_broadcast(&background->wanted);
	pthread_mutex_unlock(&background->lock);
	for (int i = 0; i < background->n_threads; i++)
		pthread_join(background->threads[i], NULL);
	uv_close((uv_handle_t *)&background->wake, on_closed);
}
