/* What a result is announced as: by declaration, or as it follows from the arguments. */
#include "tests/sql/env.h"

static struct fixture fixture;
static struct sql_session *session;

static void set_up(void)
{
	fixture_open(&fixture, fixture_options());
	write_sql(&fixture, "create table rates(name TEXT, rate REAL, raw BLOB, odd)");
	session = session_as(&fixture, 1001);
}

static void tear_down(void)
{
	sql_session_free(session);
	fixture_close(&fixture);
}

static const struct {
	const char *sql, *types; /* "-": none */
} rows[] = {
	{"select * from counts", "TEXT TIMESTAMP TIMESTAMP INTEGER"},
	{"select action, sum(count) as total_count from counts group by action order by action",
		"TEXT INTEGER"},
	{"select action, date_format(window.end, \"MMM-dd HH:mm\") as time, count from counts "
	 "order by time, action",
		"TEXT TEXT INTEGER"},
	{"select count(*), avg(count), total(count), min(count), max(window_end), min(action) from "
	 "counts",
		"INTEGER REAL REAL INTEGER TIMESTAMP TEXT"},
	{"select sum(rate), sum(name), sum(odd), avg(rate), max(raw) from rates",
		"REAL - - REAL BLOB"},
	{"select count+1, count*2.5, count/3, -count, +rate, count-rate, name+1, odd*2, 7%3 from "
	 "counts, rates",
		"INTEGER REAL INTEGER INTEGER REAL REAL - - INTEGER"},
	{"select 1, 1.5, 'a', x'00', null, 0x10, .5, 1e3, \"txt\"",
		"INTEGER REAL TEXT BLOB - INTEGER REAL REAL TEXT"},
	{"select 1=1, not 1, 1 and 0, count > 1, action like 'a', action is null, count in (1,2), "
	 "count between 1 and 2,"
	 " exists (select 1) from counts",
		"BOOLEAN BOOLEAN BOOLEAN BOOLEAN BOOLEAN BOOLEAN BOOLEAN BOOLEAN BOOLEAN"},
	{"select (1 > 2) + 1, -(1 > 2), sum(count > 1), avg(true), max(count > 1), coalesce(1 > 2, "
	 "0), "
	 "case when 1 then true else 0.5 end, cast(1 as boolean) from counts",
		"INTEGER INTEGER INTEGER REAL BOOLEAN INTEGER REAL BOOLEAN"},
	{"select floor(count), ceil(rate), ceiling(name), trunc(rate), floor(1.5) from counts, "
	 "rates",
		"INTEGER REAL - REAL REAL"},
	{"select 1&2, 1|2, 1<<2, ~1, action||count, '{}'->'a', '{}'->>'a' from counts",
		"INTEGER INTEGER INTEGER INTEGER TEXT TEXT TEXT"},
	{"select case when 1 then count else 0 end, case action when 'a' then 1 else 2.5 end,"
	 " case when 1 then 'a' end, case when 1 then 'a' else 1 end, case when 1 then null else "
	 "window_end end"
	 " from counts",
		"INTEGER REAL TEXT - TIMESTAMP"},
	{"select cast(action as integer), cast(count as text), cast(count as real), cast(count as "
	 "timestamp),"
	 " cast(count as varchar(10)), cast(count as numeric) from counts",
		"INTEGER TEXT REAL TIMESTAMP TEXT -"},
	{"select date_trunc('hour', window_end), to_timestamp('2016'), from_unixtime(1), "
	 "unix_timestamp(),"
	 " tally_version(), unix_timestamp(window_end) from counts",
		"TIMESTAMP TIMESTAMP TEXT INTEGER TEXT INTEGER"},
	{"select length(action), upper(action), abs(count), abs(rate), round(count), "
	 "coalesce(null, count, 1),"
	 " ifnull(name, 1), iif(1, count, 2), nullif(count, 1), max(1, 2.5) from counts, rates",
		"INTEGER TEXT INTEGER REAL REAL INTEGER - INTEGER INTEGER REAL"},
	{"select row_number() over (order by count), sum(count) over (partition by action order by "
	 "window_start),"
	 " lag(window_end) over (order by 1), first_value(action) over (), ntile(4) over w,"
	 " count(*) filter (where count > 1) over () from counts window w as (order by count)",
		"INTEGER INTEGER TIMESTAMP TEXT INTEGER INTEGER"},
	{"select sum(count) filter (where count > 1) from counts", "INTEGER"},
	{"select c.count + d.count as s, c.action from counts as c join counts d on c.action = "
	 "d.action and c.count > 1",
		"INTEGER TEXT"},
	{"select counts.count * 2, main.counts.count * 2 from main.counts", "INTEGER INTEGER"},
	{"select t.total * 2, t.total from (select action, sum(count) as total from counts group "
	 "by 1) t",
		"INTEGER INTEGER"},
	{"select total / n from (select sum(count) total, count(*) n from counts)", "INTEGER"},
	{"with t as (select action a, sum(count) total from counts group by 1), u(x, y) as (select "
	 "* from t)"
	 " select x, y, y + 1, max(y) from u",
		"TEXT INTEGER INTEGER INTEGER"},
	{"with recursive c(x) as (select 1 union all select x+1 from c where x < 9) select x, x*2, "
	 "sum(x) from c",
		"INTEGER INTEGER INTEGER"},
	{"select (select max(count) from counts), (select window_end from counts limit 1), (1+2)*3",
		"INTEGER TIMESTAMP INTEGER"},
	{"select (select sum(d.count) from counts d where d.action = c.action) from counts c",
		"INTEGER"},
	{"select count(*) from counts union all select 1.5", "REAL"},
	{"select count(*) from counts union all select 'a'", "-"},
	{"select count(*), * from counts group by action",
		"INTEGER TEXT TIMESTAMP TIMESTAMP INTEGER"},
	{"select c.*, 1+1 from counts c, rates", "TEXT TIMESTAMP TIMESTAMP INTEGER INTEGER"},
	{"select *, count+1 from counts natural join (select action, 1 as extra from counts)",
		"TEXT TIMESTAMP TIMESTAMP INTEGER INTEGER INTEGER"},
	{"select *, 1+1 from counts join (select action, 2.5 as extra from counts) using (action)",
		"TEXT TIMESTAMP TIMESTAMP INTEGER REAL INTEGER"},
	{"values (1, 'a', 2.5), (2, 'b', 3)", "INTEGER TEXT REAL"},
	{"select column2, column1 + 1 from (values (1, 'a'), (2, 'b'))", "TEXT INTEGER"},
	{"select ?, ?1 + 1, count + ? from counts", "- - -"},
	{"select current_timestamp, current_date, true", "TIMESTAMP TEXT BOOLEAN"},
	{"select window_start, count(*) * 1.0 / 2 from windows('2016-07-26', '2016-07-27', '1 "
	 "hour') group by 1",
		"TIMESTAMP REAL"},
	{"select \"count\" + 1, [count] * 2, `count` - 1 from counts", "INTEGER INTEGER INTEGER"},
	{"select 1 - -1, 1 + + 1, 2 * -3, - - 1", "INTEGER INTEGER INTEGER INTEGER"},
	{"select count(*) collate nocase, (count) from counts", "INTEGER INTEGER"},
	{"select value + 1 from json_each('[1]')", "-"},
	{"select distinct count+1 from counts where count in (select count from counts) group by 1 "
	 "having sum(count) > 1"
	 " order by 1 limit 3;",
		"INTEGER"},
	{"select case when a.count > 1 then case when 1 then 1 else 2 end else 3 end end_, 1 as "
	 "end from counts a",
		"INTEGER INTEGER"},
	{"select /* , */ count+1 -- , x\n from counts", "INTEGER"},
	{"select "
	 "1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+"
	 "1+1"
	 "+1+1+1+1+1.5",
		"REAL"},
	{"select 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1"
	 "+1+1+1+1+1.5",
		"REAL"},
	{"explain select 1", "INTEGER TEXT INTEGER INTEGER INTEGER TEXT INTEGER TEXT"},
};

