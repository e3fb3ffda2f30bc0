/* Whole files in a directory of their own under the build's temporary directory. */
#include "base/file.h"
#include "tests/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static void make_dir(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/tally-test-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	ck_assert_int_eq(system(command), 0);
}

static const char *in_dir(const char *name)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int count_entries(void)
{
	DIR *stream = opendir(dir);
	int n = 0;

	ck_assert_ptr_nonnull(stream);
	while (readdir(stream) != NULL)
		n++;
	closedir(stream);
	return n - 2;
}

START_TEST(a_replaced_file_has_the_new_content_and_mode_and_leaves_nothing_beside_it)
{
	struct err err = ERR_INIT;
	struct buf buf = {0};
	struct stat st;

	ck_assert_int_eq(file_replace(in_dir("a"), "old", 3, 0600, &err), 0);
	ck_assert_int_eq(file_replace(in_dir("a"), "newer", 5, 0644, &err), 0);
	buf_add_text(&buf, "> ");
	ck_assert_int_eq(file_read_all(in_dir("a"), 5, &buf, &err), 0);
	ck_assert_uint_eq(buf.len, 7);
	ck_assert_mem_eq(buf.data, "> newer", 7);
	ck_assert_int_eq(stat(in_dir("a"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_int_eq(count_entries(), 1);
	buf_fini(&buf);
}
END_TEST

START_TEST(a_replacement_that_fails_leaves_the_old_and_nothing_beside_it)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(mkdir(in_dir("a"), 0700), 0);
	ck_assert_int_eq(file_replace(in_dir("a"), "new", 3, 0600, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "/a: cannot replace"));
	ck_assert_int_eq(count_entries(), 1);
	ck_assert_int_eq(file_replace(in_dir("none/a"), "new", 3, 0600, &err), ERR_IO);
}
END_TEST

START_TEST(a_file_that_is_too_large_or_missing_leaves_the_buffer_as_it_was)
{
	struct err err = ERR_INIT;
	struct buf buf = {0};

	buf_add_text(&buf, "x");
	ck_assert_int_eq(file_replace(in_dir("a"), "12345", 5, 0600, &err), 0);
	ck_assert_int_eq(file_read_all(in_dir("a"), 4, &buf, &err), ERR_LIMIT);
	ck_assert_uint_eq(buf.len, 1);
	ck_assert_int_eq(file_read_all(in_dir("b"), 4, &buf, &err), ERR_MISSING);
	ck_assert_ptr_nonnull(strstr(err.text, "/b: cannot open: No such file"));
	buf_fini(&buf);
}
END_TEST

START_TEST(directories_are_made_with_all_above_them_and_may_exist)
{
	struct err err = ERR_INIT;
	struct stat st;

	ck_assert_int_eq(file_make_dirs(in_dir("a/b//c/"), 0700, &err), 0);
	ck_assert_int_eq(file_make_dirs(in_dir("a/b/c"), 0700, &err), 0);
	ck_assert_int_eq(stat(in_dir("a/b/c"), &st), 0);
	ck_assert(S_ISDIR(st.st_mode));
	ck_assert_int_eq(file_replace(in_dir("a/f"), "", 0, 0600, &err), 0);
	ck_assert_int_eq(file_make_dirs(in_dir("a/f"), 0700, &err), ERR_IO);
	ck_assert_int_eq(file_make_dirs(in_dir("a/f/g"), 0700, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "Not a directory"));
	ck_assert_int_eq(file_sync_dir(in_dir("a"), &err), 0);
	ck_assert_int_eq(file_sync_dir(in_dir("b"), &err), ERR_IO);
}
END_TEST

START_TEST(a_second_locker_is_told_the_pid_of_the_first)
{
	struct err err = ERR_INIT;
	char expected[32];
	int first, second, status;
	pid_t pid;

	ck_assert_int_eq(file_replace(in_dir("lock"), "99999999\n", 9, 0600, &err), 0);
	ck_assert_int_eq(file_lock(in_dir("lock"), &first, &err), 0);
	(void)snprintf(expected, sizeof(expected), "by process %ld", (long)getpid());
	pid = fork();
	if (pid == 0) {
		if (file_lock(in_dir("lock"), &second, &err) != ERR_BUSY)
			_exit(1);
		_exit(strstr(err.text, expected) == NULL ? 2 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(first);
	ck_assert_int_eq(file_lock(in_dir("lock"), &second, &err), 0);
	close(second);
}
END_TEST

START_TEST(a_full_device_fails_a_write)
{
	struct err err = ERR_INIT;
	int fd = open("/dev/full", O_WRONLY);

	if (fd < 0)
		return;
	ck_assert_int_eq(file_write_all(fd, "x", 1, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, "No space left"));
	close(fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file");

	tcase_add_checked_fixture(tcase, make_dir, remove_dir);
	tcase_add_test(
		tcase, a_replaced_file_has_the_new_content_and_mode_and_leaves_nothing_beside_it);
	tcase_add_test(tcase, a_replacement_that_fails_leaves_the_old_and_nothing_beside_it);
	tcase_add_test(tcase, a_file_that_is_too_large_or_missing_leaves_the_buffer_as_it_was);
	tcase_add_test(tcase, directories_are_made_with_all_above_them_and_may_exist);
	tcase_add_test(tcase, a_second_locker_is_told_the_pid_of_the_first);
	tcase_add_test(tcase, a_full_device_fails_a_write);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
