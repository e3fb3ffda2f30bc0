/*
 * Two handles: the descriptor of the notices, which notice_repair may bring
 * later, and the timer that calls it.
 */
#include "daemon/watch.h"

#include "daemon/log.h"
#include "stream/notice.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct watch {
	uv_poll_t poll;
	uv_timer_t repair;
	struct watch_options options;
	struct notice *notice;
	bool is_polling;
	bool is_noticed;   /* as the stream was last told */
	int n_handles;     /* open ones; the last frees the watch */
	char trouble[256]; /* as last logged; "": none */
};

static void on_change(void *context, const char *relative_path)
{
	struct watch *watch = context;

	if (stream_notice(watch->options.stream, watch->options.source, relative_path))
		watch->options.on_change(watch->options.context, watch->options.source);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;

	(void)status;
	(void)events;
	notice_read(watch->notice);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;

	watch->n_handles--;
	if (watch->n_handles == 0)
		free(watch);
}

static void poll_start(struct watch *watch)
{
	int fd = notice_fd(watch->notice);

	if (fd < 0 || watch->is_polling)
		return;
	int rc = uv_poll_init(watch->options.loop, &watch->poll, fd);
	if (rc != 0) {
		log_warning("%s: notices cannot be read: %s", watch->options.spec->path,
			uv_strerror(rc));
		return;
	}
	watch->poll.data = watch;
	watch->is_polling = true;
	watch->n_handles++;
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

static void on_repair(uv_timer_t *timer)
{
	struct watch *watch = timer->data;

	notice_repair(watch->notice);
	/* Who waits for notices that no longer come has to be told to look by himself. */
	if (trouble_note(watch))
		watch->options.on_change(watch->options.context, watch->options.source);
	poll_start(watch);
}

int watch_open(struct watch **result, const struct watch_options *options, struct err *err)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (watch == NULL)
		return err_nomem(err);
	watch->options = *options;
	struct notice_sink sink = {.context = watch, .on_change = on_change};
	if (notice_open(&watch->notice, options->spec->path, options->spec->recursive, &sink,
		    err) != 0) {
		free(watch);
		return err->code;
	}
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
	if (watch->is_polling)
		uv_close((uv_handle_t *)&watch->poll, on_handle_closed);
	uv_close((uv_handle_t *)&watch->repair, on_handle_closed);
	notice_close(watch->notice);
	watch->notice = NULL;
}
