/* The virtual tables: events, static_, windows(), system_check; what narrows them, and how they
 * end. */
#include "base/file.h"
#include "tests/sql/env.h"
#include "tests/sql/sample.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture fixture;
static struct sql_session *session;
static struct spec *spec;
static struct spec *next_spec; /* what a reload puts in its place; NULL: none */
static int n_spec_refs;
static char directory[] = "/tmp/test_vtab.XXXXXX";

static bool on_spec_ref(void *context, const struct spec **out)
{
	(void)context;
	n_spec_refs++;
	*out = next_spec != NULL ? next_spec : spec;
	return true;
}

static void on_spec_unref(void *context, const struct spec *old)
{
	(void)context;
	(void)old;
	n_spec_refs--;
}

static void set_path(struct spec *of, const char *path)
{
	free(of->sources[0].path);
	of->sources[0].path = strdup(path);
}

static void write_file(const char *name, const char *text)
{
	static struct timespec times[2] = {{.tv_sec = 1469501107}, {.tv_sec = 1469501107}};
	struct err err = ERR_INIT;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	ck_assert_msg(file_replace(path, text, strlen(text), 0600, &err) == 0, "%s", err.text);
	/* The order of files goes by their times, and the kernel's clock has coarse ones. */
	times[1].tv_sec++;
	ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void set_up(void)
{
	struct sql_env_options options = fixture_options();

	ck_assert_ptr_nonnull(mkdtemp(directory));
	spec = sample_spec("counts", "action");
	set_path(spec, directory);
	sample_add_query(spec, "totals", NULL);
	options.spec_ref = on_spec_ref;
	options.spec_unref = on_spec_unref;
	fixture_open(&fixture, options);
	write_sql(&fixture,
		"create table totals(window_start TIMESTAMP TEXT, window_end TIMESTAMP TEXT, count "
		"INTEGER);"
		"create table queries(name, state, files_behind, is_data_available, late, refused);"
		"create table files(source, state, events);"
		"delete from counts");
	session = session_as(&fixture, 1001);
	write_file("a.json",
		"{\"time\":1469498400,\"action\":\"Open\"}\n"
		"{\"time\":1469498401.25,\"action\":\"Close\"}\n"
		"nonsense\n"
		"{\"time\":\"2016-07-26T03:00:00Z\",\"action\":null,\"more\":[1, 2]}\n");
	write_file("b.json", "{\"time\":1469505600,\"action\":\"Open\"}\n{\"time\":1469505600,"
			     "\"action\":\"a\\u0000b\"}\n"
			     "{\"time\":1469498402,\"action\":\"\"}");
}

static void tear_down(void)
{
	char command[128];

	sql_session_free(session);
	fixture_close(&fixture);
	ck_assert_int_eq(n_spec_refs, 0);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	ck_assert_int_eq(system(command), 0);
}

static const struct {
	const char *sql, *rows;
} good_rows[] = {
	{"select file, line, time, action from events", "a.json|1|2016-07-26 02:00:00|Open\n"
							"a.json|2|2016-07-26 02:00:01.25|Close\n"
							"a.json|4|2016-07-26 03:00:00|\n"
							"b.json|1|2016-07-26 04:00:00|Open\n"
							"b.json|2|2016-07-26 04:00:00|a~b\n"
							"b.json|3|2016-07-26 02:00:02|\n"},
	{"select json from events where line = 4",
		"{\"time\":\"2016-07-26T03:00:00Z\",\"action\":null,\"more\":[1, 2]}\n"},
	{"select count(*), count(action), count(distinct file) from events", "6|5|2\n"},
	{"select count(*) from events where file = 'a.json'", "3\n"},
	{"select count(*) from events where file = 'nosuch'", "0\n"},
	{"select count(*) from events where file = null", "0\n"},
	{"select count(*) from events where file = 'a.json' and file = 'b.json'", "0\n"},
	{"select count(*) from events where file in ('a.json', 'b.json')", "6\n"},
	/* Read twice, narrowed in two ways: what the first gave is not taken for the second's. */
	{"select file, line from events where (file = 'a.json' and line > 0) or (file = 'b.json' "
	 "and"
	 " line < 3) order by 1, 2",
		"a.json|1\na.json|2\na.json|4\nb.json|1\nb.json|2\n"},
	{"select file, line from events where file = 'a.json' or time >= '2016-07-26T04:00Z'",
		"a.json|1\na.json|2\na.json|4\nb.json|1\nb.json|2\n"},
	{"select count(*) from events where file = 'b.json' or time < '2016-07-26 02:00:03'",
		"5\n"},
	{"select x, e.file, e.line from (select 'b.json' as x) left join events as e on e.file = x"
	 " and e.line > 1",
		"b.json|b.json|2\nb.json|b.json|3\n"},
	{"select x, e.file, e.line from (select 'b.json' as x) right join events as e on e.file = x"
	 " and e.line > 1 order by 2, 3",
		"|a.json|1\n|a.json|2\n|a.json|4\n|b.json|1\nb.json|b.json|2\nb.json|b.json|3\n"},
	{"select count(*) from events where time in ('2016-07-26 02:00', '2016-07-26T04:00Z')",
		"3\n"},
	{"select count(*) from events where file = 'A.JSON' collate nocase", "3\n"},
	{"select count(*) from events where time >= '2016-07-26T03:00:00Z'", "3\n"},
	{"select count(*) from events where time > '2016-07-26T03:00:00Z'", "2\n"},
	{"select count(*) from events where time < '2016-07-26T04:00:00+02:00'", "0\n"},
	{"select count(*) from events where time <= '2016-07-26T04:00:00+02:00'", "1\n"},
	{"select count(*) from events where time = '2016-07-26 04:00'", "2\n"},
	{"select count(*) from events where time between '2016-07-26 02:00:01' and '2016-07-26 "
	 "03:00'",
		"3\n"},
	{"select count(*) from events where time > '2016'", "6\n"},
	{"select count(*) from events where time > 'nonsense'", "0\n"},
	{"select count(*) from events where time collate binary > '2016-07-26T'", "0\n"},
	{"select count(*) from events where '2016-07-26T03:00Z' <= time", "3\n"},
	{"select count(*) from events where time > (select min(time) from events)", "5\n"},
	{"select count(*) from events a join events b on a.file = b.file", "18\n"},
	{"select count(*) from events a join events b on a.time = b.time and a.file = b.file",
		"8\n"},
	{"select json_extract(json, '$.more[1]') from events where json like '%more%'", "2\n"},
	{"select * from static_counts", "|2016-07-26 03:00:00|2016-07-26 04:00:00|1\n"
					"|2016-07-26 02:00:00|2016-07-26 03:00:00|1\n"
					"Close|2016-07-26 02:00:00|2016-07-26 03:00:00|1\n"
					"Open|2016-07-26 02:00:00|2016-07-26 03:00:00|1\n"
					"Open|2016-07-26 04:00:00|2016-07-26 05:00:00|1\n"
					"a~b|2016-07-26 04:00:00|2016-07-26 05:00:00|1\n"},
	{"select action is null, count from static_counts where window_start = '2016-07-26T03:00Z'",
		"1|1\n"},
	{"select * from static_totals", "2016-07-26 02:00:00|2016-07-26 03:00:00|3\n"
					"2016-07-26 03:00:00|2016-07-26 04:00:00|1\n"
					"2016-07-26 04:00:00|2016-07-26 05:00:00|2\n"},
	{"select date_format(window.end, 'HH'), sum(count) from static_counts group by 1",
		"03|3\n04|1\n05|2\n"},
	{"select a.count from static_totals a join static_totals b using (window_start) order by 1",
		"1\n2\n3\n"},
	/* Conditions of all sorts beside the arguments. */
	{"select window_start from windows('2016-07-26', '2016-07-26 03:00', '1 hour') where"
	 " window_start < '2016-07-26 01:00' or window_end > '2016-07-26 02:30'",
		"2016-07-26 00:00:00\n2016-07-26 02:00:00\n"},
	{"select count(*) from windows('2016-07-26', '2016-07-27', '1 hour')"
	 " where \"from\" = '2016-07-26'",
		"24\n"},
	{"select count(*) from windows('2016-07-26', '2016-07-27', '1 hour')"
	 " where \"from\" = '2016-07-25'",
		"0\n"},
	{"select count(*) from windows where size = '1 hour' and \"to\" = '2016-07-27' and "
	 "\"from\" in"
	 " ('2016-07-26', '2016-07-26 23:00')",
		"25\n"},
	{"select \"from\", \"to\", size from windows(1469491200, '2016-07-26 01:00', '1 hour')",
		"1469491200|2016-07-26 01:00|1 hour\n"},
	{"select w.window_start, c.action from windows('2016-07-26 02:00', '2016-07-26 04:00', '1 "
	 "hour')"
	 " as w left join static_counts as c on c.window_start = w.window_start and c.action > 'D'",
		"2016-07-26 02:00:00|Open\n2016-07-26 03:00:00|\n"},
	/* The last window's end. */
	{"select window_start from windows('9999-12-31 22:00', '+10000-01-01 00:00:00', '1 hour')",
		"9999-12-31 22:00:00\n9999-12-31 23:00:00\n"},
	{"select name, type from pragma_table_info('static_counts')",
		"action|TEXT\nwindow_start|TIMESTAMP TEXT\nwindow_end|TIMESTAMP "
		"TEXT\ncount|INTEGER\n"},
	{"select name, type from pragma_table_info('events')",
		"file|TEXT\nline|INTEGER\ntime|TIMESTAMP TEXT\naction|TEXT\njson|TEXT\n"},
	{"select * from windows('2016-07-26 00:30', '2016-07-26 03:00', '1 hour')",
		"2016-07-26 00:00:00|2016-07-26 01:00:00\n"
		"2016-07-26 01:00:00|2016-07-26 02:00:00\n"
		"2016-07-26 02:00:00|2016-07-26 03:00:00\n"},
	{"select window_start from windows('1969-12-31 23:59', 0, '1 hour')",
		"1969-12-31 23:00:00\n"},
	{"select window_start from windows('2016-07-26', '2016-07-27', '7 days')",
		"2016-07-21 00:00:00\n"},
	{"select count(*) from windows('2016-07-26', '2016-07-26', '1 hour')", "0\n"},
	{"select count(*) from windows(null, '2016-07-26', '1 hour')", "0\n"},
	{"select count(*) from windows('2016-07-26', null, '1 hour')", "0\n"},
	{"select count(*) from windows('2016-07-27', '2016-07-26', '1 hour')", "0\n"},
	{"select count(*) from windows('0001-01-01', '9999-12-31', '1000 weeks')", "522\n"},
	{"select w.window_start, coalesce(s.count, 0) from windows('2016-07-26 01:00', '2016-07-26 "
	 "04:00', '1 hour') w"
	 " left join static_totals s using (window_start) order by 1 desc",
		"2016-07-26 03:00:00|1\n2016-07-26 02:00:00|3\n2016-07-26 01:00:00|0\n"},
	{"select window_start from windows('2016-07-26', '2016-07-27', '12 hours') order by "
	 "window_start desc",
		"2016-07-26 12:00:00\n2016-07-26 00:00:00\n"},
};

START_TEST(a_table_of_files_answers)
{
	struct buf out = {0};
	struct err err = ERR_INIT;

	ck_assert_msg(run_sql(session, good_rows[_i].sql, &out, &err) == 0, "%s: %s",
		good_rows[_i].sql, err.text);
	/* A NUL within a group shows as a tilde here. */
	for (size_t i = 0; i < out.len; i++) {
		if (out.data[i] == '\0')
			out.data[i] = '~';
	}
	buf_add_char(&out, '\0');
	ck_assert_msg(
		strcmp(out.data, good_rows[_i].rows) == 0, "%s: '%s'", good_rows[_i].sql, out.data);
	buf_fini(&out);
}
END_TEST

static const struct {
	const char *sql, *words;
} bad_rows[] = {
	{"select * from windows", "three arguments"},
	{"select * from windows('2016-07-26', '2016-07-27')", "three arguments"},
	{"select * from windows('2016-07-26', '2016-07-27') where window_start > '2016-07-26 "
	 "01:00' or"
	 " window_end < '2016-07-26 01:00'",
		"three arguments"},
	{"select * from windows('-290308-12-25', '2016-07-27', '1 hour')", "from is no time"},
	{"select * from windows('soon', '2016-07-27', '1 hour')", "from is no time: 'soon'"},
	{"select * from windows('2016-07-26', '2016-07-27', '0 hours')", "not above 0"},
	{"select * from windows('2016-07-26', '2016-07-27', '1 month')", "month"},
	{"select * from windows('2016-07-26', '2016-07-27', 'hourly')", "hourly"},
	{"select * from windows('2016-07-26', '2016-07-27', '200000 days 100000000 days')", ""},
	{"select * from windows(1e300, '2016-07-27', '1 hour')", "no time"},
	{"select * from system_check('nosuch')", "no such query: 'nosuch'"},
	{"select * from static_nosuch", "no such table"},
};

START_TEST(a_wrong_call_is_explained)
{
	assert_fails(session, bad_rows[_i].sql, ERR_SQL, bad_rows[_i].words);
}
END_TEST

START_TEST(nothing_can_be_written_to_them)
{
	assert_fails(
		session, "insert into events values(1,2,3,4,5)", ERR_DENIED, "INSERT INTO events");
	assert_fails(session, "delete from static_counts", ERR_DENIED,
		"static_counts may not be modified");
	assert_fails(session, "drop table events", ERR_DENIED, "DROP TABLE events");
	assert_fails(session, "create virtual table temp.x using events", ERR_DENIED,
		"CREATE VIRTUAL TABLE");
}
END_TEST

START_TEST(they_are_for_workers_and_never_kept)
{
	static const char *const queries[] = {"select count(*) from events",
		"select * from static_counts", "select * from counts natural join static_counts",
		"select exists (select 1 from static_totals)"};

	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++) {
		struct statement *statement;
		struct buf out = {0};
		struct err err = ERR_INIT;
		size_t tail;

		ck_assert_int_eq(statement_prepare(session, queries[i], strlen(queries[i]), 0,
					 &tail, &statement, &err),
			0);
		ck_assert(!statement_may_run_inline(statement));
		ck_assert_int_eq(drain(statement, 0, &out, &err), 0);
		ck_assert(!statement_is_cacheable(statement));
		statement_free(statement);
		buf_fini(&out);
	}
}
END_TEST

