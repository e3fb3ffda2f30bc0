/* What PostgreSQL's people and tools type, and what SQLite is given for it. */
#include "daemon/pg_dialect.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *in, *out;
} rows[] = {
	{"select 1", "select 1"},
	{"select $1, $12", "select ?1 AS \"$1\", ?12 AS \"$12\""},
	{"select '5'::int as n", "select pg_int('5') as n"},
	{"select '5'::int n", "select pg_int('5') n"},
	{"select '5'::int", "select pg_int('5') AS \"'5'::int\""},
	{"where a.b::text", "where CAST(a.b AS TEXT)"},
	{"select count(*)::float8 / 2, 3",
		"select pg_float(count(*)) / 2 AS \"count(*)::float8 / 2\", 3"},
	{"where (1 + 2)::double precision, 3", "where pg_float((1 + 2)), 3"},
	{"where '7'::int::text", "where CAST(pg_int('7') AS TEXT)"},
	{"where x::varchar(10)", "where CAST(x AS TEXT)"},
	{"where x::numeric(10, 2)[]", "where CAST(x AS TEXT)"},
	{"where $1::timestamp without time zone", "where to_timestamp(?1)"},
	{"where 'counts'::pg_catalog.regclass", "where pg_regclass('counts')"},
	{"where current_setting('server_version_num')::int/100",
		"where pg_int(current_setting('server_version_num'))/100"},
	{"select 'a::int', \"b::int\" -- c::int", "select 'a::int', \"b::int\" -- c::int"},
	{"select /* x::int /* nested */ */ 1", "select /* x::int /* nested */ */ 1"},
	{"where cast(x as int) + cast((a) as pg_catalog.float8) + cast(y as text)",
		"where pg_int(x ) + pg_float((a) ) + cast(y as text)"},
	{"where cast(cast(x as timestamp) as integer)", "where pg_int(to_timestamp(x ) )"},
	{"where n.nspname !~ '^pg_'", "where n.nspname  NOT REGEXP  '^pg_'"},
	{"where c.relname OPERATOR(pg_catalog.~) '^(counts)$' COLLATE pg_catalog.default and 1",
		"where c.relname  REGEXP  '^(counts)$'  and 1"},
	{"select ~5", "select ~5"},
	{"select * from pg_catalog.pg_class", "select * from pg_class"},
	{"select * from public.counts", "select * from counts"},
	{"select * from information_schema.tables", "select * from information_schema_tables"},
	{"where extract(epoch from window_start)", "where pg_extract('epoch' , window_start)"},
	{"where extract(epoch from max(a))::int", "where pg_int(pg_extract('epoch' , max(a)))"},
	{"where date_part('hour', a)", "where pg_extract('hour', a)"},
	{"where now()", "where (CURRENT_TIMESTAMP)"},
	{"where now()::text, 1", "where CAST((CURRENT_TIMESTAMP) AS TEXT), 1"},
	{"select now (1), now", "select now (1), now"},
	{"where timestamp '2016-07-26 02:00:00', date'2016-07-26'",
		"where to_timestamp( '2016-07-26 02:00:00'), pg_date('2016-07-26')"},
	{"select timestamp, date from t", "select timestamp, date from t"},
	{"where now() - interval '1 hour'",
		"where pg_interval((CURRENT_TIMESTAMP) , -1,  '1 hour')"},
	{"where a.b + interval '3' day - interval '1 hour'",
		"where pg_interval(pg_interval(a.b , 1,  '3' || ' day')  , -1,  '1 hour')"},
	{"where timestamp '2016-07-26' + '1 day'::interval",
		"where pg_interval(to_timestamp( '2016-07-26') , 1, '1 day')"},
	{"select interval, a from interval", "select interval, a from interval"},
	{"where a = any($1) and b <> all ('{1}'::int[])",
		"where a  IN  (SELECT value FROM json_each(pg_array(?1))) and b  NOT IN   (SELECT "
		"value FROM json_each(pg_array(CAST('{1}' AS TEXT))))"},
	{"where a = any (array['x', 'y']) and b = some(select 1)",
		"where a  IN   ('x', 'y') and b  IN  (select 1)"},
	{"where a = any(array['x']::text[])", "where a  IN  ('x')"},
	{"select x from (values (1, 2)) as s(x, y)",
		"select x from (WITH \"a list\"(x, y) AS (values (1, 2)) SELECT * FROM \"a list\") "
		"as s"},
	{"from (select 1, (2)) s (\"x\", y)",
		"from (WITH \"a list\"(\"x\", y) AS (select 1, (2)) SELECT * FROM \"a list\") s "},
	{"from (select 1) s join t using (a)", "from (select 1) s join t using (a)"},
	{"select E'a\\n\\'b\\x41' x", "select 'a\n''bA' x"},
	{"select a is distinct from b::text, case when 1 then now() end from c",
		"select a is distinct from CAST(b AS TEXT) AS \"a is distinct from b::text\", case "
		"when 1 then (CURRENT_TIMESTAMP) end from c"},
	{"with a as (select now()) select distinct x::int, y union select 1",
		"with a as (select (CURRENT_TIMESTAMP)) select distinct pg_int(x) AS \"x::int\", y "
		"union select 1"},
	{"select \"a\"::int", "select pg_int(\"a\") AS \"\"\"a\"\"::int\""},
	{"where $$it's$$, $t$a$$b$t$", "where 'it''s', 'a$$b'"},
	{"where current_user, current_user()", "where pg_current_user(), current_user()"},
	{"where a ilike 'x%'", "where a LIKE 'x%'"},
	{"where a like 'x\\_%' or b ilike 'y\\' escape 'z'",
		"where a like 'x\\_%' ESCAPE '\\' or b LIKE 'y\\' escape 'z'"},
	{"where a like pg_catalog.lower('x\\_%')", "where a like lower('x\\_%') ESCAPE '\\'"},
	{"where (f(x))[2] = (y)[1]", "where pg_element((f(x)), 2) = pg_element((y), 1)"},
	{"where a in (select s[i] from generate_series(1, f(current_setting('search_path'))) i, s)",
		"where a in (SELECT 'public')"},
	{"select * from generate_series(1, 2)", "select * from generate_series(1, 2)"},
	{"where x'00ff'::text", "where CAST(x'00ff' AS TEXT)"},
	{"where bool_or(a > 1)", "where max(a > 1)"},
	{"where 1.5e3::int", "where pg_int(1.5e3)"},
	{"where string_agg(a, ',') > strpos(b, 'c')", "where group_concat(a, ',') > instr(b, 'c')"},
	{" table counts", " SELECT * FROM counts"},
	{"SELECT pubname, count(a, b) AS \"An n\", x.y as z, 1 FROM pg_catalog.pg_publication p",
		"SELECT NULL AS \"pubname\", NULL AS \"An n\", NULL AS \"z\", NULL AS \"?column?\" "
		"WHERE 0"},
	{"where a || array(select x from (y)), 2", "where a || NULL, 2"},
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

START_TEST(what_sqlite_cannot_say_is_refused_by_name)
{
	static const char *const texts[] = {"select interval '1 hour'", "select '1 hour'::interval",
		"select 2 * interval '1 hour'", "select array[1, 2]", "select 1 < any (array[1])",
		"select 1 = all ('{1}')"};
	struct buf out = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_translate(texts[_i], strlen(texts[_i]), &out, &err), ERR_SQL);
	ck_assert_ptr_nonnull(strstr(err.text, "not supported"));
	buf_fini(&out);
}
END_TEST

