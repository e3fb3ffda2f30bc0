/*
 * Mirror and checkpoint together: what a restart finds, what another
 * configuration does to it, and what the person is told.
 */
#include "sql/store.h"

#include "sql/collation.h"
#include "sql/removed.h"
#include "tests/run.h"
#include "tests/sql/sample.h"
#include "tests/sql/stand_in.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static struct store *store;
static struct told told;
static struct spec *spec;

static bool is_unseen; /* how the store is opened */

static int try_open(bool rebuild, struct err *err)
{
	struct setting settings[] = {{"tallyd.threads", "1", "default"}};
	struct store_options options = {.state_dir = dir,
		.rebuild = rebuild,
		.is_unseen = is_unseen,
		.settings = settings,
		.n_settings = 1,
		.now_us = START};

	return store_open(&store, &options, err);
}

static void start(void)
{
	struct err err = ERR_INIT;

	buf_clear(&told.text);
	must(try_open(false, &err), &err);
	must(store_load(store, spec, told_stream(&told), &err), &err);
}

static void stop(void)
{
	store_close(store);
	store = NULL;
}

static void setup(void)
{
	strcpy(dir, "/tmp/test_store.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	spec = sample_spec("counts", "action");
}

static void teardown(void)
{
	char command[128];

	stop();
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void commit(const struct changes *changes)
{
	struct err err = ERR_INIT;

	must(store_commit(store, changes, &err), &err);
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

/* All notices, each with a newline behind it. */
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

static void path_of(char path[128], const char *name)
{
	(void)snprintf(path, 128, "%s/%s", dir, name);
}

/* A first batch: two rows, a file, an offset, a reject. */
static struct changes *first_batch(void)
{
	struct changes *changes = sample_changes(0);

	sample_add_row(changes, "Close", START, 11);
	sample_add_row(changes, "Open", START, 179);
	sample_add_file(changes, 1, "file-0.json", FILE_DONE);
	sample_add_offset(changes, 1, 1, 1000);
	sample_add_reject(changes, 3);
	changes->reject_totals[0][REJECT_BAD_JSON] = 1;
	return changes;
}

static void has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "\"%s\" is not in:\n%s", part, text);
}

START_TEST(a_restart_finds_everything_as_it_was)
{
	static const char *const tables =
		"SELECT (SELECT group_concat(action || window_start || count) FROM counts),"
		" (SELECT group_concat(path || size || offset || mtime || state) FROM files),"
		" (SELECT group_concat(file || line || text) FROM rejects),"
		" (SELECT group_concat(reason || count) FROM reject_totals),"
		" (SELECT group_concat(json) FROM progress),"
		" (SELECT group_concat(name || state || message || events || batch_id) FROM "
		"queries)";
	char *before;

	start();
	ck_assert_str_eq(told.text.data, "restored\n");
	commit(first_batch());
	before = ask(tables);
	stop();
	start();
	ck_assert_str_eq(ask(tables), before);
	has(before, "Open2016-07-26 02:00:00179");
	ck_assert_str_eq(told.text.data,
		"file 0 1 file-0.json 1000 1469498400000000007 10 done 0 18446744073709551610 12345"
		" 1000 18446744073709551615 99 4294967295 3\n"
		"offset 0 1 1 1000 5 11 1\n"
		"rejects 0 1\n"
		"query 0 batch 0 prefix 1 events 100 state ACTIVE\n"
		"row 0 Close 1469498400000000 3600000000 11\n"
		"row 0 Open 1469498400000000 3600000000 179\n"
		"restored\n");
	ck_assert_str_eq(notices(), "");
	ck_assert_str_eq(
		ask("SELECT name, value, origin FROM settings"), "tallyd.threads|1|default\n");
}
END_TEST

START_TEST(the_mirror_holds_none_of_the_checkpoints_own_tables)
{
	start();
	commit(first_batch());
	stop();
	start();
	ck_assert_str_eq(ask("SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema"
			     " WHERE type = 'table' ORDER BY name)"),
		"counts,files,newest_events,progress,queries,reject_totals,rejects,settings\n");
}
END_TEST

START_TEST(killed_without_a_word_it_has_lost_nothing)
{
	struct err err = ERR_INIT;
	char from[128], command[300];
	char copy[64] = "/tmp/test_store.XXXXXX";

	start();
	commit(first_batch());
	/* What a killed process leaves is what stands in its files now. */
	ck_assert_ptr_nonnull(mkdtemp(copy));
	(void)snprintf(command, sizeof(command), "cp %s/* %s/", dir, copy);
	ck_assert_int_eq(system(command), 0);
	stop();
	strcpy(from, dir);
	strcpy(dir, copy);
	must(try_open(false, &err), &err);
	must(store_load(store, spec, told_stream(&told), &err), &err);
	ck_assert_str_eq(ask("SELECT action, count FROM counts"), "Close|11\nOpen|179\n");
	stop();
	(void)snprintf(command, sizeof(command), "rm -rf %s", copy);
	ck_assert_int_eq(system(command), 0);
	strcpy(dir, from);
}
END_TEST

START_TEST(a_second_store_is_refused_and_told_who_holds_it)
{
	struct err err = ERR_INIT;
	struct store *first;
	char pid[16];

	start();
	first = store;
	ck_assert_int_eq(try_open(false, &err), ERR_BUSY);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	has(err.text, pid);
	store = first;
}
END_TEST

START_TEST(a_null_group_survives_a_restart_in_both_databases)
{
	struct changes *changes = sample_changes(0);
	struct changes *later = sample_changes(1);

	start();
	sample_add_row(changes, NULL, START, 4);
	sample_add_row(changes, "Open", START, 5);
	commit(changes);
	stop();
	start();
	has(told.text.data, "row 0 NULL 1469498400000000 3600000000 4\n");
	sample_add_row(later, NULL, START, 6);
	commit(later);
	ck_assert_str_eq(ask("SELECT action, count FROM counts ORDER BY action"), "|6\nOpen|5\n");
}
END_TEST

START_TEST(a_changed_definition_is_announced_and_loses_its_counts_with_the_first_new_batch)
{
	struct changes *rebuilt = sample_changes(0);

	start();
	commit(first_batch());
	stop();
	spec->queries[0].window_us = 2 * HOUR;
	spec->queries[0].slide_us = 2 * HOUR;
	start();
	has(notices(), "query counts: window was 1 hour and is now 2 hours");
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "0\n");
	has(ask("SELECT message FROM queries"), "its definition changed");
	ck_assert_ptr_null(strstr(told.text.data, "query 0"));
	has(told.text.data, "file 0 1 file-0.json");
	stop();
	/* Nothing was committed, so the old configuration finds the old counts. */
	spec->queries[0].window_us = HOUR;
	spec->queries[0].slide_us = HOUR;
	start();
	ck_assert_str_eq(notices(), "");
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "2\n");
	stop();
	spec->queries[0].window_us = 2 * HOUR;
	spec->queries[0].slide_us = 2 * HOUR;
	start();
	rebuilt->queries[0].is_rebuilt = true;
	sample_add_row(rebuilt, "Open", START, 7);
	commit(rebuilt);
	stop();
	start();
	ck_assert_str_eq(notices(), "");
	ck_assert_str_eq(ask("SELECT action, count FROM counts"), "Open|7\n");
}
END_TEST

