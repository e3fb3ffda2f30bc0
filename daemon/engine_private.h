/*
 * The engine from within. Its files, each of which calls only those above it;
 * all of it is the loop's, but for the job while one is under way:
 *   engine_clock   the wall's time, and when somebody sets it
 *   engine_log     what a job that is over is worth in the log
 *   engine_wait    those that wait for everything to be counted
 *   engine_calls   what sessions ask of it
 *   engine         the lane and its jobs
 */
#ifndef DAEMON_ENGINE_PRIVATE_H
#define DAEMON_ENGINE_PRIVATE_H

#include "daemon/engine.h"
#include "daemon/engine_job.h"
#include "daemon/log.h"
#include "daemon/trigger.h"
#include "daemon/watch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How far a waiter is with one source. */
struct waiter_source {
	bool is_pending;
	struct mark *mark; /* a reference to what it waits for; NULL: not known yet */
	size_t n_passed;   /* of the mark */
};

/* Somebody waits until everything that is there is counted. */
struct waiter {
	struct waiter *next;
	struct call *call;
	size_t query; /* SIZE_MAX: all */
	struct waiter_source *sources;
};

struct source_state {
	struct trigger trigger;
	struct watch *watch;
	struct log_limiter failures, overruns;
};

struct engine {
	uv_loop_t *loop;
	struct call_desk *desk;
	struct engine_hooks hooks;
	struct config *config; /* running; the pointer behind config_lock, for other threads */
	pthread_mutex_t config_lock;
	struct job job;
	uv_timer_t due; /* the next source */
	uv_timer_t summary;
	struct source_state *sources;
	struct query_brief *queries;         /* as of the last job; NULL: none yet */
	struct call *first_call, *last_call; /* start and stop that wait for the lane */
	struct waiter *waiters;
	struct config_request reload;
	size_t next_source; /* whose turn it is among those that are due */
	int64_t clock_offset_us; /* from the monotonic clock to the wall's, as of the last review */
	int64_t n_summary_events, n_summary_batches;
	unsigned n_jobs, pulse_seen; /* for engine_has_moved */
	bool is_busy, is_loaded, is_stopping, is_finished, wants_reload, is_idle;
	struct watch_worker watch_worker;
};

/* Behind those that wait already. */
void engine_calls_add(struct engine *engine, struct call *call);
/* The next call that keeps the lane busy stands in engine->job now; false: there is none. */
bool engine_calls_next(struct engine *engine);
/* JOB_QUERY is over: its call is answered. */
void engine_calls_query_changed(struct engine *engine);
/* Answers all that wait with an error. */
void engine_calls_end(struct engine *engine, const char *sentence);

/* Takes the call; `query` SIZE_MAX: all of them. */
void engine_waiter_add(
	struct engine *engine, struct call *call, size_t query, int64_t now_us);
/* After a job: who has waited long enough, or in vain? */
void engine_waiters_review(struct engine *engine);
/* Whether somebody has to be told what is there once `source` was looked at as a whole. */
bool engine_waiters_want_mark(const struct engine *engine, size_t source);
/* The job was a turn of a source, and it did not fail. */
void engine_waiters_turn_done(struct engine *engine);
/* Answers all of them with an error. */
void engine_waiters_end(struct engine *engine, const char *sentence);
/* The call of one who waits no longer; NULL: nobody waits. */
struct call *engine_waiters_take(struct engine *engine);

/* The notes of the job; a warning where they are of the counts. */
void engine_log_notes(const struct engine *engine);
/* The job was a batch that failed, and its source's trigger has been told. */
void engine_log_failure(struct engine *engine);
/* The job was a batch that counted; where it took longer than its trigger it says that too. */
void engine_log_batch(struct engine *engine);
/* A query that has failed stays so until somebody starts it: who reads the log must know. */
void engine_log_failed_queries(const struct engine *engine);

void engine_clock_init(struct engine *engine);
/* Microseconds since the epoch by the wall clock, as it was set at the last review. */
int64_t engine_now_us(const struct engine *engine);
/* With an idle lane: what is planned moves along if the clock was set since the last call. */
void engine_clock_review(struct engine *engine);

#endif
