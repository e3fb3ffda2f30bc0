/*
 * The life of a batch: chosen, made, accepted or abandoned. What comes first:
 *
 *   1. states and prefixes      a batch that counts nothing
 *   2. windows append must show a batch without files
 *   3. files                    for one prefix, the prefixes in turn
 *   4. rows of files alone      a batch that counts nothing
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Between two tries to archive or delete what could not be. */
#define CLEAN_PAUSE_FIRST_US INT64_C(1000000)
#define CLEAN_PAUSE_LAST_US  INT64_C(300000000)

void batch_free(struct batch *batch)
{
	if (batch == NULL)
		return;
	plan_fini(&batch->plan);
	for (size_t i = 0; i < batch->n_too_long_rows; i++) {
		free((char *)(uintptr_t)batch->too_long[i].detail);
		free((char *)(uintptr_t)batch->too_long[i].text);
	}
	free(batch->too_long);
	free(batch->n_too_long);
	free(batch->members);
	free(batch->moves);
	free(batch->n_missed);
	free(batch->changes.queries);
	free(batch->changes.files);
	free(batch->changes.offsets);
	free(batch->changes.rejects);
	free(batch->files);
	free(batch->dropped);
	free(batch->reject_totals);
	free(batch);
}

static struct batch *batch_new(struct stream *stream, struct intake *intake, int64_t now_us)
{
	struct batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	batch->stream = stream;
	batch->intake = intake;
	batch->now_us = now_us;
	batch->members = mem_new_array(stream->spec->n_queries, sizeof(*batch->members));
	if (batch->members == NULL) {
		free(batch);
		return NULL;
	}
	return batch;
}

/* Slots that the plan has taken out of the heap are looked at again. */
static void look_again(struct batch *batch)
{
	struct prefixes *prefixes = &batch->intake->prefixes;

	for (size_t i = 0; i < batch->plan.n_files; i++)
		prefixes_look(prefixes, &batch->plan.files[i].slot, 1);
}

static void give_up(struct batch *batch)
{
	for (size_t i = 0; i < batch->n_members; i++)
		query_abandon(batch->stream->queries[batch->members[i]]);
	batch_drop_moves(batch);
	look_again(batch);
	batch_free(batch);
}

static bool is_of(const struct batch *batch, size_t query)
{
	return batch->stream->spec->queries[query].source == batch->intake->index &&
	       query_is_active(batch->stream->queries[query]);
}

static bool choose_closing(struct batch *batch)
{
	for (size_t i = 0; i < batch->stream->spec->n_queries; i++) {
		if (is_of(batch, i) && query_has_closed(batch->stream->queries[i]))
			batch->members[batch->n_members++] = i;
	}
	batch->kind = BATCH_CLOSING;
	return batch->n_members > 0;
}

static bool choose_prefix(struct batch *batch)
{
	struct intake *intake = batch->intake;
	struct prefixes *prefixes = &intake->prefixes;

	for (size_t k = 0; k < prefixes->n; k++) {
		size_t at = (intake->turn + k) % prefixes->n;

		batch->prefix = prefixes->list[at];
		if (batch->prefix->n_heap == 0)
			continue;
		for (size_t i = 0; i < batch->stream->spec->n_queries; i++) {
			if (is_of(batch, i) && stream_prefix_of(batch->stream, i) == batch->prefix)
				batch->members[batch->n_members++] = i;
		}
		if (batch->n_members == 0)
			continue;
		batch->kind = BATCH_DATA;
		intake->turn = at + 1;
		return true;
	}
	batch->prefix = NULL;
	return false;
}

static bool has_rows_of_files(const struct intake *intake)
{
	return intake->n_dirty > 0 || intake->n_forgotten > 0 ||
	       (intake->must_clean && intake->n_cleanable > 0);
}

/* 1: there is something to do, and if it is counting, it is done; 0: nothing; BATCH_STOPPED,
 * BATCH_FAILED, or an error. */
static int choose_and_run(struct batch *batch, struct err *err)
{
	int rc = batch_plan_house(batch, err);

	if (rc != 0)
		return rc;
	if (!choose_closing(batch) && !choose_prefix(batch)) {
		batch->kind = BATCH_HOUSE;
		return has_rows_of_files(batch->intake);
	}
	rc = batch_run(batch, err);
	return rc == 0 ? 1 : rc;
}

static int make_batch(struct stream *stream, struct intake *intake, int64_t now_us,
	struct batch **out, struct err *err)
{
	struct batch *batch = batch_new(stream, intake, now_us);
	int rc;

