/* The grammar of times row by row, and the calendar against a count by days. */
#include "base/timestamp.h"
#include "tests/run.h"

#include <string.h>

#define SAMPLE_US INT64_C(1469501107000000) /* 2016-07-26 02:45:07 */

static const struct {
	const char *text;
	int64_t us;
} good_rows[] = {
	{"2016-07-26", 1469491200 * US_PER_S},
	{"2016-07-26T02:45:07", SAMPLE_US},
	{"2016-07-26 02:45:07", SAMPLE_US},
	{"2016-07-26T02:45", SAMPLE_US - 7 * US_PER_S},
	{"2016-7-26T2:45:07", SAMPLE_US},
	{"2016-07-6", 1467763200 * US_PER_S},
	{"2016-07-26T02:45:07Z", SAMPLE_US},
	{"2016-07-26T02:45Z", SAMPLE_US - 7 * US_PER_S},
	{"2016-07-26T04:45:07+02", SAMPLE_US},
	{"2016-07-26T04:45:07+0200", SAMPLE_US},
	{"2016-07-26T04:45:07+02:00", SAMPLE_US},
	{"2016-07-25T21:15:07-05:30", SAMPLE_US},
	{"2016-07-26T20:45:07+18:00", SAMPLE_US},
	{"2016-07-25T08:45:07-18", SAMPLE_US},
	{"2016-07-26Z", 1469491200 * US_PER_S},
	{"2016-07-26+02:00", (1469491200 - 7200) * US_PER_S},
	{"2016-07-26-02", (1469491200 + 7200) * US_PER_S},
	{"2016-07-26T02:45:07.5", SAMPLE_US + 500000},
	{"2016-07-26T02:45:07.123456", SAMPLE_US + 123456},
	{"2016-07-26T02:45:07.1234569", SAMPLE_US + 123456},
	{"2016-07-26T02:45:07.000000999999999999999Z", SAMPLE_US},
	{"1969-12-31T23:59:59.9999999", -1},
	{"1970-01-01", 0},
	{"2000-02-29", INT64_C(951782400) * US_PER_S},
	{"0001-01-01", TIMESTAMP_MIN_US},
	{"9999-12-31T23:59:59.999999", TIMESTAMP_MAX_US},
	{"9999-12-31T23:59:59.9999999", TIMESTAMP_MAX_US},
};

START_TEST(a_time_in_the_grammar_is_read)
{
	int64_t us = 42;

	ck_assert_msg(timestamp_parse(good_rows[_i].text, strlen(good_rows[_i].text), &us), "%s",
		good_rows[_i].text);
	ck_assert_msg(us == good_rows[_i].us, "%s: %lld", good_rows[_i].text, (long long)us);
}
END_TEST

static const char *const bad_rows[] = {
	"",
	"2016",
	"2016-07",
	"16-07-26",
	"02016-07-26",
	"+2016-07-26",
	"-2016-07-26",
	"2016-07-26T",
	"2016-07-26 ",
	"2016-07-26T02",
	"2016-07-26T02:4",
	"2016-07-26T02:45:",
	"2016-07-26T02:45:7",
	"2016-07-26T02:45:07.",
	"2016-07-26T02:45:07.Z",
	"2016-07-26T02:45:07,5",
	"2016-07-26t02:45:07",
	"2016-07-26T02:45:07z",
	"2016-07-26  02:45:07",
	"2016-07-26\t02:45:07",
	"2016-07-26T 02:45:07",
	" 2016-07-26",
	"2016-07-26T02:45:07 ",
	"2016-07-26T02:45:07 Z",
	"2016-07-26 Z",
	"2016-07-26T24:00",
	"2016-07-26T24:00:00",
	"2016-07-26T23:60",
	"2016-07-26T23:59:60",
	"2016-07-26T002:45",
	"2016-007-26",
	"2016-07-026",
	"2016-00-01",
	"2016-13-01",
	"2016-01-00",
	"2016-01-32",
	"2016-04-31",
	"2016-02-30",
	"2015-02-29",
	"1900-02-29",
	"2016-07-26T02:45:07+1",
	"2016-07-26T02:45:07+2:00",
	"2016-07-26T02:45:07+02:",
	"2016-07-26T02:45:07+02:0",
	"2016-07-26T02:45:07+020",
	"2016-07-26T02:45:07+02000",
	"2016-07-26T02:45:07+18:01",
	"2016-07-26T02:45:07-18:01",
	"2016-07-26T02:45:07+19",
	"2016-07-26T02:45:07+02:60",
	"2016-07-26T02:45:07ZZ",
	"2016-07-26T02:45:07UTC",
	"2016/07/26",
	"26-07-2016",
	"2016-07-26T02.45",
	"epoch",
	"now",
	"1469501107",
	"12:34",
	"T12:34:56",
	"0000-01-01",
	"0000-12-31T23:59-02:00",
	"0001-01-01T00:00+00:01",
	"9999-12-31T23:59-00:01",
	"10000-01-01",
	"+10000-01-01",
	"-0001-01-01",
};

START_TEST(a_time_outside_the_grammar_is_refused)
{
	int64_t us = 42;

	ck_assert_msg(
		!timestamp_parse(bad_rows[_i], strlen(bad_rows[_i]), &us), "%s", bad_rows[_i]);
	ck_assert_int_eq(us, 42);
}
END_TEST

