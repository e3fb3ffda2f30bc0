/* SEMANTICS §5 in one run: each row that the source decides has a test of its name. */
#include "tests/run.h"
#include "tests/stream/source_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

START_TEST(which_regular_files_that_are_direct_children)
{
	fixture_write(&f, "a.json", "a");
	fixture_mkdir(&f, "sub");
	fixture_write(&f, "sub/b.json", "b");
	fixture_expect(&f, "a");
	ck_assert_uint_eq(fixture_n_live(&f), 1);
}
END_TEST

START_TEST(which_never_an_ignored_name)
{
	static const char *const names[] = {".hidden", "_underscore", "x._COPYING_", "x.tmp",
		"x.part", "x.swp", "x~", ".", ".."};
	size_t i;

	for (i = 0; i < 7; i++)
		fixture_write(&f, names[i], "no");
	fixture_write(&f, "x.tmp.json", "yes");
	fixture_expect(&f, "yes");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ck_assert(!source_notice(f.source, names[i]));
	ck_assert(source_notice(f.source, "x.tmp.json"));
}
END_TEST

START_TEST(which_matching_the_glob)
{
	char glob[] = "*.js[ao]n";

	f.spec.glob = glob;
	fixture_write(&f, "a.json", "a");
	fixture_write(&f, "b.jsan", "b");
	fixture_write(&f, "c.csv", "c");
	fixture_set_mtime(&f, "a.json", 100);
	fixture_set_mtime(&f, "b.jsan", 200);
	fixture_expect(&f, "ab");
	fixture_write(&f, "d.csv", "d");
	fixture_look(&f, "d.csv");
	ck_assert_uint_eq(fixture_n_live(&f), 2);
}
END_TEST

START_TEST(which_recursive_all_below_but_not_below_ignored_directories)
{
	char glob[] = "*.json";

	f.spec.recursive = true;
	f.spec.glob = glob;
	fixture_mkdir(&f, "a");
	fixture_mkdir(&f, "a/b");
	fixture_mkdir(&f, "_c");
	fixture_mkdir(&f, "d.tmp");
	fixture_write(&f, "1.json", "1");
	fixture_write(&f, "a/2.json", "2");
	fixture_write(&f, "a/b/3.json", "3");
	fixture_write(&f, "_c/4.json", "4");
	fixture_write(&f, "d.tmp/5.json", "5");
	fixture_set_mtime(&f, "1.json", 1);
	fixture_set_mtime(&f, "a/2.json", 2);
	fixture_set_mtime(&f, "a/b/3.json", 3);
	fixture_expect(&f, "123");
	ck_assert(!source_notice(f.source, "a/_c/x.json"));
	ck_assert(!source_notice(f.source, "_c/4.json"));
	fixture_write(&f, "a/b/6.json", "6");
	fixture_look(&f, "a/b/6.json");
	fixture_read(&f);
	fixture_got(&f, "6");
}
END_TEST

START_TEST(which_a_noticed_new_directory_is_walked)
{
	f.spec.recursive = true;
	fixture_scan(&f);
	fixture_mkdir(&f, "new");
	fixture_mkdir(&f, "new/deep");
	fixture_write(&f, "new/deep/a", "a");
	fixture_look(&f, "new");
	fixture_read(&f);
	fixture_got(&f, "a");
}
END_TEST

START_TEST(which_symbolic_links_are_not_followed_inside)
{
	ck_assert_int_eq(symlink("/dev/zero", fixture_path(&f, "zero")), 0);
	ck_assert_int_eq(symlink("loop", fixture_path(&f, "loop")), 0);
	ck_assert_int_eq(symlink("file", fixture_path(&f, "link")), 0);
	ck_assert_int_eq(symlink("/etc", fixture_path(&f, "etc")), 0);
	f.spec.recursive = true;
	fixture_write(&f, "file", "x");
	fixture_expect(&f, "x");
	fixture_noted(&f, "link: a symbolic link, not followed");
	fixture_expect(&f, "");
	fixture_noted_nothing(&f);
}
END_TEST

