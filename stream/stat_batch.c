/*
 * A helper thread is started with the first full batch and lives as long as
 * this. Both threads take names by an atomic counter, a few at a time. A run
 * ends when the caller finds no more names and the helper is outside, so what
 * the helper has written is seen, and it never looks at a batch being filled.
 */
#include "stream/stat_batch.h"

#include "base/buf.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_A_STEP 16

struct stat_batch {
	struct buf names; /* each with a NUL */
	size_t offsets[STAT_BATCH_NAMES];
	struct stat_result results[STAT_BATCH_NAMES];
	size_t n;
	int dir_fd;
	atomic_size_t next; /* index of the next name nobody has taken */

	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool has_helper;
	pthread_t helper;
	bool is_open;   /* guarded: a run is on, the helper may enter */
	bool is_inside; /* guarded: the helper is at work */
	bool is_over;   /* guarded: the helper shall end */
};

struct stat_batch *stat_batch_new(void)
{
	struct stat_batch *batch = calloc(1, sizeof(*batch));

	if (batch == NULL)
		return NULL;
	if (pthread_mutex_init(&batch->mutex, NULL) != 0) {
		free(batch);
		return NULL;
	}
	if (pthread_cond_init(&batch->changed, NULL) != 0) {
		(void)pthread_mutex_destroy(&batch->mutex);
		free(batch);
		return NULL;
	}
	return batch;
}

void stat_batch_free(struct stat_batch *batch)
{
	if (batch == NULL)
		return;
	if (batch->has_helper) {
		(void)pthread_mutex_lock(&batch->mutex);
		batch->is_over = true;
		(void)pthread_cond_broadcast(&batch->changed);
		(void)pthread_mutex_unlock(&batch->mutex);
		(void)pthread_join(batch->helper, NULL);
	}
	(void)pthread_cond_destroy(&batch->changed);
	(void)pthread_mutex_destroy(&batch->mutex);
	buf_fini(&batch->names);
	free(batch);
}

bool stat_batch_add(struct stat_batch *batch, const char *name)
{
	assert(batch->n < STAT_BATCH_NAMES);
	batch->offsets[batch->n] = batch->names.len;
	buf_add(&batch->names, name, strlen(name) + 1);
	if (!buf_ok(&batch->names))
		return false;
	batch->n++;
	return true;
}

bool stat_batch_is_full(const struct stat_batch *batch)
{
	return batch->n == STAT_BATCH_NAMES;
}

static void work(struct stat_batch *batch)
{
	size_t i;
	size_t end;

	while ((i = atomic_fetch_add(&batch->next, NAMES_A_STEP)) < batch->n) {
		end = i + NAMES_A_STEP < batch->n ? i + NAMES_A_STEP : batch->n;
		for (; i < end; i++) {
			struct stat_result *result = &batch->results[i];

			result->name = batch->names.data + batch->offsets[i];
			result->failure = entry_stat(batch->dir_fd, result->name, &result->status);
		}
	}
}

static void *help(void *context)
{
	struct stat_batch *batch = context;

	(void)pthread_mutex_lock(&batch->mutex);
	while (!batch->is_over) {
		if (!batch->is_open) {
			(void)pthread_cond_wait(&batch->changed, &batch->mutex);
			continue;
		}
		batch->is_inside = true;
		(void)pthread_mutex_unlock(&batch->mutex);
		work(batch);
		(void)pthread_mutex_lock(&batch->mutex);
		batch->is_inside = false;
		/* All names are taken: this run needs no more help. */
		batch->is_open = false;
		(void)pthread_cond_broadcast(&batch->changed);
	}
	(void)pthread_mutex_unlock(&batch->mutex);
	return NULL;
}

void stat_batch_run(struct stat_batch *batch, int dir_fd)
{
	batch->dir_fd = dir_fd;
	atomic_store(&batch->next, 0);
	if (!batch->has_helper && stat_batch_is_full(batch))
		/* Without a helper it only takes longer. */
		batch->has_helper = pthread_create(&batch->helper, NULL, help, batch) == 0;
	if (!batch->has_helper) {
		work(batch);
		return;
	}
	(void)pthread_mutex_lock(&batch->mutex);
	batch->is_open = true;
	(void)pthread_cond_broadcast(&batch->changed);
	(void)pthread_mutex_unlock(&batch->mutex);
	work(batch);
	(void)pthread_mutex_lock(&batch->mutex);
	batch->is_open = false;
	while (batch->is_inside)
		(void)pthread_cond_wait(&batch->changed, &batch->mutex);
	(void)pthread_mutex_unlock(&batch->mutex);
}

size_t stat_batch_n(const struct stat_batch *batch)
{
	return batch->n;
}

const struct stat_result *stat_batch_result(const struct stat_batch *batch, size_t i)
{
	assert(i < batch->n);
	return &batch->results[i];
}

void stat_batch_clear(struct stat_batch *batch)
{
	batch->n = 0;
	buf_clear(&batch->names);
}
