/*
 * The lanes' queues and the hand-over to libuv's pool and to the threads of low
 * priority. Handing over is the barrier: a work is touched by the loop or by
 * one worker, never by both. There is a thread for every place in every lane,
 * so no lane waits for another (daemon/threads.c counts the pool's).
 */
#include "daemon/executor.h"

#include <assert.h>
#include <stddef.h>

static void lane_advance(struct executor *executor, enum work_lane lane);

static void on_wake(uv_async_t *wake)
{
	lane_advance(wake->data, LANE_OTHER);
}

int executor_open(struct executor *executor, uv_loop_t *loop, int max_long, struct err *err)
{
	*executor = (struct executor){.loop = loop};
	int max_begun = max_long > EXECUTOR_MIN_BEGUN ? max_long : EXECUTOR_MIN_BEGUN;

	if (background_start(&executor->background, loop, max_long, max_begun, err) != 0)
		return err->code;
	executor->lanes[LANE_SHORT].max_running = EXECUTOR_MAX_SHORT;
	executor->lanes[LANE_LONG].max_running = max_begun;
	executor->lanes[LANE_OTHER].max_running = EXECUTOR_MAX_OTHER;
	int rc = uv_async_init(loop, &executor->wake, on_wake);
	assert(rc == 0);
	executor->wake.data = executor;
	uv_unref((uv_handle_t *)&executor->wake);
	return 0;
}

void executor_close(struct executor *executor)
{
	for (int i = 0; i < LANES; i++)
		assert(executor->lanes[i].first == NULL && executor->lanes[i].n_running == 0);
	uv_close((uv_handle_t *)&executor->wake, NULL);
	background_stop(executor->background);
}

void executor_set_max_long(struct executor *executor, int max_long)
{
	background_set_turns(executor->background, max_long);
}

static void queue(struct executor *executor, struct work *work, enum work_lane to)
{
	struct executor_lane *lane = &executor->lanes[to];

	work->executor = executor;
	work->request.data = work;
	work->lane = to;
	work->state = WORK_QUEUED;
	work->next = NULL;
	if (lane->last != NULL)
		lane->last->next = work;
	else
		lane->first = work;
	lane->last = work;
	lane_advance(executor, to);
}

/* On a worker. */

static struct work *work_of(struct background_task *task)
{
	return (struct work *)((char *)task - offsetof(struct work, task));
}

static void on_worker(uv_work_t *request)
{
	struct work *work = request->data;

	work->outcome = work->step(work, work->lane == LANE_SHORT ? SHORT_BUDGET_US : 0, true);
}

static void on_background(struct background_task *task)
{
	struct work *work = work_of(task);

	work->outcome = work->step(work, 0, true);
}

/* Back on the loop. */

/* The callbacks may start, continue or free works, this one too. */
static void stepped(struct work *work)
{
	struct executor *executor = work->executor;
	enum work_lane lane = work->lane;

	executor->lanes[lane].n_running--;
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
	case WORK_OTHER: queue(executor, work, lane); break;
	case WORK_STUCK: queue(executor, work, lane == LANE_SHORT ? LANE_LONG : lane); break;
	}
	lane_advance(executor, lane);
}

static void on_stepped(uv_work_t *request, int status)
{
	assert(status == 0); /* works are never cancelled by way of libuv */
	stepped(request->data);
}

static void on_background_stepped(struct background_task *task)
{
	stepped(work_of(task));
}

static void hand_over(struct executor *executor, struct work *work)
{
	if (work->lane == LANE_LONG) {
		work->task = (struct background_task){
			.run = on_background, .done = on_background_stepped};
		background_submit(executor->background, &work->task);
		return;
	}
	int rc = uv_queue_work(executor->loop, &work->request, on_worker, on_stepped);
	assert(rc == 0);
}

static void lane_advance(struct executor *executor, enum work_lane which)
{
	struct executor_lane *lane = &executor->lanes[which];
	int room = lane->max_running - lane->n_running;

	if (which == LANE_OTHER)
		room += atomic_load(&executor->n_blocked);
	for (; room > 0 && lane->first != NULL; room--) {
		struct work *work = lane->first;
		lane->first = work->next;
		if (lane->first == NULL)
			lane->last = NULL;
		work->next = NULL;
		work->state = WORK_RUNNING;
		lane->n_running++;
		hand_over(executor, work);
	}
}

bool executor_try(struct executor *executor, struct work *work)
{
	assert(work->state == WORK_IDLE);
	work->executor = executor;
	work->lane = LANE_SHORT;
	switch (work->step(work, INLINE_BUDGET_US, false)) {
	case WORK_ENDED: return true;
	case WORK_PAGE:
		work->state = WORK_PARKED;
		work->on_page(work);
		return false;
	case WORK_OTHER: queue(executor, work, LANE_OTHER); return false;
	case WORK_YIELD:
	case WORK_STUCK: break;
	}
	queue(executor, work, LANE_SHORT);
	return false;
}

void work_continue(struct work *work)
{
	assert(work->state == WORK_PARKED);
	queue(work->executor, work, work->lane);
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