START_TEST(other_columns_make_another_table)
{
	struct changes *rebuilt = sample_changes(0);

	start();
	commit(first_batch());
	stop();
	spec = sample_spec("counts", "kind");
	start();
	rebuilt->queries[0].is_rebuilt = true;
	sample_add_row(rebuilt, "x", START, 7);
	commit(rebuilt);
	stop();
	start();
	ck_assert_str_eq(ask("SELECT kind, count FROM counts"), "x|7\n");
	ck_assert_str_eq(ask("SELECT group_by FROM queries"), "kind\n");
}
END_TEST

START_TEST(a_removed_query_is_kept_and_goes_on_when_it_comes_back)
{
	struct spec *both = sample_spec("counts", "action");
	struct spec *one = sample_spec("counts", "action");
	struct changes *changes = first_batch();
	struct changes *other = sample_changes(5);
	struct changes *alone = sample_changes(1);
	struct err err = ERR_INIT;
	char **names;
	size_t n;

	sample_add_query(both, "others", "action");
	spec = both;
	start();
	commit(changes);
	other->queries[0].query = 1;
	sample_add_row(other, "Open", START, 77);
	commit(other);
	stop();

	spec = one;
	start();
	must(removed_queries(dir, spec, &names, &n, &err), &err);
	sample_keep(names);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(names[0], "others");
	ck_assert_str_eq(
		ask("SELECT group_concat(name) FROM sqlite_schema WHERE name = 'others'"), "\n");
	ck_assert_str_eq(ask("SELECT name FROM queries"), "counts\n");
	/* The query that stays moves on, and with it the prefix that both stood at. */
	sample_add_offset(alone, 1, 1, 5000);
	commit(alone);
	stop();

	spec = both;
	start();
	has(told.text.data, "query 1 batch 5 prefix 2 events 600 state ACTIVE\n");
	has(told.text.data, "row 1 Open 1469498400000000 3600000000 77\n");
	has(told.text.data, "offset 0 1 1 5000");
	has(told.text.data, "offset 0 2 1 1000");
	ck_assert_str_eq(ask("SELECT count FROM others"), "77\n");
	ck_assert_str_eq(notices(), "");
}
END_TEST

