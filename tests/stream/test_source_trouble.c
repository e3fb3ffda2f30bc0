/*
 * Directories and files that cannot be read, vanish and come back: nothing is
 * lost, nothing is read twice, and there is a sentence about it. Rights are
 * tried as a user without privileges.
 */
#include "tests/run.h"
#include "stream/source_private.h"
#include "tests/stream/source_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
}

/* Root may read everything, so the rest of the test runs as nobody. Files are ours to chmod. */
static void drop_privileges(void)
{
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown(f.root, NOBODY, NOBODY), 0);
	ck_assert_int_eq(chown(f.dir, NOBODY, NOBODY), 0);
	ck_assert_int_eq(setresuid(NOBODY, NOBODY, 0), 0);
}

static void teardown(void)
{
	if (getuid() == NOBODY)
		ck_assert_int_eq(setresuid(0, 0, 0), 0);
	fixture_close(&f);
}

static void remove_dir(void)
{
	char command[1024];

	snprintf(command, sizeof(command), "rm -r '%s'", f.dir);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(a_directory_missing_at_start_is_for_a_person_to_mend)
{
	struct source *source = NULL;
	struct err err = ERR_INIT;

	remove_dir();
	ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
	ck_assert_ptr_null(source);
	ck_assert_ptr_nonnull(strstr(err.text, f.dir));
	ck_assert_ptr_nonnull(strstr(err.text, "No such file or directory"));
}
END_TEST

START_TEST(a_file_in_the_place_of_the_directory_is_for_a_person_to_mend)
{
	struct source *source = NULL;
	struct err err = ERR_INIT;

	fixture_write(&f, "a", "x");
	f.spec.path = (char *)fixture_path(&f, "a");
	ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "Not a directory"));
}
END_TEST

START_TEST(a_sandbox_that_may_hide_the_directory_is_named)
{
	struct source *source = NULL;
	struct err err = ERR_INIT;

	setenv("INVOCATION_ID", "x", 1);
	remove_dir();
	ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "PrivateTmp="));
}
END_TEST

START_TEST(a_directory_that_vanishes_leaves_the_files_as_they_are)
{
	char moved[96];
	bool full;

	source_set_noticed(f.source, true);
	snprintf(moved, sizeof(moved), "%s/moved", f.root);
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MAX);
	ck_assert_int_eq(rename(f.dir, moved), 0);
	fixture_expect(&f, "");
	ck_assert_ptr_nonnull(strstr(source_trouble(f.source), f.dir));
	ck_assert_ptr_nonnull(strstr(source_trouble(f.source), "is gone; what was counted stays"));
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	fixture_noted(&f, "is gone; what was counted stays");
	fixture_look(&f, "a");
	ck_assert_ptr_nonnull(source_trouble(f.source));
	fixture_noted_nothing(&f);
	ck_assert_int_eq(source_next_look_us(f.source, &full), f.now_us + 1000000);
	ck_assert(full);
	/* Back as it was. */
	ck_assert_int_eq(rename(moved, f.dir), 0);
	fixture_append(&f, "a", "2 ");
	fixture_expect(&f, "2 ");
	ck_assert_ptr_null(source_trouble(f.source));
	fixture_noted(&f, "can be read again");
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MAX);
}
END_TEST

START_TEST(a_directory_recreated_with_new_files_is_read_from_their_start)
{
	fixture_write(&f, "a", "one ");
	fixture_expect(&f, "one ");
	remove_dir();
	fixture_expect(&f, "");
	ck_assert_int_eq(mkdir(f.dir, 0777), 0);
	fixture_expect(&f, "");
	ck_assert_ptr_null(source_trouble(f.source));
	/* An empty directory under the name of a full one may be a mount that is missing. */
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	fixture_write(&f, "a", "two ");
	fixture_expect(&f, "two ");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	fixture_noted(&f, "is another directory now");
	fixture_append(&f, "a", "more ");
	fixture_expect(&f, "more ");
}
END_TEST

START_TEST(a_directory_replaced_by_a_copy_is_not_read_again)
{
	char command[1024];

	fixture_write(&f, "a", "one ");
	fixture_expect(&f, "one ");
	snprintf(command, sizeof(command), "cp -r '%s' '%s.2' && mv '%s' '%s.1' && mv '%s.2' '%s'",
		f.dir, f.dir, f.dir, f.dir, f.dir, f.dir);
	ck_assert_int_eq(system(command), 0);
	fixture_expect(&f, "");
	fixture_append(&f, "a", "two ");
	fixture_expect(&f, "two ");
}
END_TEST