START_TEST(a_check_tells_equal_from_different_and_unknown)
{
	static const char ask[] =
		"select query, verdict, reason, only_in_table, only_in_files, table_events,"
		" files_events from system_check('counts')";

	write_sql(&fixture, "insert into queries values('counts', 'ACTIVE', 0, 0, 0, 0);"
			    "insert into queries values('totals', 'ACTIVE', 0, 0, 0, 0);"
			    "insert into files values('events', 'done', 6)");
	assert_rows(session, ask, "counts|different||0|6|0|6\n");
	write_sql(&fixture,
		"insert into counts values"
		"(NULL, '2016-07-26 03:00:00', '2016-07-26 04:00:00', 1),"
		"('', '2016-07-26 02:00:00', '2016-07-26 03:00:00', 1),"
		"('Close', '2016-07-26 02:00:00', '2016-07-26 03:00:00', 1),"
		"('Open', '2016-07-26 02:00:00', '2016-07-26 03:00:00', 1),"
		"('Open', '2016-07-26 04:00:00', '2016-07-26 05:00:00', 1),"
		"('a' || char(0) || 'b', '2016-07-26 04:00:00', '2016-07-26 05:00:00', 1)");
	assert_rows(session, ask, "counts|equal||0|0|6|6\n");
	assert_rows(session, "select name from system_check('counts') where name = 'counts'",
		"counts\n");
	assert_rows(session, "select query, verdict from system_check",
		"counts|equal\ntotals|different\n");
	write_sql(&fixture, "update counts set count = 2 where action = 'Close'");
	assert_rows(session, ask, "counts|different||1|1|7|6\n");
	write_sql(&fixture, "update queries set late = 3");
	assert_rows(session, ask,
		"counts|not comparable|3 events were left out by watermark or retention|1|1|7|6\n");
	write_sql(&fixture, "update files set state = 'missing'");
	assert_rows(session, ask, "counts|not comparable|1 counted files are gone|1|1|7|6\n");
	write_sql(&fixture, "drop table queries");
	assert_fails(session, ask, ERR_SQL, "system_check: counts: no such table: main.queries");
}
END_TEST

