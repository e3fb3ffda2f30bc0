/*
 * From what a batch did to what goes out: rows and totals of its queries, the
 * files as they will be, offsets. Nothing of the stream changes here; a file's
 * row is made from a copy that is one step ahead. Rejects are
 * stream/batch_rejects.c's.
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count_files(
	const struct batch *batch, struct query_totals *totals, struct progress *progress)
{
	for (size_t i = 0; i < batch->plan.n_files; i++) {
		const struct plan_file *file = &batch->plan.files[i];
		const struct file *known = source_file(batch->intake->source, file->slot);

		if (!plan_file_was_read(file))
			continue;
		progress->n_files++;
		progress->n_bytes += file->n_bytes;
		if (prefix_stand(batch->prefix, known, file->slot).file_id == STAND_NO_FILE)
			totals->n_files++;
	}
	totals->n_bytes += progress->n_bytes;
}

static int make_query_change(
	struct batch *batch, struct query *query, struct query_change *change, struct err *err)
{
	struct query_totals *next = &query->batch.next;
	struct progress *progress = &change->progress;

	if (batch->kind == BATCH_DATA)
		count_files(batch, next, progress);
	next->n_rejects += batch_rejects(batch);
	next->state = QUERY_ACTIVE;
	if (next->started_at_us == 0)
		next->started_at_us = batch->now_us;
	change->message = batch->kind == BATCH_DATA ? "Processing new data"
						    : "No new data but cleaning up state";
	progress->timestamp_us = batch->now_us;
	progress->previous_timestamp_us = query->last_trigger_us;
	progress->plan_us = batch->planned_us - batch->start_us;
	progress->scan_us = batch->scanned_us - batch->planned_us;
	progress->fold_us = batch->folded_us - batch->scanned_us;
	progress->trigger_us = batch->folded_us - batch->start_us;
	return query_finish(query, change, err);
}

static bool make_state_change(
	const struct batch *batch, struct query *query, struct query_change *change)
{
	int64_t prefix_id = batch_prefix_after(batch, change->query)->id;
	int64_t n_missed = batch->n_missed != NULL ? batch->n_missed[change->query] : 0;

	if (!query->is_state_changed && prefix_id == query->totals.prefix_id && n_missed == 0)
		return false;
	change->totals = query->totals;
	change->totals.n_missed += n_missed;
	change->totals.prefix_id = prefix_id;
	change->is_rebuilt = !query->is_restored;
	switch (query->totals.state) {
	case QUERY_STOPPED: change->message = "Stopped"; break;
	case QUERY_FAILED:
		change->message = query->message;
		change->exception = query->exception;
		break;
	default: break;
	}
	return true;
}

static int make_query_changes(struct batch *batch, struct err *err)
{
	const struct stream *stream = batch->stream;
	struct changes *changes = &batch->changes;
	size_t n = stream->spec->n_queries;

	changes->queries = mem_new_array(n, sizeof(*changes->queries));
	if (changes->queries == NULL)
		return err_nomem(err);
	if (batch->kind != BATCH_HOUSE) {
		for (size_t i = 0; i < batch->n_members; i++) {
			struct query_change *change = &changes->queries[changes->n_queries++];
			int rc;

			change->query = batch->members[i];
			rc = make_query_change(batch, stream->queries[change->query], change, err);
			if (rc != 0)
				return rc;
		}
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct query_change *change = &changes->queries[changes->n_queries];

		change->query = i;
		if (stream->spec->queries[i].source == batch->intake->index &&
			make_state_change(batch, stream->queries[i], change))
			changes->n_queries++;
	}
	return 0;
}

void batch_count_file(const struct batch *batch, size_t at, struct file *file)
{
	const struct plan_file *read = &batch->plan.files[at];

	if (!plan_file_was_read(read) || read->is_catch_up)
		return;
	file->n_events += read->n_events - (batch->n_too_long != NULL ? batch->n_too_long[at] : 0);
	file->n_rejects += batch_rejects_of_file(batch, at);
	file->is_compressed = read->read.is_compressed;
	for (size_t i = 0; i < batch->n_members; i++) {
		int64_t id = batch->stream->queries[batch->members[i]]->batch.next.batch_id;

		if (id > file->batch_id)
			file->batch_id = id;
	}
}

int64_t batch_consumed_limit(const struct plan_file *read)
{
	if (read->end == SLICE_DONE && read->stop == SLICE_TO_END)
		return read->offered;
	return read->at.offset;
}

/* The copy as it will stand when the batch is accepted: the rule is source_consumed's. */
static void look_ahead(const struct batch *batch, size_t at, struct file *file)
{
	const struct plan_file *read = &batch->plan.files[at];

	batch_count_file(batch, at, file);
	if (read->end == SLICE_NOT_RUN || read->end == SLICE_GONE)
		return;
	if (!read->is_catch_up && plan_file_was_read(read)) {
		file->identity.fp_offset = read->read.identity.fp_offset;
		file->identity.fp_head = read->read.identity.fp_head;
		file->identity.fp_tail = read->read.identity.fp_tail;
	}
	if (read->end == SLICE_FAILED) {
		file->state = FILE_ERROR;
		file->reason = read->reason;
		return;
	}
	if (read->is_catch_up)
		return;
	if (file->n_failures > 0)
		file->reason = NULL;
	if (file->size > batch_consumed_limit(read))
		file->state = FILE_WAITING;
	else
		file->state = read->read.is_finished ? FILE_DONE : FILE_GROWING;
}

