/* Durations and sizes, row by row. */
#include "base/quantity.h"
#include "base/timestamp.h"
#include "tests/run.h"

#include <string.h>

static const struct {
	const char *text;
	int64_t us;
} good_durations[] = {
	{"1 hour", US_PER_HOUR},
	{"90 seconds", 90 * US_PER_S},
	{"1 day 12 hours", 36 * US_PER_HOUR},
	{"250 milliseconds", 250 * US_PER_MS},
	{"2 weeks", 14 * US_PER_DAY},
	{"1 microsecond", 1},
	{"0 seconds", 0},
	{"interval 5 minutes", 300 * US_PER_S},
	{"INTERVAL 1 HOUR", US_PER_HOUR},
	{"1 Hours", US_PER_HOUR},
	{" 1   hour ", US_PER_HOUR},
	{"-15 minutes", -900 * US_PER_S},
	{"+15 minutes", 900 * US_PER_S},
	{"1 day -2 hours", 22 * US_PER_HOUR},
	{"1.5 seconds", 1500000},
	{"-0.000001 seconds", -1},
	{"9223372036854775807 microseconds", INT64_MAX},
};

START_TEST(a_duration_is_read_as_spark_reads_it)
{
	struct err err = ERR_INIT;
	int64_t us = 42;

	ck_assert_msg(duration_parse(good_durations[_i].text, &us, &err) == 0, "%s", err.text);
	ck_assert_int_eq(us, good_durations[_i].us);
}
END_TEST

static const struct {
	const char *text;
	const char *sentence; /* part of it */
} bad_durations[] = {
	{"", "a number and a unit"},
	{"interval", "a number and a unit"},
	{"hour", "a number and a unit"},
	{"1", "a blank and a unit"},
	{"1h", "a blank and a unit"},
	{"90m", "a blank and a unit"},
	{"1 h", "units are"},
	{"1 ", "units are"},
	{"1 fortnight", "units are"},
	{"1 month", "months and years"},
	{"2 years", "months and years"},
	{"1 hour, 2 minutes", "a number and a unit"},
	{"1.5 hours", "only seconds"},
	{"1. seconds", "behind the point"},
	{"1.0000001 seconds", "behind the point"},
	{"- 1 hour", "a number and a unit"},
	{"1 hour 2", "a blank and a unit"},
	{"9223372036854775808 microseconds", "too large"},
	{"9223372036855 seconds", "292,000 years"},
	{"106751991 days 1 day", "292,000 years"},
};

START_TEST(a_text_that_is_no_duration_is_refused_with_what_is_wrong)
{
	struct err err = ERR_INIT;
	int64_t us = 42;

	ck_assert_int_eq(duration_parse(bad_durations[_i].text, &us, &err), ERR_INVALID);
	ck_assert_msg(strstr(err.text, bad_durations[_i].sentence) != NULL, "%s: %s",
		bad_durations[_i].text, err.text);
	ck_assert_int_eq(us, 42);
}
END_TEST

static const struct {
	int64_t us;
	const char *text;
} written_durations[] = {
	{0, "0 seconds"},
	{US_PER_HOUR, "1 hour"},
	{36 * US_PER_HOUR, "1 day 12 hours"},
	{90 * US_PER_S, "1 minute 30 seconds"},
	{7 * US_PER_DAY, "7 days"},
	{-900 * US_PER_S, "-15 minutes"},
	{-90 * US_PER_S, "-1 minute -30 seconds"},
	{1500001, "1 second 500 milliseconds 1 microsecond"},
	{INT64_MAX, "106751991 days 4 hours 54 seconds 775 milliseconds 807 microseconds"},
	{INT64_MIN, "-106751991 days -4 hours -54 seconds -775 milliseconds -808 microseconds"},
};

START_TEST(a_duration_is_written_so_that_it_reads_back)
{
	char text[DURATION_TEXT_BYTES];
	struct err err = ERR_INIT;
	int64_t us = 42;

	ck_assert_uint_eq(duration_format(written_durations[_i].us, text), strlen(text));
	ck_assert_str_eq(text, written_durations[_i].text);
	ck_assert_int_eq(duration_parse(text, &us, &err), 0);
	ck_assert_int_eq(us, written_durations[_i].us);
}
END_TEST

static const struct {
	const char *text;
	int64_t bytes;
} good_sizes[] = {
	{"0", 0},
	{"1000000", 1000000},
	{"16 MiB", 16 << 20},
	{"16MiB", 16 << 20},
	{"1 GiB", INT64_C(1) << 30},
	{"3 KiB", 3072},
	{"3 KB", 3000},
	{"2 MB", 2000000},
	{"1 GB", 1000000000},
	{" 256 mib ", 256 << 20},
	{"9223372036854775807", INT64_MAX},
};

START_TEST(a_size_is_read_in_bytes_and_with_units)
{
	struct err err = ERR_INIT;
	int64_t bytes = 42;

	ck_assert_msg(size_parse(good_sizes[_i].text, &bytes, &err) == 0, "%s", err.text);
	ck_assert_int_eq(bytes, good_sizes[_i].bytes);
}
END_TEST

static const char *const bad_sizes[] = {
	"",
	"MiB",
	"-1",
	"1.5 MiB",
	"1 M",
	"1 TB",
	"1 MiB x",
	"1 1",
	"0x10",
	"9223372036854775808",
	"8589934592 GiB",
};

START_TEST(a_text_that_is_no_size_is_refused)
{
	struct err err = ERR_INIT;
	int64_t bytes = 42;

	ck_assert_int_eq(size_parse(bad_sizes[_i], &bytes, &err), ERR_INVALID);
	ck_assert(strstr(err.text, "size") != NULL);
	ck_assert_int_eq(bytes, 42);
}
END_TEST

static const struct {
	int64_t bytes;
	const char *text;
} written_sizes[] = {
	{0, "0"},
	{1000, "1000"},
	{1024, "1 KiB"},
	{256 << 20, "256 MiB"},
	{INT64_C(1) << 30, "1 GiB"},
	{(INT64_C(1) << 30) + 1024, "1048577 KiB"},
	{INT64_MAX, "9223372036854775807"},
};

START_TEST(a_size_is_written_with_the_largest_unit_that_divides_it)
{
	char text[DURATION_TEXT_BYTES];
	struct err err = ERR_INIT;
	int64_t bytes = 42;

	ck_assert_uint_eq(size_format(written_sizes[_i].bytes, text), strlen(text));
	ck_assert_str_eq(text, written_sizes[_i].text);
	ck_assert_int_eq(size_parse(text, &bytes, &err), 0);
	ck_assert_int_eq(bytes, written_sizes[_i].bytes);
}
END_TEST

#define N(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

int main(void)
{
	Suite *suite = suite_create("quantity");
	TCase *tcase = tcase_create("quantity");

	tcase_add_loop_test(tcase, a_duration_is_read_as_spark_reads_it, 0, N(good_durations));
	tcase_add_loop_test(tcase, a_text_that_is_no_duration_is_refused_with_what_is_wrong, 0,
		N(bad_durations));
	tcase_add_loop_test(
		tcase, a_duration_is_written_so_that_it_reads_back, 0, N(written_durations));
	tcase_add_loop_test(tcase, a_size_is_read_in_bytes_and_with_units, 0, N(good_sizes));
	tcase_add_loop_test(tcase, a_text_that_is_no_size_is_refused, 0, N(bad_sizes));
	tcase_add_loop_test(tcase, a_size_is_written_with_the_largest_unit_that_divides_it, 0,
		N(written_sizes));
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
