/*
 * What the engine says in the log of a job that is over: of its notes, of a
 * batch that failed or took too long, and once a minute of what was counted.
 */
#include "daemon/engine_private.h"

#include "base/timestamp.h"

#include <inttypes.h>
#include <string.h>

/* A line about what was counted, at most this often and only if something was. */
#define SUMMARY_MS 60000

static int64_t monotonic_us(void)
{
	return (int64_t)(uv_hrtime() / 1000);
}

void engine_log_notes(const struct engine *engine)
{
	const struct job *job = &engine->job;

	for (size_t at = 0; at < job->warnings.len; at += strlen(job->warnings.data + at) + 1)
		log_warning("%s", job->warnings.data + at);
	for (size_t at = 0; at < job->notes.len; at += strlen(job->notes.data + at) + 1)
		log_info("%s", job->notes.data + at);
}

void engine_log_failure(struct engine *engine)
{
	const struct job *job = &engine->job;
	struct source_state *source = &engine->sources[job->source];
	int64_t now_us = engine_now_us(engine);
	uint32_t left_out;

	if (!log_limiter_pass(&source->failures, monotonic_us(), &left_out))
		return;
	log_left_out(left_out, "failed batches");
	log_error("source %s: %s; trying again in %" PRId64 " seconds",
		engine->config->spec.sources[job->source].name, job->err.text,
		(source->trigger.retry_us - now_us + US_PER_S - 1) / US_PER_S);
}

static void overrun_note(struct engine *engine, struct source_state *source)
{
	int64_t overrun_us = trigger_overrun_us(&source->trigger, engine_now_us(engine));
	uint32_t left_out;

	/*
	 * A batch that was called for shortly before a
	 * multiple ends behind it without being slow.
	 */
	if (overrun_us == 0 || engine->job.took_us <= source->trigger.interval_us ||
		!log_limiter_pass(&source->overruns, monotonic_us(), &left_out))
		return;
	log_left_out(left_out, "batches longer than the trigger");
	log_warning("source %s: falling behind: a batch took %.3f seconds, the trigger is every "
		    "%.3f seconds",
		engine->config->spec.sources[engine->job.source].name,
		(double)engine->job.took_us / 1e6, (double)source->trigger.interval_us / 1e6);
}

static void on_summary(uv_timer_t *timer)
{
	struct engine *engine = timer->data;

	log_info("counted %" PRId64 " events in %" PRId64 " batches", engine->n_summary_events,
		engine->n_summary_batches);
	engine->n_summary_events = 0;
	engine->n_summary_batches = 0;
}

void engine_log_batch(struct engine *engine)
{
	const struct cycle_outcome *outcome = &engine->job.outcome;

	if (engine->n_summary_batches++ == 0 && !engine->is_stopping)
		uv_timer_start(&engine->summary, on_summary, SUMMARY_MS, 0);
	engine->n_summary_events += outcome->n_events;
	log_debug("batch %" PRId64 ": %" PRId64 " events in %.3f ms", outcome->batch_id,
		outcome->n_events, (double)engine->job.took_us / 1000);
	overrun_note(engine, &engine->sources[engine->job.source]);
}

void engine_log_failed_queries(const struct engine *engine)
{
	const struct job *job = &engine->job;

	for (size_t i = 0; i < engine->config->spec.n_queries; i++) {
		struct query_view view;

		if (job->queries[i].totals.state != QUERY_FAILED ||
			(engine->queries != NULL &&
				engine->queries[i].totals.state == QUERY_FAILED))
			continue;
		stream_query_view(job->stream, i, &view);
		log_error("query %s has failed%s%s", engine->config->spec.queries[i].name,
			view.exception != NULL ? ": " : " before this start; ",
			view.exception != NULL ? view.exception : "queries.exception says why");
	}
}
