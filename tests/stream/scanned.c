/* See the header. Cells come in no promised order and in parts: they are sorted and added up. */
#include "tests/stream/scanned.h"

#include "base/buf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const enum scan_level scanned_levels[] = {SCAN_PORTABLE, SCAN_AVX2, SCAN_AVX512};

static void must(bool truth)
{
	if (!truth)
		abort();
}

struct outcome {
	char **cells;
	size_t n_cells, cap_cells;
	const struct cells *from;
	size_t n_fields;
};

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* On one line, whatever the bytes are. */
static void add_bytes(struct buf *text, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\0' || bytes[i] == '\n' || bytes[i] == '\\')
			buf_printf(text, "\\%02x", (unsigned)bytes[i]);
		else
			buf_add_char(text, bytes[i]);
	}
}

static int add_cell(
	void *context, int64_t bucket_start_us, uint32_t group, uint64_t count, struct err *err)
{
	struct outcome *outcome = context;
	const struct event_value *values = cells_group_values(outcome->from, group);
	struct buf line = {0};

	(void)err;
	if (outcome->n_cells == outcome->cap_cells) {
		outcome->cap_cells = outcome->cap_cells * 2 + 64;
		outcome->cells =
			realloc(outcome->cells, outcome->cap_cells * sizeof(*outcome->cells));
		must(outcome->cells != NULL);
	}
	buf_printf(&line, "%020" PRId64, bucket_start_us);
	for (size_t i = 0; i < outcome->n_fields; i++) {
		buf_printf(&line, " %d:", (int)values[i].kind);
		add_bytes(&line, values[i].text, values[i].len);
	}
	/* Cells may come in parts: these texts are added up below. */
	buf_printf(&line, " = %020" PRIu64, count);
	buf_add_char(&line, '\0');
	must(buf_ok(&line));
	outcome->cells[outcome->n_cells++] = line.data;
	return 0;
}

static size_t name_length(const char *line)
{
	return strlen(line) - 20;
}

static void print_cells(struct outcome *outcome, struct buf *text)
{
	if (outcome->n_cells > 0)
		qsort(outcome->cells, outcome->n_cells, sizeof(*outcome->cells), compare_lines);
	for (size_t i = 0; i < outcome->n_cells;) {
		const char *line = outcome->cells[i];
		size_t len = name_length(line);
		uint64_t count = 0;

		for (; i < outcome->n_cells && name_length(outcome->cells[i]) == len &&
			memcmp(outcome->cells[i], line, len) == 0;
			i++)
			count += strtoull(outcome->cells[i] + len, NULL, 10);
		buf_add(text, line, len);
		buf_printf(text, "%" PRIu64 "\n", count);
	}
	for (size_t i = 0; i < outcome->n_cells; i++)
		free(outcome->cells[i]);
	free(outcome->cells);
}

/* Those of a slice in front of which `n_lines` lines stand that it did not know. */
static void print_rejects(struct buf *text, const struct scan_result *result, int64_t n_lines)
{
	struct reject_walk walk = reject_rows_begin(result->rejects);
	const struct reject_row *row;

	while ((row = reject_rows_next(&walk)) != NULL) {
		buf_printf(text, "reject %s line %" PRId64 " offset %" PRId64 " %s: ",
			reject_reason_name((enum reject_reason)row->reason), row->line + n_lines,
			row->offset, reject_row_detail(row));
		add_bytes(text, reject_row_text(row), row->text_len);
		buf_add_char(text, '\n');
	}
}

static void print_totals(struct buf *text, const int64_t totals[REJECT_REASONS])
{
	for (int i = 0; i < REJECT_REASONS; i++)
		buf_printf(text, "%s: %" PRId64 "\n", reject_reason_name((enum reject_reason)i),
			totals[i]);
}

static void print_table(struct buf *text, struct scan *scan, size_t n_fields)
{
	struct outcome outcome = {.from = scan_cells(scan), .n_fields = n_fields};
	struct err err = ERR_INIT;

	must(cells_each(outcome.from, add_cell, &outcome, &err) == 0);
	if (cells_events(outcome.from) > 0)
		buf_printf(text, "%" PRIu64 " events from %" PRId64 " to %" PRId64 "\n",
			cells_events(outcome.from), cells_min_time_us(outcome.from),
			cells_max_time_us(outcome.from));
	print_cells(&outcome, text);
}

