/*
 * Every level against the judge: the same table, the same rejects, the same
 * positions, whatever the lines look like and wherever the bytes are cut.
 * SCAN_SEED in the environment chooses other random inputs; it is printed.
 */
#include "stream/scan.h"
#include "tests/run.h"
#include "tests/stream/corpora.h"
#include "tests/stream/scanned.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timestamp.h"

static void ck_same(const char *got, const char *expected, enum scan_level level, const char *what)
{
	size_t i = 0;

	if (strcmp(got, expected) == 0)
		return;
	while (got[i] == expected[i])
		i++;
	while (i > 0 && got[i - 1] != '\n')
		i--;
	ck_abort_msg("%s on %s (seed %" PRIu64 "):\n%.300s\ninstead of\n%.300s", what,
		scan_level_name(level), draw_state(), got + i, expected + i);
}

static void ck_levels(struct trial *trial, const char *what)
{
	char *expected = scanned_whole(trial, SCAN_JUDGE);

	for (int i = 0; i < SCANNED_LEVELS; i++) {
		char *got;

		if (!scan_level_is_available(scanned_levels[i]))
			continue;
		got = scanned_whole(trial, scanned_levels[i]);
		ck_same(got, expected, scanned_levels[i], what);
		free(got);
	}
	free(expected);
}

static struct trial trial_of(const struct corpus *corpus, const struct buf *buf)
{
	return (struct trial){
		.shape = {.time_field = corpus->time_field,
			.time_unit = corpus->unit,
			.max_event_bytes = 16 << 20,
			.fields = corpus->fields,
			.n_fields = corpus->n_fields},
		.bucket_us = corpus->bucket_us,
		.bytes = buf->data,
		.len = buf->len,
		.feed_seed = draw(UINT64_MAX),
		.at_end = true,
	};
}

START_TEST(all_levels_count_the_same)
{
	struct buf buf = {0};
	struct trial trial;

	corpus_add_lines(&buf, &corpora[_i], 6000);
	trial = trial_of(&corpora[_i], &buf);
	ck_levels(&trial, corpora[_i].name);
	trial.max_feed = 3000;
	ck_levels(&trial, corpora[_i].name);
	trial.max_feed = 70000;
	ck_levels(&trial, corpora[_i].name);
	buf_fini(&buf);
}
END_TEST

START_TEST(the_kernel_takes_the_lines_it_is_made_for)
{
	struct buf buf = {0};
	struct trial trial;

	corpus_add_lines(&buf, &corpora[_i], 40000);
	trial = trial_of(&corpora[_i], &buf);
	free(scanned_whole(&trial, SCAN_AUTO));
	if (scan_best_level() != SCAN_JUDGE &&
		trial.n_in_kernel < 400 * corpora[_i].min_kernel_percent)
		ck_abort_msg("%s: only %" PRId64 " of 40000, and %" PRId64 " matched",
			corpora[_i].name, trial.n_in_kernel, trial.n_matched);
	buf_fini(&buf);
}
END_TEST

START_TEST(all_levels_count_the_same_after_byte_changes)
{
	for (int round = 0; round < 12; round++) {
		struct buf buf = {0};
		struct trial trial;
		int n_changes = 1 << draw(9);

		corpus_add_lines(&buf, &corpora[_i], 400 + (int)draw(800));
		while (n_changes-- > 0)
			corpus_change_byte(&buf);
		trial = trial_of(&corpora[_i], &buf);
		trial.max_feed = draw(2) ? 0 : 1 + draw(20000);
		trial.at_end = draw(4) != 0;
		ck_levels(&trial, corpora[_i].name);
		buf_fini(&buf);
	}
}
END_TEST