START_TEST(an_unreadable_directory_is_trouble_until_it_is_mended)
{
	drop_privileges();
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(chmod(f.dir, 0), 0);
	fixture_expect(&f, "");
	ck_assert_ptr_nonnull(strstr(source_trouble(f.source), "Permission denied"));
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	ck_assert_int_eq(chmod(f.dir, 0444), 0);
	fixture_expect(&f, "");
	ck_assert_ptr_nonnull(strstr(source_trouble(f.source), "Permission denied"));
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	ck_assert_int_eq(chmod(f.dir, 0755), 0);
	fixture_append(&f, "a", "2 ");
	fixture_expect(&f, "2 ");
	ck_assert_ptr_null(source_trouble(f.source));
}
END_TEST

START_TEST(an_unreadable_directory_below_keeps_its_files_and_the_others_go_on)
{
	drop_privileges();
	f.spec.recursive = true;
	fixture_mkdir(&f, "sub");
	fixture_write(&f, "sub/a", "1 ");
	fixture_write(&f, "subway", "s ");
	fixture_set_mtime(&f, "sub/a", 1);
	fixture_expect(&f, "1 s ");
	ck_assert_int_eq(chmod(fixture_path(&f, "sub"), 0), 0);
	fixture_remove(&f, "subway");
	fixture_write(&f, "b", "2 ");
	fixture_expect(&f, "2 ");
	ck_assert_ptr_nonnull(strstr(source_trouble(f.source), "sub: Permission denied"));
	ck_assert_int_eq(fixture_file(&f, "sub/a")->state, FILE_DONE);
	ck_assert_int_eq(fixture_gone(&f, "subway")->state, FILE_MISSING);
	ck_assert_int_eq(chmod(fixture_path(&f, "sub"), 0755), 0);
	fixture_expect(&f, "");
	ck_assert_ptr_null(source_trouble(f.source));
}
END_TEST

START_TEST(unreadable_a_file_shows_the_reason_and_is_read_when_it_is_mended)
{
	drop_privileges();
	fixture_write(&f, "a", "1 ");
	fixture_write(&f, "b", "2 ");
	ck_assert_int_eq(chmod(fixture_path(&f, "a"), 0), 0);
	fixture_expect(&f, "2 ");
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_ERROR);
	ck_assert_ptr_nonnull(strstr(fixture_file(&f, "a")->reason, "Permission denied"));
	fixture_noted(&f, "cannot open a: Permission denied; it is tried again");
	fixture_expect(&f, "");
	fixture_noted_nothing(&f);
	ck_assert_int_eq(chmod(fixture_path(&f, "a"), 0644), 0);
	fixture_look(&f, "a");
	fixture_read(&f);
	fixture_got(&f, "1 ");
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	ck_assert_ptr_null(fixture_file(&f, "a")->reason);
}
END_TEST

START_TEST(unreadable_a_grown_file_is_neither_lost_nor_taken_for_new)
{
	drop_privileges();
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	fixture_append(&f, "a", "2 ");
	ck_assert_int_eq(chmod(fixture_path(&f, "a"), 0), 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_ERROR);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "a")->n_failures, 1);
	ck_assert_int_eq(chmod(fixture_path(&f, "a"), 0644), 0);
	fixture_look(&f, "a");
	fixture_read(&f);
	fixture_got(&f, "2 ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(unreadable_at_start_a_file_is_neither_lost_nor_taken_for_new)
{
	drop_privileges();
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	fixture_rename(&f, "a", "b");
	ck_assert_int_eq(chmod(fixture_path(&f, "b"), 0), 0);
	fixture_restart(&f, 9);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "b")->state, FILE_ERROR);
	ck_assert_int_eq(chmod(fixture_path(&f, "b"), 0644), 0);
	fixture_append(&f, "b", "2 ");
	fixture_look(&f, "b");
	fixture_read(&f);
	fixture_got(&f, "2 ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

static void scan_at(int64_t now_us)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(source_scan(f.source, false, now_us, &err), 0);
}

START_TEST(on_a_remote_file_system_an_inode_that_changes_is_no_new_data)
{
	f.source->is_remote = true;
	fixture_write(&f, "a", "1 ");
	fixture_write(&f, "log", "l1 ");
	fixture_set_mtime(&f, "a", 1);
	fixture_expect(&f, "1 l1 ");
	/* The same bytes under the name, as a file system shows them that makes up its inodes. */
	fixture_write(&f, ".a", "1 2 ");
	fixture_rename(&f, ".a", "a");
	fixture_expect(&f, "2 ");
	ck_assert_ptr_null(fixture_gone(&f, "a"));
	/* A rotation is still one, also where the new file begins like the old one. */
	fixture_rename(&f, "log", "log.1");
	fixture_write(&f, "log", "l1 l2 ");
	fixture_expect(&f, "l1 l2 ");
	ck_assert_uint_eq(fixture_n_live(&f), 3);
	fixture_write(&f, ".a", "other ");
	fixture_rename(&f, ".a", "a");
	fixture_expect(&f, "other ");
}
END_TEST

