/*
 * The rules about lines, arrays, times and groups, one test each. Every text
 * that is judged here is judged whole, cut into two feeds at each place, into
 * several at random, and as one batch after the other: all must agree.
 */
#include "stream/event.h"
#include "tests/run.h"
#include "tests/stream/judged.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const action[] = {"action"};

static struct event_shape shape = {
	.time_field = "time",
	.time_unit = TIME_UNIT_S,
	.max_event_bytes = 16 << 20,
	.fields = action,
	.n_fields = 1,
};

static void compare(struct judged *judged, const char *expected, const char *how, size_t cut)
{
	ck_assert_msg(strcmp(judged->text.data, expected) == 0, "%s %zu:\n%s--- expected:\n%s", how,
		cut, judged->text.data, expected);
	judged_fini(judged);
}

static int by_value(const void *a, const void *b)
{
	const size_t *left = a, *right = b;

	return *left < *right ? -1 : *left > *right;
}

static void check_bytes(const char *bytes, size_t len, const char *expected)
{
	struct judged judged;
	unsigned seed = 1;
	size_t cuts[3];
	size_t i;
	int round;

	judge_in_pieces(&judged, &shape, bytes, len, NULL, 0);
	compare(&judged, expected, "whole", 0);
	for (cuts[0] = 0; cuts[0] <= len && len < 1000; cuts[0]++) {
		judge_in_pieces(&judged, &shape, bytes, len, cuts, 1);
		compare(&judged, expected, "cut at", cuts[0]);
		judge_in_batches(&judged, &shape, bytes, len, cuts, 1);
		compare(&judged, expected, "batch to", cuts[0]);
	}
	for (round = 0; round < 50; round++) {
		for (i = 0; i < 3; i++)
			cuts[i] = (size_t)rand_r(&seed) % (len + 1);
		qsort(cuts, 3, sizeof(cuts[0]), by_value);
		judge_in_pieces(&judged, &shape, bytes, len, cuts, 3);
		compare(&judged, expected, "three cuts, round", (size_t)round);
		judge_in_batches(&judged, &shape, bytes, len, cuts, 3);
		compare(&judged, expected, "four batches, round", (size_t)round);
	}
}

static void check(const char *text, const char *expected)
{
	check_bytes(text, strlen(text), expected);
}

START_TEST(one_object_on_a_line_is_one_event)
{
	check("{\"time\":1469501107,\"action\":\"Open\"}\n{\"action\":\"Close\",\"time\":5}\n",
		"event 1 0 1469501107000000 'Open'\n"
		"event 2 36 5000000 'Close'\n"
		"settled 64 line 3\n");
}
END_TEST

START_TEST(the_last_line_of_a_file_needs_no_newline)
{
	check("{\"time\":1}\n{\"time\":2}", "event 1 0 1000000 NULL\nevent 2 11 2000000 NULL\n"
					    "settled 21 line 2 mid-line\n");
}
END_TEST

START_TEST(a_carriage_return_before_the_newline_is_white_space)
{
	check("{\"time\":1}\r\n\r\n{\"time\":2}\r\n",
		"event 1 0 1000000 NULL\nevent 3 14 2000000 NULL\nsettled 26 line 4\n");
}
END_TEST

START_TEST(white_space_alone_is_no_event_and_no_reject)
{
	check(" \t\r\n\n   \n \t", "settled 11 line 4\n");
	check("", "settled 0 line 1\n");
}
END_TEST

START_TEST(a_byte_order_mark_is_passed_at_the_start_of_the_file_only)
{
	check("\xEF\xBB\xBF{\"time\":1}\n", "event 1 3 1000000 NULL\nsettled 14 line 2\n");
	check("\xEF\xBB\xBF", "settled 3 line 1\n");
	check("\xEF\xBB\xBF\n", "settled 4 line 2\n");
	check("\xEF\xBB", "settled 0 line 1\n");
	check("\xEF\xBB\n", "reject 1 0 bad_json \xEF\xBB\nsettled 3 line 2\n");
	check("\n\xEF\xBB\xBF{\"time\":1}\n",
		"reject 2 1 bad_json \xEF\xBB\xBF{\"time\":1}\nsettled 15 line 3\n");
	check("\xEF\xBB\xBF\xEF\xBB\xBF\n", "reject 1 3 bad_json \xEF\xBB\xBF\nsettled 7 line 2\n");
}
END_TEST

START_TEST(a_top_level_array_gives_one_event_per_object_in_it)
{
	check("[{\"time\":1},{\"time\":2}]\n",
		"event 1 1 1000000 NULL\nevent 1 12 2000000 NULL\nsettled 24 line 2\n");
	check(" [ {\"time\":1} , 7, \"x\", null, [{\"time\":3}], true, {\"time\":2} ] "
	      "{\"time\":4}\n",
		"event 1 3 1000000 NULL\n"
		"reject 1 16 not_an_object 7\n"
		"reject 1 19 not_an_object \"x\"\n"
		"reject 1 24 not_an_object null\n"
		"reject 1 30 not_an_object [{\"time\":3}]\n"
		"reject 1 44 not_an_object true\n"
		"event 1 50 2000000 NULL\n"
		"event 1 63 4000000 NULL\n"
		"settled 74 line 2\n");
	check("[]\n[ ]", "settled 6 line 2 mid-line\n");
}
END_TEST

START_TEST(several_values_back_to_back_are_an_event_each)
{
	check("{\"time\":1,\"action\":\"a\"}{\"time\":2,\"action\":\"a\"}\n{\"time\":3} "
	      "\t{\"time\":4}",
		"event 1 0 1000000 'a'\nevent 1 23 2000000 'a'\n"
		"event 2 47 3000000 NULL\nevent 2 59 4000000 NULL\n"
		"settled 69 line 2 mid-line\n");
}
END_TEST