START_TEST(a_nul_inside_a_time_is_refused)
{
	int64_t us;

	ck_assert(!timestamp_parse("2016-07-26\0", 11, &us));
	ck_assert(!timestamp_parse("2016-07-26\0Z", 12, &us));
}
END_TEST

static const struct {
	int64_t us;
	const char *text;
} format_rows[] = {
	{SAMPLE_US, "2016-07-26 02:45:07"},
	{SAMPLE_US + 1, "2016-07-26 02:45:07.000001"},
	{SAMPLE_US + 120000, "2016-07-26 02:45:07.12"},
	{0, "1970-01-01 00:00:00"},
	{-1, "1969-12-31 23:59:59.999999"},
	{TIMESTAMP_MIN_US, "0001-01-01 00:00:00"},
	{TIMESTAMP_MIN_US - 1, "0000-12-31 23:59:59.999999"},
	{TIMESTAMP_MIN_US - 366 * US_PER_DAY, "0000-01-01 00:00:00"},
	{TIMESTAMP_MIN_US - 366 * US_PER_DAY - US_PER_S, "-0001-12-31 23:59:59"},
	{TIMESTAMP_MAX_US, "9999-12-31 23:59:59.999999"},
	{TIMESTAMP_MAX_US + 1, "+10000-01-01 00:00:00"},
	{INT64_MAX, "+294247-01-10 04:00:54.775807"},
	{INT64_MIN, "-290308-12-21 19:59:05.224192"},
};

START_TEST(the_canonical_text_is_written_and_read_back)
{
	char text[TIMESTAMP_TEXT_BYTES];
	size_t len = timestamp_format(format_rows[_i].us, text);
	int64_t us = 42;

	ck_assert_str_eq(text, format_rows[_i].text);
	ck_assert_uint_eq(len, strlen(text));
	ck_assert(timestamp_parse_bound(text, len, &us));
	ck_assert_int_eq(us, format_rows[_i].us);
}
END_TEST

#define N(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

START_TEST(texts_of_times_in_any_order_are_the_canonical_ones)
{
	static const int64_t steps[] = {0, 1, -1, US_PER_S, US_PER_HOUR, -US_PER_HOUR,
		US_PER_DAY - 1, US_PER_DAY, -US_PER_DAY, 400 * US_PER_DAY};
	struct timestamp_text text = {0};
	char canonical[TIMESTAMP_TEXT_BYTES];

	for (size_t i = 0; i < N(format_rows); i++) {
		for (size_t k = 0; k < N(steps); k++) {
			int64_t us;

			if (__builtin_add_overflow(format_rows[i].us, steps[k], &us))
				continue;
			timestamp_text_set(&text, us);
			ck_assert_uint_eq(text.len, timestamp_format(us, canonical));
			ck_assert_str_eq(text.text, canonical);
		}
	}
}
END_TEST

static const char *const bad_bounds[] = {
	"+9999-01-01",
	"-0000-01-01",
	"+1000000-01-01",
	"-1-01-01",
	"+294247-01-11",
	"-290309-01-01",
	"+294247-01-10T23:00-05:00",
};

START_TEST(a_bound_that_does_not_fit_or_is_misspelt_is_refused)
{
	int64_t us = 42;

	ck_assert(!timestamp_parse_bound(bad_bounds[_i], strlen(bad_bounds[_i]), &us));
	ck_assert_int_eq(us, 42);
}
END_TEST

START_TEST(every_day_of_twelve_thousand_years_follows_the_one_before)
{
	struct civil civil;
	int64_t day = INT64_C(-800000);
	int64_t year, last_us;
	int month, date;

	civil_from_us(day * US_PER_DAY, &civil);
	year = civil.year;
	month = civil.month;
	date = civil.day;
	for (; day < INT64_C(3600000); day++) {
		last_us = day * US_PER_DAY + US_PER_DAY - 1;
		civil_from_us(last_us, &civil);
		if (civil.year != year || civil.month != month || civil.day != date ||
			civil.hour != 23 || civil.minute != 59 || civil.second != 59 ||
			civil.us != 999999 || civil_to_us(&civil) != last_us)
			ck_abort_msg("day %lld", (long long)day);
		date++;
		if (!civil_is_date(year, month, date)) {
			date = 1;
			month++;
		}
		if (month == 13) {
			month = 1;
			year++;
		}
	}
	ck_assert_int_gt(year, 10000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timestamp");
	TCase *tcase = tcase_create("timestamp");

	tcase_add_loop_test(tcase, a_time_in_the_grammar_is_read, 0, N(good_rows));
	tcase_add_loop_test(tcase, a_time_outside_the_grammar_is_refused, 0, N(bad_rows));
	tcase_add_test(tcase, a_nul_inside_a_time_is_refused);
	tcase_add_loop_test(tcase, the_canonical_text_is_written_and_read_back, 0, N(format_rows));
	tcase_add_test(tcase, texts_of_times_in_any_order_are_the_canonical_ones);
	tcase_add_loop_test(
		tcase, a_bound_that_does_not_fit_or_is_misspelt_is_refused, 0, N(bad_bounds));
	tcase_add_test(tcase, every_day_of_twelve_thousand_years_follows_the_one_before);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
