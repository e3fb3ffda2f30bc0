/*
 * The examples of the Structured Streaming programming guide: words counted in
 * windows of 10 minutes that slide by 5, without a watermark, and with one of
 * 10 minutes in update and in append mode; sessions of 5 minutes. A trigger
 * every 5 minutes is a file each here; the times are those of the guide's
 * figures, on 2024-01-01.
 */
#include "base/buf.h"
#include "base/timestamp.h"
#include "tests/run.h"
#include "tests/stream/dir.h"

#include <stdio.h>
#include <string.h>

#define MINUTE (60 * US_PER_S)

static struct bench bench;
static struct buf text;
static int n_files;

static void set_up(void)
{
	static const char *const word[] = {"word"};

	bench_init(&bench);
	bench_set_fields(&bench.queries[0], word, 1);
	bench.queries[0].window_us = 10 * MINUTE;
	bench.queries[0].slide_us = 5 * MINUTE;
	bench.sources[0].max_files_per_trigger = 1;
	n_files = 0;
}

static void tear_down(void)
{
	bench_close(&bench);
	buf_fini(&text);
}

/* One trigger's events, `12:02 cat`, separated by commas; then all batches that follow. */
static void trigger(const char *events)
{
	struct buf lines = {0};
	char name[16];

	(void)snprintf(name, sizeof(name), "t%d", n_files++);
	while (*events != '\0') {
		int len = (int)strcspn(events, ",");

		buf_printf(&lines, "{\"time\":\"2024-01-01 %.5s:00\",\"word\":\"%.*s\"}\n", events,
			len - 6, events + 6);
		events += len + (events[len] == ',');
	}
	bench_append(&bench, name, lines.len > 0 ? lines.data : "", lines.len);
	buf_fini(&lines);
	(void)bench_run(&bench);
}

/* `12:00 12:10 cat 1` lines, by window and word. */
static const char *table(void)
{
	const struct kept_query *kept = &bench.store.queries[0];
	char start[TIMESTAMP_TEXT_BYTES], end[TIMESTAMP_TEXT_BYTES];
	int64_t last = INT64_MIN;

	buf_clear(&text);
	for (;;) {
		int64_t next = INT64_MAX;

		for (size_t i = 0; i < kept->n_rows; i++) {
			if (!kept->rows[i].is_open && kept->rows[i].start_us > last &&
				kept->rows[i].start_us < next)
				next = kept->rows[i].start_us;
		}
		if (next == INT64_MAX)
			break;
		for (size_t i = 0; i < kept->n_rows; i++) {
			const struct kept_row *row = &kept->rows[i];

			if (row->is_open || row->start_us != next)
				continue;
			(void)timestamp_format(row->start_us, start);
			(void)timestamp_format(row->end_us, end);
			buf_printf(&text, "%.5s %.5s %.*s %llu\n", start + 11, end + 11,
				(int)row->values[0].len, row->values[0].text,
				(unsigned long long)row->count);
		}
		last = next;
	}
	buf_add_char(&text, '\0');
	return text.data;
}

START_TEST(windowed_grouped_aggregation_gives_the_guides_result_tables)
{
	bench_open(&bench);
	trigger("12:02 cat,12:02 dog,12:03 dog,12:03 dog");
	ck_assert_str_eq(table(), "11:55 12:05 cat 1\n11:55 12:05 dog 3\n"
				  "12:00 12:10 cat 1\n12:00 12:10 dog 3\n");
	trigger("12:07 owl,12:07 cat");
	ck_assert_str_eq(table(), "11:55 12:05 cat 1\n11:55 12:05 dog 3\n"
				  "12:00 12:10 cat 2\n12:00 12:10 dog 3\n12:00 12:10 owl 1\n"
				  "12:05 12:15 cat 1\n12:05 12:15 owl 1\n");
	trigger("12:11 dog,12:13 owl");
	ck_assert_str_eq(table(), "11:55 12:05 cat 1\n11:55 12:05 dog 3\n"
				  "12:00 12:10 cat 2\n12:00 12:10 dog 3\n12:00 12:10 owl 1\n"
				  "12:05 12:15 cat 1\n12:05 12:15 dog 1\n12:05 12:15 owl 2\n"
				  "12:10 12:20 dog 1\n12:10 12:20 owl 1\n");
}
END_TEST

START_TEST(late_data_updates_the_old_window_when_there_is_no_watermark)
{
	bench_open(&bench);
	trigger("12:02 cat,12:02 dog,12:03 dog,12:03 dog");
	trigger("12:07 owl,12:07 cat");
	trigger("12:11 dog,12:04 dog,12:13 owl");
	ck_assert_str_eq(table(), "11:55 12:05 cat 1\n11:55 12:05 dog 4\n"
				  "12:00 12:10 cat 2\n12:00 12:10 dog 4\n12:00 12:10 owl 1\n"
				  "12:05 12:15 cat 1\n12:05 12:15 dog 1\n12:05 12:15 owl 2\n"
				  "12:10 12:20 dog 1\n12:10 12:20 owl 1\n");
}
END_TEST

/* The figure of update mode: watermark 12:04 after 12:14, 12:11 after 12:21; cat at 12:04 is then
 * too late. */
