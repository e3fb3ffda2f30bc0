/* A thread for each run: runs are seldom, and starting one is nothing beside moving megabytes. */
#include "sql/tidier.h"

#include <assert.h>
#include <signal.h>

static void *tidy(void *arg)
{
	struct tidier *tidier = arg;

	tidier->rc = checkpoint_tidy(tidier->checkpoint, &tidier->err);
	atomic_store(&tidier->is_done, true);
	return NULL;
}

void tidier_start(struct tidier *tidier, struct checkpoint *checkpoint)
{
	sigset_t all, before;

	assert(tidier->checkpoint == NULL);
	tidier->checkpoint = checkpoint;
	tidier->err = (struct err)ERR_INIT;
	atomic_store(&tidier->is_done, false);
	/* Signals are for the thread that asked for them. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	tidier->has_thread = pthread_create(&tidier->thread, NULL, tidy, tidier) == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!tidier->has_thread)
		(void)tidy(tidier);
}

bool tidier_is_done(const struct tidier *tidier)
{
	return tidier->checkpoint == NULL || atomic_load(&tidier->is_done);
}

int tidier_wait(struct tidier *tidier, struct err *err)
{
	if (tidier->checkpoint == NULL)
		return 0;
	if (tidier->has_thread)
		(void)pthread_join(tidier->thread, NULL);
	tidier->checkpoint = NULL;
	if (tidier->rc < 0)
		*err = tidier->err;
	return tidier->rc;
}