START_TEST(a_forgotten_query_is_gone_for_good)
{
	struct spec *both = sample_spec("counts", "action");
	struct changes *other = sample_changes(5);
	struct err err = ERR_INIT;

	sample_add_query(both, "others", "action");
	spec = both;
	start();
	other->queries[0].query = 1;
	sample_add_row(other, "Open", START, 77);
	commit(other);
	ck_assert_int_eq(store_forget(store, "others", &err), ERR_INVALID);
	stop();
	spec = sample_spec("counts", "action");
	start();
	ck_assert_int_eq(store_forget(store, "nobody", &err), ERR_MISSING);
	must(store_forget(store, "OTHERS", &err), &err);
	ck_assert_int_eq(store_forget(store, "others", &err), ERR_MISSING);
	stop();
	spec = both;
	start();
	ck_assert_ptr_null(strstr(told.text.data, "query 1"));
	ck_assert_str_eq(ask("SELECT count(*) FROM others"), "0\n");
}
END_TEST

START_TEST(a_renamed_source_keeps_its_files_and_its_queries)
{
	start();
	commit(first_batch());
	stop();
	strcpy(spec->sources[0].name, "clicks");
	start();
	ck_assert_str_eq(notices(), "");
	has(told.text.data, "file 0 1 file-0.json");
	has(told.text.data, "query 0 batch 0");
	ck_assert_str_eq(ask("SELECT f.source, r.source, t.source, t.count FROM files AS f, rejects"
			     " AS r, reject_totals AS t"),
		"clicks|clicks|clicks|1\n");
}
END_TEST

/* Two sources of one directory, of which one or both are called otherwise after a restart. */
START_TEST(renamed_sources_of_one_directory_are_told_apart)
{
	struct source_spec *both = calloc(2, sizeof(*both));

	both[0] = both[1] = spec->sources[0];
	both[0].glob = strdup("a*");
	both[1].glob = strdup("b*");
	strcpy(both[0].name, "first");
	strcpy(both[1].name, "second");
	(void)sample_keep(spec->sources);
	spec->sources = both;
	spec->n_sources = 2;
	sample_add_query(spec, "others", "action");
	spec->queries[1].source = 1;
	start();
	commit(first_batch());
	stop();
	if ((_i & 1) != 0)
		strcpy(both[0].name, "clicks");
	if ((_i & 2) != 0)
		strcpy(both[1].name, "taps");
	start();
	ck_assert_str_eq(notices(), "");
	has(told.text.data, "file 0 1 file-0.json");
	has(told.text.data, "query 0 batch 0");
	ck_assert_str_eq(ask("SELECT source FROM files"), (_i & 1) != 0 ? "clicks\n" : "first\n");
}
END_TEST

