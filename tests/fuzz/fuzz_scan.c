/*
 * Any bytes, scanned on every level of the fast path that this processor has,
 * against the judge: whole, in two reads, in two appends and in slices. The
 * tables, the rejects and the places must be the same.
 *
 * The first byte of an input chooses what is counted, the second where it is
 * cut. The stream is the rest, between copies of its first line, as many as
 * the fast path needs to learn it and to have several cursors at work.
 */
#include "base/buf.h"
#include "base/timestamp.h"
#include "tests/stream/scanned.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of copies before and behind: more than a run for several cursors takes. */
#define COPIES_BYTES 4096
#define MAX_CUTS     3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const fields[] = {"action", "user.id", "status", "a"};

struct form {
	const char *time_field;
	enum time_unit unit;
	size_t n_fields;
	int64_t bucket_us;
	int64_t max_event_bytes;
};

static const struct form forms[] = {
	{"time", TIME_UNIT_S, 1, US_PER_HOUR, 16 << 20},
	{"time", TIME_UNIT_S, 1, 1, 16 << 20},
	{"t", TIME_UNIT_MS, 1, US_PER_HOUR, 16 << 20},
	{"t", TIME_UNIT_NS, 2, 250 * US_PER_MS, 16 << 20},
	{"time", TIME_UNIT_S, 3, US_PER_HOUR, 16 << 20},
	{"time", TIME_UNIT_US, 0, 7 * US_PER_DAY, 16 << 20},
	{"user.t", TIME_UNIT_S, 4, 60 * US_PER_S, 16 << 20},
	{"time", TIME_UNIT_S, 1, US_PER_HOUR, 40},
};
#define N_FORMS (sizeof(forms) / sizeof(*forms))

static void must_be_same(const char *is, const char *expected, const char *how)
{
	if (strcmp(is, expected) == 0)
		return;
	(void)fprintf(stderr, "%s:\n%s--- instead of\n%s", how, is, expected);
	abort();
}

static void add_copies(struct buf *bytes, const char *line, size_t len)
{
	for (size_t n = 0; len > 0 && n < COPIES_BYTES; n += len)
		buf_add(bytes, line, len);
}

static void scan_every_way(struct trial *trial, enum scan_level level, const char *expected,
	const char *appended, const char *sliced)
{
	uint64_t random = trial->feed_seed;
	struct scan *scan = scanned_warm(trial, trial->bytes, trial->len, level);
	char *is = scanned_whole(trial, level);

	must_be_same(is, expected, scan_level_name(level));
	free(is);
	for (int i = 0; i < MAX_CUTS; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		trial->cut = (random >> 33) % trial->len;
		is = scanned_again(scan, trial);
		must_be_same(is, expected, "two reads");
		free(is);
		is = scanned_appends(scan, trial, trial->cut);
		must_be_same(is, appended, "two appends");
		free(is);
		trial->cut = 0;
		is = scanned_slices(trial, level, 2 + (int)(random >> 40) % 9);
		must_be_same(is, sliced, "slices");
		free(is);
	}
	scan_free(scan);
}

static void scan_every_level(struct trial *trial)
{
	struct scan *judge = scan_new(&trial->shape, trial->bucket_us, SCAN_JUDGE);
	char *expected = scanned_whole(trial, SCAN_JUDGE);
	char *appended = scanned_appends(judge, trial, trial->len);
	char *sliced = scanned_slices(trial, SCAN_JUDGE, 1);

	scan_every_way(trial, SCAN_JUDGE, expected, appended, sliced);
	for (int i = 0; i < SCANNED_LEVELS; i++) {
		if (scan_level_is_available(scanned_levels[i]))
			scan_every_way(trial, scanned_levels[i], expected, appended, sliced);
	}
	scan_free(judge);
	free(expected);
	free(appended);
	free(sliced);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct form *form;
	const char *text, *newline;
	struct buf bytes = {0};
	struct trial trial;
	size_t len;

	if (size < 3)
		return 0;
	form = &forms[data[0] % N_FORMS];
	text = (const char *)data + 2;
	newline = memchr(text, '\n', size - 2);
	len = newline != NULL ? (size_t)(newline + 1 - text) : 0;
	add_copies(&bytes, text, len);
	buf_add(&bytes, text, size - 2);
	if (bytes.data[bytes.len - 1] == '\n')
		add_copies(&bytes, text, len);
	if (!buf_ok(&bytes))
		abort();
	trial = (struct trial){
		.shape = {form->time_field, form->unit, form->max_event_bytes, fields,
			form->n_fields},
		.bucket_us = form->bucket_us,
		.bytes = bytes.data,
		.len = bytes.len,
		.feed_seed = data[1],
		.at_end = true,
	};
	scan_every_level(&trial);
	buf_fini(&bytes);
	return 0;
}
