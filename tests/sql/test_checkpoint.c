/*
 * The checkpoint on a bad disk: damage of every kind at start, no space and
 * errors while running, syncs that fail, the power that goes.
 */
#include "sql/checkpoint_vfs.h"
#include "sql/collation.h"
#include "sql/store.h"
#include "stream/xxh64.h"
#include "tests/run.h"
#include "tests/sql/faulty_vfs.h"
#include "tests/sql/sample.h"
#include "tests/sql/stand_in.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];    /* the state directory */
static char events[80]; /* the directory of counted files */
static struct store *store;
static struct told told;
static struct spec *spec;

static void setup(void)
{
	faulty_install();
	strcpy(dir, "/tmp/test_checkpoint.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(events, sizeof(events), "%s-events", dir);
	ck_assert_int_eq(mkdir(events, 0700), 0);
	spec = sample_spec("counts", "action");
	free(spec->sources[0].path);
	spec->sources[0].path = events;
}

static void teardown(void)
{
	faulty_fail(0, 0, 0, false);
	store_close(store);
	buf_fini(&told.text);
	shell("rm -rf %s %s-*", dir, dir);
}

static int try_start(const char *state_dir, bool rebuild, struct err *err)
{
	struct store_options options = {
		.state_dir = state_dir, .rebuild = rebuild, .now_us = START};
	int rc = store_open(&store, &options, err);

	buf_clear(&told.text);
	if (rc == 0)
		rc = store_load(store, spec, told_stream(&told), err);
	return rc;
}

static void start(void)
{
	struct err err = ERR_INIT;

	must(try_start(dir, false, &err), &err);
}

static void stop(void)
{
	store_close(store);
	store = NULL;
}

/*
 * Batch `n` (from 0): the count of Open is n + 1, and so is the offset in
 * file-0; every tenth batch finishes a file of its own.
 */
static struct changes *batch(int64_t n)
{
	struct changes *changes = sample_changes(n);
	char name[32];

	sample_add_row(changes, "Close", START, 11);
	sample_add_row(changes, "Open", START, (uint64_t)n + 1);
	sample_add_file(changes, 1, "file-0.json", FILE_GROWING);
	sample_add_offset(changes, 1, 1, n + 1);
	if (n % 10 == 9) {
		(void)snprintf(name, sizeof(name), "file-%d.json", (int)(n / 10) + 1);
		sample_add_file(changes, n / 10 + 2, name, FILE_DONE);
		sample_add_offset(changes, 1, n / 10 + 2, 1000);
	}
	return changes;
}

static int try_commit(int64_t n, struct err *err)
{
	return store_commit(store, batch(n), err);
}

static void commit(int64_t n)
{
	struct err err = ERR_INIT;

	must(try_commit(n, &err), &err);
}

static char *ask(const char *sql)
{
	struct err err = ERR_INIT;
	sqlite3 *reader;
	char *answer;

	must(snapshot_open_reader(store_snapshots(store), &reader, &err), &err);
	must(collation_register(reader, &err), &err);
	answer = sample_ask(reader, sql);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
	return answer;
}

/* The number of batches that the tables show; all of them must say the same. */
static int64_t shown(void)
{
	int64_t n =
		atoll(ask("SELECT coalesce((SELECT count FROM counts WHERE action = 'Open'), 0)"));
	char want[64];

	(void)snprintf(want, sizeof(want), "%d|%d\n", (int)(n > 0 ? n * 100 : 0), (int)n);
	ck_assert_str_eq(ask("SELECT (SELECT events FROM queries), (SELECT min(count(*), 100) +"
			     " coalesce(min(batch_id), 0) FROM progress)"),
		want);
	if (n > 0) {
		(void)snprintf(want, sizeof(want), "offset 0 1 1 %d ", (int)n);
		ck_assert_msg(
			strstr(told.text.data, want) != NULL, "%s in\n%s", want, told.text.data);
	}
	return n;
}

static char *notices(void)
{
	struct buf all = {0};
	const char *notice;

	while ((notice = store_next_notice(store)) != NULL) {
		buf_add_text(&all, notice);
		buf_add_char(&all, '\n');
	}
	buf_add_char(&all, '\0');
	return sample_keep(all.data);
}

static void has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text);
}

/*
 * Some batches in the file, the counted files in
 * their directory, a copy of the state in DIR-good.
 */
