/* Date patterns: the table of SEMANTICS §7 and Java's own answers, row by row. */
#include "sql/date_pattern.h"
#include "tests/run.h"
#include "tests/sql/date_vectors.h"

#include <string.h>

#define SAMPLE_US INT64_C(1469501107123456) /* 2016-07-26T02:45:07.123456Z */

static void print(struct buf *out, const char *pattern_text, int64_t us, const char *zone_text)
{
	struct err err = ERR_INIT;
	struct date_pattern *pattern = NULL;
	struct zone *zone = NULL;

	ck_assert_msg(date_pattern_new(&pattern, pattern_text, strlen(pattern_text), &err) == 0,
		"%s", err.text);
	ck_assert_msg(zone_new(&zone, zone_text, &err) == 0, "%s", err.text);
	date_pattern_print(pattern, us, zone, out);
	buf_add_char(out, '\0');
	ck_assert(buf_ok(out));
	zone_unref(zone);
	date_pattern_free(pattern);
}

static void assert_prints(const char *pattern, int64_t us, const char *zone, const char *expected)
{
	struct buf out = {0};

	print(&out, pattern, us, zone);
	ck_assert_msg(strcmp(out.data, expected) == 0, "%s in %s: '%s', not '%s'", pattern, zone,
		out.data, expected);
	buf_fini(&out);
}

static const struct {
	const char *pattern, *utc, *los_angeles;
} sample_rows[] = {
	{"y yy yyyy", "2016 16 2016", "2016 16 2016"},
	{"yyy yyyyy yyyyyy", "2016 02016 002016", "2016 02016 002016"},
	{"M MM MMM MMMM", "7 07 Jul July", "7 07 Jul July"},
	{"L LL LLL LLLL", "7 07 Jul July", "7 07 Jul July"},
	{"d dd", "26 26", "25 25"},
	{"D DD DDD", "208 208 208", "207 207 207"},
	{"Q QQ QQQ QQQQ", "3 03 Q3 3rd quarter", "3 03 Q3 3rd quarter"},
	{"q qq qqq qqqq", "3 03 Q3 3rd quarter", "3 03 Q3 3rd quarter"},
	{"E EE EEE EEEE", "Tue Tue Tue Tuesday", "Mon Mon Mon Monday"},
	{"G GG GGG GGGG", "AD AD AD Anno Domini", "AD AD AD Anno Domini"},
	{"F", "5", "4"},
	{"a", "AM", "PM"},
	{"h hh", "2 02", "7 07"},
	{"K KK", "2 02", "7 07"},
	{"k kk", "2 02", "19 19"},
	{"H HH", "2 02", "19 19"},
	{"m mm s ss", "45 45 7 07", "45 45 7 07"},
	{"S SS SSS SSSSSSSSS", "1 12 123 123456000", "1 12 123 123456000"},
	{"VV", "UTC", "America/Los_Angeles"},
	{"z zz zzz", "UTC UTC UTC", "PDT PDT PDT"},
	{"zzzz", "Coordinated Universal Time", "Pacific Daylight Time"},
	{"O OOOO", "GMT GMT", "GMT-7 GMT-07:00"},
	{"X XX XXX XXXX XXXXX", "Z Z Z Z Z", "-07 -0700 -07:00 -0700 -07:00"},
	{"x xx xxx xxxx xxxxx", "+00 +0000 +00:00 +0000 +00:00", "-07 -0700 -07:00 -0700 -07:00"},
	{"Z ZZ ZZZ ZZZZ ZZZZZ", "+0000 +0000 +0000 GMT Z", "-0700 -0700 -0700 GMT-07:00 -07:00"},
	{"'it''s' ''yyyy'' 'o''''clock'", "it's '2016' o''clock", "it's '2016' o''clock"},
	{"yyyy[-MM][[-dd]]", "2016-07-26", "2016-07-25"},
	{"[yyyy", "2016", "2016"},
	{"/ , : - _ \\ ~ ½ \n.0@", "/ , : - _ \\ ~ ½ \n.0@", "/ , : - _ \\ ~ ½ \n.0@"},
	{"yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX", "2016-07-26T02:45:07.123456Z",
		"2016-07-25T19:45:07.123456-07:00"},
	{"", "", ""},
};

START_TEST(the_sample_instant_prints_as_documented)
{
	assert_prints(sample_rows[_i].pattern, SAMPLE_US, "UTC", sample_rows[_i].utc);
	assert_prints(sample_rows[_i].pattern, SAMPLE_US, "America/Los_Angeles",
		sample_rows[_i].los_angeles);
}
END_TEST

