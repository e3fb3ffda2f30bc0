/* Where a statement ends, in text cut anywhere. */
#include "daemon/sql_text.h"
#include "tests/run.h"

#include <string.h>

static const struct {
	const char *text;
	bool is_complete, is_blank;
} texts[] = {
	{"", false, true},
	{" \t\r\n", false, true},
	{";", true, true},
	{" ; ; \n", true, true},
	{"select 1", false, false},
	{"select 1;", true, false},
	{"select 1;\n", true, false},
	{"select 1; select 2", false, false},
	{"select 1; -- more\n", true, false},
	{"select 1; -- more", true, false},
	{"select 1 -- ;\n", false, false},
	{"select 1 /* ; */", false, false},
	{"select 1; /* ; */", true, false},
	{"select 1; /* ", false, false},
	{"/* */", false, true},
	{"/* **/", false, true},
	{"/* ***/;", true, true},
	{"/*/", false, false},
	{"-- nothing\n", false, true},
	{"select ';'", false, false},
	{"select ';", false, false},
	{"select 'it''s;';", true, false},
	{"select \"a;\";", true, false},
	{"select `a;`;", true, false},
	{"select [a;];", true, false},
	{"select [a;", false, false},
	{"select 1-2;", true, false},
	{"select 1- -2;", true, false},
	{"select 4/2;", true, false},
	{"select 4/'/*';", true, false},
	{"-", false, true}, /* undecided: a comment may follow */
	{"-1", false, false},
	{"'--'", false, false},
};

START_TEST(the_end_is_found_wherever_the_text_is_cut)
{
	const char *text = texts[_i].text;
	size_t len = strlen(text);

	for (size_t cut = 0; cut <= len; cut++) {
		struct sql_text scan = {0};
		sql_text_feed(&scan, text, cut);
		sql_text_feed(&scan, text + cut, len - cut);
		ck_assert_msg(sql_text_is_complete(&scan) == texts[_i].is_complete, "%s", text);
		if (strcmp(text, "-") != 0)
			ck_assert_msg(sql_text_is_blank(&scan) == texts[_i].is_blank, "%s", text);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/sql_text");
	TCase *tests = tcase_create("sql_text");

	tcase_add_loop_test(tests, the_end_is_found_wherever_the_text_is_cut, 0,
		(int)(sizeof(texts) / sizeof(texts[0])));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
