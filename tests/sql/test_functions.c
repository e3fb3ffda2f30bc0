/* The time functions through SQL, and the bounded ones against SQLite's own. */
#include "tests/sql/env.h"

#include "sql/bounded.h"

#include <stdio.h>
#include <time.h>

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

static const struct {
	const char *sql, *rows;
} good_rows[] = {
	{"select date_format('2016-07-26T02:45:07.123456Z', \"MMM-dd HH:mm\")", "Jul-26 02:45\n"},
	{"select date_format(1469501107, 'yyyy-MM-dd HH:mm:ss')", "2016-07-26 02:45:07\n"},
	{"select date_format(1469501107.5, 'ss.SSS')", "07.500\n"},
	{"select date_format('2016-07-26T04:45:07+02:00', 'HH')", "02\n"},
	{"select date_format(null, 'yyyy'), date_format('2016-07-26', null)", "|\n"},
	{"select date_format('2016-07-26', '')", "\n"},
	{"select date_format(window_end, 'MMM-dd HH:mm') from counts where action='Close'",
		"Jul-26 03:00\nJul-26 04:00\n"},
	{"select date_format(window_end, case count when 11 then 'HH' else 'mm' end) from counts"
	 " where action='Close'",
		"03\n00\n"},
	{"select from_unixtime(1469501107)", "2016-07-26 02:45:07\n"},
	{"select from_unixtime('1469501107', 'yyyy')", "2016\n"},
	{"select from_unixtime(-1), from_unixtime(null), from_unixtime(1, null)",
		"1969-12-31 23:59:59||\n"},
	{"select from_unixtime(1469501107000)", "+48536-08-20 15:56:40\n"},
	{"select unix_timestamp('2016-07-26 02:45:07')", "1469501107\n"},
	{"select unix_timestamp('1969-12-31 23:59:59.5')", "0\n"},
	{"select unix_timestamp('1969-12-31 23:59:58.5')", "-1\n"},
	{"select unix_timestamp(null)", "\n"},
	{"select to_timestamp('2016-07-26T02:45:07.120Z')", "2016-07-26 02:45:07.12\n"},
	{"select to_timestamp('2016-07-26')", "2016-07-26 00:00:00\n"},
	{"select to_timestamp(0), to_timestamp(null)", "1970-01-01 00:00:00|\n"},
	{"select to_timestamp('+10000-01-01 00:00:00')", "+10000-01-01 00:00:00\n"},
	{"select date_format('+199000-01-05', 'yyyy D'), date_trunc('year', '-195000-07-05')",
		"+199000 5|-195000-01-01 00:00:00\n"},
	{"select date_trunc('hour', '2016-07-26 02:45:07.123456')", "2016-07-26 02:00:00\n"},
	{"select date_trunc('MICROSECOND', '2016-07-26 02:45:07.123456')",
		"2016-07-26 02:45:07.123456\n"},
	{"select date_trunc('millisecond', '2016-07-26 02:45:07.123456')",
		"2016-07-26 02:45:07.123\n"},
	{"select date_trunc('second', '2016-07-26 02:45:07.123456')", "2016-07-26 02:45:07\n"},
	{"select date_trunc('minute', '2016-07-26 02:45:07.123456')", "2016-07-26 02:45:00\n"},
	{"select date_trunc('day', '2016-07-26 02:45:07')", "2016-07-26 00:00:00\n"},
	{"select date_trunc('Week', '2016-07-31 02:45:07')", "2016-07-25 00:00:00\n"},
	{"select date_trunc('week', '2016-07-25')", "2016-07-25 00:00:00\n"},
	{"select date_trunc('mm', '2016-07-26 02:45:07')", "2016-07-01 00:00:00\n"},
	{"select date_trunc('quarter', '2016-08-26 02:45:07')", "2016-07-01 00:00:00\n"},
	{"select date_trunc('yy', '2016-08-26 02:45:07')", "2016-01-01 00:00:00\n"},
	{"select date_trunc('hour', '1969-12-31 23:59:59.9')", "1969-12-31 23:00:00\n"},
	{"select date_trunc(null, '2016-08-26'), date_trunc('day', null)", "|\n"},
	{"select length(tally_version()) > 0", "1\n"},
	{"select abs(unix_timestamp() - unixepoch('now')) <= 1", "1\n"},
};

