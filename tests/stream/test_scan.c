/*
 * Every level against the judge: the same table, the same rejects, the same
 * positions, whatever the lines look like and wherever the bytes are cut.
 * SCAN_SEED in the environment chooses other random inputs; it is printed.
 */
#include "stream/scan.h"
#include "tests/run.h"

#include <check.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/timestamp.h"

static uint64_t seed = 1469501107;

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

/* ck_assert writes to a pipe each time, which a million of them cannot afford. */
#define must(truth)                                                                                \
	do {                                                                                       \
		if (!(truth))                                                                      \
			ck_abort_msg("%s", #truth);                                                \
	} while (0)

/* --- what a scan gave, as text ------------------------------------------- */

struct cell_line {
	char *text;
};

struct outcome {
	struct cell_line *cells;
	size_t n_cells, cap_cells;
	const struct cells *from;
	size_t n_fields;
	struct buf text;
};

static int compare_lines(const void *a, const void *b)
{
	return strcmp(((const struct cell_line *)a)->text, ((const struct cell_line *)b)->text);
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
		/* No text of these tests holds a NUL or a newline. */
		buf_add(&line, values[i].text, values[i].len);
	}
	/* Cells may come in parts: these texts are added up below. */
	buf_printf(&line, " = %020" PRIu64, count);
	buf_add_char(&line, '\0');
	must(buf_ok(&line));
	outcome->cells[outcome->n_cells++].text = line.data;
	return 0;
}

static size_t name_length(const char *line)
{
	return strlen(line) - 20;
}

static void print_cells(struct outcome *outcome)
{
	if (outcome->n_cells > 0)
		qsort(outcome->cells, outcome->n_cells, sizeof(*outcome->cells), compare_lines);
	for (size_t i = 0; i < outcome->n_cells;) {
		const char *line = outcome->cells[i].text;
		size_t len = name_length(line);
		uint64_t count = 0;

		for (; i < outcome->n_cells && name_length(outcome->cells[i].text) == len &&
			memcmp(outcome->cells[i].text, line, len) == 0;
			i++)
			count += strtoull(outcome->cells[i].text + len, NULL, 10);
		buf_add(&outcome->text, line, len);
		buf_printf(&outcome->text, "%" PRIu64 "\n", count);
	}
	for (size_t i = 0; i < outcome->n_cells; i++)
		free(outcome->cells[i].text);
	free(outcome->cells);
}

static void print_rejects(struct buf *text, const struct scan_result *result, bool with_lines)
{
	for (int i = 0; i < REJECT_REASONS; i++)
		buf_printf(text, "%s: %" PRId64 "\n", reject_reason_name((enum reject_reason)i),
			result->n_rejects[i]);
	for (size_t i = 0; i < result->n_reject_rows; i++) {
		const struct scan_reject *row = &result->rejects[i];

		buf_printf(text, "reject %s line %" PRId64 " offset %" PRId64 " %s: ",
			reject_reason_name(row->reason), with_lines ? row->line : 0, row->offset,
			row->detail);
		buf_add(text, row->text, row->text_len);
		buf_add_char(text, '\n');
	}
}

static void print_table(struct buf *text, struct scan *scan, size_t n_fields)
{
	struct outcome outcome = {.from = scan_cells(scan), .n_fields = n_fields};
	struct err err = ERR_INIT;

	must(cells_each(outcome.from, add_cell, &outcome, &err) == 0);
	if (cells_events(outcome.from) > 0)
		buf_printf(&outcome.text, "%" PRIu64 " events from %" PRId64 " to %" PRId64 "\n",
			cells_events(outcome.from), cells_min_time_us(outcome.from),
			cells_max_time_us(outcome.from));
	print_cells(&outcome);
	buf_add(text, outcome.text.data, outcome.text.len);
	buf_fini(&outcome.text);
}

/* --- running ------------------------------------------------------------- */

/* What to scan and how. */
struct trial {
	struct event_shape shape;
	int64_t bucket_us;
	const char *bytes;
	size_t len;
	size_t max_feed; /* feeds are of random size up to that; 0: as large as there is room */
	uint64_t feed_seed;
	size_t cut;                     /* where the first feed ends, if not 0 */
	bool at_end;                    /* the last feed says so */
	int64_t n_in_kernel, n_matched; /* out */
};

