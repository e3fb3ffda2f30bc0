/*
 * The strict reader: what is a value, where the first wrong byte stands, and
 * that neither depends on where the bytes end.
 */
#include "base/json.h"
#include "tests/run.h"

#include <stdlib.h>
#include <string.h>

#define N(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

struct text {
	const char *bytes;
	size_t len;
};

#define TEXT(literal)                                                                              \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

/* Reading an object for its members comes to the same end. */
static void check_same_as_object(
	const struct json_scan *read, enum json_status status, const char *bytes)
{
	struct json_scan scan = {.at = bytes, .end = read->end, .depth = read->depth};
	struct json_member member = {"a", 1, {0}};

	ck_assert_int_eq(json_read_object(&scan, &member, 1), status);
	ck_assert_ptr_eq(scan.at, read->at);
	if (status == JSON_MALFORMED)
		ck_assert_str_eq(scan.fault, read->fault);
}

/* A copy that ends where its allocation ends, so that a checker sees a read behind it. */
static enum json_status read_prefix(
	const struct text *text, size_t len, size_t *stop, struct json_value *value)
{
	char *copy = malloc(len > 0 ? len : 1);
	struct json_scan scan = {.at = copy, .end = copy + len};
	enum json_status status;

	memcpy(copy, text->bytes, len);
	status = json_read_value(&scan, value);
	if (len > 0 && *copy == '{')
		check_same_as_object(&scan, status, copy);
	*stop = (size_t)(scan.at - copy);
	if (status == JSON_MALFORMED)
		ck_assert_ptr_nonnull(scan.fault);
	free(copy);
	return status;
}

static const struct text valid_rows[] = {
	TEXT("{}"),
	TEXT("[]"),
	TEXT("{ }"),
	TEXT("[\t\r ]"),
	TEXT("\"\""),
	TEXT("0"),
	TEXT("-0"),
	TEXT("10"),
	TEXT("-1.50"),
	TEXT("0.0"),
	TEXT("1e5"),
	TEXT("1E+5"),
	TEXT("1.5e-05"),
	TEXT("true"),
	TEXT("false"),
	TEXT("null"),
	TEXT("{\"a\":1}"),
	TEXT("{\"a\":1,\"a\":2}"),
	TEXT("{ \"a\" : [ 1 , { } , [ ] ] , \"b\" : null }"),
	TEXT("[[[[]]],[{}]]"),
	TEXT("\"a string that is longer than sixteen bytes\""),
	TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
	TEXT("\"\\u0000\\uABCD\\uabcd\""),
	TEXT("\"\\ud83d\\ude00\""),
	TEXT("\"\\ud83d\""),
	TEXT("\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\""),
	TEXT("\"\x7F\""),
	TEXT("\"0123456789abcde\xC3\xA4 and on\""),
	TEXT("{\"\":{\"\":\"\"}}"),
	TEXT("{\"time\":1469501107,\"action\":\"Open\"}"),
	TEXT("[1,\"a\",true,false,null,{\"a\":[]}]"),
	TEXT("123456789012345678901234567890.000000000000000000000e999999999"),
};

START_TEST(a_value_is_complete_where_it_ends_and_incomplete_in_every_prefix)
{
	const struct text *text = &valid_rows[_i];
	struct json_value value;
	struct text followed;
	size_t len, stop;

	char *bytes = malloc(text->len + 1);
	memcpy(bytes, text->bytes, text->len);
	bytes[text->len] = ' ';
	followed = (struct text){bytes, text->len + 1};
	ck_assert_msg(
		read_prefix(&followed, text->len + 1, &stop, &value) == JSON_OK, "%s", text->bytes);
	ck_assert_uint_eq(stop, text->len);
	ck_assert_uint_eq(value.len, text->len);
	for (len = 1; len < text->len; len++)
		ck_assert_msg(read_prefix(text, len, &stop, &value) == JSON_INCOMPLETE, "%s, %zu",
			text->bytes, len);
	free(bytes);
}
END_TEST

