/*
 * What strangers send: each statement ends with a clear refusal or a right
 * answer, in bounded time and memory, and nothing outside the session changes.
 */
#include "tests/sql/env.h"

#include "sql/guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* What one opcode may take beyond the timeout is little; a sanitizer makes it much. */
#ifdef ENABLE_SANITIZERS
#define TIMEOUT_US    2000000
#define BOUND_SECONDS 15
#else
#define TIMEOUT_US    400000
#define BOUND_SECONDS 3
#endif

static struct fixture fixture;
static struct sql_session *session;

static void set_up(void)
{
	struct sql_env_options options = fixture_options();

	options.query_timeout_us = TIMEOUT_US;
	options.query_memory_bytes = 16 << 20;
	options.max_result_bytes = 1 << 20;
	fixture_open(&fixture, options);
	session = session_as(&fixture, 1001);
}

static void tear_down(void)
{
	sql_session_free(session);
	fixture_close(&fixture);
}

/* Any clear end will do: which limit is met first depends on the machine. */
#define BOUNDED 1

static const struct {
	const char *sql;
	int code; /* 0: answers; BOUNDED: a limit's sentence or an answer */
	const char *words;
} hostile[] = {
	/* Changing what is not theirs. */
	{"insert into counts values('x','','',1)", ERR_DENIED,
		"tallyd is read-only: INSERT INTO counts"},
	{"update counts set count=0", ERR_DENIED, "tallyd is read-only: UPDATE counts"},
	{"delete from counts", ERR_DENIED, "tallyd is read-only: DELETE FROM counts"},
	{"replace into counts values('x','','',1)", ERR_DENIED,
		"tallyd is read-only: INSERT INTO counts"},
	{"insert into counts select * from counts", ERR_DENIED, "tallyd is read-only"},
	{"insert into counts values(1,2,3,4) on conflict do nothing returning count", ERR_DENIED,
		"tallyd is read-only"},
	{"with t as (select 1) delete from counts", ERR_DENIED,
		"tallyd is read-only: DELETE FROM counts"},
	{"explain delete from counts", ERR_DENIED, "tallyd is read-only: DELETE FROM counts"},
	{"create table t(a)", ERR_DENIED, "tallyd is read-only: CREATE TABLE t"},
	{"create table main.t as select 1", ERR_DENIED, "tallyd is read-only: CREATE TABLE t"},
	{"create view v as select 1", ERR_DENIED, "tallyd is read-only: CREATE VIEW v"},
	{"create index i on counts(action)", ERR_DENIED, "tallyd is read-only: CREATE INDEX i"},
	{"create trigger tr after insert on counts begin select 1; end", ERR_DENIED,
		"tallyd is read-only: CREATE TRIGGER tr"},
	{"create temp trigger tr after insert on counts begin select 1; end", ERR_DENIED,
		"tallyd is read-only: CREATE TRIGGER tr"},
	{"create temp table t(a); create temp trigger tr after insert on t begin insert into t "
	 "values(1); end",
		ERR_DENIED, "tallyd is read-only: CREATE TRIGGER tr"},
	{"create virtual table f using fts5(a)", ERR_DENIED,
		"tallyd is read-only: CREATE VIRTUAL TABLE f"},
	{"create virtual table temp.f using rtree(a,b,c)", ERR_DENIED,
		"tallyd is read-only: CREATE VIRTUAL TABLE f"},
	{"drop table counts", ERR_DENIED, "tallyd is read-only: DROP TABLE counts"},
	{"drop view if exists counts", ERR_DENIED, "tallyd is read-only: DROP VIEW counts"},
	{"alter table counts rename to x", ERR_DENIED, "tallyd is read-only: ALTER TABLE counts"},
	{"alter table counts add column x", ERR_DENIED, "tallyd is read-only: ALTER TABLE counts"},
	{"alter table counts drop column count", ERR_DENIED, "tallyd is read-only"},
	{"reindex", 0, NULL},
	{"reindex counts", 0, NULL},
	{"analyze", ERR_DENIED, "tallyd is read-only: ANALYZE"},
	{"vacuum", ERR_DENIED, "tallyd is read-only: vacuum"},
	{"/* x */ VACUUM INTO '/tmp/test_guard_vacuum.db'", ERR_DENIED,
		"tallyd is read-only: VACUUM"},
	{"vacuum into 'file:/tmp/test_guard_vacuum.db?mode=rwc'", ERR_DENIED,
		"tallyd is read-only"},
	/* Reaching outside. */
	{"attach '/tmp/test_guard_attach.db' as x", ERR_DENIED, "tallyd is read-only: ATTACH"},
	{"attach ':memory:' as x", ERR_DENIED, "tallyd is read-only: ATTACH :memory:"},
	{"attach 'file::memory:?cache=shared' as x", ERR_DENIED, "tallyd is read-only: ATTACH"},
	{"detach main", ERR_DENIED, "tallyd is read-only: DETACH"},
	{"select load_extension('/tmp/x.so')", ERR_DENIED, "load_extension()"},
	{"select fts3_tokenizer('simple')", ERR_DENIED, "fts3_tokenizer()"},
	{"select fts3_tokenizer('simple', x'4141414141414141')", ERR_DENIED, "fts3_tokenizer()"},
	{"select writefile('/tmp/test_guard_file', 'x')", ERR_SQL, "no such function: writefile"},
	{"select readfile('/etc/passwd')", ERR_SQL, "no such function: readfile"},
	{"select edit('x')", ERR_SQL, "no such function: edit"},
	{"select sqlite_log(1, 'x')", ERR_DENIED, "sqlite_log()"},
	{"select * from sqlite_dbpage", ERR_SQL, "no such table: sqlite_dbpage"},
	{"update sqlite_dbpage set data = x'00'", ERR_SQL, "no such table: sqlite_dbpage"},
	{"select * from dbstat", ERR_SQL, "no such table: dbstat"},
	{"select * from sqlite_stmt", ERR_SQL, "no such table: sqlite_stmt"},
	{"select * from generate_series(1, 3)", ERR_SQL, "no such table: generate_series"},
	{"select * from fsdir('/')", ERR_SQL, "no such table: fsdir"},
	{"select rtreecheck('counts')", ERR_DENIED, "rtreecheck()"},
	{"select highlight(counts, 0, '', '') from counts", ERR_DENIED, "highlight()"},
	{"select json_patch('{}', '{}')", ERR_DENIED, "json_patch()"},
	/* The schema by the back door. */
	{"pragma writable_schema = 1", ERR_DENIED, "tallyd is read-only: PRAGMA writable_schema"},
	{"pragma journal_mode = delete", ERR_DENIED, "tallyd is read-only: PRAGMA journal_mode"},
	{"pragma query_only = 0", ERR_DENIED, "tallyd is read-only: PRAGMA query_only"},
	{"pragma trusted_schema = 1", ERR_DENIED, "tallyd is read-only: PRAGMA trusted_schema"},
	{"pragma main.user_version = 7", ERR_DENIED, "tallyd is read-only: PRAGMA user_version"},
	{"pragma temp_store_directory = '/'", ERR_DENIED,
		"tallyd is read-only: PRAGMA temp_store_directory"},
	{"pragma temp_store = file", ERR_DENIED, "tallyd is read-only: PRAGMA temp_store"},
	{"pragma cache_size = 1000000", ERR_DENIED, "tallyd is read-only: PRAGMA cache_size"},
	{"pragma hard_heap_limit = 1", ERR_DENIED, "tallyd is read-only: PRAGMA hard_heap_limit"},
	{"pragma integrity_check", ERR_DENIED, "tallyd is read-only: PRAGMA integrity_check"},
	{"pragma wal_checkpoint", ERR_DENIED, "tallyd is read-only: PRAGMA wal_checkpoint"},
	{"pragma optimize", ERR_DENIED, "tallyd is read-only: PRAGMA optimize"},
	{"pragma function_list", 0, NULL},
	{"pragma table_info(counts)", 0, NULL},
	{"pragma database_list", 0, NULL},
	{"select * from pragma_table_info('counts')", 0, NULL},
	{"select * from pragma_writable_schema", ERR_DENIED, "PRAGMA writable_schema"},
	{"select * from pragma_user_version", ERR_DENIED,
		"tallyd is read-only: PRAGMA user_version"},
	{"select * from pragma_journal_mode", ERR_DENIED, "PRAGMA journal_mode"},
	{"update sqlite_master set sql = ''", ERR_DENIED, "may not be modified"},
	{"delete from sqlite_schema", ERR_DENIED, "may not be modified"},
	{"insert into sqlite_temp_master values(1,2,3,4,5)", ERR_DENIED, "may not be modified"},
	{"create temp table sqlite_x(a)", ERR_SQL, "reserved"},
	{"create temp table t(a check (load_extension('x'))); insert into t values(1)", ERR_SQL,
		"tallyd is read-only: the function load_extension()"},
	{"create temp table t(a check (json_patch(a, '{}'))); insert into t values('{}')", ERR_SQL,
		"tallyd is read-only: the function json_patch()"},
	{"create temp table t(a default (randomblob(10))); insert into t default values; select "
	 "length(a) from t",
		0, "10\n"},
	{"create temp table t(a, b as (writefile('x', a)))", ERR_SQL, ""},
	{"create temp view v as select load_extension('x'); select * from v", ERR_DENIED,
		"load_extension()"},
	/* Without end. */
	{"with recursive c(x) as (select 1 union all select x+1 from c) select count(*) from c",
		ERR_INTERRUPTED, "its timeout of"},
	{"with recursive c(x) as (select 1 union all select x+1 from c) select x from c", BOUNDED,
		NULL},
	{"with recursive c(x) as (select 1 union select x+1 from c) select count(*) from c",
		BOUNDED, NULL},
	{"with recursive c(x) as (select 'a' union all select x||x from c) select length(max(x)) "
	 "from c",
		BOUNDED, NULL},
	{"with recursive c(x) as (values(1) union all select x+1 from c order by 1) select "
	 "count(*) from c",
		BOUNDED, NULL},
	{"select count(*) from (select 1 from counts a, counts b, counts c, counts d, counts e, "
	 "counts f,"
	 " counts g, counts h, counts i, counts j, counts k, counts l, counts m, counts n, counts "
	 "o)",
		ERR_INTERRUPTED, "timeout"},
	{"create temp table t as with recursive c(x) as (select 1 union all select x+1 from c) "
	 "select x from c",
		BOUNDED, NULL},
	{"with c0 as (select 1 as x), c1 as (select a.x from c0 a, c0 b), c2 as (select a.x from "
	 "c1 a, c1 b),"
	 " c3 as (select a.x from c2 a, c2 b), c4 as (select a.x from c3 a, c3 b),"
	 " c5 as (select a.x from c4 a, c4 b), c6 as (select a.x from c5 a, c5 b),"
	 " c7 as (select a.x from c6 a, c6 b), c8 as (select a.x from c7 a, c7 b),"
	 " c9 as (select a.x from c8 a, c8 b), d0 as (select a.x from c9 a, c9 b),"
	 " d1 as (select a.x from d0 a, d0 b), d2 as (select a.x from d1 a, d1 b),"
	 " d3 as (select a.x from d2 a, d2 b), d4 as (select a.x from d3 a, d3 b),"
	 " d5 as (select a.x from d4 a, d4 b), d6 as (select a.x from d5 a, d5 b),"
	 " d7 as (select a.x from d6 a, d6 b), d8 as (select a.x from d7 a, d7 b) select * from d8",
		BOUNDED, NULL},
	/* Much from nothing. */
	{"select randomblob(1000000000)", BOUNDED, NULL},
	{"select length(zeroblob(2147483647))", BOUNDED, NULL},
	{"select hex(zeroblob(1000000000))", BOUNDED, NULL},
	{"select hex(hex(hex(zeroblob(1000000))))", BOUNDED, NULL},
	{"select length(printf('%.*c', 900000000, 'x'))", ERR_SQL, "1000"},
	{"select printf('%1000000000d', 1)", ERR_SQL, "1000"},
	{"select format('%*s', 2147483647, 'x')", ERR_SQL, "1000"},
	{"select replace(hex(zeroblob(1000000)), '0', hex(zeroblob(1000)))", BOUNDED, NULL},
	{"select replace(hex(zeroblob(1000000)), hex(zeroblob(200000)), 'x')", BOUNDED, NULL},
	{"select instr(hex(zeroblob(1000000)), hex(zeroblob(200000))||'1')", 0, "0\n"},
	{"select hex(zeroblob(1000000)) like '%'||replace(hex(zeroblob(10000)),'0','0%')||'1'",
		BOUNDED, NULL},
	{"select hex(zeroblob(1000000)) like '%'||hex(zeroblob(10000))||'1%'", BOUNDED, NULL},
	{"select hex(zeroblob(1000000)) glob '*'||replace(hex(zeroblob(5000)),'0','0*')||'1'",
		BOUNDED, NULL},
	{"select hex(zeroblob(1000000)) glob '*[^0]*[^0]*'", BOUNDED, NULL},
	{"select trim(hex(zeroblob(1000000)), hex(randomblob(1000000)))", ERR_SQL, "256"},
	{"select length(ltrim(hex(zeroblob(2000000)), (with recursive n(i) as (select 1 union all"
	 " select i + 1 from n where i < 255) select group_concat(char(19968 + i), '') from n) || "
	 "'0'))",
		BOUNDED, NULL},
	{"select hex(zeroblob(30000)) glob '*[' || hex(zeroblob(2000000)) || ']Z'", BOUNDED, NULL},
	{"select group_concat(a.action||b.action||c.action) from counts a, counts b, counts c, "
	 "counts d, counts e,"
	 " counts f, counts g, counts h, counts i, counts j",
		BOUNDED, NULL},
	{"select json_group_array(randomblob(1000)) from counts", ERR_SQL, "BLOB"},
	{"select length(json_group_array(hex(randomblob(100000)))) from counts a, counts b, counts "
	 "c",
		BOUNDED, NULL},
	{"select json_extract(replace(hex(zeroblob(100000)), '0', '['), '$')", ERR_SQL,
		"malformed JSON"},
	{"select count(*) from json_each('['||replace(hex(zeroblob(1000000)),'0','1,')||'1]')",
		BOUNDED, NULL},
	{"select count(*) from "
	 "json_tree(replace(hex(zeroblob(900)),'0','[')||replace(hex(zeroblob(900)),'0',']'))",
		BOUNDED, NULL},
	{"select sum(a.count*b.count) from counts a, counts b order by randomblob(1000000)",
		BOUNDED, NULL},
	{"select a.action from counts a, counts b, counts c, counts d, counts e, counts f, counts "
	 "g, counts h"
	 " order by randomblob(1000)",
		BOUNDED, NULL},
	{"select distinct randomblob(1000) from counts a, counts b, counts c, counts d, counts e, "
	 "counts f",
		BOUNDED, NULL},
	{"select strftime(replace(hex(zeroblob(1000000)), '0', '%Y-%m-%d %H:%M:%f'), 'now')",
		BOUNDED, NULL},
	{"select printf(replace(hex(zeroblob(2000000)), '00', '%.1000c'), 'x')", BOUNDED, NULL},
	{"select printf(replace(hex(zeroblob(1000000)), '00', '%.900f'), 1e300)", BOUNDED, NULL},
	{"select date('2016-07-26', '+99999999999 months')", 0, "\n"},
	{"select date_format('2016-07-26', hex(zeroblob(10000)))", ERR_SQL, "4096"},
	{"select char(0x10ffff, 1114112, -1) is not null", 0, "1\n"},
	{"select 9223372036854775807 + 1, -9223372036854775808 / -1, abs(-9223372036854775807)", 0,
		"9.22337203685478e+18|9.22337203685478e+18|9223372036854775807\n"},
	{"select sum(9223372036854775807) from counts", ERR_SQL, "integer overflow"},
	{"select 1 % 0, 1 / 0, 5 << 200, 5 >> -200", 0, "||0|0\n"},
	{"select unicode(x'f8808080'), length(x'00'), length('a'||char(0)||'b')", 0, NULL},
	{"select x'zz'", ERR_SQL, "unrecognized token"},
	{"select 'abc", ERR_SQL, "unrecognized token"},
	{"select \"abc", ERR_SQL, "unrecognized token"},
	{"select (((((", ERR_SQL, "incomplete input"},
	{"select substr(hex(zeroblob(1000000)), -9223372036854775807, 9223372036854775807) = ''", 0,
		"1\n"},
	{"select round(1e308, 2147483647), round(-1.5, -3)", 0, NULL},
	{"select max(1,2,3), min('a',2), coalesce(null,null,1), iif(1,2,3)", 0, "3|2|1|2\n"},
	{"select * from counts limit -1 offset 9223372036854775807", 0, ""},
	{"select ntile(0) over () from counts", ERR_SQL, "ntile"},
	{"select nth_value(count, 0) over () from counts", ERR_SQL, "nth_value"},
	{"select sum(count) over (rows between 1e9 preceding and current row) from counts", 0,
		NULL},
	{"select raise(abort, 'x')", ERR_SQL, "RAISE"},
	{"select 1 collate nosuch = 2", ERR_SQL, "nosuch"},
	{"select * from counts indexed by nosuch", ERR_SQL, "nosuch"},
	{"rollback to nosuch", ERR_SQL, "nosuch"},
	{"commit", ERR_SQL, "no transaction"},
	{"begin exclusive; select count(*) from counts; commit", 0, "4\n"},
	{"begin immediate; insert into counts values(1,2,3,4)", ERR_DENIED, "tallyd is read-only"},
	{"savepoint a; release a", 0, ""},
	{"select start('counts')", ERR_DENIED, "only the daemon's own user"},
	{"select stop('counts')", ERR_DENIED, "only the daemon's own user"},
	{"select process_all_available()", ERR_DENIED, "only the daemon's own user"},
	{"create temp view v as select start('counts'); select * from v", ERR_DENIED, ""},
	{"select likelihood(1, 2)", ERR_SQL, "likelihood"},
	{"select count(*) from counts natural join sqlite_master", 0, NULL},
	{"drop table temp.nosuch", ERR_SQL, "no such table"},
	{"create temp table t(a); drop table t; select 1", 0, "1\n"},
	{"create temp table t(a); create index temp.i on t(a); insert into t values(2),(1);"
	 " update t set a=a+1; delete from t where a=3; select a from t",
		0, "2\n"},
	{"create temp table counts(a); insert into counts values(7); select * from counts", 0,
		"7\n"},
	{"create temp view v as select action from counts; insert into v values(1)", ERR_SQL,
		"view"},
	{"create temp table t(a primary key) without rowid; insert into t values(1); insert into t "
	 "values(1)",
		ERR_SQL, "UNIQUE constraint failed"},
	{"select 1;\nselect 2;-- end\n;;", 0, "1\n2\n"},
	{"", 0, ""},
	{";", 0, ""},
	{"-- nothing", 0, ""},
	{"/* open", 0, ""},
	{"frobnicate", ERR_SQL, "syntax error"},
	{"\xef\xbb\xbfselect 1", 0, NULL},
	{"select '\xff'", ERR_SQL, "no UTF-8 at byte 8"},
};

