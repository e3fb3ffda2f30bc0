/* Exact decimals: the floor, row by row. */
#include "base/decimal.h"
#include "tests/run.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *text;
	int shift;
	int64_t result;
} fitting_rows[] = {
	{"0", 0, 0},
	{"-0", 6, 0},
	{"0.000", 6, 0},
	{"-0e999999999999999999999", 6, 0},
	{"1469501107", 6, 1469501107000000},
	{"1469501107.5", 6, 1469501107500000},
	{"1469501107.1234567", 6, 1469501107123456},
	{"-1.5", 0, -2},
	{"-1.0", 0, -1},
	{"1.9", 0, 1},
	{"-0.0000001", 6, -1},
	{"0.0000001", 6, 0},
	{"1e9", 0, 1000000000},
	{"1E+3", 0, 1000},
	{"1500e-3", 0, 1},
	{"-1500e-3", 0, -2},
	{"0.0015e3", 0, 1},
	{"0.00000000000000000000000000000001e32", 0, 1},
	{"100000000000000000000000e-23", 0, 1},
	{"12.34e1", 0, 123},
	{"12.34e1", 1, 1234},
	{"12.34e1", 3, 123400},
	{"12345", -3, 12},
	{"-12345", -3, -13},
	{"-12000", -3, -12},
	{"-12000.000", -3, -12},
	{"-12000.001", -3, -13},
	{"1e-99999999999999999999999999", 6, 0},
	{"-1e-99999999999999999999999999", 6, -1},
	{"9223372036854775807", 0, INT64_MAX},
	{"-9223372036854775808", 0, INT64_MIN},
	{"9223372036854775807.999", 0, INT64_MAX},
	{"9.223372036854775807e18", 0, INT64_MAX},
	{"-9223372036854775807.5", 0, INT64_MIN},
	{"0.9223372036854775807", 19, INT64_MAX},
};

START_TEST(a_number_is_floored_exactly)
{
	const char *text = fitting_rows[_i].text;
	int64_t result = 42;

	ck_assert_msg(
		decimal_floor(text, strlen(text), fitting_rows[_i].shift, &result), "%s", text);
	ck_assert_msg(result == fitting_rows[_i].result, "%s: %lld", text, (long long)result);
}
END_TEST

static const struct {
	const char *text;
	int shift;
} large_rows[] = {
	{"9223372036854775808", 0},
	{"-9223372036854775809", 0},
	{"-9223372036854775808.1", 0},
	{"18446744073709551616", 0},
	{"99999999999999999999", 0},
	{"1e19", 0},
	{"1e18", 1},
	{"9223372036855", 6},
	{"1e99999999999999999999999999", 0},
	{"-1e400", 0},
	{"100000000000000000000000000000000000000", 0},
	{"0.1e21", 0},
};

START_TEST(a_number_that_does_not_fit_is_refused_and_never_wraps)
{
	const char *text = large_rows[_i].text;
	int64_t result = 42;

	ck_assert_msg(
		!decimal_floor(text, strlen(text), large_rows[_i].shift, &result), "%s", text);
	ck_assert_int_eq(result, 42);
}
END_TEST

START_TEST(a_number_of_a_million_digits_is_exact)
{
	enum { DIGITS = 1000000 };
	char *text = malloc(DIGITS + 20);
	int64_t result = 42;

	ck_assert_ptr_nonnull(text);
	memset(text, '0', DIGITS + 20);
	text[0] = '-';
	text[1] = '1';
	text[2] = '.';
	ck_assert(decimal_floor(text, DIGITS, 0, &result));
	ck_assert_int_eq(result, -1);
	text[DIGITS - 1] = '1';
	ck_assert(decimal_floor(text, DIGITS, 0, &result));
	ck_assert_int_eq(result, -2);
	text[2] = '0';
	memcpy(text + DIGITS, "e-999998", 8);
	ck_assert(decimal_floor(text, DIGITS + 8, 0, &result));
	ck_assert_int_eq(result, -2);
	free(text);
}
END_TEST

#define N(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

int main(void)
{
	Suite *suite = suite_create("decimal");
	TCase *tcase = tcase_create("decimal");

	tcase_add_loop_test(tcase, a_number_is_floored_exactly, 0, N(fitting_rows));
	tcase_add_loop_test(
		tcase, a_number_that_does_not_fit_is_refused_and_never_wraps, 0, N(large_rows));
	tcase_add_test(tcase, a_number_of_a_million_digits_is_exact);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
