/* The index of slots against a plain array, with good hashes and with ones that all collide. */
#include "stream/file_index.h"

#include "tests/run.h"

#include <stdlib.h>

#define N_SLOTS 5000

static uint64_t hashes[N_SLOTS];
static bool is_in[N_SLOTS];
static struct file_index index_;

static uint64_t hash_of(const void *owner, size_t slot)
{
	ck_assert_ptr_eq(owner, hashes);
	return hashes[slot];
}

static bool finds(size_t slot)
{
	struct file_index_walk walk = {.hash = hashes[slot]};
	size_t n = 0;
	size_t candidate;

	while ((candidate = file_index_next(&index_, &walk)) != SIZE_MAX)
		n += candidate == slot;
	ck_assert_uint_le(n, 1);
	return n == 1;
}

static void check_all(void)
{
	size_t slot;

	for (slot = 0; slot < N_SLOTS; slot++)
		ck_assert_int_eq(finds(slot), is_in[slot]);
}

START_TEST(it_finds_what_is_in_it_and_nothing_else)
{
	/*
	 * How many different hashes there are: the fewer,
	 * the more the chains run into each other.
	 */
	static const int n_hashes[] = {1 << 30, 4000, 60};
	size_t slot;
	int i;

	srand(11);
	for (slot = 0; slot < N_SLOTS; slot++)
		hashes[slot] = (uint64_t)(rand() % n_hashes[_i]) * UINT64_C(0x9E3779B185EBCA87);
	file_index_init(&index_, hash_of, hashes);
	check_all();
	for (i = 0; i < 40000; i++) {
		slot = (size_t)(rand() % (_i == 2 ? 300 : N_SLOTS));
		if (is_in[slot])
			file_index_drop(&index_, slot);
		else
			ck_assert(file_index_put(&index_, slot));
		is_in[slot] = !is_in[slot];
		ck_assert_int_eq(finds(slot), is_in[slot]);
		if (i % 10000 == 0)
			check_all();
	}
	check_all();
	file_index_fini(&index_);
}
END_TEST

START_TEST(a_large_slot_alone_is_found)
{
	hashes[N_SLOTS - 1] = 1;
	file_index_init(&index_, hash_of, hashes);
	ck_assert(file_index_put(&index_, N_SLOTS - 1));
	ck_assert(finds(N_SLOTS - 1));
	file_index_drop(&index_, N_SLOTS - 1);
	ck_assert(!finds(N_SLOTS - 1));
	file_index_fini(&index_);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file_index");
	TCase *tc = tcase_create("file_index");

	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, it_finds_what_is_in_it_and_nothing_else, 0, 3);
	tcase_add_test(tc, a_large_slot_alone_is_found);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
