/*
 * The status of many names of one directory. In a directory of a million
 * files looking is all kernel time, and two threads take half of it; small
 * ones are looked at without a second thread.
 *
 * Fill it, run it, read the results, clear it. One thread at a time calls in.
 */
#ifndef STREAM_STAT_BATCH_H
#define STREAM_STAT_BATCH_H

#include "stream/open_below.h"

#include <stdbool.h>
#include <stddef.h>

#define STAT_BATCH_NAMES 2048

struct stat_batch;

struct stat_batch *stat_batch_new(void); /* NULL: no memory */
void stat_batch_free(struct stat_batch *batch);

/* Names are kept until stat_batch_clear. False: no memory. */
bool stat_batch_add(struct stat_batch *batch, const char *name) __attribute__((warn_unused_result));
bool stat_batch_is_full(const struct stat_batch *batch);

void stat_batch_run(struct stat_batch *batch, int dir_fd);

struct stat_result {
	const char *name;
	int failure; /* an errno, or 0 and the status */
	struct entry_status status;
};

size_t stat_batch_n(const struct stat_batch *batch);
const struct stat_result *stat_batch_result(const struct stat_batch *batch, size_t i);
void stat_batch_clear(struct stat_batch *batch);

#endif
