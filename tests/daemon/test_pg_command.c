/* Commands that clients send, in the spellings they use, and the settings behind SET and SHOW. */
#include "daemon/pg_command.h"
#include "daemon/pg_error.h"
#include "daemon/pg_settings.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *text;
	enum pg_command_kind kind;
	const char *name, *value;
	int64_t n_rows;
} rows[] = {
	{"", PG_COMMAND_NONE, "", "", 0},
	{" -- nothing\n ;", PG_COMMAND_NONE, "", "", 0},
	{"select 1", PG_COMMAND_QUERY, "", "", 0},
	{"with a as (select 1) select * from a", PG_COMMAND_QUERY, "", "", 0},
	{"BEGIN", PG_COMMAND_BEGIN, "", "", 0},
	{"begin transaction isolation level repeatable read read only;", PG_COMMAND_BEGIN, "", "",
		0},
	{"START TRANSACTION READ ONLY", PG_COMMAND_BEGIN, "", "", 0},
	{"commit", PG_COMMAND_COMMIT, "", "", 0},
	{"END", PG_COMMAND_COMMIT, "", "", 0},
	{"rollback", PG_COMMAND_ROLLBACK, "", "", 0},
	{"ABORT", PG_COMMAND_ROLLBACK, "", "", 0},
	{"ROLLBACK TO SAVEPOINT s1", PG_COMMAND_ROLLBACK_TO, "s1", "", 0},
	{"SAVEPOINT \"My Point\"", PG_COMMAND_SAVEPOINT, "My Point", "", 0},
	{"release savepoint s1", PG_COMMAND_RELEASE, "s1", "", 0},
	{"SET extra_float_digits = 3", PG_COMMAND_SET, "extra_float_digits", "3", 0},
	{"set session application_name to 'it''s'", PG_COMMAND_SET, "application_name", "it's", 0},
	{"SET TIME ZONE 'Europe/Berlin'", PG_COMMAND_SET, "timezone", "Europe/Berlin", 0},
	{"SET search_path = a, b", PG_COMMAND_SET, "search_path", "a,b", 0},
	{"SET my.setting TO 5", PG_COMMAND_SET, "my.setting", "5", 0},
	{"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", PG_COMMAND_SET, "transaction", "",
		0},
	{"SHOW server_version;", PG_COMMAND_SHOW, "server_version", "", 0},
	{"SHOW TRANSACTION ISOLATION LEVEL", PG_COMMAND_SHOW, "transaction_isolation", "", 0},
	{"show all", PG_COMMAND_SHOW, "", "", 0},
	{"RESET ALL", PG_COMMAND_RESET, "", "", 0},
	{"DISCARD ALL", PG_COMMAND_DISCARD, "", "", 0},
	{"DEALLOCATE PREPARE p1", PG_COMMAND_DEALLOCATE, "p1", "", 0},
	{"listen Counts", PG_COMMAND_LISTEN, "counts", "", 0},
	{"UNLISTEN *", PG_COMMAND_UNLISTEN, "", "", 0},
	{"FETCH FORWARD 100 FROM c", PG_COMMAND_FETCH, "c", "", 100},
	{"FETCH ALL IN \"c\"", PG_COMMAND_FETCH, "c", "", INT64_MAX},
	{"fetch c", PG_COMMAND_FETCH, "c", "", 1},
	{"fetch 0 from c", PG_COMMAND_FETCH, "c", "", 0},
	{"fetch next in c", PG_COMMAND_FETCH, "c", "", 1},
	{"fetch forward all from c", PG_COMMAND_FETCH, "c", "", INT64_MAX},
	{"FETCH BACKWARD FROM c", PG_COMMAND_FETCH, "c", "", -1},
	{"fetch backward 3 c", PG_COMMAND_FETCH, "c", "", -3},
	{"fetch backward all in c", PG_COMMAND_FETCH, "c", "", -INT64_MAX},
	{"fetch -2 from c", PG_COMMAND_FETCH, "c", "", -2},
	{"fetch forward -2 from c", PG_COMMAND_FETCH, "c", "", -2},
	{"fetch backward -2 from c", PG_COMMAND_FETCH, "c", "", 2},
	{"fetch prior c", PG_COMMAND_FETCH, "c", "", -1},
	{"fetch last from c", PG_COMMAND_FETCH, "c", "", -1},
	{"fetch backward", PG_COMMAND_FETCH, "backward", "", 1},
	{"fetch 2 from next;", PG_COMMAND_FETCH, "next", "", 2},
	{"fetch absolute 3 from c", PG_COMMAND_UNSUPPORTED, "FETCH absolute", "", 1},
	{"fetch first", PG_COMMAND_FETCH, "first", "", 1},
	{"CLOSE c", PG_COMMAND_CLOSE, "c", "", 0},
	{"COPY counts FROM STDIN", PG_COMMAND_UNSUPPORTED, "COPY other than TO STDOUT", "", 0},
	{"EXPLAIN ANALYZE select 1", PG_COMMAND_UNSUPPORTED,
		"EXPLAIN other than EXPLAIN QUERY PLAN", "", 0},
	{"explain (analyze, buffers) select 1", PG_COMMAND_UNSUPPORTED,
		"EXPLAIN other than EXPLAIN QUERY PLAN", "", 0},
	{"EXPLAIN QUERY PLAN select 1", PG_COMMAND_QUERY, "", "", 0},
	{"EXPLAIN select 1", PG_COMMAND_QUERY, "", "", 0},
	{"PREPARE p AS select 1", PG_COMMAND_UNSUPPORTED, "prepare", "", 0},
};

