/* The budget of bytes and time, alone and under SQLite. */
#include "sql/allocator.h"
#include "tests/sql/env.h"

#include <pthread.h>
#include <stdatomic.h>

static void set_up(void)
{
	struct err err = ERR_INIT;

	ck_assert_msg(sql_init(&err) == 0, "%s", err.text);
}

static struct budget unlimited(void)
{
	return (struct budget){.limit_bytes = INT64_MAX, .stop_at_us = INT64_MAX};
}

START_TEST(installing_again_is_fine)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(allocator_install(&err), 0);
	ck_assert_int_eq(allocator_install(&err), 0);
}
END_TEST

START_TEST(bytes_are_counted_up_and_down)
{
	struct budget budget = unlimited();
	void *block;

	allocator_enter(&budget);
	block = sqlite3_malloc(1000);
	ck_assert_int_ge(budget.used_bytes, 1000);
	block = sqlite3_realloc(block, 5000);
	ck_assert_int_ge(budget.used_bytes, 5000);
	block = sqlite3_realloc(block, 100);
	ck_assert_int_lt(budget.used_bytes, 5000);
	sqlite3_free(block);
	ck_assert_int_eq(budget.used_bytes, 0);
	allocator_leave();
	block = sqlite3_malloc(1000);
	ck_assert_int_eq(budget.used_bytes, 0);
	sqlite3_free(block);
}
END_TEST

START_TEST(beyond_its_bytes_there_is_no_memory)
{
	struct budget budget = unlimited();
	void *block, *more;

	budget.limit_bytes = 10000;
	allocator_enter(&budget);
	block = sqlite3_malloc(9000);
	ck_assert_ptr_nonnull(block);
	ck_assert_int_eq(budget.ended, BUDGET_OPEN);
	ck_assert_ptr_null(sqlite3_malloc(2000));
	ck_assert_int_eq(budget.ended, BUDGET_BYTES);
	ck_assert_ptr_null(sqlite3_realloc(block, 20000));
	/* What is small enough still passes: one piece too large is no verdict on the next. */
	more = sqlite3_malloc(100);
	ck_assert_ptr_nonnull(more);
	sqlite3_free(more);
	sqlite3_free(block);
	ck_assert_int_eq(budget.used_bytes, 0);
	budget_renew(&budget, INT64_MAX);
	ck_assert_int_eq(budget.ended, BUDGET_OPEN);
	allocator_leave();
}
END_TEST

START_TEST(past_its_time_there_is_no_memory)
{
	struct budget budget = unlimited();
	void *block = NULL;
	int n = 0;

	budget.stop_at_us = budget_now_us() - 1;
	allocator_enter(&budget);
	while (n < 100 && (block = sqlite3_malloc(16)) != NULL) {
		sqlite3_free(block);
		n++;
	}
	allocator_leave();
	ck_assert_int_lt(n, 16);
	ck_assert_int_eq(budget.ended, BUDGET_TIME);
	ck_assert(!budget_check(&budget));
}
END_TEST

START_TEST(a_cancel_is_seen_from_another_thread)
{
	_Atomic bool cancelled = false;
	struct budget budget = unlimited();

	budget.cancelled = &cancelled;
	ck_assert(budget_check(&budget));
	atomic_store(&cancelled, true);
	ck_assert(!budget_check(&budget));
	ck_assert_int_eq(budget.ended, BUDGET_CANCELLED);
}
END_TEST

/* Statements that allocate in different ways, each cut off at growing budgets. */
static const char *const statements[] = {
	"select action, group_concat(count) from counts group by action order by 2 desc",
	"with recursive c(x) as (select 1 union all select x+1 from c where x<2000) select x from "
	"c order by -x",
	"select distinct a.count*b.count from counts a, counts b",
	"select json_group_array(action) from counts",
	"select replace(hex(zeroblob(5000)), '00', 'abc')",
	"select printf('%s%s', action, hex(zeroblob(2000))) from counts",
	"select date_format(window_end, 'yyyy-MM-dd''T''HH:mm') from counts",
	"select sum(count) over (order by window_start rows 2 preceding) from counts",
	"select count(*) from (select action from counts except select 'Open')",
	"create temp table t as select * from counts; insert into t select * from t; select "
	"count(*) from t",
	"create temp view v as select window.end from counts; select * from v",
	"pragma table_info(counts)",
};