START_TEST(a_result_has_the_type_that_follows)
{
	struct err err = ERR_INIT;
	struct statement *statement = NULL;
	struct buf types = {0};
	size_t tail;
	const char *sql = rows[_i].sql;

	ck_assert_msg(statement_prepare(session, sql, strlen(sql), 0, &tail, &statement, &err) == 0,
		"%s: %s", sql, err.text);
	for (size_t i = 0; i < statement_n_columns(statement); i++) {
		const char *type = statement_column_is_boolean(statement, i)
					   ? "BOOLEAN"
					   : statement_column_type(statement, i);

		if (i > 0)
			buf_add_char(&types, ' ');
		buf_add_text(&types, type[0] != '\0' ? type : "-");
	}
	buf_add_char(&types, '\0');
	/* EXPLAIN has types of SQLite's own, if any. */
	if (!statement_is_explain(statement))
		ck_assert_msg(strcmp(types.data, rows[_i].types) == 0, "%s: %s, not %s", sql,
			types.data, rows[_i].types);
	buf_fini(&types);
	statement_free(statement);
}
END_TEST

static const struct {
	const char *sql, *columns; /* a letter a column, A: aggregate */
} aggregates[] = {
	{"select action, max(window_end), sum(count) from counts group by action", "-AA"},
	{"select unix_timestamp(window_start), count(*) from counts group by 1", "-A"},
	{"select max(action, 'b'), min(max(1, 2)), max(count) + 1 from counts", "-AA"},
	{"select action, (select sum(count) from counts), count from counts", "-A-"},
	{"select * from (select action, total(count) from counts group by action)", "-A"},
	{"with t as (select action, group_concat(count) from counts group by 1) select * from t",
		"-A"},
	{"select action, 0 from counts union select 'all', sum(count) from counts", "-A"},
	{"select * from counts", "----"},
};

