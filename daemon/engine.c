/*
 * The loop's half of the lane. Whenever it is idle, advance() looks at
 * what is noted, in this order: the end, calls, a reload, the source that is
 * due; else the timer waits for the next one.
 *
 *   IDLE ──advance──▶ BUSY ──on_job_done──▶ IDLE ─ … ─▶ STOPPED
 */
#include "daemon/engine_private.h"

#include "base/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_job_done(uv_work_t *request, int status);
/* Looks what is to be done next, where no job is under way. */
static void advance(struct engine *engine);

static void on_worker(uv_work_t *request)
{
	job_run((struct job *)request);
}

static void job_start(struct engine *engine, enum job_kind kind)
{
	struct job *job = &engine->job;

	assert(!engine->is_busy);
	engine->is_busy = true;
	engine->n_jobs++;
	job->kind = kind;
	job->config = engine->config;
	job->now_us = engine_now_us(engine);
	job->request.data = engine;
	int rc = uv_queue_work(engine->loop, &job->request, on_worker, on_job_done);
	assert(rc == 0);
}

static void on_change(void *context, size_t source)
{
	struct engine *engine = context;

	trigger_call(&engine->sources[source].trigger, engine_now_us(engine), false);
	advance(engine);
}

static void watches_close(struct engine *engine)
{
	for (size_t i = 0; engine->sources != NULL && i < engine->config->spec.n_sources; i++) {
		watch_close(engine->sources[i].watch);
		engine->sources[i].watch = NULL;
	}
}

/* For a spec that is new to the loop; every source is looked at as a whole. */
static int sources_open(struct engine *engine, struct err *err)
{
	const struct spec *spec = &engine->config->spec;

	engine->sources = mem_new_array(spec->n_sources, sizeof(*engine->sources));
	if (engine->sources == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < spec->n_sources; i++) {
		struct watch_options options = {.loop = engine->loop,
			.stream = engine->job.stream,
			.spec = &spec->sources[i],
			.source = i,
			.notice = i < engine->job.n_notices ? engine->job.notices[i] : NULL,
			.worker = &engine->watch_worker,
			.on_change = on_change,
			.context = engine};
		trigger_init(&engine->sources[i].trigger, spec->sources[i].trigger_us);
		if (options.notice == NULL)
			return err_nomem(err);
		if (watch_open(&engine->sources[i].watch, &options, err) != 0)
			return err->code;
		engine->job.notices[i] = NULL;
	}
	return 0;
}

static void cycle_done(struct engine *engine)
{
	const struct job *job = &engine->job;
	struct source_state *source = &engine->sources[job->source];

	if (job->err.code != 0) {
		trigger_fail(&source->trigger, job->full, engine_now_us(engine));
		engine_log_failure(engine);
		return;
	}
	int64_t next_look_us = TRIGGER_NEVER;
	bool next_look_is_full = false;
	if (job->sources != NULL) {
		next_look_us = job->sources[job->source].next_look_us;
		next_look_is_full = job->sources[job->source].next_look_is_full;
	}
	trigger_succeed(&source->trigger, job->outcome.did_batch, next_look_us, next_look_is_full);
	if (job->outcome.did_batch)
		engine_log_batch(engine);
	engine_waiters_turn_done(engine);
}

/* The source that is due first; among those that are due, the next in turn. */
static int64_t source_choose(const struct engine *engine, int64_t now_us, size_t *chosen)
{
	size_t n = engine->config->spec.n_sources;
	int64_t best_us = TRIGGER_NEVER;

	for (size_t i = 0; i < n; i++) {
		size_t source = (engine->next_source + i) % n;
		int64_t due_us = trigger_due_us(&engine->sources[source].trigger, now_us);
		if (due_us < now_us)
			due_us = now_us;
		if (due_us < best_us) {
			best_us = due_us;
			*chosen = source;
		}
	}
	return best_us;
}

static void on_due(uv_timer_t *timer)
{
	advance(timer->data);
}

static void cycle_start_or_wait(struct engine *engine)
{
	int64_t now_us = engine_now_us(engine);
	size_t source = 0;
	int64_t due_us = source_choose(engine, now_us, &source);

	uv_timer_stop(&engine->due);
	engine->is_idle = due_us > now_us;
	if (due_us == TRIGGER_NEVER)
		return;
	if (due_us > now_us) {
		/* Up to the next millisecond, so that it is due when the timer says so. */
		uv_update_time(engine->loop);
		uv_timer_start(&engine->due, on_due, (uint64_t)((due_us - now_us) / 1000 + 1), 0);
		return;
	}
	engine->next_source = source + 1;
	engine->job.source = source;
	engine->job.full = trigger_begin(&engine->sources[source].trigger, now_us);
	engine->job.wants_mark = engine->job.full && engine_waiters_want_mark(engine, source);
	job_start(engine, JOB_CYCLE);
}

