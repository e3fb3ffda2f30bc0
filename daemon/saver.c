/* A timer that starts work, and work that starts the timer. */
#include "daemon/saver.h"

#include "base/mem.h"
#include "daemon/log.h"
#include "sql/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void save_or_wait(struct saver *saver);

static void on_worker(uv_work_t *request)
{
	struct saver *saver = request->data;

	saver->err = (struct err)ERR_INIT;
	/* The sentence is in saver->err; on_saved looks there. */
	(void)!store_save(saver->snapshots, saver->path, saver->readers, &saver->err);
}

static void stop_if_done(struct saver *saver)
{
	if (!saver->is_stopping || saver->is_busy)
		return;
	free(saver->path);
	saver->path = NULL;
	uv_close((uv_handle_t *)&saver->timer, NULL);
	saver->on_stopped(saver->context);
}

static void on_saved(uv_work_t *request, int status)
{
	struct saver *saver = request->data;

	assert(status == 0);
	saver->is_busy = false;
	if (saver->err.code != 0)
		log_error("snapshot_file is not written: %s; the next try is in %llu seconds",
			saver->err.text, (unsigned long long)saver->interval_ms / 1000);
	else
		saver->saved = saver->saving;
	struct config *next = saver->next;
	saver->next = NULL;
	if (saver->is_stopping)
		stop_if_done(saver);
	else if (next != NULL)
		saver_configure(saver, next);
	else
		save_or_wait(saver);
	config_unref(next);
}

static void save(struct saver *saver)
{
	saver->is_busy = true;
	saver->saving = snapshot_newest_number(saver->snapshots);
	saver->request.data = saver;
	int rc = uv_queue_work(saver->timer.loop, &saver->request, on_worker, on_saved);
	assert(rc == 0);
}

static bool is_due(const struct saver *saver)
{
	return saver->path != NULL && saver->saved != snapshot_newest_number(saver->snapshots);
}

static void on_timer(uv_timer_t *timer)
{
	struct saver *saver = timer->data;

	if (is_due(saver) && !saver->is_busy)
		save(saver);
	else
		save_or_wait(saver);
}

static void save_or_wait(struct saver *saver)
{
	if (saver->path != NULL && !saver->is_busy)
		uv_timer_start(&saver->timer, on_timer, saver->interval_ms, 0);
}

void saver_init(struct saver *saver, uv_loop_t *loop, struct snapshot_store *snapshots)
{
	memset(saver, 0, sizeof(*saver));
	uv_timer_init(loop, &saver->timer);
	saver->timer.data = saver;
	saver->snapshots = snapshots;
}

void saver_configure(struct saver *saver, const struct config *config)
{
	if (saver->is_busy) {
		/* While a file is written its path stays; on_saved comes back to this. */
		config_unref(saver->next);
		saver->next = config_ref((struct config *)(uintptr_t)config);
		return;
	}
	uv_timer_stop(&saver->timer);
	free(saver->path);
	saver->path = NULL;
	saver->saved = 0;
	saver->interval_ms = (uint64_t)config->snapshot_interval_us / 1000;
	saver->readers = (mode_t)config->socket_mode & 0444;
	if (config->snapshot_file == NULL)
		return;
	saver->path = mem_copy_text(config->snapshot_file, strlen(config->snapshot_file));
	if (saver->path != NULL)
		save(saver);
}

void saver_stop(struct saver *saver, void (*on_stopped)(void *context), void *context)
{
	saver->is_stopping = true;
	saver->on_stopped = on_stopped;
	saver->context = context;
	uv_timer_stop(&saver->timer);
	if (!saver->is_busy && is_due(saver))
		save(saver);
	stop_if_done(saver);
}
