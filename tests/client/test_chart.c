/* Drawings as text: what a person would draw of the same rows. */
#include "client/chart.h"
#include "tests/run.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 4

/* Cells as a program would write them: texts in quotes are text, the rest numbers, NULL is NULL. */
static void fill(struct result *result, const char *const *names, size_t n,
	const char *const *cells, size_t n_rows)
{
	result->names = calloc(2 * n, sizeof(*result->names));
	result->cells = calloc(n * n_rows, sizeof(*result->cells));
	result->types = result->names + n;
	result->n_columns = n;
	result->n_rows = n_rows;
	for (size_t i = 0; i < n; i++) {
		result->names[i] = names[i];
		result->types[i] = "";
	}
	for (size_t i = 0; i < n * n_rows; i++) {
		struct value *value = &result->cells[i];
		char *end;

		if (cells[i] == NULL) {
			value->type = VALUE_NULL;
		} else {
			value->real = strtod(cells[i], &end);
			value->type = *end == '\0' && end != cells[i] ? VALUE_REAL : VALUE_TEXT;
			value->data = cells[i];
			value->len = strlen(cells[i]);
		}
	}
}

static char *draw(struct result *result, int columns, int rows, bool has_unicode)
{
	struct terminal terminal = {.columns = columns, .rows = rows, .has_unicode = has_unicode};
	struct err err = ERR_INIT;
	struct buf out = {0};

	ck_assert_msg(chart_draw(result, &terminal, &out, &err) == 0, "%s", err.text);
	buf_add_char(&out, '\0');
	result_fini(result);
	return out.data;
}

START_TEST(bars_beside_long_numbers_have_their_room_in_a_narrow_window)
{
	static const char *const names[] = {"a", "n"};
	static const char *const cells[] = {"a label of some length", "-999999999999999", "b", "1"};
	struct result result = {0};
	char *text;

	fill(&result, names, 2, cells, 2);
	text = draw(&result, 20, 24, true);
	ck_assert_str_eq(text, "a label o… -999,999,999,999,999 ████\n"
			       "b                             1 ▏\n");
	free(text);
}
END_TEST

START_TEST(a_label_and_a_number_become_bars)
{
	static const char *const names[] = {"action", "count"};
	static const char *const cells[] = {"Open", "50000", "Close", "25000", NULL, "1"};
	struct result result = {0};
	char *text;

	fill(&result, names, 2, cells, 3);
	text = draw(&result, 37, 24, true);
	ck_assert_str_eq(text, "Open   50,000 ██████████████████████\n"
			       "Close  25,000 ███████████\n"
			       "(null)      1 ▏\n");
	free(text);
}
END_TEST

START_TEST(without_unicode_bars_are_hashes)
{
	static const char *const names[] = {"action", "count"};
	static const char *const cells[] = {"a", "10", "b", "5"};
	struct result result = {0};
	char *text;

	fill(&result, names, 2, cells, 2);
	text = draw(&result, 30, 24, false);
	ck_assert_str_eq(text, "a 10 ########################\n"
			       "b  5 ############\n");
	free(text);
}
END_TEST

START_TEST(times_become_a_line_with_axes_and_gaps)
{
	static const char *const names[] = {"window_start", "count"};
	static const char *const cells[] = {"2016-07-26 00:00:00", "10", "2016-07-26 01:00:00",
		"20", "2016-07-26 03:00:00", "40"};
	struct result result = {0};
	char *text;

	fill(&result, names, 2, cells, 3);
	text = draw(&result, 40, 8, true);
	ck_assert_str_eq(text, "   count\n"
			       "40 ┤                  ██████\n"
			       "   │      ▄▄▄▄▄▄      ██████\n"
			       "   │▆▆▆▆▆▆██████      ██████\n"
			       " 0 ┼────────────······──────\n"
			       "    Jul 26      02:00\n");
	free(text);
}
END_TEST