START_TEST(a_value_then_garbage_counts_and_the_rest_of_the_line_is_one_bad_json)
{
	check("{\"time\":1} trailing {\"time\":2} \t\r\n{\"time\":3}\n",
		"event 1 0 1000000 NULL\n"
		"reject 1 11 bad_json trailing {\"time\":2}\n"
		"event 2 34 3000000 NULL\n"
		"settled 45 line 3\n");
	check("{\"time\":1},\n{\"time\":2}}}\n",
		"event 1 0 1000000 NULL\nreject 1 10 bad_json ,\n"
		"event 2 12 2000000 NULL\nreject 2 22 bad_json }}\nsettled 25 line 3\n");
}
END_TEST

START_TEST(a_scalar_is_not_an_object)
{
	check("123\n\"x\"\ntrue\nfalse\nnull\n-1.5e3 \n",
		"reject 1 0 not_an_object 123\nreject 2 4 not_an_object \"x\"\n"
		"reject 3 8 not_an_object true\nreject 4 13 not_an_object false\n"
		"reject 5 19 not_an_object null\nreject 6 24 not_an_object -1.5e3\n"
		"settled 32 line 7\n");
}
END_TEST

START_TEST(every_complete_value_of_a_line_is_judged_by_itself_scalars_too)
{
	check("1 \"a\"{\"time\":1}true[2]\n",
		"reject 1 0 not_an_object 1\nreject 1 2 not_an_object \"a\"\n"
		"event 1 5 1000000 NULL\nreject 1 15 not_an_object true\n"
		"reject 1 20 not_an_object 2\nsettled 23 line 2\n");
}
END_TEST

START_TEST(a_line_of_text_is_one_bad_json)
{
	check("2016-07-26 02:45:07 started\n007\ntruefalse\n<html>\n",
		"reject 1 0 bad_json 2016-07-26 02:45:07 started\n"
		"reject 2 28 bad_json 007\nreject 3 32 bad_json truefalse\n"
		"reject 4 42 bad_json <html>\nsettled 49 line 5\n");
}
END_TEST

START_TEST(a_malformed_value_costs_its_line_and_never_the_next)
{
	check("{\"time\":1,\"action\":\"Op\n{\"time\":2}\n{\"time\":14695\n{\"time\":3}\n",
		"reject 1 0 bad_json {\"time\":1,\"action\":\"Op\n"
		"event 2 23 2000000 NULL\n"
		"reject 3 34 bad_json {\"time\":14695\n"
		"event 4 48 3000000 NULL\nsettled 59 line 5\n");
	check_bytes("{\"time\":1}\0{\"time\":2}\n", 22,
		"event 1 0 1000000 NULL\nreject 1 10 bad_json <NUL>{\"time\":2}\nsettled 22 line "
		"2\n");
}
END_TEST

static const char *const strict_rows[] = {
	"{\"time\":01}",
	"{\"time\":1,}",
	"{\"time\":1 \"action\":\"a\"}",
	"{'time':1}",
	"{time:1}",
	"{\"time\":NaN}",
	"{\"time\":1/**/}",
	"{\"time\":+1}",
	"{\"time\":.5}",
	"{\"time\":5.}",
	"{\"time\":1,\"x\":\"a\tb\"}",
	"{\"time\":1,\"x\":\"a\\qb\"}",
	"{\"time\":1]",
	"{\"time\":1,\"x\":\"\xFF\"}",
	"{\"time\":1,\"x\":{\"y\":[\"\xC0\x80\"]}}",
	"{\"time\":1,\"\xED\xA0\x80\":1}",
	"{\"time\":0x1F}",
	"{\"time\":-Infinity}",
	"{\"time\":1e}",
	"\xC2\xA0{\"time\":1}",
	"{\"time\":1,\"x\":tru}",
	"{\"time\":1,\"x\":\"\\u12\"}",
};

START_TEST(a_value_is_strict_json_also_in_fields_that_nobody_reads)
{
	char text[128], expected[128];
	const char *row = strict_rows[_i];

	(void)snprintf(text, sizeof(text), "%s\n", row);
	(void)snprintf(expected, sizeof(expected), "reject 1 0 bad_json %s\nsettled %zu line 2\n",
		row, strlen(text));
	check(text, expected);
}
END_TEST

START_TEST(an_array_that_breaks_off_is_one_bad_json_and_none_of_its_elements_counts)
{
	check("[{\"time\":1},{\"time\":2},\n{\"time\":3}\n",
		"reject 1 0 bad_json [{\"time\":1},{\"time\":2},\n"
		"event 2 24 3000000 NULL\nsettled 35 line 3\n");
	check("[{\"time\":1},7 8]\n[{\"time\":1},]\n[,1]\n[{\"time\":1}}\n[\n",
		"reject 1 0 bad_json [{\"time\":1},7 8]\nreject 2 17 bad_json [{\"time\":1},]\n"
		"reject 3 31 bad_json [,1]\nreject 4 36 bad_json [{\"time\":1}}\n"
		"reject 5 49 bad_json [\nsettled 51 line 6\n");
	check("{\"time\":1}[{\"time\":2},tru]{\"time\":3}\n",
		"event 1 0 1000000 NULL\nreject 1 10 bad_json [{\"time\":2},tru]{\"time\":3}\n"
		"settled 37 line 2\n");
}
END_TEST

START_TEST(an_unfinished_array_stays_in_front_of_the_settled_position)
{
	check("{\"time\":1} [{\"time\":2},{\"time\":3}",
		"event 1 0 1000000 NULL\nsettled 11 line 1 mid-line\n");
	check("\n[{\"time\":2}", "settled 1 line 2\n");
}
END_TEST

