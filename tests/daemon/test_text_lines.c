/* Lines, however the bytes come. */
#include "daemon/text_lines.h"
#include "tests/run.h"

#include <string.h>

#define TEXT "one\n\ntwo\r\nthree"

static void take_all(struct text_lines *lines, struct buf *taken)
{
	size_t len;
	char *line;

	while ((line = text_lines_take(lines, &len)) != NULL) {
		ck_assert_int_eq(line[len - 1], '\n');
		buf_add(taken, line, len);
		buf_add_char(taken, '|');
	}
}

START_TEST(lines_are_whole_wherever_the_bytes_are_cut)
{
	size_t cut = (size_t)_i;
	struct text_lines lines = {0};
	struct buf taken = {0};

	ck_assert(text_lines_add(&lines, TEXT, cut));
	take_all(&lines, &taken);
	ck_assert(text_lines_add(&lines, &TEXT[cut], strlen(TEXT) - cut));
	take_all(&lines, &taken);
	ck_assert_int_eq(text_lines_peek(&lines), 't');
	ck_assert_uint_eq(text_lines_len(&lines), strlen("three"));
	buf_add_char(&taken, '\0');
	ck_assert_str_eq(taken.data, "one\n|\n|two\r\n|");

	buf_clear(&taken);
	lines.has_ended = true;
	take_all(&lines, &taken);
	buf_add_char(&taken, '\0');
	ck_assert_str_eq(taken.data, "three\n|");
	ck_assert(lines.is_cut);
	ck_assert_int_eq(text_lines_peek(&lines), '\0');
	text_lines_rest(&lines);
	ck_assert_uint_eq(text_lines_len(&lines), 0);
	buf_fini(&taken);
	text_lines_fini(&lines);
}
END_TEST

START_TEST(an_end_behind_a_newline_makes_no_line)
{
	struct text_lines lines = {.has_ended = true};
	size_t len;

	ck_assert_ptr_null(text_lines_take(&lines, &len));
	ck_assert(text_lines_add(&lines, "a\n", 2));
	ck_assert_ptr_nonnull(text_lines_take(&lines, &len));
	ck_assert_ptr_null(text_lines_take(&lines, &len));
	ck_assert(!lines.is_cut);
	text_lines_fini(&lines);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/text_lines");
	TCase *tests = tcase_create("text_lines");

	tcase_add_loop_test(
		tests, lines_are_whole_wherever_the_bytes_are_cut, 0, (int)strlen(TEXT) + 1);
	tcase_add_test(tests, an_end_behind_a_newline_makes_no_line);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