START_TEST(each_label_is_a_series_with_the_same_axes)
{
	static const char *const names[] = {"action", "time", "count"};
	static const char *const cells[] = {"Open", "Jul-26 03:00", "8", "Close", "Jul-26 03:00",
		"4", "Open", "Jul-26 04:00", "6", "Close", "Jul-26 05:00", "2"};
	struct result result = {0};
	char *text;

	fill(&result, names, 3, cells, 4);
	text = draw(&result, 40, 10, false);
	ck_assert_str_eq(text, "  Open\n"
			       "8 +||||||......\n"
			       "  |||||||||||||\n"
			       "  |||||||||||||\n"
			       "0 +------------......\n"
			       "  Close\n"
			       "8 +\n"
			       "  |::::::\n"
			       "  |||||||      ||||||\n"
			       "0 +------......------\n"
			       "   Jul 26 03:00\n");
	free(text);
}
END_TEST

START_TEST(more_times_than_columns_share_them)
{
	static const char *const names[] = {"t", "n"};
	char times[200][24];
	const char *cells[400];
	struct result result = {0};
	char *text;

	for (int i = 0; i < 200; i++) {
		(void)snprintf(
			times[i], sizeof(times[i]), "2016-07-%02d %02d:00:00", 1 + i / 24, i % 24);
		cells[(size_t)i * 2] = times[i];
		cells[(size_t)i * 2 + 1] = "5";
	}
	fill(&result, names, 2, cells, 200);
	text = draw(&result, 40, 8, true);
	ck_assert_ptr_nonnull(strstr(text, "(a character is the mean of up to 6 values)"));
	ck_assert_ptr_null(strstr(text, "·"));
	free(text);
}
END_TEST

START_TEST(without_numbers_there_is_nothing_to_draw)
{
	static const char *const names[] = {"a"};
	static const char *const cells[] = {"text"};
	struct terminal terminal = {.columns = 80, .rows = 24};
	struct result result = {0};
	struct err err = ERR_INIT;
	struct buf out = {0};

	fill(&result, names, 1, cells, 1);
	ck_assert_int_eq(chart_draw(&result, &terminal, &out, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.text, "column of numbers"));
	result_fini(&result);
	buf_fini(&out);
}
END_TEST

START_TEST(the_middle_of_the_axis_is_a_round_number_in_every_window)
{
	static const char *const names[] = {"action", "time", "count"};
	static const char *const cells[] = {"Open", "Jul-26 03:00", "1100", "Open", "Jul-26 04:00",
		"900", "Close", "Jul-26 03:00", "500"};

	for (int rows = 20; rows < 60; rows++) {
		struct result result = {0};
		char *text;

		fill(&result, names, 3, cells, 3);
		text = draw(&result, 80, rows, true);
		ck_assert_msg(strstr(text, "\n  600 ┤") != NULL, "%d lines:\n%s", rows, text);
		free(text);
	}
}
END_TEST

START_TEST(extreme_values_are_drawn_without_harm)
{
	static const char *const names[] = {"t", "n"};
	static const char *const cells[] = {"0001-01-01", "-1e308", "9999-12-31 23:59:59.999999",
		"1e308", "2016-07-26", "0", "2016-07-26 00:00:00.000001", "1e-300"};
	struct result result = {0};
	char *text;

	fill(&result, names, 2, cells, 4);
	text = draw(&result, 1, 1, true);
	ck_assert_ptr_nonnull(strstr(text, "┤"));
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("chart");
	TCase *tcase = tcase_create("drawings");

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	tcase_add_test(tcase, a_label_and_a_number_become_bars);
	tcase_add_test(tcase, bars_beside_long_numbers_have_their_room_in_a_narrow_window);
	tcase_add_test(tcase, without_unicode_bars_are_hashes);
	tcase_add_test(tcase, times_become_a_line_with_axes_and_gaps);
	tcase_add_test(tcase, each_label_is_a_series_with_the_same_axes);
	tcase_add_test(tcase, more_times_than_columns_share_them);
	tcase_add_test(tcase, without_numbers_there_is_nothing_to_draw);
	tcase_add_test(tcase, the_middle_of_the_axis_is_a_round_number_in_every_window);
	tcase_add_test(tcase, extreme_values_are_drawn_without_harm);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
