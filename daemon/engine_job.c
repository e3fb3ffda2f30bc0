/*
 * Straight-line code on a pool thread. Whatever the job, it ends alike: the
 * sentences for the log are collected, `queries` is brought up to date, and
 * the loop gets a brief of every query and source.
 */
#include "daemon/engine_job.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/timestamp.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * When nothing follows, the heap is handed back to the system: at once after a batch of more events
 * or files, a reload or the load, and this long after the last time where small batches were all.
 */
#define HEATING_EVENTS 1000000
#define HEATING_FILES  2000
#define COOLING_US     (60 * US_PER_S)

static int64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static int load(struct job *job, struct err *err)
{
	const struct config *config = job->config;
	struct store_options options = {.state_dir = config->state_dir,
		.rebuild = job->rebuild,
		.settings = config->settings,
		.n_settings = config->n_settings,
		.now_us = job->now_us};

	if (config_check_directories(config, err) != 0 ||
		file_make_dirs(config->state_dir, 0700, err) != 0 ||
		store_open(&job->store, &options, err) != 0)
		return err->code;
	if (stream_open(&job->stream, &config->spec, err) != 0)
		return err->code;
	int rc = store_load(job->store, &config->spec, job->stream, err);
	job->is_loaded = rc == 0;
	/* The first look may find much to read: only when it has, the heap is handed back. */
	job->is_heated = true;
	return rc;
}

/*
 * A batch's own memory, and what the databases keep to be faster, is worth
 * keeping while the next batch follows and not when nothing does.
 */
static void cool_down(struct job *job)
{
	store_rest(job->store);
	(void)malloc_trim(0);
	job->is_heated = job->is_warm = false;
	job->cooled_us = monotonic_us();
}

/* Whether the heap is worth the pages that handing it back costs. */
static bool is_hot(const struct job *job)
{
	return job->is_heated || (job->is_warm && monotonic_us() - job->cooled_us >= COOLING_US);
}

static int cycle(struct job *job, struct err *err)
{
	struct err ignored = ERR_INIT;
	int rc = cycle_run(
		job->stream, job->store, job->source, job->full, job->now_us, &job->outcome, err);

	/* Without memory for it, who waits for the mark waits until nothing is left. */
	if (rc == 0 && job->wants_mark &&
		mark_new(&job->mark, job->stream, job->source, &ignored) != 0)
		job->mark = NULL;
	if (job->outcome.n_events > HEATING_EVENTS || job->outcome.n_files > HEATING_FILES)
		job->is_heated = true;
	if (!job->outcome.is_idle)
		job->is_warm = true;
	else if (rc == 0 && is_hot(job))
		cool_down(job);
	return rc;
}

/*
 * Who hears that a query is stopped may rely on it: the state is durable before
 * it is told, whatever comes next, a kill or a reload without the query.
 */
static int query_change(struct job *job, struct err *err)
{
	size_t source = job->config->spec.queries[job->query].source;
	int rc = job->call->kind == CALL_START ? stream_start_query(job->stream, job->query, err)
					       : stream_stop_query(job->stream, job->query, err);

	if (rc == 0 && stream_query_is_untold(job->stream, job->query))
		rc = cycle_run_unscanned(
			job->stream, job->store, source, job->now_us, &job->outcome, err);
	return rc < 0 ? err_prefix(err, "the new state is taken but could not be made durable") : 0;
}

/* Either all of it holds afterwards or nothing. */
static int reload(struct job *job, struct err *err)
{
	struct config *fresh;
	struct reload *reload;

	if (config_read(&fresh, &job->config_request, err) != 0)
		return err->code;
	int rc = config_keep_running(fresh, job->config, &job->waiting_keys, err);
	if (rc == 0)
		rc = config_check_directories(fresh, err);
	if (rc == 0)
		rc = stream_prepare_spec(&reload, job->stream, &fresh->spec, err);
	if (rc != 0) {
		config_unref(fresh);
		return rc;
	}
	rc = store_set_spec(
		job->store, &fresh->spec, job->stream, fresh->settings, fresh->n_settings, err);
	if (rc != 0) {
		stream_drop_spec(reload);
		config_unref(fresh);
		return rc;
	}
	stream_take_spec(reload);
	job->fresh = fresh;
	/* Two configurations and two sets of tables stood side by side. */
	job->is_heated = true;
	return 0;
}

static int finish(struct job *job, struct err *err)
{
	return job->is_loaded ? store_sync(job->store, err) : 0;
}

static void note_add(struct buf *notes, const char *sentence)
{
	buf_add(notes, sentence, strlen(sentence) + 1);
}

static void notes_collect(struct job *job, const struct spec *spec)
{
	const char *notice;
	char *note;

	while (job->store != NULL && (notice = store_next_notice(job->store)) != NULL)
		note_add(&job->warnings, notice);
	for (size_t i = 0; job->stream != NULL && i < spec->n_sources; i++)
		while ((note = stream_take_note(job->stream, i)) != NULL) {
			note_add(&job->notes, note);
			free(note);
		}
}

