/* Statements and sessions: budgets, hand-over, cancel, snapshots, TEMP objects, what is known of an
 * answer. */
#include "tests/sql/env.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static struct fixture fixture;
static struct sql_session *session;

static void set_up(void)
{
	fixture_open(&fixture, fixture_options());
	session = session_as(&fixture, 1001);
}

static void tear_down(void)
{
	sql_session_free(session);
	fixture_close(&fixture);
}

static struct statement *prepare(struct sql_session *who, const char *sql)
{
	struct err err = ERR_INIT;
	struct statement *statement = NULL;
	size_t tail;

	ck_assert_msg(statement_prepare(who, sql, strlen(sql), 0, &tail, &statement, &err) == 0,
		"%s: %s", sql, err.text);
	return statement;
}

START_TEST(columns_and_traits_are_known_after_preparing)
{
	struct statement *statement = prepare(session,
		"select action, window_start as s, count, window_end from counts where count > ?");

	ck_assert_uint_eq(statement_n_columns(statement), 4);
	ck_assert_str_eq(statement_column_name(statement, 1), "s");
	ck_assert_str_eq(statement_column_type(statement, 0), "TEXT");
	ck_assert_str_eq(statement_column_type(statement, 1), "TIMESTAMP");
	ck_assert_str_eq(statement_column_type(statement, 2), "INTEGER");
	ck_assert(statement_is_readonly(statement));
	ck_assert(!statement_is_explain(statement));
	ck_assert(statement_may_run_inline(statement));
	ck_assert_uint_eq(statement_n_params(statement), 1);
	statement_free(statement);
	statement = prepare(session, "explain select 1");
	ck_assert(statement_is_explain(statement));
	statement_free(statement);
}
END_TEST

static const struct {
	const char *sql;
	bool is_inline;
} inline_rows[] = {
	{"select 1", true},
	{"select sum(count) from counts", true},
	{"select date_format(window_end, 'HH') from counts", true},
	{"select action like 'O%' from counts", true},
	{"begin", true},
	{"select random()", false},
	{"select randomblob(10)", false},
	{"select hex(zeroblob(10))", false},
	{"select json_array(1)", false},
	{"select start('counts')", false},
	{"select process_all_available()", false},
	{"create temp table t(a)", false},
};

START_TEST(what_waits_or_writes_is_not_for_the_loop)
{
	struct statement *statement = prepare(session, inline_rows[_i].sql);

	ck_assert_msg(statement_may_run_inline(statement) == inline_rows[_i].is_inline, "%s",
		inline_rows[_i].sql);
	statement_free(statement);
}
END_TEST

START_TEST(what_was_noted_of_a_run_is_found_by_the_next_of_the_same_text)
{
	struct statement *statement = prepare(session, "select count(*) from counts");

	ck_assert(!statement_is_long(statement));
	statement_set_long(statement, true);
	statement_free(statement);
	statement = prepare(session, "select count(*) + 1 from counts");
	ck_assert(!statement_is_long(statement));
	statement_free(statement);
	statement = prepare(session, "select count(*) from counts");
	ck_assert(statement_is_long(statement));
	statement_set_long(statement, false);
	statement_free(statement);
	statement = prepare(session, "select count(*) from counts");
	ck_assert(!statement_is_long(statement));
	statement_free(statement);
}
END_TEST

START_TEST(what_is_long_is_not_for_the_loop)
{
	static char text[20000];
	struct value value = {.type = VALUE_TEXT, .data = text, .len = sizeof(text)};
	struct statement *statement = prepare(session, "select strftime(?1)");
	struct err err = ERR_INIT;

	memset(text, '%', sizeof(text));
	ck_assert(statement_may_run_inline(statement));
	ck_assert_int_eq(statement_bind(statement, 0, &value, &err), 0);
	ck_assert(!statement_may_run_inline(statement));
	statement_free(statement);
	memset(text, ' ', sizeof(text));
	memcpy(text, "select 1", 8);
	memcpy(text + sizeof(text) - 4, ",2;", 4);
	statement = prepare(session, text);
	ck_assert(!statement_may_run_inline(statement));
	statement_free(statement);
}
END_TEST

static const struct {
	const char *sql;
	bool is_cacheable;
} cache_rows[] = {
	{"select sum(count) from counts", true},
	{"select date_format(window_end, 'HH') from counts", true},
	{"select date('2016-07-26'), strftime('%s', window_start) from counts", true},
	{"select count(*) from counts natural join counts c", true},
	{"select * from windows('2016-07-26', '2016-07-27', '6 hours')", true},
	{"select date('now')", false},
	{"select unixepoch()", false},
	{"select current_timestamp", false},
	{"select unix_timestamp()", false},
	{"select unix_timestamp('2016-07-26')", true},
	{"select date(lower('NOW'))", false},
	{"select random()", false},
	{"select changes()", false},
	{"select count(*) from sessions", false},
	{"explain select 1", false},
	{"pragma table_info(counts)", false},
	{"select count(*) from pragma_table_info('counts')", false},
	{"begin", false},
};

