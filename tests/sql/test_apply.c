/* One batch's changes in the mirror and in a checkpoint: what stands there afterwards. */
#include "sql/apply.h"

#include "sql/catalog.h"
#include "sql/collation.h"
#include "sql/mirror.h"
#include "sql/schema.h"
#include "tests/run.h"
#include "tests/sql/sample.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static sqlite3 *db;
static struct catalog *catalog;
static struct apply *apply;

/* A checkpoint's tables in memory, for the sample's query. */
static void open_checkpoint(const char *field)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	must(collation_register(db, &err), &err);
	must(schema_create_shared(db, &err), &err);
	must(schema_create_checkpoint(db, &err), &err);
	must(catalog_new(&catalog, sample_spec("counts", field), &err), &err);
	catalog_number(catalog, NULL, 0, 0);
	must(schema_create_table(db, "counts", &catalog->spec->queries[0], TABLE_KEYED, &err),
		&err);
	ck_assert_int_eq(sqlite3_exec(db,
				 "INSERT INTO \"state:queries\"(id, name, source_id)"
				 " VALUES(1, 'counts', 1)",
				 NULL, NULL, NULL),
		SQLITE_OK);
	must(apply_open(&apply, db, APPLY_CHECKPOINT, catalog, &err), &err);
}

static void setup(void)
{
	open_checkpoint("action");
}

