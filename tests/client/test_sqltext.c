/* Where statements end, which parameters they name, what a line leaves open. */
#include "client/sqltext.h"
#include "tests/run.h"

#include <string.h>

START_TEST(a_statement_ends_at_its_semicolon_outside_strings_and_comments)
{
	static const struct {
		const char *sql;
		size_t len;
	} rows[] = {
		{"select 1; select 2", 9},
		{"select ';'; x", 11},
		{"select \";\"; x", 11},
		{"select [;]; x", 11},
		{"select `;`; x", 11},
		{"select -- ;\n1; x", 14},
		{"select /* ; */ 1; x", 17},
		{"select 'it''s;'; x", 16},
		{"select 1", 8},
		{"select 'open; x", 15},
		{"select /* open; x", 17},
		{";; select 1; x", 12},
		{"", 0},
		{"create temp trigger t after insert on x begin select 1; select 2; end; x", 70},
		{"explain create trigger t after insert on x begin select 1; end; x", 63},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(sql_statement_length(rows[i].sql) == rows[i].len, "%s: %zu",
			rows[i].sql, sql_statement_length(rows[i].sql));
}
END_TEST

START_TEST(blanks_comments_and_semicolons_are_no_statement)
{
	static const char *const empty[] = {"", " \n\t", ";", "; ;", "-- x", "/* x */ ;", "-- x\n"};
	static const char *const full[] = {"1", "-- x\n1", "/* x */ select", "'x'"};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		ck_assert_msg(sql_is_empty(empty[i], strlen(empty[i])), "%s", empty[i]);
	for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++)
		ck_assert_msg(!sql_is_empty(full[i], strlen(full[i])), "%s", full[i]);
}
END_TEST

START_TEST(an_explain_is_told_from_a_query_plan)
{
	ck_assert_int_eq(sql_explain_of("select 1", 8), SQL_RUN);
	ck_assert_int_eq(sql_explain_of(" -- x\n EXPLAIN select 1", 22), SQL_EXPLAIN);
	ck_assert_int_eq(sql_explain_of("explain /**/ query plan select 1", 32), SQL_QUERY_PLAN);
	ck_assert_int_eq(sql_explain_of("explainx", 8), SQL_RUN);
}
END_TEST

START_TEST(parameters_are_found_and_names_with_a_dollar_are_not)
{
	static const struct {
		const char *sql;
		size_t len;
		enum sql_token kind;
	} rows[] = {
		{"?1 x", 2, SQL_PARAMETER},
		{"? x", 1, SQL_PARAMETER},
		{":name,", 5, SQL_PARAMETER},
		{"@a+", 2, SQL_PARAMETER},
		{"$a::b(c) x", 8, SQL_PARAMETER},
		{"a$b x", 3, SQL_WORD},
		{":", 1, SQL_OTHER},
		{": x", 1, SQL_OTHER},
		{"':x'", 4, SQL_OTHER},
		{"äöü x", 6, SQL_WORD},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum sql_token kind;
		size_t len = sql_take_token(rows[i].sql, &kind);

		ck_assert_msg(len == rows[i].len && kind == rows[i].kind, "%s: %zu %d", rows[i].sql,
			len, (int)kind);
	}
}
END_TEST

START_TEST(a_scan_goes_on_over_lines)
{
	struct sql_scan scan = {0};

	sql_scan_line(&scan, "select 'a");
	ck_assert_int_eq(scan.wait, '\'');
	sql_scan_line(&scan, "b; it''s'");
	ck_assert_int_eq(scan.wait, 0);
	ck_assert(scan.has_dark && !scan.ends_in_semicolon);
	sql_scan_line(&scan, "/* c");
	ck_assert_int_eq(scan.wait, '*');
	sql_scan_line(&scan, "; */ ; -- x");
	ck_assert_int_eq(scan.wait, 0);
	ck_assert(scan.ends_in_semicolon);
}
END_TEST

START_TEST(a_slash_or_go_alone_ends_a_statement)
{
	static const char *const yes[] = {"/", " go", "GO ", "/ -- x", "go /* x */"};
	static const char *const no[] = {"//", "gone", "go 1", "x", "", "/;", "/ x"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		ck_assert_msg(sql_is_terminator(yes[i]), "%s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ck_assert_msg(!sql_is_terminator(no[i]), "%s", no[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sqltext");
	TCase *tcase = tcase_create("scans");

	tcase_add_test(tcase, a_statement_ends_at_its_semicolon_outside_strings_and_comments);
	tcase_add_test(tcase, blanks_comments_and_semicolons_are_no_statement);
	tcase_add_test(tcase, an_explain_is_told_from_a_query_plan);
	tcase_add_test(tcase, parameters_are_found_and_names_with_a_dollar_are_not);
	tcase_add_test(tcase, a_scan_goes_on_over_lines);
	tcase_add_test(tcase, a_slash_or_go_alone_ends_a_statement);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
