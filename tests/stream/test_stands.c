/* Positions by slot: whatever is put there comes back, short or long, and only for its file. */
#include "stream/stands.h"

#include "tests/run.h"

#include <stdlib.h>

#define SLOTS 50

static struct err err = ERR_INIT;

static void check_equal(const struct stand *one, const struct stand *two)
{
	ck_assert_int_eq(one->at.offset, two->at.offset);
	ck_assert_int_eq(one->at.skip, two->at.skip);
	ck_assert_int_eq(one->at.line, two->at.line);
	ck_assert_uint_eq(one->at.flags, two->at.flags);
	ck_assert_int_eq(one->file_id, two->file_id);
	ck_assert_int_eq(one->seen, two->seen);
}

static int64_t any_of(const int64_t *values, size_t n)
{
	return values[(size_t)rand() % n];
}

/* Mostly one of a plain file, at every edge of what is short. */
static struct stand random_stand(void)
{
	static const int64_t offsets[] = {0, 1, 4096, INT64_C(20) << 30, INT64_MAX};
	static const int64_t lines[] = {1, 2, UINT32_MAX, (int64_t)UINT32_MAX + 1, INT64_MAX};
	static const int64_t ids[] = {0, 1, 2, (INT64_C(1) << 33) + 7};
	struct stand stand = {.at = {.offset = any_of(offsets, 5), .line = any_of(lines, 5)},
		.file_id = any_of(ids, 4)};

	stand.seen = stand.at.offset;
	if (rand() % 3 == 0)
		stand.seen -= 1;
	if (rand() % 4 == 0)
		stand.at.skip = 1 + rand();
	if (rand() % 4 == 0)
		stand.at.flags = POSITION_MID_LINE;
	return stand;
}

START_TEST(what_is_put_comes_back_in_any_order_of_long_and_short)
{
	struct stand plain[SLOTS];
	struct stands stands = {0};
	struct stands copy = {0};

	srand(11);
	ck_assert_int_eq(stands_grow(&stands, SLOTS, &err), 0);
	for (int i = 0; i < SLOTS; i++)
		plain[i] = (struct stand){.at = POSITION_START, .file_id = -1, .seen = -1};
	for (int step = 0; step < 20000; step++) {
		size_t slot = (size_t)rand() % SLOTS;

		plain[slot] = random_stand();
		ck_assert_int_eq(stands_reserve(&stands, 1, &err), 0);
		stands_put(&stands, slot, &plain[slot]);
		slot = (size_t)rand() % SLOTS;
		struct stand got = stands_get(
			&stands, slot, plain[slot].file_id < 0 ? 5 : plain[slot].file_id);
		check_equal(&got, &plain[slot]);
	}
	/* No more long ones than there are slots: each is used again. */
	ck_assert_uint_le(stands.n_longs, SLOTS + 1);
	ck_assert_int_eq(stands_copy(&copy, &stands, &err), 0);
	for (size_t slot = 0; slot < SLOTS; slot++) {
		struct stand got = stands_get(&copy, slot, plain[slot].file_id);

		check_equal(&got, &plain[slot]);
	}
	stands_fini(&copy);
	stands_fini(&stands);
}
END_TEST

START_TEST(the_position_of_another_file_or_of_no_slot_is_none)
{
	struct stand stand = {.at = {.offset = 9, .line = 3}, .file_id = 4, .seen = 9};
	struct stands stands = {0};

	ck_assert_int_eq(stands_grow(&stands, 2, &err), 0);
	ck_assert_int_eq(stands_reserve(&stands, 1, &err), 0);
	stands_put(&stands, 1, &stand);
	ck_assert_int_eq(stands_get(&stands, 1, 4).at.offset, 9);
	ck_assert_int_eq(stands_get(&stands, 1, 5).file_id, STAND_NO_FILE);
	ck_assert_int_eq(stands_get(&stands, 0, 4).file_id, STAND_NO_FILE);
	ck_assert_int_eq(stands_get(&stands, 7, 4).file_id, STAND_NO_FILE);
	ck_assert_int_eq(stands_get(&stands, 0, 0).at.line, 1);
	stands_fini(&stands);
}
END_TEST

START_TEST(what_was_reserved_is_enough_for_as_many_long_ones)
{
	struct stands stands = {0};
	struct stand stand = {.at = {.offset = 9, .skip = 3, .line = 3}, .seen = 9};

	ck_assert_int_eq(stands_grow(&stands, SLOTS, &err), 0);
	ck_assert_int_eq(stands_reserve(&stands, SLOTS, &err), 0);
	for (size_t slot = 0; slot < SLOTS; slot++) {
		stand.file_id = (int64_t)slot;
		stands_put(&stands, slot, &stand);
	}
	for (size_t slot = 0; slot < SLOTS; slot++)
		ck_assert_int_eq(stands_get(&stands, slot, (int64_t)slot).at.skip, 3);
	stands_fini(&stands);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stands");
	TCase *tcase = tcase_create("stands");

	tcase_add_test(tcase, what_is_put_comes_back_in_any_order_of_long_and_short);
	tcase_add_test(tcase, the_position_of_another_file_or_of_no_slot_is_none);
	tcase_add_test(tcase, what_was_reserved_is_enough_for_as_many_long_ones);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