START_TEST(an_unfinished_refused_line_stays_in_front_of_the_settled_position)
{
	check("{\"time\":1} x {\"time\":2}",
		"event 1 0 1000000 NULL\nsettled 11 line 1 mid-line\n");
	check("[{\"time\":1},x", "settled 0 line 1\n");
}
END_TEST

START_TEST(complete_objects_and_arrays_of_an_unfinished_line_count_at_once)
{
	check("{\"time\":1}[{\"time\":2}]{\"time\":",
		"event 1 0 1000000 NULL\nevent 1 11 2000000 NULL\nsettled 22 line 1 mid-line\n");
}
END_TEST

START_TEST(a_scalar_at_the_very_end_waits_for_the_end_of_its_line)
{
	check("12", "settled 0 line 1\n");
	check("\"a\"", "settled 0 line 1\n");
	check("{\"time\":1} true", "event 1 0 1000000 NULL\nsettled 11 line 1 mid-line\n");
	check("12 ", "reject 1 0 not_an_object 12\nsettled 3 line 1 mid-line\n");
	check("[1]", "reject 1 1 not_an_object 1\nsettled 3 line 1 mid-line\n");
}
END_TEST

static void limit_events(void)
{
	shape.max_event_bytes = 20;
}

START_TEST(a_value_over_max_event_bytes_is_rejected_and_a_line_of_many_small_ones_is_not)
{
	check("{\"time\":1,\"a\":\"1234\"}\n{\"time\":1,\"a\":\"123\"}\n",
		"reject 1 0 event_too_long {\"time\":1,\"a\":\"1234\"}\n"
		"event 2 22 1000000 NULL\nsettled 43 line 3\n");
	check("{\"time\":1}{\"time\":2}{\"time\":3}{\"time\":4}\n",
		"event 1 0 1000000 NULL\nevent 1 10 2000000 NULL\nevent 1 20 3000000 NULL\n"
		"event 1 30 4000000 NULL\nsettled 41 line 2\n");
	check("{\"time\":1,\"a\":\"1234\"}{\"time\":2}\n{\"time\":3}\n",
		"reject 1 0 event_too_long {\"time\":1,\"a\":\"1234\"}{\"time\":2}\n"
		"event 2 32 3000000 NULL\nsettled 43 line 3\n");
}
END_TEST

START_TEST(a_scalar_over_max_event_bytes_is_too_long_and_one_at_the_limit_is_not)
{
	check("123456789012345678901\n12345678901234567890\n\"abcdefghijklmnopqr\"\n"
	      "\"abcdefghijklmnopqrs\"\n",
		"reject 1 0 event_too_long 123456789012345678901\n"
		"reject 2 22 not_an_object 12345678901234567890\n"
		"reject 3 43 not_an_object \"abcdefghijklmnopqr\"\n"
		"reject 4 64 event_too_long \"abcdefghijklmnopqrs\"\nsettled 86 line 5\n");
}
END_TEST

START_TEST(what_is_malformed_within_the_limit_is_bad_json_and_behind_it_too_long)
{
	check("{\"time\":1,\"a\":\"12\"x}}\n{\"time\":1,\"a\":\"123\"x}}\n{\"time\":1,\"a\":"
	      "\"12345x}}\n",
		"reject 1 0 bad_json {\"time\":1,\"a\":\"12\"x}}\n"
		"reject 2 22 bad_json {\"time\":1,\"a\":\"123\"x}}\n"
		"reject 3 45 event_too_long {\"time\":1,\"a\":\"12345x}}\n"
		"settled 69 line 4\n");
}
END_TEST

START_TEST(an_element_over_the_limit_makes_the_array_one_event_too_long)
{
	check("[{\"time\":1},{\"time\":2,\"a\":\"1234\"},{\"time\":3}]\n"
	      "[{\"time\":1,\"a\":\"123\"},{\"time\":2}]\n",
		"reject 1 0 event_too_long "
		"[{\"time\":1},{\"time\":2,\"a\":\"1234\"},{\"time\":3}]\n"
		"event 2 47 1000000 NULL\nevent 2 68 2000000 NULL\nsettled 80 line 3\n");
}
END_TEST

/* Long lines of one byte value behind a beginning; judged in pieces of 4 KiB. */
static void judge_long(struct judged *judged, const char *begin, size_t n, const char *end)
{
	size_t len = strlen(begin) + n + strlen(end);
	size_t n_cuts = len / 4096;
	char *bytes = malloc(len);
	size_t *cuts = malloc((n_cuts + 1) * sizeof(*cuts));
	size_t i;

	ck_assert(bytes != NULL && cuts != NULL);
	memset(bytes, 'x', len);
	memcpy(bytes, begin, strlen(begin));
	memcpy(bytes + len - strlen(end), end, strlen(end));
	for (i = 0; i < n_cuts; i++)
		cuts[i] = (i + 1) * 4096;
	judge_in_pieces(judged, &shape, bytes, len, cuts, n_cuts);
	free(bytes);
	free(cuts);
}

START_TEST(a_value_over_the_limit_is_never_held_whole)
{
	struct judged judged;

	shape.max_event_bytes = 100000;
	judge_long(&judged, "{\"time\":1,\"a\":\"", 3000000, "\"}\n{\"time\":2}\n");
	ck_assert_uint_le(judged.max_held, 100001 + 4096);
	ck_assert_ptr_nonnull(
		strstr(judged.text.data, "reject 1 0 event_too_long {\"time\":1,\"a\":\"xxx"));
	ck_assert_ptr_nonnull(
		strstr(judged.text.data, "event 2 3000018 2000000 NULL\nsettled 3000029 line 3\n"));
	judged_fini(&judged);
}
END_TEST