START_TEST(a_function_answers_as_documented)
{
	assert_rows(session, good_rows[_i].sql, good_rows[_i].rows);
}
END_TEST

static const struct {
	const char *sql, *words;
} bad_rows[] = {
	{"select date_format('yesterday', 'yyyy')", "'yesterday'"},
	{"select date_format(x'00', 'yyyy')", "BLOB"},
	{"select date_format('2016-07-26', 'YYYY')",
		"'YYYY': 'Y' is no letter of a date, the year is y"},
	{"select date_format('2016-07-26', 'on d')",
		"'o' is no letter of a date (put text between"},
	{"select date_format('2016-07-26', 'ddd')", "'d' cannot stand 3 times"},
	{"select date_format(9223372036854775807, 'yyyy')", "no time"},
	{"select date_format(1e300, 'yyyy')", "no time"},
	{"select date_format(9e999, 'yyyy')", "no time"},
	/* What 64 bits of microseconds hold is more than has a first day of its year. */
	{"select date_format('-290308-12-25', 'D')", "'-290308-12-25'"},
	{"select date_trunc('year', '-290308-12-25')", "'-290308-12-25'"},
	{"select date_trunc('week', '-290308-12-22')", "'-290308-12-22'"},
	{"select date_format('+294247-01-05', 'yyyy')", "'+294247-01-05'"},
	{"select from_unixtime('soon')", "'soon'"},
	{"select unix_timestamp('1469501107')", "'1469501107'"},
	{"select to_timestamp('2016-02-30')", "'2016-02-30'"},
	{"select date_trunc('fortnight', '2016-07-26')", "'fortnight'"},
	{"select date_trunc('day', 'x')", "'x'"},
	{"select date_format('2016-07-26')", "wrong number of arguments"},
};

START_TEST(a_wrong_argument_is_named)
{
	assert_fails(session, bad_rows[_i].sql, ERR_SQL, bad_rows[_i].words);
}
END_TEST

static const struct {
	const char *zone, *sql, *rows;
} zone_rows[] = {
	{"America/Los_Angeles", "select date_format('2016-07-26T04:00Z', 'MMM-dd HH:mm')",
		"Jul-25 21:00\n"},
	{"Asia/Kolkata", "select date_format('2016-07-26T04:00Z', 'MMM-dd HH:mm')",
		"Jul-26 09:30\n"},
	{"Asia/Kathmandu", "select from_unixtime(1469505600, 'MMM-dd HH:mm')", "Jul-26 09:45\n"},
	{"America/Los_Angeles", "select date_trunc('day', '2016-07-26T04:00Z')",
		"2016-07-25 07:00:00\n"},
	{"America/Los_Angeles", "select date_trunc('year', '2016-07-26T04:00Z')",
		"2016-01-01 08:00:00\n"},
	{"Asia/Kathmandu", "select date_trunc('hour', '2016-07-26T04:00Z')",
		"2016-07-26 03:15:00\n"},
	{"Asia/Kathmandu", "select date_trunc('second', '2016-07-26T04:00:00.5Z')",
		"2016-07-26 04:00:00\n"},
	{"Asia/Kolkata", "select to_timestamp('2016-07-26 04:00')", "2016-07-26 04:00:00\n"},
	/* The second 01:xx of the night the clocks go back stays the second. */
	{"America/Los_Angeles", "select date_trunc('hour', '2016-11-06T09:45Z')",
		"2016-11-06 09:00:00\n"},
	{"America/Los_Angeles", "select date_trunc('hour', '2016-11-06T08:45Z')",
		"2016-11-06 08:00:00\n"},
	{"America/Los_Angeles", "select unix_timestamp('2016-07-26')", "1469491200\n"},
};

