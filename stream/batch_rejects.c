/*
 * What a batch refused: the numbers of it, and the newest rows, as many as the
 * tables keep, in the order of the files and of their bytes.
 */
#include "stream/stream_private.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int64_t batch_rejects(const struct batch *batch)
{
	const struct plan *plan = &batch->plan;
	int64_t n = 0;

	for (size_t i = 0; i < plan->n_slices; i++) {
		const struct reject_rows *rejects = plan->slices[i].rejects;

		for (int j = 0; rejects != NULL && j < REJECT_REASONS; j++)
			n += rejects->totals[j];
	}
	return n;
}

int64_t batch_rejects_of_file(const struct batch *batch, size_t at)
{
	const struct plan_file *file = &batch->plan.files[at];
	int64_t n = batch->n_too_long != NULL ? batch->n_too_long[at] : 0;

	for (size_t i = 0; i < file->n_slices; i++) {
		const struct reject_rows *rejects =
			batch->plan.slices[file->first_slice + i].rejects;

		for (int j = 0; rejects != NULL && j < REJECT_REASONS; j++)
			n += rejects->totals[j];
	}
	return n;
}

static struct reject_change reject_of(
	const struct batch *batch, const struct plan_file *file, const struct reject_row *row)
{
	return (struct reject_change){
		.source = batch->intake->index,
		.path = file->read.path,
		.reason = (enum reject_reason)row->reason,
		.line = row->line,
		.offset = row->offset,
		.detail = reject_row_detail(row),
		.text = reject_row_text(row),
		.text_len = row->text_len,
	};
}

static int by_place(const void *a, const void *b)
{
	const struct reject_change *one = a;
	const struct reject_change *two = b;

	if (one->line != two->line)
		return one->line < two->line ? -1 : 1;
	return one->offset < two->offset ? -1 : one->offset > two->offset;
}

static size_t count_reject_rows(const struct batch *batch)
{
	size_t n = batch->n_too_long_rows;

	for (size_t i = 0; i < batch->plan.n_slices; i++) {
		if (batch->plan.slices[i].rejects != NULL)
			n += reject_rows_count(batch->plan.slices[i].rejects);
	}
	return n;
}

/* One file's rows: those of its slices in order, and among them those too long for a group. */
static void add_reject_rows(struct batch *batch, const struct plan_file *file, size_t *too_long)
{
	struct changes *changes = &batch->changes;
	size_t first = changes->n_rejects;
	size_t n_scanned;

	for (size_t i = 0; i < file->n_slices; i++) {
		const struct reject_rows *rejects =
			batch->plan.slices[file->first_slice + i].rejects;
		struct reject_walk walk = {0};
		const struct reject_row *row;

		if (rejects != NULL)
			walk = reject_rows_begin(rejects);
		while ((row = reject_rows_next(&walk)) != NULL)
			changes->rejects[changes->n_rejects++] = reject_of(batch, file, row);
	}
	n_scanned = changes->n_rejects - first;
	while (*too_long < batch->n_too_long_rows &&
		batch->too_long[*too_long].path == file->read.path)
		changes->rejects[changes->n_rejects++] = batch->too_long[(*too_long)++];
	if (changes->n_rejects - first > n_scanned)
		qsort(changes->rejects + first, changes->n_rejects - first,
			sizeof(*changes->rejects), by_place);
}

static int make_rows(struct batch *batch, struct err *err)
{
	struct changes *changes = &batch->changes;
	size_t too_long = 0;
	size_t n_over;

	changes->rejects = mem_new_array(count_reject_rows(batch), sizeof(*changes->rejects));
	if (changes->rejects == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < batch->plan.n_files; i++) {
		if (!batch->plan.files[i].is_catch_up)
			add_reject_rows(batch, &batch->plan.files[i], &too_long);
	}
	if (changes->n_rejects <= REJECT_ROWS_MAX)
		return 0;
	n_over = changes->n_rejects - REJECT_ROWS_MAX;
	memmove(changes->rejects, changes->rejects + n_over,
		REJECT_ROWS_MAX * sizeof(*changes->rejects));
	changes->n_rejects = REJECT_ROWS_MAX;
	return 0;
}

static int make_totals(struct batch *batch, struct err *err)
{
	const struct stream *stream = batch->stream;
	int64_t *totals;

	batch->reject_totals =
		mem_new_array(stream->spec->n_sources, sizeof(*batch->reject_totals));
	if (batch->reject_totals == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < stream->spec->n_sources; i++)
		memcpy(batch->reject_totals[i], stream->intakes[i].reject_totals,
			sizeof(*batch->reject_totals));
	totals = batch->reject_totals[batch->intake->index];
	for (size_t i = 0; i < batch->plan.n_files; i++) {
		const struct plan_file *file = &batch->plan.files[i];

		if (file->is_catch_up)
			continue;
		if (batch->n_too_long != NULL)
			totals[REJECT_GROUP_TOO_LONG] += batch->n_too_long[i];
		for (size_t j = 0; j < file->n_slices; j++) {
			const struct reject_rows *rejects =
				batch->plan.slices[file->first_slice + j].rejects;

			for (int k = 0; rejects != NULL && k < REJECT_REASONS; k++)
				totals[k] += rejects->totals[k];
		}
	}
	batch->changes.reject_totals = batch->reject_totals;
	return 0;
}

int batch_make_rejects(struct batch *batch, struct err *err)
{
	int rc = make_rows(batch, err);

	return rc == 0 ? make_totals(batch, err) : rc;
}