START_TEST(the_garbage_of_a_long_line_is_neither_held_nor_left_unsettled)
{
	struct judged judged;

	shape.max_event_bytes = 100000;
	judge_long(&judged, "{\"time\":1} ", 3000000, "");
	ck_assert_uint_le(judged.max_held, 4096);
	ck_assert_ptr_nonnull(strstr(judged.text.data, "reject 1 11 bad_json xxx"));
	ck_assert_ptr_nonnull(strstr(judged.text.data, "\nsettled 3000011 line 1 skip-line\n"));
	judged_fini(&judged);
	judge_long(&judged, "{\"time\":1} ", 99999, "");
	ck_assert_str_eq(judged.text.data, "event 1 0 1000000 NULL\nsettled 11 line 1 mid-line\n");
	judged_fini(&judged);
}
END_TEST

/*
 * Read again for every piece, this would be tens
 * of gigabytes and the test would not end in time.
 */
START_TEST(a_long_value_in_small_pieces_is_not_read_again_for_each)
{
	struct judged judged;

	shape.max_event_bytes = 64 << 20;
	judge_long(&judged, "{\"time\":1,\"a\":\"", 24 << 20, "\"}\n");
	ck_assert_str_eq(judged.text.data, "event 1 0 1000000 NULL\nsettled 25165842 line 2\n");
	judged_fini(&judged);
}
END_TEST

START_TEST(the_text_of_a_reject_is_its_first_1024_bytes)
{
	struct judged judged;
	const char *text;

	judge_long(&judged, "{", 5000, "\n");
	text = strchr(judged.text.data, '{');
	ck_assert_uint_eq(strcspn(text, "\n"), REJECT_TEXT_MAX_BYTES);
	judged_fini(&judged);
	judge_long(&judged, "{\"", 5000, "\":1}\n");
	text = strchr(judged.text.data, '{');
	ck_assert_uint_eq(strcspn(text, "\n"), REJECT_TEXT_MAX_BYTES);
	judged_fini(&judged);
}
END_TEST

START_TEST(a_line_break_at_every_place_of_the_skipped_rest_ends_it)
{
	static const struct position start = {.line = 5, .flags = POSITION_SKIP_LINE};
	struct judge *judge = judge_new(&shape);
	const char *text = "rest of it {\"time\":1}\n \n";
	struct judge_sink sink = {0};
	struct err err = ERR_INIT;
	struct position at;
	size_t consumed;

	/* No callback is there to be called. */
	judge_begin(judge, &start, 100);
	ck_assert_int_eq(judge_feed(judge, text, 21, true, &consumed, &sink, &err), 0);
	ck_assert_uint_eq(consumed, 21);
	ck_assert_int_eq(judge_settled(judge, &at), 21);
	ck_assert_int_eq(at.line, 5);
	ck_assert_uint_eq(at.flags, POSITION_SKIP_LINE);
	ck_assert_int_eq(judge_feed(judge, text + 21, 3, true, &consumed, &sink, &err), 0);
	ck_assert_int_eq(judge_settled(judge, &at), 24);
	ck_assert_int_eq(at.line, 7);
	ck_assert_uint_eq(at.flags, 0);
	ck_assert_int_eq(judge_lines(judge), 2);
	judge_free(judge);
}
END_TEST

static int refuse_event(void *context, const struct event *event)
{
	(void)context;
	return (int)event->line;
}

START_TEST(what_a_callback_returns_ends_the_feed)
{
	const struct judge_sink sink = {.on_event = refuse_event};
	struct judge *judge = judge_new(&shape);
	const char *text = "\n\n{\"time\":1}\n{\"time\":2}\n";
	struct err err = ERR_INIT;
	size_t consumed;

	ck_assert_int_eq(judge_feed(judge, text, strlen(text), true, &consumed, &sink, &err), 3);
	judge_begin(judge, &POSITION_START, 0);
	ck_assert_int_eq(judge_feed(judge, text, 2, true, &consumed, &sink, &err), 0);
	judge_free(judge);
}
END_TEST

START_TEST(nesting_goes_to_a_thousand_levels_in_objects_and_in_arrays)
{
	char text[4096];
	struct judged judged;
	int depth, i, n;
	bool is_array;

	for (is_array = false;; is_array = true) {
		for (depth = EVENT_MAX_DEPTH; depth <= EVENT_MAX_DEPTH + 1; depth++) {
			n = snprintf(
				text, sizeof(text), "%s{\"time\":1,\"a\":", is_array ? "[" : "");
			for (i = is_array ? 2 : 1; i < depth; i++)
				text[n++] = '[';
			for (i = is_array ? 2 : 1; i < depth; i++)
				text[n++] = ']';
			n += snprintf(
				text + n, sizeof(text) - (size_t)n, "}%s\n", is_array ? "]" : "");
			judge_in_pieces(&judged, &shape, text, (size_t)n, NULL, 0);
			ck_assert_int_eq(strncmp(judged.text.data, "event", 5) == 0,
				depth == EVENT_MAX_DEPTH);
			if (depth > EVENT_MAX_DEPTH)
				ck_assert_ptr_nonnull(strstr(judged.last.detail, "1,000 levels"));
			judged_fini(&judged);
		}
		if (is_array)
			break;
	}
}
END_TEST

START_TEST(names_are_compared_after_unescaping_and_with_regard_to_case)
{
	check("{\"t\\u0069me\":1,\"\\u0061ction\":\"a\"}\n{\"Time\":1}\n{\"time\":1,\"ACTION\":"
	      "\"a\"}\n",
		"event 1 0 1000000 'a'\nreject 2 34 no_time {\"Time\":1}\n"
		"event 3 45 1000000 NULL\nsettled 69 line 4\n");
}
END_TEST