static void guide_triggers(const char *expected_after_donkey)
{
	trigger("12:07 dog,12:08 owl");
	trigger("12:14 dog,12:09 cat");
	ck_assert_int_eq(bench.store.queries[0].totals.watermark_us,
		INT64_C(1704067200) * US_PER_S + (12 * 60 + 4) * MINUTE);
	trigger("12:15 cat,12:08 dog,12:13 owl,12:21 owl");
	ck_assert_int_eq(bench.store.queries[0].totals.watermark_us,
		INT64_C(1704067200) * US_PER_S + (12 * 60 + 11) * MINUTE);
	ck_assert_int_eq(bench.store.queries[0].totals.n_late, 0);
	trigger("12:04 donkey,12:17 owl");
	/* Both windows of 12:04 end at or before 12:11. */
	ck_assert_int_eq(bench.store.queries[0].totals.n_late, 1);
	ck_assert_str_eq(table(), expected_after_donkey);
}

START_TEST(update_mode_with_a_watermark_gives_the_guides_result_table)
{
	bench.queries[0].watermark_us = 10 * MINUTE;
	bench.queries[0].output_mode = OUTPUT_UPDATE;
	bench_open(&bench);
	guide_triggers("12:00 12:10 cat 1\n12:00 12:10 dog 2\n12:00 12:10 owl 1\n"
		       "12:05 12:15 cat 1\n12:05 12:15 dog 3\n12:05 12:15 owl 2\n"
		       "12:10 12:20 cat 1\n12:10 12:20 dog 1\n12:10 12:20 owl 2\n"
		       "12:15 12:25 cat 1\n12:15 12:25 owl 2\n"
		       "12:20 12:30 owl 1\n");
}
END_TEST

START_TEST(append_mode_shows_a_window_once_when_the_watermark_has_passed_its_end)
{
	bench.queries[0].watermark_us = 10 * MINUTE;
	bench.queries[0].output_mode = OUTPUT_APPEND;
	bench_open(&bench);
	trigger("12:07 dog,12:08 owl");
	trigger("12:14 dog,12:09 cat");
	ck_assert_str_eq(table(), "");
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 1);
	/* 12:21 moves the watermark to 12:11: 12:00–12:10 is final, in a batch without files. */
	trigger("12:15 cat,12:08 dog,12:13 owl,12:21 owl");
	ck_assert_str_eq(table(), "12:00 12:10 cat 1\n12:00 12:10 dog 2\n12:00 12:10 owl 1\n");
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 3);
	ck_assert_int_eq(bench.store.queries[0].progress.n_files, 0);
	trigger("12:04 donkey,12:17 owl");
	ck_assert_str_eq(table(), "12:00 12:10 cat 1\n12:00 12:10 dog 2\n12:00 12:10 owl 1\n");
	ck_assert_int_eq(bench.store.queries[0].totals.n_late, 1);
	trigger("12:31 owl");
	ck_assert_str_eq(table(), "12:00 12:10 cat 1\n12:00 12:10 dog 2\n12:00 12:10 owl 1\n"
				  "12:05 12:15 cat 1\n12:05 12:15 dog 3\n12:05 12:15 owl 2\n"
				  "12:10 12:20 cat 1\n12:10 12:20 dog 1\n12:10 12:20 owl 2\n");
}
END_TEST

START_TEST(an_empty_file_takes_its_place_and_its_batch)
{
	bench_open(&bench);
	trigger("12:02 cat");
	trigger("");
	ck_assert_int_eq(bench.store.queries[0].totals.batch_id, 1);
	ck_assert_int_eq(bench.store.queries[0].totals.n_files, 2);
	ck_assert_int_eq(bench.store.queries[0].progress.n_rows, 0);
}
END_TEST

START_TEST(session_windows_close_five_minutes_after_the_last_event)
{
	bench.queries[0].window_us = bench.queries[0].slide_us = 0;
	bench.queries[0].session_us = 5 * MINUTE;
	bench_open(&bench);
	trigger("09:00 a,09:02 a,09:20 a");
	ck_assert_str_eq(table(), "09:00 09:07 a 2\n09:20 09:25 a 1\n");
	/* Exactly one gap behind the last event joins; the one between joins both sides. */
	trigger("09:07 a,09:25 a");
	ck_assert_str_eq(table(), "09:00 09:12 a 3\n09:20 09:30 a 2\n");
	trigger("09:12 a,09:16 a");
	ck_assert_str_eq(table(), "09:00 09:30 a 7\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guide");
	TCase *tcase = tcase_create("guide");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, windowed_grouped_aggregation_gives_the_guides_result_tables);
	tcase_add_test(tcase, late_data_updates_the_old_window_when_there_is_no_watermark);
	tcase_add_test(tcase, update_mode_with_a_watermark_gives_the_guides_result_table);
	tcase_add_test(
		tcase, append_mode_shows_a_window_once_when_the_watermark_has_passed_its_end);
	tcase_add_test(tcase, an_empty_file_takes_its_place_and_its_batch);
	tcase_add_test(tcase, session_windows_close_five_minutes_after_the_last_event);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