START_TEST(an_answer_knows_whether_it_may_be_kept)
{
	/* Twice: compiled anew, and from the connection's cache. */
	for (int round = 0; round < 2; round++) {
		struct statement *statement = prepare(session, cache_rows[_i].sql);
		struct buf out = {0};
		struct err err = ERR_INIT;

		ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
		ck_assert_msg(statement_is_cacheable(statement) == cache_rows[_i].is_cacheable,
			"%s, round %d", cache_rows[_i].sql, round);
		statement_free(statement);
		sql_session_reset(session, false);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(in_a_transaction_or_beside_temp_objects_nothing_is_kept)
{
	struct buf out = {0};
	struct err err = ERR_INIT;
	struct statement *statement;

	assert_rows(session, "begin", "");
	statement = prepare(session, "select sum(count) from counts");
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	ck_assert(!statement_is_cacheable(statement));
	statement_free(statement);
	assert_rows(session, "commit; create temp table t(a)", "");
	statement = prepare(session, "select sum(count) from counts");
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	ck_assert(!statement_is_cacheable(statement));
	statement_free(statement);
	assert_rows(session, "drop table t", "");
	ck_assert(!sql_session_has_temp(session));
	statement = prepare(session, "select sum(count) from counts");
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	ck_assert(statement_is_cacheable(statement));
	statement_free(statement);
	buf_fini(&out);
}
END_TEST

#define SERIES(n) "with recursive c(x) as (select 1 union all select x+1 from c where x<" #n ") "

START_TEST(a_small_budget_neither_loses_nor_doubles_rows)
{
	static const char *const queries[] = {
		SERIES(3000) "select x from c",
		SERIES(20000) "select x from c order by -x limit 50",
		SERIES(20000) "select count(*), sum(x) from c",
		SERIES(300) "select a.x*1000+b.x from c a, c b where a.x % 100 = 0 and b.x % 100 = "
			    "7",
		SERIES(3000) "select x from c union all select * from (" SERIES(
			50000) "select count(*) from c)",
		"select * from counts order by 1, 2",
	};

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct buf whole = {0}, pieces = {0};
		struct err err = ERR_INIT;
		struct statement *statement = prepare(session, queries[i]);

		ck_assert_int_eq(drain(statement, 0, &whole, &err), 0);
		ck_assert_msg(drain(statement, 1, &pieces, &err) == 0, "%s", err.text);
		ck_assert_msg(
			whole.len == pieces.len && memcmp(whole.data, pieces.data, whole.len) == 0,
			"%s: %zu and %zu bytes", queries[i], whole.len, pieces.len);
		statement_free(statement);
		buf_fini(&whole);
		buf_fini(&pieces);
	}
}
END_TEST

START_TEST(a_budget_is_kept_before_the_first_row)
{
	struct statement *statement = prepare(session, SERIES(1000000) "select count(*) from c");
	struct err err = ERR_INIT;

	ck_assert_int_eq(statement_step(statement, 500, &err), STEP_YIELD);
	ck_assert_uint_gt(statement_snapshot(statement), 0);
	ck_assert_int_eq(statement_step(statement, 500, &err), STEP_YIELD);
	ck_assert_int_eq(statement_step(statement, 0, &err), STEP_ROW);
	ck_assert_int_eq(statement_step(statement, 500, &err), STEP_DONE);
	statement_free(statement);
}
END_TEST

START_TEST(what_cannot_be_broken_off_is_not_begun_within_a_budget)
{
	struct err err = ERR_INIT;
	static const char *const texts[] = {
		SERIES(1000000) "select count(*) + changes() from c",
		"create temp table t as select 1",
	};

	for (size_t i = 0; i < 2; i++) {
		struct statement *statement = prepare(session, texts[i]);
		ck_assert_int_eq(statement_step(statement, 300, &err), STEP_YIELD);
		ck_assert_int_eq(statement_step(statement, 300, &err), STEP_YIELD);
		ck_assert_int_ne(statement_step(statement, 0, &err), STEP_ERROR);
		statement_free(statement);
	}
}
END_TEST

static const char bomb[] =
	"with c0 as (select 1 as x), c1 as (select a.x from c0 a, c0 b), c2 as (select a.x from c1 "
	"a, c1 b),"
	" c3 as (select a.x from c2 a, c2 b), c4 as (select a.x from c3 a, c3 b),"
	" c5 as (select a.x from c4 a, c4 b), c6 as (select a.x from c5 a, c5 b),"
	" c7 as (select a.x from c6 a, c6 b), c8 as (select a.x from c7 a, c7 b),"
	" c9 as (select a.x from c8 a, c8 b), d0 as (select a.x from c9 a, c9 b),"
	" d1 as (select a.x from d0 a, d0 b), d2 as (select a.x from d1 a, d1 b),"
	" d3 as (select a.x from d2 a, d2 b), d4 as (select a.x from d3 a, d3 b),"
	" d5 as (select a.x from d4 a, d4 b), d6 as (select a.x from d5 a, d5 b),"
	" d7 as (select a.x from d6 a, d6 b), d8 as (select a.x from d7 a, d7 b) select * from d8";

START_TEST(preparing_yields_too)
{
	struct sql_env_options options = fixture_options();
	struct fixture own;
	struct sql_session *patient;
	struct err err = ERR_INIT;
	struct statement *statement;
	size_t tail;

	/* Memory enough for any machine: it is the time that ends it. */
	options.query_memory_bytes = INT64_C(1) << 36;
	fixture_open(&own, options);
	patient = session_as(&own, 1001);
	ck_assert_int_eq(
		statement_prepare(patient, bomb, strlen(bomb), 1000, &tail, &statement, &err),
		PREPARE_YIELD);
	ck_assert_ptr_null(statement);
	sql_session_set_timeout(patient, 100000);
	ck_assert_int_eq(statement_prepare(patient, bomb, strlen(bomb), 0, &tail, &statement, &err),
		ERR_INTERRUPTED);
	ck_assert_msg(strstr(err.text, "0.1 seconds") != NULL, "%s", err.text);
	ck_assert_int_eq(sql_session_error_code(patient), SQLITE_INTERRUPT);
	assert_rows(patient, "select 1", "1\n");
	sql_session_free(patient);
	fixture_close(&own);
}
END_TEST

static void *carry_on(void *context)
{
	struct statement *statement = context;
	struct err err = ERR_INIT;
	struct buf *out = calloc(1, sizeof(*out));

	ck_assert_msg(drain(statement, 0, out, &err) == 0, "%s", err.text);
	statement_free(statement);
	return out;
}

START_TEST(a_statement_begun_here_is_finished_there)
{
	struct err err = ERR_INIT;
	const struct value *row;
	struct buf *rest;
	pthread_t thread;
	void *result;

	for (int round = 0; round < 20; round++) {
		struct statement *statement =
			prepare(session, SERIES(100000) "select x from c where x % 10000 = 0");
		struct buf out = {0};
		enum step step;

		while ((step = statement_step(statement, 100, &err)) == STEP_ROW) {
			ck_assert_int_eq(statement_row(statement, &row, &err), 0);
			buf_add_int(&out, row[0].integer);
			buf_add_char(&out, '\n');
			if (round % 3 == 0)
				break;
		}
		ck_assert(step == STEP_ROW || step == STEP_YIELD);
		ck_assert_int_eq(pthread_create(&thread, NULL, carry_on, statement), 0);
		ck_assert_int_eq(pthread_join(thread, &result), 0);
		rest = result;
		buf_add(&out, rest->data, rest->len);
		buf_add_char(&out, '\0');
		ck_assert_str_eq(out.data,
			"10000\n20000\n30000\n40000\n50000\n60000\n70000\n80000\n90000\n100000\n");
		buf_fini(rest);
		free(rest);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(a_cancel_ends_what_runs_and_only_that)
{
	static const char *const queries[] = {
		SERIES(9000000000) "select count(*) from c",
		SERIES(9000000000) "select x from c where x < 0",
		"select count(*) from counts a, counts b, counts c, counts d, counts e, counts f, "
		"counts g,"
		" counts h, counts i, counts j, counts k, counts l, counts m, counts n, counts o, "
		"counts p",
		bomb,
		"select replace(hex(zeroblob(3000000)),'0','0a') like "
		"'%'||hex(zeroblob(20000))||'%1%'",
	};

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct buf out = {0};
		struct err err = ERR_INIT;
		struct canceller canceller;
		int status;

		canceller_start(&canceller, session);
		status = run_sql(session, queries[i], &out, &err);
		canceller_stop(&canceller);
		ck_assert_msg(status == ERR_INTERRUPTED && strstr(err.text, "cancelled") != NULL,
			"%.40s: %d %s", queries[i], status, err.text);
		ck_assert_int_eq(sql_session_error_code(session), SQLITE_INTERRUPT);
		buf_fini(&out);
		assert_rows(session, "select 1", "1\n");
	}
}
END_TEST

/* An endless statement is prepared, cancelled and stepped. */
static void assert_cancelled_while_held(void)
{
	struct err err = ERR_INIT;
	struct statement *endless;

	sql_session_hold(session, true);
	endless = prepare(session, SERIES(9000000000) "select count(*) from c");
	sql_session_cancel(session);
	ck_assert_int_eq(statement_step(endless, 0, &err), STEP_ERROR);
	ck_assert_int_eq(err.code, ERR_INTERRUPTED);
	statement_free(endless);
	sql_session_hold(session, false);
}

START_TEST(a_cancel_between_two_calls_of_held_work_counts_and_ends_with_it)
{
	struct err err = ERR_INIT;
	struct statement *half_done;

	assert_cancelled_while_held();
	half_done = prepare(session, "select action from counts");
	ck_assert_int_eq(statement_step(half_done, 0, &err), STEP_ROW);
	assert_cancelled_while_held();
	ck_assert_int_eq(statement_step(half_done, 0, &err), STEP_ROW);
	statement_free(half_done);
}
END_TEST

START_TEST(a_cancel_too_late_hits_nobody)
{
	struct statement *statement;
	struct buf out = {0};
	struct err err = ERR_INIT;

	sql_session_cancel(session);
	statement = prepare(session, "select 1");
	sql_session_cancel(session);
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	sql_session_cancel(session);
	statement_free(statement);
	assert_rows(session, "select 1", "1\n");
	/* Between two steps it is not too late. */
	statement = prepare(session, SERIES(100000) "select x from c");
	ck_assert_int_eq(statement_step(statement, 0, &err), STEP_ROW);
	sql_session_cancel(session);
	ck_assert_int_eq(drain(statement, 0, &out, &err), ERR_INTERRUPTED);
	statement_free(statement);
	buf_fini(&out);
}
END_TEST

START_TEST(a_cancel_does_not_keep_a_transaction_from_ending)
{
	struct statement *statement;
	struct err err = ERR_INIT;

	assert_rows(session, "begin", "");
	statement = prepare(session, "select 1 from counts");
	ck_assert_int_eq(statement_step(statement, 0, &err), STEP_ROW);
	sql_session_cancel(session);
	sql_session_reset(session, false);
	ck_assert(!sql_session_in_transaction(session));
	statement_free(statement);
	assert_rows(session, "select 1", "1\n");
}
END_TEST

START_TEST(a_transaction_sees_one_snapshot)
{
	struct sql_session *other = session_as(&fixture, 1001);
	struct statement *statement;
	struct buf out = {0};
	struct err err = ERR_INIT;
	uint64_t pinned;

	assert_rows(session, "begin", "");
	ck_assert(sql_session_in_transaction(session));
	write_sql(&fixture, "insert into counts values('New', '', '', 1)");
	statement = prepare(session, "select sum(count) from counts");
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	pinned = statement_snapshot(statement);
	statement_free(statement);
	ck_assert(memcmp(out.data, "1535\n", 5) == 0);
	assert_rows(other, "select sum(count) from counts", "1536\n");
	write_sql(&fixture, "delete from counts where action = 'New'; insert into counts "
			    "values('New','','',10)");
	assert_rows(session, "select sum(count) from counts", "1535\n");
	statement = prepare(session, "select sum(count) from counts");
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	ck_assert_uint_eq(statement_snapshot(statement), pinned);
	statement_free(statement);
	assert_rows(session, "commit", "");
	ck_assert(!sql_session_in_transaction(session));
	assert_rows(session, "select sum(count) from counts", "1545\n");
	assert_fails(session, "commit", ERR_SQL, "no transaction");
	sql_session_free(other);
	buf_fini(&out);
}
END_TEST

START_TEST(a_failed_statement_leaves_the_transaction_open)
{
	assert_rows(
		session, "begin; create temp table t(a primary key); insert into t values(1)", "");
	assert_fails(session, "insert into t values(1)", ERR_SQL, "UNIQUE");
	assert_fails(
		session, "insert into counts values(1,2,3,4)", ERR_DENIED, "tallyd is read-only");
	ck_assert(sql_session_in_transaction(session));
	assert_rows(session, "select a from t; rollback", "1\n");
	assert_fails(session, "select a from t", ERR_SQL, "no such table");
	ck_assert(!sql_session_has_temp(session));
}
END_TEST

/* SQLite rolls back as a whole when a write is interrupted; the session must know. */
START_TEST(an_interrupted_write_ends_the_transaction)
{
	assert_rows(session, "begin; create temp table t(a); insert into t values(1)", "");
	sql_session_set_timeout(session, 50000);
	assert_fails(session, "insert into t " SERIES(9000000000) "select x from c",
		ERR_INTERRUPTED, "0.05 seconds");
	sql_session_set_timeout(session, 0);
	ck_assert(!sql_session_in_transaction(session));
	assert_fails(session, "select * from t", ERR_SQL, "no such table");
	write_sql(&fixture, "insert into counts values('New', '', '', 1)");
	assert_rows(session, "select sum(count) from counts", "1536\n");
}
END_TEST

START_TEST(an_interrupted_read_does_not)
{
	assert_rows(session, "begin; create temp table t(a); insert into t values(1)", "");
	sql_session_set_timeout(session, 50000);
	assert_fails(session, SERIES(9000000000) "select count(*) from c", ERR_INTERRUPTED,
		"0.05 seconds");
	ck_assert(sql_session_in_transaction(session));
	write_sql(&fixture, "insert into counts values('New', '', '', 1)");
	assert_rows(
		session, "select sum(count) from counts; select * from t; rollback", "1535\n1\n");
}
END_TEST

START_TEST(a_reset_ends_transaction_snapshot_and_temp_objects)
{
	struct statement *statement;
	struct err err = ERR_INIT;

	assert_rows(session, "create temp table t as select 1 as a; begin; insert into t values(2)",
		"");
	statement = prepare(session, "select x.a from t x, t y, t z");
	ck_assert_int_eq(statement_step(statement, 0, &err), STEP_ROW);
	sql_session_reset(session, false);
	ck_assert(!sql_session_in_transaction(session));
	ck_assert(sql_session_has_temp(session));
	assert_rows(session, "select a from t", "1\n");
	sql_session_reset(session, true);
	ck_assert(!sql_session_has_temp(session));
	/* The statement is still there, and says what is wrong when it runs again. */
	ck_assert_int_eq(statement_step(statement, 0, &err), STEP_ERROR);
	ck_assert_msg(strstr(err.text, "no such table") != NULL, "%s", err.text);
	statement_free(statement);
}
END_TEST

START_TEST(a_statement_outlives_its_connection)
{
	struct value value = {.type = VALUE_TEXT, .data = "Open", .len = 4};
	struct statement *statement =
		prepare(session, "select sum(count) from counts where action = ?");
	struct err err = ERR_INIT;

	ck_assert_int_eq(statement_bind(statement, 0, &value, &err), 0);
	for (int round = 0; round < 3; round++) {
		struct buf out = {0};

		sql_session_rest(session);
		ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
		ck_assert(out.len == 5 && memcmp(out.data, "1180\n", 5) == 0);
		buf_fini(&out);
	}
	ck_assert_int_eq(statement_bind(statement, 1, &value, &err), ERR_SQL);
	statement_free(statement);
}
END_TEST

START_TEST(bound_values_come_back_as_they_are)
{
	static const struct value values[] = {
		{.type = VALUE_NULL},
		{.type = VALUE_INTEGER, .integer = INT64_MIN},
		{.type = VALUE_REAL, .real = 0.1},
		{.type = VALUE_TEXT, .data = "a\0b", .len = 3},
		{.type = VALUE_TEXT, .data = "", .len = 0},
		{.type = VALUE_BLOB, .data = "\xff\0", .len = 2},
		{.type = VALUE_BLOB, .data = "", .len = 0},
	};
	struct statement *statement = prepare(session, "select ?1");
	const struct value *row;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		ck_assert_int_eq(statement_bind(statement, 0, &values[i], &err), 0);
		ck_assert_int_eq(statement_step(statement, 0, &err), STEP_ROW);
		ck_assert_int_eq(statement_row(statement, &row, &err), 0);
		ck_assert_int_eq(row[0].type, values[i].type);
		ck_assert_int_eq(row[0].integer, values[i].integer);
		ck_assert(row[0].real == values[i].real);
		ck_assert_uint_eq(row[0].len, values[i].len);
		if (values[i].len > 0)
			ck_assert_mem_eq(row[0].data, values[i].data, values[i].len);
		ck_assert_int_eq(statement_step(statement, 0, &err), STEP_DONE);
	}
	statement_free(statement);
}
END_TEST

START_TEST(two_portals_are_read_in_turns)
{
	struct statement *one = prepare(session, "select count from counts order by count");
	struct statement *two = prepare(session, "select count from counts order by count desc");
	struct statement *three = prepare(session, "select count from counts order by count");
	static const int64_t up[] = {11, 179, 344, 1001};
	const struct value *row;
	struct err err = ERR_INIT;

	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(statement_step(one, 0, &err), STEP_ROW);
		ck_assert_int_eq(statement_row(one, &row, &err), 0);
		ck_assert_int_eq(row[0].integer, up[i]);
		if (i == 1)
			write_sql(&fixture, "update counts set count = count + 1");
		ck_assert_int_eq(statement_step(two, 0, &err), STEP_ROW);
		ck_assert_int_eq(statement_row(two, &row, &err), 0);
		ck_assert_int_eq(row[0].integer, up[3 - i]);
		ck_assert_int_eq(statement_step(three, 0, &err), STEP_ROW);
		ck_assert_int_eq(statement_row(three, &row, &err), 0);
		ck_assert_int_eq(row[0].integer, up[i]);
	}
	statement_free(two);
	statement_free(one);
	ck_assert_int_eq(statement_step(three, 0, &err), STEP_DONE);
	statement_free(three);
}
END_TEST

