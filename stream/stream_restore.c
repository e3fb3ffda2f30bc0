/*
 * What the checkpoint remembers is told to the stream: at a start to the whole
 * of it, at a reload to those parts of the new spec that the running one does
 * not have. Then the newcomers, of which nothing is remembered, are placed.
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <string.h>

/* Whom it is told to: what is made for the new spec during a reload, else the stream itself. */

static const struct spec *told_spec(const struct stream *stream)
{
	return stream->reload != NULL ? stream->reload->spec : stream->spec;
}

static struct intake *told_intake(struct stream *stream, size_t source)
{
	const struct reload *reload = stream->reload;

	if (reload == NULL)
		return &stream->intakes[source];
	return reload->old_sources[source] == RELOAD_NEW
		       ? &reload->intakes[source]
		       : &stream->intakes[reload->old_sources[source]];
}

/* NULL: it goes on as it is. */
static struct query *told_query(struct stream *stream, size_t query)
{
	return stream->reload != NULL ? stream->reload->queries[query] : stream->queries[query];
}

int stream_restore_file(
	struct stream *stream, size_t source, const struct file *file, struct err *err)
{
	return source_restore(told_intake(stream, source)->source, file, err);
}

static struct prefix *restored_prefix(
	struct stream *stream, struct prefixes *prefixes, int64_t id, struct err *err)
{
	struct prefix *prefix = prefixes_find(prefixes, id);

	if (id >= stream->next_prefix_id)
		stream->next_prefix_id = id + 1;
	return prefix != NULL ? prefix : prefixes_add(prefixes, id, err);
}

int64_t stream_next_prefix_id(const struct stream *stream)
{
	return stream->next_prefix_id;
}

int stream_restore_offset(
	struct stream *stream, size_t source, const struct offset_change *offset, struct err *err)
{
	struct intake *intake = told_intake(stream, source);
	size_t slot = source_find_id(intake->source, offset->file_id);
	struct prefix *prefix;
	struct stand stand = {.at = offset->at, .file_id = offset->file_id};
	const struct file *file;
	int rc;

	prefix = restored_prefix(stream, &intake->prefixes, offset->prefix_id, err);
	if (prefix == NULL)
		return ERR_NOMEM;
	/* The row of a file that was forgotten meanwhile means nothing. */
	if (slot == SIZE_MAX)
		return 0;
	file = source_file(intake->source, slot);
	stand.seen = file->is_compressed ? file->size : offset->at.offset;
	rc = prefixes_reserve(&intake->prefixes, source_n_slots(intake->source), err);
	if (rc == 0)
		rc = prefix_reserve_puts(prefix, 1, err);
	if (rc == 0)
		prefix_put(prefix, slot, &stand);
	return rc;
}

int stream_restore_query(
	struct stream *stream, size_t query, const struct query_totals *totals, struct err *err)
{
	struct intake *intake = told_intake(stream, told_spec(stream)->queries[query].source);
	struct query *restored = told_query(stream, query);

	if (restored_prefix(stream, &intake->prefixes, totals->prefix_id, err) == NULL)
		return ERR_NOMEM;
	restored->totals = *totals;
	restored->is_restored = true;
	query_reserve(restored, totals->n_groups);
	/* The end of the daemon ends no query. */
	if (totals->state == QUERY_TERMINATED)
		restored->totals.state = QUERY_INITIALIZING;
	return 0;
}

int stream_restore_row(struct stream *stream, size_t query, const struct event_value *values,
	int64_t start_us, int64_t end_us, uint64_t count, bool is_open, struct err *err)
{
	return query_restore_row(
		told_query(stream, query), values, start_us, end_us, count, is_open, err);
}

void stream_restore_reject_totals(
	struct stream *stream, size_t source, const int64_t totals[REJECT_REASONS])
{
	struct intake *intake = told_intake(stream, source);

	memcpy(intake->reject_totals, totals, sizeof(intake->reject_totals));
}