START_TEST(a_reload_is_seen_by_the_next_statement)
{
	struct sql_session *holder = session_as(&fixture, 1001);

	assert_rows(holder,
		"create temp table t as select count(*) as n from events; select n from t", "6\n");
	assert_rows(session, "select count(*) from static_totals", "3\n");
	next_spec = sample_spec("hourly", "action");
	set_path(next_spec, directory);
	assert_rows(session, "select count(*) from static_hourly", "6\n");
	assert_fails(session, "select count(*) from static_totals", ERR_SQL, "no such table");
	/* Who holds TEMP objects keeps the tables of before until it lets go. */
	assert_rows(holder, "select count(*) from static_totals", "3\n");
	sql_session_reset(holder, true);
	assert_fails(holder, "select count(*) from static_totals", ERR_SQL, "no such table");
	sql_session_free(holder);
	next_spec = NULL;
}
END_TEST

START_TEST(reading_files_can_be_cancelled_and_timed_out)
{
	struct buf text = {0};
	struct canceller canceller;

	for (int i = 0; i < 40000; i++)
		buf_printf(&text, "{\"time\":%d,\"action\":\"group %d\"}\n", 1469498400 + i, i);
	buf_add_char(&text, '\0');
	for (int i = 0; i < 12; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "big%d.json", i);
		write_file(name, text.data);
	}
	buf_fini(&text);
	canceller_start(&canceller, session);
	assert_fails(
		session, "select count(*) from events a, events b", ERR_INTERRUPTED, "cancelled");
	canceller_stop(&canceller);
	sql_session_set_timeout(session, 20000);
	assert_fails(session, "select sum(length(json)) from events a, static_counts",
		ERR_INTERRUPTED, "0.02 seconds");
	sql_session_set_timeout(session, 0);
	assert_rows(session, "select count(*) from events where file = 'a.json'", "3\n");
}
END_TEST

START_TEST(a_source_that_is_gone_is_an_error)
{
	set_path(spec, "/nonexistent/events");
	assert_fails(session, "select count(*) from events", ERR_SQL, "/nonexistent/events");
	assert_fails(session, "select count(*) from static_counts", ERR_SQL, "/nonexistent/events");
	assert_rows(session, "select 1", "1\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vtab");
	TCase *tests = tcase_create("tables");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, a_table_of_files_answers, 0, N_ROWS(good_rows));
	tcase_add_loop_test(tests, a_wrong_call_is_explained, 0, N_ROWS(bad_rows));
	tcase_add_test(tests, nothing_can_be_written_to_them);
	tcase_add_test(tests, they_are_for_workers_and_never_kept);
	tcase_add_test(tests, a_check_tells_equal_from_different_and_unknown);
	tcase_add_test(tests, a_reload_is_seen_by_the_next_statement);
	tcase_add_test(tests, reading_files_can_be_cancelled_and_timed_out);
	tcase_add_test(tests, a_source_that_is_gone_is_an_error);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
