/* Choosing files, cutting them into slices, adding the slices up. */
#include "stream/plan.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void drop_slices(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_slices; i++)
		slice_reset(&plan->slices[i]);
	plan->n_slices = 0;
}

void plan_fini(struct plan *plan)
{
	drop_slices(plan);
	for (size_t i = 0; i < plan->n_files; i++)
		free(plan->files[i].reason);
	free(plan->slices);
	free(plan->files);
	*plan = (struct plan){0};
}

/*
 * Where a file that is behind the frontier ends for this batch: exactly at the
 * frontier. Where that is the start of a line, lines from there on are left;
 * else the same bytes are offered that led there.
 */
static void bound_by_frontier(struct plan_file *file, const struct stand *frontier)
{
	if (frontier->at.flags == 0 && !file->read.is_compressed) {
		file->stop = frontier->at.offset;
		return;
	}
	if (frontier->seen < file->read.limit)
		file->read.limit = frontier->seen;
}

static void begin_file(struct plan_file *file, const struct prefixes *prefixes,
	const struct prefix *prefix, size_t slot)
{
	const struct file *known = source_file(prefixes->source, slot);
	struct stand stand = prefix_stand(prefix, known, slot);
	struct stand frontier = prefixes_frontier(prefixes, known, slot);

	*file = (struct plan_file){
		.slot = slot,
		.read =
			{
				.dir_fd = source_dir_fd(prefixes->source),
				.path = known->path,
				.known = &known->identity,
				.from = stand.at,
				.limit = known->size,
				.identity = known->identity,
				.is_compressed = known->is_compressed,
			},
		.stop = SLICE_TO_END,
		.cut = SLICE_DONE,
		.is_catch_up = prefix_compare(known, &stand, &frontier) < 0,
	};
	if (file->is_catch_up)
		bound_by_frontier(file, &frontier);
	if (file->read.limit < stand.at.offset)
		file->read.limit = stand.at.offset;
	file->offered = file->read.limit;
}

static int64_t bytes_of(const struct plan_file *file)
{
	int64_t end = file->stop < file->read.limit ? file->stop : file->read.limit;

	return end - file->read.from.offset;
}

/* Only what may be cut has to be looked at before it is read. */
static bool is_plain(const struct plan_file *file, struct reader *reader)
{
	struct reader_target target = slice_file_target(&file->read);
	enum reader_format format = READER_GZIP;
	struct err ignored = ERR_INIT;

	if (file->read.from.offset > 0)
		return !file->read.is_compressed;
	target.at = POSITION_START;
	/* What cannot be opened is not cut; its slice will say why. */
	if (reader_open(reader, &target, &ignored) != 0 ||
		reader_format(reader, &format, &ignored) != 0)
		format = READER_GZIP;
	reader_close(reader);
	return format == READER_PLAIN;
}

static struct slice *add_slice(struct plan *plan, size_t file, int64_t begin)
{
	struct slice *slice;

	if (!mem_grow(&plan->slices, &plan->slices_cap, plan->n_slices + 1, sizeof(*slice)))
		return NULL;
	slice = &plan->slices[plan->n_slices++];
	*slice = (struct slice){
		.file = (uint32_t)file,
		.begin = begin,
		.is_inner = plan->files[file].n_slices > 0,
	};
	plan->files[file].n_slices++;
	return slice;
}

/*
 * The last slice is at least half a slice: a line cut there then rarely
 * reaches to the end of the file, which would leave nothing for it.
 */
static int cut_file(
	struct plan *plan, size_t at, int64_t slice_bytes, bool may_cut, struct err *err)
{
	struct plan_file *file = &plan->files[at];
	int64_t begin = file->read.from.offset;
	int64_t end = begin + bytes_of(file);
	struct slice *slice;

	file->first_slice = plan->n_slices;
	for (;; begin += slice_bytes) {
		slice = add_slice(plan, at, begin);
		if (slice == NULL)
			return err_nomem(err);
		if (!may_cut || end - begin < slice_bytes + slice_bytes / 2)
			break;
		slice->stop = begin + slice_bytes;
	}
	slice->stop = file->stop;
	slice->is_last = true;
	return 0;
}

/* One more file; *bytes is what it adds to the batch. */
static int add_file(struct plan *plan, struct prefixes *prefixes, struct prefix *prefix,
	const struct plan_limits *limits, struct reader *reader, struct err *err)
{
	struct plan_file *file = &plan->files[plan->n_files];
	int64_t most = limits->slice_bytes + limits->slice_bytes / 2;
	bool may_cut;

	begin_file(file, prefixes, prefix, prefixes_pop(prefixes, prefix));
	plan->n_files++;
	if (limits->max_bytes > 0 && limits->max_bytes < most)
		most = limits->max_bytes;
	may_cut = bytes_of(file) > most && is_plain(file, reader);
	if (may_cut && limits->max_bytes > 0 && bytes_of(file) > limits->max_bytes)
		file->stop = file->read.from.offset + limits->max_bytes;
	return cut_file(plan, plan->n_files - 1, limits->slice_bytes, may_cut, err);
}

