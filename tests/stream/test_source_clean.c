/* SEMANTICS §5, after processing: archive and delete, and when not. */
#include "tests/run.h"
#include "tests/stream/source_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct fixture f;

static void setup(void)
{
	fixture_open(&f);
	f.spec.clean_source = CLEAN_SOURCE_ARCHIVE;
}

static void teardown(void)
{
	fixture_close(&f);
}

static int clean(const char *name)
{
	struct err err = ERR_INIT;
	int rc = source_clean(f.source, fixture_slot(&f, fixture_file(&f, name)), &err);

	ck_assert_msg(rc >= 0, "%s", err.text);
	return rc;
}

static void in_archive(const char *name, const char *expected)
{
	char path[512];
	char text[64] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f.archive, name);
	fd = open(path, O_RDONLY);
	ck_assert_msg(fd >= 0, "%s is missing", path);
	ck_assert_int_ge(read(fd, text, sizeof(text) - 1), 0);
	close(fd);
	ck_assert_str_eq(text, expected);
}

START_TEST(off_leaves_the_file_alone)
{
	f.spec.clean_source = CLEAN_SOURCE_OFF;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(clean("a"), 0);
	ck_assert_int_eq(access(fixture_path(&f, "a"), F_OK), 0);
}
END_TEST

START_TEST(delete_deletes_a_done_file)
{
	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(clean("a"), 1);
	ck_assert_int_ne(access(fixture_path(&f, "a"), F_OK), 0);
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_DELETED);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_DELETED);
	fixture_write(&f, "a", "2 ");
	fixture_expect(&f, "2 ");
}
END_TEST

START_TEST(archive_keeps_the_relative_path)
{
	f.spec.recursive = true;
	fixture_mkdir(&f, "x");
	fixture_mkdir(&f, "x/y");
	fixture_write(&f, "x/y/a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(clean("x/y/a"), 1);
	in_archive("x/y/a", "1 ");
	ck_assert_int_eq(fixture_gone(&f, "x/y/a")->state, FILE_ARCHIVED);
}
END_TEST

START_TEST(archive_never_overwrites)
{
	static const char *const texts[] = {"1 ", "2 ", "3 "};
	size_t i;

	for (i = 0; i < 3; i++) {
		fixture_write(&f, "a", texts[i]);
		fixture_expect(&f, texts[i]);
		ck_assert_int_eq(clean("a"), 1);
	}
	in_archive("a", "1 ");
	in_archive("a.1", "2 ");
	in_archive("a.2", "3 ");
}
END_TEST

START_TEST(not_while_it_is_unread_growing_or_in_error)
{
	fixture_write(&f, "a", "1 ");
	fixture_scan(&f);
	ck_assert_int_eq(clean("a"), 0);
	fixture_read(&f);
	fixture_file(&f, "a")->state = FILE_GROWING;
	ck_assert_int_eq(clean("a"), 0);
	source_failed(f.source, fixture_slot(&f, fixture_file(&f, "a")), "broken", f.now_us);
	ck_assert_int_eq(clean("a"), 0);
}
END_TEST

START_TEST(not_when_its_size_changed_since_it_was_read)
{
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	fixture_append(&f, "a", "2 ");
	ck_assert_int_eq(clean("a"), 0);
	fixture_expect(&f, "2 ");
	ck_assert_int_eq(clean("a"), 1);
	in_archive("a", "1 2 ");
}
END_TEST

START_TEST(not_when_its_time_changed_since_it_was_read)
{
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	fixture_set_mtime(&f, "a", 5);
	ck_assert_int_eq(clean("a"), 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(clean("a"), 1);
}
END_TEST

START_TEST(not_when_another_file_has_its_name)
{
	fixture_write(&f, "a", "1 ");
	fixture_set_mtime(&f, "a", 5);
	fixture_expect(&f, "1 ");
	fixture_write(&f, ".b", "2 ");
	fixture_set_mtime(&f, ".b", 5);
	fixture_rename(&f, ".b", "a");
	ck_assert_int_eq(clean("a"), 0);
	ck_assert_int_eq(access(fixture_path(&f, "a"), F_OK), 0);
}
END_TEST

/* What happens between the last look at the file and the renaming; once. */
static void (*before_rename)(void);

/* What a file system answers that knows neither; 0: it is done. */
static int rename_failure, link_failure;

/* Which renaming from now on is refused, once; 0: none. */
static int refuse_from;

int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags);
int renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	void (*what)(void) = before_rename;

	before_rename = NULL;
	if (what != NULL)
		what();
	if (refuse_from > 0 && --refuse_from == 0) {
		errno = ENOSPC;
		return -1;
	}
	errno = rename_failure;
	return rename_failure != 0 ? -1
				   : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, flags);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	errno = link_failure;
	return link_failure != 0 ? -1 : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
}