static void make_good(bool is_killed)
{
	int64_t n;

	start();
	for (n = 0; n < 25; n++)
		commit(n);
	for (n = 0; n < 3; n++)
		shell("echo > %s/file-%d.json", events, (int)n);
	if (!is_killed)
		stop();
	shell("rm -rf %s-good; cp -rp %s %s-good", dir, dir, dir);
	if (is_killed)
		stop();
	shell("rm -rf %s; cp -rp %s-good %s", dir, dir, dir);
}

static void restore_good(void)
{
	shell("rm -rf %s; cp -rp %s-good %s", dir, dir, dir);
}

static off_t size_of(const char *name)
{
	struct stat status;
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	ck_assert_int_eq(stat(path, &status), 0);
	return status.st_size;
}

static void path_of(char path[160], const char *name)
{
	(void)snprintf(path, 160, "%s/%s", dir, name);
}

static void flip(const char *name, off_t at, unsigned char mask)
{
	unsigned char byte;
	char path[160];
	int fd;

	path_of(path, name);
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
	byte ^= mask;
	ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

/* Everything is there, or it was noticed and moved aside and begins from nothing. */
static bool was_noticed(void)
{
	struct err err = ERR_INIT;
	bool noticed;

	must(try_start(dir, false, &err), &err);
	noticed = strstr(notices(), "is damaged") != NULL;
	ck_assert_int_eq(shown(), noticed ? 0 : 25);
	if (noticed) {
		has(ask("SELECT message FROM queries"), "the checkpoint was damaged");
		shell("ls %s/checkpoint.damaged-20160726T020000Z >/dev/null", dir);
	}
	stop();
	return noticed;
}

START_TEST(a_file_cut_at_any_length_is_noticed)
{
	char path[160];
	off_t size, n;

	make_good(false);
	size = size_of("checkpoint");
	for (n = 0; n < size; n += n < 8192 ? 997 : 4096 + 311) {
		path_of(path, "checkpoint");
		ck_assert_int_eq(truncate(path, n), 0);
		ck_assert_msg(was_noticed(), "cut at %ld", (long)n);
		restore_good();
	}
	path_of(path, "checkpoint");
	ck_assert_int_eq(truncate(path, size - 1), 0);
	ck_assert(was_noticed());
}
END_TEST

START_TEST(a_flipped_bit_anywhere_is_noticed)
{
	off_t size, at;

	make_good(false);
	size = size_of("checkpoint");
	for (at = 0; at < size; at += at < 100 ? 3 : 599) {
		flip("checkpoint", at, (unsigned char)(1 << at % 8));
		ck_assert_msg(was_noticed(), "byte %ld", (long)at);
		restore_good();
	}
}
END_TEST

START_TEST(zeros_and_strange_files_are_noticed)
{
	make_good(false);
	shell("dd if=/dev/zero of=%s/checkpoint bs=4096 count=6 conv=notrunc status=none", dir);
	ck_assert(was_noticed());
	restore_good();
	shell("dd if=/dev/zero of=%s/checkpoint bs=4096 seek=5 count=1 conv=notrunc status=none",
		dir);
	ck_assert(was_noticed());
	restore_good();
	shell("dd if=%s/checkpoint of=%s/checkpoint bs=4096 skip=3 seek=4 count=1 conv=notrunc"
	      " status=none",
		dir, dir);
	ck_assert(was_noticed());
	restore_good();
	shell("rm %s/checkpoint; sqlite3 %s/checkpoint 'CREATE TABLE t(a)'", dir, dir);
	ck_assert(was_noticed());
	restore_good();
	shell("head -c 50000 /dev/urandom > %s/checkpoint", dir);
	ck_assert(was_noticed());
}
END_TEST

START_TEST(a_damaged_wal_takes_back_whole_batches_and_nothing_else)
{
	struct err err = ERR_INIT;
	char path[160];
	off_t size, at;

	make_good(true);
	size = size_of("checkpoint-wal");
	ck_assert_int_gt(size, 4096);
	for (at = 0; at < size; at += 4999) {
		if (at % 2 == 0) {
			flip("checkpoint-wal", at, 0x10);
		} else {
			path_of(path, "checkpoint-wal");
			ck_assert_int_eq(truncate(path, at), 0);
		}
		must(try_start(dir, false, &err), &err);
		ck_assert_str_eq(notices(), "");
		ck_assert_int_le(shown(), 25);
		stop();
		restore_good();
	}
}
END_TEST

START_TEST(damage_is_refused_where_a_counted_file_is_gone)
{
	struct err err = ERR_INIT;
	char path[160];

	make_good(false);
	flip("checkpoint", 9000, 1);
	shell("rm %s/file-1.json", events);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_CONFIG);
	has(err.text, "file-1.json has been counted and is gone");
	has(err.text, "--rebuild");
	/* Nothing was touched, so a second try says the same. */
	ck_assert_int_eq(try_start(dir, false, &err), ERR_CONFIG);
	must(try_start(dir, true, &err), &err);
	has(notices(), "counting what is there");
	ck_assert_int_eq(shown(), 0);
	stop();
	restore_good();
	flip("checkpoint", 9000, 1);
	shell("echo > %s/file-1.json", events);
	path_of(path, "counted");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_CONFIG);
	has(err.text, "which files have been counted is not known");
}
END_TEST

