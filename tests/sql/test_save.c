/* The snapshot as a file: what the real sqlite3 reads there, and what a failure leaves. */
#include "sql/collation.h"
#include "sql/store.h"
#include "tests/run.h"
#include "tests/sql/sample.h"
#include "tests/sql/stand_in.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static char path[128];
static struct store *store;
static struct told told;

static void setup(void)
{
	struct store_options options = {.state_dir = NULL};
	struct changes *changes = sample_changes(0);
	struct err err = ERR_INIT;

	strcpy(dir, "/tmp/test_save.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/snapshot.db", dir);
	must(store_open(&store, &options, &err), &err);
	must(store_load(store, sample_spec("counts", "action"), told_stream(&told), &err), &err);
	sample_add_row(changes, "Close", START, 11);
	sample_add_row(changes, "Open", START, 179);
	sample_add_file(changes, 1, "file-0.json", FILE_DONE);
	sample_add_reject(changes, 3);
	changes->reject_totals[0][REJECT_BAD_JSON] = 1;
	must(store_commit(store, changes, &err), &err);
}

static void teardown(void)
{
	char command[128];

	store_close(store);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void save(void)
{
	struct err err = ERR_INIT;

	must(store_save(store_snapshots(store), path, 0, &err), &err);
}

/* What the shell prints for `sql` over the file. */
static void shell_says(const char *sql, const char *want)
{
	char command[1024], got[4096] = "";
	FILE *shell;
	size_t n;

	(void)snprintf(command, sizeof(command), "sqlite3 -readonly %s \"%s\" 2>&1", path, sql);
	shell = popen(command, "r");
	ck_assert_ptr_nonnull(shell);
	n = fread(got, 1, sizeof(got) - 1, shell);
	got[n] = '\0';
	(void)pclose(shell);
	ck_assert_str_eq(got, want);
}

START_TEST(a_stock_sqlite3_reads_all_of_it)
{
	save();
	shell_says("PRAGMA integrity_check", "ok\n");
	shell_says("PRAGMA journal_mode", "delete\n");
	shell_says("SELECT * FROM counts", "Close|2016-07-26 02:00:00|2016-07-26 03:00:00|11\n"
					   "Open|2016-07-26 02:00:00|2016-07-26 03:00:00|179\n");
	shell_says(
		"SELECT count FROM counts WHERE window_start = '2016-07-26 02:00:00'", "11\n179\n");
	shell_says("SELECT path, state FROM files", "file-0.json|done\n");
	shell_says("SELECT reason, count FROM reject_totals", "bad_json|1\n");
	shell_says("SELECT name, source FROM queries", "counts|events\n");
	shell_says("SELECT count(*), json_valid(max(json)) FROM progress", "1|1\n");
	shell_says("SELECT DISTINCT p.type FROM sqlite_schema AS s, pragma_table_info(s.name) AS p"
		   " ORDER BY 1",
		"INTEGER\nREAL\nTEXT\n");
	shell_says("SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema"
		   " WHERE type = 'table' ORDER BY name)",
		"counts,files,newest_events,progress,queries,reject_totals,rejects,settings\n");
}
END_TEST

START_TEST(a_null_group_is_there_too)
{
	struct changes *changes = sample_changes(1);
	struct err err = ERR_INIT;

	sample_add_row(changes, NULL, START, 5);
	must(store_commit(store, changes, &err), &err);
	save();
	shell_says(
		"SELECT action IS NULL, count FROM counts ORDER BY action", "1|5\n0|11\n0|179\n");
}
END_TEST

START_TEST(a_reader_of_the_old_file_is_not_disturbed_by_the_new_one)
{
	struct changes *changes = sample_changes(1);
	struct err err = ERR_INIT;
	sqlite3 *reader;

	save();
	ck_assert_int_eq(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	ck_assert_str_eq(sample_ask(reader, "BEGIN; "), "");
	ck_assert_str_eq(sample_ask(reader, "SELECT sum(count) FROM counts"), "190\n");
	sample_add_row(changes, "Open", START, 180);
	must(store_commit(store, changes, &err), &err);
	save();
	ck_assert_str_eq(sample_ask(reader, "SELECT sum(count) FROM counts"), "190\n");
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
	shell_says("SELECT sum(count) FROM counts", "191\n");
}
END_TEST

START_TEST(where_it_cannot_be_written_the_old_file_stays_and_nothing_lies_about)
{
	struct err err = ERR_INIT;
	char missing[160], beside[170];
	struct stat status;

	save();
	(void)snprintf(missing, sizeof(missing), "%s/nowhere/snapshot.db", dir);
	ck_assert_int_eq(store_save(store_snapshots(store), missing, 0, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.text, missing));
	/* A directory in its place cannot be renamed over. */
	(void)snprintf(missing, sizeof(missing), "%s/taken", dir);
	ck_assert_int_eq(mkdir(missing, 0700), 0);
	ck_assert_int_eq(store_save(store_snapshots(store), missing, 0, &err), ERR_IO);
	(void)snprintf(beside, sizeof(beside), "%s.new", missing);
	ck_assert(stat(beside, &status) != 0 && errno == ENOENT);
	shell_says("SELECT sum(count) FROM counts", "190\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("save");
	TCase *tests = tcase_create("save");

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_stock_sqlite3_reads_all_of_it);
	tcase_add_test(tests, a_null_group_is_there_too);
	tcase_add_test(tests, a_reader_of_the_old_file_is_not_disturbed_by_the_new_one);
	tcase_add_test(tests, where_it_cannot_be_written_the_old_file_stays_and_nothing_lies_about);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
