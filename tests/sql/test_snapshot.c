/*
 * Versions of pages against a model, and SQLite on top of them: what readers
 * see, what a rollback leaves, what publishing costs.
 */
#include "sql/pages.h"
#include "sql/snapshot.h"
#include "tests/run.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODEL_PAGES    400
#define MODEL_VERSIONS 300

/* What one version should hold: the seed of each page, 0 for zeros. */
struct model {
	struct snapshot *snapshot; /* NULL: this slot is free */
	size_t n_pages;
	unsigned seeds[MODEL_PAGES];
};

static void fill_page(unsigned char *bytes, unsigned seed)
{
	size_t i;

	for (i = 0; i < SNAPSHOT_PAGE_BYTES; i += sizeof(seed))
		memcpy(bytes + i, &seed, sizeof(seed));
}

static void check_page(const unsigned char *bytes, unsigned seed)
{
	unsigned char want[SNAPSHOT_PAGE_BYTES];

	fill_page(want, seed);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_mem_eq(bytes, want, sizeof(want));
}

static void check_version(const struct model *model)
{
	size_t i;

	ck_assert_uint_eq(snapshot_count(model->snapshot), model->n_pages);
	ck_assert_ptr_null(snapshot_page(model->snapshot, model->n_pages));
	for (i = 0; i < model->n_pages; i++)
		check_page(snapshot_page(model->snapshot, i), model->seeds[i]);
}

static void change_at_random(struct pages *pages, struct model *now)
{
	unsigned char bytes[SNAPSHOT_PAGE_BYTES];
	int n = rand() % 40;

	while (n-- > 0) {
		size_t index = (size_t)rand() % MODEL_PAGES;

		if (rand() % 30 == 0) {
			ck_assert(pages_truncate(pages, index));
			if (index < now->n_pages) {
				memset(now->seeds + index, 0,
					(MODEL_PAGES - index) * sizeof(now->seeds[0]));
				now->n_pages = index;
			}
			continue;
		}
		now->seeds[index] = rand() % 10 == 0 ? 0 : (unsigned)rand();
		fill_page(bytes, now->seeds[index]);
		ck_assert(pages_write(pages, index, bytes));
		if (index >= now->n_pages)
			now->n_pages = index + 1;
	}
}

/* Each compares dozens of versions byte by byte. */
#ifdef ENABLE_SANITIZERS
#define N_ROUNDS 150
#else
#define N_ROUNDS 700
#endif

START_TEST(versions_held_and_dropped_at_random_keep_what_they_showed)
{
	static struct model held[MODEL_VERSIONS];
	struct pages *pages = pages_new();
	struct model published = {0};
	struct model now = {0};
	int round;
	size_t i;

	srand((unsigned)_i + 1);
	memset(held, 0, sizeof(held));
	for (round = 0; round < N_ROUNDS; round++) {
		struct model *slot = &held[rand() % MODEL_VERSIONS];

		change_at_random(pages, &now);
		if (rand() % 4 == 0) {
			pages_discard(pages);
			now = published;
		} else {
			pages_publish(pages);
			published = now;
		}
		if (slot->snapshot != NULL && rand() % 3 != 0) {
			check_version(slot);
			snapshot_unref(slot->snapshot);
			slot->snapshot = NULL;
		} else if (slot->snapshot == NULL) {
			*slot = published;
			slot->snapshot = pages_ref_newest(pages);
			ck_assert_uint_eq(
				snapshot_number(slot->snapshot), pages_newest_number(pages));
		}
	}
	for (i = 0; i < MODEL_VERSIONS; i++) {
		if (held[i].snapshot == NULL)
			continue;
		check_version(&held[i]);
		snapshot_unref(held[i].snapshot);
	}
	/* Asserts that nothing is left but what the newest version shows, and frees that. */
	pages_free(pages);
}
END_TEST

