/*
 * A directory of event files and a stream on it, for tests: files are written
 * with times of their own, batches are run and applied to a table in memory,
 * which is then shown as text.
 */
#ifndef TESTS_STREAM_DIR_H
#define TESTS_STREAM_DIR_H

#include "base/buf.h"
#include "tests/stream/kept.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
	char dir[64];      /* the source's directory, removed by bench_close */
	struct spec spec;
	struct source_spec sources[2];
	struct query_spec queries[KEPT_QUERIES];
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

/* `n` events of the first hour, from its second `first` on; three actions take turns. */
void bench_write_events(struct bench *bench, const char *name, int first, int n);

/* A batch in its parts: a full look; what it finds (NULL: nothing to do); applied and accepted. */
void bench_look(struct bench *bench);
struct batch *bench_begin(struct bench *bench);
void bench_finish(struct bench *bench, struct batch *batch, bool is_synced);

/* `values|start|end|count` lines of the table, or of the open rows of append mode, in order. */
const char *bench_rows(const struct bench *bench, size_t query, bool is_open, struct buf *text);
/* The table's lines must be these. */
void bench_expect_rows(const struct bench *bench, size_t query, const char *expected);

#endif