static int64_t least_offset(const struct batch *batch, const struct file *file, size_t slot,
	const struct plan_file *read)
{
	const struct prefixes *prefixes = &batch->intake->prefixes;
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < prefixes->n; i++) {
		const struct prefix *prefix = prefixes->list[i];
		struct stand stand = prefix_stand(prefix, file, slot);
		int64_t offset = stand.at.offset;

		if (prefix->n_queries == 0)
			continue;
		if (read != NULL && prefix == batch->prefix && plan_file_was_read(read))
			offset = file->is_compressed ? read->read.bytes_end : read->at.offset;
		else if (file->is_compressed && stand.seen > offset)
			offset = stand.seen;
		if (offset < least)
			least = offset;
	}
	return least == INT64_MAX ? 0 : least;
}

static int by_slot(const void *a, const void *b)
{
	size_t one = *(const size_t *)a;
	size_t two = *(const size_t *)b;

	return one < two ? -1 : one > two;
}

static int by_slot_read(const void *a, const void *b)
{
	const struct plan_file *one = *(const struct plan_file *const *)a;
	const struct plan_file *two = *(const struct plan_file *const *)b;

	return one->slot < two->slot ? -1 : one->slot > two->slot;
}

/* Rows are written in the order of their keys. */
static int by_file_id(const void *a, const void *b)
{
	const struct file_change *one = a;
	const struct file_change *two = b;

	return one->file->id < two->file->id ? -1 : one->file->id > two->file->id;
}

/* Where in the plan the files stand, by slot; the caller frees it. NULL: no memory. */
static const struct plan_file **order_plan(const struct batch *batch)
{
	const struct plan_file **files = mem_new_array(batch->plan.n_files, sizeof(*files));

	for (size_t i = 0; files != NULL && i < batch->plan.n_files; i++)
		files[i] = &batch->plan.files[i];
	if (files != NULL)
		qsort(files, batch->plan.n_files, sizeof(*files), by_slot_read);
	return files;
}

/*
 * Where a batch is full and the next one follows at once, rows of files that
 * wait for it are left to it: of a hundred thousand new files each row is
 * written once and not twice.
 */
