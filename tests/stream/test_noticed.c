/* The set of noticed names: each once, a bounded number, from several threads. */
#include "stream/noticed.h"

#include "tests/run.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

START_TEST(each_name_is_kept_once_until_it_is_taken)
{
	struct noticed *noticed = noticed_new();
	struct noticed_names names;
	int i;

	ck_assert(noticed_is_empty(noticed));
	for (i = 0; i < 5; i++) {
		noticed_add(noticed, "b");
		noticed_add(noticed, "a");
	}
	ck_assert(!noticed_is_empty(noticed));
	noticed_take(noticed, &names);
	ck_assert_uint_eq(names.n, 2);
	ck_assert(!names.is_all);
	ck_assert_str_eq(names.paths[0], "b");
	ck_assert_str_eq(names.paths[1], "a");
	noticed_names_fini(&names);
	ck_assert(noticed_is_empty(noticed));
	noticed_add(noticed, "a");
	noticed_take(noticed, &names);
	ck_assert_uint_eq(names.n, 1);
	noticed_names_fini(&names);
	noticed_free(noticed);
}
END_TEST

START_TEST(too_many_names_or_none_mean_anything)
{
	struct noticed *noticed = noticed_new();
	struct noticed_names names;
	char name[16];
	int i;

	for (i = 0; i <= NOTICED_MAX_NAMES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		noticed_add(noticed, name);
	}
	noticed_take(noticed, &names);
	ck_assert(names.is_all);
	ck_assert_uint_eq(names.n, 0);
	noticed_add(noticed, "a");
	noticed_add(noticed, NULL);
	noticed_add(noticed, "b");
	noticed_take(noticed, &names);
	ck_assert(names.is_all);
	noticed_add(noticed, "b");
	noticed_take(noticed, &names);
	ck_assert(!names.is_all);
	ck_assert_uint_eq(names.n, 1);
	noticed_names_fini(&names);
	noticed_free(noticed);
}
END_TEST

static void *add_many(void *context)
{
	char name[16];
	int i;

	for (i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "%d", i);
		noticed_add(context, name);
	}
	return NULL;
}

START_TEST(threads_add_and_take_together)
{
	struct noticed *noticed = noticed_new();
	struct noticed_names names;
	pthread_t threads[3];
	bool is_seen[2000] = {false};
	size_t n_seen = 0;
	int number;
	size_t i;

	for (i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, noticed), 0);
	for (i = 0; i < 3; i++) {
		noticed_take(noticed, &names);
		for (size_t j = 0; j < names.n; j++) {
			ck_assert_int_eq(sscanf(names.paths[j], "%d", &number), 1);
			n_seen += !is_seen[number];
			is_seen[number] = true;
		}
		noticed_names_fini(&names);
		if (i < 2)
			ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	}
	ck_assert_int_eq(pthread_join(threads[2], NULL), 0);
	noticed_take(noticed, &names);
	for (i = 0; i < names.n; i++) {
		ck_assert_int_eq(sscanf(names.paths[i], "%d", &number), 1);
		n_seen += !is_seen[number];
		is_seen[number] = true;
	}
	noticed_names_fini(&names);
	ck_assert_uint_eq(n_seen, 2000);
	noticed_free(noticed);
}
END_TEST

START_TEST(it_is_right_after_very_many_rounds)
{
	struct noticed *noticed = noticed_new();
	struct noticed_names names;
	char name[16];
	int i;

	for (i = 0; i < 140000; i++) {
		snprintf(name, sizeof(name), "%d", i % 7);
		noticed_add(noticed, name);
		noticed_add(noticed, "x");
		noticed_add(noticed, name);
		noticed_take(noticed, &names);
		ck_assert_uint_eq(names.n, 2);
		noticed_names_fini(&names);
	}
	noticed_free(noticed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noticed");
	TCase *tc = tcase_create("noticed");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, each_name_is_kept_once_until_it_is_taken);
	tcase_add_test(tc, too_many_names_or_none_mean_anything);
	tcase_add_test(tc, threads_add_and_take_together);
	tcase_add_test(tc, it_is_right_after_very_many_rounds);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