/* Where it is behind the others, the file's least offset is smaller now. */
static int mark_files_behind(struct intake *intake, const struct query *query, struct err *err)
{
	const struct prefixes *prefixes = &intake->prefixes;
	const struct prefix *prefix = prefixes_find(prefixes, query->totals.prefix_id);

	for (size_t slot = 0; slot < source_n_slots(intake->source); slot++) {
		const struct file *file = source_file(intake->source, slot);
		struct stand own, frontier;

		if (file == NULL || file_is_gone(file))
			continue;
		own = prefix_stand(prefix, file, slot);
		frontier = prefixes_frontier(prefixes, file, slot);
		if (prefix_compare(file, &own, &frontier) < 0 &&
			intake_mark(intake, slot, err) != 0)
			return err->code;
	}
	return 0;
}

/* Of files that are gone nobody may know any more how far they were read: all with events are
 * missed. */
static int64_t count_out_of_sight(const struct intake *intake, const struct prefix *fresh)
{
	int64_t n = 0;

	for (size_t slot = 0; slot < source_n_slots(intake->source); slot++) {
		const struct file *file = source_file(intake->source, slot);

		n += file != NULL && file_is_gone(file) && file->n_events > 0;
	}
	return n - (int64_t)prefixes_count_missed(&intake->prefixes, fresh);
}

/* The prefix of the newcomers, which has begun no file, made with the first of them. */
static int place_newcomer(struct stream *stream, struct intake *intake, struct query *query,
	struct prefix **fresh, struct err *err)
{
	if (*fresh == NULL) {
		*fresh = prefixes_add(&intake->prefixes, stream->next_prefix_id, err);
		if (*fresh == NULL)
			return ERR_NOMEM;
		stream->next_prefix_id++;
	}
	query->totals.prefix_id = (*fresh)->id;
	query->totals.n_missed = count_out_of_sight(intake, *fresh);
	return 0;
}

/* To a source that other queries go on reading. */
static bool comes_to_others(const struct stream *stream, size_t source)
{
	return stream->reload != NULL && stream->reload->old_sources[source] != RELOAD_NEW;
}

/* Of the queries of one source that were told of or are new. */
static int place_queries(struct stream *stream, size_t source, struct err *err)
{
	const struct spec *spec = told_spec(stream);
	struct intake *intake = told_intake(stream, source);
	struct prefix *fresh = NULL;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < spec->n_queries; i++) {
		struct query *query = told_query(stream, i);
		bool is_newcomer = query != NULL && query->totals.prefix_id < 0;

		if (spec->queries[i].source != source || query == NULL)
			continue;
		if (is_newcomer)
			rc = place_newcomer(stream, intake, query, &fresh, err);
		if (rc == 0 && (is_newcomer || comes_to_others(stream, source)))
			rc = mark_files_behind(intake, query, err);
	}
	if (rc == 0)
		rc = prefixes_reserve(&intake->prefixes, source_n_slots(intake->source), err);
	return rc;
}

/* Files that were read but neither archived nor deleted, by the last run or before the reload. */
static int find_cleanable(struct intake *intake, struct err *err)
{
	for (size_t slot = 0; slot < source_n_slots(intake->source); slot++) {
		const struct file *file = source_file(intake->source, slot);

		if (file == NULL || file->state != FILE_DONE)
			continue;
		if (!mem_grow(&intake->cleanable, &intake->cleanable_cap, intake->n_cleanable + 1,
			    sizeof(*intake->cleanable)))
			return err_nomem(err);
		intake->cleanable[intake->n_cleanable++] = slot;
	}
	intake->must_clean = true;
	return 0;
}

static bool begins_to_clean(const struct stream *stream, size_t source)
{
	const struct reload *reload = stream->reload;
	const struct spec *spec = told_spec(stream);

	return spec->sources[source].clean_source != CLEAN_SOURCE_OFF &&
	       (!comes_to_others(stream, source) ||
		       stream->spec->sources[reload->old_sources[source]].clean_source ==
			       CLEAN_SOURCE_OFF);
}

int stream_restored(struct stream *stream, struct err *err)
{
	const struct spec *spec = told_spec(stream);
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < spec->n_sources; i++)
		rc = place_queries(stream, i, err);
	for (size_t i = 0; rc == 0 && i < spec->n_sources; i++) {
		if (begins_to_clean(stream, i))
			rc = find_cleanable(told_intake(stream, i), err);
	}
	if (rc == 0 && stream->reload == NULL)
		stream_count_queries(stream);
	return rc;
}
