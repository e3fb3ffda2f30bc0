/*
 * start, stop and process_all_available: calls wait in a queue for their turn
 * of the lane, which is the engine's to give. On the loop.
 */
#include "daemon/engine_private.h"

#include <strings.h>

static size_t query_find(const struct spec *spec, const char *name)
{
	for (size_t i = 0; i < spec->n_queries; i++)
		if (strcasecmp(spec->queries[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

/* On the lane's turn, when the running spec is the loop's to read. */
static bool call_judge(struct engine *engine, struct call *call, size_t *query)
{
	struct err err = ERR_INIT;

	*query = SIZE_MAX;
	if (call->query != NULL)
		*query = query_find(&engine->config->spec, call->query);
	if (call->query == NULL || *query != SIZE_MAX)
		return true;
	(void)err_set(&err, ERR_MISSING, "there is no query %.60s", call->query);
	call_answer(engine->desk, call, &err, NULL, -1);
	return false;
}

void engine_calls_add(struct engine *engine, struct call *call)
{
	if (engine->last_call != NULL)
		engine->last_call->next = call;
	else
		engine->first_call = call;
	engine->last_call = call;
}

static struct call *call_pop(struct engine *engine)
{
	struct call *call = engine->first_call;

	engine->first_call = call->next;
	if (engine->first_call == NULL)
		engine->last_call = NULL;
	call->next = NULL;
	return call;
}

void engine_calls_end(struct engine *engine, const char *sentence)
{
	struct err err = ERR_INIT;

	(void)err_set(&err, ERR_INTERRUPTED, "%s", sentence);
	while (engine->first_call != NULL)
		call_answer(engine->desk, call_pop(engine), &err, NULL, -1);
}

bool engine_calls_next(struct engine *engine)
{
	while (engine->first_call != NULL) {
		struct call *call = call_pop(engine);
		size_t query;
		if (!call_judge(engine, call, &query))
			continue;
		if (call->kind == CALL_PROCESS_ALL) {
			engine_waiter_add(engine, call, query, engine_now_us(engine));
			continue;
		}
		engine->job.call = call;
		engine->job.query = query;
		return true;
	}
	return false;
}

void engine_calls_query_changed(struct engine *engine)
{
	struct job *job = &engine->job;
	const char *state = "";
	const struct query_spec *query = &engine->config->spec.queries[job->query];

	if (job->queries != NULL)
		state = query_state_name(job->queries[job->query].totals.state);
	if (job->err.code == 0)
		log_info("query %s: %s is now %s", query->name,
			job->call->kind == CALL_START ? "start:" : "stop:", state);
	call_answer(engine->desk, job->call, &job->err, state, -1);
	/* What was behind may count now, and its state is to be made durable. */
	trigger_call(&engine->sources[query->source].trigger, engine_now_us(engine), true);
}