bool batch_defers_row(const struct batch *batch, size_t slot)
{
	return batch->plan.n_files == PLAN_MAX_FILES && slot < batch->prefix->n_slots &&
	       batch->prefix->slots[slot].heap != 0;
}

/* The slots that are dirty or were read, each once, in order. */
static size_t *changed_slots(const struct batch *batch, size_t *n)
{
	const struct intake *intake = batch->intake;
	size_t *slots = mem_new_array(intake->n_dirty + batch->plan.n_files, sizeof(*slots));
	size_t n_all = 0;

	if (slots == NULL)
		return NULL;
	for (size_t i = 0; i < intake->n_dirty; i++) {
		if (!batch_defers_row(batch, intake->dirty[i]))
			slots[n_all++] = intake->dirty[i];
	}
	for (size_t i = 0; i < batch->plan.n_files; i++) {
		if (batch->plan.files[i].end != SLICE_NOT_RUN)
			slots[n_all++] = batch->plan.files[i].slot;
	}
	qsort(slots, n_all, sizeof(*slots), by_slot);
	*n = 0;
	for (size_t i = 0; i < n_all; i++) {
		if (*n == 0 || slots[*n - 1] != slots[i])
			slots[(*n)++] = slots[i];
	}
	return slots;
}

static int make_file_changes(struct batch *batch, struct err *err)
{
	struct changes *changes = &batch->changes;
	const struct plan_file **reads = order_plan(batch);
	size_t next_read = 0;
	size_t n = 0;
	size_t *slots = changed_slots(batch, &n);
	int rc = 0;

	if (reads != NULL && slots != NULL) {
		batch->files = mem_new_array(n, sizeof(*batch->files));
		changes->files =
			mem_new_array(n + batch->intake->n_forgotten, sizeof(*changes->files));
	}
	if (batch->files == NULL || changes->files == NULL)
		rc = err_nomem(err);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const struct file *file = source_file(batch->intake->source, slots[i]);
		const struct plan_file *read = NULL;
		struct file *copy = &batch->files[batch->n_files];

		if (file == NULL)
			continue;
		batch->n_files++;
		*copy = *file;
		while (next_read < batch->plan.n_files && reads[next_read]->slot < slots[i])
			next_read++;
		if (next_read < batch->plan.n_files && reads[next_read]->slot == slots[i]) {
			read = reads[next_read];
			look_ahead(batch, (size_t)(read - batch->plan.files), copy);
		}
		changes->files[changes->n_files++] = (struct file_change){
			.source = batch->intake->index,
			.file = copy,
			.least_offset = least_offset(batch, copy, slots[i], read),
		};
	}
	if (rc == 0)
		qsort(changes->files, changes->n_files, sizeof(*changes->files), by_file_id);
	for (size_t i = 0; rc == 0 && i < batch->intake->n_forgotten; i++) {
		changes->files[changes->n_files++] = (struct file_change){
			.source = batch->intake->index,
			.file = &batch->intake->forgotten[i],
			.is_forgotten = true,
		};
	}
	free(reads);
	free(slots);
	return rc;
}

/* The files of a merge in which those who go on stand further than before it. */
static size_t count_merged(const struct batch *batch, const struct prefix_move *move)
{
	const struct prefixes *prefixes = &batch->intake->prefixes;
	size_t slot = prefix_find_further_in_gone(prefixes, move->from, move->to, 0);
	size_t n = 0;

	for (; slot != SIZE_MAX; n++)
		slot = prefix_find_further_in_gone(prefixes, move->from, move->to, slot + 1);
	return n;
}

/* At most, of splits; as many puts are reserved for each merge. */
static int count_move_offsets(const struct batch *batch, size_t *n, struct err *err)
{
	*n = 0;
	for (size_t i = 0; i < batch->n_moves; i++) {
		const struct prefix_move *move = &batch->moves[i];
		size_t n_merged = move->is_split ? 0 : count_merged(batch, move);

		*n += move->is_split ? move->to->n_slots : n_merged;
		if (prefix_reserve_puts(move->to, n_merged, err) != 0)
			return err->code;
	}
	return 0;
}

