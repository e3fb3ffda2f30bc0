/* Threads that take turns: what is begun later and is short ends before what is long. */
#include "daemon/background.h"

#include "tests/run.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>

#define N_TASKS 40

struct job {
	struct background_task task; /* first */
	int nice, place;             /* of its thread; in the order of ends, from 1 */
	atomic_bool has_begun;
};

static uv_loop_t loop;
static int n_done;
static atomic_bool may_end, is_stopped;

static void set_up(void)
{
	ck_assert_int_eq(uv_loop_init(&loop), 0);
	n_done = 0;
	atomic_store(&may_end, false);
	atomic_store(&is_stopped, false);
}

/* The loop runs dry, or the handle of the threads was left open. */
static void tear_down(void)
{
	ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static struct background *start(int n_turns, int n_threads)
{
	struct background *background = NULL;
	struct err err = ERR_INIT;

	ck_assert_int_eq(background_start(&background, &loop, n_turns, n_threads, &err), 0);
	return background;
}

static bool ask_stopped(void *arg)
{
	(void)arg;
	return atomic_load(&is_stopped);
}

static void run_short(struct background_task *task)
{
	((struct job *)task)->nice = getpriority(PRIO_PROCESS, 0);
}

static void run_until_may_end(struct background_task *task)
{
	atomic_store(&((struct job *)task)->has_begun, true);
	while (!atomic_load(&may_end) && !atomic_load(&is_stopped))
		background_pause(ask_stopped, NULL);
}

static void done(struct background_task *task)
{
	((struct job *)task)->place = ++n_done;
}

static void submit(
	struct background *background, struct job *job, void (*run)(struct background_task *task))
{
	*job = (struct job){.task = {.run = run, .done = done}};
	background_submit(background, &job->task);
}

START_TEST(more_tasks_than_threads_are_all_done_and_at_low_priority)
{
	struct background *background = start(2, 3);
	struct job jobs[N_TASKS];
	int own = getpriority(PRIO_PROCESS, 0);

	for (int i = 0; i < N_TASKS; i++)
		submit(background, &jobs[i], run_short);
	/* The loop stays until the last is done, and no longer. */
	ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(n_done, N_TASKS);
	for (int i = 0; i < N_TASKS; i++)
		ck_assert_int_eq(
			jobs[i].nice, own + BACKGROUND_NICE < 19 ? own + BACKGROUND_NICE : 19);
	background_stop(background);
}
END_TEST

static void end_runaways(struct background_task *task)
{
	done(task);
	atomic_store(&may_end, true);
}

START_TEST(what_is_short_ends_while_runaways_have_all_the_turns)
{
	struct background *background = start(1, 8);
	struct job runaways[5], other;

	for (int i = 0; i < 5; i++)
		submit(background, &runaways[i], run_until_may_end);
	/* All of them have had a turn, although there is one at a time. */
	for (int i = 0; i < 5; i++)
		while (!atomic_load(&runaways[i].has_begun))
			;
	submit(background, &other, run_short);
	other.task.done = end_runaways;
	ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(n_done, 6);
	ck_assert_int_eq(other.place, 1);
	background_stop(background);
}
END_TEST

START_TEST(who_waits_for_a_turn_can_be_stopped)
{
	struct background *background = start(1, 4);
	struct job runaways[3];

	for (int i = 0; i < 3; i++)
		submit(background, &runaways[i], run_until_may_end);
	for (int i = 0; i < 3; i++)
		while (!atomic_load(&runaways[i].has_begun))
			;
	atomic_store(&is_stopped, true);
	ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
	ck_assert_int_eq(n_done, 3);
	background_stop(background);
}
END_TEST

START_TEST(elsewhere_a_pause_is_none)
{
	background_pause(ask_stopped, NULL);
	background_stop(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("background");
	TCase *tests = tcase_create("turns");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, more_tasks_than_threads_are_all_done_and_at_low_priority);
	tcase_add_test(tests, what_is_short_ends_while_runaways_have_all_the_turns);
	tcase_add_test(tests, who_waits_for_a_turn_can_be_stopped);
	tcase_add_test(tests, elsewhere_a_pause_is_none);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
