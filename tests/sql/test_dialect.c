/* window.start and window.end: the token rules, and statements as people write them. */
#include "sql/dialect.h"
#include "tests/sql/env.h"

static const struct {
	const char *text, *rewritten; /* NULL: nothing to rewrite */
} token_rows[] = {
	{"window.end", "window_end"},
	{"select window.start, window.end from t", "select window_start, window_end from t"},
	{"WINDOW.END", "window_end"},
	{"window . end", "window_end  "},
	{"window/*.*/./* end */end", "window_end              "},
	{"window--x\n.end", "window_end    "},
	{"\"window\".\"end\"", "window_end    "},
	{"`window`.[start]", "window_start    "},
	{"[window].end", "window_end  "},
	{"c.window.end", "c.window_end"},
	{"main.counts.window.end", "main.counts.window_end"},
	{"max(window.end)", "max(window_end)"},
	{"-window.end+1", "-window_end+1"},
	{"case window.end when 1 then 2 end", "case window_end when 1 then 2 end"},
	{"window.end.x", "window_end.x"},
	{"'window.end'", NULL},
	{"\"window.end\"", NULL},
	{"-- window.end\n1", NULL},
	{"/* window.end */ 1", NULL},
	{"/* window.end", NULL},
	{"'open window.end", NULL},
	{"windows.end", NULL},
	{"window.ending", NULL},
	{"window end", NULL},
	{"window.'end'", NULL},
	{"xwindow.end", NULL},
	{"x'00' window.'end'", NULL},
	{"", NULL},
	{"window.", NULL},
	{"window", NULL},
};

START_TEST(a_triple_is_rewritten_where_it_stands_as_code)
{
	const char *text = token_rows[_i].text;
	size_t len = strlen(text);
	char copy[128];
	bool changed;

	memcpy(copy, text, len + 1);
	changed = dialect_rewrite_all(copy, len);
	ck_assert_msg(changed == (token_rows[_i].rewritten != NULL), "%s: %s", text, copy);
	ck_assert_str_eq(copy, changed ? token_rows[_i].rewritten : text);
}
END_TEST

static struct fixture fixture;
static struct sql_session *session;

static void set_up(void)
{
	fixture_open(&fixture, fixture_options());
	session = session_as(&fixture, 1000);
}

static void tear_down(void)
{
	sql_session_free(session);
	fixture_close(&fixture);
}

#define END3 "2016-07-26 03:00:00\n"
#define END4 "2016-07-26 04:00:00\n"