static double seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of this thread's processor, which others on the machine do not use up. */
static double seconds_used(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

START_TEST(a_hostile_statement_ends_in_bounds)
{
	struct sql_session *poller = session_as(&fixture, 1000);
	struct buf out = {0};
	struct err err = ERR_INIT;
	double begun = seconds_used();
	int status = run_sql(session, hostile[_i].sql, &out, &err);
	double took = seconds_used() - begun;

	buf_add_char(&out, '\0');
	ck_assert_msg(took < BOUND_SECONDS, "%s: %.2f s", hostile[_i].sql, took);
	if (hostile[_i].code == BOUNDED)
		ck_assert_msg(status == 0 || status == ERR_LIMIT || status == ERR_INTERRUPTED ||
				      status == ERR_NOMEM,
			"%s: %d %s", hostile[_i].sql, status, err.text);
	else
		ck_assert_msg(status == hostile[_i].code, "%s: %d %s, not %d", hostile[_i].sql,
			status, err.text, hostile[_i].code);
	if (status != 0 && hostile[_i].words != NULL)
		ck_assert_msg(strstr(err.text, hostile[_i].words) != NULL, "%s: '%s' has no '%s'",
			hostile[_i].sql, err.text, hostile[_i].words);
	if (status == 0 && hostile[_i].code == 0 && hostile[_i].words != NULL)
		ck_assert_msg(strcmp(out.data, hostile[_i].words) == 0, "%s: '%s'", hostile[_i].sql,
			out.data);
	buf_fini(&out);
	/* The session is as good as before, and so is everybody else's. */
	sql_session_reset(session, true);
	assert_rows(session, "select sum(count) from counts", "1535\n");
	assert_rows(poller, "select sum(count) from counts", "1535\n");
	ck_assert(access("/tmp/test_guard_vacuum.db", F_OK) != 0);
	ck_assert(access("/tmp/test_guard_attach.db", F_OK) != 0);
	sql_session_free(poller);
}
END_TEST

/* Long statements, made here. */
static char *repeat(const char *before, const char *piece, int n, const char *after)
{
	struct buf text = {0};

	buf_add_text(&text, before);
	for (int i = 0; i < n; i++)
		buf_add_text(&text, piece);
	buf_add_text(&text, after);
	buf_add_char(&text, '\0');
	ck_assert(buf_ok(&text));
	return text.data;
}

static const struct {
	const char *before, *piece, *after;
	int n, code;
} long_rows[] = {
	{"select ", "(", "1", 100000, ERR_SQL},
	{"select ", "-", "1", 100000, ERR_SQL},
	{"select ", "not ", "1", 2000, ERR_SQL},
	{"select 1", "+1", "", 100000, ERR_SQL},
	{"select 1", " union all select 1", "", 5000, ERR_SQL},
	{"select 1", ",1", "", 2000, ERR_SQL},
	{"select count(*) from counts where count in (0", ",1", ")", 200000, BOUNDED},
	{"select 'a'", "||'a'", "", 400, 0},
	{"select coalesce(null", ",null", ")", 63, 0},
	{"select json_extract('[]'", ",'$[1]'", ")", 64, ERR_SQL},
	{"select ", "(select ", "1", 2000, ERR_SQL},
	{"select count(*) from counts", ", counts", "", 100, ERR_SQL},
	{"values(1)", ",(1)", "", 100000, BOUNDED},
	{"select ?", ",?", "", 500, 0},
	{"select ?32767", "", "", 0, ERR_SQL},
	{"select '", "x", "'", 1 << 20, ERR_LIMIT},
	{"select length('", "x", "')", 1000000, 0},
	{"", "-- comment\n", "select 1", 50000, 0},
	{"", " ", "select 1", 1000000, 0},
	{"", ";", "select 1", 100000, 0},
	{"select case 1 ", "when 1 then 1 ", "end", 10000, BOUNDED},
	{"create temp table t(a", ",b", ")", 3000, ERR_SQL},
	{"select json('", "[", "')", 100000, ERR_SQL},
};

START_TEST(a_long_statement_ends_in_bounds)
{
	char *sql = repeat(
		long_rows[_i].before, long_rows[_i].piece, long_rows[_i].n, long_rows[_i].after);
	struct buf out = {0};
	struct err err = ERR_INIT;
	double begun = seconds_used();
	int status = run_sql(session, sql, &out, &err);

	ck_assert_msg(seconds_used() - begun < BOUND_SECONDS, "%.40s", sql);
	if (long_rows[_i].code == BOUNDED)
		ck_assert(status == 0 || status == ERR_NOMEM || status == ERR_INTERRUPTED ||
			  status == ERR_LIMIT);
	else
		ck_assert_msg(status == long_rows[_i].code, "%.40s: %d %s", sql, status, err.text);
	buf_fini(&out);
	free(sql);
	assert_rows(session, "select sum(count) from counts", "1535\n");
}
END_TEST

static _Atomic int n_strangers;

static void *send_everything(void *context)
{
	struct sql_session *stranger = session_as(&fixture, 1001);

	(void)context;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct buf out = {0};
		struct err err = ERR_INIT;

		(void)run_sql(stranger, hostile[i].sql, &out, &err);
		sql_session_reset(stranger, true);
		buf_fini(&out);
	}
	sql_session_free(stranger);
	atomic_fetch_sub(&n_strangers, 1);
	return NULL;
}

