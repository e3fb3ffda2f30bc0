/*
 * Two handles: the descriptor of the notices, which notice_repair may bring
 * later, and the timer that has it called on a worker. The notices are the
 * worker's until it is back; meanwhile nothing is read of them.
 */
#include "daemon/watch.h"

#include "daemon/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct watch {
	uv_poll_t poll;
	uv_timer_t repair;
	uv_work_t work;
	struct watch_options options;
	struct notice *notice;
	struct watch *next_waiting;
	bool is_polling;
	bool is_noticed;   /* as the stream was last told */
	bool is_repairing; /* the notices are the worker's */
	bool is_waiting;   /* for the worker */
	bool is_told;      /* anything may have changed, as the worker found */
	bool is_closed;
	int n_handles;     /* open ones and the worker; the last frees the watch */
	char trouble[256]; /* as last logged; "": none */
};

static void on_change(void *context, const char *relative_path)
{
	struct watch *watch = context;

	/* On the worker, which knows neither the stream nor the loop. */
	if (watch->is_repairing) {
		watch->is_told = true;
		return;
	}
	if (stream_notice(watch->options.stream, watch->options.source, relative_path))
		watch->options.on_change(watch->options.context, watch->options.source);
}

static void repair_start(struct watch *watch);

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	(void)status;
	(void)events;
	notice_read(watch->notice);
	if (!watch->is_closed && watch->is_noticed && notice_trouble(watch->notice) != NULL)
		repair_start(watch);
}

static void handle_drop(struct watch *watch)
{
	watch->n_handles--;
	if (watch->n_handles == 0)
		free(watch);
}

static void on_handle_closed(uv_handle_t *handle)
{
	handle_drop(handle->data);
}

static void poll_start(struct watch *watch)
{
	int fd = notice_fd(watch->notice);

	if (fd < 0)
		return;
	if (!watch->is_polling) {
		int rc = uv_poll_init(watch->options.loop, &watch->poll, fd);
		if (rc != 0) {
			log_warning("%s: notices cannot be read: %s", watch->options.spec->path,
				uv_strerror(rc));
			return;
		}
		watch->poll.data = watch;
		watch->is_polling = true;
		watch->n_handles++;
	}
	uv_poll_start(&watch->poll, UV_READABLE, on_readable);
}

/* True: there is trouble that was not there, or another, or it is over. */
static bool trouble_note(struct watch *watch)
{
	const char *trouble = notice_trouble(watch->notice);
	bool is_noticed = trouble == NULL;
	bool has_changed = is_noticed != watch->is_noticed;

	watch->is_noticed = is_noticed;
	stream_set_noticed(watch->options.stream, watch->options.source, is_noticed);
	/* Of its directory the source itself speaks. */
	if (notice_has_no_directory(watch->notice))
		return has_changed;
	if (trouble == NULL)
		trouble = "";
	if (strncmp(watch->trouble, trouble, sizeof(watch->trouble) - 1) == 0)
		return has_changed;
	if (trouble[0] != '\0')
		log_warning("source %s: %s; looking every poll_interval instead",
			watch->options.spec->name, trouble);
	else
		log_info("source %s: %s is watched again", watch->options.spec->name,
			watch->options.spec->path);
	strncpy(watch->trouble, trouble, sizeof(watch->trouble) - 1);
	return true;
}

static void on_worker(uv_work_t *work)
{
	struct watch *watch = work->data;

	notice_repair(watch->notice);
}

static void on_repaired(uv_work_t *work, int status);

static void worker_send(struct watch *watch)
{
	watch->options.worker->is_out = true;
	watch->is_repairing = true;
	watch->n_handles++;
	if (watch->is_polling)
		uv_poll_stop(&watch->poll);
	int rc = uv_queue_work(watch->options.loop, &watch->work, on_worker, on_repaired);
	assert(rc == 0);
}

static void waiting_remove(struct watch *watch)
{
	struct watch_worker *worker = watch->options.worker;
	struct watch **link = &worker->first_waiting, *before = NULL;

	while (*link != watch) {
		before = *link;
		link = &before->next_waiting;
	}
	*link = watch->next_waiting;
	if (worker->last_waiting == watch)
		worker->last_waiting = before;
	watch->next_waiting = NULL;
	watch->is_waiting = false;
}

/* As it is back: to the next one. */
static void worker_go_on(struct watch_worker *worker)
{
	struct watch *next = worker->first_waiting;

	worker->is_out = false;
	if (next == NULL)
		return;
	waiting_remove(next);
	worker_send(next);
}

static void on_repaired(uv_work_t *work, int status)
{
	struct watch *watch = work->data;

	assert(status == 0);
	watch->is_repairing = false;
	worker_go_on(watch->options.worker);
	if (watch->is_closed) {
		notice_close(watch->notice);
		handle_drop(watch);
		return;
	}
	handle_drop(watch);
	poll_start(watch);
	/* Who waits for notices that no longer come has to be told to look by himself. */
	bool has_changed = trouble_note(watch);
	if (watch->is_told) {
		watch->is_told = false;
		on_change(watch, NULL);
	} else if (has_changed) {
		watch->options.on_change(watch->options.context, watch->options.source);
	}
}

/* The timers of several sources come at the same moment, time after time: each has its turn. */
static void repair_start(struct watch *watch)
{
	struct watch_worker *worker = watch->options.worker;

	if (watch->is_repairing || watch->is_waiting)
		return;
	if (!worker->is_out) {
		worker_send(watch);
		return;
	}
	watch->is_waiting = true;
	if (worker->first_waiting == NULL)
		worker->first_waiting = watch;
	else
		worker->last_waiting->next_waiting = watch;
	worker->last_waiting = watch;
}

static void on_repair(uv_timer_t *timer)
{
	repair_start(timer->data);
}

int watch_open(struct watch **result, const struct watch_options *options, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return err_nomem(err);
	watch->options = *options;
	watch->notice = options->notice;
	watch->work.data = watch;
	struct notice_sink sink = {.context = watch, .on_change = on_change};
	notice_set_sink(watch->notice, &sink);
	uint64_t every_ms = (uint64_t)(options->spec->poll_interval_us + 999) / 1000;
	uv_timer_init(options->loop, &watch->repair);
	watch->repair.data = watch;
	watch->n_handles++;
	uv_timer_start(&watch->repair, on_repair, every_ms, every_ms);
	(void)trouble_note(watch);
	poll_start(watch);
	*result = watch;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (watch == NULL)
		return;
	watch->is_closed = true;
	if (watch->is_waiting)
		waiting_remove(watch);
	if (watch->is_polling)
		uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
	uv_close((uv_handle_t *)&watch->repair, on_handle_closed);
	if (!watch->is_repairing)
		notice_close(watch->notice);
}