START_TEST(a_cut_anywhere_into_two_reads_changes_nothing)
{
	struct buf warm = {0}, buf = {0};
	struct scan *judge, *scan;
	struct trial trial;
	char *expected;

	corpus_add_lines(&warm, &corpora[_i], 300);
	corpus_add_lines(&buf, &corpora[_i], 2800 / (int)(warm.len / 300));
	corpus_change_byte(&buf);
	trial = trial_of(&corpora[_i], &buf);
	judge = scanned_warm(&trial, warm.data, warm.len, SCAN_JUDGE);
	expected = scanned_again(judge, &trial);
	for (int i = 0; i < SCANNED_LEVELS; i++) {
		if (!scan_level_is_available(scanned_levels[i]))
			continue;
		scan = scanned_warm(&trial, warm.data, warm.len, scanned_levels[i]);
		for (trial.cut = 1; trial.cut < buf.len; trial.cut++) {
			char *got = scanned_again(scan, &trial);

			ck_same(got, expected, scanned_levels[i], corpora[_i].name);
			free(got);
		}
		trial.cut = 0;
		scan_free(scan);
	}
	scan_free(judge);
	free(expected);
	buf_fini(&buf);
	buf_fini(&warm);
}
END_TEST

static void ck_appends(
	struct trial *trial, const struct buf *warm, enum scan_level level, const char *expected)
{
	struct scan *scan = scanned_warm(trial, warm->data, warm->len, level);

	for (size_t cut = 1; cut < trial->len; cut++) {
		char *got = scanned_appends(scan, trial, cut);

		ck_same(got, expected, level, "two appends");
		free(got);
	}
	scan_free(scan);
}

START_TEST(a_cut_anywhere_into_two_appends_changes_nothing)
{
	struct buf warm = {0}, buf = {0};
	struct trial trial;
	struct scan *judge;
	char *expected;

	corpus_add_lines(&warm, &corpora[_i], 100);
	corpus_add_lines(&buf, &corpora[_i], 3 + 1400 / (int)(warm.len / 100));
	for (int i = 0; i < 3; i++)
		corpus_change_byte(&buf);
	trial = trial_of(&corpora[_i], &buf);
	judge = scanned_warm(&trial, warm.data, warm.len, SCAN_JUDGE);
	expected = scanned_appends(judge, &trial, buf.len);
	scan_free(judge);
	ck_appends(&trial, &warm, SCAN_JUDGE, expected);
	for (int i = 0; i < SCANNED_LEVELS; i++) {
		if (scan_level_is_available(scanned_levels[i]))
			ck_appends(&trial, &warm, scanned_levels[i], expected);
	}
	free(expected);
	buf_fini(&buf);
	buf_fini(&warm);
}
END_TEST

START_TEST(slices_of_a_file_are_the_file)
{
	struct buf buf = {0};
	struct trial trial;

	corpus_add_lines(&buf, &corpora[_i], 2000);
	for (int i = 0; i < 20; i++)
		corpus_change_byte(&buf);
	trial = trial_of(&corpora[_i], &buf);
	for (int n_slices = 2; n_slices < 40; n_slices = n_slices * 3 / 2) {
		char *expected = scanned_slices(&trial, SCAN_JUDGE, 1);

		for (int i = -1; i < SCANNED_LEVELS; i++) {
			enum scan_level level = i < 0 ? SCAN_JUDGE : scanned_levels[i];
			char *got;

			if (!scan_level_is_available(level))
				continue;
			got = scanned_slices(&trial, level, n_slices);
			ck_same(got, expected, level, corpora[_i].name);
			free(got);
		}
		free(expected);
	}
	buf_fini(&buf);
}
END_TEST

