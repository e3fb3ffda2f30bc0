/* Kept answers: the right one, of the right snapshot, within the limit. */
#include "daemon/answer_cache.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct answer_cache *cache;

static void set_up(void)
{
	cache = answer_cache_new();
	ck_assert_ptr_nonnull(cache);
}

static void tear_down(void)
{
	answer_cache_free(cache);
}

static void keep(uint64_t snapshot, const char *key, const char *bytes)
{
	struct answer answer = {
		.bytes = bytes, .len = strlen(bytes), .tail = 7, .n_rows = 3, .snapshot = snapshot};

	answer_cache_keep(cache, key, strlen(key), &answer);
}

static bool finds(uint64_t snapshot, const char *key, const char *bytes)
{
	struct answer answer;

	if (!answer_cache_find(cache, snapshot, key, strlen(key), &answer))
		return false;
	ck_assert_uint_eq(answer.len, strlen(bytes));
	ck_assert_mem_eq(answer.bytes, bytes, answer.len);
	ck_assert_uint_eq(answer.tail, 7);
	ck_assert_int_eq(answer.n_rows, 3);
	ck_assert_uint_eq(answer.snapshot, snapshot);
	return true;
}

START_TEST(an_answer_is_found_again_under_its_key_alone)
{
	keep(5, "a", "one");
	keep(5, "b", "");
	ck_assert(finds(5, "a", "one"));
	ck_assert(finds(5, "b", ""));
	ck_assert(!finds(5, "c", ""));
	ck_assert(!finds(5, "ab", ""));
}
END_TEST

START_TEST(a_new_snapshot_makes_all_of_them_worthless)
{
	keep(5, "a", "one");
	ck_assert(!finds(6, "a", "one"));
	ck_assert(!finds(5, "a", "one"));
	keep(6, "a", "two");
	ck_assert(finds(6, "a", "two"));
	/* One that was made of an older snapshot comes too late. */
	keep(5, "b", "old");
	ck_assert(finds(6, "a", "two"));
	ck_assert(!finds(6, "b", "old"));
}
END_TEST

START_TEST(the_limits_hold)
{
	static char bytes[ANSWER_MAX_BYTES + 1];
	struct answer answer = {.bytes = bytes, .len = sizeof(bytes), .snapshot = 1};
	char key[16];
	size_t n_found = 0;

	answer_cache_keep(cache, "big", 3, &answer);
	ck_assert(!answer_cache_find(cache, 1, "big", 3, &answer));
	for (int i = 0; i < 1000; i++) {
		answer = (struct answer){.bytes = bytes, .len = ANSWER_MAX_BYTES, .snapshot = 1};
		snprintf(key, sizeof(key), "%d", i);
		answer_cache_keep(cache, key, strlen(key), &answer);
	}
	for (int i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		n_found += answer_cache_find(cache, 1, key, strlen(key), &answer);
	}
	ck_assert_uint_gt(n_found, 0);
	ck_assert_uint_le(n_found * ANSWER_MAX_BYTES, ANSWER_CACHE_MAX_BYTES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/answer_cache");
	TCase *tests = tcase_create("answer_cache");

	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_test(tests, an_answer_is_found_again_under_its_key_alone);
	tcase_add_test(tests, a_new_snapshot_makes_all_of_them_worthless);
	tcase_add_test(tests, the_limits_hold);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