START_TEST(retries_double_from_one_second_to_five_minutes)
{
	static const int64_t pauses_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
	const struct file *file;
	int64_t now_us;
	bool full;
	size_t slot;
	size_t i;

	source_set_noticed(f.source, true);
	fixture_write(&f, "a", "1 ");
	fixture_scan(&f);
	file = fixture_file(&f, "a");
	slot = fixture_slot(&f, file);
	now_us = f.now_us;
	for (i = 0; i < sizeof(pauses_s) / sizeof(pauses_s[0]); i++) {
		source_failed(f.source, slot, "broken", now_us);
		ck_assert_int_eq(
			source_next_look_us(f.source, &full), now_us + pauses_s[i] * 1000000);
		ck_assert(!full);
		now_us += pauses_s[i] * 1000000;
		scan_at(now_us - 1);
		ck_assert_int_eq(file->state, FILE_ERROR);
		scan_at(now_us);
		ck_assert_int_eq(file->state, FILE_WAITING);
		ck_assert_str_eq(file->reason, "broken");
		ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MAX);
	}
}
END_TEST

START_TEST(a_file_in_error_that_is_deleted_is_missing)
{
	fixture_write(&f, "a", "1 ");
	fixture_scan(&f);
	source_failed(f.source, fixture_slot(&f, fixture_file(&f, "a")), "broken", f.now_us);
	fixture_remove(&f, "a");
	scan_at(f.now_us + 2000000);
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	fixture_noted(&f, "a: gone before it was read");
}
END_TEST

START_TEST(a_retry_that_is_due_does_not_make_a_lost_directory_be_looked_for_without_pause)
{
	char moved[96];
	bool full;
	size_t slot;

	source_set_noticed(f.source, true);
	fixture_write(&f, "a", "1 ");
	fixture_scan(&f);
	slot = fixture_slot(&f, fixture_file(&f, "a"));
	source_failed(f.source, slot, "broken", f.now_us);
	snprintf(moved, sizeof(moved), "%s/moved", f.root);
	ck_assert_int_eq(rename(f.dir, moved), 0);
	for (int64_t now_us = f.now_us + 5000000; now_us < f.now_us + 9000000; now_us += 1000000) {
		scan_at(now_us);
		ck_assert_int_eq(source_next_look_us(f.source, &full), now_us + 1000000);
		ck_assert(full);
	}
	ck_assert_int_eq(rename(moved, f.dir), 0);
	scan_at(f.now_us + 9000000);
	ck_assert_int_eq(source_file(f.source, slot)->state, FILE_WAITING);
}
END_TEST

START_TEST(a_file_that_goes_and_comes_back_for_ever_takes_no_more_memory)
{
	for (int i = 0; i < 5000; i++) {
		if (i == 0)
			fixture_write(&f, "a", "1 ");
		else
			fixture_rename(&f, ".a", "a");
		fixture_look(&f, "a");
		fixture_read(&f);
		ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
		fixture_rename(&f, "a", ".a");
		fixture_look(&f, "a");
		ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	}
	fixture_got(&f, "1 ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
	ck_assert_uint_lt(f.source->cap_gone, 4000);
}
END_TEST

START_TEST(without_notices_it_polls_and_seldom_where_there_are_many_files)
{
	bool full;
	int i;

	fixture_scan(&f);
	ck_assert_int_eq(source_next_look_us(f.source, &full), f.now_us + 1000000);
	ck_assert(full);
	f.spec.poll_interval_us = 100;
	for (i = 0; i < 50; i++) {
		char name[8];

		snprintf(name, sizeof(name), "%d", i);
		fixture_write(&f, name, "");
	}
	fixture_scan(&f);
	ck_assert_int_eq(source_next_look_us(f.source, &full), f.now_us + 2500);
	/* What changed before notices came was not told. */
	source_set_noticed(f.source, true);
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MIN);
	fixture_write(&f, "w", "w ");
	scan_at(f.now_us);
	ck_assert_ptr_nonnull(fixture_file(&f, "w"));
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MAX);
	source_notice(f.source, "x");
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MIN);
	ck_assert(!full);
	source_notice(f.source, NULL);
	fixture_write(&f, "y", "y ");
	scan_at(f.now_us);
	ck_assert_ptr_nonnull(fixture_file(&f, "y"));
}
END_TEST