START_TEST(a_source_on_another_directory_begins_anew)
{
	struct changes *rebuilt = sample_changes(0);

	start();
	commit(first_batch());
	stop();
	sample_keep(spec->sources[0].path);
	spec->sources[0].path = strdup("/data/elsewhere");
	start();
	has(notices(), "\"/data/events\" and is now \"/data/elsewhere\"");
	ck_assert_str_eq(told.text.data, "restored\n");
	ck_assert_str_eq(ask("SELECT count(*) FROM files"), "0\n");
	rebuilt->queries[0].is_rebuilt = true;
	sample_add_row(rebuilt, "Open", START, 7);
	sample_add_file(rebuilt, 1, "other.json", FILE_DONE);
	commit(rebuilt);
	stop();
	start();
	ck_assert_str_eq(ask("SELECT path FROM files"), "other.json\n");
	ck_assert_str_eq(ask("SELECT count(*) FROM rejects"), "0\n");
	ck_assert_str_eq(ask("SELECT action, count FROM counts"), "Open|7\n");
}
END_TEST

START_TEST(a_reload_brings_tables_and_takes_them)
{
	struct setting settings[] = {{"tallyd.threads", "2", "file"}};
	struct spec *both = sample_spec("counts", "action");
	struct changes *other = sample_changes(0);
	struct err err = ERR_INIT;

	start();
	commit(first_batch());
	sample_add_query(both, "others", "kind");
	must(store_set_spec(store, both, told_stream(&told), settings, 1, &err), &err);
	ck_assert_str_eq(ask("SELECT count(*) FROM others"), "0\n");
	ck_assert_str_eq(ask("SELECT action, count FROM counts"), "Close|11\nOpen|179\n");
	ck_assert_str_eq(ask("SELECT name, events FROM queries"), "counts|100\nothers|0\n");
	ck_assert_str_eq(ask("SELECT value FROM settings"), "2\n");
	other->queries[0].query = 1;
	other->queries[0].is_rebuilt = true;
	sample_add_row(other, "x", START, 3);
	commit(other);
	must(store_set_spec(store, spec, told_stream(&told), settings, 1, &err), &err);
	ck_assert_str_eq(ask("SELECT name FROM queries"), "counts\n");
	ck_assert_str_eq(ask("SELECT count(*) FROM sqlite_schema WHERE name = 'others'"), "0\n");
	stop();
	spec = both;
	start();
	ck_assert_str_eq(ask("SELECT kind, count FROM others"), "x|3\n");
}
END_TEST

START_TEST(a_reload_announces_a_changed_definition)
{
	struct spec *wider = sample_spec("counts", "action");
	struct err err = ERR_INIT;

	start();
	commit(first_batch());
	wider->queries[0].window_us = 2 * HOUR;
	wider->queries[0].slide_us = 2 * HOUR;
	must(store_set_spec(store, wider, told_stream(&told), NULL, 0, &err), &err);
	has(notices(), "query counts: window was 1 hour and is now 2 hours");
	has(ask("SELECT message FROM queries"), "its definition changed");
}
END_TEST

START_TEST(a_reload_takes_a_removed_query_up_again)
{
	struct spec *both = sample_spec("counts", "action");
	struct changes *counted = sample_changes(0);
	struct changes *gone = sample_changes(1);
	struct err err = ERR_INIT;

	sample_add_query(both, "others", "action");
	start();
	must(store_set_spec(store, both, told_stream(&told), NULL, 0, &err), &err);
	sample_add_file(counted, 1, "file-0.json", FILE_DONE);
	sample_add_offset(counted, 1, 1, 1000);
	counted->queries[0].query = 1;
	counted->queries[0].is_rebuilt = true;
	counted->queries[0].has_progress = true;
	sample_add_row(counted, "Open", START, 3);
	sample_add_row(counted, NULL, START, 4);
	commit(counted);
	must(store_set_spec(store, spec, told_stream(&told), NULL, 0, &err), &err);
	sample_add_file(gone, 1, "file-0.json", FILE_MISSING);
	commit(gone);
	buf_clear(&told.text);
	must(store_set_spec(store, both, told_stream(&told), NULL, 0, &err), &err);
	has(told.text.data, "offset 0 50 1 1000 5 11 1\n"
			    "query 1 batch 0 prefix 50 events 100 state ACTIVE\n"
			    "row 1 Open 1469498400000000 3600000000 3\n"
			    "row 1 NULL 1469498400000000 3600000000 4\n"
			    "restored\n");
	ck_assert_ptr_null(strstr(told.text.data, "query 0"));
	ck_assert_ptr_null(strstr(told.text.data, "file "));
	ck_assert_str_eq(ask("SELECT name, events FROM queries"), "counts|200\nothers|100\n");
	ck_assert_str_eq(ask("SELECT action, count FROM others ORDER BY 1"), "|4\nOpen|3\n");
	ck_assert_str_eq(ask("SELECT count(*) FROM progress WHERE query = 'others'"), "1\n");
	stop();
	spec = both;
	start();
	has(told.text.data, "query 1 batch 0 prefix 50 events 100 state ACTIVE\n");
	ck_assert_str_eq(ask("SELECT count FROM others ORDER BY 1"), "3\n4\n");
}
END_TEST