static void teardown(void)
{
	apply_close(apply);
	catalog_free(catalog);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

static void apply_all(const struct changes *changes)
{
	struct err err = ERR_INIT;

	must(apply_changes(apply, changes, &err), &err);
	must(apply_progress(apply, changes, 1500, &err), &err);
}

static void asks(const char *sql, const char *want)
{
	ck_assert_str_eq(sample_ask(db, sql), want);
}

START_TEST(rows_are_put_changed_and_deleted_by_their_key)
{
	struct changes *first = sample_changes(0);
	struct changes *second = sample_changes(1);

	sample_add_row(first, "", START, 1);
	sample_add_row(first, "Close", START, 11);
	sample_add_row(first, "Open", START, 179);
	sample_add_row(first, "Open", START + HOUR, 1001);
	apply_all(first);
	sample_add_row(second, "", START, 0);
	sample_add_row(second, "Open", START, 180);
	apply_all(second);
	asks("SELECT * FROM counts", "Close|2016-07-26 02:00:00|2016-07-26 03:00:00|11\n"
				     "Open|2016-07-26 02:00:00|2016-07-26 03:00:00|180\n"
				     "Open|2016-07-26 03:00:00|2016-07-26 04:00:00|1001\n");
}
END_TEST

START_TEST(the_first_null_group_turns_the_table_loose_and_nothing_else_changes)
{
	enum table_form form = TABLE_MISSING;
	struct changes *first = sample_changes(0);
	struct changes *second = sample_changes(1);
	struct changes *third = sample_changes(2);
	struct err err = ERR_INIT;

	sample_add_row(first, "Open", START, 179);
	apply_all(first);
	sample_add_row(second, NULL, START, 5);
	sample_add_row(second, "Close", START, 11);
	apply_all(second);
	must(schema_table_form(db, "counts", &form, &err), &err);
	ck_assert_int_eq(form, TABLE_LOOSE);
	sample_add_row(third, NULL, START, 7);
	sample_add_row(third, NULL, START + HOUR, 1);
	sample_add_row(third, "Close", START, 0);
	apply_all(third);
	apply_all(third);
	asks("SELECT action IS NULL, window_start, count FROM counts ORDER BY 1, 2",
		"0|2016-07-26 02:00:00|179\n"
		"1|2016-07-26 02:00:00|7\n"
		"1|2016-07-26 03:00:00|1\n");
	asks("SELECT count(*) FROM pragma_table_xinfo('counts')", "4\n");
}
END_TEST

START_TEST(a_rollback_of_the_batch_that_loosened_a_table_leaves_it_keyed)
{
	struct changes *changes = sample_changes(0);
	enum table_form form = TABLE_MISSING;
	struct err err = ERR_INIT;

	sample_add_row(changes, NULL, START, 5);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	apply_all(changes);
	ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	apply_rolled_back(apply);
	must(schema_table_form(db, "counts", &form, &err), &err);
	ck_assert_int_eq(form, TABLE_KEYED);
	apply_all(changes);
	asks("SELECT count FROM counts WHERE action IS NULL", "5\n");
}
END_TEST

START_TEST(applying_a_batch_twice_leaves_what_applying_it_once_leaves)
{
	static const char *const all =
		"SELECT (SELECT group_concat(action || window_start || count) FROM counts),"
		" (SELECT group_concat(path || offset || state) FROM files),"
		" (SELECT group_concat(file || line) FROM rejects),"
		" (SELECT group_concat(reason || count) FROM reject_totals),"
		" (SELECT group_concat(json) FROM progress),"
		" (SELECT group_concat(key || inode) FROM \"state:files\"),"
		" (SELECT group_concat(file_id || offset) FROM \"state:offsets\"),"
		" (SELECT group_concat(batch_id || n_events) FROM \"state:queries\")";
	struct changes *changes = sample_changes(0);
	char *once;

	sample_add_row(changes, "Close", START, 11);
	sample_add_row(changes, "Open", START, 179);
	sample_add_file(changes, 1, "file-0.json", FILE_DONE);
	sample_add_offset(changes, 1, 1, 1000);
	sample_add_reject(changes, 3);
	sample_add_reject(changes, 4);
	changes->reject_totals[0][REJECT_BAD_JSON] = 2;
	apply_all(changes);
	once = sample_ask(db, all);
	ck_assert_ptr_nonnull(strstr(once, "file-0.json3,file-0.json4"));
	apply_all(changes);
	ck_assert_str_eq(sample_ask(db, all), once);
}
END_TEST

START_TEST(a_rebuilt_query_starts_from_nothing)
{
	struct changes *old = sample_changes(7);
	struct changes *rebuilt = sample_changes(0);

	sample_add_row(old, "Open", START, 179);
	apply_all(old);
	rebuilt->queries[0].is_rebuilt = true;
	sample_add_row(rebuilt, "Shut", START, 2);
	apply_all(rebuilt);
	asks("SELECT action, count FROM counts", "Shut|2\n");
	asks("SELECT batch_id FROM progress", "0\n");
}
END_TEST

START_TEST(a_query_without_fields_has_one_group)
{
	struct changes *changes = sample_changes(0);

	teardown();
	open_checkpoint(NULL);
	sample_add_row(changes, "", START, 3);
	sample_add_row(changes, "", START + HOUR, 4);
	apply_all(changes);
	apply_all(changes);
	asks("SELECT * FROM counts", "2016-07-26 02:00:00|2016-07-26 03:00:00|3\n"
				     "2016-07-26 03:00:00|2016-07-26 04:00:00|4\n");
}
END_TEST

START_TEST(files_show_what_is_known_and_forgotten_ones_go)
{
	struct changes *changes = sample_changes(0);
	struct changes *later = sample_changes(1);

	sample_add_file(changes, 1, "a\xff.json", FILE_DONE);
	sample_add_file(changes, 2, "b.json", FILE_MISSING);
	sample_add_offset(changes, 1, 1, 1000);
	sample_add_offset(changes, 1, 2, 900);
	apply_all(changes);
	asks("SELECT source, path, size, offset, mtime, events, rejects, state, batch_id, reason "
	     "FROM files",
		"events|a\xef\xbf\xbd.json|1000|1000|2016-07-26 02:00:00|10|0|done|0|\n"
		"events|b.json|1000|1000|2016-07-26 02:00:00|10|0|missing|0|\n");
	asks("SELECT hex(path) FROM \"state:files\"", "61FF2E6A736F6E\n\n");
	sample_add_file(later, 1, "a\xff.json", FILE_MISSING);
	later->files[0].is_forgotten = true;
	apply_all(later);
	asks("SELECT path FROM files", "b.json\n");
	asks("SELECT file_id, offset, skip, line, flags, unpacked FROM \"state:offsets\"",
		"2|900|5|11|1|77\n");
	asks("SELECT count(*) FROM \"state:files\"", "1\n");
}
END_TEST

START_TEST(a_dropped_prefix_takes_its_offsets_with_it)
{
	static const int64_t dropped[] = {1};
	struct changes *changes = sample_changes(0);
	struct changes *later = sample_changes(1);

	sample_add_offset(changes, 1, 1, 1000);
	sample_add_offset(changes, 2, 1, 500);
	apply_all(changes);
	later->dropped_prefixes = dropped;
	later->n_dropped_prefixes = 1;
	apply_all(later);
	asks("SELECT prefix_id, offset FROM \"state:offsets\"", "2|500\n");
}
END_TEST

START_TEST(the_newest_ten_thousand_rejects_are_kept)
{
	struct changes *changes = sample_changes(0);
	struct changes *later = sample_changes(1);
	int64_t line;

	for (line = 1; line <= 9000; line++)
		sample_add_reject(changes, line);
	changes->reject_totals[0][REJECT_BAD_JSON] = 9000;
	apply_all(changes);
	for (line = 9001; line <= 12000; line++)
		sample_add_reject(later, line);
	later->reject_totals[0][REJECT_BAD_JSON] = 12000;
	apply_all(later);
	asks("SELECT count(*), min(line), max(line) FROM rejects", "10000|2001|12000\n");
	asks("SELECT * FROM reject_totals", "events|bad_json|12000\n");
	asks("SELECT text, detail FROM rejects LIMIT 1", "{\"ti\xef\xbf\xbd|unexpected end\n");
}
END_TEST

START_TEST(a_hundred_rows_of_progress_are_kept)
{
	int64_t batch;

	for (batch = 0; batch < 130; batch++)
		apply_all(sample_changes(batch));
	asks("SELECT count(*), min(batch_id), max(batch_id) FROM progress", "100|30|129\n");
}
END_TEST

START_TEST(progress_reads_as_spark_writes_it)
{
	apply_all(sample_changes(0));
	apply_all(sample_changes(1));
	asks("SELECT query, batch_id, timestamp, trigger_ms, files, bytes, num_input_rows,"
	     " input_rows_per_second, processed_rows_per_second, groups, groups_updated, late,"
	     " watermark FROM progress",
		"counts|0|2016-07-26 02:00:00|501.5|0|0|100||199.4|2|1|0|\n"
		"counts|1|2016-07-26 02:00:02|501.5|0|0|100|50.0|199.4|2|1|0|\n");
	asks("SELECT json_valid(json), json->>'$.name', json->>'$.timestamp', json->>'$.batchId',"
	     " json->>'$.inputRowsPerSecond', json->>'$.durationMs.triggerExecution',"
	     " json->>'$.sources[0].description', json->>'$.sources[0].startOffset.logOffset',"
	     " json->>'$.stateOperators[0].numRowsTotal', json->>'$.sink.numOutputRows'"
	     " FROM progress",
		"1|counts|2016-07-26T02:00:00.000Z|0||501|FileStreamSource[file:/data/"
		"events]||2|2\n"
		"1|counts|2016-07-26T02:00:02.000Z|1|50.0|501|FileStreamSource[file:/data/"
		"events]|0|2|2\n");
	asks("SELECT group_concat(key) FROM progress AS p, json_each(p.json) WHERE batch_id = 1",
		"id,runId,name,timestamp,batchId,batchDuration,numInputRows,inputRowsPerSecond,"
		"processedRowsPerSecond,durationMs,stateOperators,sources,sink\n");
	asks("SELECT group_concat(key) FROM progress AS p, json_each(p.json, '$.durationMs')"
	     " WHERE batch_id = 1",
		"addBatch,commitOffsets,getBatch,latestOffset,queryPlanning,triggerExecution,"
		"walCommit\n");
}
END_TEST

START_TEST(times_compare_by_time_whatever_their_spelling)
{
	struct changes *changes = sample_changes(0);

	sample_add_row(changes, "Open", START, 179);
	sample_add_row(changes, "Open", START + HOUR, 1001);
	apply_all(changes);
	asks("SELECT count FROM counts WHERE window_start = '2016-07-26T02:00:00Z'", "179\n");
	asks("SELECT count FROM counts WHERE window_start = '2016-07-26T05:00+02:00'", "1001\n");
	asks("SELECT count(*) FROM counts WHERE window_start >= '2016-07-26'", "2\n");
	asks("SELECT count(*) FROM counts WHERE window_start >= '2016'", "2\n");
	asks("SELECT count(*) FROM counts WHERE window_start >= '2017'", "0\n");
	asks("SELECT count(*) FROM counts WHERE window_end < '2016-07-26 3:00:00.5'", "1\n");
}
END_TEST

START_TEST(the_collation_is_a_total_order)
{
	static const char *const texts[] = {"-0001-12-31 23:00:00", "0000-05-05 00:00:00",
		"1969-12-31 23:59:59.999999", "2016-5x", "2016-7-26T2:00:00Z", "2016", "2016-07-26",
		"2016-07-26 02:00:00", "2016-07-26 02:00:00.5", "2016-12-01", "9999-12-31 23:00:00",
		"+10000-01-01 00:00:00", "", "zebra", "2016-07-26 25:00:00"};
	const size_t n = sizeof(texts) / sizeof(texts[0]);
	size_t i, k, m;

#define ORDER(a, b)                                                                                \
	collation_compare(NULL, (int)strlen(texts[a]), texts[a], (int)strlen(texts[b]), texts[b])
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(ORDER(i, i), 0);
		for (k = 0; k < n; k++) {
			ck_assert((ORDER(i, k) > 0) == (ORDER(k, i) < 0));
			for (m = 0; m < n; m++) {
				if (ORDER(i, k) <= 0 && ORDER(k, m) <= 0)
					ck_assert_msg(ORDER(i, m) <= 0, "%s, %s, %s", texts[i],
						texts[k], texts[m]);
			}
		}
	}
	ck_assert_int_eq(ORDER(4, 7), 0);
#undef ORDER
}
END_TEST

