/*
 * The process's limits, settled before its first thread: how many threads the
 * pool has, how many sessions the descriptors allow.
 */
#ifndef DAEMON_THREADS_H
#define DAEMON_THREADS_H

#include "base/err.h"

/*
 * Before libuv's first use: sizes its pool (the engine, the saver, the
 * watches, the executor's lanes), makes sure that so many threads can be had, and raises the
 * limit of open files to what is allowed.
 */
int threads_prepare(int max_running_queries, struct err *err) __attribute__((warn_unused_result));

/* How many long statements there are threads for. */
int threads_for_statements(void);

/* At most `wanted`: what the limit of open files leaves to sessions. */
int threads_sessions_limit(int wanted);

#endif