START_TEST(a_command_is_recognised)
{
	struct pg_command command;

	pg_command_parse(rows[_i].text, strlen(rows[_i].text), &command);
	ck_assert_int_eq(command.kind, rows[_i].kind);
	ck_assert_str_eq(command.name, rows[_i].name);
	ck_assert_str_eq(command.value, rows[_i].value);
	ck_assert_int_eq(command.n_rows, rows[_i].n_rows);
}
END_TEST

START_TEST(a_cursor_keeps_its_select)
{
	static const char text[] =
		"DECLARE c NO SCROLL CURSOR WITHOUT HOLD FOR select * from counts ;";
	struct pg_command command;

	pg_command_parse(text, strlen(text), &command);
	ck_assert_int_eq(command.kind, PG_COMMAND_DECLARE);
	ck_assert_str_eq(command.name, "c");
	ck_assert_uint_eq(command.rest_len, strlen("select * from counts"));
	ck_assert_mem_eq(command.rest, "select * from counts", command.rest_len);
}
END_TEST

START_TEST(copy_takes_a_select_or_a_table_and_its_options)
{
	static const char asyncpg[] =
		"COPY (select 1) TO STDOUT WITH (FORMAT 'csv', HEADER True, ENCODING 'utf-8')";
	static const char delimited[] = "copy counts to stdout (delimiter ';')";
	static const char select[] =
		"COPY (select (1), 'to') TO STDOUT WITH (FORMAT csv, HEADER true)";
	static const char table[] = "copy counts to stdout csv";
	struct pg_command command;

	pg_command_parse(select, strlen(select), &command);
	ck_assert_int_eq(command.kind, PG_COMMAND_COPY);
	ck_assert_mem_eq(command.rest, "select (1), 'to'", command.rest_len);
	ck_assert_uint_eq(command.rest_len, strlen("select (1), 'to'"));
	ck_assert(command.is_csv && command.has_header && !command.is_table);
	pg_command_parse(table, strlen(table), &command);
	ck_assert(command.is_table && command.is_csv && !command.has_header);
	pg_command_parse(asyncpg, strlen(asyncpg), &command);
	ck_assert(command.kind == PG_COMMAND_COPY && command.is_csv && command.has_header);
	pg_command_parse(delimited, strlen(delimited), &command);
	ck_assert_int_eq(command.kind, PG_COMMAND_UNSUPPORTED);
	ck_assert_str_eq(command.name, "COPY with delimiter");
	ck_assert_uint_eq(command.rest_len, strlen("counts"));
}
END_TEST