START_TEST(damage_is_refused_after_a_file_was_archived)
{
	struct err err = ERR_INIT;
	struct changes *changes;

	make_good(false);
	start();
	changes = batch(25);
	sample_add_file(changes, 2, "file-1.json", FILE_ARCHIVED);
	must(store_commit(store, changes, &err), &err);
	must(store_sync(store, &err), &err);
	stop();
	flip("checkpoint", 9000, 1);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_CONFIG);
	has(err.text, "file-1.json has been counted and is gone");
}
END_TEST

START_TEST(what_only_a_person_can_mend_is_refused_and_left_alone)
{
	struct err err = ERR_INIT;

	make_good(false);
	shell("rm %s/checkpoint; mkdir %s/checkpoint", dir, dir);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_CONFIG);
	has(err.text, "is a directory");
	restore_good();
	shell("mv %s/checkpoint %s-elsewhere; ln -s %s-elsewhere %s/checkpoint", dir, dir, dir,
		dir);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_CONFIG);
	has(err.text, "is a symbolic link");
	shell("cmp %s-elsewhere %s-good/checkpoint", dir, dir);
}
END_TEST

/* Writes `version` into the header and makes the first page's sum right again. */
static void set_version(unsigned char version)
{
	unsigned char page[CHECKPOINT_PAGE_BYTES];
	uint64_t sum;
	char path[160];
	int fd;

	path_of(path, "checkpoint");
	fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, page, sizeof(page), 0), (ssize_t)sizeof(page));
	page[63] = version;
	sum = xxh64(page, sizeof(page) - sizeof(sum), 1);
	memcpy(page + sizeof(page) - sizeof(sum), &sum, sizeof(sum));
	ck_assert(checkpoint_page_is_good(page, 1));
	ck_assert_int_eq(pwrite(fd, page, sizeof(page), 0), (ssize_t)sizeof(page));
	(void)close(fd);
}

START_TEST(a_newer_format_is_refused_and_left_alone)
{
	struct err err = ERR_INIT;

	make_good(false);
	set_version(7);
	shell("cp %s/checkpoint %s-newer", dir, dir);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_VERSION);
	has(err.text, "format 7, this one knows 1 to 3");
	shell("cmp %s/checkpoint %s-newer", dir, dir);
}
END_TEST

/* As a newer release leaves it that was killed before it moved its WAL. */
static void set_version_in_wal(const char *pragma)
{
	struct checkpoint_vfs *vfs = checkpoint_vfs_new();
	struct err err = ERR_INIT;
	char path[160];
	sqlite3 *db;

	path_of(path, "checkpoint");
	ck_assert_int_eq(checkpoint_vfs_open(vfs, path, false, &db, &err), 0);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	ck_assert_int_eq(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL",
				 NULL, NULL, NULL),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, pragma, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
	checkpoint_vfs_free(vfs);
}

START_TEST(a_newer_format_is_refused_when_only_the_wal_says_so)
{
	struct err err = ERR_INIT;

	make_good(false);
	set_version_in_wal("PRAGMA user_version=7");
	ck_assert_int_gt(size_of("checkpoint-wal"), 0);
	shell("rm -rf %s-newer; cp -rp %s %s-newer", dir, dir, dir);
	ck_assert_int_eq(try_start(dir, false, &err), ERR_VERSION);
	has(err.text, "format 7, this one knows 1 to 3");
	shell("cmp %s/checkpoint %s-newer/checkpoint", dir, dir);
	shell("cmp %s/checkpoint-wal %s-newer/checkpoint-wal", dir, dir);
	shell("rm -rf %s-newer", dir);
}
END_TEST