START_TEST(a_statement_short_of_memory_fails_cleanly)
{
	struct fixture fixture;
	struct sql_env_options options = fixture_options();
	struct err err = ERR_INIT;
	int n_failed = 0, n_passed = 0;

	fixture_open(&fixture, options);
	for (int64_t bytes = 1000; bytes < 600000; bytes += bytes / 10) {
		struct sql_session *session;
		struct buf out = {0};
		int status;

		ck_assert_int_eq(sql_env_set_limits(fixture.env, 0, bytes, 0, "UTC", &err), 0);
		session = session_as(&fixture, 1000);
		status = run_sql(session, statements[_i], &out, &err);
		ck_assert_msg(status == 0 || status == ERR_NOMEM, "%lld: %d %s", (long long)bytes,
			status, err.text);
		n_failed += status != 0;
		n_passed += status == 0;
		buf_fini(&out);
		sql_session_reset(session, true);
		ck_assert_int_eq(sql_env_set_limits(fixture.env, 0, 64 << 20, 0, "UTC", &err), 0);
		/* The same session, with room again; its connection may be the one that starved. */
		assert_rows(session, "select sum(count) from counts", "1535\n");
		sql_session_free(session);
	}
	ck_assert_int_gt(n_failed, 0);
	ck_assert_int_gt(n_passed, 0);
	fixture_close(&fixture);
}
END_TEST

START_TEST(sums_do_not_drift_over_many_statements)
{
	static const char *const mixed[] = {
		"select action, group_concat(count) from counts group by action",
		"select nosuch from counts",
		"select json_array(1, 2), printf('%s', action) from counts",
		"delete from counts",
		"begin; select sum(count) from counts; commit",
		"select window.end, date_format(window.end, 'HH') from counts",
		"select hex(zeroblob(1000000))",
		"select * from windows('2016-07-26', '2016-07-27', '1 hour')",
	};
	struct fixture fixture;
	struct sql_env_options options = fixture_options();
	struct sql_session *session;

	options.query_memory_bytes = 1 << 20;
	fixture_open(&fixture, options);
	session = session_as(&fixture, 1000);
	for (int i = 0; i < 1500; i++) {
		for (size_t j = 0; j < sizeof(mixed) / sizeof(mixed[0]); j++) {
			struct buf out = {0};
			struct err err = ERR_INIT;
			int status = run_sql(session, mixed[j], &out, &err);

			/* Only one of them needs more than there is, and it always does. */
			ck_assert_msg((status == ERR_NOMEM) == (j == 6) ||
					      (j == 6 && status == ERR_LIMIT),
				"%d: %s: %d %s", i, mixed[j], status, err.text);
			buf_fini(&out);
		}
	}
	sql_session_free(session);
	fixture_close(&fixture);
}
END_TEST

static void *hog(void *context)
{
	struct fixture *fixture = context;
	struct sql_session *session = session_as(fixture, 1000);

	for (int i = 0; i < 20; i++) {
		struct buf out = {0};
		struct err err = ERR_INIT;

		(void)run_sql(session,
			"with recursive c(x) as (select hex(zeroblob(50000)) union all select "
			"x||'a' from c)"
			" select count(*) from (select x from c order by x)",
			&out, &err);
		ck_assert_msg(err.code == ERR_NOMEM, "%s", err.text);
		buf_fini(&out);
		assert_rows(session, "select sum(count) from counts", "1535\n");
	}
	sql_session_free(session);
	return NULL;
}

START_TEST(two_threads_at_their_limits_do_not_meet)
{
	struct fixture fixture;
	struct sql_env_options options = fixture_options();
	pthread_t threads[3];

	options.query_memory_bytes = 4 << 20;
	fixture_open(&fixture, options);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, hog, &fixture), 0);
	/* The writer has no budget and is not disturbed. */
	for (int i = 0; i < 200; i++)
		write_sql(&fixture, "update counts set count = count");
	for (int i = 0; i < 3; i++)
		(void)pthread_join(threads[i], NULL);
	fixture_close(&fixture);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("allocator");
	TCase *tests = tcase_create("budget");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, set_up, NULL);
	tcase_add_test(tests, installing_again_is_fine);
	tcase_add_test(tests, bytes_are_counted_up_and_down);
	tcase_add_test(tests, beyond_its_bytes_there_is_no_memory);
	tcase_add_test(tests, past_its_time_there_is_no_memory);
	tcase_add_test(tests, a_cancel_is_seen_from_another_thread);
	tcase_add_loop_test(
		tests, a_statement_short_of_memory_fails_cleanly, 0, N_ROWS(statements));
	tcase_add_test(tests, sums_do_not_drift_over_many_statements);
	tcase_add_test(tests, two_threads_at_their_limits_do_not_meet);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
