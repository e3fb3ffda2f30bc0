/*
 * When to look at a source and run a batch: pure decisions, time is an
 * argument (wall clock, UTC, microseconds).
 *
 * A turn is called for by a notice, by the rest of the batch before, by a poll,
 * or by someone who wants everything to be looked at. With `trigger = 0` it is
 * due at once, else at the first multiple of the trigger (since the epoch)
 * behind the call; multiples that nothing called for are slept through.
 * Whoever waits for all to be counted makes it due at once. A failed turn is
 * due again after a backoff. Knows no loop and no stream.
 */
#ifndef DAEMON_TRIGGER_H
#define DAEMON_TRIGGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIGGER_NEVER INT64_MAX

struct trigger {
	int64_t interval_us;  /* 0: as soon as there is something */
	int64_t called_us;    /* the first call since the last turn began; TRIGGER_NEVER: none */
	int64_t next_look_us; /* a call to come; TRIGGER_NEVER: none */
	int64_t last_us;      /* the start of the last turn; INT64_MIN: none yet */
	int64_t retry_us;     /* after a failure, not before; 0: none */
	uint32_t n_failures;  /* in a row */
	uint32_t n_waiting;   /* who wait for all to be counted */
	bool wants_full;      /* everything is to be looked at */
	bool next_look_is_full;
};

/* The first turn is due at once, and looks at everything. */
void trigger_init(struct trigger *trigger, int64_t interval_us);

/* Something may be new; with `full` everything is to be looked at. */
void trigger_call(struct trigger *trigger, int64_t now_us, bool full);

/* When the source is due: now or before, a later time, or TRIGGER_NEVER. */
int64_t trigger_due_us(const struct trigger *trigger, int64_t now_us);

/*
 * A turn begins; what called for it is answered by it. Returns whether
 * everything is to be looked at.
 */
bool trigger_begin(struct trigger *trigger, int64_t now_us);

/* It ended. When the stream wants to be looked at without a notice, and whether as a whole. */
void trigger_succeed(
	struct trigger *trigger, bool did_batch, int64_t next_look_us, bool next_look_is_full);
void trigger_fail(struct trigger *trigger, bool was_full, int64_t now_us);

/* The wall clock was set by `step_us`: what is planned is as far away as before. */
void trigger_move_clock(struct trigger *trigger, int64_t step_us);

/*
 * How many microseconds the turn that began at last_us overran its trigger by
 * `now_us`; 0: it did not.
 */
int64_t trigger_overrun_us(const struct trigger *trigger, int64_t now_us);

#endif
