/*
 * Rows of a batch in a query's table: whichever way they are written, row by
 * row or by one walk, what stands there is what the batches said last.
 */
#include "sql/table.h"

#include "base/timestamp.h"
#include "sql/changed_rows.h"
#include "sql/collation.h"
#include "tests/run.h"
#include "tests/sql/sample.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_NAMES 9
#define N_TIMES 3000 /* the keys are more than one statement takes, which are cut inside a name */
#define N_KEYS  (N_NAMES * N_TIMES)

/* In the order of keys: bytes, the shorter first. */
static const struct event_value names[N_NAMES] = {
	{.text = NULL, .len = 0},
	{.text = "a", .len = 1},
	{.text = "a\0", .len = 2},
	{.text = "a\0b", .len = 3},
	{.text = "ab", .len = 2},
	{.text = "abc", .len = 3},
	{.text = "b", .len = 1},
	{.text = "\xc3\xa9", .len = 2},
	{.text = "\xf0\x9f\x99\x82", .len = 4},
};

static sqlite3 *db;
static struct spec *spec;
static struct table table;
static uint64_t counts[N_KEYS]; /* what should stand there, by key in order; 0: no row */
static int64_t ends[N_KEYS];
static struct row_change rows[N_KEYS];
static size_t n_times; /* of each name */

static void setup(void)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
	must(collation_register(db, &err), &err);
	spec = sample_spec("counts", "action");
	n_times = N_TIMES;
	must(schema_create_table(db, "counts", &spec->queries[0], TABLE_KEYED, &err), &err);
	ck_assert(table_init(&table, db, "counts", &spec->queries[0]));
}

static void teardown(void)
{
	table_fini(&table);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* The first ones beyond the years whose texts sort, others with a fraction. */
static int64_t time_of(size_t key)
{
	size_t i = key % n_times;

	if (i == 0)
		return TIMESTAMP_MIN_US - HOUR;
	if (i == n_times - 1)
		return TIMESTAMP_MAX_US + 1;
	return START + (int64_t)i * HOUR + (i % 7 == 0 ? 500000 : 0);
}

/* A change of the key's row to this count, as the stream would give it. */
static struct row_change change_of(size_t key, uint64_t count)
{
	return (struct row_change){.values = &names[key / n_times],
		.start_us = time_of(key),
		.end_us = time_of(key) + HOUR +
			  (spec->queries[0].session_us > 0 ? (int64_t)count : 0),
		.count = count,
		.is_new = counts[key] == 0};
}

static void apply(size_t n)
{
	struct err err = ERR_INIT;

	must(table_apply(&table, rows, n, &err), &err);
}

/* Each key changes with a probability of `share` in 100, one in ten of them by leaving. */
static void random_batch(unsigned share)
{
	size_t n = 0;

	for (size_t key = 0; key < N_KEYS; key++) {
		uint64_t count;

		if ((unsigned)rand() % 100 >= share)
			continue;
		count = rand() % 10 == 0 ? 0 : (uint64_t)rand() + 1;
		if (count == 0 && counts[key] == 0)
			continue;
		rows[n++] = change_of(key, count);
		counts[key] = count;
		ends[key] = rows[n - 1].end_us;
	}
	apply(n);
}

/* A row for each key, the counts going up from the first. */
static void every_key(uint64_t first)
{
	for (size_t key = 0; key < N_KEYS; key++) {
		rows[key] = change_of(key, first + key);
		counts[key] = first + key;
		ends[key] = rows[key].end_us;
	}
	apply(N_KEYS);
}

static bool is_time(sqlite3_stmt *stmt, int column, int64_t us)
{
	char text[TIMESTAMP_TEXT_BYTES];

	(void)timestamp_format(us, text);
	return strcmp((const char *)sqlite3_column_text(stmt, column), text) == 0;
}

static bool is_row_of(sqlite3_stmt *stmt, size_t key)
{
	const struct event_value *name = &names[key / n_times];
	int n_fields = (int)spec->queries[0].n_group_by;

	if (n_fields > 0 && sqlite3_column_bytes(stmt, 0) != (int)name->len)
		return false;
	if (n_fields > 0 && name->len > 0 &&
		memcmp(sqlite3_column_text(stmt, 0), name->text, name->len) != 0)
		return false;
	return is_time(stmt, n_fields, time_of(key)) && is_time(stmt, n_fields + 1, ends[key]) &&
	       sqlite3_column_int64(stmt, n_fields + 2) == (int64_t)counts[key];
}

/* The table holds the rows of `counts`, in their order, and no other. */
static void check(void)
{
	sqlite3_stmt *stmt;

	ck_assert_int_eq(
		sqlite3_prepare_v2(db, "SELECT * FROM counts", -1, &stmt, NULL), SQLITE_OK);
	for (size_t key = 0; key < N_KEYS; key++) {
		if (counts[key] == 0)
			continue;
		/* One assertion for each costs more than the rows. */
		if (sqlite3_step(stmt) != SQLITE_ROW || !is_row_of(stmt, key))
			ck_abort_msg("the row of key %zu is missing or another", key);
	}
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE);
	(void)sqlite3_finalize(stmt);
}

static void many_batches(void)
{
	static const unsigned shares[] = {100, 90, 3, 60, 50, 20, 0, 99, 70};

	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		random_batch(shares[i]);
		check();
	}
}