static void reload_start(struct engine *engine)
{
	engine->wants_reload = false;
	/* Notices carry the source's place in the spec, which is about to change. */
	watches_close(engine);
	engine->job.config_request = engine->reload;
	job_start(engine, JOB_RELOAD);
}

static void reloaded(struct engine *engine)
{
	struct job *job = &engine->job;
	struct config *before = engine->config;
	struct err err = ERR_INIT;

	if (job->fresh != NULL) {
		/* Marks and places are of the sources before: who waits asks again. */
		for (struct call *call; (call = engine_waiters_take(engine)) != NULL;)
			engine_calls_add(engine, call);
		pthread_mutex_lock(&engine->config_lock);
		engine->config = job->fresh;
		pthread_mutex_unlock(&engine->config_lock);
	}
	free(engine->sources);
	engine->next_source = 0;
	if (sources_open(engine, &err) != 0) {
		log_error("after the reload: %s", err.text);
		abort(); /* out of memory: the checkpoint has everything */
	}
	for (struct waiter *waiter = engine->waiters; waiter != NULL; waiter = waiter->next)
		for (size_t i = 0; i < engine->config->spec.n_sources; i++)
			engine->sources[i].trigger.n_waiting += waiter->sources[i].is_pending;
	if (job->waiting_keys.len > 0)
		log_warning("reload: %.*s: waiting for a restart", (int)job->waiting_keys.len,
			job->waiting_keys.data);
	engine->hooks.on_reloaded(engine->hooks.context, job->fresh, &job->err);
	if (job->fresh != NULL)
		config_unref(before);
}

static void loaded(struct engine *engine)
{
	struct err err = engine->job.err;

	if (err.code == 0)
		(void)sources_open(engine, &err);
	engine->is_loaded = err.code == 0;
	engine->hooks.on_loaded(engine->hooks.context, &err);
}

static void stopped(struct engine *engine)
{
	engine->is_finished = true;
	uv_close((uv_handle_t *)&engine->due, NULL);
	uv_close((uv_handle_t *)&engine->summary, NULL);
	engine->hooks.on_stopped(engine->hooks.context);
}

static void briefs_take(struct engine *engine)
{
	struct job *job = &engine->job;

	if (job->queries == NULL)
		return;
	if (job->kind == JOB_LOAD || job->kind == JOB_CYCLE)
		engine_log_failed_queries(engine);
	free(engine->queries);
	engine->queries = job->queries;
	job->queries = NULL;
}

static void on_job_done(uv_work_t *request, int status)
{
	struct engine *engine = request->data;
	struct job *job = &engine->job;
	enum job_kind kind = job->kind;

	assert(status == 0);
	engine->is_busy = false;
	engine_log_notes(engine);
	switch (kind) {
	case JOB_LOAD: loaded(engine); break;
	case JOB_CYCLE: cycle_done(engine); break;
	case JOB_QUERY: engine_calls_query_changed(engine); break;
	case JOB_RELOAD: reloaded(engine); break;
	case JOB_FINISH:
		if (job->err.code != 0)
			log_error("%s", job->err.text);
		break;
	}
	briefs_take(engine);
	job_clear(job);
	if (kind == JOB_FINISH) {
		stopped(engine);
		return;
	}
	if (engine->is_loaded)
		engine_waiters_review(engine);
	/* The next batch is counted while the sessions hear of this one. */
	advance(engine);
	if (engine->is_loaded && !engine->is_finished)
		engine->hooks.on_published(engine->hooks.context);
}

static void advance(struct engine *engine)
{
	if (engine->is_busy || engine->is_finished)
		return;
	if (engine->is_stopping) {
		watches_close(engine);
		job_start(engine, JOB_FINISH);
		return;
	}
	engine_clock_review(engine);
	if (!engine->is_loaded)
		return;
	if (engine_calls_next(engine))
		job_start(engine, JOB_QUERY);
	else if (engine->wants_reload)
		reload_start(engine);
	else
		cycle_start_or_wait(engine);
}

