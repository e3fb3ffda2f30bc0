/*
 * The threads of a batch. They are made once, sleep between batches, and run
 * one function each; the calling thread is the first of them.
 */
#ifndef STREAM_WORKERS_H
#define STREAM_WORKERS_H

#include "base/err.h"

struct workers;

/*
 * `n` >= 1 workers: n - 1 threads are made. A thread that cannot be made is a
 * failure with a sentence.
 */
int workers_new(struct workers **workers, int n, struct err *err)
	__attribute__((warn_unused_result));
void workers_free(struct workers *workers);

/*
 * Calls run(context, i) for i in 0 … n-1, each on a thread of its own, and
 * returns when all are done. `n` is at most that of workers_new.
 */
typedef void workers_fn(void *context, int worker);
void workers_run(struct workers *workers, int n, workers_fn *run, void *context);

#endif
