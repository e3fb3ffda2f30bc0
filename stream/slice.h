/*
 * One slice of one file, from the disk through the scan.
 *
 * A slice is the lines that start in a range of a file's bytes. A small file is
 * one slice; a big plain one has several, so that workers share it. All but a
 * file's first begin anywhere in a line and skip to the next; they do not know
 * the number of their first line, so their numbers are relative (its first own
 * line is 1) until somebody adds up the slices in order.
 */
#ifndef STREAM_SLICE_H
#define STREAM_SLICE_H

#include "base/err.h"
#include "stream/identity.h"
#include "stream/reader.h"
#include "stream/scan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* `stop`: the slice goes on to the end of what there is to read. */
#define SLICE_TO_END INT64_MAX

enum slice_end {
	SLICE_NOT_RUN,
	SLICE_DONE,   /* came to its stop, or as a last slice to the end of the bytes */
	SLICE_SHORT,  /* the bytes ended before its stop: the file has become shorter */
	SLICE_STOPPED, /* asked to stop in between */
	SLICE_GONE,   /* the file is gone, or is another one */
	SLICE_FAILED, /* could not be opened or read on; what was read whole counts */
};

struct slice {
	uint32_t file;      /* index into the plan's files */
	bool is_inner;      /* not the first of its file: begins in a line of a slice before */
	bool is_last;       /* of its file */
	int64_t begin;      /* of a plain file: where the range starts */
	int64_t stop;       /* lines that start at or behind it belong to the next slice; turns to
			       SLICE_TO_END where the last one's line goes on to the end of the file */
	enum slice_end end;
	bool has_told;      /* its rejects were counted among the batch's newest (stream/crew.c) */
	bool is_empty;      /* an inner slice without a line of its own: no position, no events */
	struct position at; /* where it ended: offset and skip absolute; line relative if is_inner */
	int64_t settled;    /* decompressed bytes that were consumed for good */
	int64_t n_events;
	struct reject_rows *rejects; /* NULL: there was none */
	char *reason;       /* with SLICE_FAILED */
};

/* What a slice reads; `head` is told by the file's first slice, what follows by its last. */
struct slice_file {
	int dir_fd;
	const char *path;
	const struct file_identity *known; /* whom we expect */
	struct position from;
	int64_t limit;                     /* bytes of the file that exist for this reading */

	struct file_identity head;         /* as reader_head says */

	struct file_identity identity;     /* fingerprints before where the reading ended */
	int64_t bytes_end;                 /* bytes of the file that the reading used, from its first on */
	bool is_compressed;
	bool is_finished;                  /* no line or frame waits for its rest */
};

/* To read the file from where this reading begins; what it names is the file's. */
static inline struct reader_target slice_file_target(const struct slice_file *file)
{
	return (struct reader_target){
		.dir_fd = file->dir_fd,
		.path = file->path,
		.identity = file->known,
		.at = file->from,
		.limit = file->limit,
	};
}

/*
 * How a pass is asked to end early. A plain file is left between slices, so
 * that whoever goes on begins at a line; a compressed one, which cannot be
 * cut, at the next buffer. With `poll` the result will be thrown away: it is
 * asked between buffers, and every file is left there.
 */
struct slice_stop {
	atomic_bool *flag;
	atomic_uint *pulse; /* counts on with every buffer; NULL: nobody looks */
	bool (*poll)(void *context); /* NULL: only the flag counts */
	void *context;
};

bool slice_is_stopped(const struct slice_stop *stop);

/*
 * Reads and scans; the counts go to the scan's cells. Troubles of the file are
 * in slice->end; lack of memory or of descriptors alone is a failure.
 */
int slice_run(struct slice *slice, struct slice_file *file, struct reader *reader,
	struct scan *scan, const struct slice_stop *stop, struct err *err)
	__attribute__((warn_unused_result));

/* Its totals stay. */
void slice_drop_reject_rows(struct slice *slice);

/* As before slice_run. */
void slice_reset(struct slice *slice);

#endif