START_TEST(names_are_looked_for_at_the_top_level_only)
{
	check("{\"x\":{\"time\":1,\"action\":\"a\"},\"y\":[{\"time\":1}]}\n"
	      "{\"x\":{\"action\":\"a\"},\"time\":1}\n",
		"reject 1 0 no_time {\"x\":{\"time\":1,\"action\":\"a\"},\"y\":[{\"time\":1}]}\n"
		"event 2 47 1000000 NULL\nsettled 77 line 3\n");
}
END_TEST

START_TEST(the_last_duplicate_wins)
{
	check("{\"time\":1,\"time\":2,\"action\":\"a\",\"action\":\"b\"}\n"
	      "{\"time\":1,\"t\\u0069me\":3,\"action\":\"a\",\"action\":null}\n"
	      "{\"time\":1,\"time\":null}\n{\"time\":true,\"time\":4}\n",
		"event 1 0 2000000 'b'\nevent 2 46 3000000 NULL\n"
		"reject 3 98 no_time {\"time\":1,\"time\":null}\n"
		"event 4 121 4000000 NULL\nsettled 144 line 5\n");
}
END_TEST

START_TEST(a_dotted_path_reaches_inside_objects_and_the_last_object_wins_whole)
{
	static const char *const fields[] = {"user.id", "user.name.first", "user", "action"};

	shape.time_field = "meta.at";
	shape.fields = fields;
	shape.n_fields = 4;
	check("{\"meta\":{\"at\":1},\"user\":{\"id\":7,\"name\":{\"first\":\"A\\u0062\"}}}\n",
		"event 1 0 1000000 '7' 'Ab' '{\"id\":7,\"name\":{\"first\":\"A\\u0062\"}}' NULL\n"
		"settled 61 line 2\n");
	check("{\"meta\":{\"at\":1,\"at\":2},\"user\":{\"id\":1},\"user\":{\"name\":3}}\n",
		"event 1 0 2000000 NULL NULL '{\"name\":3}' NULL\nsettled 59 line 2\n");
	check("{\"meta\":{\"at\":1},\"user\":[{\"id\":1}],\"user.id\":5}\n{\"meta\":5}\n{\"meta."
	      "at\":5}\n",
		"event 1 0 1000000 NULL NULL '[{\"id\":1}]' NULL\n"
		"reject 2 48 no_time {\"meta\":5}\nreject 3 59 no_time {\"meta.at\":5}\n"
		"settled 73 line 4\n");
}
END_TEST

START_TEST(the_reasons_have_the_names_of_the_contract)
{
	static const char *const names[] = {"bad_json", "not_an_object", "event_too_long",
		"no_time", "bad_time", "group_too_long"};
	int i;

	ck_assert_int_eq(REJECT_REASONS, 6);
	for (i = 0; i < REJECT_REASONS; i++)
		ck_assert_str_eq(reject_reason_name((enum reject_reason)i), names[i]);
}
END_TEST

START_TEST(the_detail_of_a_bad_json_names_the_place_and_what_is_wrong)
{
	static const struct {
		const char *text, *detail;
	} rows[] = {
		{"{\"time\":01}\n", "a number with a leading zero at byte 10 of this"},
		{"{\"a\":1\n", "the line ends inside a value at byte 7 of this"},
		{"[1,{\"a\":\"\x01\"}]\n", "a control character in a string at byte 10 of this"},
		{"[1,2\n", "the line ends inside an array at byte 5 of this"},
		{"[1 2]\n", "a comma or the closing bracket is expected at byte 4 of this"},
		{"{\"a\":1} x\n", "a value is expected at byte 1 of this"},
		{"\xff\xfe{\n",
			"UTF-16, by its first bytes; JSON is UTF-8 (iconv -f UTF-16 -t UTF-8 "
			"makes it so)"},
		{"{}\n\xff\xfe{\n", "a value is expected at byte 1 of this"},
	};
	struct judged judged;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		judge_in_pieces(&judged, &shape, rows[i].text, strlen(rows[i].text), NULL, 0);
		ck_assert_str_eq(judged.last.detail, rows[i].detail);
		judged_fini(&judged);
	}
}
END_TEST

struct time_row {
	const char *value;
	enum time_unit unit;
	int64_t us;
};

static void check_time(const struct time_row *row)
{
	char text[128], expected[128];

	shape.time_unit = row->unit;
	(void)snprintf(text, sizeof(text), "{\"time\":%s}\n", row->value);
	(void)snprintf(expected, sizeof(expected), "event 1 0 %lld NULL\nsettled %zu line 2\n",
		(long long)row->us, strlen(text));
	check(text, expected);
}

static const struct time_row integer_rows[] = {
	{"1469501107", TIME_UNIT_S, 1469501107000000},
	{"1469501107123", TIME_UNIT_MS, 1469501107123000},
	{"1469501107123456", TIME_UNIT_US, 1469501107123456},
	{"1469501107123456789", TIME_UNIT_NS, 1469501107123456},
	{"-1469501107123456789", TIME_UNIT_NS, -1469501107123457},
	{"0", TIME_UNIT_S, 0},
	{"-0", TIME_UNIT_S, 0},
	{"-1", TIME_UNIT_S, -1000000},
	{"-62135596800", TIME_UNIT_S, -62135596800000000},
	{"253402300799", TIME_UNIT_S, 253402300799000000},
};

START_TEST(an_integer_is_whole_units_since_1970)
{
	check_time(&integer_rows[_i]);
}
END_TEST