/* What deleting is answered with; 0: it is done. */
static int unlink_failure;

int unlinkat(int dir_fd, const char *path, int flags)
{
	errno = unlink_failure;
	return unlink_failure != 0 ? -1 : (int)syscall(SYS_unlinkat, dir_fd, path, flags);
}

static void replace_a(void)
{
	fixture_write(&f, ".b", "2 ");
	fixture_rename(&f, ".b", "a");
}

static void append_to_a(void)
{
	fixture_append(&f, "a", "2 ");
}

static void remove_a(void)
{
	fixture_remove(&f, "a");
}

START_TEST(not_when_another_file_gets_its_name_at_the_last_moment)
{
	f.spec.clean_source = _i == 0 ? CLEAN_SOURCE_ARCHIVE : CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	before_rename = replace_a;
	ck_assert_int_eq(clean("a"), 0);
	ck_assert_ptr_null(before_rename);
	fixture_expect(&f, "2 ");
	ck_assert_int_eq(clean("a"), 1);
	fixture_expect(&f, "");
}
END_TEST

START_TEST(not_when_it_is_written_to_at_the_last_moment)
{
	f.spec.clean_source = _i == 0 ? CLEAN_SOURCE_ARCHIVE : CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	before_rename = append_to_a;
	ck_assert_int_eq(clean("a"), 0);
	fixture_expect(&f, "2 ");
	ck_assert_int_eq(clean("a"), 1);
	if (_i == 0)
		in_archive("a", "1 2 ");
}
END_TEST

START_TEST(a_file_that_goes_at_the_last_moment_is_told_and_found_missing)
{
	struct err err = ERR_INIT;

	f.spec.clean_source = _i == 0 ? CLEAN_SOURCE_ARCHIVE : CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	before_rename = remove_a;
	ck_assert_int_eq(
		source_clean(f.source, fixture_slot(&f, fixture_file(&f, "a")), &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, _i == 0 ? "cannot archive a" : "cannot delete a"));
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
}
END_TEST