START_TEST(a_poller_beside_strangers_gets_its_answers)
{
	pthread_t threads[3];
	double slowest = 0;
	int n = 0;

	atomic_store(&n_strangers, 3);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, send_everything, NULL), 0);
	while (atomic_load(&n_strangers) > 0) {
		double begun = seconds_now();

		write_sql(&fixture, "update counts set count = count + 1 where action = 'Open'");
		write_sql(&fixture, "update counts set count = count - 1 where action = 'Open'");
		assert_rows(
			session, "select sum(count) from counts where action = 'Close'", "355\n");
		slowest = seconds_now() - begun > slowest ? seconds_now() - begun : slowest;
		n++;
		(void)usleep(1000);
	}
	for (int i = 0; i < 3; i++)
		(void)pthread_join(threads[i], NULL);
	ck_assert_int_gt(n, 10);
	/* Nobody waits for anybody: only the processor is shared, on a busy machine with many. */
	ck_assert_msg(slowest < 5 * BOUND_SECONDS, "%.3f s", slowest);
}
END_TEST

START_TEST(a_nul_inside_is_refused)
{
	struct err err = ERR_INIT;
	struct statement *statement;
	size_t tail;

	ck_assert_int_eq(
		statement_prepare(session, "select 1\0 drop", 14, 0, &tail, &statement, &err),
		ERR_SQL);
	ck_assert_int_eq(sql_session_error_offset(session), 8);
	ck_assert_ptr_null(statement);
}
END_TEST