START_TEST(which_a_link_is_followed_for_the_directory_itself)
{
	char link[96];
	struct err err = ERR_INIT;

	snprintf(link, sizeof(link), "%s/link", f.root);
	ck_assert_int_eq(symlink("events", link), 0);
	fixture_write(&f, "a", "a");
	source_close(f.source);
	f.spec.path = link;
	ck_assert_int_eq(source_open(&f.source, &f.spec, &err), 0);
	fixture_expect(&f, "a");
}
END_TEST

START_TEST(which_fifos_sockets_and_devices_are_never_opened)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, fixture_path(&f, "socket"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(mkfifo(fixture_path(&f, "fifo"), 0666), 0);
	fixture_write(&f, "file", "x");
	fixture_expect(&f, "x");
	fixture_look(&f, "fifo");
	fixture_noted(&f, "fifo: a FIFO, socket or device, not read");
	fixture_expect(&f, "");
	fixture_noted_nothing(&f);
	close(fd);
}
END_TEST

START_TEST(order_is_time_then_natural_name)
{
	static const char *const names[] = {"file-10", "file-2", "file-1", "file-02", "z"};
	size_t i;

	for (i = 0; i < 5; i++) {
		fixture_write(&f, names[i], names[i]);
		fixture_append(&f, names[i], " ");
		fixture_set_mtime(&f, names[i], 1000);
	}
	fixture_set_mtime(&f, "z", 999);
	fixture_expect(&f, "z file-1 file-02 file-2 file-10 ");
}
END_TEST

START_TEST(order_a_file_that_grew_stands_where_its_new_time_puts_it)
{
	fixture_write(&f, "a", "a1 ");
	fixture_write(&f, "b", "b1 ");
	fixture_set_mtime(&f, "a", 100);
	fixture_set_mtime(&f, "b", 200);
	fixture_expect(&f, "a1 b1 ");
	fixture_append(&f, "a", "a2 ");
	fixture_append(&f, "b", "b2 ");
	fixture_set_mtime(&f, "a", 400);
	fixture_set_mtime(&f, "b", 300);
	fixture_expect(&f, "b2 a2 ");
}
END_TEST

START_TEST(order_new_files_get_their_ids_in_it_and_known_ones_keep_theirs)
{
	char name[16];
	int64_t known;
	int64_t last;

	fixture_write(&f, "known", "k ");
	fixture_set_mtime(&f, "known", 5000);
	fixture_expect(&f, "k ");
	known = last = fixture_file(&f, "known")->id;
	for (int i = 0; i < 200; i++) {
		(void)snprintf(name, sizeof(name), "f%d", (i * 77) % 200);
		fixture_write(&f, name, "x");
		fixture_set_mtime(&f, name, 1000 + (i * 77) % 200 / 50);
	}
	fixture_scan(&f);
	for (int i = 0; i < 200; i++) {
		const struct file *file;

		(void)snprintf(name, sizeof(name), "f%d", i);
		file = fixture_file(&f, name);
		ck_assert_int_gt(file->id, last);
		last = file->id;
		ck_assert_uint_eq(source_find_id(f.source, last), fixture_slot(&f, file));
	}
	ck_assert_int_eq(fixture_file(&f, "known")->id, known);
}
END_TEST

START_TEST(an_empty_file_waits_like_any_other)
{
	fixture_write(&f, "empty", "");
	fixture_scan(&f);
	ck_assert_int_eq(fixture_file(&f, "empty")->state, FILE_WAITING);
	fixture_read(&f);
	ck_assert_int_eq(fixture_file(&f, "empty")->state, FILE_DONE);
	fixture_append(&f, "empty", "x");
	fixture_expect(&f, "x");
}
END_TEST

