/* Thresholds of monitoring plugins, and dot-commands' words. */
#include "client/range.h"
#include "client/words.h"
#include "tests/run.h"

#include <stdio.h>
#include <string.h>

START_TEST(ranges_alert_where_the_guidelines_say)
{
	static const struct {
		const char *text;
		double value;
		bool alerts;
	} rows[] = {
		{"10", -0.1, true},
		{"10", 0, false},
		{"10", 10, false},
		{"10", 10.1, true},
		{"10:", 9, true},
		{"10:", 10, false},
		{"10:", 1e9, false},
		{"~:10", -1e9, false},
		{"~:10", 10, false},
		{"~:10", 11, true},
		{"10:20", 9, true},
		{"10:20", 15, false},
		{"10:20", 21, true},
		{"@10:20", 9, false},
		{"@10:20", 10, true},
		{"@10:20", 20, true},
		{"@10:20", 21, false},
		{"-5:-1", -3, false},
		{"-5:-1", 0, true},
		{"1.5:2.5", 2, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct range range;

		ck_assert_msg(range_parse(rows[i].text, &range), "%s", rows[i].text);
		ck_assert_msg(range_alerts(&range, rows[i].value) == rows[i].alerts, "%s at %g",
			rows[i].text, rows[i].value);
	}
}
END_TEST

START_TEST(what_is_no_range_is_refused)
{
	static const char *const bad[] = {
		"", "@", "x", "1x", "20:10", "1:2:3", "~", "nan", "inf", "1e999", " 1", "0x10"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct range range;

		ck_assert_msg(!range_parse(bad[i], &range), "%s", bad[i]);
	}
}
END_TEST

START_TEST(words_are_split_as_the_shell_splits_them)
{
	static const char line[] = ".a 'b c' \"d\\te\" f\\101g ''  \"x\\\"y\" last";
	static const char *const expected[] = {"a", "b c", "d\te", "fAg", "", "x\"y", "last"};
	struct words words;

	ck_assert(words_split(&words, line));
	ck_assert_int_eq(words.n, 7);
	for (int i = 0; i < 7; i++)
		ck_assert_str_eq(words.word[i], expected[i]);
	ck_assert_ptr_null(words.word[7]);
	ck_assert_str_eq(words.from[1], "'b c' \"d\\te\" f\\101g ''  \"x\\\"y\" last");
	words_fini(&words);
}
END_TEST

START_TEST(more_words_than_there_is_room_for_are_left_out)
{
	char line[1000] = ".";
	struct words words;

	for (int i = 0; i < 100; i++)
		strcat(line, "x ");
	ck_assert(words_split(&words, line));
	ck_assert_int_eq(words.n, WORDS_MAX);
	words_fini(&words);
}
END_TEST

START_TEST(numbers_have_units)
{
	ck_assert_int_eq(words_integer("12"), 12);
	ck_assert_int_eq(words_integer("-12"), -12);
	ck_assert_int_eq(words_integer("0x1f"), 31);
	ck_assert_int_eq(words_integer("2KiB"), 2048);
	ck_assert_int_eq(words_integer("2k"), 2000);
	ck_assert_int_eq(words_integer("3x"), 3);
	ck_assert_int_eq(words_boolean("yes"), 1);
	ck_assert_int_eq(words_boolean("OFF"), 0);
	ck_assert_int_eq(words_boolean("2"), 2);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("range");
	TCase *tcase = tcase_create("words");

	tcase_add_test(tcase, ranges_alert_where_the_guidelines_say);
	tcase_add_test(tcase, what_is_no_range_is_refused);
	tcase_add_test(tcase, words_are_split_as_the_shell_splits_them);
	tcase_add_test(tcase, more_words_than_there_is_room_for_are_left_out);
	tcase_add_test(tcase, numbers_have_units);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