static const struct {
	const char *sql, *rows;
} statement_rows[] = {
	{"select action, date_format(window.end, \"MMM-dd HH:mm\") as time, count from counts "
	 "order by time, action",
		"Close|Jul-26 03:00|11\nOpen|Jul-26 03:00|179\nClose|Jul-26 04:00|344\nOpen|Jul-26 "
		"04:00|1001\n"},
	{"select action, sum(count) as total_count from counts group by action order by action",
		"Close|355\nOpen|1180\n"},
	{"select window.end from counts where count=11", END3},
	{"select window.start from counts where count=11", "2016-07-26 02:00:00\n"},
	{"select WINDOW.End from counts where count=11", END3},
	{"select c.window.end from counts c where c.count=11", END3},
	{"select counts.window.end from counts where count=11", END3},
	{"select main.counts.window.end from counts where count=11", END3},
	{"select \"window\".\"end\" from counts where count=11", END3},
	{"select `window`.`end` from counts where count=11", END3},
	{"select [window].[end] from counts where count=11", END3},
	{"select window/* x */./* y */end from counts where count=11", END3},
	{"select window -- x\n . -- y\n end from counts where count=11", END3},
	{"select action from counts order by window.end desc, count limit 1", "Close\n"},
	{"select window.end, sum(count) from counts group by window.end order by 1",
		"2016-07-26 03:00:00|190\n2016-07-26 04:00:00|1345\n"},
	{"select action from counts group by action having max(window.end) > '2016' order by 1",
		"Close\nOpen\n"},
	{"select count(*) filter (where window.end > '2016-07-26 03:30:00') from counts", "2\n"},
	{"select rank() over (order by window.end) from counts order by 1", "1\n1\n3\n3\n"},
	{"select rank() over window from counts window window as (order by window.end) order by 1",
		"1\n1\n3\n3\n"},
	{"select case when window.end > '2016-07-26 03:30:00' then 1 else 0 end from counts",
		"0\n0\n1\n1\n"},
	{"select case window.end when '2016-07-26 03:00:00' then 1 end from counts limit 1", "1\n"},
	{"select (select max(window.end) from counts)", END4},
	{"select * from (select window.end from counts where count=11)", END3},
	{"with t as (select window.end as e from counts where count=11) select e from t", END3},
	{"with t as (select * from counts) select window.end from t where count=11", END3},
	{"select t.window.end from (select * from counts) t where count=11", END3},
	{"select a.count from counts a join counts b on a.window.end = b.window.start where "
	 "b.count=344",
		"11\n179\n"},
	{"select window.end from counts where count=11 union select window.start from counts where "
	 "count=344 order by 1",
		END3},
	{"select count from counts where window.end in (select min(window.end) from counts) order "
	 "by 1",
		"11\n179\n"},
	{"select count from counts where window.end between '2016-07-26 03:30:00' and '2017' order "
	 "by 1",
		"344\n1001\n"},
	{"select 'window.end', window.end from counts where count=11",
		"window.end|2016-07-26 03:00:00\n"},
	{"select \"window.end\" from counts where count=11", "window.end\n"},
	{"select 'window.end' /* window.end */ -- window.end\n", "window.end\n"},
	{"select exists (select 1 from counts where window.end = '2016-07-26 03:00:00')", "1\n"},
	{"select distinct window.end from counts order by window.end", END3 END4},
	{"select max(window.end) from counts", END4},
	{"select window.end as window_end from counts where count=11", END3},
	{"select lag(window.end) over (order by count) from counts where action='Close'",
		"\n" END3},
	{"select window.end as e from (select window.end from (select * from counts)) limit 1",
		END3},
	/* Something really named window keeps its meaning. */
	{"select window.end from (select 7 as end) window", "7\n"},
	{"select window.start from (select 5 as start, 7 as end) as window", "5\n"},
	{"with window(start) as (select 3) select window.start from window", "3\n"},
	{"with window as (select min(window.start) as start from counts) "
	 "select window.start from window",
		"2016-07-26 02:00:00\n"},
	{"select window.start, c.window.end from (select 5 as start) as window, counts c "
	 "where c.count=11",
		"5|2016-07-26 03:00:00\n"},
	{"create temp view v as select window.start, c.window.end from (select 5 as start) window, "
	 "counts c where c.count=11; select * from v",
		"5|2016-07-26 03:00:00\n"},
	/* Inside ON, where SQLite tells no offset. */
	{"select window.end from (select 7 as end) window join counts c "
	 "on c.window.end > '2016-07-26 03:30:00' limit 1",
		"7\n"},
	{"with window as (select 7 as end) select window.end from counts c left join window on "
	 "'2016-07-26 03:00:00' = (\"c\".\"window\" . end) and window.end = 7 where "
	 "c.count=11",
		"7\n"},
	{"select (select window.end from (select 7 as end) window) from (select 1) join counts b "
	 "on window.end > '2016' and b.count=11",
		"7\n"},
	{"select window.end from (select 7 as end) window join counts c on c.action = 'Open' join "
	 "counts d on (d.action = c.action and c.window.start < d.window.start) order by "
	 "window.end",
		"7\n"},
	{"create temp view v as select window.end from (select 7 as end) window join counts c "
	 "on c.window.end > '2016-07-26 03:30:00'; select * from v limit 1",
		"7\n"},
	{"create temp table t as select window.end as e from counts; select e from t limit 1",
		END3},
	{"create temp view v as select window.end as e, count from counts; select e from v where "
	 "count=11",
		END3},
	{"create temp view v(a) as select 'window.end'; select a from v", "window.end\n"},
	{"create temp view v as select window.end from (select 7 as end) window; select * from v",
		"7\n"},
	{"select count(*) > 3 from (select 1) join (values(1),(2),(3),(4)) where (select "
	 "window.end from counts limit 1) > ''",
		"1\n"},
};