	if (batch == NULL)
		return err_nomem(err);
	rc = choose_and_run(batch, err);
	if (rc == 1) {
		int made = batch_make_changes(batch, err);

		if (made == 0) {
			*out = batch;
			return 1;
		}
		rc = made;
	}
	give_up(batch);
	return rc;
}

int stream_batch(
	struct stream *stream, size_t source, int64_t now_us, struct batch **batch, struct err *err)
{
	struct intake *intake = &stream->intakes[source];
	int rc = intake_look(intake, err);

	assert(stream->batch == NULL);
	if (rc != 0)
		return rc;
	if (intake->clean_retry_us <= now_us)
		intake->must_clean = true;
	do {
		rc = make_batch(stream, intake, now_us, batch, err);
		/* Queries have failed instead: their new state is the batch. */
	} while (rc == BATCH_FAILED);
	atomic_store(&stream->stop, false);
	if (rc == BATCH_STOPPED)
		return 0;
	if (rc == 1)
		stream->batch = *batch;
	return rc;
}

const struct changes *batch_changes(const struct batch *batch)
{
	return &batch->changes;
}

static bool is_read_by_all(const struct intake *intake, const struct file *file, size_t slot)
{
	struct stand frontier = prefixes_frontier(&intake->prefixes, file, slot);

	for (size_t i = 0; i < intake->prefixes.n; i++) {
		const struct prefix *prefix = intake->prefixes.list[i];
		struct stand stand = prefix_stand(prefix, file, slot);

		if (prefix->n_queries > 0 && prefix_compare(file, &stand, &frontier) < 0)
			return false;
	}
	return true;
}

/* Tells the source how the reading went. It was told to the checkpoint already. */
static void tell_source(struct batch *batch, size_t at, int64_t now_us)
{
	const struct plan_file *read = &batch->plan.files[at];
	struct source *source = batch->intake->source;
	struct file *file = source_file(source, read->slot);
	struct stand stand = prefix_stand(batch->prefix, file, read->slot);
	struct stand frontier = prefixes_frontier(&batch->intake->prefixes, file, read->slot);

	switch (read->end) {
	case SLICE_NOT_RUN: return;
	case SLICE_GONE: source_gone(source, read->slot); return;
	default: break;
	}
	if (plan_file_was_read(read) && prefix_compare(file, &stand, &frontier) >= 0)
		source_consumed(source, read->slot, batch_consumed_limit(read),
			&read->read.identity, read->read.is_finished);
	if (read->end == SLICE_SHORT) {
		/* It has become shorter under our hands: the source finds out what it is now. */
		source_gone(source, read->slot);
		return;
	}
	if (read->end == SLICE_FAILED)
		source_failed(source, read->slot, read->reason, now_us);
	file->is_changed = false;
}

static void accept_file(struct batch *batch, size_t at, int64_t now_us)
{
	struct intake *intake = batch->intake;
	const struct plan_file *read = &batch->plan.files[at];
	struct file *file = source_file(intake->source, read->slot);
	struct stand stand = {
		.at = read->at,
		.file_id = file->id,
		.seen = read->end == SLICE_DONE && read->stop == SLICE_TO_END ? read->offered
									      : read->at.offset,
	};

	if (plan_file_was_read(read)) {
		prefix_put(batch->prefix, read->slot, &stand);
		batch_count_file(batch, at, file);
	}
	tell_source(batch, at, now_us);
	if (source_spec(intake->source)->clean_source == CLEAN_SOURCE_OFF ||
		file->state != FILE_DONE || !is_read_by_all(intake, file, read->slot))
		return;
	/* Without memory the file is not cleaned in this run; the next start finds it. */
	if (mem_grow(&intake->cleanable, &intake->cleanable_cap, intake->n_cleanable + 1,
		    sizeof(*intake->cleanable)))
		intake->cleanable[intake->n_cleanable++] = read->slot;
}

/* The checkpoint that covers these files is synced: they may go. One that cannot stays in the list,
 * in front, and holds up no other. */
static void clean(struct intake *intake)
{
	size_t n_left = intake->must_clean ? 0 : intake->n_uncleaned;

	for (size_t i = n_left; i < intake->n_cleanable; i++) {
		size_t slot = intake->cleanable[i];
		const struct file *file = source_file(intake->source, slot);
		struct err err = ERR_INIT;

		if (file == NULL || file->state != FILE_DONE || !is_read_by_all(intake, file, slot))
			continue;
		/* It is told of when the source is next asked for notes. */
		if (source_clean(intake->source, slot, &err) < 0) {
			free(intake->note);
			intake->note = mem_copy_text(err.text, strlen(err.text));
			intake->cleanable[n_left++] = slot;
		}
	}
	intake->n_cleanable = n_left;
}