struct engine *engine_new(uv_loop_t *loop, struct config *config, struct call_desk *desk,
	const struct engine_hooks *hooks)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (engine == NULL)
		return NULL;
	engine->loop = loop;
	engine->desk = desk;
	engine->hooks = *hooks;
	engine->config = config_ref(config);
	pthread_mutex_init(&engine->config_lock, NULL);
	engine_clock_init(engine);
	uv_timer_init(loop, &engine->due);
	uv_timer_init(loop, &engine->summary);
	engine->due.data = engine;
	engine->summary.data = engine;
	return engine;
}

void engine_load(struct engine *engine, bool rebuild)
{
	engine->job.rebuild = rebuild;
	job_start(engine, JOB_LOAD);
}

struct snapshot_store *engine_snapshots(struct engine *engine)
{
	return store_snapshots(engine->job.store);
}

void engine_take_call(struct engine *engine, struct call *call)
{
	struct err err = ERR_INIT;

	if (engine->is_stopping || !engine->is_loaded) {
		(void)err_set(&err, ERR_INTERRUPTED, "tallyd is %s",
			engine->is_stopping ? "shutting down" : "starting up");
		call_answer(engine->desk, call, &err, NULL, -1);
		return;
	}
	engine_calls_add(engine, call);
	advance(engine);
}

void engine_reload(struct engine *engine, const struct config_request *request)
{
	engine->reload = *request;
	engine->wants_reload = true;
	advance(engine);
}

void engine_status(const struct engine *engine, struct engine_status *status)
{
	*status = (struct engine_status){.is_idle = engine->is_idle, .max_time_us = INT64_MIN};
	for (size_t i = 0; engine->queries != NULL && i < engine->config->spec.n_queries; i++) {
		status->n_files += engine->queries[i].totals.n_files;
		status->n_events += engine->queries[i].totals.n_events;
		status->n_rejects += engine->queries[i].totals.n_rejects;
		status->n_files_behind += engine->queries[i].n_files_behind;
		if (engine->queries[i].totals.max_time_us > status->max_time_us)
			status->max_time_us = engine->queries[i].totals.max_time_us;
	}
}

/*
 * Until it is loaded there is neither stream nor
 * store to look at, and every start takes its time.
 */
bool engine_has_moved(struct engine *engine)
{
	unsigned pulse = engine->n_jobs;
	bool has_moved;

	if (!engine->is_busy || !engine->is_loaded)
		return true;
	pulse += stream_pulse(engine->job.stream) + store_pulse(engine->job.store);
	has_moved = pulse != engine->pulse_seen;
	engine->pulse_seen = pulse;
	return has_moved;
}

void engine_stop(struct engine *engine)
{
	if (engine->is_stopping)
		return;
	engine->is_stopping = true;
	if (engine->is_loaded && engine->is_busy)
		stream_stop_batch(engine->job.stream);
	engine_calls_end(engine, "tallyd is shutting down");
	engine_waiters_end(engine, "tallyd is shutting down");
	watches_close(engine);
	uv_timer_stop(&engine->due);
	uv_timer_stop(&engine->summary);
	advance(engine);
}

void engine_free(struct engine *engine)
{
	if (engine == NULL)
		return;
	if (engine->job.stream != NULL)
		stream_close(engine->job.stream);
	if (engine->job.store != NULL)
		store_close(engine->job.store);
	for (size_t i = 0; engine->queries != NULL && i < engine->config->spec.n_queries; i++) {
		const struct query_totals *totals = &engine->queries[i].totals;
		const char *state = totals->state == QUERY_STOPPED || totals->state == QUERY_FAILED
					    ? query_state_name(totals->state)
					    : query_state_name(QUERY_TERMINATED);
		char when[48] = "before its first batch";

		if (totals->batch_id >= 0)
			snprintf(when, sizeof(when), "after batch %" PRId64, totals->batch_id);
		log_info("query %s is %s %s: %" PRId64 " events of %" PRId64 " files",
			engine->config->spec.queries[i].name, state, when, totals->n_events,
			totals->n_files);
	}
	free(engine->queries);
	free(engine->sources);
	config_unref(engine->config);
	pthread_mutex_destroy(&engine->config_lock);
	free(engine);
}

bool engine_spec_ref(void *context, const struct spec **spec)
{
	struct engine *engine = context;

	pthread_mutex_lock(&engine->config_lock);
	*spec = &config_ref(engine->config)->spec;
	pthread_mutex_unlock(&engine->config_lock);
	return true;
}

void engine_spec_unref(void *engine, const struct spec *spec)
{
	(void)engine;
	config_unref((struct config *)((char *)(uintptr_t)spec - offsetof(struct config, spec)));
}
