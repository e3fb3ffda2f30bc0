/*
 * A directory of event files and a stream on it, for tests: files are written
 * with times of their own, batches are run and applied to a table in memory,
 * which is then shown as text.
 */
#ifndef TESTS_STREAM_DIR_H
#define TESTS_STREAM_DIR_H

#include "base/buf.h"
#include "stream/stream.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Check writes a note into a file for every ck_assert; what is asked for every row or event must not. */
#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg("%s", #condition);                                            \
	} while (0)
#define must_msg(condition, ...)                                                                   \
	do {                                                                                       \
		if (!(condition))                                                                  \
			ck_abort_msg(__VA_ARGS__);                                                 \
	} while (0)

/* What the checkpoint would hold of one query. */
struct kept_row {
	struct event_value *values;
	int64_t start_us, end_us;
	uint64_t count;
	bool is_open;
};

struct kept_query {
	struct kept_row *rows; /* sorted: (is_open, values, start) */
	size_t n_rows, cap;
	struct query_totals totals;
	bool is_known;
	char *exception;
	struct progress progress;
	size_t n_batches;
};

struct kept_file {
	size_t source;
	struct file file;
	int64_t least_offset;
};

struct kept_offset {
	size_t source;
	struct offset_change offset;
};

struct kept_reject {
	enum reject_reason reason;
	int64_t line, offset;
	char *path;
	char *text; /* detail and text, up to a NUL */
};

/* A store in memory: applies changes and gives them back to a new stream. */
struct store_copy {
	struct kept_query *queries;
	size_t n_queries;
	struct kept_file *files;
	size_t n_files, files_cap;
	struct kept_offset *offsets;
	size_t n_offsets, offsets_cap;
	struct kept_reject *rejects;
	size_t n_rejects, rejects_cap;
	int64_t reject_totals[4][REJECT_REASONS];
	size_t n_sources;
};

struct bench {
	char dir[64];      /* the source's directory, removed by bench_close */
	struct spec spec;
	struct source_spec sources[2];
	struct query_spec queries[8];
	struct stream *stream;
	struct store_copy store;
	int64_t now_us;
	int64_t mtime_s;   /* of the next file written */
};

/* A spec of one source and one query: `action`, one hour, complete, one thread. Nothing is open yet. */
void bench_init(struct bench *bench);
/* Adds a query like the first one. */
struct query_spec *bench_add_query(struct bench *bench, const char *name);
void bench_open(struct bench *bench);
/* Closes the stream, opens a new one and restores it from what was applied. */
void bench_restart(struct bench *bench);
void bench_close(struct bench *bench);

void bench_set_fields(struct query_spec *query, const char *const *paths, size_t n);

void bench_write(struct bench *bench, const char *name, const char *text);
void bench_append(struct bench *bench, const char *name, const char *text, size_t len);
void bench_path(const struct bench *bench, const char *name, char path[256]);

/* Scans fully, then one batch: applied and accepted. False: nothing to do. */
bool bench_batch(struct bench *bench);
/* Batches until nothing is to do; returns how many. */
size_t bench_run(struct bench *bench);
void bench_apply(struct bench *bench, const struct changes *changes);

/* `values|start|end|count` lines of the table, or of the open rows of append mode, in order. */
const char *bench_rows(const struct bench *bench, size_t query, bool is_open, struct buf *text);

#endif