static void add_offset(struct batch *batch, int64_t prefix_id, const struct prefix *stands,
	const struct file *file, size_t slot)
{
	struct stand stand = prefix_stand(stands, file, slot);

	if (stand.file_id != STAND_NO_FILE)
		batch->changes.offsets[batch->changes.n_offsets++] = (struct offset_change){
			.prefix_id = prefix_id, .file_id = file->id, .at = stand.at};
}

static void add_split_offsets(struct batch *batch, const struct prefix_move *move)
{
	for (size_t slot = 0; slot < move->to->n_slots; slot++) {
		const struct file *file = source_file(batch->intake->source, slot);

		if (file != NULL)
			add_offset(batch, move->to->id, move->to, file, slot);
	}
}

static void add_merge_offsets(struct batch *batch, const struct prefix_move *move)
{
	const struct prefixes *prefixes = &batch->intake->prefixes;
	size_t slot = prefix_find_further_in_gone(prefixes, move->from, move->to, 0);

	for (; slot != SIZE_MAX;
		slot = prefix_find_further_in_gone(prefixes, move->from, move->to, slot + 1))
		add_offset(
			batch, move->to->id, move->from, source_file(prefixes->source, slot), slot);
}

static int make_offsets(struct batch *batch, struct err *err)
{
	struct changes *changes = &batch->changes;
	size_t n_moved;
	int rc = count_move_offsets(batch, &n_moved, err);

	if (rc != 0)
		return rc;
	changes->offsets = mem_new_array(batch->plan.n_files + n_moved, sizeof(*changes->offsets));
	batch->dropped =
		mem_new_array(batch->n_moves + batch->intake->prefixes.n, sizeof(*batch->dropped));
	if (changes->offsets == NULL || batch->dropped == NULL)
		return err_nomem(err);
	/* Accepting the batch cannot fail. */
	if (batch->prefix != NULL &&
		prefix_reserve_puts(batch->prefix, batch->plan.n_files, err) != 0)
		return err->code;
	for (size_t i = 0; i < batch->plan.n_files; i++) {
		const struct plan_file *file = &batch->plan.files[i];

		if (!plan_file_was_read(file))
			continue;
		changes->offsets[changes->n_offsets++] = (struct offset_change){
			.prefix_id = batch->prefix->id,
			.file_id = source_file(batch->intake->source, file->slot)->id,
			.at = file->at,
		};
	}
	for (size_t i = 0; i < batch->n_moves; i++) {
		if (batch->moves[i].is_split) {
			add_split_offsets(batch, &batch->moves[i]);
			continue;
		}
		add_merge_offsets(batch, &batch->moves[i]);
		batch->dropped[changes->n_dropped_prefixes++] = batch->moves[i].from->id;
	}
	changes->dropped_prefixes = batch->dropped;
	return 0;
}

/* Something may be archived or deleted once this batch is accepted. */
static bool needs_sync(const struct batch *batch)
{
	if (source_spec(batch->intake->source)->clean_source == CLEAN_SOURCE_OFF)
		return false;
	if (batch->intake->must_clean && batch->intake->n_cleanable > 0)
		return true;
	for (size_t i = 0; i < batch->n_files; i++) {
		if (batch->files[i].state == FILE_DONE)
			return true;
	}
	return false;
}

int batch_make_changes(struct batch *batch, struct err *err)
{
	int rc;

	batch->changes.source = batch->intake->index;
	rc = make_query_changes(batch, err);
	if (rc == 0)
		rc = make_file_changes(batch, err);
	if (rc == 0)
		rc = make_offsets(batch, err);
	if (rc == 0)
		rc = batch_make_rejects(batch, err);
	batch->changes.needs_sync = needs_sync(batch);
	return rc;
}