START_TEST(identity_a_rename_inside_the_directory_is_no_new_data)
{
	int64_t id;

	fixture_write(&f, "a", "first ");
	fixture_expect(&f, "first ");
	id = fixture_file(&f, "a")->id;
	fixture_rename(&f, "a", "b");
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "b")->id, id);
	ck_assert_ptr_null(fixture_file(&f, "a"));
	fixture_append(&f, "b", "second ");
	fixture_expect(&f, "second ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(identity_a_new_file_under_an_old_name_is_new)
{
	fixture_write(&f, "a", "old ");
	fixture_expect(&f, "old ");
	fixture_write(&f, ".new", "old ");
	fixture_rename(&f, ".new", "a");
	fixture_expect(&f, "old ");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
}
END_TEST

START_TEST(identity_rotation_by_rename_reads_each_byte_once)
{
	int64_t id;

	fixture_write(&f, "log", "1 ");
	fixture_expect(&f, "1 ");
	id = fixture_file(&f, "log")->id;
	fixture_append(&f, "log", "2 ");
	fixture_rename(&f, "log", "log.1");
	fixture_write(&f, "log", "3 ");
	fixture_set_mtime(&f, "log.1", 1);
	fixture_expect(&f, "2 3 ");
	ck_assert_int_eq(fixture_file(&f, "log.1")->id, id);
	fixture_append(&f, "log.1", "4 ");
	fixture_append(&f, "log", "5 ");
	fixture_set_mtime(&f, "log.1", 1);
	fixture_expect(&f, "4 5 ");
	fixture_rename(&f, "log.1", "log.2");
	fixture_rename(&f, "log", "log.1");
	fixture_write(&f, "log", "6 ");
	fixture_expect(&f, "6 ");
	ck_assert_uint_eq(fixture_n_live(&f), 3);
	ck_assert_uint_eq(source_n_slots(f.source), 3);
}
END_TEST

START_TEST(identity_rotation_is_understood_from_notices_alone_in_any_order)
{
	static const char *const orders[2][2] = {{"log", "log.1"}, {"log.1", "log"}};
	size_t i;

	fixture_scan(&f);
	for (i = 0; i < 2; i++) {
		fixture_write(&f, "log", "1 ");
		fixture_look(&f, "log");
		fixture_read(&f);
		fixture_rename(&f, "log", "log.1");
		fixture_write(&f, "log", "2 ");
		source_notice(f.source, orders[i][0]);
		fixture_look(&f, orders[i][1]);
		fixture_read(&f);
		fixture_got(&f, "1 2 ");
		ck_assert_uint_eq(fixture_n_live(&f), 2);
		ck_assert_ptr_null(fixture_gone(&f, "log"));
		fixture_remove(&f, "log");
		fixture_remove(&f, "log.1");
		source_notice(f.source, "log");
		fixture_look(&f, "log.1");
		source_forget(f.source, fixture_slot(&f, fixture_gone(&f, "log")));
		source_forget(f.source, fixture_slot(&f, fixture_gone(&f, "log.1")));
	}
}
END_TEST

START_TEST(identity_two_names_that_are_swapped_stay_two_files)
{
	fixture_write(&f, "a", "a ");
	fixture_write(&f, "b", "b ");
	fixture_scan(&f);
	fixture_read(&f);
	fixture_rename(&f, "a", ".c");
	fixture_rename(&f, "b", "a");
	fixture_rename(&f, ".c", "b");
	fixture_append(&f, "a", "b2 ");
	buf_clear(&f.got);
	fixture_expect(&f, "b2 ");
	ck_assert_uint_eq(source_n_slots(f.source), 2);
}
END_TEST

START_TEST(identity_a_file_moved_out_and_back_goes_on_where_it_was)
{
	char outside[96];

	snprintf(outside, sizeof(outside), "%s/outside", f.root);
	fixture_write(&f, "a", "1 ");
	fixture_expect(&f, "1 ");
	ck_assert_int_eq(rename(fixture_path(&f, "a"), outside), 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	ck_assert_int_eq(rename(outside, fixture_path(&f, "b")), 0);
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_file(&f, "b")->state, FILE_DONE);
	fixture_append(&f, "b", "2 ");
	fixture_expect(&f, "2 ");
}
END_TEST

/* Makes `name` with the inode that was just freed; false: this file system hands out others. */
static bool reuse_inode(const char *name, const char *text, uint64_t inode)
{
	struct stat status;
	int i;

	for (i = 0; i < 20; i++) {
		fixture_write(&f, name, text);
		ck_assert_int_eq(stat(fixture_path(&f, name), &status), 0);
		if (status.st_ino == inode)
			return true;
		fixture_remove(&f, name);
	}
	return false;
}

START_TEST(identity_a_reused_inode_is_a_new_file)
{
	static const char *const names[] = {"a", "b"};
	static const bool is_missed_first[] = {false, true};
	static const char *const firsts[] = {"first ", "second ", "third ", "fourth "};
	struct file *file;
	uint64_t inode;
	size_t i;

	for (i = 0; i < 4; i++) {
		fixture_write(&f, "a", firsts[i]);
		fixture_expect(&f, firsts[i]);
		file = fixture_file(&f, "a");
		/* As on a file system without birth times, which would tell them apart. */
		file->identity.birth_ns = 0;
		inode = file->identity.inode;
		fixture_remove(&f, "a");
		if (is_missed_first[i / 2])
			fixture_scan(&f);
		if (!reuse_inode(names[i % 2], "other!", inode))
			return;
		fixture_expect(&f, "other!");
		ck_assert_int_eq(file->state, FILE_MISSING);
		ck_assert_uint_eq(fixture_n_live(&f), 1);
		fixture_remove(&f, names[i % 2]);
		fixture_scan(&f);
	}
}
END_TEST

START_TEST(growth_is_read_from_where_the_last_batch_stopped)
{
	int i;

	fixture_write(&f, "a", "");
	for (i = 0; i < 20; i++) {
		fixture_append(&f, "a", "line\n");
		if (i % 2 == 0)
			fixture_expect(&f, "line\n");
		else {
			fixture_look(&f, "a");
			fixture_read(&f);
			fixture_got(&f, "line\n");
		}
	}
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(growth_beyond_the_fingerprints_is_read_once)
{
	char line[1001];
	int i;

	memset(line, 'x', 1000);
	line[1000] = '\0';
	fixture_write(&f, "a", "");
	for (i = 0; i < 15; i++) {
		line[0] = (char)('a' + i);
		fixture_append(&f, "a", line);
		fixture_expect(&f, line);
	}
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(rewriting_to_a_shorter_file_is_a_new_file_and_said)
{
	fixture_write(&f, "a", "long content ");
	fixture_expect(&f, "long content ");
	fixture_write(&f, "a", "short ");
	fixture_expect(&f, "short ");
	fixture_noted(&f, "shorter than the 13 bytes read");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	ck_assert_str_eq(fixture_gone(&f, "a")->reason,
		"rewritten in place: shorter than the 13 bytes read");
	ck_assert_str_eq(fixture_file(&f, "a")->reason, "rewritten in place: read as a new file");
	fixture_append(&f, "a", "more ");
	fixture_expect(&f, "more ");
}
END_TEST

START_TEST(rewriting_to_a_longer_file_is_a_new_file)
{
	fixture_write(&f, "a", "one ");
	fixture_expect(&f, "one ");
	fixture_write(&f, "a", "two and more ");
	fixture_expect(&f, "two and more ");
	fixture_noted(&f, "the 4 bytes read are others now");
}
END_TEST

START_TEST(rewriting_with_the_same_size_and_time_is_noticed)
{
	fixture_write(&f, "a", "one ");
	fixture_set_mtime(&f, "a", 1000);
	fixture_expect(&f, "one ");
	fixture_write(&f, "a", "two ");
	fixture_set_mtime(&f, "a", 1000);
	fixture_expect(&f, "two ");
}
END_TEST

START_TEST(rewriting_behind_the_fingerprint_of_the_head_is_noticed_by_the_tail)
{
	char text[10001];

	memset(text, 'x', 10000);
	text[10000] = '\0';
	fixture_write(&f, "a", text);
	fixture_expect(&f, text);
	text[9000] = 'y';
	fixture_write(&f, "a", text);
	fixture_expect(&f, text);
}
END_TEST

START_TEST(truncation_to_nothing_and_growth_again)
{
	fixture_write(&f, "a", "one ");
	fixture_expect(&f, "one ");
	fixture_write(&f, "a", "");
	fixture_expect(&f, "");
	fixture_append(&f, "a", "two ");
	fixture_expect(&f, "two ");
}
END_TEST

START_TEST(rewriting_before_anything_was_read_is_no_rewriting)
{
	fixture_write(&f, "a", "one ");
	fixture_scan(&f);
	fixture_write(&f, "a", "other");
	fixture_expect(&f, "other");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
}
END_TEST

START_TEST(hard_links_are_the_same_file)
{
	fixture_write(&f, "b", "x ");
	ck_assert_int_eq(link(fixture_path(&f, "b"), fixture_path(&f, "a")), 0);
	fixture_expect(&f, "x ");
	ck_assert_uint_eq(source_n_slots(f.source), 1);
	/* Whatever the directory's order is, the first name in order is the one. */
	ck_assert_ptr_nonnull(fixture_file(&f, "a"));
	fixture_noted(&f, "another name (hard link)");
	fixture_append(&f, "b", "y ");
	fixture_look(&f, "b");
	fixture_read(&f);
	fixture_got(&f, "y ");
	fixture_noted_nothing(&f);
}
END_TEST

START_TEST(hard_links_when_one_name_goes_the_other_is_the_file)
{
	bool full;

	source_set_noticed(f.source, true);
	fixture_write(&f, "a", "x ");
	ck_assert_int_eq(link(fixture_path(&f, "a"), fixture_path(&f, "b")), 0);
	fixture_expect(&f, "x ");
	fixture_remove(&f, "a");
	fixture_look(&f, "a");
	ck_assert_int_eq(source_next_look_us(f.source, &full), INT64_MIN);
	ck_assert(full);
	fixture_append(&f, "b", "y ");
	fixture_expect(&f, "y ");
	ck_assert_uint_eq(fixture_n_live(&f), 1);
}
END_TEST

START_TEST(copies_are_new_files)
{
	fixture_write(&f, "a", "x ");
	fixture_expect(&f, "x ");
	fixture_write(&f, "b", "x ");
	fixture_expect(&f, "x ");
}
END_TEST

START_TEST(copytruncate_counts_the_copy_again)
{
	fixture_write(&f, "log", "1 ");
	fixture_expect(&f, "1 ");
	fixture_write(&f, "log.1", "1 ");
	fixture_write(&f, "log", "");
	fixture_append(&f, "log", "2 ");
	fixture_set_mtime(&f, "log.1", 1);
	fixture_expect(&f, "1 2 ");
}
END_TEST

START_TEST(gone_before_it_was_read_is_missing_and_said)
{
	fixture_write(&f, "a", "x");
	fixture_scan(&f);
	fixture_remove(&f, "a");
	fixture_read(&f);
	fixture_got(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	ck_assert_str_eq(fixture_gone(&f, "a")->reason, "gone before it was read");
	fixture_noted(&f, "a: gone before it was read");
}
END_TEST

START_TEST(gone_after_it_was_read_is_missing_without_a_word)
{
	fixture_write(&f, "a", "x");
	fixture_expect(&f, "x");
	fixture_remove(&f, "a");
	fixture_expect(&f, "");
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	ck_assert_str_eq(fixture_gone(&f, "a")->reason, "deleted or moved away");
	fixture_noted_nothing(&f);
}
END_TEST

START_TEST(a_file_that_another_replaced_before_it_was_opened_is_not_confused_with_it)
{
	fixture_write(&f, "a", "one ");
	fixture_expect(&f, "one ");
	fixture_append(&f, "a", "two ");
	fixture_scan(&f);
	fixture_write(&f, ".b", "new content");
	fixture_rename(&f, ".b", "a");
	fixture_read(&f);
	fixture_got(&f, "new content");
}
END_TEST

START_TEST(names_with_newlines_invalid_utf8_and_255_bytes_are_read)
{
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	fixture_write(&f, "a\nb", "1 ");
	fixture_write(&f, "c\xff\xfe", "2 ");
	fixture_write(&f, name, "3 ");
	fixture_set_mtime(&f, "a\nb", 1);
	fixture_set_mtime(&f, "c\xff\xfe", 2);
	fixture_expect(&f, "1 2 3 ");
	fixture_append(&f, "a\nb", "4 ");
	fixture_look(&f, "a\nb");
	fixture_read(&f);
	fixture_got(&f, "4 ");
	fixture_write(&f, "a\nb", "");
	fixture_scan(&f);
	fixture_noted(&f, "a\\x0ab: rewritten in place");
}
END_TEST

START_TEST(times_in_the_future_and_of_1970_have_no_effect_on_what_is_read)
{
	fixture_write(&f, "future", "f ");
	fixture_write(&f, "past", "p ");
	fixture_set_mtime(&f, "future", 4000000000);
	fixture_set_mtime(&f, "past", 0);
	fixture_expect(&f, "p f ");
	fixture_write(&f, "older", "o ");
	fixture_write(&f, "farthest", "F ");
	fixture_set_mtime(&f, "older", 5);
	fixture_set_mtime(&f, "farthest", 15000000000);
	fixture_expect(&f, "o F ");
	fixture_append(&f, "farthest", "G ");
	fixture_set_mtime(&f, "farthest", 15000000000);
	fixture_expect(&f, "G ");
}
END_TEST

START_TEST(age_leaves_out_old_new_files_and_says_so)
{
	f.spec.max_file_age_us = INT64_C(3600) * 1000000;
	fixture_write(&f, "new", "n ");
	fixture_write(&f, "old", "o ");
	fixture_set_mtime(&f, "new", 1000000);
	fixture_set_mtime(&f, "old", 1000000 - 3601);
	fixture_expect(&f, "n ");
	fixture_noted(&f, "1 new files are left out");
	fixture_expect(&f, "");
	fixture_noted_nothing(&f);
	/* What is known is never forgotten because of its age. */
	fixture_write(&f, "newer", "m ");
	fixture_set_mtime(&f, "newer", 1000000 + 7200);
	fixture_expect(&f, "m ");
	fixture_append(&f, "new", "n2 ");
	fixture_set_mtime(&f, "new", 1000001);
	fixture_expect(&f, "n2 ");
	/* A file that was left out and is written again is new enough. */
	fixture_append(&f, "old", "o2 ");
	fixture_expect(&f, "o o2 ");
}
END_TEST

START_TEST(age_a_file_that_is_left_out_takes_the_name_of_the_one_it_replaces)
{
	f.spec.max_file_age_us = INT64_C(3600) * 1000000;
	fixture_write(&f, "a", "a ");
	fixture_write(&f, "b", "b ");
	fixture_scan(&f);
	fixture_write(&f, ".old", "o ");
	fixture_set_mtime(&f, ".old", 1000000);
	fixture_rename(&f, ".old", "a");
	fixture_look(&f, "a");
	fixture_noted(&f, "a: gone before it was read");
	ck_assert_ptr_null(fixture_file(&f, "a"));
	ck_assert_int_eq(fixture_gone(&f, "a")->state, FILE_MISSING);
	fixture_read(&f);
	fixture_got(&f, "b ");
}
END_TEST

START_TEST(the_changed_list_has_each_changed_file_once)
{
	struct err err = ERR_INIT;
	size_t *slots;
	size_t n;

	fixture_write(&f, "a", "1");
	fixture_write(&f, "b", "1");
	fixture_scan(&f);
	fixture_append(&f, "a", "2");
	fixture_scan(&f);
	ck_assert_int_eq(source_take_changed(f.source, &slots, &n, &err), 0);
	ck_assert_uint_eq(n, 2);
	free(slots);
	fixture_scan(&f);
	ck_assert_int_eq(source_take_changed(f.source, &slots, &n, &err), 0);
	ck_assert_uint_eq(n, 0);
	free(slots);
	fixture_append(&f, "b", "2");
	fixture_scan(&f);
	ck_assert_int_eq(source_take_changed(f.source, &slots, &n, &err), 0);
	ck_assert_uint_eq(n, 1);
	ck_assert_ptr_eq(source_file(f.source, slots[0]), fixture_file(&f, "b"));
	free(slots);
}
END_TEST

static Suite *make_suite(void)
{
	const TTest *const tests[] = {
		which_regular_files_that_are_direct_children,
		which_never_an_ignored_name,
		which_matching_the_glob,
		which_recursive_all_below_but_not_below_ignored_directories,
		which_a_noticed_new_directory_is_walked,
		which_symbolic_links_are_not_followed_inside,
		which_a_link_is_followed_for_the_directory_itself,
		which_fifos_sockets_and_devices_are_never_opened,
		order_is_time_then_natural_name,
		order_new_files_get_their_ids_in_it_and_known_ones_keep_theirs,
		order_a_file_that_grew_stands_where_its_new_time_puts_it,
		an_empty_file_waits_like_any_other,
		identity_a_rename_inside_the_directory_is_no_new_data,
		identity_a_new_file_under_an_old_name_is_new,
		identity_rotation_by_rename_reads_each_byte_once,
		identity_rotation_is_understood_from_notices_alone_in_any_order,
		identity_two_names_that_are_swapped_stay_two_files,
		identity_a_file_moved_out_and_back_goes_on_where_it_was,
		identity_a_reused_inode_is_a_new_file,
		growth_is_read_from_where_the_last_batch_stopped,
		growth_beyond_the_fingerprints_is_read_once,
		rewriting_to_a_shorter_file_is_a_new_file_and_said,
		rewriting_to_a_longer_file_is_a_new_file,
		rewriting_with_the_same_size_and_time_is_noticed,
		rewriting_behind_the_fingerprint_of_the_head_is_noticed_by_the_tail,
		truncation_to_nothing_and_growth_again,
		rewriting_before_anything_was_read_is_no_rewriting,
		hard_links_are_the_same_file,
		hard_links_when_one_name_goes_the_other_is_the_file,
		copies_are_new_files,
		copytruncate_counts_the_copy_again,
		gone_before_it_was_read_is_missing_and_said,
		gone_after_it_was_read_is_missing_without_a_word,
		a_file_that_another_replaced_before_it_was_opened_is_not_confused_with_it,
		names_with_newlines_invalid_utf8_and_255_bytes_are_read,
		times_in_the_future_and_of_1970_have_no_effect_on_what_is_read,
		age_leaves_out_old_new_files_and_says_so,
		age_a_file_that_is_left_out_takes_the_name_of_the_one_it_replaces,
		the_changed_list_has_each_changed_file_once,
	};
	Suite *s = suite_create("source");
	TCase *tc = tcase_create("run");
	size_t i;

	tcase_set_timeout(tc, 600);
	tcase_add_checked_fixture(tc, setup, teardown);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return run_suite(make_suite());
}