START_TEST(every_function_of_sqlite_is_judged)
{
	/* The list is searched by halves: one out of order would be lost. */
	struct buf out = {0};
	struct err err = ERR_INIT;
	static const char *const calls[] = {"abs(1)", "acos(1)", "acosh(1)", "asin(1)", "asinh(1)",
		"atan(1)", "atan2(1,1)", "atanh(0)", "avg(1)", "ceil(1)", "ceiling(1)", "changes()",
		"char(1)", "coalesce(1,2)", "cos(1)", "cosh(1)", "count(*)", "current_date",
		"current_time", "current_timestamp", "date()", "datetime()", "degrees(1)", "exp(1)",
		"floor(1)", "format('a')", "glob('a','a')", "group_concat(1)", "hex(1)",
		"ifnull(1,2)", "iif(1,2,3)", "instr(1,1)", "json('1')", "json_array(1)",
		"json_array_length('[]')", "json_extract('1','$')", "json_group_array(1)",
		"json_group_object('a',1)", "json_insert('{}','$.a',1)", "json_object('a',1)",
		"json_quote(1)", "json_remove('{}','$.a')", "json_replace('{}','$.a',1)",
		"json_set('{}','$.a',1)", "json_type('1')", "json_valid('1')", "julianday()",
		"last_insert_rowid()", "length(1)", "like('a','a')", "likelihood(1,0.5)",
		"likely(1)", "ln(1)", "log(1)", "log10(1)", "log2(1)", "lower('A')", "ltrim(1)",
		"max(1)", "min(1)", "mod(1,2)", "nullif(1,2)", "pi()", "pow(1,2)", "power(1,2)",
		"printf('a')", "quote(1)", "radians(1)", "random()", "randomblob(1)",
		"replace(1,2,3)", "round(1)", "rtrim(1)", "sign(1)", "sin(1)", "sinh(1)",
		"soundex('a')", "sqlite_compileoption_get(1)", "sqlite_compileoption_used('X')",
		"sqlite_source_id()", "sqlite_version()", "sqrt(1)", "strftime('%Y')",
		"substr('a',1)", "substring('a',1)", "sum(1)", "tan(1)", "tanh(1)", "time()",
		"total(1)", "total_changes()", "trim(1)", "trunc(1)", "typeof(1)", "unicode('a')",
		"unixepoch()", "unlikely(1)", "upper('a')", "zeroblob(1)", "'{}'->'a'",
		"'{}'->>'a'", "cume_dist() over ()", "dense_rank() over ()",
		"first_value(1) over ()", "lag(1) over ()", "last_value(1) over ()",
		"lead(1) over ()", "nth_value(1,1) over ()", "ntile(1) over ()",
		"percent_rank() over ()", "rank() over ()", "row_number() over ()", "subtype(1)"};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		char sql[128];

		(void)snprintf(sql, sizeof(sql), "select %s", calls[i]);
		ck_assert_msg(run_sql(session, sql, &out, &err) == 0, "%s: %s", sql, err.text);
	}
	buf_fini(&out);
}
END_TEST