/* Feeds bytes[from, to) and says at the end that none follow. */
static void feed(struct scan *scan, const struct trial *trial, size_t from, size_t to)
{
	uint64_t kept = seed;
	struct err err = ERR_INIT;
	bool done = false;

	seed = trial->feed_seed | 1;
	while (from < to && !done) {
		size_t room;
		char *data = scan_room(scan, &room, &err);
		size_t n = trial->max_feed > 0 ? draw(trial->max_feed) + 1 : room;

		must(data != NULL);
		if (n > room)
			n = room;
		if (n > to - from)
			n = to - from;
		if (trial->cut > from && trial->cut < from + n)
			n = trial->cut - from;
		memcpy(data, trial->bytes + from, n);
		/* What lies behind the bytes must not matter. */
		memset(data + n, "\"x0}\n"[draw(5)], n + 64 < room ? 64 : 0);
		from += n;
		must(scan_fed(scan, n, false, &done, &err) == 0);
	}
	if (!done && trial->at_end)
		must(scan_fed(scan, 0, true, &done, &err) == 0);
	seed = kept;
}

static void print_result(struct buf *text, struct scan *scan, struct trial *trial)
{
	struct scan_result result;
	struct err err = ERR_INIT;

	must(scan_result(scan, &result, &err) == 0);
	trial->n_in_kernel += result.n_in_kernel;
	trial->n_matched += result.n_matched;
	buf_printf(text,
		"settled %" PRId64 " line %" PRId64 " flags %u lines %" PRId64 " events %" PRId64
		"\n",
		result.settled, result.at.line, result.at.flags, result.n_lines, result.n_events);
	print_rejects(text, &result, true);
}

static char *run(struct trial *trial, enum scan_level level)
{
	struct scan *scan = scan_new(&trial->shape, trial->bucket_us, level);
	struct buf text = {0};

	must(scan != NULL);
	trial->n_in_kernel = trial->n_matched = 0;
	scan_begin(scan, &POSITION_START, 0, -1);
	feed(scan, trial, 0, trial->len);
	print_result(&text, scan, trial);
	print_table(&text, scan, trial->shape.n_fields);
	scan_free(scan);
	buf_add_char(&text, '\0');
	must(buf_ok(&text));
	return text.data;
}

static void ck_same(const char *got, const char *expected, enum scan_level level, const char *what)
{
	size_t i = 0;

	if (strcmp(got, expected) == 0)
		return;
	while (got[i] == expected[i])
		i++;
	while (i > 0 && got[i - 1] != '\n')
		i--;
	ck_abort_msg("%s on %s (seed %" PRIu64 "):\n%.300s\ninstead of\n%.300s", what,
		scan_level_name(level), seed, got + i, expected + i);
}

static const enum scan_level levels[] = {SCAN_PORTABLE, SCAN_AVX2, SCAN_AVX512};
#define N_LEVELS ((int)(sizeof(levels) / sizeof(*levels)))

static void ck_levels(struct trial *trial, const char *what)
{
	char *expected = run(trial, SCAN_JUDGE);

	for (int i = 0; i < N_LEVELS; i++) {
		char *got;

		if (!scan_level_is_available(levels[i]))
			continue;
		got = run(trial, levels[i]);
		ck_same(got, expected, levels[i], what);
		free(got);
	}
	free(expected);
}

/* --- corpora ------------------------------------------------------------- */

static const char *const words[] = {"Open", "Close", "comment_posted_1", "comment_posted_2",
	"comment_posted_12", "", "a", "ab", "GET /api/v1/users/profile_page", "x12345678",
	"x12345679", "J\xc3\xbcrgen", "\xe6\x97\xa5\xe6\x9c\xac", "\xf0\x9f\x98\x80", "with space",
	"tab\\t", "caf\\u00e9", "quote\\\"d", "a/b", "null", "12345678", "123456789",
	"a name of forty bytes and some more to go on", "{}", "[1,2]", ", ",
	("a text that is longer than sixty-four bytes and so does not fit into a pattern of any "
	 "width")};
#define N_WORDS (sizeof(words) / sizeof(*words))

struct corpus {
	const char *name;
	const char *time_field;
	enum time_unit unit;
	const char *fields[4];
	size_t n_fields;
	int64_t bucket_us;
	void (*add)(struct buf *buf, int i);
	int min_kernel_percent; /* of the unchanged lines, at least so many by a kernel */
};

static int64_t clock_s(int i)
{
	return 1469501107 + i / 3;
}

static void add_notebook(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ",\"action\":\"%s\"}\n", clock_s(i),
		draw(2) ? "Open" : "Close");
}

static void add_random_times(struct buf *buf, int i)
{
	(void)i;
	buf_printf(buf, "{\"time\":%" PRIu64 ",\"action\":\"%s\"}\n", 1469501107 + draw(6048000),
		draw(2) ? "Open" : "Close");
}

static void add_words(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ",\"action\":\"%s\"}\n", clock_s(i),
		words[draw(draw(4) == 0 ? N_WORDS : 8)]);
}

static void add_many_names(struct buf *buf, int i)
{
	buf_printf(buf, "{\"action\":\"name_with_prefix_%" PRIu64 "\",\"time\":%" PRId64 "}\n",
		draw(3000), clock_s(i));
}