START_TEST(any_cut_of_a_command_is_survived)
{
	struct pg_command command;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t n = 0; n <= strlen(rows[i].text); n++)
			pg_command_parse(rows[i].text, n, &command);
}
END_TEST

START_TEST(a_setting_is_kept_shown_and_reset)
{
	struct pg_settings settings = {0};
	struct err err = ERR_INIT;

	ck_assert_str_eq(pg_settings_get(&settings, "DATESTYLE"), "ISO, MDY");
	ck_assert_int_eq(pg_settings_set(&settings, "application_name", "test", &err), 0);
	ck_assert_str_eq(pg_settings_get(&settings, "Application_Name"), "test");
	ck_assert_int_eq(pg_settings_set(&settings, "server_version", "9", &err), ERR_DENIED);
	ck_assert_int_eq(
		pg_settings_set(&settings, "client_encoding", "LATIN1", &err), ERR_INVALID);
	ck_assert_int_eq(pg_settings_set(&settings, "datestyle", "German", &err), ERR_INVALID);
	ck_assert_int_eq(pg_settings_set(&settings, "datestyle", "iso,dmy", &err), 0);
	ck_assert_str_eq(pg_settings_get(&settings, "DateStyle"), "ISO, DMY");
	ck_assert_int_eq(pg_settings_set(&settings, "datestyle", "ISO", &err), 0);
	ck_assert_str_eq(pg_settings_get(&settings, "DateStyle"), "ISO, MDY");
	ck_assert_ptr_null(pg_settings_get(&settings, "nosuch"));
	pg_settings_reset(&settings, NULL);
	ck_assert_str_eq(pg_settings_get(&settings, "application_name"), "");
}
END_TEST

START_TEST(settings_are_bounded)
{
	struct pg_settings settings = {0};
	struct err err = ERR_INIT;
	char name[32];
	int rc = 0;

	for (int i = 0; i < 1000 && rc == 0; i++) {
		snprintf(name, sizeof(name), "my.setting%d", i);
		rc = pg_settings_set(&settings, name, "1", &err);
	}
	ck_assert_int_eq(rc, ERR_LIMIT);
}
END_TEST

static const struct {
	int code;
	const char *sentence, *state;
} states[] = {
	{ERR_SQL, "near \"selec\": syntax error", "42601"},
	{ERR_SQL, "no such table: nosuch", "42P01"},
	{ERR_SQL, "no such column: nosuch", "42703"},
	{ERR_SQL, "no such function: nosuch", "42883"},
	{ERR_DENIED, "tallyd is read-only: INSERT into counts", "42501"},
	{ERR_INTERRUPTED, "interrupted", "57014"},
	{ERR_LIMIT, "too much", "53400"},
	{ERR_INVALID, "invalid input syntax for type bigint: \"x\"", "22P02"},
};

START_TEST(mistakes_have_the_sqlstates_of_postgresql)
{
	struct err err = {.code = states[_i].code};

	snprintf(err.text, sizeof(err.text), "%s", states[_i].sentence);
	ck_assert_str_eq(pg_state_of(&err), states[_i].state);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_command");
	TCase *tcase = tcase_create("core");
	SRunner *runner = srunner_create(suite);
	int n_failed;

	tcase_add_loop_test(
		tcase, a_command_is_recognised, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tcase, a_cursor_keeps_its_select);
	tcase_add_test(tcase, copy_takes_a_select_or_a_table_and_its_options);
	tcase_add_test(tcase, any_cut_of_a_command_is_survived);
	tcase_add_test(tcase, a_setting_is_kept_shown_and_reset);
	tcase_add_test(tcase, settings_are_bounded);
	tcase_add_loop_test(tcase, mistakes_have_the_sqlstates_of_postgresql, 0,
		(int)(sizeof(states) / sizeof(states[0])));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}