/* Spark's texts, as StreamingQueryStatus has them; trouble comes first. */
static const char *message_of(
	const struct job *job, const struct spec *spec, size_t query, const struct query_view *view)
{
	const struct source_spec *source = &spec->sources[spec->queries[query].source];
	const char *trouble = stream_source_trouble(job->stream, spec->queries[query].source);

	if (view->totals.state == QUERY_STOPPED || job->kind == JOB_FINISH)
		return "Stopped";
	if (view->totals.state == QUERY_FAILED)
		return "Terminated with exception";
	if (job->err.code != 0 && job->kind == JOB_CYCLE &&
		spec->queries[query].source == job->source)
		return job->err.text;
	if (trouble != NULL)
		return trouble;
	if (view->is_data_available)
		return "Processing new data";
	return source->trigger_us > 0 ? "Waiting for next trigger" : "Waiting for data to arrive";
}

static enum query_state state_of(const struct job *job, const struct query_view *view)
{
	enum query_state state = view->totals.state;

	if (job->kind == JOB_FINISH && (state == QUERY_ACTIVE || state == QUERY_INITIALIZING))
		return QUERY_TERMINATED;
	return state;
}

static int status_update(struct job *job, const struct spec *spec, struct err *err)
{
	struct query_status *status = mem_new_array(spec->n_queries, sizeof(*status));

	if (status == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < spec->n_queries; i++) {
		struct query_view view;
		stream_query_view(job->stream, i, &view);
		status[i].state = state_of(job, &view);
		status[i].message = message_of(job, spec, i, &view);
		status[i].exception = view.exception;
		status[i].n_missed = view.n_missed;
		status[i].n_files_behind = view.n_files_behind;
		status[i].is_data_available = view.is_data_available;
		status[i].is_trigger_active = view.is_data_available &&
					      view.totals.state == QUERY_ACTIVE &&
					      job->kind != JOB_FINISH;
		if (job->queries != NULL)
			job->queries[i] = (struct query_brief){
				view.totals, view.n_files_behind, view.is_data_available};
	}
	int rc = store_set_status(job->store, status, err);
	free(status);
	return rc;
}

static void briefs_make(struct job *job, const struct spec *spec)
{
	struct err err = ERR_INIT;

	job->queries = mem_new_array(spec->n_queries, sizeof(*job->queries));
	job->sources = mem_new_array(spec->n_sources, sizeof(*job->sources));
	if (status_update(job, spec, &err) != 0)
		note_add(&job->notes, err.text);
	for (size_t i = 0; job->sources != NULL && i < spec->n_sources; i++) {
		struct source_brief *brief = &job->sources[i];
		brief->next_look_us =
			stream_next_look_us(job->stream, i, &brief->next_look_is_full);
		brief->has_trouble = stream_source_trouble(job->stream, i) != NULL;
	}
}

/* Here, since a server that does not answer would hold up the loop. Without memory some are NULL.
 */
static void notices_open(struct job *job, const struct spec *spec)
{
	struct err ignored = ERR_INIT;

	job->notices = mem_new_array(spec->n_sources, sizeof(*job->notices));
	if (job->notices == NULL)
		return;
	job->n_notices = spec->n_sources;
	for (size_t i = 0; i < spec->n_sources; i++) {
		const struct source_spec *source = &spec->sources[i];

		if (notice_open(&job->notices[i], source->path, source->recursive, &ignored) != 0)
			job->notices[i] = NULL;
	}
}

static void notices_close(struct job *job)
{
	for (size_t i = 0; i < job->n_notices; i++)
		notice_close(job->notices[i]);
	free(job->notices);
	job->notices = NULL;
	job->n_notices = 0;
}

void job_run(struct job *job)
{
	int64_t started_us = monotonic_us();
	int rc = 0;

	switch (job->kind) {
	case JOB_LOAD: rc = load(job, &job->err); break;
	case JOB_CYCLE: rc = cycle(job, &job->err); break;
	case JOB_QUERY: rc = query_change(job, &job->err); break;
	case JOB_RELOAD: rc = reload(job, &job->err); break;
	case JOB_FINISH: rc = finish(job, &job->err); break;
	}
	/* What was mended on the way may have left its sentence. */
	if (rc == 0)
		job->err = (struct err)ERR_INIT;
	const struct spec *spec = job->fresh != NULL ? &job->fresh->spec : &job->config->spec;
	if (job->is_loaded && (job->kind == JOB_LOAD || job->kind == JOB_RELOAD))
		notices_open(job, spec);
	if (job->is_loaded)
		briefs_make(job, spec);
	notes_collect(job, spec);
	job->took_us = monotonic_us() - started_us;
}

void job_clear(struct job *job)
{
	buf_fini(&job->warnings);
	buf_fini(&job->notes);
	buf_fini(&job->waiting_keys);
	free(job->queries);
	free(job->sources);
	mark_unref(job->mark);
	notices_close(job);
	job->mark = NULL;
	job->queries = NULL;
	job->sources = NULL;
	job->fresh = NULL;
	job->err = (struct err)ERR_INIT;
	job->outcome = (struct cycle_outcome){0};
}