START_TEST(dropping_the_last_holder_frees_what_only_that_version_showed)
{
	unsigned char bytes[SNAPSHOT_PAGE_BYTES];
	struct pages *pages = pages_new();
	struct snapshot *old;
	size_t before, i;

	for (i = 0; i < 1000; i++) {
		fill_page(bytes, (unsigned)i + 1);
		ck_assert(pages_write(pages, i, bytes));
	}
	pages_publish(pages);
	before = pages_bytes(pages);
	old = pages_ref_newest(pages);
	for (i = 0; i < 1000; i++) {
		fill_page(bytes, (unsigned)i + 5000);
		ck_assert(pages_write(pages, i, bytes));
	}
	pages_publish(pages);
	ck_assert_uint_eq(pages_bytes(pages), 2 * before);
	snapshot_unref(old);
	ck_assert_uint_eq(pages_bytes(pages), before);
	pages_free(pages);
}
END_TEST

START_TEST(publishing_costs_what_changed_and_not_what_there_is)
{
	unsigned char bytes[SNAPSHOT_PAGE_BYTES];
	struct pages *pages = pages_new();
	struct snapshot *old;
	size_t before, i;

	for (i = 0; i < 20000; i++) {
		fill_page(bytes, (unsigned)i + 1);
		ck_assert(pages_write(pages, i, bytes));
	}
	pages_publish(pages);
	before = pages_bytes(pages);
	old = pages_ref_newest(pages);
	for (i = 0; i < 10; i++) {
		fill_page(bytes, (unsigned)i + 50000);
		ck_assert(pages_write(pages, i * 2000, bytes));
	}
	pages_publish(pages);
	/* Ten pages and the ten small leaves that name them. */
	ck_assert_uint_le(pages_bytes(pages) - before, (size_t)10 * (4096 + 1024));
	snapshot_unref(old);
	pages_free(pages);
}
END_TEST

static struct snapshot_store *store;
static sqlite3 *writer;

static void open_store(void)
{
	struct err err = ERR_INIT;

	store = snapshot_store_new();
	ck_assert_ptr_nonnull(store);
	ck_assert_msg(snapshot_open_writer(store, &writer, &err) == 0, "%s", err.text);
}

static void close_store(void)
{
	ck_assert_int_eq(sqlite3_close(writer), SQLITE_OK);
	snapshot_store_free(store);
}

static sqlite3 *new_reader(void)
{
	struct err err = ERR_INIT;
	sqlite3 *reader;

	ck_assert_msg(snapshot_open_reader(store, &reader, &err) == 0, "%s", err.text);
	return reader;
}

static void run(sqlite3 *db, const char *sql)
{
	char *message = NULL;
	int rc = sqlite3_exec(db, sql, NULL, NULL, &message);

	ck_assert_msg(rc == SQLITE_OK, "%s: %s", sql, message);
}

static sqlite3_int64 ask(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3_int64 value;

	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
		sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
	return value;
}

START_TEST(a_reader_sees_each_commit_and_nothing_before_it)
{
	sqlite3 *reader = new_reader();

	run(writer, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 0);
	run(writer, "BEGIN; INSERT INTO t VALUES(1,'x'),(2,'y')");
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 0);
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 2);
	run(writer, "COMMIT");
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 2);
	ck_assert_uint_eq(snapshot_newest_number(store), 2);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
}
END_TEST

START_TEST(a_rollback_publishes_nothing_and_leaves_nothing)
{
	size_t before;

	run(writer, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
	run(writer, "INSERT INTO t VALUES(1,'x')");
	before = snapshot_bytes(store);
	/* More than the writer's cache, so that pages are spilled before the rollback. */
	run(writer,
		"BEGIN; WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE i<9000)"
		" INSERT INTO t SELECT i, hex(zeroblob(500)) FROM n");
	ck_assert_uint_gt(snapshot_bytes(store), before);
	run(writer, "ROLLBACK");
	ck_assert_uint_eq(snapshot_bytes(store), before);
	ck_assert_uint_eq(snapshot_newest_number(store), 2);
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 1);
	run(writer, "INSERT INTO t VALUES(2,'y')");
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 2);
}
END_TEST