START_TEST(the_result_is_bounded)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(sql_env_set_limits(fixture.env, 0, 64 << 20, 1000, "UTC", &err), 0);
	sql_session_rest(session);
	assert_rows(session, "select sum(count) from counts", "1535\n");
	assert_fails(session, SERIES(1000) "select x from c", ERR_LIMIT,
		"max_result_bytes (1000 bytes)");
	assert_rows(session, "select 1", "1\n");
	ck_assert_int_eq(
		sql_env_set_limits(fixture.env, 0, 64 << 20, 0, "Nowhere", &err), ERR_CONFIG);
}
END_TEST

START_TEST(a_dropped_table_does_not_haunt_the_cache)
{
	write_sql(&fixture, "create table extra(a TEXT); insert into extra values('x')");
	assert_rows(session, "select * from extra", "x\n");
	write_sql(&fixture, "drop table extra; create table extra(a TEXT, b INTEGER);"
			    " insert into extra values('y', 2)");
	/* The compiled form had one column: said once, right from then on. */
	{
		struct buf out = {0};
		struct err err = ERR_INIT;

		(void)run_sql(session, "select * from extra", &out, &err);
		buf_fini(&out);
	}
	assert_rows(session, "select * from extra", "y|2\n");
	write_sql(&fixture, "drop table extra");
	assert_fails(session, "select * from extra", ERR_SQL, "no such table");
}
END_TEST

