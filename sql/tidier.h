/*
 * Moves the checkpoint's WAL into its file on a thread of its own, beside the
 * reading, counting and folding of the next batch.
 *
 * While it runs the checkpoint is that thread's: whoever wants it waits for
 * the end first. One thread at a time calls in.
 */
#ifndef SQL_TIDIER_H
#define SQL_TIDIER_H

#include "base/err.h"
#include "sql/checkpoint.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Zero initialisation is "nothing was begun". */
struct tidier {
	struct checkpoint *checkpoint; /* NULL: nothing was begun since the last wait */
	pthread_t thread;
	bool has_thread;
	atomic_bool is_done;
	int rc;         /* as is `err`: the thread's until it is done */
	struct err err;
};

/* Where no thread can be had it is done at once. Nothing is under way. */
void tidier_start(struct tidier *tidier, struct checkpoint *checkpoint);

/* Whether tidier_wait() would return at once. */
bool tidier_is_done(const struct tidier *tidier);

/* Waits until nothing is under way. 0, or the error of what was begun, told once. */
int tidier_wait(struct tidier *tidier, struct err *err) __attribute__((warn_unused_result));

#endif