/* The loop translates, so what a client sends must not make it think for long. */
START_TEST(translating_takes_time_in_proportion)
{
	static const struct {
		const char *part, *closing;
	} parts[] = {{"1::int,", ""}, {"(", ")"}, {"1::int::int", ""}, {"a=any(", ")"},
		{"now()-interval '1 day'-", ""}, {"(select ", ")"}, {"cast(", " as int)"},
		{"case ", ""}, {"\"", ""}, {"x,", ""}, {"a~", ""}, {"~", ""}, {"!~* ", ""},
		{"like.", ""}, {"like f(", ")"}, {"like (", ")"}, {"array(", ")"},
		{"extract(day from ", ")"}, {"generate_series(", ")"}, {"operator(", ")"}};
	struct buf in = {0}, out = {0};
	struct err err = ERR_INIT;
	size_t n = 0;

	buf_add_text(&in, "select ");
	for (; in.len < 600000; n++)
		buf_add_text(&in, parts[_i].part);
	while (n-- > 0)
		buf_add_text(&in, parts[_i].closing);
	(void)!pg_translate(in.data, in.len, &out, &err);
	buf_fini(&in);
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
	tcase_add_loop_test(tcase, what_sqlite_cannot_say_is_refused_by_name, 0, 6);
	tcase_add_loop_test(tcase, translating_takes_time_in_proportion, 0, 20);
	tcase_add_test(tcase, any_cut_of_any_statement_is_survived);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}
