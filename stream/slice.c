/*
 * Reading and scanning one slice.
 *
 * An inner slice is begun one byte before its range with the flag "skip the
 * rest of this line": if that byte is a newline the range begins with a line
 * of its own. When no newline comes within the range, all of it belongs to a
 * line of an earlier slice, and nothing more is read: a line longer than many
 * slices is not read by all of them.
 */
#include "stream/slice.h"

#include "base/last_words.h"
#include "stream/open_below.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct run {
	struct slice *slice;
	struct slice_file *file;
	struct reader *reader;
	struct scan *scan;
	const struct slice_stop *stop;
	int64_t begin;      /* offset of the first byte read */
	int64_t stop_after; /* bytes behind `begin`; -1: none */
	int64_t delivered;
	bool has_line; /* an inner slice has found its first line */
};

void slice_drop_reject_rows(struct slice *slice)
{
	if (slice->rejects != NULL)
		reject_rows_drop(slice->rejects);
}

void slice_reset(struct slice *slice)
{
	slice_drop_reject_rows(slice);
	free(slice->rejects);
	free(slice->reason);
	slice->rejects = NULL;
	slice->reason = NULL;
	slice->end = SLICE_NOT_RUN;
	slice->has_told = false;
	slice->is_empty = false;
	slice->settled = 0;
	slice->n_events = 0;
}

/* The trouble is the file's, not the batch's, unless it is memory or descriptors. */
static int fail(struct slice *slice, struct err *err)
{
	if (open_lacks_room(err))
		return err->code;
	if (err->code == ERR_MISSING) {
		slice->end = SLICE_GONE;
		return 0;
	}
	slice->end = SLICE_FAILED;
	slice->reason = strdup(err->text);
	return slice->reason != NULL ? 0 : err_nomem(err);
}

static int open_file(struct run *run, struct err *err)
{
	struct reader_target target = slice_file_target(run->file);

	if (run->slice->is_inner)
		target.at = (struct position){.offset = run->begin, .line = 1};
	return reader_open(run->reader, &target, err);
}

/* Whether an inner slice has a line of its own within what was delivered so far. */
static bool find_line(struct run *run, const char *data, size_t n)
{
	int64_t room = run->stop_after - run->delivered;

	if (run->stop_after >= 0 && (int64_t)n > room)
		n = room > 0 ? (size_t)room : 0;
	return memchr(data, '\n', n) != NULL;
}

static bool is_all_of_others(const struct run *run)
{
	return run->slice->is_inner && !run->has_line && run->stop_after >= 0 &&
	       run->delivered >= run->stop_after;
}

static bool is_compressed(const struct run *run)
{
	struct err ignored = ERR_INIT;
	enum reader_format format;

	return reader_format(run->reader, &format, &ignored) == 0 && format != READER_PLAIN;
}

bool slice_is_stopped(const struct slice_stop *stop)
{
	if (stop->pulse != NULL)
		atomic_fetch_add_explicit(stop->pulse, 1, memory_order_relaxed);
	if (atomic_load_explicit(stop->flag, memory_order_relaxed))
		return true;
	if (stop->poll == NULL || !stop->poll(stop->context))
		return false;
	atomic_store(stop->flag, true);
	return true;
}

static bool is_asked_to_stop(const struct run *run)
{
	return slice_is_stopped(run->stop) && (run->stop->poll != NULL || is_compressed(run));
}

static int read_on(struct run *run, bool *done, struct err *err)
{
	for (;;) {
		size_t room, n = 0;
		char *data = scan_room(run->scan, &room, err);
		struct err trouble = ERR_INIT;
		int rc;

		if (data == NULL)
			return ERR_NOMEM;
		rc = reader_read(run->reader, data, room, &n, &trouble);
		if (rc != 0)
			n = 0;
		if (run->slice->is_inner && !run->has_line)
			run->has_line = find_line(run, data, n);
		run->delivered += (int64_t)n;
		if (is_all_of_others(run)) {
			*done = true;
			return 0;
		}
		if (scan_fed(run->scan, n, n == 0, done, err) != 0)
			return err->code;
		if (rc != 0) {
			*err = trouble;
			return fail(run->slice, err);
		}
		if (*done || n == 0)
			return 0;
		if (is_asked_to_stop(run)) {
			run->slice->end = SLICE_STOPPED;
			return 0;
		}
	}
}