START_TEST(the_session_s_zone_is_heeded)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(sql_session_set_timezone(session, zone_rows[_i].zone, &err), 0);
	ck_assert_str_eq(sql_session_timezone(session), zone_rows[_i].zone);
	assert_rows(session, zone_rows[_i].sql, zone_rows[_i].rows);
}
END_TEST

/* Arguments that the twins and SQLite's own functions must answer alike. */
static const char *const twins[] = {
	"instr('abcabc','c')",
	"instr('äöü','ü')",
	"instr('abc','')",
	"instr('','a')",
	"instr('','')",
	"instr(null,'a')",
	"instr('a',null)",
	"instr(x'616263',x'63')",
	"instr(x'c3a4',x'a4')",
	"instr('ä',x'a4')",
	"instr(x'c3a4','ä')",
	"instr(123456,45)",
	"instr(1.5,'.')",
	"instr('aaa','aaaa')",
	"instr(x'','')",
	"instr('a',x'')",
	"instr(x'80',x'80')",
	"replace('abcabc','bc','X')",
	"replace('aaa','a','aa')",
	"replace('abc','','X')",
	"replace('abc','d','X')",
	"replace('','a','b')",
	"replace(null,'a','b')",
	"replace('abc',null,'b')",
	"replace('abc','a',null)",
	"replace(12321,2,'zwei')",
	"replace('aaaa','aa','')",
	"replace('abc','abc','')",
	"typeof(replace(1,'x','y'))",
	"typeof(replace(1,'','y'))",
	"replace('äöä','ä','')",
	"hex(replace(x'610062','b','c'))",
	"'abc' like 'ABC'",
	"'abc' like 'a%'",
	"'abc' like '%c'",
	"'abc' like '%b%'",
	"'abc' like 'a_c'",
	"'abc' like '___'",
	"'abc' like '____'",
	"'' like '%'",
	"'' like ''",
	"'' like '_'",
	"'a' like ''",
	"'äb' like '_b'",
	"'ÄB' like 'äb'",
	"'a%c' like 'a\\%c' escape '\\'",
	"'abc' like 'a\\%c' escape '\\'",
	"'a_c' like 'a\\_c' escape '\\'",
	"'abc' like 'abc\\' escape '\\'",
	"'a' like 'a' escape 'a'",
	"'%' like '%%' escape '%'",
	"'ab' like 'a%%b' escape '%'",
	"'abab' like '%ab'",
	"'aXbXc' like 'a%x%c'",
	"null like 'a'",
	"'a' like null",
	"'a' like 'a' escape null",
	"12 like '1_'",
	"x'61' like 'a'",
	"'a' like x'61'",
	"'aaab' like '%a%a%b'",
	"'mississippi' like '%iss%ip%'",
	"'mississippi' like '%iss%iss%iss%'",
	"'abc' glob 'a*'",
	"'abc' glob 'A*'",
	"'abc' glob '?b?'",
	"'abc' glob '[a-c]bc'",
	"'abc' glob '[^a]bc'",
	"'-bc' glob '[a-]bc'",
	"']' glob '[]]'",
	"'a' glob '[]a]'",
	"'a' glob '[a'",
	"'a' glob '['",
	"'ä' glob '[ä-ü]'",
	"'*' glob '[*]'",
	"'abc' glob '*'",
	"'' glob '*'",
	"'abcabc' glob '*bc'",
	"'a' glob '[^]]'",
	"'^' glob '[^^]'",
	"'b' glob '[a-c-e]'",
	"'-' glob '[a-c-e]'",
	"'abc' glob null",
	"'-' glob '[]-b^]'",
	"'a' glob '[]-b]'",
	"'^' glob '[^]^]'",
	"glob('a*', 'abc')",
	"like('A%', 'abc')",
	"trim('  a b  ')",
	"ltrim('  a ')",
	"rtrim(' a  ')",
	"trim('xxaxx','x')",
	"trim('abcba','ab')",
	"trim('äaä','ä')",
	"trim('abc','')",
	"trim('','a')",
	"trim(null)",
	"trim('a',null)",
	"ltrim('aab','a')",
	"rtrim('baa','a')",
	"trim('aaa','a')",
	"trim(121,1)",
	"printf('%d',5)",
	"printf('%5d|%-5d|%05d|%+d|% d',5,5,5,5,5)",
	"printf('%,d',1234567)",
	"printf('%d',9223372036854775807)",
	"printf('%d',-9223372036854775807-1)",
	"printf('%u',-1)",
	"printf('%x %X %o %#x',255,255,8,255)",
	"printf('%s','abc')",
	"printf('%5s|%-5s|','a','b')",
	"printf('%.2s','abc')",
	"printf('%!5s|','ä')",
	"printf('%f %.2f %10.3f',1.5,1.005,2.5)",
	"printf('%e %g %G',12345.678,1e-10,1e20)",
	"printf('%!.20f',0.1)",
	"printf('%r %r %5r',1,22,'3')",
	"printf('%5%|%-5%|')",
	"printf('%5')",
	"printf('a%5')",
	"printf('%n')",
	"printf('%lx',1)",
	"printf('%5c|',null)",
	"printf('%%')",
	"printf('%')",
	"printf('a%')",
	"printf('%y',1)",
	"printf('a%yb',1)",
	"printf('%c','abc')",
	"printf('%.3c','ab')",
	"printf('%c','ä')",
	"printf('%5c|','a')",
	"printf('%-5c|','a')",
	"printf('%q','it''s')",
	"printf('%Q','it''s')",
	"printf('%Q',null)",
	"printf('%q',null)",
	"printf('%w','a\"b')",
	"printf('%s',null)",
	"printf('%d',null)",
	"printf('%d','12abc')",
	"printf('%d',1.9)",
	"printf('%s',1.5)",
	"printf('%s',x'616263')",
	"printf('%*d|',5,1)",
	"printf('%-*d|',5,1)",
	"printf('%*d|',-5,1)",
	"printf('%.*f',2,1.5)",
	"printf('%d %s')",
	"printf('%lld %ld',1,2)",
	"printf('%i',3)",
	"printf('%z','z')",
	"printf('%n%d',7)",
	"printf(null)",
	"printf()",
	"printf('')",
	"printf('no conversion')",
	"printf('%p',255)",
	"printf('%f','abc')",
	"printf('%s %s %s','a','b')",
	"printf('%1000d',1)=printf('%*d',1000,1)",
	"printf('%.0f',2.5)",
	"printf('%.3d',5)",
	"printf('%g',9e999)",
	"printf('%f',-9e999)",
	"printf('%+s','a')",
	"format('%s-%s','a','b')",
	"printf('%.1000s|','x')",
	"printf('äö%sü','x')",
	"printf('%-d',3)",
	"printf('%00005d',3)",
	"printf('%#.3o',8)",
	"printf('%.5q','it''s')",
};