START_TEST(a_file_that_cannot_be_opened_as_what_is_seen_is_not_tried_in_a_circle)
{
	bool full;
	size_t slot;

	source_set_noticed(f.source, true);
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	usleep(60000);
	fixture_scan(&f);
	slot = fixture_slot(&f, fixture_file(&f, "a"));
	source_gone(f.source, slot);
	ck_assert_int_eq(source_file(f.source, slot)->state, FILE_ERROR);
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MIN);
	scan_at(f.now_us);
	ck_assert_int_eq(source_file(f.source, slot)->state, FILE_ERROR);
	ck_assert_int_eq(source_next_look_us(f.source, &full), f.now_us + 1000000);
	scan_at(f.now_us + 1000000);
	ck_assert_int_eq(source_file(f.source, slot)->state, FILE_WAITING);
}
END_TEST

START_TEST(a_file_renamed_under_the_reader_is_read_under_its_new_name)
{
	fixture_write(&f, "a", "1 ");
	fixture_scan(&f);
	fixture_rename(&f, "a", "b");
	fixture_read(&f);
	fixture_got(&f, "");
	fixture_look(&f, "b");
	fixture_read(&f);
	fixture_got(&f, "1 ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(more_notices_than_are_kept_become_a_full_scan)
{
	char name[32];
	int i;

	fixture_scan(&f);
	fixture_write(&f, "unnoticed", "u ");
	for (i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		source_notice(f.source, name);
	}
	scan_at(f.now_us);
	fixture_read(&f);
	fixture_got(&f, "u ");
}
END_TEST

START_TEST(the_newest_ten_thousand_gone_files_are_kept)
{
	struct err err = ERR_INIT;
	char path[16] = "a";
	struct file file = {.path = path, .state = FILE_MISSING};
	size_t slot;
	int n_forgotten = 0;
	int i;

	for (i = 1; i <= 10005; i++) {
		snprintf(path, sizeof(path), "f%d", i);
		file.id = i;
		file.identity.inode = (uint64_t)i;
		ck_assert_int_eq(source_restore(f.source, &file, &err), 0);
	}
	while ((slot = source_find_forgettable(f.source)) != SIZE_MAX) {
		ck_assert_int_eq(source_file(f.source, slot)->id, ++n_forgotten);
		source_forget(f.source, slot);
		ck_assert_ptr_null(source_file(f.source, slot));
	}
	ck_assert_int_eq(n_forgotten, 5);
	ck_assert_uint_eq(source_find_id(f.source, 5), SIZE_MAX);
	ck_assert_uint_ne(source_find_id(f.source, 6), SIZE_MAX);
}
END_TEST

static Suite *make_suite(void)
{
	const TTest *const tests[] = {
		a_directory_missing_at_start_is_for_a_person_to_mend,
		a_file_in_the_place_of_the_directory_is_for_a_person_to_mend,
		a_sandbox_that_may_hide_the_directory_is_named,
		a_directory_that_vanishes_leaves_the_files_as_they_are,
		a_directory_recreated_with_new_files_is_read_from_their_start,
		a_directory_replaced_by_a_copy_is_not_read_again,
		an_unreadable_directory_is_trouble_until_it_is_mended,
		an_unreadable_directory_below_keeps_its_files_and_the_others_go_on,
		unreadable_a_file_shows_the_reason_and_is_read_when_it_is_mended,
		unreadable_a_grown_file_is_neither_lost_nor_taken_for_new,
		unreadable_at_start_a_file_is_neither_lost_nor_taken_for_new,
		on_a_remote_file_system_an_inode_that_changes_is_no_new_data,
		retries_double_from_one_second_to_five_minutes,
		a_file_in_error_that_is_deleted_is_missing,
		a_retry_that_is_due_does_not_make_a_lost_directory_be_looked_for_without_pause,
		a_file_that_goes_and_comes_back_for_ever_takes_no_more_memory,
		without_notices_it_polls_and_seldom_where_there_are_many_files,
		a_file_that_cannot_be_opened_as_what_is_seen_is_not_tried_in_a_circle,
		a_file_renamed_under_the_reader_is_read_under_its_new_name,
		more_notices_than_are_kept_become_a_full_scan,
		the_newest_ten_thousand_gone_files_are_kept,
	};
	Suite *suite = suite_create("source_trouble");
	TCase *tc = tcase_create("trouble");
	size_t i;

	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(make_suite());
}
