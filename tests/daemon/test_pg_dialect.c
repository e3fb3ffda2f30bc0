/* What PostgreSQL's people and tools type, and what SQLite is given for it. */
#include "daemon/pg_dialect.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *in, *out;
} rows[] = {
	{"select 1", "select 1"},
	{"select $1, $12", "select ?1, ?12"},
	{"select '5'::int", "select CAST(pg_int('5') AS INTEGER)"},
	{"select a.b::text", "select CAST(a.b AS TEXT)"},
	{"select count(*)::float8 / 2", "select CAST(count(*) AS REAL) / 2"},
	{"select (1 + 2)::double precision, 3", "select CAST((1 + 2) AS REAL), 3"},
	{"select '7'::int::text", "select CAST(CAST(pg_int('7') AS INTEGER) AS TEXT)"},
	{"select x::varchar(10)", "select CAST(x AS TEXT)"},
	{"select $1::timestamp without time zone", "select to_timestamp(?1)"},
	{"select 'counts'::pg_catalog.regclass", "select CAST(pg_regclass('counts') AS INTEGER)"},
	{"select current_setting('server_version_num')::int/100",
		"select CAST(pg_int(current_setting('server_version_num')) AS INTEGER)/100"},
	{"select 'a::int', \"b::int\" -- c::int", "select 'a::int', \"b::int\" -- c::int"},
	{"select /* x::int /* nested */ */ 1", "select /* x::int /* nested */ */ 1"},
	{"where n.nspname !~ '^pg_'", "where n.nspname  NOT REGEXP  '^pg_'"},
	{"where c.relname OPERATOR(pg_catalog.~) '^(counts)$' COLLATE pg_catalog.default and 1",
		"where c.relname  REGEXP  '^(counts)$'  and 1"},
	{"select ~5", "select ~5"},
	{"select * from pg_catalog.pg_class", "select * from pg_class"},
	{"select * from public.counts", "select * from counts"},
	{"select * from information_schema.tables", "select * from information_schema_tables"},
	{"select extract(epoch from window_start)",
		"select CAST(pg_extract('epoch' , window_start) AS REAL)"},
	{"select extract(epoch from max(a))::int",
		"select CAST(pg_int(CAST(pg_extract('epoch' , max(a)) AS REAL)) AS INTEGER)"},
	{"select now()", "select (CURRENT_TIMESTAMP)"},
	{"select now()::text, 1", "select CAST((CURRENT_TIMESTAMP) AS TEXT), 1"},
	{"select now (1), now", "select now (1), now"},
	{"select timestamp '2016-07-26 02:00:00', date'2016-07-26'",
		"select to_timestamp( '2016-07-26 02:00:00'), pg_date('2016-07-26')"},
	{"select timestamp, date from t", "select timestamp, date from t"},
	{"select E'a\\n\\'b\\x41'", "select 'a\n''bA'"},
	{"select $$it's$$, $t$a$$b$t$", "select 'it''s', 'a$$b'"},
	{"select current_user, current_user()", "select pg_current_user(), current_user()"},
	{"select a ilike 'x%'", "select a LIKE 'x%'"},
	{"select 1.5e3::int", "select CAST(pg_int(1.5e3) AS INTEGER)"},
	{"SELECT pubname FROM pg_catalog.pg_publication p", "SELECT NULL AS none WHERE 0"},
	{"select a || array(select x from (y)), 2", "select a || NULL, 2"},
};

START_TEST(a_statement_is_translated)
{
	struct buf out = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_translate(rows[_i].in, strlen(rows[_i].in), &out, &err), 0);
	buf_add_char(&out, '\0');
	ck_assert_str_eq(out.data, rows[_i].out);
	buf_fini(&out);
}
END_TEST

START_TEST(an_error_offset_points_into_the_original)
{
	static const char text[] = "select '5'::int, nosuch from counts";
	struct buf out = {0};
	struct err err = ERR_INIT;
	const char *found;

	ck_assert_int_eq(pg_translate(text, strlen(text), &out, &err), 0);
	buf_add_char(&out, '\0');
	found = strstr(out.data, "nosuch");
	ck_assert_uint_eq(pg_translate_offset(text, strlen(text), (size_t)(found - out.data)),
		(size_t)(strstr(text, "nosuch") - text));
	buf_fini(&out);
}
END_TEST

static const struct {
	const char *text;
	size_t n;
	bool is_empty;
} cuts[] = {
	{"select 1; select 2", 9, false},
	{"select ';' ; x", 12, false},
	{"select $$;$$; x", 13, false},
	{" -- only;\n ; x", 12, true},
	{"select 1", 8, false},
	{"", 0, true},
};

START_TEST(statements_are_cut_at_semicolons_outside_quotes)
{
	bool is_empty;

	ck_assert_uint_eq(
		pg_statement_length(cuts[_i].text, strlen(cuts[_i].text), &is_empty), cuts[_i].n);
	ck_assert_int_eq(is_empty, cuts[_i].is_empty);
}
END_TEST

START_TEST(unclosed_quotes_are_refused)
{
	static const char *const texts[] = {
		"select 'a", "select \"a", "select /* a", "select $$a", "select E'a\\'"};
	struct buf out = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_translate(texts[_i], strlen(texts[_i]), &out, &err), ERR_INVALID);
	buf_fini(&out);
}
END_TEST

START_TEST(any_cut_of_any_statement_is_survived)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t n = 0; n < strlen(rows[i].in); n++)
			for (size_t from = 0; from < n; from += 3) {
				struct buf out = {0};

				(void)!pg_translate(rows[i].in + from, n - from, &out, &err);
				buf_fini(&out);
			}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_dialect");
	TCase *tcase = tcase_create("core");
	SRunner *runner = srunner_create(suite);
	int n_failed;

	tcase_add_loop_test(
		tcase, a_statement_is_translated, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tcase, an_error_offset_points_into_the_original);
	tcase_add_loop_test(tcase, statements_are_cut_at_semicolons_outside_quotes, 0, 6);
	tcase_add_loop_test(tcase, unclosed_quotes_are_refused, 0, 5);
	tcase_add_test(tcase, any_cut_of_any_statement_is_survived);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}