START_TEST(batches_of_any_size_leave_what_they_said_last)
{
	many_batches();
}
END_TEST

START_TEST(a_session_keeps_its_key_and_moves_its_end)
{
	spec->queries[0].session_us = HOUR;
	many_batches();
}
END_TEST

START_TEST(a_query_without_groups_has_a_row_a_window)
{
	struct err err = ERR_INIT;

	table_fini(&table);
	spec->queries[0].n_group_by = 0;
	n_times = N_KEYS;
	(void)sample_ask(db, "DROP TABLE counts");
	must(schema_create_table(db, "counts", &spec->queries[0], TABLE_KEYED, &err), &err);
	ck_assert(table_init(&table, db, "counts", &spec->queries[0]));
	many_batches();
}
END_TEST

START_TEST(no_batch_holds_a_copy_of_the_whole_table)
{
	int now, peak, before;
	int64_t n_bytes;

	every_key(1);
	n_bytes = atoll(sample_ask(db, "SELECT * FROM pragma_page_count"));
	n_bytes *= atoll(sample_ask(db, "SELECT * FROM pragma_page_size"));
	ck_assert_int_eq(sqlite3_status(SQLITE_STATUS_MEMORY_USED, &before, &peak, 1), SQLITE_OK);
	every_key(2);
	ck_assert_int_eq(sqlite3_status(SQLITE_STATUS_MEMORY_USED, &now, &peak, 0), SQLITE_OK);
	ck_assert_int_lt(peak - before, n_bytes / 10 * 9);
	check();
}
END_TEST

START_TEST(rows_that_are_there_already_are_no_surprise)
{
	every_key(1);
	/* The batch was rolled back elsewhere and comes again: nothing in it is new. */
	for (size_t key = 0; key < N_KEYS; key++)
		rows[key].is_new = key % 2 == 0;
	apply(N_KEYS);
	check();
}
END_TEST

START_TEST(a_large_batch_is_prepared_again_after_a_rollback)
{
	random_batch(100);
	ck_assert_int_eq(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	for (size_t key = 0; key < N_KEYS; key++)
		rows[key] = change_of(key, 7);
	apply(N_KEYS);
	ck_assert_int_eq(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	table_forget(&table);
	check();
	random_batch(100);
	check();
}
END_TEST

/* Every third key has a change. */
static struct changed_rows *third_keys(void)
{
	struct err err = ERR_INIT;
	struct changed_rows *changed;
	size_t n = 0;

	every_key(1);
	table_forget(&table);
	must(changed_rows_open(&changed, db, "counts", &spec->queries[0], &err), &err);
	for (size_t key = 0; key < N_KEYS; key += 3)
		rows[n++] = change_of(key, key + 1);
	ck_assert(changed_rows_set(changed, rows, n));
	return changed;
}

START_TEST(changes_are_found_in_whatever_order_they_are_asked_for)
{
	static const char *const orders[] = {"ORDER BY action, window_start",
		"ORDER BY action DESC, window_start DESC", "ORDER BY window_start, action",
		"ORDER BY count"};
	struct changed_rows *changed = third_keys();
	char want[64], sql[400];
	int n = 0, sum = 0;

	for (int key = 0; key < N_KEYS; key += 3) {
		n++;
		sum += key + 1;
	}
	(void)snprintf(want, sizeof(want), "%d|%d\n", n, sum);
	for (size_t i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		(void)snprintf(sql, sizeof(sql),
			"SELECT sum(\"is_changed:counts\"(action, window_start)),"
			" sum(\"count_of:counts\"(action, window_start))"
			" FROM (SELECT * FROM counts %s LIMIT -1 OFFSET 0)",
			orders[i]);
		ck_assert_str_eq(sample_ask(db, sql), want);
	}
	changed_rows_close(changed);
}
END_TEST

START_TEST(what_a_walk_has_met_is_not_shown_again)
{
	struct changed_rows *changed = third_keys();

	changed_rows_show(changed, 0, N_KEYS / 3);
	ck_assert_str_eq(sample_ask(db, "SELECT count(*) FROM \"changed:counts\""), "9000\n");
	(void)sample_ask(db, "SELECT sum(\"is_changed:counts\"(action, window_start)) FROM counts"
			     " WHERE action < 'b'");
	ck_assert_str_eq(
		sample_ask(db, "SELECT count(*), min(field0) FROM \"changed:counts\""), "3000|b\n");
	changed_rows_unset(changed);
	ck_assert_str_eq(sample_ask(db, "SELECT count(*) FROM \"changed:counts\""), "0\n");
	changed_rows_close(changed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("table");
	TCase *tests = tcase_create("table");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, batches_of_any_size_leave_what_they_said_last);
	tcase_add_test(tests, a_session_keeps_its_key_and_moves_its_end);
	tcase_add_test(tests, a_query_without_groups_has_a_row_a_window);
	tcase_add_test(tests, no_batch_holds_a_copy_of_the_whole_table);
	tcase_add_test(tests, rows_that_are_there_already_are_no_surprise);
	tcase_add_test(tests, a_large_batch_is_prepared_again_after_a_rollback);
	tcase_add_test(tests, changes_are_found_in_whatever_order_they_are_asked_for);
	tcase_add_test(tests, what_a_walk_has_met_is_not_shown_again);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
