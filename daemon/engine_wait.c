/*
 * process_all_available: who waits until everything that was there is counted.
 *
 * Each source of its queries is looked at as a whole; what there is to read
 * then is the mark that the waiter waits for, so that it ends also where new
 * files arrive for ever. A source that has nothing left ends the wait too. On
 * the loop, between jobs.
 */
#include "daemon/engine_private.h"

#include "base/mem.h"

#include <stdlib.h>

/* By name, or because all are asked for. */
static bool waiter_asks_for(const struct waiter *waiter, size_t query)
{
	return waiter->query == SIZE_MAX || waiter->query == query;
}

static void source_leave(struct engine *engine, struct waiter *waiter, size_t source)
{
	struct waiter_source *left = &waiter->sources[source];

	engine->sources[source].trigger.n_waiting -= left->is_pending;
	mark_unref(left->mark);
	*left = (struct waiter_source){0};
}

/* Its call is the caller's now. */
static struct call *waiter_remove(struct engine *engine, struct waiter *waiter)
{
	struct waiter **link = &engine->waiters;
	struct call *call = waiter->call;

	while (*link != waiter)
		link = &(*link)->next;
	*link = waiter->next;
	for (size_t i = 0; engine->sources != NULL && i < engine->config->spec.n_sources; i++)
		source_leave(engine, waiter, i);
	free(waiter->sources);
	free(waiter);
	return call;
}

static void waiter_end(struct engine *engine, struct waiter *waiter, const struct err *err)
{
	int64_t batch_id = -1;

	for (size_t i = 0; engine->queries != NULL && i < engine->config->spec.n_queries; i++)
		if (waiter_asks_for(waiter, i) &&
			engine->queries[i].totals.state != QUERY_STOPPED &&
			engine->queries[i].totals.batch_id > batch_id)
			batch_id = engine->queries[i].totals.batch_id;
	call_answer(engine->desk, waiter_remove(engine, waiter), err, NULL, batch_id);
}

/* A query that counts nothing any more would be waited for in vain; one that is stopped is passed
 * by where all are asked for and another counts. */
static int waiter_judge(const struct engine *engine, const struct waiter *waiter, struct err *err)
{
	const struct spec *spec = &engine->config->spec;
	size_t n_stopped = 0;

	for (size_t i = 0; engine->queries != NULL && i < spec->n_queries; i++) {
		enum query_state state = engine->queries[i].totals.state;
		if (!waiter_asks_for(waiter, i))
			continue;
		n_stopped += state == QUERY_STOPPED;
		if (state == QUERY_FAILED)
			return err_set(err, ERR_SQL,
				"the query %s has failed; queries.exception says why",
				spec->queries[i].name);
	}
	if (n_stopped > 0 && (waiter->query != SIZE_MAX || spec->n_queries == 1))
		return err_set(err, ERR_SQL, "the query %s is stopped",
			spec->queries[waiter->query != SIZE_MAX ? waiter->query : 0].name);
	if (n_stopped > 0 && n_stopped == spec->n_queries)
		return err_set(err, ERR_SQL, "all %zu queries are stopped", n_stopped);
	return 0;
}

static bool waiter_is_done(const struct engine *engine, const struct waiter *waiter)
{
	for (size_t i = 0; i < engine->config->spec.n_sources; i++)
		if (waiter->sources[i].is_pending)
			return false;
	return true;
}

/* After a job: who has waited long enough, or in vain? */
void engine_waiters_review(struct engine *engine)
{
	struct err none = ERR_INIT;

	for (struct waiter *waiter = engine->waiters, *next; waiter != NULL; waiter = next) {
		struct err err = ERR_INIT;
		next = waiter->next;
		if (waiter_judge(engine, waiter, &err) != 0)
			waiter_end(engine, waiter, &err);
		else if (waiter_is_done(engine, waiter) ||
			 call_is_abandoned(engine->desk, waiter->call))
			waiter_end(engine, waiter, &none);
	}
}

bool engine_waiters_want_mark(const struct engine *engine, size_t source)
{
	for (const struct waiter *waiter = engine->waiters; waiter != NULL; waiter = waiter->next)
		if (waiter->sources[source].is_pending && waiter->sources[source].mark == NULL)
			return true;
	return false;
}

void engine_waiters_turn_done(struct engine *engine)
{
	const struct job *job = &engine->job;

	for (struct waiter *waiter = engine->waiters; waiter != NULL; waiter = waiter->next) {
		struct waiter_source *place = &waiter->sources[job->source];
		if (!place->is_pending)
			continue;
		if (place->mark == NULL && job->mark != NULL)
			place->mark = mark_ref(job->mark);
		if (!job->outcome.did_batch ||
			(place->mark != NULL && mark_is_reached(place->mark, job->stream,
							waiter->query, &place->n_passed)))
			source_leave(engine, waiter, job->source);
	}
}

void engine_waiter_add(struct engine *engine, struct call *call, size_t query, int64_t now_us)
{
	const struct spec *spec = &engine->config->spec;
	struct waiter *waiter = calloc(1, sizeof(*waiter));
	struct waiter_source *sources = mem_new_array(spec->n_sources, sizeof(*sources));
	struct err err = ERR_INIT;

	if (waiter == NULL || sources == NULL) {
		free(waiter);
		free(sources);
		(void)err_nomem(&err);
		call_answer(engine->desk, call, &err, NULL, -1);
		return;
	}
	*waiter = (struct waiter){
		.next = engine->waiters, .call = call, .query = query, .sources = sources};
	engine->waiters = waiter;
	for (size_t i = 0; i < spec->n_queries; i++) {
		size_t source = spec->queries[i].source;
		if ((query != SIZE_MAX && query != i) || sources[source].is_pending)
			continue;
		sources[source].is_pending = true;
		engine->sources[source].trigger.n_waiting++;
		trigger_call(&engine->sources[source].trigger, now_us, true);
	}
	if (!engine->is_busy)
		engine_waiters_review(engine);
}

void engine_waiters_end(struct engine *engine, const char *sentence)
{
	struct err err = ERR_INIT;

	(void)err_set(&err, ERR_INTERRUPTED, "%s", sentence);
	while (engine->waiters != NULL)
		waiter_end(engine, engine->waiters, &err);
}

struct call *engine_waiters_take(struct engine *engine)
{
	return engine->waiters != NULL ? waiter_remove(engine, engine->waiters) : NULL;
}
