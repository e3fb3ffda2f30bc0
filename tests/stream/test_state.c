/* What holds the state: group names, counts of fixed windows, rows already shown. */
#include "stream/groups.h"
#include "stream/shown.h"
#include "stream/state.h"

#include "stream/event_values.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event_value text(const char *bytes, size_t len)
{
	return (struct event_value){.text = bytes, .len = (uint32_t)len, .kind = EVENT_VALUE_TEXT};
}

static const struct event_value null_value = {.kind = EVENT_VALUE_NULL};

static uint32_t intern(struct groups *groups, const struct event_value *values)
{
	struct err err = ERR_INIT;
	uint32_t group = GROUP_NONE;

	ck_assert_int_eq(groups_intern(groups, values, &group, &err), 0);
	return group;
}

START_TEST(equal_tuples_have_one_number_and_all_others_their_own)
{
	struct groups *groups = groups_new(2);
	struct event_value tuples[][2] = {
		{text("a", 1), text("b", 1)},
		{text("ab", 2), text("", 0)},
		{text("", 0), text("ab", 2)},
		{null_value, text("", 0)},
		{text("", 0), null_value},
		{null_value, null_value},
		{text("a\0b", 3), text("b", 1)},
		{text("a\0c", 3), text("b", 1)},
	};
	size_t n = sizeof(tuples) / sizeof(*tuples);

	for (size_t i = 0; i < n; i++)
		ck_assert_uint_eq(intern(groups, tuples[i]), i);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(intern(groups, tuples[i]), i);
		ck_assert_int_eq(
			event_values_compare(groups_values(groups, (uint32_t)i), tuples[i], 2), 0);
	}
	ck_assert_uint_eq(groups_count(groups), n);
	groups_free(groups);
}
END_TEST

START_TEST(tuples_that_differ_in_one_field_have_hashes_of_their_own_whatever_the_others_are)
{
	const struct event_value others[] = {
		null_value, text("", 0), text("same", 4), {.kind = EVENT_VALUE_TOO_LONG}};
	enum { N = 2000 };

	for (size_t i = 0; i < 2 * sizeof(others) / sizeof(*others); i++) {
		static bool is_taken[1 << 16];
		int n_met = 0;

		memset(is_taken, 0, sizeof(is_taken));
		for (int j = 0; j < N; j++) {
			char name[16];
			struct event_value tuple[2] = {others[i / 2], others[i / 2]};
			uint32_t hash;

			tuple[i % 2] = text(name, (size_t)snprintf(name, sizeof(name), "n%d", j));
			hash = event_values_hash(42, tuple, 2) % (1 << 16);
			n_met += is_taken[hash];
			is_taken[hash] = true;
		}
		/* Thirty are expected by chance. */
		ck_assert_int_lt(n_met, 100);
	}
}
END_TEST

START_TEST(rows_are_ordered_null_first_then_by_bytes)
{
	struct event_value order[] = {null_value, text("", 0), text("A", 1), text("A\0", 2),
		text("AB", 2), text("a", 1), text("\xc3\xa4", 2)};
	size_t n = sizeof(order) / sizeof(*order);

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			int compared = event_values_compare(&order[i], &order[j], 1);

			ck_assert_int_eq((compared > 0) - (compared < 0), (i > j) - (i < j));
		}
	}
}
END_TEST

START_TEST(names_that_nothing_refers_to_are_freed_and_their_numbers_used_again)
{
	struct groups *groups = groups_new(1);
	char name[16];
	size_t most = 0;

	for (int round = 0; round < 200; round++) {
		uint32_t kept[50];

		for (int i = 0; i < 50; i++) {
			struct event_value value = text(
				name, (size_t)snprintf(name, sizeof(name), "r%d-%d", round, i));

			kept[i] = intern(groups, &value);
			groups_ref(groups, kept[i]);
			ck_assert_uint_lt(kept[i], 100);
		}
		groups_settle(groups);
		ck_assert_uint_eq(groups_count(groups), 50);
		for (int i = 0; i < 50; i++) {
			struct event_value value = text(
				name, (size_t)snprintf(name, sizeof(name), "r%d-%d", round, i));

			ck_assert_uint_eq(intern(groups, &value), kept[i]);
			groups_unref(groups, kept[i]);
		}
		if (round == 20)
			most = groups_bytes(groups);
		groups_settle(groups);
		ck_assert_uint_eq(groups_count(groups), 0);
	}
	ck_assert_uint_le(groups_bytes(groups), most);
	groups_free(groups);
}
END_TEST