START_TEST(a_half_written_replacement_is_removed_and_a_whole_one_is_taken)
{
	make_good(false);
	shell("head -c 5000 %s/checkpoint > %s/checkpoint.new", dir, dir);
	start();
	ck_assert_int_eq(shown(), 25);
	shell("test ! -e %s/checkpoint.new", dir);
	stop();
	/* As if the power had gone just before the last rename, with an old WAL still there. */
	shell("mv %s/checkpoint %s/checkpoint.next; head -c 9000 /dev/urandom > %s/checkpoint-wal",
		dir, dir, dir);
	shell("head -c 9000 /dev/urandom > %s/checkpoint", dir);
	start();
	ck_assert_int_eq(shown(), 25);
	ck_assert_str_eq(notices(), "");
}
END_TEST

/* One batch meets a fault, which then goes away; whatever was hit, no batch is lost or shown by
 * half. */
static void fail_once(int operations, long n, int rc)
{
	struct err err = ERR_INIT;
	int64_t before = shown();
	int got;

	faulty_fail(operations, n, rc, false);
	got = try_commit(before, &err);
	if (got == 0 && store_sync(store, &err) < 0)
		has(notices(), "nothing is archived or deleted");
	faulty_fail(0, 0, 0, false);
	if (got < 0) {
		ck_assert_str_eq(
			ask("SELECT count(*) FROM counts WHERE action = 'Open' AND count > 0"),
			before > 0 ? "1\n" : "0\n");
		ck_assert_int_eq(atoll(ask("SELECT coalesce(max(count), 0) FROM counts WHERE"
					   " action = 'Open'")),
			before);
		commit(before);
	}
	stop();
	start();
	ck_assert_int_eq(shown(), before + 1);
	ck_assert_str_eq(notices(), "");
}

START_TEST(each_write_in_turn_finds_no_space_and_nothing_is_lost)
{
	long n;

	start();
	for (n = 1; n < 60; n++)
		fail_once(FAULTY_WRITE | FAULTY_TRUNCATE, n, SQLITE_FULL);
}
END_TEST

START_TEST(each_write_in_turn_fails_and_nothing_is_lost)
{
	long n;

	start();
	for (n = 1; n < 60; n++)
		fail_once(FAULTY_WRITE | FAULTY_TRUNCATE, n, SQLITE_IOERR_WRITE);
}
END_TEST

START_TEST(each_sync_in_turn_fails_and_the_file_is_written_anew)
{
	struct stat before, after;
	char path[160];
	long n;

	int first;

	start();
	path_of(path, "checkpoint");
	/* While it is open no other file gets its number. */
	first = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(first, 0);
	ck_assert_int_eq(fstat(first, &before), 0);
	for (n = 1; n < 8; n++)
		fail_once(FAULTY_SYNC, n, SQLITE_IOERR_FSYNC);
	commit(7);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert(before.st_ino != after.st_ino);
	(void)close(first);
}
END_TEST

START_TEST(after_a_failed_sync_nothing_is_committed_until_it_is_written_anew)
{
	struct err err = ERR_INIT;

	start();
	commit(0);
	faulty_fail(FAULTY_SYNC, 1, SQLITE_IOERR_FSYNC, true);
	ck_assert_int_lt(store_sync(store, &err), 0);
	ck_assert_int_lt(try_commit(1, &err), 0);
	has(err.text, "cannot be written anew after a failed sync");
	ck_assert_int_lt(try_commit(1, &err), 0);
	faulty_fail(0, 0, 0, false);
	commit(1);
	must(store_sync(store, &err), &err);
	stop();
	start();
	ck_assert_int_eq(shown(), 2);
}
END_TEST

START_TEST(a_long_wal_that_cannot_be_moved_is_told_and_moved_later)
{
	struct changes *changes = sample_changes(0);
	const char *notice;

	start();
	sample_add_long_rows(changes, 1);
	faulty_fail(FAULTY_SYNC, 1, SQLITE_IOERR_FSYNC, false);
	ck_assert_int_eq(store_commit(store, changes, &(struct err)ERR_INIT), 0);
	store_rest(store);
	ck_assert_int_eq(faulty_passed(), 1);
	notice = store_next_notice(store);
	ck_assert_ptr_nonnull(notice);
	has(notice, "the checkpoint's WAL grows until it can be moved");
	ck_assert_ptr_null(store_next_notice(store));
	commit(1);
	stop();
	start();
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "20002\n");
}
END_TEST