/* What could not go, for want of a synced checkpoint or for a reason of its own, is tried again
 * after pauses that double. */
static void plan_next_clean(struct intake *intake, int64_t now_us)
{
	bool is_tried_again = intake->must_clean && intake->n_uncleaned > 0;

	intake->must_clean = false;
	/* A reload may have said so while some were left. */
	if (source_spec(intake->source)->clean_source == CLEAN_SOURCE_OFF)
		intake->n_cleanable = 0;
	if (intake->n_cleanable == 0) {
		intake->clean_retry_us = INT64_MAX;
	} else if (is_tried_again || intake->n_uncleaned == 0) {
		intake->clean_pause_us =
			is_tried_again ? intake->clean_pause_us * 2 : CLEAN_PAUSE_FIRST_US;
		if (intake->clean_pause_us > CLEAN_PAUSE_LAST_US)
			intake->clean_pause_us = CLEAN_PAUSE_LAST_US;
		intake->clean_retry_us = now_us + intake->clean_pause_us;
	}
	intake->n_uncleaned = intake->n_cleanable;
}

/* A file goes out of sight: who has missed it has missed it for good. */
static void keep_missed(
	struct stream *stream, struct intake *intake, const struct file *file, size_t slot)
{
	for (size_t i = 0; i < stream->spec->n_queries; i++) {
		struct prefix *prefix = stream_prefix_of(stream, i);

		if (stream->spec->queries[i].source == intake->index &&
			prefixes_has_missed(&intake->prefixes, prefix, file, slot))
			stream->queries[i]->totals.n_missed++;
	}
}

/* Files that are gone for long leave the memory now and the checkpoint with the next changes. */
static void forget_gone(struct stream *stream, struct intake *intake)
{
	size_t slot = source_find_forgettable(intake->source);

	for (; slot != SIZE_MAX; slot = source_find_forgettable(intake->source)) {
		const struct file *file = source_file(intake->source, slot);
		char *path;

		if (!mem_grow(&intake->forgotten, &intake->forgotten_cap, intake->n_forgotten + 1,
			    sizeof(*intake->forgotten)))
			return;
		path = mem_copy_text(file->path, strlen(file->path));
		if (path == NULL)
			return;
		intake->forgotten[intake->n_forgotten++] =
			(struct file){.id = file->id, .path = path};
		keep_missed(stream, intake, file, slot);
		source_forget(intake->source, slot);
	}
}

static void clear_rows_of_files(const struct batch *batch)
{
	struct intake *intake = batch->intake;
	size_t n_left = 0;

	for (size_t i = 0; i < intake->n_dirty; i++) {
		struct file *file = source_file(intake->source, intake->dirty[i]);

		if (batch_defers_row(batch, intake->dirty[i]))
			intake->dirty[n_left++] = intake->dirty[i];
		else if (file != NULL)
			file->is_changed = false;
	}
	intake->n_dirty = n_left;
	for (size_t i = 0; i < intake->n_forgotten; i++)
		free(intake->forgotten[i].path);
	intake->n_forgotten = 0;
}

static void accept_queries(struct batch *batch)
{
	struct stream *stream = batch->stream;

	for (size_t i = 0; i < batch->n_members; i++) {
		struct query *query = stream->queries[batch->members[i]];

		query->last_trigger_us = batch->now_us;
		query_accept(query);
	}
	for (size_t i = 0; batch->kind == BATCH_HOUSE && i < batch->changes.n_queries; i++) {
		struct query *query = stream->queries[batch->changes.queries[i].query];

		query->is_state_changed = false;
		query->is_restored = true;
	}
}

void batch_accept(struct batch *batch, bool is_synced, int64_t now_us)
{
	struct intake *intake = batch->intake;

	assert(batch->stream->batch == batch);
	clear_rows_of_files(batch);
	for (size_t i = 0; i < batch->plan.n_files; i++)
		accept_file(batch, i, now_us);
	memcpy(intake->reject_totals, batch->reject_totals[intake->index],
		sizeof(intake->reject_totals));
	accept_queries(batch);
	batch_apply_moves(batch);
	look_again(batch);
	if (batch->plan.n_files > 0)
		intake->may_merge = true;
	if (is_synced)
		clean(intake);
	plan_next_clean(intake, now_us);
	forget_gone(batch->stream, intake);
	batch->stream->batch = NULL;
	batch_free(batch);
}

void batch_abandon(struct batch *batch)
{
	assert(batch->stream->batch == batch);
	batch->stream->batch = NULL;
	give_up(batch);
}
