/* Where sets of queries stand: the order of what is pending, the frontier, equal prefixes. */
#include "stream/prefix.h"

#include "base/mem.h"
#include "tests/run.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILES 30

static char dir[64];
static struct source_spec spec;
static struct source *source;
static struct prefixes prefixes;
static struct err err = ERR_INIT;

static void write_file(int number, int64_t mtime_s, const char *text)
{
	struct timespec times[2] = {{.tv_sec = mtime_s}, {.tv_sec = mtime_s}};
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/f%d", dir, number);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	ck_assert_int_eq(futimens(fd, times), 0);
	ck_assert_int_eq(close(fd), 0);
}

static void scan(void)
{
	size_t *slots;
	size_t n;

	ck_assert_int_eq(source_scan(source, true, 1000000, &err), 0);
	ck_assert_int_eq(prefixes_reserve(&prefixes, source_n_slots(source), &err), 0);
	ck_assert_int_eq(source_take_changed(source, &slots, &n, &err), 0);
	prefixes_look(&prefixes, slots, n);
	free(slots);
}

static void set_up(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/tallyd-test-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	spec = (struct source_spec){.name = "events",
		.path = dir,
		.glob = (char *)(uintptr_t) "*",
		.poll_interval_us = 1000000,
		.max_file_age_us = -1};
	ck_assert_int_eq(source_open(&source, &spec, &err), 0);
	prefixes_init(&prefixes, source);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void tear_down(void)
{
	prefixes_fini(&prefixes);
	source_close(source);
	(void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static struct prefix *add(int64_t id)
{
	struct prefix *prefix = prefixes_add(&prefixes, id, &err);

	ck_assert_ptr_nonnull(prefix);
	prefix->n_queries = 1;
	return prefix;
}

static size_t slot_of(int number)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "f%d", number);
	for (size_t slot = 0; slot < source_n_slots(source); slot++) {
		if (strcmp(source_file(source, slot)->path, name) == 0)
			return slot;
	}
	ck_abort_msg("no file %s", name);
}

/* `prefix` has read that file up to `offset`. */
static void stand_at(struct prefix *prefix, int number, int64_t offset)
{
	size_t slot = slot_of(number);
	struct stand stand = {.at = {.offset = offset, .line = 1 + offset / 2},
		.file_id = source_file(source, slot)->id,
		.seen = offset};

	ck_assert_int_eq(prefix_reserve_puts(prefix, 1, &err), 0);
	prefix_put(prefix, slot, &stand);
	prefixes_look(&prefixes, &slot, 1);
}

START_TEST(files_come_out_by_time_and_then_by_name)
{
	struct prefix *prefix = add(0);
	size_t last = SIZE_MAX;
	size_t n = 0;

	srand(4);
	for (int i = 0; i < FILES; i++)
		write_file(i, 100 + rand() % 5, "x\n");
	scan();
	ck_assert_uint_eq(prefix->n_heap, FILES);
	for (size_t slot; (slot = prefixes_pop(&prefixes, prefix)) != SIZE_MAX; n++) {
		if (last != SIZE_MAX)
			ck_assert_int_lt(source_compare(source, last, slot), 0);
		last = slot;
	}
	ck_assert_uint_eq(n, FILES);
}
END_TEST

START_TEST(a_file_that_grows_while_it_waits_moves_to_its_new_place)
{
	struct prefix *prefix = add(0);

	for (int i = 0; i < FILES; i++)
		write_file(i, 100 + i, "x\n");
	scan();
	write_file(0, 1000, "x\n");
	write_file(7, 999, "x\n");
	scan();
	ck_assert_uint_eq(prefix->n_heap, FILES);
	for (int i = 0; i < FILES; i++) {
		size_t slot = prefixes_pop(&prefixes, prefix);
		static char expected[8];
		int number = i < 6 ? i + 1 : i < FILES - 2 ? i + 2 : i == FILES - 2 ? 7 : 0;

		(void)snprintf(expected, sizeof(expected), "f%d", number);
		ck_assert_str_eq(source_file(source, slot)->path, expected);
	}
}
END_TEST

START_TEST(what_is_behind_the_frontier_comes_before_what_is_new)
{
	struct prefix *ahead = add(0);
	struct prefix *behind = add(1);

	for (int i = 0; i < 4; i++)
		write_file(i, 100 + i, "x\ny\n");
	scan();
	stand_at(ahead, 2, 4);
	stand_at(ahead, 3, 2);
	ck_assert_uint_eq(behind->n_behind, 2);
	ck_assert_uint_eq(ahead->n_behind, 0);
	ck_assert_uint_eq(prefixes_pop(&prefixes, behind), slot_of(2));
	ck_assert_uint_eq(prefixes_pop(&prefixes, behind), slot_of(3));
	ck_assert_uint_eq(behind->n_behind, 0);
	ck_assert_uint_eq(prefixes_pop(&prefixes, behind), slot_of(0));
	ck_assert_int_eq(
		prefixes_frontier(&prefixes, source_file(source, slot_of(3)), slot_of(3)).at.offset,
		2);
	ck_assert_int_eq(
		prefixes_frontier(&prefixes, source_file(source, slot_of(0)), slot_of(0)).file_id,
		STAND_NO_FILE);
}
END_TEST

START_TEST(prefixes_are_equal_when_they_are_in_all_files_that_are_still_there)
{
	struct prefix *one = add(0);
	struct prefix *two = add(1);
	char path[128];

	for (int i = 0; i < 3; i++)
		write_file(i, 100 + i, "x\n");
	scan();
	ck_assert(prefixes_are_equal(&prefixes, one, two));
	for (int number = 0; number < 3; number++)
		stand_at(one, number, 2);
	stand_at(two, 0, 2);
	stand_at(two, 1, 2);
	ck_assert(!prefixes_are_equal(&prefixes, one, two));
	ck_assert(prefix_is_covered(&prefixes, two, one));
	ck_assert(!prefix_is_covered(&prefixes, one, two));
	/* The file that tells them apart goes. */
	(void)snprintf(path, sizeof(path), "%s/f2", dir);
	ck_assert_int_eq(unlink(path), 0);
	scan();
	ck_assert(prefixes_are_equal(&prefixes, one, two));
}
END_TEST

START_TEST(a_prefix_without_queries_still_marks_the_frontier)
{
	struct prefix *ghost = add(0);
	struct prefix *other = add(1);

	write_file(0, 100, "x\ny\n");
	scan();
	stand_at(ghost, 0, 2);
	ghost->n_queries = 0;
	prefixes_look_at_all(&prefixes);
	ck_assert_uint_eq(ghost->n_heap, 0);
	ck_assert_uint_eq(other->n_heap, 1);
	ck_assert_uint_eq(other->n_behind, 1);
	prefixes_remove(&prefixes, ghost);
	prefixes_look_at_all(&prefixes);
	ck_assert_uint_eq(other->n_behind, 0);
}
END_TEST

START_TEST(a_position_belongs_to_a_file_and_not_to_its_slot)
{
	struct prefix *prefix = add(0);
	struct file other;

	write_file(0, 100, "x\n");
	scan();
	stand_at(prefix, 0, 2);
	other = *source_file(source, 0);
	other.id += 1;
	ck_assert_int_eq(prefix_stand(prefix, source_file(source, 0), 0).at.offset, 2);
	ck_assert_int_eq(prefix_stand(prefix, &other, 0).at.offset, 0);
	ck_assert_int_eq(prefix_stand(prefix, &other, 0).file_id, STAND_NO_FILE);
}
END_TEST

/* Against a plain list, with files that come, grow and are read in any order. */
START_TEST(the_heap_agrees_with_sorting_under_random_changes)
{
	struct prefix *prefix = add(0);

	srand(9);
	for (int step = 0; step < 300; step++) {
		write_file(rand() % FILES, 100 + rand() % 50, "x\n");
		if (rand() % 3 == 0)
			scan();
		if (rand() % 4 == 0 && prefix->n_heap > 0) {
			size_t slots[3];
			size_t n = 0;

			while (n < 3 && prefix->n_heap > 0)
				slots[n++] = prefixes_pop(&prefixes, prefix);
			for (size_t i = 1; i < n; i++)
				ck_assert_int_lt(source_compare(source, slots[i - 1], slots[i]), 0);
			for (size_t i = 0; i < n; i++) {
				const struct file *file = source_file(source, slots[i]);
				struct file_identity identity = file->identity;

				for (size_t j = 0; j < prefix->n_heap; j++)
					ck_assert_int_lt(
						source_compare(source, slots[i], prefix->heap[j]),
						0);
				if (rand() % 2 == 0)
					source_consumed(
						source, slots[i], file->size, &identity, true);
			}
			prefixes_look(&prefixes, slots, n);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prefix");
	TCase *tcase = tcase_create("prefix");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, files_come_out_by_time_and_then_by_name);
	tcase_add_test(tcase, a_file_that_grows_while_it_waits_moves_to_its_new_place);
	tcase_add_test(tcase, what_is_behind_the_frontier_comes_before_what_is_new);
	tcase_add_test(tcase, prefixes_are_equal_when_they_are_in_all_files_that_are_still_there);
	tcase_add_test(tcase, a_prefix_without_queries_still_marks_the_frontier);
	tcase_add_test(tcase, a_position_belongs_to_a_file_and_not_to_its_slot);
	tcase_add_test(tcase, the_heap_agrees_with_sorting_under_random_changes);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