static char *finish(struct buf *text)
{
	buf_add_char(text, '\0');
	must(buf_ok(text));
	return text->data;
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* Feeds bytes[from, to) and says at the end that none follow. */
static void feed(struct scan *scan, const struct trial *trial, size_t from, size_t to)
{
	uint64_t random = trial->feed_seed;
	struct err err = ERR_INIT;
	bool done = false;

	while (from < to && !done) {
		size_t room;
		char *data = scan_room(scan, &room, &err);
		size_t n = trial->max_feed > 0 ? next_random(&random) % trial->max_feed + 1 : room;

		must(data != NULL);
		if (n > room)
			n = room;
		if (n > to - from)
			n = to - from;
		if (trial->cut > from && trial->cut < from + n)
			n = trial->cut - from;
		memcpy(data, trial->bytes + from, n);
		/* What lies behind the bytes must not matter. */
		memset(data + n, "\"x0}\n"[next_random(&random) % 5], n + 64 < room ? 64 : 0);
		from += n;
		must(scan_fed(scan, n, false, &done, &err) == 0);
	}
	if (!done && trial->at_end)
		must(scan_fed(scan, 0, true, &done, &err) == 0);
}

struct scan *scanned_warm(
	const struct trial *trial, const char *bytes, size_t len, enum scan_level level)
{
	struct trial first = *trial;
	struct scan *scan = scan_new(&trial->shape, trial->bucket_us, level);
	struct scan_result result;
	struct err err = ERR_INIT;

	must(scan != NULL);
	first.bytes = bytes;
	first.len = len;
	scan_begin(scan, &POSITION_START, 0, -1);
	feed(scan, &first, 0, first.len);
	must(scan_result(scan, &result, &err) == 0);
	return scan;
}

char *scanned_again(struct scan *scan, struct trial *trial)
{
	struct scan_result result;
	struct err err = ERR_INIT;
	struct buf text = {0};

	cells_clear(scan_cells(scan));
	scan_begin(scan, &POSITION_START, 0, -1);
	feed(scan, trial, 0, trial->len);
	must(scan_result(scan, &result, &err) == 0);
	trial->n_in_kernel += result.n_in_kernel;
	trial->n_matched += result.n_matched;
	buf_printf(&text,
		"settled %" PRId64 " line %" PRId64 " flags %u lines %" PRId64 " events %" PRId64
		"\n",
		result.settled, result.at.line, result.at.flags, result.n_lines, result.n_events);
	print_totals(&text, result.rejects->totals);
	print_rejects(&text, &result, 0);
	print_table(&text, scan, trial->shape.n_fields);
	return finish(&text);
}

char *scanned_whole(struct trial *trial, enum scan_level level)
{
	struct scan *scan = scan_new(&trial->shape, trial->bucket_us, level);
	char *text;

	must(scan != NULL);
	trial->n_in_kernel = trial->n_matched = 0;
	text = scanned_again(scan, trial);
	scan_free(scan);
	return text;
}

char *scanned_appends(struct scan *scan, struct trial *trial, size_t cut)
{
	struct position at = POSITION_START;
	int64_t totals[REJECT_REASONS] = {0};
	struct scan_result result;
	struct err err = ERR_INIT;
	struct buf text = {0};
	int64_t n_events = 0;
	size_t from = 0;

	cells_clear(scan_cells(scan));
	for (int i = 0; i < 2; i++) {
		scan_begin(scan, &at, (int64_t)from, -1);
		feed(scan, trial, from, i == 0 ? cut : trial->len);
		must(scan_result(scan, &result, &err) == 0);
		print_rejects(&text, &result, 0);
		for (int j = 0; j < REJECT_REASONS; j++)
			totals[j] += result.rejects->totals[j];
		n_events += result.n_events;
		from += (size_t)result.settled;
		at.line = result.at.line;
		at.flags = result.at.flags;
	}
	print_totals(&text, totals);
	buf_printf(&text, "settled %zu line %" PRId64 " flags %u events %" PRId64 "\n", from,
		at.line, at.flags, n_events);
	print_table(&text, scan, trial->shape.n_fields);
	return finish(&text);
}

char *scanned_slices(struct trial *trial, enum scan_level level, int n_slices)
{
	struct scan *scan = scan_new(&trial->shape, trial->bucket_us, level);
	struct err err = ERR_INIT;
	struct buf text = {0};
	int64_t n_events = 0;
	int64_t n_lines = 0;

	must(scan != NULL);
	for (int i = 0; i < n_slices; i++) {
		size_t begin = trial->len * (size_t)i / (size_t)n_slices;
		size_t stop = trial->len * (size_t)(i + 1) / (size_t)n_slices;
		struct position start = POSITION_START;
		struct scan_result result;

		/* A slice without bytes would begin in front of the one before. */
		if (begin == stop && i + 1 < n_slices)
			continue;
		if (begin > 0) {
			begin--;
			start.flags = POSITION_SKIP_LINE;
		}
		scan_begin(scan, &start, (int64_t)begin,
			i + 1 < n_slices ? (int64_t)(stop - begin) : -1);
		feed(scan, trial, begin, trial->len);
		must(scan_result(scan, &result, &err) == 0);
		n_events += result.n_events;
		print_rejects(&text, &result, n_lines);
		/* The next slice's first newline is the one that ends this one's last line. */
		n_lines += result.n_lines;
		n_lines -= n_lines > 0;
	}
	buf_printf(&text, "%" PRId64 " events\n", n_events);
	print_table(&text, scan, trial->shape.n_fields);
	scan_free(scan);
	return finish(&text);
}
