/* Reloads: other limits, new, changed and removed queries and sources, under load. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/stream_private.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static struct bench bench;
static struct buf text;

static void set_up(void)
{
	bench_init(&bench);
}

static void tear_down(void)
{
	bench_close(&bench);
	buf_fini(&text);
}

static char *copy(const char *from)
{
	return mem_copy_text(from, strlen(from));
}

/* A second source in a directory of its own below the first, which does not look there. */
static void add_source(void)
{
	char path[256];

	bench_path(&bench, "second", path);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	bench.sources[1] = bench.sources[0];
	(void)snprintf(bench.sources[1].name, sizeof(bench.sources[1].name), "second");
	bench.sources[1].path = copy(path);
	bench.sources[1].glob = copy("*");
	bench.sources[1].time_field = copy("time");
	bench.spec.n_sources = 2;
}

/* A copy of the spec, as a reload makes one: the stream must not hold on to the old. */
struct copied {
	struct spec spec;
	struct source_spec sources[2];
	struct query_spec queries[8];
};

static struct copied *copy_spec(void)
{
	struct copied *made = calloc(1, sizeof(*made));

	made->spec = bench.spec;
	memcpy(made->sources, bench.sources, sizeof(made->sources));
	memcpy(made->queries, bench.queries, sizeof(made->queries));
	made->spec.sources = made->sources;
	made->spec.queries = made->queries;
	for (size_t i = 0; i < bench.spec.n_queries; i++) {
		made->queries[i].group_by = NULL;
		made->queries[i].n_group_by = 0;
		{
			const char *paths[4];

			for (size_t j = 0; j < bench.queries[i].n_group_by; j++)
				paths[j] = bench.queries[i].group_by[j].path;
			bench_set_fields(&made->queries[i], paths, bench.queries[i].n_group_by);
		}
	}
	return made;
}

static void free_copy(struct copied *made)
{
	for (size_t i = 0; made != NULL && i < made->spec.n_queries; i++) {
		bench_set_fields(&made->queries[i], NULL, 0);
		free(made->queries[i].group_by);
	}
	free(made);
}

/* Reloads with a fresh copy; the one before is freed, as the daemon does. */
static struct copied *reload(struct copied *before)
{
	struct copied *fresh = copy_spec();
	struct err err = ERR_INIT;
	int rc = stream_set_spec(bench.stream, &fresh->spec, &err);

	ck_assert_msg(rc == 0, "%s", err.text);
	free_copy(before);
	return fresh;
}

/* Opened on a spec that the tests do not change under its feet. */
static struct copied *open_copied(void)
{
	bench_open(&bench);
	return reload(NULL);
}

START_TEST(five_queries_over_two_sources_stay_exact_over_a_hundred_reloads_under_load)
{
	struct copied *before;
	uint64_t n[2] = {0, 0};

	add_source();
	bench.spec.threads = 2;
	for (int i = 1; i < 5; i++) {
		struct query_spec *query = bench_add_query(&bench, "");

		(void)snprintf(query->name, sizeof(query->name), "q%d", i);
		query->source = (size_t)i % 2;
		query->window_us = query->slide_us = i * 60 * US_PER_S;
	}
	before = open_copied();
	srand(3);
	for (int round = 0; round < 100; round++) {
		for (int i = rand() % 5; i > 0; i--) {
			char line[64];
			int source = rand() % 2;
			char name[32];

			(void)snprintf(name, sizeof(name), "%sf%d", source == 1 ? "second/" : "",
				rand() % 10);
			(void)snprintf(line, sizeof(line), "{\"time\":%d,\"action\":\"a%d\"}\n",
				rand() % 10000, rand() % 4);
			bench_write(&bench, name, line);
			n[source]++;
		}
		bench.sources[0].max_files_per_trigger = rand() % 3;
		bench.sources[1].max_bytes_per_trigger = rand() % 100;
		bench.queries[0].max_groups = 1000 + rand() % 1000;
		before = reload(before);
		for (int i = rand() % 3; i > 0; i--)
			(void)bench_batch(&bench);
	}
	(void)bench_run(&bench);
	for (size_t i = 0; i < 5; i++)
		ck_assert_uint_eq(kept_sum(&bench.store, i), n[i % 2]);
	stream_close(bench.stream);
	bench.stream = NULL;
	free_copy(before);
}
END_TEST

