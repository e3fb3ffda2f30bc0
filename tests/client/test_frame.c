/* Answers of the daemon, whole, odd and broken. */
#include "client/frame.h"
#include "tests/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The line lies in memory of exactly its size and one byte, so that a reader past it is seen. */
static int decode(struct frame *frame, char **line, const char *text)
{
	struct err err = ERR_INIT;

	free(*line);
	*line = malloc(strlen(text) + 1);
	memcpy(*line, text, strlen(text) + 1);
	return frame_decode(frame, *line, strlen(text), &err);
}

START_TEST(columns_come_with_their_types)
{
	struct frame frame = {0};
	char *line = NULL;

	ck_assert_int_eq(
		decode(&frame, &line,
			"{\"id\":7,\"columns\":[\"a\",\"b \\\"c\\\"\"],\"types\":[\"TEXT\",\"\"]}"),
		0);
	ck_assert_int_eq(frame.kind, FRAME_COLUMNS);
	ck_assert_int_eq(frame.id, 7);
	ck_assert_uint_eq(frame.n_columns, 2);
	ck_assert_str_eq(frame.names[1], "b \"c\"");
	ck_assert_str_eq(frame.types[0], "TEXT");
	frame_fini(&frame);
	free(line);
}
END_TEST

START_TEST(cells_keep_their_types_and_all_their_digits)
{
	struct frame frame = {0};
	char *line = NULL;

	ck_assert_int_eq(
		decode(&frame, &line,
			"{\"id\":1,\"rows\":[[9223372036854775807,-9223372036854775808,0.1,1e3,"
			"null,"
			"\"\\u00e4\\n\\u0000x\",{\"blob\":\"AP8=\"},{\"real\":\"-Infinity\"}]]}"),
		0);
	ck_assert_int_eq(frame.kind, FRAME_ROWS);
	ck_assert_uint_eq(frame.n_rows, 1);
	ck_assert_uint_eq(frame.n_cells, 8);
	ck_assert_int_eq(frame.cells[0].type, VALUE_INTEGER);
	ck_assert(frame.cells[0].integer == INT64_MAX && frame.cells[1].integer == INT64_MIN);
	ck_assert(frame.cells[2].type == VALUE_REAL && frame.cells[2].real == 0.1);
	ck_assert(frame.cells[3].type == VALUE_REAL && frame.cells[3].real == 1000);
	ck_assert_int_eq(frame.cells[4].type, VALUE_NULL);
	ck_assert_uint_eq(frame.cells[5].len, 5);
	ck_assert_int_eq(memcmp(frame.cells[5].data, "ä\n\0x", 5), 0);
	ck_assert_int_eq(frame.cells[6].type, VALUE_BLOB);
	ck_assert_uint_eq(frame.cells[6].len, 2);
	ck_assert_int_eq(memcmp(frame.cells[6].data, "\0\xff", 2), 0);
	ck_assert(frame.cells[7].type == VALUE_REAL && isinf(frame.cells[7].real) &&
		  frame.cells[7].real < 0);
	frame_fini(&frame);
	free(line);
}
END_TEST

START_TEST(the_last_frame_tells_success_or_what_is_wrong)
{
	struct frame frame = {0};
	char *line = NULL;

	ck_assert_int_eq(decode(&frame, &line,
				 "{\"id\":1,\"ok\":true,\"count\":2,\"snapshot\":17,\"ms\":0.25}"),
		0);
	ck_assert_int_eq(frame.kind, FRAME_OK);
	ck_assert_uint_eq(frame.snapshot, 17);
	ck_assert(frame.ms == 0.25);
	ck_assert_int_eq(decode(&frame, &line,
				 "{\"error\":{\"offset\":7,\"message\":\"near "
				 "\\\"x\\\"\",\"code\":1,\"more\":[]},"
				 "\"id\":1}"),
		0);
	ck_assert_int_eq(frame.kind, FRAME_ERROR);
	ck_assert_int_eq(frame.code, 1);
	ck_assert_int_eq(frame.offset, 7);
	ck_assert_str_eq(frame.message, "near \"x\"");
	frame_fini(&frame);
	free(line);
}
END_TEST

START_TEST(what_is_no_answer_is_refused)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"Error: near \"{\": syntax error",
		"{\"id\":1,\"rows\":[[1,2],[3]]}",
		"{\"id\":1,\"rows\":[[1,2]}",
		"{\"id\":1,\"rows\":[[01]]}",
		"{\"id\":1,\"rows\":[[\"a]]}",
		"{\"id\":1,\"rows\":[[{\"blub\":\"\"}]]}",
		"{\"id\":1,\"rows\":[[{\"blob\":\"*\"}]]}",
		"{\"id\":1,\"rows\":[[[1]]]}",
		"{\"id\":1,\"columns\":[\"a\"],\"types\":[]}",
		"{\"id\":1,\"columns\":[1],\"types\":[\"\"]}",
		"{\"id\":1,\"ok\":true} x",
		"{\"id\":1,\"error\":\"text\"}",
		"{\"id\":1,\"rows\":[[\"\xff\"]]}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame frame = {0};
		char *line = NULL;

		ck_assert_msg(decode(&frame, &line, bad[i]) == ERR_PROTOCOL, "%s", bad[i]);
		frame_fini(&frame);
		free(line);
	}
}
END_TEST

START_TEST(every_beginning_of_an_answer_is_refused)
{
	static const char whole[] = "{\"id\":1,\"rows\":[[1,\"a\\u00e4\",{\"blob\":\"AP8=\"},null,"
				    "true],[2,\"\",1.5,-1,false]]}";

	for (size_t len = 0; len < sizeof(whole) - 1; len++) {
		struct frame frame = {0};
		char *line = NULL;
		char *cut = strndup(whole, len);

		ck_assert_msg(decode(&frame, &line, cut) == ERR_PROTOCOL, "%s", cut);
		frame_fini(&frame);
		free(line);
		free(cut);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("frame");
	TCase *tcase = tcase_create("answers");

	tcase_add_test(tcase, columns_come_with_their_types);
	tcase_add_test(tcase, cells_keep_their_types_and_all_their_digits);
	tcase_add_test(tcase, the_last_frame_tells_success_or_what_is_wrong);
	tcase_add_test(tcase, what_is_no_answer_is_refused);
	tcase_add_test(tcase, every_beginning_of_an_answer_is_refused);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
