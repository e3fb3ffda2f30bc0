/*
 * One mutex, one job at a time. A worker knows a new job by its number, so a
 * wake-up without one means nothing, and takes part if its own number is below
 * what the job asks for.
 */
#include "stream/workers.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

/* Nothing below recurses deeply or keeps large arrays. */
#define STACK_BYTES ((size_t)512 * 1024)

struct worker {
	struct workers *workers;
	pthread_t thread;
	int number;
};

struct workers {
	pthread_mutex_t mutex;
	pthread_cond_t wake; /* a new job, or the end */
	pthread_cond_t done; /* the last one of a job has finished */
	struct worker *list; /* list[0] is the caller's and has no thread */
	int n;
	unsigned job;
	bool is_ending;
	int n_wanted, n_running;
	workers_fn *run;
	void *context;
};

static void *work(void *argument)
{
	struct worker *worker = argument;
	struct workers *workers = worker->workers;
	unsigned seen = 0;

	(void)pthread_mutex_lock(&workers->mutex);
	for (;;) {
		workers_fn *run;
		void *context;

		while (!workers->is_ending && workers->job == seen)
			(void)pthread_cond_wait(&workers->wake, &workers->mutex);
		if (workers->is_ending)
			break;
		seen = workers->job;
		if (worker->number >= workers->n_wanted)
			continue;
		run = workers->run;
		context = workers->context;
		(void)pthread_mutex_unlock(&workers->mutex);
		run(context, worker->number);
		(void)pthread_mutex_lock(&workers->mutex);
		if (--workers->n_running == 0)
			(void)pthread_cond_signal(&workers->done);
	}
	(void)pthread_mutex_unlock(&workers->mutex);
	return NULL;
}

/* Signals are for the thread that asked for them, never for a worker. */
static int start_thread(struct worker *worker, const pthread_attr_t *attributes)
{
	sigset_t all, before;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&worker->thread, attributes, work, worker);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int workers_new(struct workers **out, int n, struct err *err)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	pthread_attr_t attributes;
	int rc = 0;

	assert(n >= 1);
	if (workers == NULL)
		return err_nomem(err);
	workers->list = mem_new_array((size_t)n, sizeof(*workers->list));
	if (workers->list == NULL) {
		free(workers);
		return err_nomem(err);
	}
	(void)pthread_mutex_init(&workers->mutex, NULL);
	(void)pthread_cond_init(&workers->wake, NULL);
	(void)pthread_cond_init(&workers->done, NULL);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
	for (workers->n = 1; workers->n < n; workers->n++) {
		struct worker *worker = &workers->list[workers->n];

		*worker = (struct worker){.workers = workers, .number = workers->n};
		rc = start_thread(worker, &attributes);
		if (rc != 0)
			break;
	}
	(void)pthread_attr_destroy(&attributes);
	if (rc != 0) {
		int n_made = workers->n - 1;

		workers_free(workers);
		return err_set_errno(err, rc, "cannot make thread %d of %d (threads = %d)",
			n_made + 1, n - 1, n);
	}
	*out = workers;
	return 0;
}

void workers_free(struct workers *workers)
{
	if (workers == NULL)
		return;
	(void)pthread_mutex_lock(&workers->mutex);
	workers->is_ending = true;
	(void)pthread_cond_broadcast(&workers->wake);
	(void)pthread_mutex_unlock(&workers->mutex);
	for (int i = 1; i < workers->n; i++)
		(void)pthread_join(workers->list[i].thread, NULL);
	(void)pthread_cond_destroy(&workers->done);
	(void)pthread_cond_destroy(&workers->wake);
	(void)pthread_mutex_destroy(&workers->mutex);
	free(workers->list);
	free(workers);
}

void workers_run(struct workers *workers, int n, workers_fn *run, void *context)
{
	assert(n >= 1 && n <= workers->n);
	if (n == 1) {
		run(context, 0);
		return;
	}
	(void)pthread_mutex_lock(&workers->mutex);
	workers->run = run;
	workers->context = context;
	workers->n_wanted = n;
	workers->n_running = n - 1;
	workers->job++;
	(void)pthread_cond_broadcast(&workers->wake);
	(void)pthread_mutex_unlock(&workers->mutex);
	run(context, 0);
	(void)pthread_mutex_lock(&workers->mutex);
	while (workers->n_running > 0)
		(void)pthread_cond_wait(&workers->done, &workers->mutex);
	(void)pthread_mutex_unlock(&workers->mutex);
}