static void add_new_names(struct buf *buf, int i)
{
	buf_printf(buf, "{\"action\":\"%d-%" PRIu64 "\",\"time\":%" PRId64 "}\n", i, draw(100),
		clock_s(i));
}

static void add_wide(struct buf *buf, int i)
{
	char time[TIMESTAMP_TEXT_BYTES];

	(void)timestamp_format((clock_s(i) + (int64_t)draw(20)) * US_PER_S, time);
	time[10] = 'T';
	buf_printf(buf,
		"{\"id\": %" PRIu64 ", \"user\": {\"name\": \"u%" PRIu64
		"\", \"tags\": [1, 2]}, \"action\": \"%s\", \"time\": \"%sZ\", \"ok\": %s, "
		"\"score\": %" PRIu64 ".%" PRIu64 "}\n",
		draw(1000000), draw(10000), draw(2) ? "Open" : "Close", time,
		draw(2) ? "true" : "false", draw(3), draw(100));
}

static void add_iso(struct buf *buf, int i)
{
	char time[TIMESTAMP_TEXT_BYTES];

	/* Across midnights; 125 ms a step, so that fractions have three digits or are forced to. */
	(void)timestamp_format(INT64_C(1469577500) * US_PER_S + (int64_t)i * 125 * US_PER_MS, time);
	time[19] = '\0';
	buf_printf(buf, "{ \"time\" : \"%s.%03d+02:00\" , \"action\":\"%s\" }\r\n", time,
		i * 125 % 1000, words[draw(3)]);
}

static void add_ms(struct buf *buf, int i)
{
	buf_printf(buf, "{\"action\":\"%s\",\"n\":%d,\"t\":%" PRId64 "}\n", words[draw(4)],
		(int)draw(2000) - 1000, clock_s(i) * 1000 + (int64_t)draw(1000));
}

static void add_us(struct buf *buf, int i)
{
	buf_printf(buf, "{\"t\":%" PRId64 ",\"action\":\"%s\"}\n",
		clock_s(i) * 1000000 + (int64_t)draw(1000000), words[draw(4)]);
}

static void add_ns(struct buf *buf, int i)
{
	buf_printf(buf, "{\"t\":%" PRId64 ",\"action\":\"%s\"}\n",
		clock_s(i) * 1000000000 + (int64_t)draw(1000000000), words[draw(4)]);
}

static void add_two_groups(struct buf *buf, int i)
{
	buf_printf(buf,
		"{\"user\":{\"id\":\"u%" PRIu64 "\",\"n\":null},\"time\":%" PRId64
		",\"status\":%d,\"action\":\"%s\"}\n",
		draw(20), clock_s(i), 200 + (int)draw(5) * 100, words[draw(6)]);
}

static void add_no_group(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ",\"v\":%s}\n", clock_s(i), draw(2) ? "null" : "true");
}

static void add_mixed_shapes(struct buf *buf, int i)
{
	if (draw(2))
		add_notebook(buf, i);
	else
		add_many_names(buf, i);
	if (draw(10) == 0)
		buf_add_text(buf, "\n");
}

static void add_decimals(struct buf *buf, int i)
{
	buf_printf(buf, "{\"time\":%" PRId64 ".%" PRIu64 ",\"action\":\"%s\"}\n", clock_s(i),
		draw(100000), words[draw(4)]);
}

static void add_oddities(struct buf *buf, int i)
{
	static const char *const lines[] = {"", " ", "[]", "[{\"time\":1,\"action\":\"x\"},7]",
		"{\"time\":1}{\"time\":2}", "7", "\"text\"", "{\"action\":\"Open\"}",
		"{\"time\":null}", "{\"time\":1469501107,\"time\":3,\"action\":\"Open\"}",
		"{\"t\\u0069me\":1469501107,\"action\":\"Open\"}",
		"{\"time\":01,\"action\":\"Open\"}", "{\"time\":-1469501107,\"action\":\"Open\"}",
		"{\"time\":1e9,\"action\":null}", "{\"time\":9999999999999,\"action\":\"Open\"}",
		"{\"time\":0,\"action\":\"Open\"}", "{\"time\":1469501107,\"action\":7}",
		"{\"time\":1469501107,\"action\":{\"a\":1}}",
		"{\"time\":\"2016-07-26\",\"action\":\"Open\"}",
		"{\"time\":1469501107,\"action\":\"Open\"} x", "\xef\xbb\xbf{\"time\":1}",
		"{\"time\":1469501107,\"action\":\"\xff\"}",
		"{\"time\":1469501107,\"action\":\"a\tb\"}", "[{\"time\":5},{\"time\":6}"};

	if (draw(4) != 0)
		add_notebook(buf, i);
	else
		buf_printf(buf, "%s\n", lines[draw(sizeof(lines) / sizeof(*lines))]);
}

