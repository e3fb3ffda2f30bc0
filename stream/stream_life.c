/*
 * The life of queries: stopped and started, and a new spec in place of the old
 * one. A source or a query with the same name and the same definition keeps
 * what it has; everything else is new. All that can fail is made first, so
 * that a reload that fails has changed nothing.
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void set_state(struct query *query, enum query_state state)
{
	if (query->totals.state == state)
		return;
	query->totals.state = state;
	query->is_state_changed = true;
}

int stream_start_query(struct stream *stream, size_t query, struct err *err)
{
	struct query *started = stream->queries[query];

	(void)err;
	if (query_is_active(started))
		return 0;
	free(started->exception);
	free(started->message);
	started->exception = NULL;
	started->message = NULL;
	set_state(started, QUERY_ACTIVE);
	stream->intakes[stream->spec->queries[query].source].may_merge = true;
	return 0;
}

int stream_stop_query(struct stream *stream, size_t query, struct err *err)
{
	struct query *stopped = stream->queries[query];

	(void)err;
	if (query_is_active(stopped))
		set_state(stopped, QUERY_STOPPED);
	return 0;
}

bool stream_query_is_untold(const struct stream *stream, size_t query)
{
	return stream->queries[query]->is_state_changed;
}

static size_t find_source(const struct spec *spec, const struct source_spec *source)
{
	for (size_t i = 0; i < spec->n_sources; i++) {
		if (spec_source_goes_on(&spec->sources[i], source))
			return i;
	}
	return RELOAD_NEW;
}

/* The old query that goes on as query `i` of the new spec. */
static int find_query(const struct reload *reload, size_t i, size_t *old, struct err *err)
{
	const struct spec *before = reload->stream->spec;
	const struct query_spec *query = &reload->spec->queries[i];

	*old = RELOAD_NEW;
	for (size_t j = 0; j < before->n_queries; j++) {
		char *one, *two;

		if (!spec_query_goes_on(&before->queries[j], query) ||
			reload->old_sources[query->source] != before->queries[j].source)
			continue;
		one = spec_query_definition(before, j);
		two = spec_query_definition(reload->spec, i);
		if (one != NULL && two != NULL && strcmp(one, two) == 0)
			*old = j;
		free(one);
		free(two);
		if (one == NULL || two == NULL)
			return err_nomem(err);
		return 0;
	}
	return 0;
}

