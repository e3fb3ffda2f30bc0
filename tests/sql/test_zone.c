/* Zones: offsets against the C library's, the way back, footers, and files that lie. */
#include "sql/zone.h"
#include "base/file.h"
#include "sql/zone_rule.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct zone *load(const char *name)
{
	struct err err = ERR_INIT;
	struct zone *zone = NULL;

	ck_assert_msg(zone_new(&zone, name, &err) == 0, "%s", err.text);
	return zone;
}

static const char *const names[] = {"America/Los_Angeles", "Asia/Kolkata", "Asia/Kathmandu",
	"Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia",
	"Africa/Casablanca", "America/Sao_Paulo", "Asia/Tehran", "America/Scoresbysund",
	"Etc/GMT+5"};

START_TEST(offsets_agree_with_the_c_library)
{
	struct zone *zone = load(names[_i]);

	setenv("TZ", names[_i], 1);
	tzset();
	/* A step of 13 days and some, from 1850 to 2150, meets every rule. */
	for (int64_t t = INT64_C(-3786825600); t < INT64_C(5680281600); t += 1131077) {
		time_t instant = (time_t)t;
		struct tm local;
		struct zone_offset offset = zone_at(zone, t);

		localtime_r(&instant, &local);
		ck_assert_msg(offset.seconds == local.tm_gmtoff, "%s at %lld: %d, not %ld",
			names[_i], (long long)t, offset.seconds, local.tm_gmtoff);
		ck_assert_str_eq(offset.abbreviation, local.tm_zone);
	}
	zone_unref(zone);
}
END_TEST

START_TEST(local_midnights_lead_back_to_their_first_moment)
{
	struct zone *zone = load(names[_i]);

	for (int64_t day = -25000; day < 40000; day++) {
		int64_t utc = zone_to_utc(zone, day * 86400);
		int64_t shown = utc + zone_at(zone, utc).seconds;
		int64_t before = utc - 1 + zone_at(zone, utc - 1).seconds;

		/* Exactly midnight, or the first moment behind a skipped one. */
		ck_assert_msg(shown >= day * 86400 && before < day * 86400 + 86400, "%s day %lld",
			names[_i], (long long)day);
		if (shown != day * 86400)
			ck_assert_msg(
				before < day * 86400, "%s day %lld", names[_i], (long long)day);
	}
	zone_unref(zone);
}
END_TEST

START_TEST(a_skipped_and_a_doubled_hour_have_one_answer)
{
	struct zone *zone = load("America/Los_Angeles");

	/* 2016-03-13 02:30 does not exist: the skip is at 10:00Z. */
	ck_assert_int_eq(zone_to_utc(zone, 1457836200), 1457863200);
	/* 2016-11-06 01:30 happens twice: the first is in daylight saving time. */
	ck_assert_int_eq(zone_to_utc(zone, 1478395800), 1478395800 + 7 * 3600);
	zone_unref(zone);
	/* Sao Paulo's clocks went from 23:59:59 to 01:00 on 2016-10-16. */
	zone = load("America/Sao_Paulo");
	ck_assert_int_eq(zone_to_utc(zone, 1476576000), 1476576000 + 3 * 3600);
	zone_unref(zone);
}
END_TEST

static const struct {
	const char *name, *shown;
	int32_t seconds;
} fixed_rows[] = {
	{"UTC", "UTC", 0},
	{"utc", "UTC", 0},
	{"gmt", "GMT", 0},
	{"Z", "Z", 0},
	{"+05:30", "+05:30", 19800},
	{"+0530", "+05:30", 19800},
	{"-07", "-07:00", -25200},
	{"+18:00", "+18:00", 64800},
	{"-18", "-18:00", -64800},
	{"+00:00", "Z", 0},
	{"-0000", "Z", 0},
};

START_TEST(utc_and_offsets_need_no_file)
{
	struct err err = ERR_INIT;
	struct zone *zone = NULL;

	ck_assert_int_eq(zone_new_from(&zone, "/nonexistent", fixed_rows[_i].name, &err), 0);
	ck_assert_str_eq(zone_name(zone), fixed_rows[_i].shown);
	ck_assert_int_eq(zone_at(zone, 1469501107).seconds, fixed_rows[_i].seconds);
	ck_assert_int_eq(zone_to_utc(zone, 0), -fixed_rows[_i].seconds);
	zone_unref(zone);
}
END_TEST

static const char *const unknown[] = {"", "Nowhere/Town", "../../etc/passwd", "/etc/localtime",
	"Europe/../Europe/Paris", "zone.tab", "Europe", "Europe/", "Europe//Paris", "+19:00", "+5",
	"+1:30", "+05:60", "+18:01", "+05:3", "+05300", "+-5:00", "+05:", "+0 5", "Europe/Paris ",
	"tzdata\nzi", "leapseconds",
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};

START_TEST(an_unknown_zone_is_named)
{
	struct err err = ERR_INIT;
	struct zone *zone = NULL;

	ck_assert_msg(
		zone_new(&zone, unknown[_i], &err) == ERR_CONFIG, "'%s' is taken", unknown[_i]);
	ck_assert_ptr_null(zone);
	ck_assert(err.text[0] != '\0');
}
END_TEST