START_TEST(a_new_query_catches_up_and_then_shares_the_prefix)
{
	struct copied *before;
	static const char *const user[] = {"user"};

	bench.sources[0].max_files_per_trigger = 1;
	before = open_copied();
	for (int i = 0; i < 6; i++) {
		char name[8];

		(void)snprintf(name, sizeof(name), "f%d", i);
		bench_write(&bench, name,
			"{\"time\":1,\"action\":\"x\",\"user\":\"u\"}\nbad\n{\"time\":2,\"user\":"
			"\"v\"}\n");
		if (i < 4)
			ck_assert(bench_batch(&bench));
	}
	bench_set_fields(bench_add_query(&bench, "users"), user, 1);
	before = reload(before);
	/* Both have their turns; the old one is not held up by the new one. */
	ck_assert(bench_batch(&bench));
	ck_assert(bench_batch(&bench));
	ck_assert_uint_gt(kept_sum(&bench.store, 0), 8);
	ck_assert_uint_gt(kept_sum(&bench.store, 1), 0);
	ck_assert_int_ne(
		bench.store.queries[0].totals.prefix_id, bench.store.queries[1].totals.prefix_id);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 12);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 12);
	ck_assert_int_eq(
		bench.store.queries[0].totals.prefix_id, bench.store.queries[1].totals.prefix_id);
	ck_assert_uint_eq(bench.store.n_rejects, 6);
	ck_assert_int_eq(bench.store.queries[1].totals.n_rejects, 6);
	ck_assert_uint_eq(bench.store.n_offsets, 6);
	/* From here on one pass serves both. */
	bench_write(&bench, "f9", "{\"time\":1,\"user\":\"u\"}\n");
	ck_assert(bench_batch(&bench));
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 13);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 13);
	stream_close(bench.stream);
	bench.stream = NULL;
	free_copy(before);
}
END_TEST

START_TEST(a_changed_definition_begins_anew_and_a_changed_limit_does_not)
{
	struct copied *before;

	(void)bench_add_query(&bench, "other");
	before = open_copied();
	bench_write(&bench, "a", "{\"time\":1,\"action\":\"x\"}\nbad\n");
	(void)bench_run(&bench);
	bench.queries[0].retention_us = 365 * US_PER_DAY;
	before = reload(before);
	ck_assert(!bench_batch(&bench));
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 0);
	bench.queries[0].window_us = bench.queries[0].slide_us = 60 * US_PER_S;
	/* The floor above forgets what it holds of a query that has changed. */
	bench.store.queries[0].is_known = false;
	bench.store.queries[0].totals = (struct query_totals){.batch_id = -1};
	before = reload(before);
	(void)bench_run(&bench);
	ck_assert_str_eq(bench_rows(&bench, 0, false, &text),
		"x|1970-01-01 00:00:00|1970-01-01 00:01:00|1\n");
	ck_assert_str_eq(bench_rows(&bench, 1, false, &text),
		"x|1970-01-01 00:00:00|1970-01-01 01:00:00|1\n");
	/* Judged once: read a second time, the malformed line is no second reject. */
	ck_assert_uint_eq(bench.store.n_rejects, 1);
	stream_close(bench.stream);
	bench.stream = NULL;
	free_copy(before);
}
END_TEST

START_TEST(what_the_only_query_has_judged_is_not_judged_anew_by_its_successor)
{
	struct copied *before;

	before = open_copied();
	bench_write(&bench, "a", "{\"time\":1,\"action\":\"x\"}\nbad\n");
	(void)bench_run(&bench);
	bench.queries[0].window_us = bench.queries[0].slide_us = 60 * US_PER_S;
	bench.store.queries[0].is_known = false;
	bench.store.queries[0].totals = (struct query_totals){.batch_id = -1};
	before = reload(before);
	bench_restart(&bench);
	(void)bench_run(&bench);
	ck_assert_uint_eq(bench.store.n_rejects, 1);
	ck_assert_int_eq(bench.store.reject_totals[0][REJECT_BAD_JSON], 1);
	ck_assert_int_eq(bench.store.queries[0].totals.n_rejects, 1);
	ck_assert_int_eq(bench.store.files[0].file.n_rejects, 1);
	ck_assert_int_eq(bench.store.files[0].file.n_events, 1);
	/* The witness of the old position is gone with its offsets. */
	ck_assert_uint_eq(bench.store.n_offsets, 1);
	free_copy(before);
}
END_TEST