static int fake_start(void *context, const char *query, char state[16], struct err *err)
{
	(void)context;
	if (strcmp(query, "counts") != 0)
		return err_set(err, ERR_MISSING, "no such query: %s", query);
	(void)snprintf(state, 16, "ACTIVE");
	return 0;
}

static int fake_process_all(void *context, const char *query, bool (*cancelled)(void *), void *arg,
	int64_t *batch_id, struct err *err)
{
	(void)context;
	(void)query;
	for (int i = 0; i < 40; i++) {
		if (cancelled(arg))
			return err_set(err, ERR_INTERRUPTED, "cancelled");
		(void)usleep(10000);
	}
	*batch_id = 17;
	return 0;
}

static int fake_sessions(void *context, struct session_view **rows, size_t *n, struct err *err)
{
	(void)context;
	(void)err;
	*n = 2;
	*rows = calloc(2, sizeof(**rows));
	(*rows)[0] = (struct session_view){.id = 1,
		.pid = 10,
		.uid = 1001,
		.protocol = "text",
		.state = "running",
		.since_us = 0,
		.query = strdup("select 1")};
	(*rows)[1] = (struct session_view){.id = 2,
		.pid = 11,
		.uid = 1002,
		.protocol = "postgres",
		.state = "idle",
		.since_us = 1500000,
		.query = strdup("select secret")};
	return 0;
}

