/* Lines of the log: escaped, whole, and never in anybody's way. */
#include "daemon/log.h"
#include "tests/run.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *text, *line;
} escapes[] = {
	{"plain", "plain\n"},
	{"a\nb", "a\\x0ab\n"},
	{"a\n<3>forged", "a\\x0a<3>forged\n"},
	{"\x1b[31mred", "\\x1b[31mred\n"},
	{"caf\xc3\xa9", "caf\xc3\xa9\n"},
	{"\xc2\x9b"
	 "31m",
		"\\xc2\\x9b31m\n"},
	{"a\xff"
	 "b",
		"a\\xffb\n"},
	{"cut \xe2\x82", "cut \\xe2\\x82\n"},
	{"\xed\xa0\x80", "\\xed\\xa0\\x80\n"},
	{"\x7f", "\\x7f\n"},
};

START_TEST(control_characters_are_escaped)
{
	char line[LOG_LINE_BYTES];

	size_t n = log_escape(line, 0, escapes[_i].text, strlen(escapes[_i].text));
	ck_assert_uint_eq(n, strlen(escapes[_i].line));
	ck_assert_mem_eq(line, escapes[_i].line, n);
}
END_TEST

START_TEST(a_long_message_is_cut_and_says_so)
{
	char line[LOG_LINE_BYTES];
	char text[LOG_LINE_BYTES * 2];

	memset(text, '\n', sizeof(text));
	for (size_t used = 0; used < 40; used++) {
		size_t n = log_escape(line, used, text, sizeof(text));
		ck_assert_uint_le(n, LOG_LINE_BYTES);
		ck_assert_mem_eq(line + n - 4, "...\n", 4);
	}
}
END_TEST

/* The journal shows a message that is no UTF-8 as so many bytes of "blob data". */
START_TEST(a_message_that_is_cut_ends_with_a_whole_character)
{
	char line[LOG_LINE_BYTES];
	char text[LOG_LINE_BYTES];

	for (size_t used = 0; used < 8; used++) {
		for (size_t i = 0; i + 4 <= sizeof(text); i += 4)
			memcpy(text + i, "\xf0\x9f\x98\x80", 4);
		size_t n = log_escape(line, used, text, sizeof(text));
		ck_assert_uint_le(n, LOG_LINE_BYTES);
		ck_assert_mem_eq(line + n - 8, "\xf0\x9f\x98\x80...\n", 8);
	}
}
END_TEST

/* Standard error becomes a pipe; returns its reading end. */
static int capture(void)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	/* As a shell gives it: blocking. */
	ck_assert_int_eq(fcntl(STDERR_FILENO, F_SETFL, 0), 0);
	return ends[0];
}

START_TEST(the_journal_gets_priorities_and_others_get_times)
{
	char text[256], stream[64];
	struct stat st;
	int fd = capture();

	log_init();
	log_warning("one %d", 1);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_gt((int)n, 0);
	text[n] = '\0';
	ck_assert_msg(strstr(text, " warning: one 1\n") != NULL, "%s", text);

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_init();
	log_warning("one %d", 1);
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_eq((int)n, 9);
	ck_assert_mem_eq(text, "<4>one 1\n", 9);
}
END_TEST

START_TEST(a_message_below_the_level_is_not_written)
{
	char text[64];
	int fd = capture();

	log_set_level(LOG_LEVEL_ERROR);
	log_info("quiet");
	ck_assert_int_eq((int)read(fd, text, sizeof(text)), -1);
}
END_TEST

START_TEST(a_full_pipe_loses_lines_and_says_how_many)
{
	static char text[1 << 20];
	char filler[1000];
	int fd = capture();
	size_t total = 0;
	ssize_t n;

	memset(filler, 'x', sizeof(filler) - 1);
	filler[sizeof(filler) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		log_error("%s", filler); /* a blocking write would never come back */
	while ((n = read(fd, text + total, sizeof(text) - total - 1)) > 0)
		total += (size_t)n;
	log_error("room again");
	while ((n = read(fd, text + total, sizeof(text) - total - 1)) > 0)
		total += (size_t)n;
	text[total] = '\0';
	ck_assert(strstr(text, "messages were lost because nobody read standard error\n") != NULL);
	ck_assert(strstr(text, "room again\n") != NULL);
}
END_TEST

START_TEST(a_limiter_passes_a_burst_and_then_says_what_it_held_back)
{
	struct log_limiter limiter = {0};
	uint32_t left_out;
	int passed = 0;

	for (int64_t i = 0; i < 100; i++)
		passed += log_limiter_pass(&limiter, 1000 + i, &left_out);
	ck_assert_int_eq(passed, LOG_LIMITER_BURST);
	ck_assert(log_limiter_pass(&limiter, 1000 + LOG_LIMITER_INTERVAL_US, &left_out));
	ck_assert_uint_eq(left_out, 100 - LOG_LIMITER_BURST);
}
END_TEST

/* Hours would pass for each of these lines to be read; what matters is said all the same. */
START_TEST(a_flood_is_held_back_but_not_errors)
{
	static char text[1 << 20];
	int fd = capture();
	size_t total = 0, lines = 0;
	ssize_t n;

	ck_assert_int_gt(fcntl(STDERR_FILENO, F_SETPIPE_SZ, 1 << 20), 0);
	for (int i = 0; i < LOG_FLOOD_LINES + 500; i++)
		log_info("line %d", i);
	log_error("an error");
	while ((n = read(fd, text + total, sizeof(text) - total - 1)) > 0)
		total += (size_t)n;
	text[total] = '\0';
	for (size_t i = 0; i < total; i++)
		lines += text[i] == '\n';
	ck_assert_uint_eq(lines, LOG_FLOOD_LINES + 1);
	ck_assert(strstr(text, "an error\n") != NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/log");
	TCase *tests = tcase_create("log");

	tcase_add_loop_test(tests, control_characters_are_escaped, 0,
		(int)(sizeof(escapes) / sizeof(escapes[0])));
	tcase_add_test(tests, a_long_message_is_cut_and_says_so);
	tcase_add_test(tests, a_message_that_is_cut_ends_with_a_whole_character);
	tcase_add_test(tests, the_journal_gets_priorities_and_others_get_times);
	tcase_add_test(tests, a_message_below_the_level_is_not_written);
	tcase_add_test(tests, a_full_pipe_loses_lines_and_says_how_many);
	tcase_add_test(tests, a_limiter_passes_a_burst_and_then_says_what_it_held_back);
	tcase_add_test(tests, a_flood_is_held_back_but_not_errors);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