START_TEST(all_levels_count_random_shapes_the_same)
{
	static const char *const fields[] = {"action", "f1", "f2.k1"};

	for (int round = 0; round < 300; round++) {
		uint64_t form = draw(UINT64_MAX);
		struct buf buf = {0};
		struct corpus corpus = {.time_field = "time",
			.bucket_us = draw(2) ? US_PER_HOUR : 60 * US_PER_S,
			.n_fields = draw(4)};
		struct trial trial;

		memcpy(corpus.fields, fields, sizeof(fields));
		for (int i = 0; i < 300; i++)
			corpus_add_formed_line(&buf, draw(20) ? form : form + 2, i);
		for (uint64_t i = draw(8); i > 0; i--)
			corpus_change_byte(&buf);
		trial = trial_of(&corpus, &buf);
		ck_levels(&trial, "a random shape");
		buf_fini(&buf);
	}
}
END_TEST

START_TEST(rejects_are_the_newest_ten_thousand_in_order)
{
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 40000; i++) {
		if (i % 3 == 0)
			buf_printf(&buf, "{%d\n", i);
		else
			corpus_add_notebook(&buf, i);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "rejects");
	buf_fini(&buf);
}
END_TEST

START_TEST(long_lines_and_long_arrays_are_counted_by_all_levels)
{
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 300; i++)
		corpus_add_notebook(&buf, i);
	for (int size = 1000; size < 3000000; size *= 3) {
		buf_printf(&buf, "{\"time\":1469501107,\"action\":\"Open\",\"x\":\"%0*d\"}\n", size,
			7);
		buf_printf(&buf, "{\"time\":1469501107,\"action\":\"%0*d\"}\n", size, 7);
		buf_add_text(&buf, "[{\"time\":1,\"action\":\"in array\"}");
		for (int i = 0; i < size / 30; i++)
			buf_printf(&buf, ",{\"time\":%d,\"action\":\"in array\"}", i);
		buf_add_text(&buf, size % 2 ? "]\n" : "]{\"time\":1,\"action\":\"behind\"}x\n");
		for (int i = 0; i < 300; i++)
			corpus_add_notebook(&buf, i);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "long lines");
	trial.shape.max_event_bytes = 600000;
	ck_levels(&trial, "long lines over a limit");
	trial.shape.max_event_bytes = 30;
	ck_levels(&trial, "lines over a small limit");
	buf_fini(&buf);
}
END_TEST

START_TEST(a_group_at_its_longest_is_counted_by_all_levels)
{
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 300; i++)
		corpus_add_notebook(&buf, i);
	for (int n = 65534; n < 65540; n++) {
		for (int i = 0; i < 3; i++)
			buf_printf(&buf, "{\"time\":1469501107,\"action\":\"%0*d\"}\n", n, 7);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "long groups");
	buf_fini(&buf);
}
END_TEST

START_TEST(holes_of_nuls_are_no_records_for_any_level)
{
	static const char zeros[200];
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 3000; i++) {
		corpus_add_notebook(&buf, i);
		if (i % 50 != 49)
			continue;
		/* The line stops somewhere, and as many NULs follow as a crash may leave. */
		buf.len -= draw(30);
		buf_add(&buf, zeros, draw(2) ? 1 + draw(3) : draw(sizeof(zeros)));
		if (draw(2))
			buf_add_text(&buf, "\"}");
		buf_add_text(&buf, "\n");
	}
	for (int i = 0; i < 3000; i++) {
		buf_printf(&buf, "{\"time\":%" PRId64 ",\"action\":\"", corpus_clock_s(i));
		if (i % 10 == 9)
			buf_add(&buf, zeros, 20 + draw(60));
		buf_add_text(&buf, i % 4 ? "Open\"}\n" : "a name of some length that is wide\"}\n");
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "holes");
	buf_fini(&buf);
}
END_TEST