START_TEST(temp_objects_are_one_session_s_own)
{
	struct sql_session *other = session_as(&fixture, 1001);

	assert_rows(session, "create temp table secret as select 42 as a; select a from secret",
		"42\n");
	ck_assert(sql_session_has_temp(session));
	assert_fails(other, "select * from secret", ERR_SQL, "no such table: secret");
	assert_rows(session, "select a from secret", "42\n");
	sql_session_reset(session, true);
	ck_assert(!sql_session_has_temp(session));
	assert_fails(session, "select * from secret", ERR_SQL, "no such table: secret");
	assert_fails(other, "select * from temp.secret", ERR_SQL, "no such table");
	sql_session_free(other);
}
END_TEST

START_TEST(a_drop_of_nothing_is_none)
{
	assert_rows(session,
		"drop table if exists mine; drop table if exists temp.mine;"
		" drop view if exists nosuch; drop index if exists nosuch;"
		" create temp table mine(a); create index temp.i on mine(a);"
		" create index if not exists temp.i on mine(a);"
		" create temp table if not exists mine(b); insert into mine values(7);"
		" select a from mine; drop table if exists mine",
		"7\n");
	ck_assert(!sql_session_has_temp(session));
	assert_fails(session, "drop table nosuch", ERR_SQL, "no such table: nosuch");
	assert_fails(session, "drop table if exists counts", ERR_DENIED, "DROP TABLE counts");
	assert_fails(
		session, "create view if not exists v as select 1", ERR_DENIED, "CREATE VIEW v");
}
END_TEST