static const struct sql_control control = {.start = fake_start,
	.stop = NULL,
	.process_all = fake_process_all,
	.sessions = fake_sessions};

START_TEST(the_daemon_s_user_controls_it)
{
	struct sql_env_options options = fixture_options();
	struct fixture own;
	struct sql_session *owner, *stranger, *root;
	struct canceller canceller;

	options.control = &control;
	fixture_open(&own, options);
	owner = session_as(&own, 1000);
	root = session_as(&own, 0);
	stranger = session_as(&own, 1001);
	assert_rows(owner, "select start('counts')", "ACTIVE\n");
	assert_rows(root, "select start('counts')", "ACTIVE\n");
	assert_fails(owner, "select start('nosuch')", ERR_SQL, "no such query: nosuch");
	assert_fails(owner, "select start(null)", ERR_SQL, "name is expected");
	assert_fails(owner, "select stop('counts')", ERR_SQL, "no daemon");
	assert_fails(stranger, "select start('counts')", ERR_DENIED, "only the daemon's own user");
	/* 0.8 s of waiting are no part of the timeout of 0.6 s. */
	sql_session_set_timeout(owner, 600000);
	assert_rows(owner, "select process_all_available(), process_all_available('counts')",
		"17|17\n");
	sql_session_set_timeout(owner, 0);
	assert_fails(owner, "begin; select process_all_available()", ERR_SQL, "not inside BEGIN");
	sql_session_reset(owner, true);
	canceller_start(&canceller, owner);
	assert_fails(owner, "select process_all_available()", ERR_INTERRUPTED, "cancelled");
	canceller_stop(&canceller);
	assert_rows(root, "select * from sessions",
		"1|10|1001|text|running|1970-01-01 00:00:00|select 1\n"
		"2|11|1002|postgres|idle|1970-01-01 00:00:01.5|select secret\n");
	assert_rows(stranger, "select id, query from sessions", "1|select 1\n2|\n");
	sql_session_free(owner);
	sql_session_free(root);
	sql_session_free(stranger);
	fixture_close(&own);
}
END_TEST