START_TEST(times_at_the_ends_of_the_years_are_counted_by_all_levels)
{
	static const char *const times[] = {"253402300799", "253402300800", "253402300798",
		"999999999999", "\"9999-12-31T23:59:59Z\"", "\"9999-12-31T23:59:59-00:01\"",
		"\"0001-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00+00:01\"", "-62135596800",
		"-62135596801", "0", "9", "10"};
	struct buf buf = {0};
	struct trial trial;

	/* Each in a run of its own kind, so that a kernel is made for it and meets the others. */
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		for (int j = 0; j < 2000; j++)
			buf_printf(&buf, "{\"time\":%s,\"action\":\"Open\"}\n",
				times[draw(20) ? i : draw(sizeof(times) / sizeof(*times))]);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "the ends of the years");
	trial.bucket_us = 1;
	ck_levels(&trial, "the ends of the years by the microsecond");
	trial.bucket_us = 7 * US_PER_DAY;
	ck_levels(&trial, "the ends of the years by the week");
	buf_fini(&buf);
}
END_TEST

START_TEST(a_level_is_named_and_chosen_by_the_environment)
{
	struct err err = ERR_INIT;

	ck_assert_str_eq(scan_level_name(SCAN_AVX512), "avx512");
	ck_assert(scan_level_is_available(SCAN_JUDGE));
	ck_assert(scan_level_is_available(SCAN_PORTABLE));
	ck_assert(scan_level_is_available(scan_best_level()));
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "judge", 1), 0);
	ck_assert_int_eq(scan_best_level(), SCAN_JUDGE);
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "portable", 1), 0);
	ck_assert_int_eq(scan_best_level(), SCAN_PORTABLE);
	ck_assert_int_eq(scan_check_wanted_level(&err), 0);
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "nonsense", 1), 0);
	ck_assert_int_ne(scan_best_level(), SCAN_JUDGE);
	ck_assert_int_eq(scan_check_wanted_level(&err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, "nonsense: neither judge"));
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "avx512", 1), 0);
	if (scan_level_is_available(SCAN_AVX512)) {
		ck_assert_int_eq(scan_check_wanted_level(&err), 0);
		return;
	}
	ck_assert_int_eq(scan_check_wanted_level(&err), ERR_CONFIG);
	ck_assert_ptr_nonnull(strstr(err.text, scan_level_name(scan_best_level())));
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("scan");
	Suite *suite = suite_create("stream/scan");
	const char *chosen = getenv("SCAN_SEED");

	if (chosen != NULL)
		draw_seed(strtoull(chosen, NULL, 10));
	printf("SCAN_SEED=%" PRIu64 "\n", draw_state());
	for (int i = 0; i < SCANNED_LEVELS; i++) {
		if (!scan_level_is_available(scanned_levels[i]))
			printf("skipped: this processor has no %s\n",
				scan_level_name(scanned_levels[i]));
	}
	tcase_set_timeout(tcase, 600);
	tcase_add_loop_test(tcase, all_levels_count_the_same, 0, N_CORPORA);
	tcase_add_loop_test(tcase, the_kernel_takes_the_lines_it_is_made_for, 0, N_CORPORA);
	tcase_add_loop_test(tcase, all_levels_count_the_same_after_byte_changes, 0, N_CORPORA);
	tcase_add_loop_test(tcase, a_cut_anywhere_into_two_reads_changes_nothing, 0, N_CORPORA);
	tcase_add_loop_test(tcase, a_cut_anywhere_into_two_appends_changes_nothing, 0, N_CORPORA);
	tcase_add_loop_test(tcase, slices_of_a_file_are_the_file, 0, N_CORPORA);
	tcase_add_test(tcase, all_levels_count_random_shapes_the_same);
	tcase_add_test(tcase, rejects_are_the_newest_ten_thousand_in_order);
	tcase_add_test(tcase, long_lines_and_long_arrays_are_counted_by_all_levels);
	tcase_add_test(tcase, a_group_at_its_longest_is_counted_by_all_levels);
	tcase_add_test(tcase, holes_of_nuls_are_no_records_for_any_level);
	tcase_add_test(tcase, times_at_the_ends_of_the_years_are_counted_by_all_levels);
	tcase_add_test(tcase, a_level_is_named_and_chosen_by_the_environment);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
