/*
 * Any bytes, judged: in one feed, cut in two at some places, in several
 * pieces, and as one batch after the other. All must decide the same, and no
 * way may hold more than it should. An input is a stream as it would stand in
 * a file; where it is cut follows from its bytes.
 */
#include "tests/stream/judged.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_CUTS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

static void must_be_same(const struct judged *whole, struct judged *other, const char *how)
{
	if (whole->text.len != other->text.len ||
		memcmp(whole->text.data, other->text.data, whole->text.len) != 0) {
		(void)fprintf(
			stderr, "%s:\n%s--- whole:\n%s", how, other->text.data, whole->text.data);
		abort();
	}
	judged_fini(other);
}

static int by_value(const void *a, const void *b)
{
	const size_t *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

static void judge_every_way(const struct event_shape *shape, const char *data, size_t len)
{
	struct judged whole, other;
	uint64_t random = len;
	size_t cuts[N_CUTS];
	size_t i;

	for (i = 0; i < len; i++)
		random = random * 31 + (unsigned char)data[i];
	judge_in_pieces(&whole, shape, data, len, NULL, 0);
	for (i = 0; i < N_CUTS; i++) {
		cuts[i] = next_random(&random) % (len + 1);
		judge_in_pieces(&other, shape, data, len, &cuts[i], 1);
		must_be_same(&whole, &other, "two pieces");
		judge_in_batches(&other, shape, data, len, &cuts[i], 1);
		must_be_same(&whole, &other, "two batches");
	}
	qsort(cuts, N_CUTS, sizeof(cuts[0]), by_value);
	judge_in_pieces(&other, shape, data, len, cuts, N_CUTS);
	must_be_same(&whole, &other, "pieces");
	judge_in_batches(&other, shape, data, len, cuts, N_CUTS);
	must_be_same(&whole, &other, "batches");
	judged_fini(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const action[] = {"action"};
	static const char *const paths[] = {"user.id", "user", "a.b.c", "action"};
	const struct event_shape usual = {"time", TIME_UNIT_S, 16 << 20, action, 1};
	const struct event_shape tight = {"time", TIME_UNIT_MS, 40, paths, 4};

	judge_every_way(&usual, (const char *)data, size);
	judge_every_way(&tight, (const char *)data, size);
	return 0;
}