static const struct {
	struct text text;
	size_t fault; /* where the first wrong byte stands */
} malformed_rows[] = {
	{TEXT("}"), 0},
	{TEXT(","), 0},
	{TEXT("'a'"), 0},
	{TEXT("/*a*/1 "), 0},
	{TEXT("NaN"), 0},
	{TEXT("Infinity"), 0},
	{TEXT("-Infinity"), 1},
	{TEXT("+1 "), 0},
	{TEXT(".5 "), 0},
	{TEXT("5. "), 2},
	{TEXT("01 "), 1},
	{TEXT("-01 "), 2},
	{TEXT("- "), 1},
	{TEXT("1e "), 2},
	{TEXT("1e+ "), 3},
	{TEXT("1.e5 "), 2},
	{TEXT("0x1F "), 1},
	{TEXT("1a"), 1},
	{TEXT("1.5.5"), 3},
	{TEXT("2016-07-26"), 4},
	{TEXT("tru "), 3},
	{TEXT("True"), 0},
	{TEXT("truefalse"), 4},
	{TEXT("nul1"), 3},
	{TEXT("nulll"), 4},
	{TEXT("\0"), 0},
	{TEXT("\xEF\xBB\xBF{}"), 0},
	{TEXT("\xC2\xA0{}"), 0},
	{TEXT("{'a':1}"), 1},
	{TEXT("{a:1}"), 1},
	{TEXT("{1:1}"), 1},
	{TEXT("{,}"), 1},
	{TEXT("{\"a\"}"), 4},
	{TEXT("{\"a\" 1}"), 5},
	{TEXT("{\"a\":}"), 5},
	{TEXT("{\"a\":1,}"), 7},
	{TEXT("{\"a\":1 \"b\":2}"), 7},
	{TEXT("{\"a\":1]"), 6},
	{TEXT("{\"a\":1;}"), 6},
	{TEXT("[1,]"), 3},
	{TEXT("[,1]"), 1},
	{TEXT("[1}"), 2},
	{TEXT("[1 2]"), 3},
	{TEXT("[1,,2]"), 3},
	{TEXT("{\"a\":[1,{\"b\":2]}"), 14},
	{TEXT("\"a\tb\""), 2},
	{TEXT("\"a\nb\""), 2},
	{TEXT("\"\x1F\""), 1},
	{TEXT("\"a\0b\""), 2},
	{TEXT("\"a\\qb\""), 3},
	{TEXT("\"\\\0\""), 2},
	{TEXT("\"\\'\""), 2},
	{TEXT("\"\\u12g4\""), 5},
	{TEXT("\"\\u 123\""), 3},
	{TEXT("\"\\x41\""), 2},
	{TEXT("\"\x80\""), 1},
	{TEXT("\"a\xFFz\""), 2},
	{TEXT("\"\xC0\xAF\""), 1},
	{TEXT("\"\xED\xA0\x80\""), 1},
	{TEXT("\"\xF4\x90\x80\x80\""), 1},
	{TEXT("\"\xE2\x82\""), 1},
	{TEXT("\"\xC3z\""), 1},
	{TEXT("{\"a\":1,\n\"b\":2}"), 7},
	{TEXT("[1\n,2]"), 2},
	{TEXT("{\"\xFF\":1}"), 2},
	{TEXT("{\"ignored\":{\"deep\":[\"0123456789abcdef\x01\"]}}"), 37},
};

START_TEST(a_malformed_text_is_refused_at_its_first_wrong_byte_wherever_it_is_cut)
{
	const struct text *text = &malformed_rows[_i].text;
	size_t fault = malformed_rows[_i].fault;
	enum json_status status;
	struct json_value value;
	size_t len, stop;
	bool is_seen = false;

	for (len = 1; len <= text->len; len++) {
		status = read_prefix(text, len, &stop, &value);
		if (len <= fault) {
			ck_assert_msg(status == JSON_INCOMPLETE, "%s, %zu", text->bytes, len);
			continue;
		}
		/* A character cut short at the very end may still become right. */
		if (!is_seen && status == JSON_INCOMPLETE && (signed char)text->bytes[fault] < 0)
			continue;
		is_seen = true;
		ck_assert_msg(status == JSON_MALFORMED, "%s, %zu", text->bytes, len);
		ck_assert_msg(stop == fault, "%s: %zu", text->bytes, stop);
	}
	ck_assert(is_seen);
}
END_TEST