#define HOUR US_PER_HOUR
static const struct corpus corpora[] = {
	{"notebook", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_notebook, 90},
	{"random times", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_random_times, 50},
	{"words", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_words, 60},
	{"many names", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_many_names, 10},
	{"new names", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_new_names, 0},
	{"wide", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_wide, 90},
	{"spelled times", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_iso, 80},
	{"spelled times by the microsecond", "time", TIME_UNIT_S, {"action"}, 1, 1, add_iso, 0},
	{"milliseconds", "t", TIME_UNIT_MS, {"action"}, 1, HOUR, add_ms, 90},
	{"milliseconds by the quarter second", "t", TIME_UNIT_MS, {"action"}, 1, 250 * US_PER_MS,
		add_ms, 50},
	{"microseconds", "t", TIME_UNIT_US, {"action"}, 1, HOUR, add_us, 90},
	{"microseconds by the microsecond", "t", TIME_UNIT_US, {"action"}, 1, 1, add_us, 0},
	{"nanoseconds", "t", TIME_UNIT_NS, {"action"}, 1, HOUR, add_ns, 90},
	{"seconds by the microsecond", "time", TIME_UNIT_S, {"action"}, 1, 1, add_notebook, 50},
	{"three groups", "time", TIME_UNIT_S, {"action", "user.id", "status"}, 3, HOUR,
		add_two_groups, 50},
	{"a group that is missing", "time", TIME_UNIT_S, {"action", "user.x"}, 2, HOUR,
		add_two_groups, 80},
	{"no group", "time", TIME_UNIT_S, {NULL}, 0, HOUR, add_no_group, 90},
	{"a week", "time", TIME_UNIT_S, {"action"}, 1, 7 * US_PER_DAY, add_random_times, 90},
	{"mixed shapes", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_mixed_shapes, 0},
	{"decimals", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_decimals, 0},
	{"oddities", "time", TIME_UNIT_S, {"action"}, 1, HOUR, add_oddities, 0},
};
#define N_CORPORA ((int)(sizeof(corpora) / sizeof(*corpora)))

static void make_lines(struct buf *buf, const struct corpus *corpus, int n_lines)
{
	for (int i = 0; i < n_lines; i++)
		corpus->add(buf, i);
	must(buf_ok(buf));
}

static struct trial trial_of(const struct corpus *corpus, const struct buf *buf)
{
	return (struct trial){
		.shape = {.time_field = corpus->time_field,
			.time_unit = corpus->unit,
			.max_event_bytes = 16 << 20,
			.fields = corpus->fields,
			.n_fields = corpus->n_fields},
		.bucket_us = corpus->bucket_us,
		.bytes = buf->data,
		.len = buf->len,
		.feed_seed = draw(UINT64_MAX),
		.at_end = true,
	};
}

/* --- byte changes -------------------------------------------------------- */

static void splice(struct buf *buf, size_t at, size_t n_out, const char *in, size_t n_in)
{
	struct buf changed = {0};

	buf_add(&changed, buf->data, at);
	buf_add(&changed, in, n_in);
	buf_add(&changed, buf->data + at + n_out, buf->len - at - n_out);
	must(buf_ok(&changed));
	buf_fini(buf);
	*buf = changed;
}

static void change_byte(struct buf *buf)
{
	static const char likely[] =
		"\"\\{}[],:0123456789.-+eE \n\r\ttruefalsn\x00\x1f\x7f\x80\xc3\xff";
	size_t at = draw(buf->len - 64);
	char byte = draw(2) ? likely[draw(sizeof(likely))] : (char)draw(256);
	char copy[64];
	size_t n = draw(40) + 1;

	switch (draw(6)) {
	case 0: buf->data[at] = byte; break;
	case 1: buf->data[at] = (char)(buf->data[at] ^ 1 << draw(8)); break;
	case 2: splice(buf, at, 0, &byte, 1); break;
	case 3: splice(buf, at, draw(3) == 0 ? n : 1, NULL, 0); break;
	case 4:
		memcpy(copy, buf->data + at, n);
		splice(buf, at, 0, copy, n);
		break;
	default:
		memcpy(copy, buf->data + draw(buf->len - 64), n);
		splice(buf, at, n, copy, n);
		break;
	}
}

/* --- tests --------------------------------------------------------------- */

START_TEST(all_levels_count_the_same)
{
	struct buf buf = {0};
	struct trial trial;

	make_lines(&buf, &corpora[_i], 6000);
	trial = trial_of(&corpora[_i], &buf);
	ck_levels(&trial, corpora[_i].name);
	trial.max_feed = 3000;
	ck_levels(&trial, corpora[_i].name);
	trial.max_feed = 70000;
	ck_levels(&trial, corpora[_i].name);
	buf_fini(&buf);
}
END_TEST