static const struct time_row decimal_rows[] = {
	{"1469501107.5", TIME_UNIT_S, 1469501107500000},
	{"1469501107.123456", TIME_UNIT_S, 1469501107123456},
	{"1469501107.1234569", TIME_UNIT_S, 1469501107123456},
	{"-0.0000001", TIME_UNIT_S, -1},
	{"-0.0", TIME_UNIT_S, 0},
	{"0.1", TIME_UNIT_S, 100000},
	{"0.3", TIME_UNIT_S, 300000},
	{"1e9", TIME_UNIT_S, 1000000000000000},
	{"1.469501107E+9", TIME_UNIT_S, 1469501107000000},
	{"1469501107000e-3", TIME_UNIT_S, 1469501107000000},
	{"1469501107123.9999", TIME_UNIT_MS, 1469501107123999},
	{"0e99999999999999999999", TIME_UNIT_S, 0},
	{"1e-99999999999999999999", TIME_UNIT_S, 0},
	{"253402300799.9999999", TIME_UNIT_S, 253402300799999999},
};

START_TEST(a_decimal_or_exponent_is_exact_and_floored_to_microseconds)
{
	check_time(&decimal_rows[_i]);
}
END_TEST

static const struct time_row string_rows[] = {
	{"\"2016-07-26\"", TIME_UNIT_MS, 1469491200000000},
	{"\"2016-07-26T02:45:07Z\"", TIME_UNIT_S, 1469501107000000},
	{"\"2016-07-26 02:45\"", TIME_UNIT_S, 1469501100000000},
	{"\"2016-7-6 2:45:07.25-05:30\"", TIME_UNIT_S, 1467792907250000},
	{"\"2016-07-26+02\"", TIME_UNIT_S, 1469484000000000},
	{"\"2016\\u002d07-26T02:45:07\\u005A\"", TIME_UNIT_S, 1469501107000000},
};

START_TEST(a_string_is_a_date_then_a_time_then_a_zone)
{
	check_time(&string_rows[_i]);
}
END_TEST

static const struct {
	const char *value;
	const char *detail; /* a part of it */
	enum time_unit unit;
} bad_time_rows[] = {
	{"true", "the time is true", TIME_UNIT_S},
	{"false", "the time is false", TIME_UNIT_S},
	{"[1]", "the time is an array", TIME_UNIT_S},
	{"{\"a\":1}", "the time is an object", TIME_UNIT_S},
	{"\"\"", "\"\" is no time", TIME_UNIT_S},
	{"\"2016-02-30\"", "\"2016-02-30\" is no time", TIME_UNIT_S},
	{"\"2016-07-26t02:45\"", "is no time", TIME_UNIT_S},
	{"\"2016-07-26T24:00\"", "is no time", TIME_UNIT_S},
	{"\"2016-07-26T23:59:60\"", "is no time", TIME_UNIT_S},
	{"\"2016-07-26T02:45:07.\"", "is no time", TIME_UNIT_S},
	{"\" 2016-07-26\"", "is no time", TIME_UNIT_S},
	{"\"2016-07-26T02:45+18:01\"", "is no time", TIME_UNIT_S},
	{"\"0000-01-01\"", "is no time from year 0001", TIME_UNIT_S},
	{"\"10000-01-01\"", "is no time from year 0001", TIME_UNIT_S},
	{"\"2016-07-26\\u0000\"", "\"2016-07-26\\u0000\" is no time", TIME_UNIT_S},
	{"\"1469501107\"", "a number in quotes", TIME_UNIT_S},
	{"\"an endless text of more than any sentence could show\"", "than an...", TIME_UNIT_S},
	{"1469501107000", "in ms it is 2016-07-26 02:45:07: time_unit = ms would read it",
		TIME_UNIT_S},
	{"1469501107000000", "time_unit = us would read it", TIME_UNIT_S},
	{"1469501107000000000", "time_unit = ns would read it", TIME_UNIT_S},
	{"1469501107000000", "time_unit = us would read it", TIME_UNIT_MS},
	{"253402300800", "time_unit = ms would read it", TIME_UNIT_S},
	{"-62135596801", "time_unit = ms would read it", TIME_UNIT_S},
	{"253402300800000000000", "(time_unit = ns) is outside the years 0001 to 9999",
		TIME_UNIT_NS},
	{"9223372036855", "time_unit = ms would read it", TIME_UNIT_S},
	{"99999999999999999999999999", "outside the years", TIME_UNIT_S},
	{"1e400", "outside the years", TIME_UNIT_S},
	{"-1e999999999999999999999", "outside the years", TIME_UNIT_S},
};

START_TEST(a_bad_time_is_rejected_with_what_would_be_right)
{
	char text[128], expected[160];
	struct judged judged;

	shape.time_unit = bad_time_rows[_i].unit;
	(void)snprintf(text, sizeof(text), "{\"time\":%s}\n", bad_time_rows[_i].value);
	(void)snprintf(expected, sizeof(expected),
		"reject 1 0 bad_time {\"time\":%s}\nsettled %zu line 2\n", bad_time_rows[_i].value,
		strlen(text));
	check(text, expected);
	judge_in_pieces(&judged, &shape, text, strlen(text), NULL, 0);
	ck_assert_msg(strstr(judged.last.detail, bad_time_rows[_i].detail) != NULL, "%s",
		judged.last.detail);
	judged_fini(&judged);
}
END_TEST

START_TEST(null_or_missing_time_is_no_time)
{
	check("{}\n{\"time\":null}\n{\"action\":\"a\"}\n",
		"reject 1 0 no_time {}\nreject 2 3 no_time {\"time\":null}\n"
		"reject 3 17 no_time {\"action\":\"a\"}\nsettled 32 line 4\n");
}
END_TEST