START_TEST(a_failed_query_stays_failed_and_says_why)
{
	struct query_status status = {.message = "Stopped", .state = QUERY_FAILED};
	struct changes *failed = sample_changes(0);
	struct err err = ERR_INIT;

	start();
	failed->queries[0].totals.state = QUERY_FAILED;
	failed->queries[0].exception = "file-0.json: line 3 is malformed";
	failed->queries[0].message = "Terminated with exception";
	commit(failed);
	stop();
	start();
	has(told.text.data, "state FAILED");
	must(store_set_status(store, &status, &err), &err);
	ck_assert_str_eq(ask("SELECT state, exception FROM queries"),
		"FAILED|file-0.json: line 3 is malformed\n");
	status.state = QUERY_ACTIVE;
	must(store_set_status(store, &status, &err), &err);
	ck_assert_str_eq(ask("SELECT state, exception FROM queries"), "ACTIVE|\n");
}
END_TEST

START_TEST(a_large_batch_is_the_same_in_both_as_a_small_one)
{
	struct changes *changes = sample_changes(0);
	char group[16];
	int i;

	start();
	for (i = 0; i < 5000; i++) {
		(void)snprintf(group, sizeof(group), "g%05d", i);
		sample_add_row(changes, group, START, (uint64_t)i + 1);
	}
	commit(changes);
	ck_assert_str_eq(ask("SELECT count(*), sum(count), max(action) FROM counts"),
		"5000|12502500|g04999\n");
	stop();
	start();
	ck_assert_str_eq(ask("SELECT count(*), sum(count), max(action) FROM counts"),
		"5000|12502500|g04999\n");
	ck_assert_uint_eq(told.n_rows, 5000);
}
END_TEST

/* A later batch: a count that goes on, one that is new, and a file that fails. */
static struct changes *second_batch(void)
{
	struct changes *changes = sample_changes(1);

	sample_add_row(changes, "Close", START, 12);
	sample_add_row(changes, "Close", START + HOUR, 1);
	sample_add_file(changes, 2, "file-1.json", FILE_ERROR);
	sample_add_offset(changes, 1, 2, 500);
	return changes;
}

START_TEST(what_nobody_looks_at_is_shown_whole_when_asked)
{
	static const char *const tables =
		"SELECT (SELECT group_concat(action || window_start || window_end || count)"
		"  FROM counts),"
		" (SELECT group_concat(path || size || offset || mtime || state) FROM files),"
		" (SELECT group_concat(file || line || text) FROM rejects),"
		" (SELECT group_concat(reason || count) FROM reject_totals),"
		" (SELECT group_concat(query || batch_id || num_input_rows) FROM progress),"
		" (SELECT group_concat(name || state || message || source || events || batch_id)"
		"  FROM queries),"
		" (SELECT group_concat(query || coalesce(time, '')) FROM newest_events),"
		" (SELECT group_concat(name || value) FROM settings)";
	struct err err = ERR_INIT;
	char *seen[2];

	start();
	commit(first_batch());
	seen[0] = ask(tables);
	commit(second_batch());
	seen[1] = ask(tables);
	teardown();
	setup();
	is_unseen = true;
	start();
	commit(first_batch());
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "0\n");
	must(store_show(store, &err), &err);
	ck_assert_str_eq(ask(tables), seen[0]);
	commit(second_batch());
	ck_assert_str_eq(ask(tables), seen[0]);
	/* Durable without having been seen. */
	stop();
	start();
	ck_assert_str_eq(ask(tables), seen[1]);
	must(store_show(store, &err), &err);
	ck_assert_str_eq(ask(tables), seen[1]);
}
END_TEST

