/*
 * A checkpoint made of arrays: takes the changes of batches, checks what they
 * say, and gives all of it back to a new stream.
 */
#ifndef TESTS_STREAM_KEPT_H
#define TESTS_STREAM_KEPT_H

#include "stream/stream.h"

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEPT_QUERIES 8

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

void kept_init(struct store_copy *store, size_t n_sources);
void kept_fini(struct store_copy *store);

void kept_apply(
	struct store_copy *store, const struct spec *spec, const struct changes *changes);

/* The first `n_queries` of them, up to and including stream_restored. */
void kept_restore(struct store_copy *store, struct stream *stream, size_t n_queries);

/* The counts of all rows of a query. */
uint64_t kept_sum(const struct store_copy *store, size_t query);

/* The file of that path; where there is none the test ends. */
const struct kept_file *kept_find_file(const struct store_copy *store, const char *path);

#endif
