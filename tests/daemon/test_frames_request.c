/* Request lines of the JSON frames: what they mean, and that no bytes break the reader. */
#include "daemon/frames_request.h"
#include "tests/run.h"

#include <stdlib.h>
#include <string.h>

static struct request *parse(const char *line)
{
	/* The line is not NUL-terminated in the daemon: a copy that ends with it shows reads
	 * beyond. */
	size_t len = strlen(line);
	char *copy = malloc(len > 0 ? len : 1);

	memcpy(copy, line, len);
	struct request *request = request_parse(copy, len);
	free(copy);
	ck_assert_ptr_nonnull(request);
	return request;
}

START_TEST(a_statement_has_id_text_and_parameters)
{
	struct request *request =
		parse("{\"params\":[null,true,-7,9223372036854775807,9223372036854775808,1.5,1e3,"
		      "\"\\u0000x\",{\"blob\":\"AAEC\"},{\"real\":\"-Infinity\"}],"
		      "\"sql\":\"select \\u00e9\", \"id\" : 12 } ");
	static const enum value_type types[] = {VALUE_NULL, VALUE_INTEGER, VALUE_INTEGER,
		VALUE_INTEGER, VALUE_REAL, VALUE_REAL, VALUE_REAL, VALUE_TEXT, VALUE_BLOB,
		VALUE_REAL};

	ck_assert_int_eq(request->kind, REQUEST_STATEMENT);
	ck_assert_str_eq(request->id, "12");
	ck_assert_str_eq(request->sql, "select \xc3\xa9");
	ck_assert_uint_eq(request->n_params, sizeof(types) / sizeof(types[0]));
	for (size_t i = 0; i < request->n_params; i++)
		ck_assert_int_eq(request->params[i].type, types[i]);
	ck_assert_int_eq(request->params[1].integer, 1);
	ck_assert_int_eq(request->params[2].integer, -7);
	ck_assert_int_eq(request->params[3].integer, INT64_MAX);
	ck_assert(request->params[4].real == 9223372036854775808.0);
	ck_assert(request->params[6].real == 1000.0);
	ck_assert_uint_eq(request->params[7].len, 2);
	ck_assert_mem_eq(request->params[7].data, "\0x", 2);
	ck_assert_uint_eq(request->params[8].len, 3);
	ck_assert_mem_eq(request->params[8].data, "\0\1\2", 3);
	request_free(request);
}
END_TEST

START_TEST(subscribe_and_cancel_are_told_apart)
{
	struct request *request = parse("{\"id\":\"a\",\"sql\":\" subScribe\\nselect 1\"}");

	ck_assert_int_eq(request->kind, REQUEST_SUBSCRIBE);
	ck_assert_str_eq(request->id, "\"a\"");
	ck_assert_str_eq(request->sql, "\nselect 1");
	ck_assert_uint_eq(request->sql_skipped, 10);
	request_free(request);
	request = parse("{\"cancel\":7}");
	ck_assert_int_eq(request->kind, REQUEST_CANCEL);
	ck_assert_str_eq(request->id, "7");
	request_free(request);
	request = parse("{\"id\":1,\"sql\":\"subscribers\"}");
	ck_assert_int_eq(request->kind, REQUEST_STATEMENT);
	request_free(request);
}
END_TEST

static const char *const broken[] = {"", "{", "[]", "{}", "{\"id\":1}", "{\"sql\":\"x\"}",
	"{\"id\":1,\"sql\":7}", "{\"id\":null,\"sql\":\"x\"}", "{\"id\":1,\"sql\":\"x\"}}",
	"{\"id\":1,\"sql\":\"x\",}", "{\"id\":1.,\"sql\":\"x\"}", "{'id':1}",
	"{\"id\":1,\"sql\":\"a;b\"}", "{\"id\":1,\"sql\":\"x\",\"params\":{}}",
	"{\"id\":1,\"sql\":\"x\",\"params\":[{\"blob\":7}]}",
	"{\"id\":1,\"sql\":\"x\",\"params\":[{\"blob\":\"AAA\"}]}",
	"{\"id\":1,\"sql\":\"x\",\"params\":[{\"blob\":\"A*==\"}]}", "{\"cancel\":[]}",
	"{\"id\":1,\"sql\":\"\xff\"}"};

START_TEST(what_is_no_request_says_why)
{
	struct request *request = parse(broken[_i]);

	ck_assert_int_eq(request->kind, REQUEST_BROKEN);
	ck_assert_ptr_nonnull(request->sentence);
	request_free(request);
}
END_TEST

START_TEST(a_request_cut_or_changed_anywhere_does_no_harm)
{
	static const char whole[] = "{\"id\":1,\"sql\":\"subscribe select "
				    "'a''b';\",\"params\":[1,-2.5e3,\"\\ud83d\\ude00\","
				    "{\"blob\":\"AAEC\"},[],null]}";
	char line[sizeof(whole)];

	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		memcpy(line, whole, sizeof(whole));
		line[i] = '\0';
		request_free(parse(line));
		for (int c = 1; c < 256; c += 3) {
			memcpy(line, whole, sizeof(whole));
			line[i] = (char)c;
			request_free(parse(line));
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("daemon/frames_request");
	TCase *tests = tcase_create("frames_request");

	tcase_add_test(tests, a_statement_has_id_text_and_parameters);
	tcase_add_test(tests, subscribe_and_cancel_are_told_apart);
	tcase_add_loop_test(
		tests, what_is_no_request_says_why, 0, (int)(sizeof(broken) / sizeof(broken[0])));
	tcase_add_test(tests, a_request_cut_or_changed_anywhere_does_no_harm);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