START_TEST(a_long_wal_is_moved_while_the_next_batch_comes)
{
	struct err err = ERR_INIT;
	struct stat status;
	char path[128];
	int batch;

	start();
	for (batch = 0; batch < 3; batch++) {
		struct changes *changes = sample_changes(batch);

		sample_add_long_rows(changes, (uint64_t)batch + 1);
		commit(changes);
		ck_assert_str_eq(notices(), "");
	}
	must(store_sync(store, &err), &err);
	path_of(path, "checkpoint-wal");
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_int_eq(status.st_size, 0);
	stop();
	start();
	ck_assert_str_eq(ask("SELECT count(*), sum(count) FROM counts"), "20000|60000\n");
}
END_TEST

START_TEST(append_mode_keeps_its_open_windows_out_of_sight)
{
	struct changes *changes = sample_changes(0);

	spec->queries[0].output_mode = OUTPUT_APPEND;
	spec->queries[0].watermark_us = HOUR;
	start();
	sample_add_row(changes, "Open", START, 5);
	changes->queries[0].open_rows = changes->queries[0].rows;
	changes->queries[0].n_open_rows = 1;
	changes->queries[0].rows = NULL;
	changes->queries[0].n_rows = 0;
	commit(changes);
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "0\n");
	stop();
	start();
	has(told.text.data, "row 0 Open 1469498400000000 3600000000 5 open\n");
	ck_assert_str_eq(ask("SELECT count(*) FROM counts"), "0\n");
}
END_TEST

START_TEST(without_a_directory_there_is_only_the_mirror)
{
	struct store_options options = {.state_dir = NULL};
	struct err err = ERR_INIT;

	must(store_open(&store, &options, &err), &err);
	must(store_load(store, spec, told_stream(&told), &err), &err);
	commit(first_batch());
	must(store_sync(store, &err), &err);
	ck_assert_str_eq(ask("SELECT action, count FROM counts"), "Close|11\nOpen|179\n");
}
END_TEST

START_TEST(its_files_are_for_its_user_alone)
{
	static const char *const names[] = {"checkpoint", "checkpoint-wal", "counted"};
	struct stat status;
	char path[128];
	size_t i;

	start();
	commit(first_batch());
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_of(path, names[i]);
		ck_assert_int_eq(stat(path, &status), 0);
		ck_assert_uint_eq(status.st_mode & 0777, 0600);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tests = tcase_create("store");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, a_restart_finds_everything_as_it_was);
	tcase_add_test(tests, the_mirror_holds_none_of_the_checkpoints_own_tables);
	tcase_add_test(tests, killed_without_a_word_it_has_lost_nothing);
	tcase_add_test(tests, a_second_store_is_refused_and_told_who_holds_it);
	tcase_add_test(tests, a_null_group_survives_a_restart_in_both_databases);
	tcase_add_test(tests,
		a_changed_definition_is_announced_and_loses_its_counts_with_the_first_new_batch);
	tcase_add_test(tests, other_columns_make_another_table);
	tcase_add_test(tests, a_removed_query_is_kept_and_goes_on_when_it_comes_back);
	tcase_add_test(tests, a_forgotten_query_is_gone_for_good);
	tcase_add_test(tests, a_renamed_source_keeps_its_files_and_its_queries);
	tcase_add_loop_test(tests, renamed_sources_of_one_directory_are_told_apart, 0, 4);
	tcase_add_test(tests, a_source_on_another_directory_begins_anew);
	tcase_add_test(tests, a_reload_brings_tables_and_takes_them);
	tcase_add_test(tests, a_reload_announces_a_changed_definition);
	tcase_add_test(tests, a_reload_takes_a_removed_query_up_again);
	tcase_add_test(tests, a_failed_query_stays_failed_and_says_why);
	tcase_add_test(tests, a_large_batch_is_the_same_in_both_as_a_small_one);
	tcase_add_test(tests, what_nobody_looks_at_is_shown_whole_when_asked);
	tcase_add_test(tests, a_long_wal_is_moved_while_the_next_batch_comes);
	tcase_add_test(tests, append_mode_keeps_its_open_windows_out_of_sight);
	tcase_add_test(tests, without_a_directory_there_is_only_the_mirror);
	tcase_add_test(tests, its_files_are_for_its_user_alone);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
