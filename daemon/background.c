/* Two queues behind one lock: what is to be run, and what was; the loop is woken for the second. */
#include "daemon/background.h"

#include "base/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>

struct queue {
	struct background_task *first, *last;
};

struct background {
	uv_async_t wake; /* there is something in `finished` */
	pthread_t *threads;
	int n_threads;
	int n_under_way;      /* the loop's */
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wanted;
	struct queue waiting, finished;
	bool is_stopping;
};

static void queue_add(struct queue *queue, struct background_task *task)
{
	task->next = NULL;
	if (queue->last != NULL)
		queue->last->next = task;
	else
		queue->first = task;
	queue->last = task;
}

static struct background_task *queue_take(struct queue *queue)
{
	struct background_task *task = queue->first;

	if (task == NULL)
		return NULL;
	queue->first = task->next;
	if (queue->first == NULL)
		queue->last = NULL;
	return task;
}

static void *on_thread(void *context)
{
	struct background *background = context;
	struct background_task *task;

	/* Of the calling thread alone. Where it is refused they run like all others. */
	(void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + BACKGROUND_NICE);
	pthread_mutex_lock(&background->lock);
	while (!background->is_stopping) {
		task = queue_take(&background->waiting);
		if (task == NULL) {
			pthread_cond_wait(&background->wanted, &background->lock);
			continue;
		}
		pthread_mutex_unlock(&background->lock);
		task->run(task);
		pthread_mutex_lock(&background->lock);
		queue_add(&background->finished, task);
		(void)uv_async_send(&background->wake);
	}
	pthread_mutex_unlock(&background->lock);
	return NULL;
}

/* `done` may submit the same task again. */
static void on_wake(uv_async_t *wake)
{
	struct background *background = wake->data;
	struct background_task *task;

	pthread_mutex_lock(&background->lock);
	struct queue finished = background->finished;
	background->finished = (struct queue){0};
	pthread_mutex_unlock(&background->lock);
	while ((task = queue_take(&finished)) != NULL) {
		if (--background->n_under_way == 0)
			uv_unref((uv_handle_t *)&background->wake);
		task->done(task);
	}
}

static void threads_join(struct background *background)
{
	pthread_mutex_lock(&background->lock);
	background->is_stopping = true;
	pthread_cond_broadcast(&background->wanted);
	pthread_mutex_unlock(&background->lock);
	for (int i = 0; i < background->n_threads; i++)
		pthread_join(background->threads[i], NULL);
}

static void on_closed(uv_handle_t *handle)
{
	struct background *background = handle->data;

	pthread_cond_destroy(&background->wanted);
	pthread_mutex_destroy(&background->lock);
	free(background->threads);
	free(background);
}

int background_start(
	struct background **background, uv_loop_t *loop, int n_threads, struct err *err)
{
	struct background *new = calloc(1, sizeof(*new));
	int rc = 0;

	if (new == NULL ||
		(new->threads = mem_new_array((size_t)n_threads, sizeof(*new->threads))) == NULL) {
		free(new);
		return err_nomem(err);
	}
	pthread_mutex_init(&new->lock, NULL);
	pthread_cond_init(&new->wanted, NULL);
	rc = uv_async_init(loop, &new->wake, on_wake);
	assert(rc == 0);
	new->wake.data = new;
	uv_unref((uv_handle_t *)&new->wake);
	for (; rc == 0 && new->n_threads < n_threads; new->n_threads += rc == 0)
		rc = pthread_create(&new->threads[new->n_threads], NULL, on_thread, new);
	if (rc != 0) {
		(void)err_set_errno(err, rc,
			"cannot make %d threads for long statements (only %d "
			"can be had)",
			n_threads, new->n_threads);
		background_stop(new);
		return err->code;
	}
	*background = new;
	return 0;
}

void background_submit(struct background *background, struct background_task *task)
{
	if (background->n_under_way++ == 0)
		uv_ref((uv_handle_t *)&background->wake);
	pthread_mutex_lock(&background->lock);
	queue_add(&background->waiting, task);
	pthread_cond_signal(&background->wanted);
	pthread_mutex_unlock(&background->lock);
}

void background_stop(struct background *background)
{
	if (background == NULL)
		return;
	assert(background->n_under_way == 0);
	threads_join(background);
	uv_close((uv_handle_t *)&background->wake, on_closed);
}