START_TEST(nesting_goes_to_a_thousand_levels_and_no_further)
{
	enum { DEPTH = JSON_MAX_DEPTH };
	char bytes[(DEPTH + 1) * 6 + 1];
	struct text text = {bytes, 0};
	struct json_value value;
	size_t stop;
	int i;

	for (i = 0; i < DEPTH + 1; i++) {
		memcpy(bytes + text.len, i % 3 == 0 ? "[" : "{\"\":", i % 3 == 0 ? 1 : 4);
		text.len += i % 3 == 0 ? 1 : 4;
	}
	ck_assert_int_eq(read_prefix(&text, text.len, &stop, &value), JSON_MALFORMED);
	text.len = 0;
	for (i = 0; i < DEPTH; i++) {
		memcpy(bytes + text.len, i % 3 == 0 ? "[" : "{\"\":", i % 3 == 0 ? 1 : 4);
		text.len += i % 3 == 0 ? 1 : 4;
	}
	/* The innermost is opened by level 999, an array. */
	for (i = DEPTH - 1; i >= 0; i--)
		bytes[text.len++] = i % 3 == 0 ? ']' : '}';
	ck_assert_int_eq(read_prefix(&text, text.len, &stop, &value), JSON_OK);
	ck_assert_uint_eq(stop, text.len);
}
END_TEST

START_TEST(levels_that_the_caller_opened_count)
{
	const char *bytes = "[[]]";
	struct json_scan scan = {.at = bytes, .end = bytes + 4, .depth = JSON_MAX_DEPTH - 2};
	struct json_value value;

	ck_assert_int_eq(json_read_value(&scan, &value), JSON_OK);
	scan.at = bytes;
	scan.depth++;
	ck_assert_int_eq(json_read_value(&scan, &value), JSON_MALFORMED);
	ck_assert_ptr_eq(scan.at, bytes + 1);
	ck_assert_ptr_nonnull(strstr(scan.fault, "1,000"));
}
END_TEST

START_TEST(the_types_and_source_texts_of_members_are_given)
{
	static const struct {
		const char *name;
		enum json_type type;
		const char *text;
	} expected[] = {
		{"string", JSON_STRING, "\"x\\n\""},
		{"n", JSON_NUMBER, "1.50"},
		{"yes", JSON_TRUE, "true"},
		{"no", JSON_FALSE, "false"},
		{"null", JSON_NULL, "null"},
		{"eight888", JSON_OBJECT, "{ \"z\" : 1 }"},
		{"nine99999", JSON_ARRAY, "[ 1 ]"},
		{"", JSON_NUMBER, "7"},
	};
	const char *bytes = "{\"string\":\"x\\n\",\"n\":1.50 , \"yes\":true,\"no\":false,"
			    "\"null\":null,\"eight888\":{ \"z\" : 1 }\t,\"nine99999\": [ 1 ],"
			    "\"\":7,\"eight887\":1,\"nine99998\":1,\"e\":1} ";
	struct json_member members[N(expected) + 1];
	struct json_scan scan = {.at = bytes, .end = bytes + strlen(bytes)};
	int i;

	for (i = 0; i < N(expected); i++)
		members[i] = (struct json_member){expected[i].name, strlen(expected[i].name), {0}};
	members[i] = (struct json_member){"missing", 7, {0}};
	ck_assert_int_eq(json_read_object(&scan, members, N(members)), JSON_OK);
	ck_assert_ptr_eq(scan.at, scan.end - 1);
	for (i = 0; i < N(expected); i++) {
		ck_assert_int_eq(members[i].value.type, expected[i].type);
		ck_assert_uint_eq(members[i].value.len, strlen(expected[i].text));
		ck_assert_mem_eq(members[i].value.text, expected[i].text, strlen(expected[i].text));
		ck_assert_int_eq(members[i].value.has_escapes, i == 0);
	}
	ck_assert_ptr_null(members[i].value.text);
}
END_TEST

