/* When a source is due, row by row; times in seconds for the reader's sake. */
#include "daemon/trigger.h"
#include "base/timestamp.h"
#include "tests/run.h"

#define S US_PER_S

START_TEST(the_first_turn_is_due_at_once_and_looks_at_everything)
{
	struct trigger trigger;

	for (int64_t interval = 0; interval <= 10 * S; interval += 5 * S) {
		trigger_init(&trigger, interval);
		ck_assert_int_le(trigger_due_us(&trigger, 1003 * S), 1003 * S);
		ck_assert(trigger_begin(&trigger, 1003 * S));
		trigger_succeed(&trigger, false, TRIGGER_NEVER, false);
		ck_assert_int_eq(trigger_due_us(&trigger, 1004 * S), TRIGGER_NEVER);
	}
}
END_TEST

/* A trigger that had its first turn at 1003 s and was told of nothing more. */
static struct trigger at_rest(int64_t interval_us)
{
	struct trigger trigger;

	trigger_init(&trigger, interval_us);
	(void)trigger_begin(&trigger, 1003 * S);
	trigger_succeed(&trigger, false, TRIGGER_NEVER, false);
	return trigger;
}

START_TEST(without_an_interval_a_call_is_due_at_once)
{
	struct trigger trigger = at_rest(0);

	trigger_call(&trigger, 1007 * S, false);
	ck_assert_int_le(trigger_due_us(&trigger, 1007 * S), 1007 * S);
	ck_assert(!trigger_begin(&trigger, 1007 * S));
	trigger_succeed(&trigger, true, TRIGGER_NEVER, false);
	/* There may be more than one batch took. */
	ck_assert_int_le(trigger_due_us(&trigger, 1008 * S), 1008 * S);
}
END_TEST

START_TEST(with_an_interval_a_call_waits_for_the_next_multiple)
{
	struct trigger trigger = at_rest(10 * S);

	trigger_call(&trigger, 1017 * S, false);
	ck_assert_int_eq(trigger_due_us(&trigger, 1017 * S), 1020 * S);
	ck_assert_int_eq(trigger_due_us(&trigger, 1020 * S), 1020 * S);
	ck_assert_int_eq(trigger_due_us(&trigger, 1020 * S + 300), 1020 * S);
	(void)trigger_begin(&trigger, 1020 * S + 300);
	/* What came during the turn waits for the next one. */
	trigger_call(&trigger, 1021 * S, false);
	trigger_succeed(&trigger, true, TRIGGER_NEVER, false);
	ck_assert_int_eq(trigger_due_us(&trigger, 1022 * S), 1030 * S);
	/* A turn that took longer than the interval is followed at once. */
	ck_assert_int_le(trigger_due_us(&trigger, 1033 * S), 1033 * S);
	ck_assert_int_eq(trigger_overrun_us(&trigger, 1033 * S), 3 * S);
	ck_assert_int_eq(trigger_overrun_us(&trigger, 1029 * S), 0);
}
END_TEST

START_TEST(a_look_to_come_is_due_at_its_time_or_its_multiple)
{
	struct trigger now = at_rest(0), ten = at_rest(10 * S);

	trigger_succeed(&now, false, 1008 * S, true);
	ck_assert_int_eq(trigger_due_us(&now, 1004 * S), 1008 * S);
	ck_assert(trigger_begin(&now, 1008 * S));
	trigger_succeed(&ten, false, 1020 * S, false);
	ck_assert_int_eq(trigger_due_us(&ten, 1004 * S), 1020 * S);
	trigger_succeed(&ten, false, 1021 * S, false);
	ck_assert_int_eq(trigger_due_us(&ten, 1004 * S), 1030 * S);
	/* A notice comes before it. */
	trigger_call(&ten, 1004 * S, false);
	ck_assert_int_eq(trigger_due_us(&ten, 1004 * S), 1010 * S);
}
END_TEST

START_TEST(who_waits_for_all_to_be_counted_does_not_wait_for_the_multiple)
{
	struct trigger trigger = at_rest(3600 * S);

	trigger_call(&trigger, 1004 * S, true);
	ck_assert_int_eq(trigger_due_us(&trigger, 1004 * S), 3600 * S);
	trigger.n_waiting = 1;
	ck_assert_int_eq(trigger_due_us(&trigger, 1004 * S), 1004 * S);
	ck_assert(trigger_begin(&trigger, 1004 * S));
	trigger_succeed(&trigger, false, TRIGGER_NEVER, false);
	ck_assert_int_eq(trigger_due_us(&trigger, 1005 * S), TRIGGER_NEVER);
}
END_TEST

START_TEST(a_failed_turn_is_tried_again_after_a_growing_pause)
{
	struct trigger trigger = at_rest(0);
	int64_t now = 1010 * S, pauses[] = {1, 2, 4, 8, 16, 32, 60, 60, 60};

	trigger_call(&trigger, now, true);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		ck_assert(trigger_begin(&trigger, now));
		trigger_fail(&trigger, true, now);
		trigger_call(&trigger, now, false); /* a notice does not shorten it */
		ck_assert_int_eq(trigger_due_us(&trigger, now), now + pauses[i] * S);
		now += pauses[i] * S;
	}
	(void)trigger_begin(&trigger, now);
	trigger_succeed(&trigger, true, TRIGGER_NEVER, false);
	ck_assert_int_le(trigger_due_us(&trigger, now), now);
}
END_TEST

START_TEST(a_clock_that_is_set_back_stalls_nothing)
{
	struct trigger trigger = at_rest(10 * S);

	trigger_call(&trigger, 1017 * S, false);
	ck_assert_int_le(trigger_due_us(&trigger, 100 * S), 110 * S);
	(void)trigger_begin(&trigger, 1020 * S);
	trigger_fail(&trigger, false, 1020 * S);
	ck_assert_int_le(trigger_due_us(&trigger, 100 * S), 110 * S);
}
END_TEST

START_TEST(what_is_planned_moves_with_a_clock_that_is_set)
{
	struct trigger trigger = at_rest(0);
	int64_t step_us;

	for (step_us = -900 * S; step_us <= 900 * S; step_us += 1800 * S) {
		(void)trigger_begin(&trigger, 1000 * S);
		trigger_succeed(&trigger, false, 1030 * S, true);
		ck_assert_int_eq(trigger_due_us(&trigger, 1010 * S), 1030 * S);
		trigger_move_clock(&trigger, step_us);
		ck_assert_int_eq(trigger_due_us(&trigger, 1010 * S + step_us), 1030 * S + step_us);
	}
	(void)trigger_begin(&trigger, 1000 * S);
	trigger_succeed(&trigger, false, TRIGGER_NEVER, false);
	trigger_move_clock(&trigger, -900 * S);
	ck_assert_int_eq(trigger_due_us(&trigger, 100 * S), TRIGGER_NEVER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/trigger");
	TCase *tests = tcase_create("trigger");

	tcase_add_test(tests, the_first_turn_is_due_at_once_and_looks_at_everything);
	tcase_add_test(tests, without_an_interval_a_call_is_due_at_once);
	tcase_add_test(tests, with_an_interval_a_call_waits_for_the_next_multiple);
	tcase_add_test(tests, a_look_to_come_is_due_at_its_time_or_its_multiple);
	tcase_add_test(tests, who_waits_for_all_to_be_counted_does_not_wait_for_the_multiple);
	tcase_add_test(tests, a_failed_turn_is_tried_again_after_a_growing_pause);
	tcase_add_test(tests, a_clock_that_is_set_back_stalls_nothing);
	tcase_add_test(tests, what_is_planned_moves_with_a_clock_that_is_set);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
