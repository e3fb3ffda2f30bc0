/*
 * The queue of works and the hand-over to libuv's pool. Handing over is the
 * barrier: a work is touched by the loop or by one worker, never by both.
 */
#include "daemon/executor.h"

#include <assert.h>
#include <stddef.h>

static void dispatch(struct executor *executor);

static void on_wake(uv_async_t *wake)
{
	dispatch(wake->data);
}

void executor_init(struct executor *executor, uv_loop_t *loop, int max_running)
{
	*executor = (struct executor){.loop = loop, .max_running = max_running};
	int rc = uv_async_init(loop, &executor->wake, on_wake);
	assert(rc == 0);
	executor->wake.data = executor;
	uv_unref((uv_handle_t *)&executor->wake);
}

void executor_close(struct executor *executor)
{
	assert(executor->first == NULL && executor->n_running == 0);
	uv_close((uv_handle_t *)&executor->wake, NULL);
}

void executor_set_max_running(struct executor *executor, int max_running)
{
	executor->max_running = max_running;
	dispatch(executor);
}

static void on_worker(uv_work_t *request)
{
	struct work *work = request->data;

	work->outcome = work->step(work, WORKER_BUDGET_US, true);
}

/* Back on the loop. The callbacks may start, continue or free works, this one too. */
static void on_stepped(uv_work_t *request, int status)
{
	struct work *work = request->data;
	struct executor *executor = work->executor;

	assert(status == 0); /* works are never cancelled by way of libuv */
	executor->n_running--;
	switch (work->outcome) {
	case WORK_ENDED:
		work->state = WORK_IDLE;
		work->on_ended(work);
		break;
	case WORK_PAGE:
		work->state = WORK_PARKED;
		work->on_page(work);
		break;
	case WORK_YIELD:
		work->state = WORK_IDLE;
		executor_submit(executor, work);
		break;
	}
	dispatch(executor);
}

static void dispatch(struct executor *executor)
{
	while (executor->first != NULL &&
		executor->n_running - atomic_load(&executor->n_blocked) < executor->max_running) {
		struct work *work = executor->first;
		executor->first = work->next;
		if (executor->first == NULL)
			executor->last = NULL;
		work->next = NULL;
		work->state = WORK_RUNNING;
		executor->n_running++;
		int rc = uv_queue_work(executor->loop, &work->request, on_worker, on_stepped);
		assert(rc == 0);
	}
}

void executor_submit(struct executor *executor, struct work *work)
{
	assert(work->state == WORK_IDLE || work->state == WORK_PARKED);
	work->executor = executor;
	work->request.data = work;
	work->state = WORK_QUEUED;
	work->next = NULL;
	if (executor->last != NULL)
		executor->last->next = work;
	else
		executor->first = work;
	executor->last = work;
	dispatch(executor);
}

bool executor_try(struct executor *executor, struct work *work)
{
	assert(work->state == WORK_IDLE);
	work->executor = executor;
	switch (work->step(work, INLINE_BUDGET_US, false)) {
	case WORK_ENDED: return true;
	case WORK_PAGE:
		work->state = WORK_PARKED;
		work->on_page(work);
		return false;
	case WORK_YIELD: break;
	}
	executor_submit(executor, work);
	return false;
}

void work_continue(struct work *work)
{
	assert(work->state == WORK_PARKED);
	executor_submit(work->executor, work);
}

bool executor_block(struct executor *executor)
{
	if (atomic_fetch_add(&executor->n_blocked, 1) >= EXECUTOR_MAX_BLOCKED) {
		atomic_fetch_sub(&executor->n_blocked, 1);
		return false;
	}
	(void)uv_async_send(&executor->wake);
	return true;
}

void executor_unblock(struct executor *executor)
{
	atomic_fetch_sub(&executor->n_blocked, 1);
}
