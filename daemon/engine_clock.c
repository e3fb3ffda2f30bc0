/*
 * The wall clock as the engine uses it. Plans (the next poll, a retry) are made
 * in wall time, because triggers run at its multiples; but the clock may be set.
 * Whether it was, its distance from the monotonic clock says: then what is
 * planned moves along, so that nothing stalls for a day and nothing storms.
 */
#include "daemon/engine_private.h"

#include "base/timestamp.h"

#include <time.h>

/* Below that it is being slewed, and what is planned may be off by as much. */
#define STEP_US INT64_C(500000)

int64_t engine_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

void engine_clock_review(struct engine *engine)
{
	int64_t offset_us = engine_now_us() - (int64_t)(uv_hrtime() / 1000);
	int64_t step_us = offset_us - engine->clock_offset_us;

	if (engine->is_clock_known && step_us < STEP_US && step_us > -STEP_US)
		return;
	engine->clock_offset_us = offset_us;
	if (!engine->is_clock_known || !engine->is_loaded) {
		engine->is_clock_known = true;
		return;
	}
	log_info("the wall clock was set %s by %.1f seconds; counts do not depend on it",
		step_us > 0 ? "forward" : "back", (double)(step_us > 0 ? step_us : -step_us) / 1e6);
	for (size_t i = 0; i < engine->config->spec.n_sources; i++)
		trigger_move_clock(&engine->sources[i].trigger, step_us);
	stream_move_clock(engine->job.stream, step_us);
}