/* Every step is done in a plain array too. */
START_TEST(a_state_agrees_with_an_array_under_random_adds_and_removes)
{
	enum { GROUPS = 40, WINDOWS = 60 };

	static uint64_t expected[GROUPS][WINDOWS];
	struct state *state = state_new();
	struct err err = ERR_INIT;
	uint32_t n = 0;

	srand(7);
	for (int step = 0; step < 200000; step++) {
		uint32_t group = (uint32_t)rand() % GROUPS;
		int window = rand() % WINDOWS;
		int64_t start = (window - WINDOWS / 2) * INT64_C(3600000000);
		uint32_t entry = state_find(state, group, start);

		ck_assert_int_eq(entry != STATE_NONE, expected[group][window] > 0);
		if (entry == STATE_NONE) {
			ck_assert_int_eq(state_add(state, group, start, &entry, &err), 0);
			ck_assert_uint_eq(state_at(state, entry)->mark, 0);
			state_at(state, entry)->count = (uint64_t)step + 1;
			expected[group][window] = (uint64_t)step + 1;
			n++;
		} else {
			ck_assert_uint_eq(state_at(state, entry)->count, expected[group][window]);
			state_at(state, entry)->mark = 1;
			if (rand() % 2 == 0) {
				state_remove(state, entry);
				expected[group][window] = 0;
				n--;
			}
		}
		ck_assert_uint_eq(state_count(state), n);
	}
	ck_assert_uint_le(state_end(state), GROUPS * WINDOWS);
	state_free(state);
}
END_TEST

START_TEST(an_entry_takes_at_most_about_forty_bytes)
{
	struct state *state = state_new();
	struct err err = ERR_INIT;
	uint32_t entry;

	for (uint32_t i = 0; i < 300000; i++) {
		ck_assert_int_eq(state_add(state, i % 1000, i / 1000 * 3600, &entry, &err), 0);
		if (i >= 10000)
			ck_assert_uint_le(state_bytes(state), (uint64_t)(i + 1) * 44);
	}
	state_free(state);
}
END_TEST

static int count_row(void *context, const struct shown_row *row, struct err *err)
{
	(void)row;
	(void)err;
	++*(size_t *)context;
	return 0;
}

START_TEST(shown_rows_leave_in_the_order_of_their_ends)
{
	struct shown shown = {0};
	struct err err = ERR_INIT;
	struct shown_row row;
	int64_t last = INT64_MIN;
	size_t n = 0;

	srand(11);
	ck_assert_int_eq(shown_reserve(&shown, 1000, &err), 0);
	for (uint32_t i = 0; i < 1000; i++)
		shown_add(&shown, &(struct shown_row){.end_us = rand() % 500, .group = i});
	ck_assert_int_eq(shown_each(&shown, 249, count_row, &n, &err), 0);
	for (; shown_pop(&shown, 249, &row); n--) {
		ck_assert_int_ge(row.end_us, last);
		ck_assert_int_le(row.end_us, 249);
		last = row.end_us;
	}
	ck_assert_uint_eq(n, 0);
	while (shown_pop(&shown, INT64_MAX, &row))
		ck_assert_int_ge(row.end_us, 250);
	ck_assert_uint_eq(shown.n, 0);
	shown_fini(&shown);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("state");
	TCase *tcase = tcase_create("state");

	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase, equal_tuples_have_one_number_and_all_others_their_own);
	tcase_add_test(tcase,
		tuples_that_differ_in_one_field_have_hashes_of_their_own_whatever_the_others_are);
	tcase_add_test(tcase, rows_are_ordered_null_first_then_by_bytes);
	tcase_add_test(tcase, names_that_nothing_refers_to_are_freed_and_their_numbers_used_again);
	tcase_add_test(tcase, a_state_agrees_with_an_array_under_random_adds_and_removes);
	tcase_add_test(tcase, an_entry_takes_at_most_about_forty_bytes);
	tcase_add_test(tcase, shown_rows_leave_in_the_order_of_their_ends);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
