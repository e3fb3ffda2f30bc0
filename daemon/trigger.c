/* The rules of the header, one function each. */
#include "daemon/trigger.h"

#define BACKOFF_FIRST_US INT64_C(1000000)
#define BACKOFF_LAST_US  INT64_C(60000000)
/* A call that no multiple is waited for. */
#define AT_ONCE INT64_MIN

void trigger_init(struct trigger *trigger, int64_t interval_us)
{
	*trigger = (struct trigger){.interval_us = interval_us,
		.called_us = AT_ONCE,
		.next_look_us = TRIGGER_NEVER,
		.last_us = INT64_MIN,
		.wants_full = true};
}

void trigger_call(struct trigger *trigger, int64_t now_us, bool full)
{
	if (trigger->called_us > now_us)
		trigger->called_us = now_us;
	trigger->wants_full = trigger->wants_full || full;
}

/* The first multiple of the interval behind `time_us`; times are after the epoch. */
static int64_t next_multiple(int64_t time_us, int64_t interval_us)
{
	return (time_us / interval_us + 1) * interval_us;
}

/* When the interval lets the earlier of the two calls through. */
static int64_t let_through_us(const struct trigger *trigger, int64_t now_us)
{
	int64_t call_us = trigger->called_us;

	/* A look to come is due at its multiple, not behind it. */
	if (trigger->next_look_us != TRIGGER_NEVER && trigger->next_look_us - 1 < call_us)
		call_us = trigger->next_look_us - 1;
	if (call_us == TRIGGER_NEVER || call_us == AT_ONCE)
		return call_us;
	/* A clock that was set back must not stall it: what was called for is never far away. */
	if (call_us > now_us && trigger->called_us == call_us)
		call_us = now_us;
	return next_multiple(call_us, trigger->interval_us);
}

int64_t trigger_due_us(const struct trigger *trigger, int64_t now_us)
{
	bool is_called = trigger->called_us != TRIGGER_NEVER;
	int64_t due_us;

	if (trigger->n_waiting > 0 && is_called)
		due_us = now_us;
	else if (trigger->interval_us > 0)
		due_us = let_through_us(trigger, now_us);
	else
		due_us = is_called ? now_us : trigger->next_look_us;
	if (trigger->retry_us > 0 && due_us < trigger->retry_us)
		due_us = trigger->retry_us <= now_us + BACKOFF_LAST_US ? trigger->retry_us : now_us;
	return due_us;
}

bool trigger_begin(struct trigger *trigger, int64_t now_us)
{
	bool full = trigger->wants_full ||
		    (trigger->next_look_is_full && trigger->next_look_us <= now_us);

	trigger->last_us = now_us;
	trigger->called_us = TRIGGER_NEVER;
	trigger->next_look_us = TRIGGER_NEVER;
	trigger->wants_full = false;
	return full;
}

void trigger_succeed(
	struct trigger *trigger, bool did_batch, int64_t next_look_us, bool next_look_is_full)
{
	trigger->next_look_us = next_look_us;
	trigger->next_look_is_full = next_look_is_full;
	trigger->n_failures = 0;
	trigger->retry_us = 0;
	/* There may be more than one batch takes; it was there when this one began. */
	if (did_batch)
		trigger_call(trigger, trigger->last_us, false);
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
	trigger_call(trigger, trigger->last_us, was_full);
}

static void move(int64_t *time_us, int64_t step_us)
{
	if (*time_us != AT_ONCE && *time_us != TRIGGER_NEVER)
		*time_us += step_us;
}

void trigger_move_clock(struct trigger *trigger, int64_t step_us)
{
	move(&trigger->called_us, step_us);
	move(&trigger->next_look_us, step_us);
	move(&trigger->last_us, step_us);
	if (trigger->retry_us > 0)
		trigger->retry_us += step_us;
}

int64_t trigger_overrun_us(const struct trigger *trigger, int64_t now_us)
{
	if (trigger->interval_us == 0 || trigger->last_us == INT64_MIN)
		return 0;
	int64_t next_us = next_multiple(trigger->last_us, trigger->interval_us);
	return now_us > next_us ? now_us - next_us : 0;
}