static _Atomic bool readers_done;

static void *read_pairs(void *context)
{
	struct fixture *own = context;
	struct sql_session *reader = session_as(own, 1001);
	uint64_t last = 0;

	for (int i = 0; i < 400; i++) {
		struct statement *statement =
			prepare(reader, "select sum(a) - sum(b), count(*) from pairs");
		struct buf out = {0};
		struct err err = ERR_INIT;

		ck_assert_msg(drain(statement, i % 2 ? 50 : 0, &out, &err) == 0, "%s", err.text);
		ck_assert_msg(out.len > 2 && memcmp(out.data, "0|", 2) == 0, "%.*s", (int)out.len,
			out.data);
		ck_assert_uint_ge(statement_snapshot(statement), last);
		last = statement_snapshot(statement);
		statement_free(statement);
		buf_fini(&out);
	}
	sql_session_free(reader);
	atomic_store(&readers_done, true);
	return NULL;
}

START_TEST(no_reader_sees_half_a_batch_or_goes_back)
{
	pthread_t threads[3];
	int n = 0;

	write_sql(&fixture, "create table pairs(a INTEGER, b INTEGER)");
	write_sql(&fixture, SERIES(500) "insert into pairs select x, x from c");
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, read_pairs, &fixture), 0);
	while (!atomic_load(&readers_done)) {
		write_sql(&fixture,
			"begin; update pairs set a = a + 1 where a % 7 = 3;"
			" update pairs set b = a; insert into pairs values(1, 1); commit");
		if (++n % 50 == 0)
			write_sql(&fixture, "delete from pairs where rowid % 3 = 0");
	}
	for (int i = 0; i < 3; i++)
		(void)pthread_join(threads[i], NULL);
}
END_TEST