static int make_sources(struct reload *reload, struct err *err)
{
	for (size_t i = 0; i < reload->spec->n_sources; i++) {
		struct intake *intake = &reload->intakes[i];
		int rc;

		reload->old_sources[i] =
			find_source(reload->stream->spec, &reload->spec->sources[i]);
		if (reload->old_sources[i] == RELOAD_NEW)
			rc = intake_open(intake, reload->stream, reload->spec, i, err);
		else
			rc = fields_of_source(&intake->fields, reload->spec, i, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int make_queries(struct reload *reload, struct err *err)
{
	for (size_t i = 0; i < reload->spec->n_queries; i++) {
		const struct query_spec *query = &reload->spec->queries[i];
		int rc;

		reload->places[i] = fields_places(&reload->intakes[query->source].fields, query);
		if (reload->places[i] == NULL)
			return err_nomem(err);
		rc = find_query(reload, i, &reload->old_queries[i], err);
		if (rc != 0)
			return rc;
		if (reload->old_queries[i] != RELOAD_NEW)
			continue;
		reload->queries[i] = query_new(query, reload->places[i]);
		if (reload->queries[i] == NULL)
			return err_nomem(err);
		reload->queries[i]->totals.state = QUERY_INITIALIZING;
	}
	return 0;
}

static int make_reload(struct reload *reload, struct err *err)
{
	const struct spec *spec = reload->spec;
	int rc;

	reload->old_sources = mem_new_array(spec->n_sources, sizeof(*reload->old_sources));
	reload->old_queries = mem_new_array(spec->n_queries, sizeof(*reload->old_queries));
	reload->intakes = mem_new_array(spec->n_sources, sizeof(*reload->intakes));
	reload->queries = mem_new_array(spec->n_queries, sizeof(struct query *));
	reload->places = mem_new_array(spec->n_queries, sizeof(size_t *));
	if (reload->old_sources == NULL || reload->old_queries == NULL || reload->intakes == NULL ||
		reload->queries == NULL || reload->places == NULL)
		return err_nomem(err);
	rc = make_sources(reload, err);
	if (rc == 0)
		rc = make_queries(reload, err);
	return rc;
}

/* From here on nothing fails: the kept parts move over, the others go. */
static void take_queries(struct reload *reload)
{
	struct stream *stream = reload->stream;

	for (size_t i = 0; i < reload->spec->n_queries; i++) {
		size_t old = reload->old_queries[i];

		if (old == RELOAD_NEW)
			continue;
		reload->queries[i] = stream->queries[old];
		stream->queries[old] = NULL;
		query_set_spec(reload->queries[i], &reload->spec->queries[i], reload->places[i]);
		reload->places[i] = NULL;
	}
	for (size_t i = 0; i < stream->spec->n_queries; i++)
		query_free(stream->queries[i]);
	free(stream->queries);
	stream->queries = reload->queries;
	reload->queries = NULL;
}

static void take_sources(struct reload *reload)
{
	struct stream *stream = reload->stream;

	for (size_t i = 0; i < reload->spec->n_sources; i++) {
		struct intake *intake = &reload->intakes[i];
		struct fields fields = intake->fields;
		size_t old = reload->old_sources[i];

		if (old == RELOAD_NEW)
			continue;
		*intake = stream->intakes[old];
		stream->intakes[old] = (struct intake){0};
		intake->index = i;
		scans_drop(&intake->scans);
		fields_fini(&intake->fields);
		intake->fields = fields;
		intake->shape = fields_shape(&intake->fields, &reload->spec->sources[i]);
		intake->prefixes.source = intake->source;
		source_set_spec(intake->source, &reload->spec->sources[i]);
	}
	for (size_t i = 0; i < stream->spec->n_sources; i++)
		intake_close(&stream->intakes[i]);
	free(stream->intakes);
	stream->intakes = reload->intakes;
	reload->intakes = NULL;
}

/* Nobody will stand where these would have begun. */
static void remove_places(struct reload *reload)
{
	for (size_t i = 0; i < reload->stream->spec->n_sources; i++) {
		struct prefixes *prefixes = &reload->stream->intakes[i].prefixes;

		for (size_t j = prefixes->n; j-- > 0;)
			if (prefixes->list[j]->id >= reload->first_prefix_id)
				prefixes_remove(prefixes, prefixes->list[j]);
	}
}

static void reload_free(struct reload *reload)
{
	reload->stream->reload = NULL;
	for (size_t i = 0; reload->intakes != NULL && i < reload->spec->n_sources; i++)
		intake_close(&reload->intakes[i]);
	for (size_t i = 0; reload->queries != NULL && i < reload->spec->n_queries; i++)
		query_free(reload->queries[i]);
	for (size_t i = 0; reload->places != NULL && i < reload->spec->n_queries; i++)
		free(reload->places[i]);
	free(reload->old_sources);
	free(reload->old_queries);
	free(reload->intakes);
	free(reload->queries);
	free(reload->places);
	free(reload);
}

void stream_drop_spec(struct reload *reload)
{
	remove_places(reload);
	reload_free(reload);
}

int stream_prepare_spec(
	struct reload **reload, struct stream *stream, const struct spec *spec, struct err *err)
{
	struct reload *made = calloc(1, sizeof(*made));
	int rc;

	assert(stream->batch == NULL && stream->reload == NULL);
	if (made == NULL)
		return err_nomem(err);
	made->stream = stream;
	made->spec = spec;
	made->first_prefix_id = stream->next_prefix_id;
	stream->reload = made;
	rc = make_reload(made, err);
	if (rc != 0) {
		stream_drop_spec(made);
		return rc;
	}
	*reload = made;
	return 0;
}

/*
 * Who comes back may know of files that went what had been out of sight, so
 * that those who go on would tell of them twice. `sign` 1: before it, -1: after it.
 */
static void move_missed(struct reload *reload, int64_t sign)
{
	struct stream *stream = reload->stream;

	for (size_t i = 0; i < reload->spec->n_queries; i++) {
		if (reload->old_queries[i] != RELOAD_NEW)
			stream->queries[i]->totals.n_missed +=
				sign * (int64_t)stream_prefix_of(stream, i)->n_missed;
	}
}

void stream_take_spec(struct reload *reload)
{
	take_queries(reload);
	take_sources(reload);
	reload->stream->spec = reload->spec;
	move_missed(reload, 1);
	stream_count_queries(reload->stream);
	move_missed(reload, -1);
	reload_free(reload);
}

int stream_set_spec(struct stream *stream, const struct spec *spec, struct err *err)
{
	struct reload *reload;
	int rc = stream_prepare_spec(&reload, stream, spec, err);

	if (rc != 0)
		return rc;
	rc = stream_restored(stream, err);
	if (rc != 0) {
		stream_drop_spec(reload);
		return rc;
	}
	stream_take_spec(reload);
	return 0;
}