START_TEST(the_golden_vectors_of_the_notebook_hold)
{
	const int64_t four_o_clock = INT64_C(1469505600000000);

	assert_prints("MMM-dd HH:mm", four_o_clock, "UTC", "Jul-26 04:00");
	assert_prints("MMM-dd HH:mm", four_o_clock, "America/Los_Angeles", "Jul-25 21:00");
	assert_prints("MMM-dd HH:mm", four_o_clock, "Asia/Kolkata", "Jul-26 09:30");
	assert_prints("MMM-dd HH:mm", four_o_clock, "Asia/Kathmandu", "Jul-26 09:45");
	assert_prints("MMM-dd HH:mm", four_o_clock - INT64_C(3600000000), "UTC", "Jul-26 03:00");
}
END_TEST

START_TEST(every_letter_prints_what_java_prints)
{
	assert_prints(VECTOR_PATTERN, vectors[_i].us, vectors[_i].zone, vectors[_i].text);
}
END_TEST

static const struct {
	int64_t seconds;
	const char *with_era, *without;
} far_rows[] = {
	{1469501107000, "AD 48536 36 48536 +48536 48536 Anno Domini",
		"48536 36 48536 +48536 48536 048536"},
	{-70000000000, "BC 250 50 250 0250 00250 Before Christ",
		"-249 49 -249 -0249 -00249 -000249"},
	{-62198755200, "BC 2 02 002 0002 00002 Before Christ", "-1 01 -001 -0001 -00001 -000001"},
	{253402300800, "AD 10000 00 10000 +10000 10000 Anno Domini",
		"10000 00 10000 +10000 10000 010000"},
	{2534023008000, "AD 82269 69 82269 +82269 82269 Anno Domini",
		"82269 69 82269 +82269 82269 082269"},
	{-62167219201, "BC 2 02 002 0002 00002 Before Christ", "-1 01 -001 -0001 -00001 -000001"},
};

START_TEST(years_count_within_the_era_only_beside_an_era)
{
	assert_prints("G y yy yyy yyyy yyyyy GGGG", far_rows[_i].seconds * 1000000, "UTC",
		far_rows[_i].with_era);
	assert_prints("y yy yyy yyyy yyyyy yyyyyy", far_rows[_i].seconds * 1000000, "UTC",
		far_rows[_i].without);
}
END_TEST

static const char *const refused[] = {
	"Y",
	"YYYY",
	"w",
	"W",
	"u",
	"uuuu",
	"e",
	"c",
	"A",
	"B",
	"n",
	"N",
	"p",
	"ppH",
	"g",
	"v",
	"b",
	"f",
	"i",
	"j",
	"l",
	"o",
	"r",
	"t",
	"C",
	"I",
	"J",
	"P",
	"R",
	"T",
	"U",
	"ddd",
	"HHH",
	"hhh",
	"KKK",
	"kkk",
	"mmm",
	"sss",
	"DDDD",
	"aa",
	"FF",
	"MMMMM",
	"LLLLL",
	"QQQQQ",
	"qqqqq",
	"EEEEE",
	"GGGGG",
	"yyyyyyy",
	"SSSSSSSSSS",
	"V",
	"VVV",
	"VVVV",
	"zzzzz",
	"OO",
	"OOO",
	"OOOOO",
	"XXXXXX",
	"xxxxxx",
	"ZZZZZZ",
	"]",
	"[yyyy]]",
	"{",
	"}",
	"yyyy#MM",
	"'open",
	"yyyy'",
	"'a''",
	"'''",
	"yyyy-MM-ddTHH:mm",
};

START_TEST(a_wrong_pattern_is_named)
{
	struct err err = ERR_INIT;
	struct date_pattern *pattern = NULL;
	int status = date_pattern_new(&pattern, refused[_i], strlen(refused[_i]), &err);

	ck_assert_msg(status == ERR_INVALID, "%s is taken", refused[_i]);
	ck_assert_msg(strstr(err.text, refused[_i]) != NULL, "%s", err.text);
	ck_assert_ptr_null(pattern);
}
END_TEST

START_TEST(a_long_pattern_is_refused)
{
	static char text[DATE_PATTERN_MAX_BYTES + 1];
	struct err err = ERR_INIT;
	struct date_pattern *pattern = NULL;

	memset(text, '-', sizeof(text));
	ck_assert_int_eq(date_pattern_new(&pattern, text, sizeof(text), &err), ERR_LIMIT);
	ck_assert_int_eq(date_pattern_new(&pattern, text, sizeof(text) - 1, &err), 0);
	date_pattern_free(pattern);
}
END_TEST

#define N_ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

int main(void)
{
	Suite *suite = suite_create("date_format");
	TCase *tests = tcase_create("patterns");

	tcase_add_loop_test(tests, the_sample_instant_prints_as_documented, 0, N_ROWS(sample_rows));
	tcase_add_test(tests, the_golden_vectors_of_the_notebook_hold);
	tcase_add_loop_test(tests, every_letter_prints_what_java_prints, 0, N_ROWS(vectors));
	tcase_add_loop_test(
		tests, years_count_within_the_era_only_beside_an_era, 0, N_ROWS(far_rows));
	tcase_add_loop_test(tests, a_wrong_pattern_is_named, 0, N_ROWS(refused));
	tcase_add_test(tests, a_long_pattern_is_refused);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
