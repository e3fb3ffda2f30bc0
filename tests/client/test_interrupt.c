/* Signals that come before the wait for them, where a plain read() or poll() would sleep on. */
#include "client/interrupt.h"
#include "tests/run.h"

#include <signal.h>
#include <unistd.h>

/* Longer than a test may take: a signal that is not noticed is a test that fails. */
#define FOREVER_MS 600000

START_TEST(a_ctrl_c_before_the_wait_ends_it)
{
	interrupt_start();
	(void)raise(SIGINT);
	ck_assert_int_eq(interrupt_count(), 1);
	ck_assert_int_eq(interrupt_wait(-1, false, 0, FOREVER_MS), -1);
	ck_assert_int_eq(interrupt_wait_screen(-1, FOREVER_MS), INTERRUPT_CTRL_C);
}
END_TEST

START_TEST(a_ctrl_c_that_was_acted_upon_ends_no_wait)
{
	interrupt_start();
	(void)raise(SIGINT);
	ck_assert_int_eq(interrupt_wait(-1, false, 1, 1), 0);
	(void)raise(SIGINT);
	ck_assert_int_eq(interrupt_wait(-1, false, 1, FOREVER_MS), -1);
	interrupt_clear();
	ck_assert_int_eq(interrupt_wait(-1, false, 0, 1), 0);
}
END_TEST

START_TEST(a_window_that_changed_before_the_wait_is_drawn_once)
{
	interrupt_start();
	ck_assert_int_eq(interrupt_wait_screen(-1, 0), INTERRUPT_TIME);
	(void)raise(SIGWINCH);
	ck_assert_int_eq(interrupt_wait_screen(-1, FOREVER_MS), INTERRUPT_REDRAW);
	ck_assert_int_eq(interrupt_wait_screen(-1, 1), INTERRUPT_TIME);
	(void)raise(SIGCONT);
	ck_assert_int_eq(interrupt_wait_screen(-1, FOREVER_MS), INTERRUPT_REDRAW);
}
END_TEST

START_TEST(what_can_be_read_ends_the_wait)
{
	int ends[2];

	interrupt_start();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(interrupt_wait(ends[0], false, 0, 1), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(interrupt_wait(ends[0], false, 0, FOREVER_MS), 1);
	ck_assert_int_eq(interrupt_wait_screen(ends[0], FOREVER_MS), INTERRUPT_KEY);
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("interrupt");
	TCase *tcase = tcase_create("signals");

	tcase_add_test(tcase, a_ctrl_c_before_the_wait_ends_it);
	tcase_add_test(tcase, a_ctrl_c_that_was_acted_upon_ends_no_wait);
	tcase_add_test(tcase, a_window_that_changed_before_the_wait_is_drawn_once);
	tcase_add_test(tcase, what_can_be_read_ends_the_wait);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