START_TEST(a_file_that_cannot_be_deleted_keeps_its_name)
{
	struct err err = ERR_INIT;

	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	unlink_failure = EROFS;
	ck_assert_int_eq(
		source_clean(f.source, fixture_slot(&f, fixture_file(&f, "a")), &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot delete a: Read-only file system"));
	unlink_failure = 0;
	fixture_expect(&f, "");
	ck_assert_int_eq(clean("a"), 1);
}
END_TEST

START_TEST(a_file_system_without_links_is_cleaned_too)
{
	f.spec.clean_source = _i % 2 == 0 ? CLEAN_SOURCE_ARCHIVE : CLEAN_SOURCE_DELETE;
	rename_failure = EINVAL;
	link_failure = _i < 2 ? 0 : EPERM;
	for (int i = 0; i < 2; i++) {
		fixture_write(&f, "a", i == 0 ? "1 " : "2 ");
		fixture_expect(&f, i == 0 ? "1 " : "2 ");
		ck_assert_int_eq(clean("a"), 1);
		ck_assert_int_ne(access(fixture_path(&f, "a"), F_OK), 0);
	}
	if (_i % 2 == 0) {
		in_archive("a", "1 ");
		in_archive("a.1", "2 ");
	}
	fixture_write(&f, "a", "3 ");
	fixture_expect(&f, "3 ");
	before_rename = append_to_a;
	ck_assert_int_eq(clean("a"), 0);
	fixture_expect(&f, "2 ");
	rename_failure = link_failure = 0;
}
END_TEST

/* As a kill leaves it between the two steps of a deletion, and found at the next start. */
static const char *break_off_deletion_of(const char *name, const char *dir, const char *source)
{
	static char left[64];

	(void)snprintf(left, sizeof(left), "%s.tallyd-delete-%s%lld", dir, source,
		(long long)fixture_file(&f, name)->id);
	fixture_rename(&f, name, left);
	return left;
}

static const char *break_off_deletion(const char *name, const char *dir)
{
	return break_off_deletion_of(name, dir, "events-");
}

START_TEST(a_deletion_that_was_broken_off_is_taken_back_at_the_next_start)
{
	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	f.spec.recursive = true;
	fixture_mkdir(&f, "x");
	fixture_write(&f, "a", "1 ");
	fixture_write(&f, "x/b", "2 ");
	fixture_expect(&f, "1 2 ");
	(void)break_off_deletion("a", "");
	/* Somebody had it open. */
	fixture_append(&f, break_off_deletion("x/b", "x/"), "3 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "3 ");
	fixture_noted(&f, "x/b: its deletion was broken off");
	ck_assert_int_eq(clean("a"), 1);
	ck_assert_int_eq(clean("x/b"), 1);
	fixture_remove(&f, "x");
	fixture_remove(&f, "");
}
END_TEST

START_TEST(what_is_left_of_a_deletion_and_has_no_name_to_go_back_to_is_told)
{
	const char *left;

	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	left = break_off_deletion("a", "");
	fixture_write(&f, "a", "2 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "2 ");
	fixture_noted(&f, "left by a deletion that was broken off");
	ck_assert_int_eq(access(fixture_path(&f, left), F_OK), 0);
	fixture_scan(&f);
	fixture_noted_nothing(&f);
}
END_TEST

/* Before sources gave it theirs, and when the source was renamed. */
START_TEST(a_deletion_that_was_broken_off_under_another_name_is_taken_back_if_it_is_the_file)
{
	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	(void)break_off_deletion_of("a", "", _i == 0 ? "" : "before-");
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	fixture_noted(&f, "a: its deletion was broken off");
	ck_assert_int_eq(clean("a"), 1);
}
END_TEST

/* Several sources may read one directory; a number is a file of each of them. */
START_TEST(what_another_source_was_deleting_is_not_taken_for_a_file_of_this_one)
{
	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	replace_a();
	(void)break_off_deletion_of("a", "", _i == 0 ? "" : "others-");
	fixture_restart(&f, 0);
	fixture_expect(&f, "");
	fixture_noted(&f, "left by a deletion that was broken off");
	ck_assert_int_ne(access(fixture_path(&f, "a"), F_OK), 0);
}
END_TEST

/* As a kill leaves it when a file was archived under the name that is looked at. */
static void break_off_archiving(const char *name)
{
	const struct file *file = fixture_file(&f, name);
	const char *slash = strrchr(name, '/');
	int dir_len = slash == NULL ? 0 : (int)(slash + 1 - name);
	char left[512];

	snprintf(left, sizeof(left), "%s/%.*s", f.archive, dir_len, name);
	(void)mkdir(f.archive, 0777);
	(void)mkdir(left, 0777);
	snprintf(left, sizeof(left), "%s/%.*s.tallyd-archive-%s-%lld", f.archive, dir_len, name,
		f.spec.name, (long long)file->id);
	ck_assert_int_eq(rename(fixture_path(&f, name), left), 0);
}

START_TEST(an_archiving_that_was_broken_off_is_taken_back_at_the_next_start)
{
	f.spec.recursive = true;
	fixture_mkdir(&f, "x");
	fixture_write(&f, "a", "1 ");
	fixture_write(&f, "x/b", "2 ");
	fixture_expect(&f, "1 2 ");
	break_off_archiving("a");
	break_off_archiving("x/b");
	fixture_restart(&f, (uint32_t)_i);
	fixture_expect(&f, "");
	fixture_noted(&f, "x/b: its archiving was broken off");
	ck_assert_int_eq(clean("a"), 1);
	ck_assert_int_eq(clean("x/b"), 1);
	in_archive("a", "1 ");
	in_archive("x/b", "2 ");
}
END_TEST

/* A kill before it was seen that the file is not the one that was read. */
START_TEST(a_file_that_was_taken_away_unread_is_found_and_read_at_the_next_start)
{
	f.spec.clean_source = _i == 0 ? CLEAN_SOURCE_ARCHIVE : CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	replace_a();
	if (_i == 0)
		break_off_archiving("a");
	else
		(void)break_off_deletion("a", "");
	fixture_restart(&f, 0);
	fixture_expect(&f, "2 ");
	fixture_noted(&f, "was broken off");
	ck_assert_int_eq(clean("a"), 1);
	fixture_expect(&f, "");
}
END_TEST

START_TEST(what_is_left_of_an_archiving_and_has_no_name_to_go_back_to_is_told)
{
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	break_off_archiving("a");
	fixture_write(&f, "a", "2 ");
	fixture_restart(&f, 0);
	fixture_expect(&f, "2 ");
	fixture_noted(&f, "left by an archiving that was broken off");
	fixture_scan(&f);
	fixture_noted_nothing(&f);
}
END_TEST

START_TEST(a_file_that_gets_no_name_in_the_archive_keeps_its_own)
{
	struct err err = ERR_INIT;
	char path[512];

	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	(void)mkdir(f.archive, 0777);
	snprintf(path, sizeof(path), "%s/a", f.archive);
	/* The second renaming is refused. */
	refuse_from = 2;
	ck_assert_int_eq(
		source_clean(f.source, fixture_slot(&f, fixture_file(&f, "a")), &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, path));
	fixture_expect(&f, "");
	ck_assert_int_eq(clean("a"), 1);
	in_archive("a", "1 ");
}
END_TEST

START_TEST(a_failure_leaves_the_file_and_names_it)
{
	struct err err = ERR_INIT;
	int fd = open(f.archive, O_CREAT | O_WRONLY, 0666);

	close(fd);
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_lt(source_clean(f.source, fixture_slot(&f, fixture_file(&f, "a")), &err), 0);
	ck_assert_ptr_nonnull(strstr(err.text, f.archive));
	ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	ck_assert_int_eq(access(fixture_path(&f, "a"), F_OK), 0);
}
END_TEST

/* /dev/shm is another file system than /tmp where this can be tried. */
START_TEST(another_file_system_is_refused_with_a_sentence)
{
	char archive[] = "/dev/shm/tallyd-archive-XXXXXX";
	struct source *source = NULL;
	struct err err = ERR_INIT;
	struct stat here;
	struct stat there;

	if (mkdtemp(archive) == NULL)
		return;
	ck_assert_int_eq(stat(f.dir, &here), 0);
	ck_assert_int_eq(stat(archive, &there), 0);
	f.spec.archive_dir = archive;
	if (here.st_dev != there.st_dev) {
		ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(err.text, "another file system"));
		fixture_write(&f, "a", "1 ");
		fixture_expect(&f, "1 ");
		ck_assert_int_eq(
			source_clean(f.source, fixture_slot(&f, fixture_file(&f, "a")), &err),
			ERR_IO);
		ck_assert_ptr_nonnull(strstr(err.text, "another file system"));
		ck_assert_int_eq(fixture_file(&f, "a")->state, FILE_DONE);
	}
	rmdir(archive);
}
END_TEST

START_TEST(archive_dir_inside_the_source_is_refused)
{
	static const char *const inside[] = {"", "/", "/archive", "/archive/", "/not/yet/there"};
	struct source *source = NULL;
	struct err err = ERR_INIT;
	char path[256];
	char link[128];
	size_t i;

	fixture_mkdir(&f, "archive");
	f.spec.archive_dir = path;
	for (i = 0; i < sizeof(inside) / sizeof(inside[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", f.dir, inside[i]);
		ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
		ck_assert_ptr_nonnull(strstr(err.text, "is inside the source's directory"));
	}
	/* A link that leads there is no way around. */
	snprintf(link, sizeof(link), "%s/link", f.root);
	ck_assert_int_eq(symlink(f.dir, link), 0);
	snprintf(path, sizeof(path), "%s/new", link);
	ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
	/* Beside it is fine, even with a name that begins alike. */
	snprintf(path, sizeof(path), "%s-archive", f.dir);
	ck_assert_int_eq(source_open(&source, &f.spec, &err), 0);
	source_close(source);
}
END_TEST

START_TEST(archive_without_a_directory_is_refused)
{
	struct source *source = NULL;
	struct err err = ERR_INIT;

	f.spec.archive_dir = NULL;
	ck_assert_int_eq(source_open(&source, &f.spec, &err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "needs archive_dir"));
}
END_TEST

START_TEST(a_deleted_name_of_a_hard_link_does_not_count_the_other_name_again)
{
	f.spec.clean_source = CLEAN_SOURCE_DELETE;
	fixture_write(&f, "a", "1 ");
	ck_assert_int_eq(link(fixture_path(&f, "a"), fixture_path(&f, "b")), 0);
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(clean("a"), 1);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "b")->state, FILE_DONE);
}
END_TEST

static Suite *make_suite(void)
{
	const TTest *const tests[] = {
		off_leaves_the_file_alone,
		delete_deletes_a_done_file,
		archive_keeps_the_relative_path,
		archive_never_overwrites,
		not_while_it_is_unread_growing_or_in_error,
		not_when_its_size_changed_since_it_was_read,
		not_when_its_time_changed_since_it_was_read,
		not_when_another_file_has_its_name,
		a_file_that_cannot_be_deleted_keeps_its_name,
		a_deletion_that_was_broken_off_is_taken_back_at_the_next_start,
		what_is_left_of_a_deletion_and_has_no_name_to_go_back_to_is_told,
		what_is_left_of_an_archiving_and_has_no_name_to_go_back_to_is_told,
		a_file_that_gets_no_name_in_the_archive_keeps_its_own,
		a_failure_leaves_the_file_and_names_it,
		another_file_system_is_refused_with_a_sentence,
		archive_dir_inside_the_source_is_refused,
		archive_without_a_directory_is_refused,
		a_deleted_name_of_a_hard_link_does_not_count_the_other_name_again,
	};
	Suite *suite = suite_create("source_clean");
	TCase *tc = tcase_create("after_processing");
	size_t i;

	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	tcase_add_loop_test(tc, not_when_another_file_gets_its_name_at_the_last_moment, 0, 2);
	tcase_add_loop_test(tc, not_when_it_is_written_to_at_the_last_moment, 0, 2);
	tcase_add_loop_test(
		tc, a_file_that_goes_at_the_last_moment_is_told_and_found_missing, 0, 2);
	tcase_add_loop_test(tc, a_file_system_without_links_is_cleaned_too, 0, 4);
	tcase_add_loop_test(
		tc, an_archiving_that_was_broken_off_is_taken_back_at_the_next_start, 0, 2);
	tcase_add_loop_test(
		tc, a_file_that_was_taken_away_unread_is_found_and_read_at_the_next_start, 0, 2);
	tcase_add_loop_test(tc,
		a_deletion_that_was_broken_off_under_another_name_is_taken_back_if_it_is_the_file,
		0, 2);
	tcase_add_loop_test(
		tc, what_another_source_was_deleting_is_not_taken_for_a_file_of_this_one, 0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(make_suite());
}