static bool is_next_in_room(const struct prefixes *prefixes, const struct prefix *prefix,
	const struct plan_limits *limits, int64_t bytes)
{
	struct plan_file next;

	if (limits->max_bytes == 0)
		return true;
	begin_file(&next, prefixes, prefix, prefix->heap[0]);
	return bytes_of(&next) <= limits->max_bytes - bytes;
}

int plan_make(struct plan *plan, struct prefixes *prefixes, struct prefix *prefix,
	const struct plan_limits *limits, struct reader *reader, struct err *err)
{
	bool is_behind = prefix->n_behind > 0;
	int64_t bytes = 0;

	*plan = (struct plan){0};
	while (prefix->n_heap > 0 && plan->n_files < PLAN_MAX_FILES) {
		int rc;

		if (limits->max_files > 0 && (int64_t)plan->n_files >= limits->max_files)
			break;
		/* New bytes are read by those who have caught up everywhere. */
		if (is_behind && prefix->n_behind == 0)
			break;
		if (plan->n_files > 0 && !is_next_in_room(prefixes, prefix, limits, bytes))
			break;
		if (!mem_grow(&plan->files, &plan->files_cap, plan->n_files + 1,
			    sizeof(*plan->files)))
			return err_nomem(err);
		rc = add_file(plan, prefixes, prefix, limits, reader, err);
		if (rc != 0)
			return rc;
		bytes += bytes_of(&plan->files[plan->n_files - 1]);
	}
	return 0;
}

static void shift_rejects(struct slice *slice, int64_t n_lines)
{
	struct reject_walk walk = {0};
	struct reject_row *row;

	if (slice->rejects != NULL)
		walk = reject_rows_begin(slice->rejects);
	while ((row = reject_rows_next(&walk)) != NULL)
		row->line += n_lines;
}

/* From now on slice `i` is the last of its file, which is read up to `limit`. */
static void cut_at(struct plan *plan, struct plan_file *file, size_t i, int64_t limit)
{
	struct slice *slice = &plan->slices[i];

	file->n_slices = i - file->first_slice + 1;
	slice->is_last = true;
	slice->stop = file->stop;
	file->read.limit = limit;
}

static void add_slice_up(struct plan_file *file, struct slice *slice)
{
	if (slice->is_empty)
		return;
	if (slice->is_inner) {
		shift_rejects(slice, file->at.line - 1);
		slice->at.line += file->at.line - 1;
	}
	file->at = slice->at;
	file->n_events += slice->n_events;
	file->settled = slice->is_inner ? file->at.offset - file->read.from.offset : slice->settled;
}

/* A slice did not come to its end. Those behind it may have counted what they must not. */
static bool end_early(struct plan *plan, struct plan_file *file, size_t i, size_t last)
{
	struct slice *slice = &plan->slices[i];
	bool is_shorter = slice->end == SLICE_SHORT;

	if (slice->reason != NULL) {
		free(file->reason);
		file->reason = slice->reason;
		slice->reason = NULL;
	}
	if (slice->is_last) {
		file->end = slice->end;
		return false;
	}
	file->cut = is_shorter ? SLICE_DONE : slice->end;
	cut_at(plan, file, last, is_shorter ? file->read.limit : file->at.offset);
	return true;
}

/* True: the file was cut, and the plan must be run again. */
static bool settle_file(struct plan *plan, struct plan_file *file)
{
	size_t end = file->first_slice + file->n_slices;
	size_t last = file->first_slice;

	file->at = file->read.from;
	file->n_events = 0;
	file->settled = 0;
	for (size_t i = file->first_slice; i < end; i++) {
		struct slice *slice = &plan->slices[i];

		if (slice->end == SLICE_NOT_RUN) {
			file->end = i == file->first_slice ? SLICE_NOT_RUN : SLICE_STOPPED;
			return false;
		}
		add_slice_up(file, slice);
		if (!slice->is_empty)
			last = i;
		if (slice->end != SLICE_DONE)
			return end_early(plan, file, i, last);
	}
	file->end = file->cut;
	if (plan->slices[last].stop == SLICE_TO_END)
		file->stop = SLICE_TO_END;
	if (last == end - 1)
		return false;
	/*
	 * The last slice had no line of its own, so
	 * nobody has told what the file is recognised by.
	 */
	cut_at(plan, file, last, file->read.limit);
	return true;
}

bool plan_settle(struct plan *plan)
{
	bool is_cut = false;

	for (size_t i = 0; i < plan->n_files; i++) {
		struct plan_file *file = &plan->files[i];

		is_cut |= settle_file(plan, file);
		file->n_bytes = file->at.offset - file->read.from.offset;
		if (file->read.is_compressed && plan_file_was_read(file))
			file->n_bytes = file->read.bytes_end - file->read.from.offset;
	}
	for (size_t i = 0; is_cut && i < plan->n_slices; i++)
		slice_reset(&plan->slices[i]);
	return is_cut;
}

bool plan_file_was_read(const struct plan_file *file)
{
	const struct position *from = &file->read.from;

	if (file->end == SLICE_DONE || file->end == SLICE_STOPPED)
		return true;
	return file->end != SLICE_NOT_RUN &&
	       (file->at.offset != from->offset || file->at.skip != from->skip);
}

bool plan_has_slice(const struct plan *plan, size_t slice)
{
	const struct plan_file *file = &plan->files[plan->slices[slice].file];

	return slice < file->first_slice + file->n_slices;
}