static const struct {
	const char *value;
	const char *shown;
} group_rows[] = {
	{"\"Open\"", "'Open'"},
	{"\"\"", "''"},
	{"null", "NULL"},
	{"1.50", "'1.50'"},
	{"1E+2", "'1E+2'"},
	{"-0", "'-0'"},
	{"true", "'true'"},
	{"false", "'false'"},
	{"{ \"a\" : [ 1 ] }", "'{ \"a\" : [ 1 ] }'"},
	{"[1, 2]", "'[1, 2]'"},
	{"[]", "'[]'"},
	{"\"a\\u0000b\"", "'a<NUL>b'"},
	{"\"\\ud83d\"", "'\xEF\xBF\xBD'"},
	{"\"\\ud83d\\ude00\"", "'\xF0\x9F\x98\x80'"},
	{"\"\xC3\xA4\\n\"", "'\xC3\xA4\n'"},
	{"\"null\"", "'null'"},
	{"123456789012345678", "'123456789012345678'"},
};

START_TEST(a_group_is_the_unescaped_string_or_the_source_text)
{
	char text[128], expected[160];

	(void)snprintf(text, sizeof(text), "{\"time\":1,\"action\":%s}\n", group_rows[_i].value);
	(void)snprintf(expected, sizeof(expected), "event 1 0 1000000 %s\nsettled %zu line 2\n",
		group_rows[_i].shown, strlen(text));
	check(text, expected);
}
END_TEST

START_TEST(a_group_of_65536_bytes_is_taken_and_a_longer_one_marked)
{
	struct judged judged;
	size_t n;

	for (n = EVENT_GROUP_MAX_BYTES - 1; n <= EVENT_GROUP_MAX_BYTES + 1; n++) {
		judge_long(&judged, "{\"time\":1,\"action\":\"", n, "\"}\n");
		ck_assert_int_eq(
			strstr(judged.text.data, "TOO LONG") != NULL, n > EVENT_GROUP_MAX_BYTES);
		judged_fini(&judged);
		/* One character in six bytes: what is measured is the unescaped text. */
		judge_long(&judged, "{\"time\":1,\"action\":\"\\u0041", n - 1, "\"}\n");
		ck_assert_int_eq(
			strstr(judged.text.data, "TOO LONG") != NULL, n > EVENT_GROUP_MAX_BYTES);
		judged_fini(&judged);
		/* Of an object it is the source text: {"":""} is seven bytes more. */
		judge_long(&judged, "{\"time\":1,\"action\":{\"\":\"", n - 7, "\"}}\n");
		ck_assert_int_eq(
			strstr(judged.text.data, "TOO LONG") != NULL, n > EVENT_GROUP_MAX_BYTES);
		judged_fini(&judged);
	}
}
END_TEST

START_TEST(a_group_of_escapes_alone_is_measured_unescaped)
{
	const char escape[] = "\\u0041";
	const char *begin = "{\"time\":1,\"action\":\"";
	struct judged judged;
	char *text = malloc(6 * (EVENT_GROUP_MAX_BYTES + 1) + 64);
	size_t n, len, i;

	ck_assert_ptr_nonnull(text);
	for (n = EVENT_GROUP_MAX_BYTES; n <= EVENT_GROUP_MAX_BYTES + 1; n++) {
		len = strlen(begin);
		memcpy(text, begin, len);
		for (i = 0; i < n; i++, len += 6)
			memcpy(text + len, escape, 6);
		memcpy(text + len, "\"}\n", 3);
		judge_in_pieces(&judged, &shape, text, len + 3, NULL, 0);
		ck_assert_int_eq(
			strstr(judged.text.data, "TOO LONG") != NULL, n > EVENT_GROUP_MAX_BYTES);
		judged_fini(&judged);
	}
	free(text);
}
END_TEST

START_TEST(a_too_long_group_can_be_made_a_reject)
{
	const struct event event = {.line = 3, .offset = 9, .json = "{}", .json_len = 2};
	struct reject reject;

	event_reject_group(&event, "user.id", &reject);
	ck_assert_int_eq(reject.reason, REJECT_GROUP_TOO_LONG);
	ck_assert_int_eq(reject.line, 3);
	ck_assert_int_eq(reject.offset, 9);
	ck_assert_uint_eq(reject.text_len, 2);
	ck_assert_str_eq(reject.detail, "the value of \"user.id\" is longer than 65536 bytes");
}
END_TEST

START_TEST(without_fields_there_is_one_group)
{
	shape.n_fields = 0;
	check("{\"time\":1,\"action\":\"a\"}\n", "event 1 0 1000000\nsettled 24 line 2\n");
}
END_TEST

START_TEST(random_pieces_of_json_are_judged_alike_wherever_they_are_cut)
{
	static const char *const pieces[] = {"{", "}", "[", "]", ",", ":", "\"time\"", "\"action\"",
		"{\"time\":1}", "{\"time\":2,\"action\":\"b\"}", "12", "-", "true", "null", "\"a",
		"\"", "\\", "\n", "\n", " ", "\xC3\xA4", "\xFF", "x", "[{\"time\":3},", "\r\n"};
	unsigned seed = 1000u * (unsigned)_i + 7;
	struct judged judged;
	char text[400], expected[16384];
	size_t len = 0;
	const char *piece;

	limit_events();
	shape.max_event_bytes = 30;
	while (len < 60 + (size_t)_i) {
		piece = pieces[(size_t)rand_r(&seed) % (sizeof(pieces) / sizeof(pieces[0]))];
		memcpy(text + len, piece, strlen(piece));
		len += strlen(piece);
	}
	judge_in_pieces(&judged, &shape, text, len, NULL, 0);
	ck_assert_uint_lt(judged.text.len, sizeof(expected));
	memcpy(expected, judged.text.data, judged.text.len);
	judged_fini(&judged);
	check_bytes(text, len, expected);
}
END_TEST

