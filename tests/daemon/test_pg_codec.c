/*
 * The PostgreSQL protocol's bytes: framing that cannot be fooled, fields that
 * stop at the end of their message, values that read back as they were written.
 */
#include "daemon/pg_codec.h"
#include "daemon/pg_param.h"
#include "daemon/pg_types.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

START_TEST(a_message_cut_at_each_byte_waits_for_the_rest)
{
	static const char query[] = "Q\0\0\0\x0dselect 1\0";
	const size_t whole = 1 + 4 + 9;
	struct pg_message message;
	struct err err = ERR_INIT;
	size_t used;

	for (size_t n = 0; n < whole; n++)
		ck_assert_int_eq(pg_message_next(query, n, false, 1000, &message, &used, &err), 0);
	ck_assert_int_eq(pg_message_next(query, whole, false, 1000, &message, &used, &err), 1);
	ck_assert_uint_eq(used, whole);
	ck_assert_int_eq(message.type, 'Q');
	ck_assert_uint_eq(message.len, 9);
}
END_TEST

START_TEST(impossible_lengths_are_refused)
{
	static const char *const lengths[] = {
		"Q\0\0\0\0", "Q\0\0\0\3", "Q\xff\xff\xff\xff", "Q\x80\0\0\0", "Q\x7f\xff\xff\xff"};
	struct pg_message message;
	struct err err = ERR_INIT;
	size_t used;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		ck_assert_int_eq(
			pg_message_next(lengths[i], 5, false, 1 << 20, &message, &used, &err),
			ERR_PROTOCOL);
}
END_TEST

START_TEST(a_startup_packet_over_the_limit_is_refused)
{
	struct pg_message message;
	struct err err = ERR_INIT;
	size_t used;

	ck_assert_int_eq(pg_message_next("\0\0\x27\x15", 4, true, 1 << 20, &message, &used, &err),
		ERR_PROTOCOL);
}
END_TEST

START_TEST(reading_past_the_end_fails_and_stays_failed)
{
	struct pg_message message = {'B', "\0\1abc", 5};
	struct pg_reader reader = pg_reader_of(&message);

	ck_assert_int_eq(pg_read_int16(&reader), 1);
	ck_assert_ptr_null(pg_read_text(&reader));
	ck_assert_ptr_null(pg_read_bytes(&reader, 1));
	ck_assert_int_eq(pg_read_int32(&reader), 0);
	ck_assert(!pg_reader_is_done(&reader));
}
END_TEST

START_TEST(a_written_message_is_read_back)
{
	struct buf out = {0};
	struct pg_message message;
	struct err err = ERR_INIT;
	struct pg_reader reader;
	size_t used;
	size_t mark = pg_begin(&out, 'D');

	pg_add_int16(&out, -2);
	pg_add_int32(&out, -70000);
	pg_add_text(&out, "text");
	pg_end(&out, mark);
	ck_assert_int_eq(pg_message_next(out.data, out.len, false, 100, &message, &used, &err), 1);
	reader = pg_reader_of(&message);
	ck_assert_int_eq(pg_read_int16(&reader), -2);
	ck_assert_int_eq(pg_read_int32(&reader), -70000);
	ck_assert_str_eq(pg_read_text(&reader), "text");
	ck_assert(pg_reader_is_done(&reader));
	buf_fini(&out);
}
END_TEST

static const struct {
	enum pg_oid oid;
	struct value value;
	const char *text;
} shown[] = {
	{PG_INT8, {VALUE_INTEGER, INT64_MIN, 0, NULL, 0}, "-9223372036854775808"},
	{PG_INT8, {VALUE_REAL, 0, 7.9, NULL, 0}, "7"},
	{PG_INT8, {VALUE_TEXT, 0, 0, "12", 2}, "12"},
	{PG_FLOAT8, {VALUE_REAL, 0, 0.1, NULL, 0}, "0.1"},
	{PG_FLOAT8, {VALUE_REAL, 0, 1.0 / 3, NULL, 0}, "0.3333333333333333"},
	{PG_FLOAT8, {VALUE_REAL, 0, HUGE_VAL, NULL, 0}, "Infinity"},
	{PG_TEXT, {VALUE_TEXT, 0, 0, "a\0b", 3},
		"a\xEF\xBF\xBD"
		"b"},
	{PG_TEXT, {VALUE_TEXT, 0, 0, "\xff", 1}, "\xEF\xBF\xBD"},
	{PG_BYTEA, {VALUE_BLOB, 0, 0, "\x00\xff", 2}, "\\x00ff"},
	{PG_BOOL, {VALUE_INTEGER, 1, 0, NULL, 0}, "t"},
	{PG_TIMESTAMP, {VALUE_TEXT, 0, 0, "2016-07-26T02:00:00Z", 20}, "2016-07-26 02:00:00"},
};

START_TEST(every_cell_is_shown_as_its_announced_type)
{
	struct buf out = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_add_value_text(&out, shown[_i].oid, &shown[_i].value, &err), 0);
	ck_assert_uint_eq(out.len, strlen(shown[_i].text));
	ck_assert_mem_eq(out.data, shown[_i].text, out.len);
	buf_fini(&out);
}
END_TEST

