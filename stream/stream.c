/*
 * Opening, restoring, looking, and what is shown of a stream between batches.
 * Batches are made in batch.c, the life of queries stands in stream_life.c.
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *query_state_name(enum query_state state)
{
	static const char *const names[] = {
		[QUERY_INITIALIZING] = "INITIALIZING",
		[QUERY_ACTIVE] = "ACTIVE",
		[QUERY_STOPPED] = "STOPPED",
		[QUERY_FAILED] = "FAILED",
		[QUERY_TERMINATED] = "TERMINATED",
	};

	return names[state];
}

bool query_is_active(const struct query *query)
{
	return query->totals.state == QUERY_ACTIVE || query->totals.state == QUERY_INITIALIZING;
}

struct prefix *stream_prefix_of(const struct stream *stream, size_t query)
{
	const struct intake *intake = &stream->intakes[stream->spec->queries[query].source];

	return prefixes_find(&intake->prefixes, stream->queries[query]->totals.prefix_id);
}

int intake_open(struct intake *intake, struct stream *stream, const struct spec *spec,
	size_t source, struct err *err)
{
	int rc;

	*intake = (struct intake){.index = source, .clean_retry_us = INT64_MAX};
	rc = scans_init(&intake->scans, stream->crew.n, stream->level, err);
	if (rc == 0)
		rc = fields_of_source(&intake->fields, spec, source, err);
	if (rc != 0)
		return rc;
	intake->shape = fields_shape(&intake->fields, &spec->sources[source]);
	rc = source_open(&intake->source, &spec->sources[source], err);
	if (rc != 0)
		return rc;
	source_set_pulse(intake->source, &stream->pulse);
	prefixes_init(&intake->prefixes, intake->source);
	return 0;
}

void intake_close(struct intake *intake)
{
	scans_fini(&intake->scans);
	prefixes_fini(&intake->prefixes);
	if (intake->source != NULL)
		source_close(intake->source);
	fields_fini(&intake->fields);
	for (size_t i = 0; i < intake->n_forgotten; i++)
		free(intake->forgotten[i].path);
	free(intake->forgotten);
	free(intake->dirty);
	free(intake->cleanable);
	free(intake->note);
	*intake = (struct intake){0};
}

int intake_mark(struct intake *intake, size_t slot, struct err *err)
{
	if (!mem_grow(&intake->dirty, &intake->dirty_cap, intake->n_dirty + 1,
		    sizeof(*intake->dirty)))
		return err_nomem(err);
	intake->dirty[intake->n_dirty++] = slot;
	return 0;
}

/* Some prefix has; a file that it missed may be there again. */
static bool has_missed(const struct prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (prefixes->list[i]->n_missed > 0)
			return true;
	}
	return false;
}

int intake_look(struct intake *intake, struct err *err)
{
	bool some_went = false;
	size_t *slots = NULL;
	size_t n = 0;
	int rc = prefixes_reserve(&intake->prefixes, source_n_slots(intake->source), err);

	if (rc == 0 &&
		!mem_grow(&intake->dirty, &intake->dirty_cap,
			intake->n_dirty + source_n_slots(intake->source), sizeof(*intake->dirty)))
		rc = err_nomem(err);
	if (rc == 0)
		rc = source_take_changed(intake->source, &slots, &n, err);
	if (rc != 0)
		return rc;
	prefixes_look(&intake->prefixes, slots, n);
	for (size_t i = 0; i < n; i++) {
		const struct file *file = source_file(intake->source, slots[i]);

		if (file != NULL && file->is_changed)
			intake->dirty[intake->n_dirty++] = slots[i];
		some_went |= file != NULL && file_is_gone(file);
	}
	if (some_went ||
		(has_missed(&intake->prefixes) && prefixes_are_behind(&intake->prefixes, slots, n)))
		prefixes_look_at_gone(&intake->prefixes);
	free(slots);
	return 0;
}

static int make_queries(struct stream *stream, struct err *err)
{
	const struct spec *spec = stream->spec;

	for (size_t i = 0; i < spec->n_queries; i++) {
		const struct query_spec *query = &spec->queries[i];
		size_t *places = fields_places(&stream->intakes[query->source].fields, query);

		if (places != NULL)
			stream->queries[i] = query_new(query, places);
		free(places);
		if (stream->queries[i] == NULL)
			return err_nomem(err);
	}
	return 0;
}

