/* A box fits the window whatever the window, or gives way to lines. */
#include "client/display.h"

#include "base/utf8.h"
#include "tests/run.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_COLUMNS 4

static const char *const names[2 * N_COLUMNS] = {"id", "name", "text", "n", "", "", "", ""};

static void fill(struct result *result, struct value *cells, size_t n_rows)
{
	static const char *const texts[] = {"short", "a text of some more words, and then some",
		"onewordwithoutanyblankthatisverylongindeedmuchlongerthanawindow", "",
		"Grüße\nzwei"};

	*result = (struct result){.n_columns = N_COLUMNS, .n_rows = n_rows, .cells = cells};
	result->names = (const char **)(uintptr_t)names;
	for (size_t i = 0; i < n_rows; i++) {
		struct value *row = cells + i * N_COLUMNS;

		row[0] = (struct value){.type = VALUE_INTEGER, .integer = (int64_t)i * 1000};
		row[1] = (struct value){.type = VALUE_TEXT, .data = "name", .len = 4};
		row[2] = (struct value){.type = VALUE_TEXT, .data = texts[i % 5]};
		row[2].len = strlen(row[2].data);
		row[3] = (struct value){.type = i % 2 ? VALUE_NULL : VALUE_REAL, .real = 1.5};
	}
}

static size_t widest_line(const char *text)
{
	size_t widest = 0;

	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		size_t width = utf8_length(text, len);

		if (width > widest)
			widest = width;
		text += len + (text[len] == '\n');
	}
	return widest;
}

START_TEST(a_box_is_never_wider_than_the_window)
{
	struct value cells[10 * N_COLUMNS];
	struct print_options print;
	struct result result;
	bool saw_box = false;
	bool saw_lines = false;

	print_options_init(&print);
	fill(&result, cells, 10);
	for (int columns = 1; columns < 150; columns++) {
		struct err err = ERR_INIT;
		const struct terminal terminal = {.columns = columns};
		struct buf out = {0};
		bool is_box;

		ck_assert_int_eq(display_fitted(&result, &print, &terminal, &out, &err), 0);
		buf_add_char(&out, '\0');
		is_box = strncmp(out.data, "┌", 3) == 0;
		if (is_box)
			ck_assert_msg(widest_line(out.data) <= (size_t)columns, "%d:\n%s", columns,
				out.data);
		saw_box |= is_box;
		saw_lines |= !is_box;
		/* Once a box fits, every larger window has one. */
		ck_assert(is_box || !saw_box);
		buf_fini(&out);
	}
	ck_assert(saw_box && saw_lines);
}
END_TEST

START_TEST(numbers_stand_on_the_right_and_texts_on_the_left)
{
	const struct terminal wide = {.columns = 100};
	struct value cells[2 * N_COLUMNS];
	struct print_options print;
	struct result result;
	struct err err = ERR_INIT;
	struct buf out = {0};

	print_options_init(&print);
	fill(&result, cells, 2);
	ck_assert_int_eq(display_fitted(&result, &print, &wide, &out, &err), 0);
	buf_add_char(&out, '\0');
	ck_assert_ptr_nonnull(strstr(out.data, "│    0 │ name │ short "));
	ck_assert_ptr_nonnull(strstr(out.data, "│ 1000 │ name │ a text "));
	ck_assert_ptr_nonnull(strstr(out.data, "│ 1.5 │\n"));
	buf_fini(&out);
}
END_TEST

START_TEST(wide_characters_and_marks_take_the_columns_they_take_on_the_terminal)
{
	static const char *const words[] = {
		"漢字漢字 漢字漢字漢字漢字漢字漢字", "e\u0301e\u0301 \U0001F469", "x"};
	struct value cells[3];
	struct print_options print;
	struct result result = {.n_columns = 1, .n_rows = 3, .cells = cells};

	for (size_t i = 0; i < 3; i++)
		cells[i] = (struct value){
			.type = VALUE_TEXT, .data = words[i], .len = strlen(words[i])};
	result.names = (const char **)(uintptr_t)names;
	print_options_init(&print);
	for (int columns = 12; columns < 60; columns++) {
		const struct terminal terminal = {.columns = columns, .has_unicode = true};
		struct err err = ERR_INIT;
		struct buf out = {0};
		size_t width;

		ck_assert_int_eq(display_fitted(&result, &print, &terminal, &out, &err), 0);
		width = terminal_width(out.data, strcspn(out.data, "\n"));
		ck_assert_uint_le(width, (size_t)columns);
		for (size_t at = 0; at < out.len;) {
			size_t len = (size_t)((char *)memchr(out.data + at, '\n', out.len - at) -
					      (out.data + at));

			ck_assert_msg(terminal_width(out.data + at, len) == width, "%d:\n%.*s",
				columns, (int)out.len, out.data);
			at += len + 1;
		}
		buf_fini(&out);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("display");
	TCase *tcase = tcase_create("fitting");

	tcase_add_test(tcase, a_box_is_never_wider_than_the_window);
	tcase_add_test(tcase, numbers_stand_on_the_right_and_texts_on_the_left);
	tcase_add_test(tcase, wide_characters_and_marks_take_the_columns_they_take_on_the_terminal);
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