START_TEST(a_text_that_is_no_number_is_an_error_under_a_number_type)
{
	struct value value = {.type = VALUE_TEXT, .data = "abc", .len = 3};
	struct buf out = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_add_value(&out, PG_INT8, 0, &value, &err), ERR_INVALID);
	ck_assert_uint_eq(out.len, 0);
	buf_fini(&out);
}
END_TEST

static const struct {
	const char *bytes;
	int32_t len;
	bool is_real;
	int64_t integer;
	double real;
} numerics[] = {
	{"\0\1\0\0\0\0\0\0\0\x07", 10, false, 7, 0},
	{"\0\2\0\1\0\0\0\0\0\1\x09\x29", 12, false, 12345, 0},
	{"\0\1\0\1\0\0\0\0\0\1", 10, false, 10000, 0},
	{"\0\1\xff\xff\0\0\0\1\x13\x88", 10, true, 0, 0.5},
	{"\0\1\xff\xfe\0\0\0\5\x13\x88", 10, true, 0, 0.00005},
	{"\0\2\0\0\x40\0\0\1\0\1\x13\x88", 12, true, 0, -1.5},
	{"\0\0\0\0\0\0\0\0", 8, false, 0, 0},
};

START_TEST(numeric_parameters_keep_their_value)
{
	struct pg_parameter parameter = {PG_NUMERIC, 1, numerics[_i].bytes, numerics[_i].len};
	struct value value;
	struct buf scratch = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_read_parameter(&parameter, &value, &scratch, &err), 0);
	if (numerics[_i].is_real) {
		ck_assert_int_eq(value.type, VALUE_REAL);
		ck_assert_double_eq(value.real, numerics[_i].real);
	} else {
		ck_assert_int_eq(value.type, VALUE_INTEGER);
		ck_assert_int_eq(value.integer, numerics[_i].integer);
	}
	buf_fini(&scratch);
}
END_TEST

START_TEST(binary_values_read_back)
{
	struct value in[] = {{.type = VALUE_INTEGER, .integer = -5},
		{.type = VALUE_REAL, .real = 2.5},
		{.type = VALUE_TEXT, .data = "2016-07-26 02:45:07.5", .len = 21},
		{.type = VALUE_BLOB, .data = "\0\1", .len = 2}};
	static const enum pg_oid oids[] = {PG_INT8, PG_FLOAT8, PG_TIMESTAMP, PG_BYTEA};
	struct buf out = {0};
	struct buf scratch = {0};
	struct err err = ERR_INIT;

	for (int i = 0; i < 4; i++) {
		struct pg_parameter parameter;
		struct value back;

		buf_clear(&out);
		ck_assert_int_eq(pg_add_value(&out, oids[i], 1, &in[i], &err), 0);
		parameter = (struct pg_parameter){oids[i], 1, out.data + 4, (int32_t)out.len - 4};
		ck_assert_int_eq(pg_read_parameter(&parameter, &back, &scratch, &err), 0);
		ck_assert_int_eq(back.type, in[i].type);
		ck_assert_int_eq(back.integer, in[i].integer);
		ck_assert_double_eq(back.real, in[i].real);
		ck_assert_uint_eq(back.len, in[i].len);
		if (back.len > 0)
			ck_assert_mem_eq(back.data, in[i].data, back.len);
	}
	buf_fini(&out);
	buf_fini(&scratch);
}
END_TEST

START_TEST(malformed_parameters_are_refused)
{
	static const struct pg_parameter bad[] = {
		{PG_INT8, 0, "1x", 2},
		{PG_INT8, 0, "", 0},
		{PG_INT8, 1, "\0\0\0\1", 4},
		{PG_FLOAT8, 0, "1,5", 3},
		{PG_BOOL, 0, "maybe", 5},
		{PG_BYTEA, 0, "\\x0", 3},
		{PG_NUMERIC, 1, "\0\5\0\0\0\0\0\0\0\1", 10},
		{PG_TIMESTAMP, 1, "\x7f\xff\xff\xff\xff\xff\xff\xff", 8},
	};
	struct value value;
	struct buf scratch = {0};
	struct err err = ERR_INIT;

	ck_assert_int_eq(pg_read_parameter(&bad[_i], &value, &scratch, &err), ERR_INVALID);
	buf_fini(&scratch);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pg_codec");
	TCase *tcase = tcase_create("core");
	SRunner *runner = srunner_create(suite);
	int n_failed;

	tcase_add_test(tcase, a_message_cut_at_each_byte_waits_for_the_rest);
	tcase_add_test(tcase, impossible_lengths_are_refused);
	tcase_add_test(tcase, a_startup_packet_over_the_limit_is_refused);
	tcase_add_test(tcase, reading_past_the_end_fails_and_stays_failed);
	tcase_add_test(tcase, a_written_message_is_read_back);
	tcase_add_loop_test(tcase, every_cell_is_shown_as_its_announced_type, 0,
		(int)(sizeof(shown) / sizeof(shown[0])));
	tcase_add_test(tcase, a_text_that_is_no_number_is_an_error_under_a_number_type);
	tcase_add_loop_test(tcase, numeric_parameters_keep_their_value, 0,
		(int)(sizeof(numerics) / sizeof(numerics[0])));
	tcase_add_test(tcase, binary_values_read_back);
	tcase_add_loop_test(tcase, malformed_parameters_are_refused, 0, 8);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}
