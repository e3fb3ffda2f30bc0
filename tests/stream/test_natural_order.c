/* The order of names: total, and as people count. */
#include "stream/natural_order.h"

#include "tests/run.h"

#include <stdlib.h>
#include <string.h>

static int sign(int x)
{
	return (x > 0) - (x < 0);
}

START_TEST(names_stand_in_this_order)
{
	static const char *const names[] = {
		"",
		"-1",
		"0",
		"00",
		"001",
		"01",
		"1",
		"2",
		"10",
		"18446744073709551617",
		"18446744073709551618",
		"File-3",
		"a",
		"a.json",
		"a/10",
		"a0",
		"a00",
		"a01",
		"a1",
		"a01b1",
		"a1b1",
		"a1b2",
		"a1b10",
		"file-0",
		"file-1",
		"file-1.gz",
		"file-02",
		"file-2.json",
		"file-3",
		"file-10",
		"file-10.json",
		"file.json",
		"log.2016-07-26.9",
		"log.2016-07-26.10",
		"log.2016-10-01.1",
		"\x7f",
		"\x80",
		"\xff",
	};
	const size_t n = sizeof(names) / sizeof(names[0]);
	size_t i;
	size_t j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++)
			ck_assert_msg(sign(natural_order_compare(names[i], names[j])) ==
					      sign((int)i - (int)j),
				"%s and %s", names[i], names[j]);
	}
}
END_TEST

static const char *random_name(char name[8])
{
	static const char bytes[] = "0019ab./";
	int len = rand() % 7;
	int i;

	for (i = 0; i < len; i++)
		name[i] = bytes[rand() % 8];
	name[len] = '\0';
	return name;
}

START_TEST(the_order_is_antisymmetric_and_transitive)
{
	char a[8];
	char b[8];
	char c[8];
	int i;

	srand(7);
	for (i = 0; i < 50000; i++) {
		random_name(a);
		random_name(b);
		random_name(c);
		ck_assert_int_eq(
			sign(natural_order_compare(a, b)), -sign(natural_order_compare(b, a)));
		ck_assert_int_eq(natural_order_compare(a, b) == 0, strcmp(a, b) == 0);
		if (natural_order_compare(a, b) <= 0 && natural_order_compare(b, c) <= 0)
			ck_assert_msg(natural_order_compare(a, c) <= 0, "%s %s %s", a, b, c);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("natural_order");
	TCase *tc = tcase_create("natural_order");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, names_stand_in_this_order);
	tcase_add_test(tc, the_order_is_antisymmetric_and_transitive);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
