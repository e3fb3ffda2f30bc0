/*
 * What the service manager hears from us beside READY and STOPPING: that a
 * start takes its time, that we live, and in one line what was counted. The
 * watchdog is fed while the loop turns and whatever job is under way moves.
 * The loop's; without a service manager nothing is sent.
 */
#ifndef DAEMON_MANAGER_H
#define DAEMON_MANAGER_H

#include "daemon/engine.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct manager {
	uv_timer_t watchdog, load_notice;
	struct engine *engine;
	struct engine_status status; /* as last told */
	int64_t status_sent_us;      /* monotonic */
	bool is_stuck;               /* a job had not moved at the last beat */
};

/* The load begins. */
void manager_open(struct manager *manager, uv_loop_t *loop, struct engine *engine);
void manager_loaded(struct manager *manager);

/* After a job: the status line, if it changed. */
void manager_tell_status(struct manager *manager);

/* Its timers go with the loop's next turn. */
void manager_close(struct manager *manager);

#endif
