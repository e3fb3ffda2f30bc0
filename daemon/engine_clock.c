/*
 * The wall clock as the engine uses it. Plans (the next poll, a retry) are made
 * in wall time, because triggers run at its multiples; but the clock may be set.
 * Whether it was, its distance from the monotonic clock says: then what is
 * planned moves along, so that nothing stalls for a day and nothing storms.
 * Between two looks at that distance time is the monotonic clock's alone: a plan
 * made behind a step that is not known yet would be moved by it once more.
 */
#include "daemon/engine_private.h"

#include "base/timestamp.h"

#include <time.h>

/* Below that it is being slewed, and what is planned may be off by as much. */
#define STEP_US INT64_C(500000)

static int64_t monotonic_us(void)
{
	return (int64_t)(uv_hrtime() / 1000);
}

static int64_t wall_offset_us(void)
{
	struct timespec wall;
	int64_t before_us, after_us;

	/*
	 * Who was held up between the two clocks would take that for a step. What is
	 * left of it makes us late: who is ahead takes a file that changed just now
	 * for one that has been at rest.
	 */
	do {
		before_us = monotonic_us();
		clock_gettime(CLOCK_REALTIME, &wall);
		after_us = monotonic_us();
	} while (after_us - before_us > STEP_US / 2);
	return (int64_t)wall.tv_sec * US_PER_S + wall.tv_nsec / 1000 - after_us;
}

void engine_clock_init(struct engine *engine)
{
	engine->clock_offset_us = wall_offset_us();
}

int64_t engine_now_us(const struct engine *engine)
{
	return monotonic_us() + engine->clock_offset_us;
}

void engine_clock_review(struct engine *engine)
{
	int64_t offset_us = wall_offset_us();
	int64_t step_us = offset_us - engine->clock_offset_us;

	engine->clock_offset_us = offset_us;
	if (!engine->is_loaded || (step_us < STEP_US && step_us > -STEP_US))
		return;
	log_info("the wall clock was set %s by %.1f seconds; counts do not depend on it",
		step_us > 0 ? "forward" : "back", (double)(step_us > 0 ? step_us : -step_us) / 1e6);
	for (size_t i = 0; i < engine->config->spec.n_sources; i++)
		trigger_move_clock(&engine->sources[i].trigger, step_us);
	stream_move_clock(engine->job.stream, step_us);
}
