/*
 * The n-th allocation fails, for every n, while a source looks at a directory
 * in which everything has happened. It says so, and the next look makes it
 * good: each byte is read once.
 */
#include "tests/run.h"
#include "tests/stream/nomem.h"
#include "tests/stream/source_fixture.h"

#include <stdlib.h>
#include <unistd.h>

static struct fixture f;

/* One look in which the n-th allocation fails, then one in which none does. */
static void scan_twice(long n)
{
	struct err err = ERR_INIT;
	int rc;

	fail_at = n;
	rc = source_scan(f.source, true, f.now_us, &err);
	fail_at = -1;
	ck_assert(rc == 0 || (rc == ERR_NOMEM && has_failed));
	fixture_scan(&f);
}

static bool run(long n)
{
	has_failed = false;
	fixture_open(&f);
	f.spec.recursive = true;
	fixture_mkdir(&f, "sub");
	fixture_write(&f, "a", "a ");
	fixture_write(&f, "b", "bb ");
	fixture_write(&f, "sub/c", "c ");
	fixture_set_mtime(&f, "a", 1);
	fixture_set_mtime(&f, "b", 2);
	fixture_set_mtime(&f, "sub/c", 3);
	scan_twice(n);
	fixture_read(&f);
	fixture_got(&f, "a bb c ");
	fixture_rename(&f, "a", "sub/d");
	fixture_write(&f, "a", "A ");
	fixture_write(&f, "b", "B ");
	fixture_append(&f, "sub/c", "c2 ");
	ck_assert_int_eq(symlink("a", fixture_path(&f, "link")), 0);
	fixture_set_mtime(&f, "sub/d", 4);
	fixture_set_mtime(&f, "a", 5);
	fixture_set_mtime(&f, "b", 6);
	fixture_set_mtime(&f, "sub/c", 7);
	scan_twice(n);
	fixture_read(&f);
	fixture_got(&f, "A B c2 ");
	fixture_restart(&f, 1);
	fixture_append(&f, "a", "A2 ");
	scan_twice(n);
	fixture_read(&f);
	fixture_got(&f, "A2 ");
	ck_assert_uint_eq(fixture_n_live(&f), 4);
	fixture_close(&f);
	return has_failed;
}

START_TEST(a_failed_allocation_is_made_good_by_the_next_look)
{
	long n = 0;

	while (run(n))
		n++;
#ifndef ENABLE_SANITIZERS
	ck_assert_int_gt(n, 20);
#endif
}
END_TEST

START_TEST(a_failed_allocation_loses_no_appointment_with_a_file_in_error)
{
	static const char *const names[] = {"a", "b", "c"};

	for (long n = 0;; n++) {
		struct err err = ERR_INIT;
		int rc;

		fixture_open(&f);
		for (int i = 0; i < 3; i++)
			fixture_write(&f, names[i], "x ");
		fixture_scan(&f);
		fixture_read(&f);
		/* Looking at this one takes memory: it is another one now. */
		fixture_write(&f, "a", "y ");
		for (int i = 0; i < 3; i++) {
			size_t slot = fixture_slot(&f, fixture_file(&f, names[i]));

			source_failed(f.source, slot, "broken", f.now_us + i * 100000);
		}
		has_failed = false;
		fail_at = n;
		rc = source_scan(f.source, false, f.now_us + 1100000, &err);
		fail_at = -1;
		ck_assert(rc == 0 || (rc == ERR_NOMEM && has_failed));
		ck_assert_int_eq(source_scan(f.source, false, f.now_us + 5000000, &err), 0);
		for (int i = 0; i < 3; i++)
			ck_assert_msg(fixture_file(&f, names[i])->state == FILE_WAITING,
				"%s after allocation %ld", names[i], n);
		fixture_close(&f);
		if (!has_failed)
			break;
	}
}
END_TEST

START_TEST(a_failed_allocation_while_restoring_is_said)
{
	char path[] = "a";
	struct file file = {.id = 1, .path = path, .identity = {.inode = 7}};
	struct err err = ERR_INIT;
	long n;
	int rc;

	for (n = 0;; n++) {
		fixture_open(&f);
		has_failed = false;
		fail_at = n;
		rc = source_restore(f.source, &file, &err);
		fail_at = -1;
		ck_assert_int_eq(rc, has_failed ? ERR_NOMEM : 0);
		if (rc != 0)
			ck_assert_int_eq(source_restore(f.source, &file, &err), 0);
		ck_assert_ptr_nonnull(fixture_file(&f, "a"));
		fixture_close(&f);
		if (!has_failed)
			break;
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("source_nomem");
	TCase *tc = tcase_create("nomem");

	tcase_set_timeout(tc, 600);
	tcase_add_test(tc, a_failed_allocation_is_made_good_by_the_next_look);
	tcase_add_test(tc, a_failed_allocation_loses_no_appointment_with_a_file_in_error);
	tcase_add_test(tc, a_failed_allocation_while_restoring_is_said);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