START_TEST(after_a_statement_that_failed_closing_the_writer_leaves_the_last_commit)
{
	struct err err = ERR_INIT;

	run(writer, "CREATE TABLE t(a INTEGER PRIMARY KEY)");
	run(writer, "INSERT INTO t VALUES(500)");
	run(writer, "BEGIN");
	ck_assert_int_ne(
		sqlite3_exec(writer,
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<600)"
			" INSERT INTO t SELECT i FROM n",
			NULL, NULL, NULL),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(writer), SQLITE_OK);
	ck_assert_int_eq(snapshot_open_writer(store, &writer, &err), 0);
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 1);
	run(writer, "INSERT INTO t VALUES(1)");
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 2);
}
END_TEST

START_TEST(a_second_writer_is_refused_until_the_first_is_closed)
{
	struct err err = ERR_INIT;
	sqlite3 *second;

	ck_assert_int_eq(snapshot_open_writer(store, &second, &err), ERR_BUSY);
	ck_assert_ptr_null(second);
	ck_assert_int_eq(sqlite3_close(writer), SQLITE_OK);
	ck_assert_int_eq(snapshot_open_writer(store, &writer, &err), 0);
	run(writer, "CREATE TABLE t(a)");
}
END_TEST

START_TEST(a_reader_writes_nothing_but_temp_tables)
{
	sqlite3 *reader = new_reader();

	run(writer, "CREATE TABLE t(a)");
	ck_assert_int_eq(
		sqlite3_exec(reader, "INSERT INTO t VALUES(1)", NULL, NULL, NULL), SQLITE_READONLY);
	run(reader,
		"CREATE TEMP TABLE mine AS SELECT 1 AS a; INSERT INTO mine SELECT a+1 FROM mine");
	ck_assert_int_eq(ask(reader, "SELECT sum(a) FROM mine"), 3);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
}
END_TEST

START_TEST(a_transaction_keeps_its_version_while_others_are_published)
{
	sqlite3 *reader = new_reader();

	run(writer, "CREATE TABLE t(a)");
	ck_assert_uint_eq(snapshot_seen_number(reader), 0);
	run(reader, "BEGIN");
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 0);
	ck_assert_uint_eq(snapshot_seen_number(reader), 1);
	run(writer, "INSERT INTO t VALUES(1)");
	run(writer, "INSERT INTO t VALUES(2)");
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 0);
	run(reader, "COMMIT");
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 2);
	ck_assert_uint_eq(snapshot_seen_number(reader), 0);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
}
END_TEST

START_TEST(a_pinned_reader_sees_that_version_and_goes_back_and_forth)
{
	sqlite3 *reader = new_reader();
	struct snapshot *first, *second;

	run(writer, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
	first = snapshot_ref_newest(store);
	run(writer, "INSERT INTO t VALUES(2)");
	second = snapshot_ref_newest(store);
	run(writer, "DROP TABLE t");
	snapshot_pin(reader, first);
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 1);
	snapshot_pin(reader, second);
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 2);
	snapshot_pin(reader, first);
	snapshot_unref(first);
	snapshot_unref(second);
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM t"), 1);
	snapshot_pin(reader, NULL);
	ck_assert_int_eq(ask(reader, "SELECT count(*) FROM sqlite_schema"), 0);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
}
END_TEST

START_TEST(reading_the_clock_is_noticed_per_reader)
{
	sqlite3 *one = new_reader();
	sqlite3 *two = new_reader();

	(void)ask(one, "SELECT date('2016-07-26')");
	ck_assert(!*snapshot_clock_flag(one));
	(void)ask(one, "SELECT date('n' || 'ow')");
	ck_assert(*snapshot_clock_flag(one));
	ck_assert(!*snapshot_clock_flag(two));
	ck_assert(*snapshot_clock_flag(one));
	*snapshot_clock_flag(one) = false;
	ck_assert(!*snapshot_clock_flag(one));
	(void)ask(two, "SELECT CURRENT_TIMESTAMP");
	ck_assert(*snapshot_clock_flag(two));
	*snapshot_clock_flag(two) = false;
	ck_assert_int_eq(sqlite3_close(one), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(two), SQLITE_OK);
}
END_TEST