START_TEST(a_statement_means_what_it_says)
{
	assert_rows(session, statement_rows[_i].sql, statement_rows[_i].rows);
}
END_TEST

static const struct {
	const char *sql, *words;
	int offset;
} bad_rows[] = {
	{"select window.end, foo from counts", "no such column: foo", 19},
	{"select window.end from counts a, counts b", "ambiguous column name: window_end", 7},
	{"select window.end from queries", "no such table: queries", -1},
	{"select window.start from (select 1)", "no such column: window.start", 7},
	{"select 1, c.window.end from (select 1) c", "no such column: c.window.end", 10},
	{"select window.ende from counts", "no such column: window.ende", 7},
	{"select window.end from", "incomplete input", -1},
};

START_TEST(an_error_is_about_the_statement_as_rewritten)
{
	assert_fails(session, bad_rows[_i].sql, ERR_SQL, bad_rows[_i].words);
	if (bad_rows[_i].offset >= 0)
		ck_assert_int_eq(sql_session_error_offset(session), bad_rows[_i].offset);
}
END_TEST

/* More than are looked at one by one. */
START_TEST(a_statement_may_hold_many_triples)
{
	struct buf sql = {0};

	buf_add_text(&sql, "select count from counts where count=11");
	for (int i = 0; i < 100; i++)
		buf_add_text(&sql, " and window.end > window.start");
	buf_add_char(&sql, '\0');
	assert_rows(session, sql.data, "11\n");
	buf_fini(&sql);
}
END_TEST

START_TEST(parameters_and_explain_pass_through)
{
	struct err err = ERR_INIT;
	struct buf out = {0};
	struct statement *statement;
	const char *sql = "select count from counts where window.end = ? and action = :a";
	struct value text = {.type = VALUE_TEXT, .data = "2016-07-26 03:00:00", .len = 19};
	size_t tail;

	ck_assert_int_eq(
		statement_prepare(session, sql, strlen(sql), 0, &tail, &statement, &err), 0);
	ck_assert_uint_eq(statement_n_params(statement), 2);
	ck_assert_ptr_null(statement_param_name(statement, 0));
	ck_assert_str_eq(statement_param_name(statement, 1), ":a");
	ck_assert_int_eq(statement_bind(statement, 0, &text, &err), 0);
	text = (struct value){.type = VALUE_TEXT, .data = "Open", .len = 4};
	ck_assert_int_eq(statement_bind(statement, 1, &text, &err), 0);
	ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
	ck_assert(out.len == 4 && memcmp(out.data, "179\n", 4) == 0);
	statement_free(statement);
	buf_fini(&out);
	ck_assert_int_eq(run_sql(session, "explain select window.end from counts", &out, &err), 0);
	ck_assert_int_eq(
		run_sql(session, "explain query plan select window.end from counts", &out, &err),
		0);
	buf_fini(&out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dialect");
	TCase *tokens = tcase_create("tokens");
	TCase *tests = tcase_create("statements");

	tcase_add_loop_test(
		tokens, a_triple_is_rewritten_where_it_stands_as_code, 0, N_ROWS(token_rows));
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, a_statement_means_what_it_says, 0, N_ROWS(statement_rows));
	tcase_add_loop_test(
		tests, an_error_is_about_the_statement_as_rewritten, 0, N_ROWS(bad_rows));
	tcase_add_test(tests, a_statement_may_hold_many_triples);
	tcase_add_test(tests, parameters_and_explain_pass_through);
	suite_add_tcase(suite, tokens);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