int stream_open(struct stream **out, const struct spec *spec, struct err *err)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	int rc = 0;

	if (stream == NULL)
		return err_nomem(err);
	stream->spec = spec;
	stream->slice_bytes = PLAN_SLICE_BYTES;
	stream->level = SCAN_AUTO;
	stream->intakes = mem_new_array(spec->n_sources, sizeof(*stream->intakes));
	stream->queries = mem_new_array(spec->n_queries, sizeof(struct query *));
	if (stream->intakes == NULL || stream->queries == NULL)
		rc = err_nomem(err);
	if (rc == 0)
		rc = crew_open(&stream->crew, spec->threads, err);
	for (size_t i = 0; rc == 0 && i < spec->n_sources; i++)
		rc = intake_open(&stream->intakes[i], stream, spec, i, err);
	if (rc == 0)
		rc = make_queries(stream, err);
	if (rc != 0) {
		stream_close(stream);
		return rc;
	}
	*out = stream;
	return 0;
}

void stream_close(struct stream *stream)
{
	if (stream == NULL)
		return;
	assert(stream->batch == NULL);
	for (size_t i = 0; stream->queries != NULL && i < stream->spec->n_queries; i++)
		query_free(stream->queries[i]);
	for (size_t i = 0; stream->intakes != NULL && i < stream->spec->n_sources; i++)
		intake_close(&stream->intakes[i]);
	crew_close(&stream->crew);
	free(stream->queries);
	free(stream->intakes);
	free(stream);
}

void stream_count_queries(struct stream *stream)
{
	for (size_t i = 0; i < stream->spec->n_sources; i++) {
		struct prefixes *prefixes = &stream->intakes[i].prefixes;

		for (size_t j = 0; j < prefixes->n; j++)
			prefixes->list[j]->n_queries = 0;
	}
	for (size_t i = 0; i < stream->spec->n_queries; i++)
		stream_prefix_of(stream, i)->n_queries++;
	for (size_t i = 0; i < stream->spec->n_sources; i++) {
		stream->intakes[i].may_merge = true;
		prefixes_look_at_all(&stream->intakes[i].prefixes);
		prefixes_look_at_gone(&stream->intakes[i].prefixes);
	}
}

bool stream_notice(struct stream *stream, size_t source, const char *relative_path)
{
	return source_notice(stream->intakes[source].source, relative_path);
}

void stream_set_noticed(struct stream *stream, size_t source, bool is_noticed)
{
	source_set_noticed(stream->intakes[source].source, is_noticed);
}

int stream_scan(struct stream *stream, size_t source, bool full, int64_t now_us, struct err *err)
{
	struct intake *intake = &stream->intakes[source];
	int rc = source_scan(intake->source, full, now_us, err);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < stream->spec->n_queries; i++) {
		struct query *query = stream->queries[i];

		if (stream->spec->queries[i].source != source)
			continue;
		if (query->totals.state == QUERY_INITIALIZING)
			query->totals.state = QUERY_ACTIVE;
		if (query->totals.started_at_us == 0)
			query->totals.started_at_us = now_us;
	}
	return intake_look(intake, err);
}

void stream_stop_batch(struct stream *stream)
{
	atomic_store(&stream->stop, true);
}

unsigned stream_pulse(const struct stream *stream)
{
	return atomic_load_explicit(&stream->pulse, memory_order_relaxed);
}

void stream_query_view(const struct stream *stream, size_t query, struct query_view *view)
{
	const struct query *shown = stream->queries[query];
	const struct prefix *prefix = stream_prefix_of(stream, query);
	const struct source *source = stream->intakes[stream->spec->queries[query].source].source;
	size_t n_behind = prefix != NULL ? prefix->n_heap : 0;

	*view = (struct query_view){
		.totals = shown->totals,
		.n_files_behind = (int64_t)(n_behind + source_n_errors(source)),
		.is_data_available = n_behind > 0,
		.exception = shown->exception,
		.n_missed =
			shown->totals.n_missed + (prefix != NULL ? (int64_t)prefix->n_missed : 0),
	};
}

const char *stream_source_trouble(const struct stream *stream, size_t source)
{
	return source_trouble(stream->intakes[source].source);
}

int64_t stream_next_look_us(const struct stream *stream, size_t source, bool *full)
{
	const struct intake *intake = &stream->intakes[source];
	int64_t look_us = source_next_look_us(intake->source, full);

	if (intake->clean_retry_us >= look_us)
		return look_us;
	*full = false;
	return intake->clean_retry_us;
}

void stream_move_clock(struct stream *stream, int64_t step_us)
{
	for (size_t i = 0; i < stream->spec->n_sources; i++) {
		struct intake *intake = &stream->intakes[i];

		if (intake->clean_retry_us != INT64_MAX)
			intake->clean_retry_us += step_us;
		source_move_clock(intake->source, step_us);
	}
}

char *stream_take_note(struct stream *stream, size_t source)
{
	struct intake *intake = &stream->intakes[source];
	char *note = intake->note;

	intake->note = NULL;
	return note != NULL ? note : source_take_note(intake->source);
}