START_TEST(an_idle_reader_holds_no_version_and_no_pages)
{
	sqlite3 *reader = new_reader();
	int used = 0, highest = 0;
	size_t before;

	run(writer, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)"
		    " INSERT INTO t SELECT i, hex(zeroblob(50)) FROM n");
	before = snapshot_bytes(store);
	ck_assert_int_eq(ask(reader, "SELECT sum(length(b)) FROM t"), 2000000);
	ck_assert_int_eq(sqlite3_db_status(reader, SQLITE_DBSTATUS_CACHE_USED, &used, &highest, 0),
		SQLITE_OK);
	ck_assert_int_lt(used, 16384);
	run(writer, "UPDATE t SET b='x'");
	ck_assert_uint_le(snapshot_bytes(store), before + 8192);
	ck_assert_int_eq(sqlite3_close(reader), SQLITE_OK);
}
END_TEST

START_TEST(deleted_rows_give_their_memory_back)
{
	size_t before;

	run(writer, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);"
		    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<20000)"
		    " INSERT INTO t SELECT i, hex(zeroblob(50)) FROM n");
	before = snapshot_bytes(store);
	run(writer, "DELETE FROM t WHERE a>100");
	/* Freed pages are written as zeros, which take no memory. */
	ck_assert_uint_lt(snapshot_bytes(store), before / 10);
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 100);
}
END_TEST