START_TEST(the_kernel_takes_the_lines_it_is_made_for)
{
	struct buf buf = {0};
	struct trial trial;

	make_lines(&buf, &corpora[_i], 40000);
	trial = trial_of(&corpora[_i], &buf);
	free(run(&trial, SCAN_AUTO));
	if (scan_best_level() != SCAN_JUDGE &&
		trial.n_in_kernel < 400 * corpora[_i].min_kernel_percent)
		ck_abort_msg("%s: only %" PRId64 " of 40000, and %" PRId64 " matched",
			corpora[_i].name, trial.n_in_kernel, trial.n_matched);
	buf_fini(&buf);
}
END_TEST

START_TEST(all_levels_count_the_same_after_byte_changes)
{
	for (int round = 0; round < 12; round++) {
		struct buf buf = {0};
		struct trial trial;
		int n_changes = 1 << draw(9);

		make_lines(&buf, &corpora[_i], 400 + (int)draw(800));
		while (n_changes-- > 0)
			change_byte(&buf);
		trial = trial_of(&corpora[_i], &buf);
		trial.max_feed = draw(2) ? 0 : 1 + draw(20000);
		trial.at_end = draw(4) != 0;
		ck_levels(&trial, corpora[_i].name);
		buf_fini(&buf);
	}
}
END_TEST

/* A scan that has learnt from these lines and counted nothing. */
static struct scan *warm_scan(
	const struct trial *trial, const struct buf *warm, enum scan_level level)
{
	struct trial first = *trial;
	struct scan *scan = scan_new(&trial->shape, trial->bucket_us, level);
	struct scan_result result;
	struct err err = ERR_INIT;

	must(scan != NULL);
	first.bytes = warm->data;
	first.len = warm->len;
	scan_begin(scan, &POSITION_START, 0, -1);
	feed(scan, &first, 0, first.len);
	must(scan_result(scan, &result, &err) == 0);
	return scan;
}

static char *run_again(struct scan *scan, struct trial *trial)
{
	struct buf text = {0};

	cells_clear(scan_cells(scan));
	scan_begin(scan, &POSITION_START, 0, -1);
	feed(scan, trial, 0, trial->len);
	print_result(&text, scan, trial);
	print_table(&text, scan, trial->shape.n_fields);
	buf_add_char(&text, '\0');
	return text.data;
}

START_TEST(a_cut_anywhere_into_two_reads_changes_nothing)
{
	struct buf warm = {0}, buf = {0};
	struct scan *judge, *scan;
	struct trial trial;
	char *expected;

	make_lines(&warm, &corpora[_i], 300);
	make_lines(&buf, &corpora[_i], 2800 / (int)(warm.len / 300));
	change_byte(&buf);
	trial = trial_of(&corpora[_i], &buf);
	judge = warm_scan(&trial, &warm, SCAN_JUDGE);
	expected = run_again(judge, &trial);
	for (int i = 0; i < N_LEVELS; i++) {
		if (!scan_level_is_available(levels[i]))
			continue;
		scan = warm_scan(&trial, &warm, levels[i]);
		for (trial.cut = 1; trial.cut < buf.len; trial.cut++) {
			char *got = run_again(scan, &trial);

			ck_same(got, expected, levels[i], corpora[_i].name);
			free(got);
		}
		trial.cut = 0;
		scan_free(scan);
	}
	scan_free(judge);
	free(expected);
	buf_fini(&buf);
	buf_fini(&warm);
}
END_TEST

/* Two appends: what the first slice has not settled is read again by the second. */
static char *run_appends(struct scan *scan, struct trial *trial, size_t cut)
{
	struct position at = POSITION_START;
	struct scan_result result;
	struct err err = ERR_INIT;
	struct buf text = {0};
	size_t from = 0;

	cells_clear(scan_cells(scan));
	for (int i = 0; i < 2; i++) {
		scan_begin(scan, &at, (int64_t)from, -1);
		feed(scan, trial, from, i == 0 ? cut : trial->len);
		must(scan_result(scan, &result, &err) == 0);
		print_rejects(&text, &result, true);
		from += (size_t)result.settled;
		at.line = result.at.line;
		at.flags = result.at.flags;
		buf_printf(&text, "at %zu line %" PRId64 " flags %u\n", from, at.line, at.flags);
	}
	print_table(&text, scan, trial->shape.n_fields);
	buf_add_char(&text, '\0');
	return text.data;
}

