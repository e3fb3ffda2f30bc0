/* Session windows: merging in any order, and batches taken back. */
#include "stream/session.h"

#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP  10
#define SPAN 400 /* times 0 … SPAN-1 */
#define TEXT 8192

static void add(struct sessions *sessions, uint32_t group, int64_t time_us)
{
	struct session_point point = {.time_us = time_us, .count = 1};
	struct err err = ERR_INIT;

	ck_assert_int_eq(sessions_add(sessions, group, &point, 1, &err), 0);
}

/* `start-end:count ` for every session of the group. */
static void show(const struct sessions *sessions, uint32_t group, char *text)
{
	struct session *list;
	uint32_t n = sessions_of_group(sessions, group, &list);
	size_t len = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < n; i++)
		len += (size_t)snprintf(text + len, TEXT - len, "%ld-%ld:%lu ",
			(long)list[i].start_us, (long)list[i].end_us, (unsigned long)list[i].count);
}

/* The same from counts per time: a plain walk. */
static void show_expected(const uint64_t *counts, char *text)
{
	int64_t start = 0;
	int64_t end = INT64_MIN;
	uint64_t count = 0;
	size_t len = 0;

	text[0] = '\0';
	for (int64_t t = 0; t <= SPAN + GAP; t++) {
		uint64_t n = t < SPAN ? counts[t] : 0;

		if (count > 0 && (t > end || t == SPAN + GAP)) {
			len += (size_t)snprintf(text + len, TEXT - len, "%ld-%ld:%lu ", (long)start,
				(long)end, (unsigned long)count);
			count = 0;
		}
		if (n == 0)
			continue;
		if (count == 0)
			start = t;
		end = t + GAP;
		count += n;
	}
}

START_TEST(events_exactly_one_gap_apart_are_one_session_and_a_microsecond_more_are_two)
{
	struct sessions *sessions = sessions_new(GAP);
	char text[TEXT];

	add(sessions, 0, 100);
	add(sessions, 0, 110);
	add(sessions, 0, 131);
	show(sessions, 0, text);
	ck_assert_str_eq(text, "100-120:2 131-141:1 ");
	/* Ten before the first joins it, eleven before that does not. */
	add(sessions, 0, 90);
	add(sessions, 0, 79);
	show(sessions, 0, text);
	ck_assert_str_eq(text, "79-89:1 90-120:3 131-141:1 ");
	/* One event between two sessions makes them one. */
	add(sessions, 0, 121);
	show(sessions, 0, text);
	ck_assert_str_eq(text, "79-89:1 90-120:3 121-141:2 ");
	add(sessions, 0, 120);
	show(sessions, 0, text);
	ck_assert_str_eq(text, "79-89:1 90-141:6 ");
	ck_assert_uint_eq(sessions_count(sessions), 2);
	sessions_accept(sessions);
	sessions_free(sessions);
}
END_TEST

struct mirror {
	char keys[TEXT];
	struct session rows[SPAN];
};

/* Applies a change to an array by start, checking that `before` is what stood there. */
static int apply(void *context, uint32_t group, const struct session *before,
	const struct session *after, struct err *err)
{
	struct mirror *mirror = (struct mirror *)context + group;
	int64_t start = before->count > 0 ? before->start_us : after->start_us;
	struct session *row = &mirror->rows[start];

	(void)err;
	ck_assert_uint_eq(row->count, before->count);
	if (before->count > 0)
		ck_assert_int_eq(row->end_us, before->end_us);
	*row = after->count > 0 ? *after : (struct session){0};
	return 0;
}

static void show_mirror(const struct mirror *mirror, char *text)
{
	size_t len = 0;

	text[0] = '\0';
	for (int64_t t = 0; t < SPAN; t++) {
		if (mirror->rows[t].count > 0)
			len += (size_t)snprintf(text + len, TEXT - len, "%ld-%ld:%lu ", (long)t,
				(long)mirror->rows[t].end_us, (unsigned long)mirror->rows[t].count);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct session_point *one = a;
	const struct session_point *two = b;

	return one->time_us < two->time_us ? -1 : one->time_us > two->time_us;
}

/* Some points of one group: one by one in any order, or sorted as a whole. */
static void add_random(struct sessions *sessions, uint32_t group, uint64_t *counts)
{
	struct session_point points[12];
	size_t n = (size_t)rand() % 12 + 1;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < n; i++) {
		points[i].time_us = rand() % SPAN;
		points[i].count = (uint64_t)rand() % 3 + 1;
		counts[points[i].time_us] += points[i].count;
	}
	if (rand() % 2 == 0) {
		for (size_t i = 0; i < n; i++)
			ck_assert_int_eq(sessions_add(sessions, group, &points[i], 1, &err), 0);
		return;
	}
	qsort(points, n, sizeof(*points), by_time);
	ck_assert_int_eq(sessions_add(sessions, group, points, n, &err), 0);
}