START_TEST(what_fills_the_memory_can_be_dropped)
{
	static const char fill[] =
		"insert into t with recursive n(i) as (select 1 union all select i"
		" + 1 from n where i < %d) select randomblob(1000) from n";
	struct err err = ERR_INIT;
	char sql[200];

	ck_assert_int_eq(
		sql_env_set_limits(fixture.env, 10000000, 4 << 20, 1 << 30, "UTC", &err), 0);
	assert_rows(session, "create temp table t(a)", "");
	for (int n = 1000; n > 0; n /= 4) {
		struct buf out = {0};

		(void)snprintf(sql, sizeof(sql), fill, n);
		while (run_sql(session, sql, &out, &err) == 0)
			;
		ck_assert_int_eq(err.code, ERR_NOMEM);
		ck_assert_msg(strstr(err.text, "TEMP tables") != NULL, "%s", err.text);
		buf_fini(&out);
	}
	assert_rows(session, "select count(*) > 1000 from t", "1\n");
	assert_rows(session, "drop table t", "");
	ck_assert(!sql_session_has_temp(session));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tests = tcase_create("strangers");

	tcase_set_timeout(tests, 600);
	tcase_add_checked_fixture(tests, set_up, tear_down);
	tcase_add_loop_test(tests, a_hostile_statement_ends_in_bounds, 0, N_ROWS(hostile));
	tcase_add_loop_test(tests, a_long_statement_ends_in_bounds, 0, N_ROWS(long_rows));
	tcase_add_test(tests, a_poller_beside_strangers_gets_its_answers);
	tcase_add_test(tests, a_nul_inside_is_refused);
	tcase_add_test(tests, every_function_of_sqlite_is_judged);
	tcase_add_test(tests, temp_objects_are_one_session_s_own);
	tcase_add_test(tests, a_drop_of_nothing_is_none);
	tcase_add_test(tests, what_fills_the_memory_can_be_dropped);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