START_TEST(a_cut_anywhere_into_two_appends_is_the_same_for_all_levels)
{
	struct buf buf = {0};
	struct trial trial;
	struct scan *judge;

	make_lines(&buf, &corpora[_i], 40);
	for (int i = 0; i < 3; i++)
		change_byte(&buf);
	trial = trial_of(&corpora[_i], &buf);
	judge = warm_scan(&trial, &buf, SCAN_JUDGE);
	for (int i = 0; i < N_LEVELS; i++) {
		struct scan *scan;

		if (!scan_level_is_available(levels[i]))
			continue;
		scan = warm_scan(&trial, &buf, levels[i]);
		for (size_t cut = 1; cut < buf.len; cut += 1 + draw(6)) {
			char *expected = run_appends(judge, &trial, cut);
			char *got = run_appends(scan, &trial, cut);

			ck_same(got, expected, levels[i], corpora[_i].name);
			free(expected);
			free(got);
		}
		scan_free(scan);
	}
	scan_free(judge);
	buf_fini(&buf);
}
END_TEST

/* As slices would: each begins one byte early, in the rest of a line that is not its. */
static char *run_slices(struct trial *trial, enum scan_level level, int n_slices)
{
	struct scan *scan = scan_new(&trial->shape, trial->bucket_us, level);
	struct err err = ERR_INIT;
	struct buf text = {0};
	int64_t n_events = 0;

	must(scan != NULL);
	for (int i = 0; i < n_slices; i++) {
		size_t begin = trial->len * (size_t)i / (size_t)n_slices;
		size_t stop = trial->len * (size_t)(i + 1) / (size_t)n_slices;
		struct position start = POSITION_START;
		struct scan_result result;

		if (i > 0) {
			begin--;
			start.flags = POSITION_SKIP_LINE;
		}
		scan_begin(scan, &start, (int64_t)begin,
			i + 1 < n_slices ? (int64_t)(stop - begin) : -1);
		feed(scan, trial, begin, trial->len);
		must(scan_result(scan, &result, &err) == 0);
		n_events += result.n_events;
		for (size_t j = 0; j < result.n_reject_rows; j++)
			buf_printf(&text, "%s at %" PRId64 "\n",
				reject_reason_name(result.rejects[j].reason),
				result.rejects[j].offset);
	}
	buf_printf(&text, "%" PRId64 " events\n", n_events);
	print_table(&text, scan, trial->shape.n_fields);
	scan_free(scan);
	buf_add_char(&text, '\0');
	return text.data;
}

START_TEST(slices_of_a_file_are_the_file)
{
	struct buf buf = {0};
	struct trial trial;

	make_lines(&buf, &corpora[_i], 2000);
	for (int i = 0; i < 20; i++)
		change_byte(&buf);
	trial = trial_of(&corpora[_i], &buf);
	for (int n_slices = 2; n_slices < 40; n_slices = n_slices * 3 / 2) {
		char *expected = run_slices(&trial, SCAN_JUDGE, 1);

		for (int i = -1; i < N_LEVELS; i++) {
			enum scan_level level = i < 0 ? SCAN_JUDGE : levels[i];
			char *got;

			if (!scan_level_is_available(level))
				continue;
			got = run_slices(&trial, level, n_slices);
			ck_same(got, expected, level, corpora[_i].name);
			free(got);
		}
		free(expected);
	}
	buf_fini(&buf);
}
END_TEST

/* --- random shapes ------------------------------------------------------- */

static void add_blanks(struct buf *buf)
{
	static const char *const blanks[] = {"", "", "", " ", "  ", "\t"};

	buf_add_text(buf, blanks[draw(6)]);
}

/* A form: the same seed gives the same names and kinds of values, and other values. */
static void add_form_value(struct buf *buf, uint64_t *form, int depth)
{
	uint64_t kind;

	*form = *form * UINT64_C(6364136223846793005) + 1442695040888963407;
	kind = (*form >> 33) % (depth < 3 ? 8 : 6);
	switch (kind) {
	case 0: buf_printf(buf, "%d", (int)draw(100000) - 50000); break;
	case 1: buf_printf(buf, "%d.%03d", (int)draw(1000), (int)draw(1000)); break;
	case 2: buf_add_text(buf, draw(3) ? draw(2) ? "true" : "false" : "null"); break;
	case 3: buf_printf(buf, "\"%s\"", words[draw(N_WORDS)]); break;
	case 4: buf_printf(buf, "\"%s\"", words[draw(8)]); break;
	case 5: buf_printf(buf, "%de%d", (int)draw(10), (int)draw(10)); break;
	case 6:
		buf_add_text(buf, "[");
		for (uint64_t i = 0, n = (*form >> 40) % 4; i < n; i++) {
			buf_add_text(buf, i > 0 ? ", " : "");
			add_form_value(buf, form, depth + 1);
		}
		buf_add_text(buf, "]");
		break;
	default:
		buf_add_text(buf, "{");
		for (uint64_t i = 0, n = (*form >> 40) % 4; i < n; i++) {
			buf_printf(
				buf, "%s\"k%u\":", i > 0 ? "," : "", (unsigned)(*form >> 50) % 4);
			add_form_value(buf, form, depth + 1);
		}
		buf_add_text(buf, "}");
		break;
	}
}