START_TEST(the_mirror_shows_a_batch_only_after_its_commit)
{
	struct changes *changes = sample_changes(0);
	struct err err = ERR_INIT;
	struct catalog *shown;
	struct mirror *mirror;
	sqlite3 *reader;

	must(catalog_new(&shown, sample_spec("counts", "action"), &err), &err);
	catalog_number(shown, NULL, 0, 0);
	must(mirror_open(&mirror, &err), &err);
	must(mirror_fill(mirror, NULL, &err), &err);
	must(mirror_set_catalog(mirror, shown, NULL, 0, NULL, &err), &err);
	must(snapshot_open_reader(mirror_snapshots(mirror), &reader, &err), &err);
	must(collation_register(reader, &err), &err);
	sample_add_row(changes, "Open", START, 179);
	must(mirror_apply(mirror, changes, &err), &err);
	must(mirror_apply_progress(mirror, changes, 1500, &err), &err);
	ck_assert_str_eq(sample_ask(reader, "SELECT * FROM counts"), "");
	mirror_rollback(mirror);
	ck_assert_str_eq(sample_ask(reader, "SELECT * FROM counts"), "");
	must(mirror_apply(mirror, changes, &err), &err);
	must(mirror_apply_progress(mirror, changes, 1500, &err), &err);
	mirror_commit(mirror);
	ck_assert_str_eq(sample_ask(reader, "SELECT action, count FROM counts"), "Open|179\n");
	ck_assert_str_eq(sample_ask(reader, "SELECT name, source, state, message, batch_id, files,"
					    " events, started_at, \"window\", slide, group_by,"
					    " output_mode, watermark FROM queries"),
		"counts|events|ACTIVE|Processing new data|0|3|100|2016-07-26 02:00:00|1 hour||"
		"action|complete|\n");
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
	mirror_close(mirror);
	catalog_free(shown);
}
END_TEST

