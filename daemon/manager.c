/* Three things to tell, and a timer for two of them. */
#include "daemon/manager.h"

#include "base/timestamp.h"
#include "daemon/log.h"
#include "daemon/notify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/*
 * While a checkpoint loads the service manager hears
 * of us this often, and waits that much longer.
 */
#define LOAD_NOTICE_MS 5000
/* The status line changes at most this often while batches follow each other. */
#define STATUS_US INT64_C(1000000)

/* The loop turns, or this would not run; a job that hangs on its thread is to be found out, too. */
static void on_watchdog(uv_timer_t *timer)
{
	struct manager *manager = timer->data;
	bool has_moved = engine_has_moved(manager->engine);

	if (has_moved)
		notify_send("WATCHDOG=1");
	else if (!manager->is_stuck)
		log_error("a batch does not move: the service manager's watchdog is not fed until "
			  "it does");
	manager->is_stuck = !has_moved;
}

static void on_load_notice(uv_timer_t *timer)
{
	(void)timer;
	notify_send("EXTEND_TIMEOUT_USEC=%" PRId64 "\nSTATUS=loading the checkpoint",
		(int64_t)6 * LOAD_NOTICE_MS * 1000);
}

/* When the newest event was, and how long before now: a number that moves while nothing is told. */
static void newest_print(char *text, size_t size, int64_t time_us)
{
	static const struct {
		const char *name;
		double seconds;
	} units[] = {{"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}};
	char stamp[TIMESTAMP_TEXT_BYTES];
	struct timespec now;
	size_t i = 0;

	text[0] = '\0';
	if (time_us == INT64_MIN)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	double lag = (double)now.tv_sec + (double)now.tv_nsec / 1e9 - (double)time_us / 1e6;
	while (i < 3 && lag < 2 * units[i].seconds)
		i++;
	(void)timestamp_format(time_us, stamp);
	snprintf(text, size, "; newest event %s, lag %.*f %s", stamp, i == 3 ? 1 : 0,
		lag / units[i].seconds, units[i].name);
}

void manager_tell_status(struct manager *manager)
{
	struct engine_status status;
	char newest[96];
	int64_t now_us = (int64_t)(uv_hrtime() / 1000);

	engine_status(manager->engine, &status);
	if (memcmp(&status, &manager->status, sizeof(status)) == 0 ||
		(!status.is_idle && now_us - manager->status_sent_us < STATUS_US))
		return;
	manager->status = status;
	manager->status_sent_us = now_us;
	newest_print(newest, sizeof(newest), status.max_time_us);
	notify_send("STATUS=%" PRId64 " events of %" PRId64 " files counted, %" PRId64
		    " files behind, %" PRId64 " rejects%s",
		status.n_events, status.n_files, status.n_files_behind, status.n_rejects, newest);
}

void manager_open(struct manager *manager, uv_loop_t *loop, struct engine *engine)
{
	uint64_t beat_ms = (uint64_t)notify_watchdog_us() / 2000;

	*manager = (struct manager){.engine = engine};
	uv_timer_init(loop, &manager->watchdog);
	uv_timer_init(loop, &manager->load_notice);
	manager->watchdog.data = manager;
	manager->load_notice.data = manager;
	if (beat_ms > 0)
		uv_timer_start(&manager->watchdog, on_watchdog, 0, beat_ms);
	uv_timer_start(&manager->load_notice, on_load_notice, 0, LOAD_NOTICE_MS);
}

void manager_loaded(struct manager *manager)
{
	uv_timer_stop(&manager->load_notice);
}

void manager_close(struct manager *manager)
{
	uv_close((uv_handle_t *)&manager->watchdog, NULL);
	uv_close((uv_handle_t *)&manager->load_notice, NULL);
}