static void add_formed_line(struct buf *buf, uint64_t form, int i)
{
	unsigned n = 2 + (unsigned)(form >> 20) % 6;
	unsigned time_at = (unsigned)(form >> 30) % n;
	unsigned group_at = (unsigned)(form >> 40) % n;
	char blank[2] = {(form >> 50) % 3 == 0 ? ' ' : '\0', '\0'};

	buf_add_text(buf, "{");
	for (unsigned j = 0; j < n; j++) {
		buf_printf(buf, "%s%s", j > 0 ? "," : "", blank);
		if (j == time_at && form % 2 == 0)
			buf_printf(buf, "\"time\":%s%" PRId64, blank, clock_s(i));
		else if (j == time_at)
			buf_printf(buf, "\"time\":\"2016-07-2%d %02d:%02d:%02d\"", (int)draw(4),
				(int)draw(24), (int)draw(60), (int)draw(60));
		else if (j == group_at)
			buf_printf(buf, "\"action\":\"%s\"", words[draw(N_WORDS)]);
		else {
			buf_printf(buf, "\"f%u\":%s", j, blank);
			add_form_value(buf, &form, 0);
		}
	}
	if (draw(200) == 0)
		add_blanks(buf);
	buf_add_text(buf, "}\n");
}

START_TEST(all_levels_count_random_shapes_the_same)
{
	static const char *const fields[] = {"action", "f1", "f2.k1"};

	for (int round = 0; round < 300; round++) {
		uint64_t form = draw(UINT64_MAX);
		struct buf buf = {0};
		struct corpus corpus = {.time_field = "time",
			.bucket_us = draw(2) ? HOUR : 60 * US_PER_S,
			.n_fields = draw(4)};
		struct trial trial;

		memcpy(corpus.fields, fields, sizeof(fields));
		for (int i = 0; i < 300; i++)
			add_formed_line(&buf, draw(20) ? form : form + 2, i);
		for (uint64_t i = draw(8); i > 0; i--)
			change_byte(&buf);
		trial = trial_of(&corpus, &buf);
		ck_levels(&trial, "a random shape");
		buf_fini(&buf);
	}
}
END_TEST

/* --- special cases ------------------------------------------------------- */

START_TEST(rejects_are_the_newest_ten_thousand_in_order)
{
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 40000; i++) {
		if (i % 3 == 0)
			buf_printf(&buf, "{%d\n", i);
		else
			add_notebook(&buf, i);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "rejects");
	buf_fini(&buf);
}
END_TEST

START_TEST(long_lines_and_long_arrays_are_counted_by_all_levels)
{
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 300; i++)
		add_notebook(&buf, i);
	for (int size = 1000; size < 3000000; size *= 3) {
		buf_printf(&buf, "{\"time\":1469501107,\"action\":\"Open\",\"x\":\"%0*d\"}\n", size,
			7);
		buf_printf(&buf, "{\"time\":1469501107,\"action\":\"%0*d\"}\n", size, 7);
		buf_add_text(&buf, "[{\"time\":1,\"action\":\"in array\"}");
		for (int i = 0; i < size / 30; i++)
			buf_printf(&buf, ",{\"time\":%d,\"action\":\"in array\"}", i);
		buf_add_text(&buf, size % 2 ? "]\n" : "]{\"time\":1,\"action\":\"behind\"}x\n");
		for (int i = 0; i < 300; i++)
			add_notebook(&buf, i);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "long lines");
	trial.shape.max_event_bytes = 600000;
	ck_levels(&trial, "long lines over a limit");
	trial.shape.max_event_bytes = 30;
	ck_levels(&trial, "lines over a small limit");
	buf_fini(&buf);
}
END_TEST

START_TEST(a_group_at_its_longest_is_counted_by_all_levels)
{
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 300; i++)
		add_notebook(&buf, i);
	for (int n = 65534; n < 65540; n++) {
		for (int i = 0; i < 3; i++)
			buf_printf(&buf, "{\"time\":1469501107,\"action\":\"%0*d\"}\n", n, 7);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "long groups");
	buf_fini(&buf);
}
END_TEST