START_TEST(the_environment_does_not_matter)
{
	struct zone *zone;

	setenv("TZ", "America/New_York", 1);
	setenv("TZDIR", "/nonexistent", 1);
	tzset();
	zone = load("Asia/Kathmandu");
	ck_assert_int_eq(zone_at(zone, 1469501107).seconds, 20700);
	zone_unref(zone);
}
END_TEST

static const struct {
	const char *rule;
	bool is_good;
} rule_rows[] = {
	{"PST8PDT,M3.2.0,M11.1.0", true},
	{"<+0545>-5:45", true},
	{"IST-1GMT0,M10.5.0,M3.5.0/1", true},
	{"EET-2EEST,M3.4.4/50,M10.4.4/50", true},
	{"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", true},
	{"XXX3YYY,J60/2:30:15,J300", true},
	{"XXX3YYY2:30,59,299/167", true},
	{"UTC0", true},
	{"", false},
	{"P8", false},
	{"PST", false},
	{"PST8PDT", false},
	{"PST8PDT,M3.2.0", false},
	{"PST8PDT,M13.2.0,M11.1.0", false},
	{"PST8PDT,M3.6.0,M11.1.0", false},
	{"PST8PDT,M3.2.7,M11.1.0", false},
	{"PST8PDT,J0,J5", false},
	{"PST8PDT,1,366", false},
	{"PST25PDT,1,2", false},
	{"PST8PDT,1,2x", false},
	{"<PST8", false},
	{"PST8PDT,1/168,2", false},
	{"ABCDEFGHIJKLMNOPQ8", false},
};

START_TEST(footers_are_read_strictly)
{
	struct zone_rule rule;
	const char *text = rule_rows[_i].rule;

	ck_assert_msg(
		zone_rule_parse(&rule, text, strlen(text)) == rule_rows[_i].is_good, "%s", text);
}
END_TEST

START_TEST(day_rules_count_leap_days_as_they_say)
{
	struct zone_rule rule;
	const char *text = "XXX0YYY,J60/0,59/0";

	/* In 2016 J60 is 1 March and day 59 is 29 February: saving lasts from March round to
	 * February. */
	ck_assert(zone_rule_parse(&rule, text, strlen(text)));
	ck_assert(!zone_rule_is_dst(&rule, 1456790399));
	ck_assert(zone_rule_is_dst(&rule, 1456790400));
	ck_assert(zone_rule_is_dst(&rule, 1456700400 - 3600));
	ck_assert(!zone_rule_is_dst(&rule, 1456704000));
}
END_TEST

/* A TZif file cut or changed anywhere loads or is refused, and never harms. */
START_TEST(a_broken_file_is_refused_or_harmless)
{
	struct err err = ERR_INIT;
	struct buf bytes = {0};
	char directory[] = "/tmp/test_zone.XXXXXX";
	char path[64];
	struct zone *zone;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/Zone", directory);
	ck_assert_int_eq(
		file_read_all("/usr/share/zoneinfo/Europe/Dublin", 1 << 20, &bytes, &err), 0);
	for (size_t i = 0; i < bytes.len; i += i < 3000 ? 7 : 1) {
		char old = bytes.data[i];

		bytes.data[i] = (char)(old ^ (char)(1 << i % 8));
		ck_assert_int_eq(file_replace(path, bytes.data, bytes.len, 0600, &err), 0);
		bytes.data[i] = old;
		if (zone_new_from(&zone, directory, "Zone", &err) != 0)
			continue;
		for (int64_t t = INT64_C(-4000000000); t < INT64_C(5000000000); t += 77777777)
			(void)zone_to_utc(zone, t);
		zone_unref(zone);
	}
	for (size_t len = 0; len < bytes.len; len += 13) {
		ck_assert_int_eq(file_replace(path, bytes.data, len, 0600, &err), 0);
		ck_assert_int_eq(zone_new_from(&zone, directory, "Zone", &err), ERR_CONFIG);
	}
	buf_fini(&bytes);
	(void)unlink(path);
	(void)rmdir(directory);
}
END_TEST

#define N_ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("zone");
	TCase *tests = tcase_create("zones");

	tcase_set_timeout(tests, 600);
	tcase_add_loop_test(tests, offsets_agree_with_the_c_library, 0, N_ROWS(names));
	tcase_add_loop_test(
		tests, local_midnights_lead_back_to_their_first_moment, 0, N_ROWS(names));
	tcase_add_test(tests, a_skipped_and_a_doubled_hour_have_one_answer);
	tcase_add_loop_test(tests, utc_and_offsets_need_no_file, 0, N_ROWS(fixed_rows));
	tcase_add_loop_test(tests, an_unknown_zone_is_named, 0, N_ROWS(unknown));
	tcase_add_test(tests, the_environment_does_not_matter);
	tcase_add_loop_test(tests, footers_are_read_strictly, 0, N_ROWS(rule_rows));
	tcase_add_test(tests, day_rules_count_leap_days_as_they_say);
	tcase_add_test(tests, a_broken_file_is_refused_or_harmless);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