START_TEST(a_disk_that_stays_full_keeps_readers_on_the_last_version)
{
	struct err err = ERR_INIT;
	int i;

	start();
	commit(0);
	faulty_fail(FAULTY_WRITE, 1, SQLITE_FULL, true);
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(try_commit(1, &err), ERR_IO);
		has(err.text, "No space left on device");
		has(err.text, dir);
		ck_assert_str_eq(ask("SELECT count FROM counts WHERE action = 'Open'"), "1\n");
	}
	faulty_fail(0, 0, 0, false);
	commit(1);
	stop();
	start();
	ck_assert_int_eq(shown(), 2);
}
END_TEST

START_TEST(a_power_cut_takes_back_whole_batches_and_none_that_was_synced)
{
	char cut[80], home[64];
	struct err err = ERR_INIT;
	int64_t n, synced = 0;
	unsigned seed;

	(void)snprintf(cut, sizeof(cut), "%s-cut", dir);
	strcpy(home, dir);
	/* They are there still, so nothing of what is taken back is lost. */
	shell("cd %s && seq -f file-%%g.json 0 6 | xargs touch", events);
	start();
	for (n = 0; n < 60; n++) {
		commit(n);
		if (n % 7 == 6) {
			must(store_sync(store, &err), &err);
			synced = n + 1;
		}
		for (seed = 0; seed < 3; seed++) {
			struct store *running = store;

			faulty_cut(home, cut, (unsigned)(_i * 1000 + n * 3) + seed);
			must(try_start(cut, false, &err), &err);
			ck_assert_str_eq(notices(), "");
			ck_assert_int_ge(shown(), synced);
			ck_assert_int_le(shown(), n + 1);
			stop();
			store = running;
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("checkpoint");
	TCase *damage = tcase_create("damage");
	TCase *faults = tcase_create("faults");
	TCase *power = tcase_create("power");

	tcase_set_timeout(damage, 600);
	tcase_add_checked_fixture(damage, setup, teardown);
	tcase_add_test(damage, a_file_cut_at_any_length_is_noticed);
	tcase_add_test(damage, a_flipped_bit_anywhere_is_noticed);
	tcase_add_test(damage, zeros_and_strange_files_are_noticed);
	tcase_add_test(damage, a_damaged_wal_takes_back_whole_batches_and_nothing_else);
	tcase_add_test(damage, damage_is_refused_where_a_counted_file_is_gone);
	tcase_add_test(damage, damage_is_refused_after_a_file_was_archived);
	tcase_add_test(damage, what_only_a_person_can_mend_is_refused_and_left_alone);
	tcase_add_test(damage, a_newer_format_is_refused_and_left_alone);
	tcase_add_test(damage, a_newer_format_is_refused_when_only_the_wal_says_so);
	tcase_add_test(damage, a_half_written_replacement_is_removed_and_a_whole_one_is_taken);
	suite_add_tcase(suite, damage);

	tcase_set_timeout(faults, 600);
	tcase_add_checked_fixture(faults, setup, teardown);
	tcase_add_test(faults, each_write_in_turn_finds_no_space_and_nothing_is_lost);
	tcase_add_test(faults, each_write_in_turn_fails_and_nothing_is_lost);
	tcase_add_test(faults, each_sync_in_turn_fails_and_the_file_is_written_anew);
	tcase_add_test(faults, after_a_failed_sync_nothing_is_committed_until_it_is_written_anew);
	tcase_add_test(faults, a_long_wal_that_cannot_be_moved_is_told_and_moved_later);
	tcase_add_test(faults, a_disk_that_stays_full_keeps_readers_on_the_last_version);
	suite_add_tcase(suite, faults);

	tcase_set_timeout(power, 600);
	tcase_add_checked_fixture(power, setup, teardown);
	tcase_add_loop_test(
		power, a_power_cut_takes_back_whole_batches_and_none_that_was_synced, 0, 2);
	suite_add_tcase(suite, power);
	return run_suite(suite);
}