START_TEST(holes_of_nuls_are_no_records_for_any_level)
{
	static const char zeros[200];
	struct buf buf = {0};
	struct trial trial;

	for (int i = 0; i < 3000; i++) {
		add_notebook(&buf, i);
		if (i % 50 != 49)
			continue;
		/* The line stops somewhere, and as many NULs follow as a crash may leave. */
		buf.len -= draw(30);
		buf_add(&buf, zeros, draw(2) ? 1 + draw(3) : draw(sizeof(zeros)));
		if (draw(2))
			buf_add_text(&buf, "\"}");
		buf_add_text(&buf, "\n");
	}
	for (int i = 0; i < 3000; i++) {
		buf_printf(&buf, "{\"time\":%" PRId64 ",\"action\":\"", clock_s(i));
		if (i % 10 == 9)
			buf_add(&buf, zeros, 20 + draw(60));
		buf_add_text(&buf, i % 4 ? "Open\"}\n" : "a name of some length that is wide\"}\n");
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "holes");
	buf_fini(&buf);
}
END_TEST

START_TEST(times_at_the_ends_of_the_years_are_counted_by_all_levels)
{
	static const char *const times[] = {"253402300799", "253402300800", "253402300798",
		"999999999999", "\"9999-12-31T23:59:59Z\"", "\"9999-12-31T23:59:59-00:01\"",
		"\"0001-01-01T00:00:00Z\"", "\"0001-01-01T00:00:00+00:01\"", "-62135596800",
		"-62135596801", "0", "9", "10"};
	struct buf buf = {0};
	struct trial trial;

	/* Each in a run of its own kind, so that a kernel is made for it and meets the others. */
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		for (int j = 0; j < 2000; j++)
			buf_printf(&buf, "{\"time\":%s,\"action\":\"Open\"}\n",
				times[draw(20) ? i : draw(sizeof(times) / sizeof(*times))]);
	}
	trial = trial_of(&corpora[0], &buf);
	ck_levels(&trial, "the ends of the years");
	trial.bucket_us = 1;
	ck_levels(&trial, "the ends of the years by the microsecond");
	trial.bucket_us = 7 * US_PER_DAY;
	ck_levels(&trial, "the ends of the years by the week");
	buf_fini(&buf);
}
END_TEST

START_TEST(a_level_is_named_and_chosen_by_the_environment)
{
	ck_assert_str_eq(scan_level_name(SCAN_AVX512), "avx512");
	ck_assert(scan_level_is_available(SCAN_JUDGE));
	ck_assert(scan_level_is_available(SCAN_PORTABLE));
	ck_assert(scan_level_is_available(scan_best_level()));
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "judge", 1), 0);
	ck_assert_int_eq(scan_best_level(), SCAN_JUDGE);
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "portable", 1), 0);
	ck_assert_int_eq(scan_best_level(), SCAN_PORTABLE);
	ck_assert_int_eq(setenv("TALLYD_SCAN_LEVEL", "nonsense", 1), 0);
	ck_assert_int_ne(scan_best_level(), SCAN_JUDGE);
}
END_TEST

int main(void)
{
	TCase *tcase = tcase_create("scan");
	Suite *suite = suite_create("stream/scan");
	const char *chosen = getenv("SCAN_SEED");

	if (chosen != NULL)
		seed = strtoull(chosen, NULL, 10) | 1;
	printf("SCAN_SEED=%" PRIu64 "\n", seed);
	for (int i = 0; i < N_LEVELS; i++) {
		if (!scan_level_is_available(levels[i]))
			printf("skipped: this processor has no %s\n", scan_level_name(levels[i]));
	}
	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, all_levels_count_the_same, 0, N_CORPORA);
	tcase_add_loop_test(tcase, the_kernel_takes_the_lines_it_is_made_for, 0, N_CORPORA);
	tcase_add_loop_test(tcase, all_levels_count_the_same_after_byte_changes, 0, N_CORPORA);
	tcase_add_loop_test(tcase, a_cut_anywhere_into_two_reads_changes_nothing, 0, N_CORPORA);
	tcase_add_loop_test(
		tcase, a_cut_anywhere_into_two_appends_is_the_same_for_all_levels, 0, N_CORPORA);
	tcase_add_loop_test(tcase, slices_of_a_file_are_the_file, 0, N_CORPORA);
	tcase_add_test(tcase, all_levels_count_random_shapes_the_same);
	tcase_add_test(tcase, rejects_are_the_newest_ten_thousand_in_order);
	tcase_add_test(tcase, long_lines_and_long_arrays_are_counted_by_all_levels);
	tcase_add_test(tcase, a_group_at_its_longest_is_counted_by_all_levels);
	tcase_add_test(tcase, holes_of_nuls_are_no_records_for_any_level);
	tcase_add_test(tcase, times_at_the_ends_of_the_years_are_counted_by_all_levels);
	tcase_add_test(tcase, a_level_is_named_and_chosen_by_the_environment);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