#define N(rows) ((int)(sizeof(rows) / sizeof((rows)[0])))

static TCase *line_tests(void)
{
	TCase *tcase = tcase_create("lines");

	tcase_add_test(tcase, one_object_on_a_line_is_one_event);
	tcase_add_test(tcase, the_last_line_of_a_file_needs_no_newline);
	tcase_add_test(tcase, a_carriage_return_before_the_newline_is_white_space);
	tcase_add_test(tcase, white_space_alone_is_no_event_and_no_reject);
	tcase_add_test(tcase, a_byte_order_mark_is_passed_at_the_start_of_the_file_only);
	tcase_add_test(tcase, a_top_level_array_gives_one_event_per_object_in_it);
	tcase_add_test(tcase, several_values_back_to_back_are_an_event_each);
	tcase_add_test(tcase, a_value_then_garbage_counts_and_the_rest_of_the_line_is_one_bad_json);
	tcase_add_test(tcase, a_scalar_is_not_an_object);
	tcase_add_test(tcase, every_complete_value_of_a_line_is_judged_by_itself_scalars_too);
	tcase_add_test(tcase, a_line_of_text_is_one_bad_json);
	tcase_add_test(tcase, a_malformed_value_costs_its_line_and_never_the_next);
	tcase_add_loop_test(
		tcase, a_value_is_strict_json_also_in_fields_that_nobody_reads, 0, N(strict_rows));
	tcase_add_test(
		tcase, an_array_that_breaks_off_is_one_bad_json_and_none_of_its_elements_counts);
	tcase_add_test(tcase, an_unfinished_array_stays_in_front_of_the_settled_position);
	tcase_add_test(tcase, an_unfinished_refused_line_stays_in_front_of_the_settled_position);
	tcase_add_test(tcase, complete_objects_and_arrays_of_an_unfinished_line_count_at_once);
	tcase_add_test(tcase, a_scalar_at_the_very_end_waits_for_the_end_of_its_line);
	tcase_add_test(tcase, a_line_break_at_every_place_of_the_skipped_rest_ends_it);
	tcase_add_test(tcase, what_a_callback_returns_ends_the_feed);
	tcase_add_test(tcase, nesting_goes_to_a_thousand_levels_in_objects_and_in_arrays);
	return tcase;
}

static TCase *limit_tests(void)
{
	TCase *tcase = tcase_create("limits");

	tcase_add_checked_fixture(tcase, limit_events, NULL);
	tcase_set_timeout(tcase, 600);
	tcase_add_test(tcase,
		a_value_over_max_event_bytes_is_rejected_and_a_line_of_many_small_ones_is_not);
	tcase_add_test(
		tcase, a_scalar_over_max_event_bytes_is_too_long_and_one_at_the_limit_is_not);
	tcase_add_test(
		tcase, what_is_malformed_within_the_limit_is_bad_json_and_behind_it_too_long);
	tcase_add_test(tcase, an_element_over_the_limit_makes_the_array_one_event_too_long);
	tcase_add_test(tcase, a_value_over_the_limit_is_never_held_whole);
	tcase_add_test(tcase, the_garbage_of_a_long_line_is_neither_held_nor_left_unsettled);
	tcase_add_test(tcase, a_long_value_in_small_pieces_is_not_read_again_for_each);
	tcase_add_test(tcase, the_text_of_a_reject_is_its_first_1024_bytes);
	tcase_add_loop_test(
		tcase, random_pieces_of_json_are_judged_alike_wherever_they_are_cut, 0, 60);
	return tcase;
}

static TCase *field_tests(void)
{
	TCase *tcase = tcase_create("fields");

	tcase_add_test(tcase, names_are_compared_after_unescaping_and_with_regard_to_case);
	tcase_add_test(tcase, names_are_looked_for_at_the_top_level_only);
	tcase_add_test(tcase, the_last_duplicate_wins);
	tcase_add_test(tcase, a_dotted_path_reaches_inside_objects_and_the_last_object_wins_whole);
	tcase_add_test(tcase, the_reasons_have_the_names_of_the_contract);
	tcase_add_test(tcase, the_detail_of_a_bad_json_names_the_place_and_what_is_wrong);
	tcase_add_loop_test(tcase, an_integer_is_whole_units_since_1970, 0, N(integer_rows));
	tcase_add_loop_test(tcase, a_decimal_or_exponent_is_exact_and_floored_to_microseconds, 0,
		N(decimal_rows));
	tcase_add_loop_test(tcase, a_string_is_a_date_then_a_time_then_a_zone, 0, N(string_rows));
	tcase_add_loop_test(
		tcase, a_bad_time_is_rejected_with_what_would_be_right, 0, N(bad_time_rows));
	tcase_add_test(tcase, null_or_missing_time_is_no_time);
	tcase_add_loop_test(
		tcase, a_group_is_the_unescaped_string_or_the_source_text, 0, N(group_rows));
	tcase_add_test(tcase, a_group_of_65536_bytes_is_taken_and_a_longer_one_marked);
	tcase_add_test(tcase, a_group_of_escapes_alone_is_measured_unescaped);
	tcase_add_test(tcase, a_too_long_group_can_be_made_a_reject);
	tcase_add_test(tcase, without_fields_there_is_one_group);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("event");

	suite_add_tcase(suite, line_tests());
	suite_add_tcase(suite, limit_tests());
	suite_add_tcase(suite, field_tests());
	return run_suite(suite);
}