/* A protocol's own function, which knows its session. */
static void on_who(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct connection *connection = sqlite3_user_data(context);

	(void)argc;
	(void)argv;
	sqlite3_result_text(
		context, sql_session_user(connection_session(connection)), -1, SQLITE_TRANSIENT);
}

static int install(void *context, sqlite3 *db, struct connection *connection, struct err *err)
{
	(void)context;
	if (sqlite3_create_function(db, "who", 0, SQLITE_UTF8, connection, on_who, NULL, NULL) !=
			SQLITE_OK ||
		sqlite3_exec(db,
			"attach 'file:pg_catalog?mode=memory&vfs=unix' as pg_catalog;"
			"create table pg_catalog.pg_type(oid INTEGER, typname TEXT);"
			"insert into pg_catalog.pg_type values(25, 'text')",
			NULL, NULL, NULL) != SQLITE_OK)
		return err_set(err, ERR_IO, "%s", sqlite3_errmsg(db));
	return 0;
}

START_TEST(a_protocol_brings_functions_and_tables_of_its_own)
{
	static const char *const functions[] = {"who", NULL};
	static const struct sql_extension extension = {.install = install, .functions = functions};
	struct sql_session_options options = {
		.uid = 1, .extension = &extension, .user = (void *)(uintptr_t) "pg"};
	struct sql_session *extended = NULL;
	struct err err = ERR_INIT;

	ck_assert_int_eq(sql_session_new(&extended, fixture.env, &options, &err), 0);
	assert_rows(extended, "select who()", "pg\n");
	assert_rows(extended, "select typname from pg_catalog.pg_type where oid = 25", "text\n");
	assert_rows(extended, "select typname from pg_type", "text\n");
	assert_rows(extended, "select sum(count) from counts", "1535\n");
	assert_fails(extended, "delete from pg_catalog.pg_type", ERR_DENIED,
		"tallyd is read-only: DELETE");
	assert_fails(extended, "create table pg_catalog.t(a)", ERR_DENIED,
		"tallyd is read-only: CREATE TABLE");
	assert_fails(extended, "attach ':memory:' as x", ERR_DENIED, "ATTACH");
	assert_fails(extended, "detach pg_catalog", ERR_DENIED, "DETACH");
	assert_fails(session, "select who()", ERR_SQL, "no such function");
	assert_fails(session, "select * from pg_type", ERR_SQL, "no such table");
	sql_session_free(extended);
}
END_TEST

