/* SEMANTICS §5, identity at start: who is known again by inode, by path, by fingerprints. */
#include "tests/run.h"
#include "tests/stream/source_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

static void teardown(void)
{
	fixture_close(&f);
}

/* The same bytes as new files with other inodes, as a restore from a backup makes them. */
static void restore_all_from_backup(void)
{
	char command[1024];

	snprintf(command, sizeof(command),
		"cp -a '%s' '%s.copy' && rm -r '%s' && mv '%s.copy' '%s'", f.dir, f.dir, f.dir,
		f.dir, f.dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(identity_after_a_restart_nothing_is_read_twice)
{
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	fixture_append(&f, "a", "2 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "2 ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(identity_after_a_reboot_with_other_device_numbers_nothing_is_read_twice)
{
	fixture_write(&f, "a", "1 ");
	fixture_write(&f, "b", "");
	fixture_expect(&f, "1 ");
	fixture_rename(&f, "a", "c");
	fixture_append(&f, "c", "2 ");
	fixture_restart(&f, 77);
	fixture_expect(&f, "2 ");
	ck_assert_int_eq(fixture_file(&f, "c")->id, 1 + (fixture_file(&f, "c")->id == 2));
	ck_assert_uint_eq(fixture_n_live(&f), 2);
	ck_assert_uint_eq(source_n_slots(f.source), 2);
	/* From now on the new numbers are the known ones. */
	fixture_append(&f, "c", "3 ");
	fixture_expect(&f, "3 ");
}
END_TEST

START_TEST(identity_after_a_restore_to_a_new_disk_the_path_decides)
{
	fixture_write(&f, "a", "a1 ");
	fixture_write(&f, "b", "b1 ");
	fixture_set_mtime(&f, "a", 1);
	fixture_expect(&f, "a1 b1 ");
	restore_all_from_backup();
	fixture_restart(&f, 3);
	fixture_expect(&f, "");
	fixture_append(&f, "b", "b2 ");
	fixture_expect(&f, "b2 ");
	ck_assert_uint_eq(source_n_slots(f.source), 2);
}
END_TEST

START_TEST(identity_rotation_while_stopped)
{
	fixture_write(&f, "log", "1 ");
	fixture_write(&f, "log.1", "0 ");
	fixture_set_mtime(&f, "log.1", 1);
	fixture_expect(&f, "0 1 ");
	fixture_append(&f, "log", "2 ");
	fixture_rename(&f, "log.1", "log.2");
	fixture_rename(&f, "log", "log.1");
	fixture_write(&f, "log", "3 ");
	fixture_set_mtime(&f, "log.1", 2);
	fixture_restart(&f, 5);
	fixture_expect(&f, "2 3 ");
	ck_assert_uint_eq(fixture_n_live(&f), 3);
}
END_TEST

START_TEST(identity_a_new_file_that_begins_like_the_rotated_one_is_new)
{
	fixture_write(&f, "log", "same start ");
	fixture_expect(&f, "same start ");
	fixture_rename(&f, "log", "log.1");
	fixture_write(&f, "log", "same start and more ");
	fixture_set_mtime(&f, "log.1", 2);
	fixture_restart(&f, 0);
	fixture_expect(&f, "same start and more ");
}
END_TEST

START_TEST(rewriting_in_place_while_stopped_is_a_new_file)
{
	fixture_write(&f, "a", "one ");
	fixture_write(&f, "b", "two two ");
	fixture_set_mtime(&f, "a", 1);
	fixture_expect(&f, "one two two ");
	fixture_write(&f, "a", "eins und ");
	fixture_write(&f, "b", "zwei ");
	fixture_set_mtime(&f, "a", 1);
	fixture_restart(&f, 0);
	fixture_expect(&f, "eins und zwei ");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	ck_assert_str_eq(
		fixture_gone(&f, "a")->reason, "rewritten in place: read again as a new file");
	fixture_noted(&f, "a: rewritten in place");
	/* The closed record stays closed. */
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	ck_assert_uint_eq(fixture_n_live(&f), 2);
}
END_TEST

START_TEST(rewriting_with_the_same_size_and_times_while_stopped_is_seen_by_the_fingerprint)
{
	struct file *file;

	fixture_write(&f, "a", "one ");
	fixture_set_mtime(&f, "a", 1);
	fixture_expect(&f, "one ");
	fixture_write(&f, "a", "two ");
	fixture_set_mtime(&f, "a", 1);
	/* As if the change time had not moved either, on a file system that keeps none. */
	file = fixture_file(&f, "a");
	file->identity.change_mark = 0;
	fixture_restart(&f, 0);
	fixture_expect(&f, "two ");
}
END_TEST

/* None of its names is known again, and they are one file all the same. */
START_TEST(a_linked_file_that_is_rewritten_while_stopped_is_read_once)
{
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(link(fixture_path(&f, "a"), fixture_path(&f, _i == 0 ? "b" : "B")), 0);
	fixture_expect(&f, "");
	fixture_write(&f, "a", "2 3 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "2 3 ");
	ck_assert_uint_eq(fixture_n_live(&f), 1);
	fixture_append(&f, "a", "4 ");
	fixture_expect(&f, "4 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
}
END_TEST

/* The path that is known may be met before the other one or after it. */
START_TEST(identity_after_a_restore_a_linked_file_is_one_file)
{
	static const char *const names[] = {"a", "b", "c", "d"};

	fixture_write(&f, names[_i], "1 ");
	fixture_expect(&f, "1 ");
	for (int i = 0; i < 4; i++) {
		if (i != _i)
			ck_assert_int_eq(
				link(fixture_path(&f, names[_i]), fixture_path(&f, names[i])), 0);
	}
	fixture_expect(&f, "");
	restore_all_from_backup();
	fixture_restart(&f, 5);
	fixture_expect(&f, "");
	ck_assert_uint_eq(fixture_n_live(&f), 1);
	fixture_append(&f, names[(_i + 1) % 4], "2 ");
	fixture_expect(&f, "2 ");
}
END_TEST

START_TEST(deleted_while_stopped_is_missing)
{
	fixture_write(&f, "a", "one ");
	fixture_expect(&f, "one ");
	fixture_remove(&f, "a");
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(an_inode_that_was_reused_while_stopped_is_a_new_file)
{
	fixture_write(&f, "a", "one ");
	fixture_write(&f, "b", "two ");
	fixture_set_mtime(&f, "a", 1);
	fixture_expect(&f, "one two ");
	/* The record of `a` has the inode that another file has now. */
	fixture_write(&f, ".new", "three ");
	fixture_rename(&f, ".new", "c");
	fixture_remove(&f, "a");
	fixture_scan(&f);
	fixture_gone(&f, "a")->identity.inode = fixture_file(&f, "c")->identity.inode;
	buf_clear(&f.got);
	fixture_restart(&f, 0);
	fixture_expect(&f, "three ");
}
END_TEST

START_TEST(an_unfinished_file_goes_on_after_a_restart_and_a_rename)
{
	fixture_write(&f, "a", "part");
	fixture_expect(&f, "part");
	fixture_rename(&f, "a", "b");
	fixture_append(&f, "b", "ial ");
	fixture_restart(&f, 1);
	fixture_expect(&f, "ial ");
}
END_TEST

START_TEST(a_file_in_error_is_tried_again_after_a_restart)
{
	fixture_write(&f, "a", "1 ");
	fixture_scan(&f);
	source_failed(f.source, fixture_slot(&f, fixture_file(&f, "a")), "some reason", f.now_us);
	fixture_restart(&f, 0);
	ck_assert_str_eq(fixture_file(&f, "a")->reason, "some reason");
	fixture_expect(&f, "1 ");
	ck_assert_ptr_null(fixture_file(&f, "a")->reason);
}
END_TEST

START_TEST(ids_go_on_behind_the_restored_ones)
{
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	fixture_restart(&f, 0);
	fixture_write(&f, "b", "2 ");
	fixture_expect(&f, "2 ");
	ck_assert_int_eq(fixture_file(&f, "a")->id, 1);
	ck_assert_int_eq(fixture_file(&f, "b")->id, 2);
	ck_assert_uint_eq(source_find_id(f.source, 2), fixture_slot(&f, fixture_file(&f, "b")));
	ck_assert_uint_eq(source_find_id(f.source, 3), SIZE_MAX);
}
END_TEST

START_TEST(an_archived_file_that_is_moved_back_is_not_read_again)
{
	char archived[128];
	struct err err = ERR_INIT;

	f.spec.clean_source = CLEAN_SOURCE_ARCHIVE;
	snprintf(archived, sizeof(archived), "%s/a", f.archive);
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(source_clean(f.source, fixture_slot(&f, fixture_file(&f, "a")), &err), 1);
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_ARCHIVED);
	ck_assert_int_eq(rename(archived, fixture_path(&f, "a")), 0);
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
}
END_TEST

static Suite *make_suite(void)
{
	const TTest *const tests[] = {
		identity_after_a_restart_nothing_is_read_twice,
		identity_after_a_reboot_with_other_device_numbers_nothing_is_read_twice,
		identity_after_a_restore_to_a_new_disk_the_path_decides,
		identity_rotation_while_stopped,
		identity_a_new_file_that_begins_like_the_rotated_one_is_new,
		rewriting_in_place_while_stopped_is_a_new_file,
		rewriting_with_the_same_size_and_times_while_stopped_is_seen_by_the_fingerprint,
		deleted_while_stopped_is_missing,
		an_inode_that_was_reused_while_stopped_is_a_new_file,
		an_unfinished_file_goes_on_after_a_restart_and_a_rename,
		a_file_in_error_is_tried_again_after_a_restart,
		ids_go_on_behind_the_restored_ones,
		an_archived_file_that_is_moved_back_is_not_read_again,
	};
	Suite *suite = suite_create("source_restart");
	TCase *tc = tcase_create("restart");
	size_t i;

	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, a_linked_file_that_is_rewritten_while_stopped_is_read_once, 0, 2);
	tcase_add_loop_test(tc, identity_after_a_restore_a_linked_file_is_one_file, 0, 4);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(make_suite());
}
