/* UTF-8, JSON out, the growing buffer and the sentences of errors. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/json_write.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tests/run.h"

#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_buf(struct buf *buf, const char *expected)
{
	ck_assert(buf_ok(buf));
	buf_add_char(buf, '\0');
	ck_assert_str_eq(buf->data, expected);
	buf_fini(buf);
}

static const struct {
	const char *text;
	size_t valid;      /* bytes of the valid prefix */
	const char *shown; /* NULL: as it is */
} utf8_rows[] = {
	{"", 0, NULL},
	{"plain text, longer than a word", 30, NULL},
	{"\x7F", 1, NULL},
	{"\xC2\x80", 2, NULL},
	{"\xDF\xBF", 2, NULL},
	{"\xE0\xA0\x80", 3, NULL},
	{"\xED\x9F\xBF", 3, NULL},
	{"\xEE\x80\x80", 3, NULL},
	{"\xEF\xBF\xBF", 3, NULL},
	{"\xF0\x90\x80\x80", 4, NULL},
	{"\xF4\x8F\xBF\xBF", 4, NULL},
	{"a\x80z", 1, "a\xEF\xBF\xBDz"},
	{"a\xC0\x80z", 1, "a\xEF\xBF\xBD\xEF\xBF\xBDz"},
	{"a\xC1\xBFz", 1, "a\xEF\xBF\xBD\xEF\xBF\xBDz"},
	{"\xE0\x9F\xBF", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	{"\xED\xA0\x80", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	{"\xF0\x8F\xBF\xBF", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	{"\xF4\x90\x80\x80", 0, "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"},
	{"\xF5", 0, "\xEF\xBF\xBD"},
	{"\xFF", 0, "\xEF\xBF\xBD"},
	{"12345678\xC3", 8, "12345678\xEF\xBF\xBD"},
	{"\xE2\x82", 0, "\xEF\xBF\xBD"},
	{"\xE2\x82z", 0, "\xEF\xBF\xBDz"},
	{"\xF0\x9F\x98z", 0, "\xEF\xBF\xBDz"},
};

START_TEST(utf8_is_valid_by_rfc_3629_and_shown_with_replacements)
{
	const char *text = utf8_rows[_i].text;
	struct buf buf = {0};

	ck_assert_uint_eq(utf8_valid_prefix(text, strlen(text)), utf8_rows[_i].valid);
	utf8_add_shown(&buf, text, strlen(text));
	check_buf(&buf, utf8_rows[_i].shown != NULL ? utf8_rows[_i].shown : text);
}
END_TEST

START_TEST(every_code_point_is_encoded_validly_and_counts_as_one)
{
	unsigned code_point;
	char text[4];
	bool is_none;
	size_t n;

	for (code_point = 0; code_point < 0x110400; code_point++) {
		n = utf8_encode(code_point, text);
		is_none = (code_point >= 0xD800 && code_point < 0xE000) || code_point > 0x10FFFF;
		if (utf8_valid_prefix(text, n) != n || utf8_length(text, n) != 1 ||
			is_none != (n == 3 && code_point != 0xFFFD &&
					   memcmp(text, "\xEF\xBF\xBD", 3) == 0))
			ck_abort_msg("U+%04X", code_point);
	}
	ck_assert_uint_eq(utf8_length("Gr\xC3\xB6\xC3\x9F"
				      "e",
				  7),
		5);
}
END_TEST

START_TEST(a_json_string_is_always_valid_json)
{
	struct buf buf = {0};

	json_write_string(&buf, "a\"b\\c\b\f\n\r\t\x01\x1F\x7F\xC3\xB6\xFFz\0", 18);
	check_buf(&buf,
		"\"a\\\"b\\\\c\\b\\f\\n\\r\\t\\u0001\\u001f\x7F\xC3\xB6\xEF\xBF\xBDz\\u0000\"");
	json_write_string(&buf, "", 0);
	check_buf(&buf, "\"\"");
}
END_TEST

/* Whichever word of the text a byte falls into: quoted as it is, or escaped. */
START_TEST(each_byte_at_each_place_of_a_json_string_is_seen)
{
	struct buf buf = {0};
	const char *escaped = "\b\t\n\f\r\"\\";
	char text[20], wanted[40];

	for (size_t len = 1; len <= sizeof(text); len++) {
		for (size_t at = 0; at < len; at++) {
			for (int c = 0x01; c < 0x80; c++) {
				const char *special = strchr(escaped, c);
				char escape[8] = {(char)c};

				memset(text, 'x', len);
				text[at] = (char)c;
				if (special != NULL)
					snprintf(escape, sizeof(escape), "\\%c",
						"btnfr\"\\"[special - escaped]);
				else if (c < 0x20)
					snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)c);
				snprintf(wanted, sizeof(wanted), "\"%.*s%s%.*s\"", (int)at, text,
					escape, (int)(len - at - 1), text + at + 1);
				json_write_string(&buf, text, len);
				check_buf(&buf, wanted);
			}
		}
	}
}
END_TEST

static const double doubles[] = {0.0, -0.0, 1.0, 0.1, -2.5, 1e300, 1e-300, DBL_MAX, DBL_MIN,
	DBL_TRUE_MIN, 123456789012345678.0, 5e-324, 1.0 / 3.0};

START_TEST(a_double_reads_back_as_the_same_double)
{
	struct buf buf = {0};
	double back;

	json_write_double(&buf, doubles[_i]);
	buf_add_char(&buf, '\0');
	back = strtod(buf.data, NULL);
	ck_assert(memcmp(&back, &doubles[_i], sizeof(back)) == 0);
	ck_assert(strpbrk(buf.data, ".e") != NULL);
	buf_fini(&buf);
}
END_TEST

START_TEST(a_blob_is_read_back_over_its_text)
{
	static const struct {
		const char *text, *bytes;
	} rows[] = {{"", ""}, {"AA==", NULL}, {"eA==", "x"}, {"eHk=", "xy"}, {"eHl6", "xyz"},
		{"eHl6MA==", "xyz0"}, {"eA", NULL}, {"e===", NULL}, {"eH!=", NULL}, {"====", NULL}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[16];
		size_t len = strlen(rows[i].text);

		strcpy(text, rows[i].text);
		if (i == 1) {
			ck_assert(json_decode_blob(text, &len) && len == 1 && text[0] == '\0');
		} else if (rows[i].bytes == NULL) {
			ck_assert_msg(!json_decode_blob(text, &len), "%s", rows[i].text);
		} else {
			ck_assert(json_decode_blob(text, &len));
			ck_assert_mem_eq(text, rows[i].bytes, len);
			ck_assert_uint_eq(len, strlen(rows[i].bytes));
		}
	}
}
END_TEST

START_TEST(a_blob_is_base64_with_padding)
{
	struct buf buf = {0};

	json_write_blob(&buf, "", 0);
	json_write_blob(&buf, "f", 1);
	json_write_blob(&buf, "fo", 2);
	json_write_blob(&buf, "foo", 3);
	json_write_blob(&buf, "\xFB\xFF\xFE\x00", 4);
	check_buf(&buf, "{\"blob\":\"\"}{\"blob\":\"Zg==\"}{\"blob\":\"Zm8=\"}{\"blob\":\"Zm9v\"}"
			"{\"blob\":\"+//+AA==\"}");
}
END_TEST

START_TEST(a_buffer_takes_texts_and_numbers_and_drops_from_the_front)
{
	struct buf buf = {0};
	int i;

	buf_add_int(&buf, INT64_MIN);
	buf_add_char(&buf, ' ');
	buf_add_int(&buf, 0);
	buf_printf(&buf, " %s", "and more than the first allocation of sixty-four bytes holds");
	for (i = 0; i < 1000; i++)
		buf_add_text(&buf, "x");
	ck_assert_uint_eq(buf.len, 22 + 61 + 1000);
	buf_drop(&buf, 21);
	buf.len = 5;
	check_buf(&buf, "0 and");
}
END_TEST

START_TEST(a_buffer_that_found_no_memory_stays_failed_until_cleared)
{
	struct buf buf = {0};

	buf_add_text(&buf, "a");
	ck_assert_ptr_null(buf_reserve(&buf, SIZE_MAX / 2));
	ck_assert(!buf_ok(&buf));
	buf_add_text(&buf, "b");
	ck_assert_uint_eq(buf.len, 1);
	buf_clear(&buf);
	buf_add_text(&buf, "c");
	check_buf(&buf, "c");
	ck_assert_ptr_nonnull(buf_reserve(&buf, 0));
	buf_fini(&buf);
}
END_TEST

START_TEST(an_array_grows_and_refuses_a_size_that_wraps)
{
	int *numbers = NULL;
	size_t cap = 0;
	size_t i;

	for (i = 0; i < 100; i++) {
		ck_assert(mem_grow(&numbers, &cap, i + 1, sizeof(*numbers)));
		numbers[i] = (int)i;
	}
	ck_assert(!mem_grow(&numbers, &cap, SIZE_MAX / 2, sizeof(*numbers)));
	ck_assert_int_eq(numbers[99], 99);
	free(numbers);
}
END_TEST

START_TEST(an_error_carries_a_sentence_that_is_cut_and_never_overrun)
{
	char path[600];
	struct err err = ERR_INIT;

	ck_assert_int_eq(err_set_errno(&err, ENOENT, "%s: cannot open", "a.json"), ERR_IO);
	ck_assert_str_eq(err.text, "a.json: cannot open: No such file or directory");
	ck_assert_int_eq(err.sys_errno, ENOENT);
	ck_assert_int_eq(err_prefix(&err, "source %s", "events"), ERR_IO);
	ck_assert_str_eq(err.text, "source events: a.json: cannot open: No such file or directory");
	ck_assert_int_eq(err_set_errno(&err, ENOMEM, "x"), ERR_NOMEM);
	memset(path, 'p', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(err_set_errno(&err, EACCES, "%s", path), ERR_IO);
	ck_assert_uint_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
	ck_assert_int_eq(err_prefix(&err, "%s", path), ERR_IO);
	ck_assert_uint_eq(strlen(err.text), ERR_TEXT_BYTES - 1);
}
END_TEST

#define N(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

int main(void)
{
	Suite *suite = suite_create("text");
	TCase *tcase = tcase_create("text");

	tcase_add_loop_test(
		tcase, utf8_is_valid_by_rfc_3629_and_shown_with_replacements, 0, N(utf8_rows));
	tcase_add_test(tcase, every_code_point_is_encoded_validly_and_counts_as_one);
	tcase_add_test(tcase, a_json_string_is_always_valid_json);
	tcase_add_test(tcase, each_byte_at_each_place_of_a_json_string_is_seen);
	tcase_add_loop_test(tcase, a_double_reads_back_as_the_same_double, 0, N(doubles));
	tcase_add_test(tcase, a_blob_is_base64_with_padding);
	tcase_add_test(tcase, a_blob_is_read_back_over_its_text);
	tcase_add_test(tcase, a_buffer_takes_texts_and_numbers_and_drops_from_the_front);
	tcase_add_test(tcase, a_buffer_that_found_no_memory_stays_failed_until_cleared);
	tcase_add_test(tcase, an_array_grows_and_refuses_a_size_that_wraps);
	tcase_add_test(tcase, an_error_carries_a_sentence_that_is_cut_and_never_overrun);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