START_TEST(the_bounded_twins_answer_as_sqlite_does)
{
	char sql[256];
	struct buf ours = {0};
	struct err err = ERR_INIT;
	sqlite3 *plain = NULL;
	sqlite3_stmt *stmt = NULL;
	const char *text;
	int rc, status;

	(void)snprintf(sql, sizeof(sql), "select quote(%s)", twins[_i]);
	status = run_sql(session, sql, &ours, &err);
	buf_add_char(&ours, '\0');
	ck_assert_int_eq(sqlite3_open(":memory:", &plain), SQLITE_OK);
	ck_assert_int_eq(sqlite3_prepare_v2(plain, sql, -1, &stmt, NULL), SQLITE_OK);
	rc = sqlite3_step(stmt);
	text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0)
				: sqlite3_errmsg(plain);
	if (rc == SQLITE_ROW) {
		ck_assert_msg(status == 0, "%s: %s", sql, err.text);
		ck_assert_msg(
			strlen(text) + 2 == ours.len && memcmp(text, ours.data, strlen(text)) == 0,
			"%s: %s, SQLite says %s", sql, ours.data, text);
	} else {
		ck_assert_msg(status == ERR_SQL && strcmp(err.text, text) == 0,
			"%s: %s, SQLite says %s", sql, err.text, text);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(plain);
	buf_fini(&ours);
}
END_TEST