START_TEST(a_reload_that_fails_changes_nothing)
{
	struct copied *before = open_copied();
	struct copied *broken;
	struct err err = ERR_INIT;

	bench_write(&bench, "a", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	broken = copy_spec();
	broken->sources[0].path = copy("/nonexistent/directory");
	ck_assert_int_eq(stream_set_spec(bench.stream, &broken->spec, &err), ERR_CONFIG);
	free(broken->sources[0].path);
	free_copy(broken);
	bench_write(&bench, "b", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 2);
	stream_close(bench.stream);
	bench.stream = NULL;
	free_copy(before);
}
END_TEST

START_TEST(a_reload_that_is_prepared_and_dropped_changes_nothing)
{
	static const char *const user[] = {"user"};
	struct copied *before = open_copied();
	struct copied *fresh;
	struct reload *reload;
	struct err err = ERR_INIT;

	bench_write(&bench, "a", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	/* The one query becomes another, and a second comes. */
	bench.queries[0].window_us = bench.queries[0].slide_us = US_PER_DAY;
	bench_set_fields(bench_add_query(&bench, "users"), user, 1);
	fresh = copy_spec();
	bench.queries[0].window_us = bench.queries[0].slide_us = US_PER_HOUR;
	bench.spec.n_queries = 1;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(stream_prepare_spec(&reload, bench.stream, &fresh->spec, &err), 0);
		stream_drop_spec(reload);
	}
	bench_write(&bench, "b", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 2);
	ck_assert_uint_eq(bench.stream->intakes[0].prefixes.n, 1);
	ck_assert_str_eq(bench_rows(&bench, 0, false, &text),
		"x|1970-01-01 00:00:00|1970-01-01 01:00:00|2\n");
	free_copy(fresh);
	bench.spec.n_queries = 2;
	stream_close(bench.stream);
	bench.stream = NULL;
	free_copy(before);
}
END_TEST

START_TEST(a_stopped_query_keeps_its_state_and_goes_on_where_it_was)
{
	struct err err = ERR_INIT;

	(void)bench_add_query(&bench, "other");
	bench_open(&bench);
	bench_write(&bench, "a", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	ck_assert_int_eq(stream_stop_query(bench.stream, 1, &err), 0);
	ck_assert(bench_batch(&bench));
	ck_assert_int_eq(bench.store.queries[1].totals.state, QUERY_STOPPED);
	ck_assert_int_eq(bench.store.queries[1].totals.batch_id, 0);
	bench_write(&bench, "b", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 2);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 1);
	bench_restart(&bench);
	bench_write(&bench, "c", "{\"time\":1,\"action\":\"x\"}\n");
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 0), 3);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 1);
	{
		struct query_view view;

		stream_query_view(bench.stream, 1, &view);
		ck_assert_int_eq(view.n_files_behind, 2);
		ck_assert_int_eq(view.totals.state, QUERY_STOPPED);
	}
	ck_assert_int_eq(stream_start_query(bench.stream, 1, &err), 0);
	(void)bench_run(&bench);
	ck_assert_uint_eq(kept_sum(&bench.store, 1), 3);
	ck_assert_int_eq(bench.store.queries[1].totals.state, QUERY_ACTIVE);
	ck_assert_uint_eq(bench.store.n_offsets, 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("reload");
	TCase *tcase = tcase_create("reload");

	tcase_set_timeout(tcase, 600);
	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(
		tcase, five_queries_over_two_sources_stay_exact_over_a_hundred_reloads_under_load);
	tcase_add_test(tcase, a_new_query_catches_up_and_then_shares_the_prefix);
	tcase_add_test(tcase, a_changed_definition_begins_anew_and_a_changed_limit_does_not);
	tcase_add_test(tcase, what_the_only_query_has_judged_is_not_judged_anew_by_its_successor);
	tcase_add_test(tcase, a_reload_that_fails_changes_nothing);
	tcase_add_test(tcase, a_reload_that_is_prepared_and_dropped_changes_nothing);
	tcase_add_test(tcase, a_stopped_query_keeps_its_state_and_goes_on_where_it_was);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
