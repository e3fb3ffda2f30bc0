/* The command line's form, and what it turns into. */
#include "daemon/options.h"
#include "tests/run.h"

#include <stdlib.h>
#include <string.h>

/* argv is written to by the parser, so each test has its own copy of the words. */
static int parse(struct options *options, struct err *err, const char *const *words)
{
	static char copies[16][256]; /* a process per test: nobody else writes here */
	char *argv[16] = {NULL};
	int argc = 0;

	for (; words[argc] != NULL; argc++) {
		ck_assert_uint_lt(strlen(words[argc]), sizeof(copies[argc]));
		argv[argc] = strcpy(copies[argc], words[argc]);
	}
	return options_parse(options, argc, argv, err);
}

#define PARSE(options, err, ...)                                                                   \
	parse(options, err, (const char *const[]){"tallyd", __VA_ARGS__, NULL})

START_TEST(short_options_become_overrides_in_their_order)
{
	struct options options;
	struct err err = ERR_INIT;

	ck_assert_int_eq(PARSE(&options, &err, "-e", "/data", "--socket=/s", "-d", "/st", "-o",
				 "counts.window=10 minutes"),
		0);
	ck_assert_uint_eq(options.config.n_overrides, 4);
	ck_assert_str_eq(options.overrides[0].section, "events");
	ck_assert_str_eq(options.overrides[0].key, "path");
	ck_assert_str_eq(options.overrides[0].value, "/data");
	ck_assert_str_eq(options.overrides[0].origin, "--events");
	ck_assert_str_eq(options.overrides[1].key, "socket");
	ck_assert_str_eq(options.overrides[2].key, "state_dir");
	ck_assert_str_eq(options.overrides[3].section, "counts");
	ck_assert_str_eq(options.overrides[3].key, "window");
	ck_assert_str_eq(options.overrides[3].value, "10 minutes");
	options_fini(&options);
}
END_TEST

START_TEST(events_without_config_reads_no_file)
{
	struct options options;
	struct err err = ERR_INIT;

	ck_assert_int_eq(PARSE(&options, &err, "--events", "/data"), 0);
	ck_assert(!options.config.read_default_file);
	options_fini(&options);
	ck_assert_int_eq(PARSE(&options, &err, "-v"), 0);
	ck_assert(options.config.read_default_file);
	options_fini(&options);
	ck_assert_int_eq(PARSE(&options, &err, "-c", "/etc/x", "-e", "/data"), 0);
	ck_assert(!options.config.read_default_file);
	ck_assert_str_eq(options.config.file, "/etc/x");
	options_fini(&options);
}
END_TEST

START_TEST(a_value_of_set_may_hold_dots_and_equal_signs)
{
	struct options options;
	struct err err = ERR_INIT;

	ck_assert_int_eq(PARSE(&options, &err, "--set", "events.glob=a.b=c"), 0);
	ck_assert_str_eq(options.overrides[0].value, "a.b=c");
	options_fini(&options);
}
END_TEST

START_TEST(help_and_version_win_over_what_follows)
{
	struct options options;
	struct err err = ERR_INIT;

	ck_assert_int_eq(PARSE(&options, &err, "--help", "--nonsense"), 0);
	ck_assert_int_eq(options.action, ACTION_HELP);
	ck_assert_int_eq(PARSE(&options, &err, "-V", "more"), 0);
	ck_assert_int_eq(options.action, ACTION_VERSION);
}
END_TEST

static const struct {
	const char *words[6];
	const char *sentence; /* part of it */
} bad_lines[] = {
	{{"--nonsense"}, "--nonsense: no such option; see tallyd --help"},
	{{"-x"}, "-x: no such option; see tallyd --help"},
	{{"--events"}, "--events wants a value"},
	{{"--config="}, "--config wants a file"},
	{{"/data"}, "/data: not an option; the directory of events goes behind --events"},
	{{"--set", "window=1"}, "SECTION.KEY=VALUE is wanted"},
	{{"--set", "counts.window"}, "SECTION.KEY=VALUE is wanted"},
	{{"--set", ".window=1"}, "SECTION.KEY=VALUE is wanted"},
	{{"--set", "counts.=1"}, "SECTION.KEY=VALUE is wanted"},
	{{"--set", "=a.b"}, "SECTION.KEY=VALUE is wanted"},
	{{"--sql", "select 1"}, "--sql goes with --available-now"},
	{{"--check-config", "--available-now"}, "at a time"},
	{{"--print-config", "--rebuild"}, "--rebuild goes with"},
};

START_TEST(a_bad_command_line_is_refused_with_what_is_wanted)
{
	struct options options;
	struct err err = ERR_INIT;
	const char *words[8] = {"tallyd"};

	memcpy(words + 1, bad_lines[_i].words, sizeof(bad_lines[_i].words));
	ck_assert_int_eq(parse(&options, &err, words), ERR_USAGE);
	ck_assert_msg(strstr(err.text, bad_lines[_i].sentence) != NULL, "%s", err.text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/options");
	TCase *tests = tcase_create("options");

	tcase_add_test(tests, short_options_become_overrides_in_their_order);
	tcase_add_test(tests, events_without_config_reads_no_file);
	tcase_add_test(tests, a_value_of_set_may_hold_dots_and_equal_signs);
	tcase_add_test(tests, help_and_version_win_over_what_follows);
	tcase_add_loop_test(tests, a_bad_command_line_is_refused_with_what_is_wanted, 0,
		(int)(sizeof(bad_lines) / sizeof(bad_lines[0])));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