START_TEST(wildcards_agree_with_sqlite_on_random_patterns)
{
	static const char letters[] = "ab%_*?[]^-A\xc3\xa4";
	sqlite3 *plain = NULL;
	sqlite3_stmt *stmt = NULL;
	struct budget budget = {.limit_bytes = INT64_MAX, .stop_at_us = INT64_MAX};
	unsigned seed = (unsigned)time(NULL);

	ck_assert_int_eq(sqlite3_open(":memory:", &plain), SQLITE_OK);
	ck_assert_int_eq(
		sqlite3_prepare_v2(plain, "select ?2 like ?1, ?2 glob ?1", -1, &stmt, NULL), 0);
	srand(seed);
	for (int round = 0; round < 50000; round++) {
		struct wildcard like = {.is_glob = false}, glob = {.is_glob = true};
		char pattern[16], text[16];
		char *both[2] = {pattern, text};
		int like_sqlite, glob_sqlite;

		for (int which = 0; which < 2; which++) {
			size_t len = 0;

			for (int n = rand() % 8; n > 0; n--) {
				int letter = rand() % 12;

				both[which][len++] = letters[letter];
				/* The umlaut has two bytes, which stay together. */
				if (letter == 11)
					both[which][len++] = letters[12];
			}
			both[which][len] = '\0';
		}
		(void)sqlite3_bind_text(stmt, 1, pattern, -1, SQLITE_STATIC);
		(void)sqlite3_bind_text(stmt, 2, text, -1, SQLITE_STATIC);
		ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
		like_sqlite = sqlite3_column_int(stmt, 0);
		glob_sqlite = sqlite3_column_int(stmt, 1);
		(void)sqlite3_reset(stmt);
		ck_assert_msg((int)wildcard_match(&like, pattern, strlen(pattern), text,
				      strlen(text), &budget) == like_sqlite,
			"seed %u: '%s' like '%s'", seed, text, pattern);
		ck_assert_msg((int)wildcard_match(&glob, pattern, strlen(pattern), text,
				      strlen(text), &budget) == glob_sqlite,
			"seed %u: '%s' glob '%s'", seed, text, pattern);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(plain);
}
END_TEST

START_TEST(widths_and_sets_are_bounded)
{
	assert_fails(session, "select printf('%1001d', 1)", ERR_SQL, "1000");
	assert_fails(session, "select printf('%.*c', 900000000, 'x')", ERR_SQL, "1000");
	assert_fails(session, "select printf('%99999999999999999999d', 1)", ERR_SQL, "1000");
	assert_fails(session, "select format('%.*f', 2147483647, 1)", ERR_SQL, "1000");
	assert_fails(session, "select trim('a', printf('%.257c', 'x'))", ERR_SQL, "256");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("functions");
	TCase *tests = tcase_create("functions");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, a_function_answers_as_documented, 0, N_ROWS(good_rows));
	tcase_add_loop_test(tests, a_wrong_argument_is_named, 0, N_ROWS(bad_rows));
	tcase_add_loop_test(tests, the_session_s_zone_is_heeded, 0, N_ROWS(zone_rows));
	tcase_add_loop_test(tests, the_bounded_twins_answer_as_sqlite_does, 0, N_ROWS(twins));
	tcase_add_test(tests, wildcards_agree_with_sqlite_on_random_patterns);
	tcase_add_test(tests, widths_and_sets_are_bounded);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
