/* How two answers differ: random tables against changes that are applied. */
#include "daemon/subscription.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void row_add(struct subscription_set *set, const char *key, const char *cells)
{
	struct subscription_row *row;

	if (set->n_rows == set->cap_rows) {
		set->cap_rows = set->cap_rows * 2 + 4;
		set->rows = realloc(set->rows, set->cap_rows * sizeof(*set->rows));
	}
	row = &set->rows[set->n_rows++];
	*row = (struct subscription_row){.key = set->bytes.len, .key_len = strlen(key)};
	buf_add_text(&set->bytes, key);
	row->cells = set->bytes.len;
	row->cells_len = strlen(cells);
	buf_add_text(&set->bytes, cells);
	/* A poor hash, so that different keys meet in one chain. */
	row->key_hash = (uint64_t)(unsigned char)key[0] % 3;
}

static char *compare(struct subscription_set *before, struct subscription_set *after)
{
	struct buf out = {0};

	ck_assert(subscription_compare(before, after, &out));
	buf_add_char(&out, '\0');
	return out.data;
}

static const struct {
	const char *before[6], *after[6]; /* key, cells, key, cells, … */
	const char *changes;
} cases[] = {
	{{NULL}, {NULL}, ""},
	{{NULL}, {"a", "1"}, "[\"insert\",1]"},
	{{"a", "1"}, {NULL}, "[\"delete\",1]"},
	{{"a", "1"}, {"a", "1"}, ""},
	{{"a", "1"}, {"a", "2"}, "[\"update\",2]"},
	{{"a", "1", "b", "2"}, {"b", "2", "a", "1"}, ""},
	{{"a", "1", "b", "2"}, {"b", "3", "c", "4"},
		"[\"update\",3],[\"insert\",4],[\"delete\",1]"},
	/* Equal keys: what stayed stays, the rest is paired in order. */
	{{"a", "1", "a", "2"}, {"a", "2", "a", "3"}, "[\"update\",3]"},
	{{"a", "1", "a", "1"}, {"a", "1"}, "[\"delete\",1]"},
	{{"a", "1"}, {"a", "1", "a", "1", "a", "5"}, "[\"insert\",1],[\"insert\",5]"},
	{{"", "1"}, {"", "2"}, "[\"update\",2]"},
};

START_TEST(changes_are_as_few_as_can_be)
{
	struct subscription_set before = {0}, after = {0};

	for (int i = 0; i < 6 && cases[_i].before[i] != NULL; i += 2)
		row_add(&before, cases[_i].before[i], cases[_i].before[i + 1]);
	for (int i = 0; i < 6 && cases[_i].after[i] != NULL; i += 2)
		row_add(&after, cases[_i].after[i], cases[_i].after[i + 1]);
	char *changes = compare(&before, &after);
	ck_assert_str_eq(changes, cases[_i].changes);
	free(changes);
	subscription_set_fini(&before);
	subscription_set_fini(&after);
}
END_TEST

START_TEST(changes_applied_to_the_old_rows_give_the_new_ones)
{
	srand(7);
	for (int round = 0; round < 300; round++) {
		struct subscription_set before = {0}, after = {0};
		int old[26] = {0}, new[26] = {0};
		char key[2] = "a", cells[16], *at;

		for (int i = 0; i < 26; i++) {
			key[0] = (char)('a' + i);
			old[i] = rand() % 4;
			new[i] = rand() % 2 == 0 ? old[i] : rand() % 4;
			snprintf(cells, sizeof(cells), "%d,%d", i, old[i]);
			if (old[i] != 0)
				row_add(&before, key, cells);
			snprintf(cells, sizeof(cells), "%d,%d", i, new[i]);
			if (new[i] != 0)
				row_add(&after, key, cells);
		}
		char *changes = compare(&before, &after);
		for (at = changes; (at = strchr(at, '[')) != NULL; at++) {
			int which, count;
			char what[8];
			ck_assert_int_eq(
				sscanf(at, "[\"%6[a-z]\",%d,%d]", what, &which, &count), 3);
			bool is_known = old[which] != 0;
			ck_assert_int_eq(is_known, strcmp(what, "insert") != 0);
			old[which] = what[0] == 'd' ? 0 : count;
		}
		ck_assert_mem_eq(old, new, sizeof(old));
		free(changes);
		subscription_set_fini(&before);
		subscription_set_fini(&after);
	}
}
END_TEST

/* Rows that have nothing but numbers all have the same key, which is none. */
START_TEST(any_number_of_rows_that_are_alike_is_compared)
{
	struct subscription_set before = {0}, after = {0};
	char cells[16], *changes;
	size_t n = 0;

	for (int i = 0; i < 200000; i++) {
		snprintf(cells, sizeof(cells), "%d", i);
		row_add(&before, "", cells);
		snprintf(cells, sizeof(cells), "%d", i + 100000);
		row_add(&after, "", cells);
	}
	changes = compare(&before, &after);
	for (const char *at = changes; (at = strstr(at, "update")) != NULL; at++)
		n++;
	ck_assert_uint_eq(n, 100000);
	ck_assert_ptr_null(strstr(changes, "insert"));
	ck_assert_ptr_null(strstr(changes, "delete"));
	free(changes);
	subscription_set_fini(&before);
	subscription_set_fini(&after);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/subscription");
	TCase *tests = tcase_create("subscription");

	tcase_add_loop_test(
		tests, changes_are_as_few_as_can_be, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tests, changes_applied_to_the_old_rows_give_the_new_ones);
	tcase_add_test(tests, any_number_of_rows_that_are_alike_is_compared);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