START_TEST(a_status_that_differs_is_published_and_the_same_is_not)
{
	struct query_status status = {
		.message = "Waiting for data to arrive", .state = QUERY_ACTIVE};
	struct err err = ERR_INIT;
	struct catalog *shown;
	struct mirror *mirror;
	uint64_t number;

	must(catalog_new(&shown, sample_spec("counts", "action"), &err), &err);
	catalog_number(shown, NULL, 0, 0);
	must(mirror_open(&mirror, &err), &err);
	must(mirror_fill(mirror, NULL, &err), &err);
	must(mirror_set_catalog(mirror, shown, NULL, 0, NULL, &err), &err);
	number = snapshot_newest_number(mirror_snapshots(mirror));
	must(mirror_set_status(mirror, &status, &err), &err);
	ck_assert_uint_eq(snapshot_newest_number(mirror_snapshots(mirror)), number + 1);
	must(mirror_set_status(mirror, &status, &err), &err);
	ck_assert_uint_eq(snapshot_newest_number(mirror_snapshots(mirror)), number + 1);
	status.n_files_behind = 3;
	must(mirror_set_status(mirror, &status, &err), &err);
	ck_assert_uint_eq(snapshot_newest_number(mirror_snapshots(mirror)), number + 2);
	mirror_close(mirror);
	catalog_free(shown);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("apply");
	TCase *checkpoint = tcase_create("checkpoint");
	TCase *mirror = tcase_create("mirror");

	tcase_add_checked_fixture(checkpoint, setup, teardown);
	tcase_add_test(checkpoint, rows_are_put_changed_and_deleted_by_their_key);
	tcase_add_test(
		checkpoint, the_first_null_group_turns_the_table_loose_and_nothing_else_changes);
	tcase_add_test(checkpoint, a_rollback_of_the_batch_that_loosened_a_table_leaves_it_keyed);
	tcase_add_test(checkpoint, applying_a_batch_twice_leaves_what_applying_it_once_leaves);
	tcase_add_test(checkpoint, a_rebuilt_query_starts_from_nothing);
	tcase_add_test(checkpoint, a_query_without_fields_has_one_group);
	tcase_add_test(checkpoint, files_show_what_is_known_and_forgotten_ones_go);
	tcase_add_test(checkpoint, a_dropped_prefix_takes_its_offsets_with_it);
	tcase_add_test(checkpoint, the_newest_ten_thousand_rejects_are_kept);
	tcase_add_test(checkpoint, a_hundred_rows_of_progress_are_kept);
	tcase_add_test(checkpoint, progress_reads_as_spark_writes_it);
	tcase_add_test(checkpoint, times_compare_by_time_whatever_their_spelling);
	suite_add_tcase(suite, checkpoint);
	tcase_add_test(mirror, the_collation_is_a_total_order);
	tcase_add_test(mirror, the_mirror_shows_a_batch_only_after_its_commit);
	tcase_add_test(mirror, a_status_that_differs_is_published_and_the_same_is_not);
	suite_add_tcase(suite, mirror);
	return run_suite(suite);
}
