/* The arithmetic of windows, buckets, the watermark and retention. */
#include "stream/watermark.h"
#include "stream/window.h"

#include "base/timestamp.h"
#include "tests/run.h"

#define MINUTE (INT64_C(60) * US_PER_S)
#define T      (INT64_C(1469501107) * US_PER_S) /* 2016-07-26 02:45:07 */

static const struct {
	int64_t time_us, size_us, slide_us, offset_us;
	const char *starts; /* newest first, separated by commas */
} rows[] = {
	{T, US_PER_HOUR, US_PER_HOUR, 0, "2016-07-26 02:00:00"},
	{-1, US_PER_HOUR, US_PER_HOUR, 0, "1969-12-31 23:00:00"},
	{-3600 * US_PER_S, US_PER_HOUR, US_PER_HOUR, 0, "1969-12-31 23:00:00"},
	{-3600 * US_PER_S - 1, US_PER_HOUR, US_PER_HOUR, 0, "1969-12-31 22:00:00"},
	{0, US_PER_HOUR, US_PER_HOUR, 0, "1970-01-01 00:00:00"},
	{T, US_PER_HOUR, US_PER_HOUR, 15 * MINUTE, "2016-07-26 02:15:00"},
	{T, US_PER_HOUR, US_PER_HOUR, -15 * MINUTE, "2016-07-26 02:45:00"},
	{T, US_PER_HOUR, 30 * MINUTE, 0, "2016-07-26 02:30:00,2016-07-26 02:00:00"},
	{T, 7 * US_PER_DAY, 7 * US_PER_DAY, 0, "2016-07-21 00:00:00"},
	{T, US_PER_DAY, US_PER_DAY, 0, "2016-07-26 00:00:00"},
	/* A slide that does not divide the size: three windows or two, by where the time lies. */
	{20 * MINUTE, 10 * MINUTE, 4 * MINUTE, 0,
		"1970-01-01 00:20:00,1970-01-01 00:16:00,1970-01-01 00:12:00"},
	{22 * MINUTE, 10 * MINUTE, 4 * MINUTE, 0, "1970-01-01 00:20:00,1970-01-01 00:16:00"},
	{-2 * MINUTE, 10 * MINUTE, 4 * MINUTE, 3 * MINUTE,
		"1969-12-31 23:55:00,1969-12-31 23:51:00"},
	{TIMESTAMP_MAX_US, US_PER_HOUR, US_PER_HOUR, 0, "9999-12-31 23:00:00"},
	{TIMESTAMP_MIN_US, US_PER_HOUR, US_PER_HOUR, 1, "0000-12-31 23:00:00.000001"},
	{T + 250000, 100000, 100000, 0, "2016-07-26 02:45:07.2"},
};

START_TEST(an_event_lies_in_the_windows_that_the_rules_give)
{
	struct window_rule rule = {rows[_i].size_us, rows[_i].slide_us, rows[_i].offset_us};
	char starts[4 * TIMESTAMP_TEXT_BYTES] = "";
	size_t len = 0;

	for (int64_t start = window_newest(&rule, rows[_i].time_us);
		window_contains(&rule, start, rows[_i].time_us); start -= rule.slide_us) {
		if (len > 0)
			starts[len++] = ',';
		ck_assert_int_le(start, rows[_i].time_us);
		len += timestamp_format(start, starts + len);
	}
	ck_assert_str_eq(starts, rows[_i].starts);
}
END_TEST

START_TEST(windows_agree_with_a_search_by_trying_every_start)
{
	for (int64_t size = 1; size <= 12; size++) {
		for (int64_t slide = 1; slide <= size; slide++) {
			for (int64_t offset = 1 - slide; offset < slide; offset++) {
				struct window_rule rule = {size, slide, offset};

				for (int64_t t = -30; t <= 30; t++) {
					int64_t start = window_newest(&rule, t);

					for (int64_t k = 60; k >= -60; k--) {
						int64_t expected = offset + k * slide;

						if (expected > t || t >= expected + size)
							continue;
						ck_assert(window_contains(&rule, start, t));
						ck_assert_int_eq(start, expected);
						start -= slide;
					}
					ck_assert(!window_contains(&rule, start, t));
				}
			}
		}
	}
}
END_TEST

static struct query_spec fixed(int64_t size_us, int64_t slide_us, int64_t offset_us)
{
	return (struct query_spec){
		.window_us = size_us, .slide_us = slide_us, .start_offset_us = offset_us};
}

START_TEST(a_bucket_divides_every_boundary_of_all_queries)
{
	struct query_spec hour = fixed(60, 60, 0);
	struct query_spec shifted = fixed(60, 60, -25);
	struct query_spec sliding = fixed(90, 40, 0);
	struct query_spec session = {.session_us = 7};

	ck_assert_int_eq(window_bucket(0, &hour), 60);
	ck_assert_int_eq(window_bucket(0, &shifted), 5);
	ck_assert_int_eq(window_bucket(0, &sliding), 10);
	ck_assert_int_eq(window_bucket(window_bucket(0, &sliding), &hour), 10);
	ck_assert_int_eq(window_bucket(window_bucket(0, &sliding), &shifted), 5);
	ck_assert_int_eq(window_bucket(60, &session), 1);
}
END_TEST

START_TEST(the_watermark_is_floored_to_milliseconds_and_never_goes_back)
{
	ck_assert_int_eq(watermark_next(0, INT64_MIN, 5), 0);
	ck_assert_int_eq(watermark_next(0, 20001999, 10 * US_PER_S), 10001000);
	ck_assert_int_eq(watermark_next(10001000, 15 * US_PER_S, 10 * US_PER_S), 10001000);
	ck_assert_int_eq(watermark_next(0, -1, 0), 0);
	ck_assert_int_eq(watermark_next(7, 20 * US_PER_S, -1), 7);
	ck_assert_int_eq(watermark_next(0, 2999, 0), 2000);
}
END_TEST

START_TEST(retention_moves_with_the_newest_event_also_before_1970)
{
	ck_assert_int_eq(retention_next(INT64_MIN, INT64_MIN, 5), INT64_MIN);
	ck_assert_int_eq(retention_next(INT64_MIN, -100, 5), -105);
	ck_assert_int_eq(retention_next(-105, -200, 5), -105);
	ck_assert_int_eq(retention_next(INT64_MIN, 100, -1), INT64_MIN);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("window");
	TCase *tcase = tcase_create("window");

	tcase_add_loop_test(tcase, an_event_lies_in_the_windows_that_the_rules_give, 0,
		(int)(sizeof(rows) / sizeof(*rows)));
	tcase_add_test(tcase, windows_agree_with_a_search_by_trying_every_start);
	tcase_add_test(tcase, a_bucket_divides_every_boundary_of_all_queries);
	tcase_add_test(tcase, the_watermark_is_floored_to_milliseconds_and_never_goes_back);
	tcase_add_test(tcase, retention_moves_with_the_newest_event_also_before_1970);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
