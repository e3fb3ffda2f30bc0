/* The rules of the header, one function each. */
#include "daemon/trigger.h"

#define BACKOFF_FIRST_US INT64_C(1000000)
#define BACKOFF_LAST_US  INT64_C(60000000)

void trigger_init(struct trigger *trigger, int64_t interval_us)
{
	*trigger = (struct trigger){.interval_us = interval_us,
		.last_us = INT64_MIN,
		.next_look_us = TRIGGER_NEVER,
		.wants_full = true};
}

/* The first multiple of the interval behind `time_us`; times are after the epoch. */
static int64_t next_multiple(int64_t time_us, int64_t interval_us)
{
	return (time_us / interval_us + 1) * interval_us;
}

/* When something calls for a turn, without regard to the interval. */
static int64_t call_us(const struct trigger *trigger, int64_t now_us)
{
	if (trigger->is_noticed || trigger->wants_full || trigger->has_more)
		return now_us;
	return trigger->next_look_us;
}

int64_t trigger_due_us(const struct trigger *trigger, int64_t now_us)
{
	int64_t due_us = call_us(trigger, now_us);

	if (trigger->n_waiting > 0 && due_us != TRIGGER_NEVER)
		due_us = due_us < now_us ? due_us : now_us;
	else if (trigger->interval_us > 0 && trigger->last_us != INT64_MIN &&
		 due_us != TRIGGER_NEVER) {
		/*
		 * Due at the first multiple that is behind the last turn and not before the
		 * call. A clock that went back must not stall it: never more than one
		 * interval away.
		 */
		int64_t behind_us =
			next_multiple(trigger->last_us < now_us ? trigger->last_us : now_us,
				trigger->interval_us);
		if (due_us > behind_us)
			behind_us = next_multiple(due_us - 1, trigger->interval_us);
		due_us = behind_us;
	}
	if (trigger->retry_us > 0 && due_us < trigger->retry_us) {
		/* The same for the backoff. */
		due_us = trigger->retry_us;
		if (due_us > now_us + BACKOFF_LAST_US)
			due_us = now_us;
	}
	return due_us;
}

bool trigger_begin(struct trigger *trigger, int64_t now_us)
{
	bool full = trigger->wants_full ||
		    (trigger->next_look_is_full && trigger->next_look_us <= now_us);

	trigger->last_us = now_us;
	trigger->is_noticed = false;
	trigger->wants_full = false;
	trigger->has_more = false;
	return full;
}

void trigger_succeed(
	struct trigger *trigger, bool did_batch, int64_t next_look_us, bool next_look_is_full)
{
	trigger->next_look_is_full = next_look_is_full;
	trigger->has_more = did_batch;
	trigger->next_look_us = next_look_us;
	trigger->n_failures = 0;
	trigger->retry_us = 0;
}

void trigger_fail(struct trigger *trigger, bool was_full, int64_t now_us)
{
	int64_t backoff_us = BACKOFF_FIRST_US;

	for (uint32_t i = 0; i < trigger->n_failures && backoff_us < BACKOFF_LAST_US; i++)
		backoff_us *= 2;
	if (backoff_us > BACKOFF_LAST_US)
		backoff_us = BACKOFF_LAST_US;
	trigger->n_failures++;
	trigger->retry_us = now_us + backoff_us;
	trigger->has_more = true;
	trigger->wants_full = was_full || trigger->wants_full;
}

int64_t trigger_overrun_us(const struct trigger *trigger, int64_t now_us)
{
	if (trigger->interval_us == 0 || trigger->last_us == INT64_MIN)
		return 0;
	int64_t next_us = next_multiple(trigger->last_us, trigger->interval_us);
	return now_us > next_us ? now_us - next_us : 0;
}