START_TEST(after_prepare_commit_the_commit_needs_no_new_page)
{
	struct err err = ERR_INIT;
	size_t prepared;

	run(writer, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
	run(writer,
		"BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<900)"
		" INSERT INTO t SELECT i, hex(zeroblob(50)) FROM n");
	ck_assert_int_eq(snapshot_prepare_commit(writer, &err), 0);
	prepared = snapshot_bytes(store);
	run(writer, "COMMIT");
	/* Only what the version before showed has gone. */
	ck_assert_uint_le(snapshot_bytes(store), prepared);
	ck_assert_int_eq(ask(writer, "SELECT count(*) FROM t"), 900);
	run(writer, "BEGIN");
	ck_assert_int_eq(snapshot_prepare_commit(writer, &err), 0);
	run(writer, "COMMIT");
}
END_TEST

/* Many threads. */

#define N_KEYS 3000

struct reading {
	pthread_t thread;
	_Atomic bool *stop;
	int64_t n_done;
};

/* In every version each key stands twice with one value, and the sum of all is that of a table
 * beside. */
static void *read_pairs(void *arg)
{
	struct reading *reading = arg;
	struct err err = ERR_INIT;
	sqlite3 *reader = NULL;
	sqlite3_int64 newest = 0;

	ck_assert_int_eq(snapshot_open_reader(store, &reader, &err), 0);
	while (!atomic_load(reading->stop) || reading->n_done == 0) {
		sqlite3_int64 round;

		run(reader, "BEGIN");
		ck_assert_int_eq(
			ask(reader, "SELECT count(*) FROM a JOIN b USING(k) WHERE a.v<>b.v"), 0);
		ck_assert_int_eq(ask(reader, "SELECT (SELECT count(*) FROM a) <> n OR"
					     " (SELECT total(v) FROM b) <> s FROM sums"),
			0);
		round = ask(reader, "SELECT round FROM sums");
		run(reader, "COMMIT");
		ck_assert_int_ge(round, newest);
		newest = round;
		reading->n_done++;
		if (reading->n_done % 64 == 0) {
			(void)sqlite3_close(reader);
			ck_assert_int_eq(snapshot_open_reader(store, &reader, &err), 0);
		}
	}
	(void)sqlite3_close(reader);
	return NULL;
}

static void write_round(int round)
{
	char sql[512];

	run(writer, "BEGIN");
	(void)snprintf(sql, sizeof(sql),
		"DELETE FROM a WHERE k%%17=%d; DELETE FROM b WHERE k NOT IN (SELECT k FROM a);"
		"INSERT OR REPLACE INTO a SELECT i*%d%%%d, %d+i FROM"
		" (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<%d)"
		" SELECT i FROM n)",
		rand() % 17, rand() % 97 + 1, N_KEYS, round, rand() % 60 + 1);
	run(writer, sql);
	run(writer, "INSERT OR REPLACE INTO b SELECT k, v FROM a");
	(void)snprintf(sql, sizeof(sql),
		"UPDATE sums SET round=%d, n=(SELECT count(*) FROM a), s=(SELECT total(v) FROM b)",
		round);
	run(writer, sql);
	run(writer, rand() % 5 == 0 ? "ROLLBACK" : "COMMIT");
}

START_TEST(threads_of_readers_never_see_a_torn_version)
{
	struct reading readings[4] = {0};
	_Atomic bool stop = false;
	size_t i;
	int round;

	run(writer,
		"CREATE TABLE a(k INTEGER PRIMARY KEY, v); CREATE TABLE b(k PRIMARY KEY, v)"
		" WITHOUT ROWID; CREATE TABLE sums(round, n, s); INSERT INTO sums VALUES(0,0,0)");
	for (i = 0; i < 4; i++) {
		readings[i].stop = &stop;
		ck_assert_int_eq(
			pthread_create(&readings[i].thread, NULL, read_pairs, &readings[i]), 0);
	}
	for (round = 1; round <= 150; round++)
		write_round(round);
	atomic_store(&stop, true);
	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(readings[i].thread, NULL), 0);
		ck_assert_int_gt(readings[i].n_done, 0);
	}
	ck_assert_int_eq(
		ask(writer,
			"SELECT count(*) FROM pragma_integrity_check WHERE integrity_check<>'ok'"),
		0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("snapshot");
	TCase *pages = tcase_create("pages");
	TCase *sqlite = tcase_create("sqlite");

	tcase_set_timeout(pages, 600);
	tcase_add_loop_test(pages, versions_held_and_dropped_at_random_keep_what_they_showed, 0, 3);
	tcase_add_test(pages, dropping_the_last_holder_frees_what_only_that_version_showed);
	tcase_add_test(pages, publishing_costs_what_changed_and_not_what_there_is);
	suite_add_tcase(suite, pages);

	tcase_set_timeout(sqlite, 600);
	tcase_add_checked_fixture(sqlite, open_store, close_store);
	tcase_add_test(sqlite, a_reader_sees_each_commit_and_nothing_before_it);
	tcase_add_test(sqlite, a_rollback_publishes_nothing_and_leaves_nothing);
	tcase_add_test(
		sqlite, after_a_statement_that_failed_closing_the_writer_leaves_the_last_commit);
	tcase_add_test(sqlite, a_second_writer_is_refused_until_the_first_is_closed);
	tcase_add_test(sqlite, a_reader_writes_nothing_but_temp_tables);
	tcase_add_test(sqlite, a_transaction_keeps_its_version_while_others_are_published);
	tcase_add_test(sqlite, a_pinned_reader_sees_that_version_and_goes_back_and_forth);
	tcase_add_test(sqlite, reading_the_clock_is_noticed_per_reader);
	tcase_add_test(sqlite, an_idle_reader_holds_no_version_and_no_pages);
	tcase_add_test(sqlite, deleted_rows_give_their_memory_back);
	tcase_add_test(sqlite, after_prepare_commit_the_commit_needs_no_new_page);
	tcase_add_test(sqlite, threads_of_readers_never_see_a_torn_version);
	suite_add_tcase(suite, sqlite);

	return run_suite(suite);
}
