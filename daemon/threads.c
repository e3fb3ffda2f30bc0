/*
 * libuv makes all of its threads at once and aborts when it cannot, so the
 * same number is made here first, where a failure can be told.
 */
#include "daemon/threads.h"

#include "daemon/executor.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

/* The engine, the saver and the watches have a thread each, and every place in the executor's lanes
 * but one. */
#define OTHER_THREADS (3 + EXECUTOR_MAX_SHORT + EXECUTOR_MAX_OTHER + EXECUTOR_MAX_BLOCKED)
/* Descriptors for files of events, the checkpoint, the loop and the like. */
#define OTHER_FILES 128

static int n_statements; /* set once, before there are threads */

static void *on_thread(void *go)
{
	while (sem_wait(go) != 0)
		;
	return NULL;
}

static int threads_probe(int n, struct err *err)
{
	pthread_t *threads = calloc((size_t)n, sizeof(*threads));
	sem_t go;
	int made = 0, rc = 0;

	if (threads == NULL)
		return err_nomem(err);
	sem_init(&go, 0, 0);
	while (made < n && rc == 0) {
		rc = pthread_create(&threads[made], NULL, on_thread, &go);
		if (rc == 0)
			made++;
	}
	for (int i = 0; i < made; i++)
		sem_post(&go);
	for (int i = 0; i < made; i++)
		pthread_join(threads[i], NULL);
	sem_destroy(&go);
	free(threads);
	if (rc != 0)
		return err_set_errno(
			err, rc, "cannot make %d threads (only %d can be had)", n, made);
	return 0;
}

int threads_prepare(int max_running_queries, struct err *err)
{
	char text[16];
	struct rlimit files;
	int n_pool = OTHER_THREADS;

	n_statements = max_running_queries;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	snprintf(text, sizeof(text), "%d", n_pool);
	if (setenv("UV_THREADPOOL_SIZE", text, 1) != 0)
		return err_nomem(err);
	/* With those of long statements, which the executor makes. */
	return threads_probe(n_pool + max_running_queries, err);
}

int threads_for_statements(void)
{
	return n_statements;
}

int threads_sessions_limit(int wanted)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == RLIM_INFINITY)
		return wanted;
	rlim_t others = files.rlim_cur / 2 < OTHER_FILES ? files.rlim_cur / 2 : OTHER_FILES;
	rlim_t room = files.rlim_cur - others;
	return (rlim_t)wanted < room ? wanted : (int)room;
}