START_TEST(a_long_value_waits_for_a_call_with_time)
{
	/* Each takes microseconds; but 20 milliseconds are given no value of more than 5.1 MB, and
	 * where there is a strftime() none of more than 160 kB. */
	static const struct {
		const char *ask;
		int64_t len;
	} rows[] = {
		{"select 11, length(zeroblob(6000000))", 6000000},
		{"select 11, length(strftime(zeroblob(200000) || 'x', 0)) + 200000", 200000},
	};

	for (size_t i = 0; i < N_ROWS(rows); i++) {
		struct statement *statement = prepare(session, rows[i].ask);
		const struct value *values = NULL;
		struct err err = ERR_INIT;

		ck_assert_int_eq(statement_step(statement, 20000, &err), STEP_YIELD);
		ck_assert_msg(statement_step(statement, 0, &err) == STEP_ROW, "%s", err.text);
		ck_assert_int_eq(statement_row(statement, &values, &err), 0);
		ck_assert_int_eq(values[0].integer, 11);
		ck_assert_int_eq(values[1].integer, rows[i].len);
		ck_assert_int_eq(statement_step(statement, 0, &err), STEP_DONE);
		statement_free(statement);
	}
}
END_TEST

START_TEST(other_columns_are_noticed_by_their_names)
{
	static const char ask[] = "select * from counts";
	struct statement *statement;
	struct buf out = {0};
	struct err err = ERR_INIT;
	size_t tail;

	/* TEMP objects hold the connection, and with it what it compiled before. */
	assert_rows(session,
		"create temp table mine(a); select count(*) from (select * from counts)", "4\n");
	assert_rows(session, ask,
		"Close|2016-07-26 02:00:00|2016-07-26 03:00:00|11\n"
		"Open|2016-07-26 02:00:00|2016-07-26 03:00:00|179\n"
		"Close|2016-07-26 03:00:00|2016-07-26 04:00:00|344\n"
		"Open|2016-07-26 03:00:00|2016-07-26 04:00:00|1001\n");
	write_sql(&fixture, "create table other(a)");
	ck_assert_int_eq(run_sql(session, ask, &out, &err), 0);
	write_sql(&fixture, "drop table counts; create table counts(who, a, b, c);"
			    "insert into counts values('me', 1, 2, 3)");
	ck_assert_int_eq(run_sql(session, ask, &out, &err), ERR_SQL);
	ck_assert_str_eq(err.text, "the table has changed meanwhile: ask again");
	ck_assert_int_eq(
		statement_prepare(session, ask, sizeof(ask) - 1, 0, &tail, &statement, &err), 0);
	ck_assert_str_eq(statement_column_name(statement, 0), "who");
	statement_free(statement);
	assert_rows(session, ask, "me|1|2|3\n");
	buf_fini(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("statement");
	TCase *tests = tcase_create("statements");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, columns_and_traits_are_known_after_preparing);
	tcase_add_loop_test(
		tests, what_waits_or_writes_is_not_for_the_loop, 0, N_ROWS(inline_rows));
	tcase_add_test(tests, what_was_noted_of_a_run_is_found_by_the_next_of_the_same_text);
	tcase_add_test(tests, what_is_long_is_not_for_the_loop);
	tcase_add_loop_test(tests, an_answer_knows_whether_it_may_be_kept, 0, N_ROWS(cache_rows));
	tcase_add_test(tests, in_a_transaction_or_beside_temp_objects_nothing_is_kept);
	tcase_add_test(tests, a_small_budget_neither_loses_nor_doubles_rows);
	tcase_add_test(tests, a_budget_is_kept_before_the_first_row);
	tcase_add_test(tests, what_cannot_be_broken_off_is_not_begun_within_a_budget);
	tcase_add_test(tests, preparing_yields_too);
	tcase_add_test(tests, a_statement_begun_here_is_finished_there);
	tcase_add_test(tests, a_cancel_ends_what_runs_and_only_that);
	tcase_add_test(tests, a_cancel_between_two_calls_of_held_work_counts_and_ends_with_it);
	tcase_add_test(tests, a_cancel_too_late_hits_nobody);
	tcase_add_test(tests, a_cancel_does_not_keep_a_transaction_from_ending);
	tcase_add_test(tests, a_transaction_sees_one_snapshot);
	tcase_add_test(tests, a_failed_statement_leaves_the_transaction_open);
	tcase_add_test(tests, an_interrupted_write_ends_the_transaction);
	tcase_add_test(tests, an_interrupted_read_does_not);
	tcase_add_test(tests, a_reset_ends_transaction_snapshot_and_temp_objects);
	tcase_add_test(tests, a_statement_outlives_its_connection);
	tcase_add_test(tests, bound_values_come_back_as_they_are);
	tcase_add_test(tests, two_portals_are_read_in_turns);
	tcase_add_test(tests, the_result_is_bounded);
	tcase_add_test(tests, a_dropped_table_does_not_haunt_the_cache);
	tcase_add_test(tests, the_daemon_s_user_controls_it);
	tcase_add_test(tests, no_reader_sees_half_a_batch_or_goes_back);
	tcase_add_test(tests, a_protocol_brings_functions_and_tables_of_its_own);
	tcase_add_test(tests, other_columns_are_noticed_by_their_names);
	tcase_add_test(tests, a_long_value_waits_for_a_call_with_time);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
