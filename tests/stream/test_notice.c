/* inotify on real directories: each change is told, by name or as "anything". */
#include "stream/notice.h"

#include "tests/run.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static char dir[128];
static char told[8192]; /* the paths, each with a newline; "*" for anything */
static struct notice *notice;

static void on_change(void *context, const char *path)
{
	char line[512];

	(void)context;
	snprintf(line, sizeof(line), "%s\n", path == NULL ? "*" : path);
	if (strlen(told) + strlen(line) < sizeof(told) && strstr(told, line) == NULL)
		strcat(told, line);
}

static void watch(bool recursive)
{
	struct notice_sink sink = {.on_change = on_change};
	struct err err = ERR_INIT;

	ck_assert_int_eq(notice_open(&notice, dir, recursive, &err), 0);
	notice_set_sink(notice, &sink);
}

static void setup(void)
{
	strcpy(root, "/tmp/tallyd-notice-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	snprintf(dir, sizeof(dir), "%s/events", root);
	ck_assert_int_eq(mkdir(dir, 0777), 0);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
	(void)status;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void teardown(void)
{
	notice_close(notice);
	(void)nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_dir(const char *name)
{
	static char paths[2][256];
	static unsigned next;
	char *path = paths[next++ % 2];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static void touch(const char *name)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_APPEND, 0666);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
}

/* Everything that is there by now; inotify queues before the system call returns. */
static void expect(const char *expected)
{
	struct pollfd poll_fd = {.fd = notice_fd(notice), .events = POLLIN};

	while (poll(&poll_fd, 1, 0) > 0)
		notice_read(notice);
	ck_assert_str_eq(told, expected);
	told[0] = '\0';
}

START_TEST(a_new_a_changed_a_renamed_and_a_deleted_file_are_told)
{
	watch(false);
	ck_assert_ptr_null(notice_trouble(notice));
	touch("a");
	expect("a\n");
	touch("a");
	expect("a\n");
	ck_assert_int_eq(rename(in_dir("a"), in_dir("b")), 0);
	expect("a\nb\n");
	ck_assert_int_eq(chmod(in_dir("b"), 0600), 0);
	expect("b\n");
	ck_assert_int_eq(unlink(in_dir("b")), 0);
	expect("b\n");
	expect("");
}
END_TEST

START_TEST(reading_a_file_tells_nothing)
{
	char c;
	int fd;

	touch("a");
	watch(false);
	fd = open(in_dir("a"), O_RDONLY);
	ck_assert_int_eq(read(fd, &c, 1), 1);
	close(fd);
	expect("");
}
END_TEST

START_TEST(without_recursion_directories_below_tell_nothing)
{
	watch(false);
	ck_assert_int_eq(mkdir(in_dir("sub"), 0777), 0);
	touch("sub/a");
	expect("");
}
END_TEST

START_TEST(with_recursion_directories_below_are_watched_as_they_appear)
{
	ck_assert_int_eq(mkdir(in_dir("old"), 0777), 0);
	watch(true);
	touch("old/a");
	expect("old/a\n");
	ck_assert_int_eq(mkdir(in_dir("new"), 0777), 0);
	ck_assert_int_eq(mkdir(in_dir("new/deep"), 0777), 0);
	expect("new\n");
	touch("new/deep/a");
	expect("new/deep/a\n");
}
END_TEST

START_TEST(a_directory_that_is_renamed_is_told_with_its_new_name)
{
	ck_assert_int_eq(mkdir(in_dir("a"), 0777), 0);
	ck_assert_int_eq(mkdir(in_dir("a/x"), 0777), 0);
	watch(true);
	ck_assert_int_eq(rename(in_dir("a"), in_dir("b")), 0);
	expect("*\nb\n");
	touch("b/x/file");
	expect("b/x/file\n");
}
END_TEST

START_TEST(ignored_directories_are_not_watched)
{
	ck_assert_int_eq(mkdir(in_dir("_old"), 0777), 0);
	watch(true);
	ck_assert_int_eq(mkdir(in_dir(".new"), 0777), 0);
	touch("_old/a");
	touch(".new/a");
	expect("");
}
END_TEST

START_TEST(a_deleted_directory_is_trouble_until_it_is_there_again)
{
	watch(false);
	ck_assert_int_eq(rmdir(dir), 0);
	expect("*\n");
	ck_assert_ptr_nonnull(strstr(notice_trouble(notice), dir));
	notice_repair(notice);
	ck_assert_ptr_nonnull(notice_trouble(notice));
	ck_assert_int_eq(mkdir(dir, 0777), 0);
	notice_repair(notice);
	ck_assert_ptr_null(notice_trouble(notice));
	expect("*\n");
	touch("a");
	expect("a\n");
}
END_TEST

START_TEST(another_directory_under_the_name_is_watched_in_its_place)
{
	char other[128];

	watch(false);
	snprintf(other, sizeof(other), "%s/other", root);
	ck_assert_int_eq(mkdir(other, 0777), 0);
	ck_assert_int_eq(rename(other, dir), 0);
	expect("*\n");
	ck_assert_ptr_nonnull(notice_trouble(notice));
	notice_repair(notice);
	expect("*\n");
	ck_assert_ptr_null(notice_trouble(notice));
	touch("a");
	expect("a\n");
}
END_TEST

START_TEST(a_directory_replaced_by_renaming_one_above_is_found_by_repair)
{
	char moved[96];

	watch(false);
	snprintf(moved, sizeof(moved), "%s.moved", root);
	ck_assert_int_eq(rename(root, moved), 0);
	ck_assert_int_eq(mkdir(root, 0777), 0);
	ck_assert_int_eq(mkdir(dir, 0777), 0);
	notice_repair(notice);
	expect("*\n");
	touch("a");
	expect("a\n");
	(void)nftw(moved, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}
END_TEST

START_TEST(a_missing_directory_is_trouble_and_not_failure)
{
	ck_assert_int_eq(rmdir(dir), 0);
	watch(true);
	ck_assert_ptr_nonnull(strstr(notice_trouble(notice), "No such file or directory"));
	ck_assert_int_eq(mkdir(dir, 0777), 0);
	notice_repair(notice);
	ck_assert_ptr_null(notice_trouble(notice));
}
END_TEST

START_TEST(an_overflowing_queue_is_told_as_anything)
{
	char from[256];
	char to[256];
	int i;

	watch(false);
	snprintf(from, sizeof(from), "%s", in_dir("a"));
	snprintf(to, sizeof(to), "%s", in_dir("b"));
	touch("a");
	for (i = 0; i < 10000; i++) {
		ck_assert_int_eq(rename(from, to), 0);
		ck_assert_int_eq(rename(to, from), 0);
	}
	while (strstr(told, "*\n") == NULL) {
		struct pollfd poll_fd = {.fd = notice_fd(notice), .events = POLLIN};

		ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
		notice_read(notice);
	}
}
END_TEST

START_TEST(without_instances_it_says_so_and_recovers)
{
	struct rlimit old;
	struct rlimit few;

	/* Use up the descriptors: inotify_init fails with EMFILE either way. */
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = old;
	few.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	watch(false);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(notice_fd(notice), -1);
	ck_assert_ptr_nonnull(strstr(notice_trouble(notice), "no kernel notices for"));
	notice_repair(notice);
	ck_assert_ptr_null(notice_trouble(notice));
	expect("*\n");
}
END_TEST

/* In a user namespace of our own, since the limit is everybody's. False: not allowed here. */
static bool set_max_watches(const char *number)
{
	int fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY);
	bool is_set = fd >= 0 && write(fd, number, strlen(number)) == (ssize_t)strlen(number);

	if (fd >= 0)
		close(fd);
	return is_set;
}

START_TEST(without_watches_it_says_so_and_recovers)
{
	int i;

	ck_assert_int_eq(mkdir(in_dir("a"), 0777), 0);
	ck_assert_int_eq(mkdir(in_dir("b"), 0777), 0);
	if (unshare(CLONE_NEWUSER) != 0 || !set_max_watches("2"))
		return;
	watch(true);
	ck_assert_ptr_nonnull(strstr(notice_trouble(notice), "fs.inotify.max_user_watches"));
	ck_assert(set_max_watches("100"));
	/* With the root watched it takes its time to try again. */
	for (i = 0; i < 32; i++)
		notice_repair(notice);
	ck_assert_ptr_null(notice_trouble(notice));
	expect("*\n");
}
END_TEST

static Suite *make_suite(void)
{
	Suite *suite = suite_create("notice");
	TCase *tc = tcase_create("inotify");

	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_new_a_changed_a_renamed_and_a_deleted_file_are_told);
	tcase_add_test(tc, reading_a_file_tells_nothing);
	tcase_add_test(tc, without_recursion_directories_below_tell_nothing);
	tcase_add_test(tc, with_recursion_directories_below_are_watched_as_they_appear);
	tcase_add_test(tc, a_directory_that_is_renamed_is_told_with_its_new_name);
	tcase_add_test(tc, ignored_directories_are_not_watched);
	tcase_add_test(tc, a_deleted_directory_is_trouble_until_it_is_there_again);
	tcase_add_test(tc, another_directory_under_the_name_is_watched_in_its_place);
	tcase_add_test(tc, a_directory_replaced_by_renaming_one_above_is_found_by_repair);
	tcase_add_test(tc, a_missing_directory_is_trouble_and_not_failure);
	tcase_add_test(tc, an_overflowing_queue_is_told_as_anything);
	tcase_add_test(tc, without_instances_it_says_so_and_recovers);
	tcase_add_test(tc, without_watches_it_says_so_and_recovers);
	suite_add_tcase(suite, tc);
	return suite;
}

int main(void)
{
	return run_suite(make_suite());
}