static int take_rejects(struct run *run, const struct scan_result *result, struct err *err)
{
	int64_t n = 0;

	for (int i = 0; i < REJECT_REASONS; i++)
		n += result->rejects->totals[i];
	if (n == 0)
		return 0;
	run->slice->rejects = calloc(1, sizeof(*run->slice->rejects));
	if (run->slice->rejects == NULL)
		return err_nomem(err);
	scan_take_rejects(run->scan, run->slice->rejects);
	return 0;
}

/* The head that was known is shorter than the one that is taken now, so they cannot be compared. */
static bool is_small(const struct file_identity *identity)
{
	return identity->fp_offset > 0 && identity->fp_offset < FINGERPRINT_BYTES;
}

/* Where the reading ended, and what the file is recognised by from now on. */
static void end_of_file(struct run *run)
{
	struct slice_file *file = run->file;
	const struct slice *slice = run->slice;
	int64_t fingerprinted = reader_file_bytes(run->reader, slice->settled);
	struct err ignored = ERR_INIT;

	file->bytes_end = fingerprinted;
	file->identity = *file->known;
	/* Without new fingerprints the old ones stand: they cover less, and are as true. */
	if (reader_fingerprint(run->reader, fingerprinted, &file->identity, &ignored) != 0)
		file->identity = *file->known;
	else if (is_small(file->known) &&
		 identity_fits(reader_fd(run->reader), file->known, &ignored) == 0)
		identity_fit_nothing(&file->identity);
	/* A file in several slices is plain, as planned; its first slice may read that just now. */
	if (!slice->is_inner)
		file->is_compressed = is_compressed(run);
	if (!slice->is_inner && file->is_compressed)
		file->is_finished =
			slice->settled == run->delivered && !reader_is_mid_frame(run->reader);
	else
		file->is_finished = slice->at.offset == file->limit;
	if (slice->end != SLICE_DONE)
		file->is_finished = false;
}

static int finish(struct run *run, bool done, struct err *err)
{
	struct slice *slice = run->slice;
	struct scan_result result;

	if (scan_result(run->scan, &result, err) != 0)
		return err->code;
	slice->is_empty = slice->is_inner && !run->has_line;
	if (!slice->is_empty) {
		slice->settled = result.settled;
		slice->at = result.at;
		slice->n_events = result.n_events;
		reader_position(run->reader, result.settled, &slice->at);
	}
	/* The line that the stop lies in has no end yet: there is nothing behind it. */
	if (!done && slice->is_last && run->begin + run->delivered == run->file->limit)
		slice->stop = SLICE_TO_END;
	if (slice->end == SLICE_NOT_RUN)
		slice->end = done || slice->stop == SLICE_TO_END ? SLICE_DONE : SLICE_SHORT;
	if (!slice->is_inner)
		run->file->head = *reader_head(run->reader);
	if (slice->is_last && !slice->is_empty)
		end_of_file(run);
	return take_rejects(run, &result, err);
}

static int run_noted(struct slice *slice, struct slice_file *file, struct reader *reader,
	struct scan *scan, const struct slice_stop *stop, struct err *err)
{
	struct run run = {
		.slice = slice,
		.file = file,
		.reader = reader,
		.scan = scan,
		.stop = stop,
		.begin = slice->is_inner ? slice->begin - 1 : slice->begin,
		.stop_after = -1,
	};
	struct position start = file->from;
	bool done = false;
	int rc;

	assert(slice->end == SLICE_NOT_RUN);
	if (open_file(&run, err) != 0) {
		slice->at = file->from;
		slice->is_empty = slice->is_inner;
		return fail(slice, err);
	}
	if (slice->stop != SLICE_TO_END)
		run.stop_after = slice->stop - run.begin;
	if (slice->is_inner)
		start = (struct position){.offset = run.begin, .flags = POSITION_SKIP_LINE};
	scan_begin(scan, &start,
		position_in_stream(&start, file->is_compressed && !slice->is_inner),
		run.stop_after);
	rc = read_on(&run, &done, err);
	if (rc == 0)
		rc = finish(&run, done, err);
	reader_close(reader);
	return rc;
}

int slice_run(struct slice *slice, struct slice_file *file, struct reader *reader,
	struct scan *scan, const struct slice_stop *stop, struct err *err)
{
	const struct last_words_note note = {.path = file->path, .offset = slice->begin};
	int number = last_words_begin(&note);
	int rc = run_noted(slice, file, reader, scan, stop, err);

	last_words_end(number);
	return rc;
}