START_TEST(an_aggregate_is_known_as_one)
{
	struct err err = ERR_INIT;
	struct statement *statement = NULL;
	const char *sql = aggregates[_i].sql;
	size_t tail;

	ck_assert_msg(statement_prepare(session, sql, strlen(sql), 0, &tail, &statement, &err) == 0,
		"%s: %s", sql, err.text);
	ck_assert_uint_eq(statement_n_columns(statement), strlen(aggregates[_i].columns));
	for (size_t i = 0; i < statement_n_columns(statement); i++)
		ck_assert_msg(statement_column_is_aggregate(statement, i) ==
				      (aggregates[_i].columns[i] == 'A'),
			"%s: column %zu", sql, i);
	statement_free(statement);
}
END_TEST

START_TEST(temp_tables_and_views_have_types_too)
{
	struct err err = ERR_INIT;
	struct statement *statement;
	const char *sql = "select sum(a), max(b), max(w) from t, v";
	size_t tail;

	assert_rows(session,
		"create temp table t(a INTEGER, b DOUBLE PRECISION);"
		" create temp view v as select window.end as w, action from counts",
		"");
	ck_assert_int_eq(
		statement_prepare(session, sql, strlen(sql), 0, &tail, &statement, &err), 0);
	ck_assert_str_eq(statement_column_type(statement, 0), "INTEGER");
	ck_assert_str_eq(statement_column_type(statement, 1), "REAL");
	ck_assert_str_eq(statement_column_type(statement, 2), "TIMESTAMP");
	statement_free(statement);
}
END_TEST

/* Whatever SQLite accepts, the inference neither crashes nor hangs on. */
START_TEST(cut_anywhere_nothing_breaks)
{
	for (size_t i = 0; i < (size_t)N_ROWS(rows); i++) {
		size_t len = strlen(rows[i].sql);

		for (size_t cut = 1; cut < len; cut += 3) {
			struct err err = ERR_INIT;
			struct statement *statement = NULL;
			size_t tail;

			if (statement_prepare(
				    session, rows[i].sql, cut, 0, &tail, &statement, &err) != 0)
				ck_assert_ptr_null(statement);
			statement_free(statement);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("column_types");
	TCase *tests = tcase_create("types");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, a_result_has_the_type_that_follows, 0, N_ROWS(rows));
	tcase_add_loop_test(tests, an_aggregate_is_known_as_one, 0, N_ROWS(aggregates));
	tcase_add_test(tests, temp_tables_and_views_have_types_too);
	tcase_add_test(tests, cut_anywhere_nothing_breaks);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