START_TEST(any_order_and_any_cut_into_batches_gives_the_sessions_of_a_plain_walk)
{
	enum { GROUPS = 3 };

	static uint64_t counts[GROUPS][SPAN];
	static uint64_t before[GROUPS][SPAN];
	static struct mirror mirrors[GROUPS];
	char text[TEXT];
	char expected[TEXT];
	struct err err = ERR_INIT;

	for (unsigned seed = 1; seed <= 150; seed++) {
		struct sessions *sessions = sessions_new(GAP);

		srand(seed);
		memset(counts, 0, sizeof(counts));
		memset(mirrors, 0, sizeof(mirrors));
		for (int batch = 0; batch < 12; batch++) {
			bool keep = rand() % 3 != 0;

			memcpy(before, counts, sizeof(counts));
			for (int i = rand() % 4; i > 0; i--) {
				uint32_t group = (uint32_t)rand() % GROUPS;

				add_random(sessions, group, counts[group]);
			}
			if (keep) {
				ck_assert_int_eq(
					sessions_each_change(sessions, apply, mirrors, &err), 0);
				sessions_accept(sessions);
			} else {
				sessions_abandon(sessions);
				memcpy(counts, before, sizeof(counts));
			}
			for (uint32_t group = 0; group < GROUPS; group++) {
				show_expected(counts[group], expected);
				show(sessions, group, text);
				ck_assert_msg(strcmp(text, expected) == 0, "seed %u: %s, not %s",
					seed, text, expected);
				show_mirror(&mirrors[group], text);
				ck_assert_str_eq(text, expected);
			}
		}
		sessions_free(sessions);
	}
}
END_TEST

START_TEST(closing_takes_the_ended_sessions_out_and_abandoning_brings_them_back)
{
	struct sessions *sessions = sessions_new(GAP);
	struct err err = ERR_INIT;
	char text[TEXT];

	add(sessions, 0, 0);
	add(sessions, 0, 50);
	add(sessions, 1, 20);
	sessions_accept(sessions);
	ck_assert(!sessions_has_closed(sessions, 9));
	ck_assert(sessions_has_closed(sessions, 10));
	ck_assert_int_eq(sessions_close(sessions, 30, NULL, NULL, &err), 0);
	add(sessions, 0, 5);
	show(sessions, 0, text);
	ck_assert_str_eq(text, "5-15:1 50-60:1 ");
	ck_assert_uint_eq(sessions_count(sessions), 2);
	sessions_abandon(sessions);
	show(sessions, 0, text);
	ck_assert_str_eq(text, "0-10:1 50-60:1 ");
	show(sessions, 1, text);
	ck_assert_str_eq(text, "20-30:1 ");
	ck_assert_uint_eq(sessions_count(sessions), 3);
	ck_assert_int_eq(sessions_close(sessions, 30, NULL, NULL, &err), 0);
	sessions_accept(sessions);
	ck_assert_uint_eq(sessions_count(sessions), 1);
	ck_assert(!sessions_has_closed(sessions, 59));
	sessions_free(sessions);
}
END_TEST

START_TEST(an_event_would_open_a_session_only_where_none_is_within_reach)
{
	struct sessions *sessions = sessions_new(GAP);

	ck_assert(sessions_would_open(sessions, 4, 100));
	add(sessions, 4, 100);
	ck_assert(sessions_would_open(sessions, 4, 89));
	ck_assert(!sessions_would_open(sessions, 4, 90));
	ck_assert(!sessions_would_open(sessions, 4, 110));
	ck_assert(sessions_would_open(sessions, 4, 111));
	ck_assert(sessions_would_open(sessions, 3, 100));
	sessions_abandon(sessions);
	sessions_free(sessions);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tcase = tcase_create("session");

	tcase_add_test(
		tcase, events_exactly_one_gap_apart_are_one_session_and_a_microsecond_more_are_two);
	tcase_add_test(
		tcase, any_order_and_any_cut_into_batches_gives_the_sessions_of_a_plain_walk);
	tcase_add_test(tcase, closing_takes_the_ended_sessions_out_and_abandoning_brings_them_back);
	tcase_add_test(tcase, an_event_would_open_a_session_only_where_none_is_within_reach);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