START_TEST(the_last_member_of_a_name_is_found_after_unescaping)
{
	const char *bytes = "{\"id\":1,\"\\u0069d\":2,\"ID\":3,\"i\":4,\"idd\":5}";
	struct json_value object = {bytes, strlen(bytes), JSON_OBJECT, false};
	struct json_value value;

	ck_assert(json_find_member(&object, "id", 2, &value));
	ck_assert_mem_eq(value.text, "2", 1);
	ck_assert(!json_find_member(&object, "Id", 2, &value));
	ck_assert(!json_find_member(&object, "", 0, &value));
}
END_TEST

static const struct {
	const char *source;
	struct text text;
} unescape_rows[] = {
	{"\"\"", TEXT("")},
	{"\"plain\"", TEXT("plain")},
	{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", TEXT("\"\\/\b\f\n\r\t")},
	{"\"a\\u0000b\"", TEXT("a\0b")},
	{"\"\\u0041\\u00e4\\u20AC\"", TEXT("A\xC3\xA4\xE2\x82\xAC")},
	{"\"\\ud83d\\ude00\"", TEXT("\xF0\x9F\x98\x80")},
	{"\"\\uD83D\"", TEXT("\xEF\xBF\xBD")},
	{"\"\\ude00\"", TEXT("\xEF\xBF\xBD")},
	{"\"\\ud83d\\u0041\"", TEXT("\357\277\275A")},
	{"\"\\ud83dx\"", TEXT("\357\277\275x")},
	{"\"\\ud83d\\ud83d\\ude00\"", TEXT("\xEF\xBF\xBD\xF0\x9F\x98\x80")},
	{"\"\\ude00\\ud83d\"", TEXT("\xEF\xBF\xBD\xEF\xBF\xBD")},
	{"\"\\ud83d\\n\"", TEXT("\xEF\xBF\xBD\n")},
};

START_TEST(a_string_stands_for_its_unescaped_text)
{
	const char *source = unescape_rows[_i].source;
	const struct text *text = &unescape_rows[_i].text;
	struct json_value value = {source, strlen(source), JSON_STRING, true};
	char out[64];

	ck_assert_uint_eq(json_unescape(&value, out), text->len);
	ck_assert_mem_eq(out, text->bytes, text->len);
	ck_assert(json_string_is(&value, text->bytes, text->len));
	ck_assert(!json_string_is(&value, "something else", 14));
	ck_assert(text->len == 0 || !json_string_is(&value, text->bytes, text->len - 1));
}
END_TEST

START_TEST(every_byte_value_at_every_place_of_a_string_is_judged_alike)
{
	char bytes[40];
	struct text text = {bytes, sizeof(bytes)};
	struct json_value value;
	enum json_status expected;
	size_t place, stop;
	int c;

	for (place = 1; place < sizeof(bytes) - 2; place++) {
		for (c = 0; c < 256; c++) {
			memset(bytes, 'x', sizeof(bytes));
			bytes[0] = '"';
			bytes[sizeof(bytes) - 1] = '"';
			bytes[place] = (char)c;
			expected = c >= 0x20 && c != '\\' && c < 0x80 ? JSON_OK : JSON_MALFORMED;
			if (read_prefix(&text, text.len, &stop, &value) != expected)
				ck_abort_msg("byte %d at %zu", c, place);
			if (c == '"' && stop != place + 1)
				ck_abort_msg("a quote at %zu ends it at %zu", place, stop);
		}
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("json");
	TCase *tcase = tcase_create("json");

	tcase_add_loop_test(tcase, a_value_is_complete_where_it_ends_and_incomplete_in_every_prefix,
		0, N(valid_rows));
	tcase_add_loop_test(tcase,
		a_malformed_text_is_refused_at_its_first_wrong_byte_wherever_it_is_cut, 0,
		N(malformed_rows));
	tcase_add_test(tcase, nesting_goes_to_a_thousand_levels_and_no_further);
	tcase_add_test(tcase, levels_that_the_caller_opened_count);
	tcase_add_test(tcase, the_types_and_source_texts_of_members_are_given);
	tcase_add_test(tcase, the_last_member_of_a_name_is_found_after_unescaping);
	tcase_add_loop_test(tcase, a_string_stands_for_its_unescaped_text, 0, N(unescape_rows));
	tcase_add_test(tcase, every_byte_value_at_every_place_of_a_string_is_judged_alike);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
