/*
 * A timeline: one panel for each series, one below the other, all with the
 * same axes, so that they can be compared by eye.
 *
 * Time is cut into slots of the smallest step between two times. Where they
 * fit, each is a bin of its own and one or more characters wide; where they do
 * not, several share a bin of one character, which shows their mean. A bin
 * without a value is a gap in the base line.
 */
#include "client/chart_form.h"

#include "base/mem.h"
#include "base/timestamp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SERIES 12

/* From so many lines on a panel has a mark in the middle. */
#define MARKED_HEIGHT 6

struct timeline {
	const struct chart *chart;
	const struct terminal *terminal;
	const char *labels[MAX_SERIES];
	size_t n_series;
	bool has_more; /* series beyond MAX_SERIES are left out */
	int64_t from_us, step_us;
	size_t n_slots;
	size_t n_cells;    /* characters between the axis and the right end */
	size_t n_bins;     /* the smaller of both */
	double low, high;  /* the axis' ends */
	size_t axis_width; /* of its numbers */
	int height;        /* lines of a panel */
	double *sums;      /* n_series * n_bins, one row a series */
	size_t *counts;
};

static size_t series_of(struct timeline *timeline, const char *label)
{
	for (size_t i = 0; i < timeline->n_series; i++) {
		if (strcmp(timeline->labels[i], label) == 0)
			return i;
	}
	if (timeline->n_series == MAX_SERIES) {
		timeline->has_more = true;
		return MAX_SERIES;
	}
	timeline->labels[timeline->n_series] = label;
	return timeline->n_series++;
}

static int by_time(const void *left, const void *right)
{
	const int64_t *a = left;
	const int64_t *b = right;

	return (*a > *b) - (*a < *b);
}

/* The span of time and the step that divides it. */
static bool measure_time(struct timeline *timeline)
{
	const struct chart *chart = timeline->chart;
	int64_t *times = mem_new_array(chart->n, sizeof(*times));
	int64_t step = 0;

	if (times == NULL)
		return false;
	for (size_t i = 0; i < chart->n; i++)
		times[i] = chart->points[i].time_us;
	qsort(times, chart->n, sizeof(*times), by_time);
	for (size_t i = 1; i < chart->n; i++) {
		int64_t gap = times[i] - times[i - 1];

		if (gap > 0 && (step == 0 || gap < step))
			step = gap;
	}
	timeline->from_us = times[0];
	timeline->step_us = step > 0 ? step : US_PER_HOUR;
	timeline->n_slots = (size_t)((times[chart->n - 1] - times[0]) / timeline->step_us) + 1;
	free(times);
	return true;
}

static void measure_values(struct timeline *timeline)
{
	char text[32];
	size_t width;
	double low = 0;
	double high = 0;

	for (size_t i = 0; i < timeline->chart->n; i++) {
		low = fmin(low, timeline->chart->points[i].value);
		high = fmax(high, timeline->chart->points[i].value);
	}
	timeline->low = low < 0 ? -chart_round_up(-low) : 0;
	timeline->high = high > 0 ? chart_round_up(high) : low < 0 ? 0 : 1;
	width = chart_format_number(timeline->low, text);
	timeline->axis_width = chart_format_number(timeline->high, text);
	if (width > timeline->axis_width)
		timeline->axis_width = width;
}

/* Which of `n` equal parts of the whole span the time falls into. */
static size_t part_of(const struct timeline *timeline, int64_t time_us, size_t n)
{
	double slot = floor((double)(time_us - timeline->from_us) / (double)timeline->step_us);
	size_t part = (size_t)(slot * (double)n / (double)timeline->n_slots);

	return part < n ? part : n - 1;
}

/* Chooses how many characters the slots take, and puts the values into bins. */
static bool fill_bins(struct timeline *timeline)
{
	const struct chart *chart = timeline->chart;
	long room = timeline->terminal->columns - (long)timeline->axis_width - 3;
	size_t width = room > 20 ? (size_t)room : 20;

	timeline->n_cells = timeline->n_slots > width / 6 ? width : timeline->n_slots * 6;
	timeline->n_bins =
		timeline->n_slots < timeline->n_cells ? timeline->n_slots : timeline->n_cells;
	timeline->sums = mem_new_array(timeline->n_series * timeline->n_bins, sizeof(double));
	timeline->counts = mem_new_array(timeline->n_series * timeline->n_bins, sizeof(size_t));
	if (timeline->sums == NULL || timeline->counts == NULL)
		return false;
	for (size_t i = 0; i < chart->n; i++) {
		size_t series = series_of(timeline, chart->points[i].label);
		size_t bin = part_of(timeline, chart->points[i].time_us, timeline->n_bins);

		if (series == MAX_SERIES)
			continue;
		timeline->sums[series * timeline->n_bins + bin] += chart->points[i].value;
		timeline->counts[series * timeline->n_bins + bin]++;
	}
	return true;
}

static bool value_at(const struct timeline *timeline, size_t series, size_t cell, double *value)
{
	size_t at = series * timeline->n_bins + cell * timeline->n_bins / timeline->n_cells;

	if (timeline->counts[at] == 0)
		return false;
	*value = timeline->sums[at] / (double)timeline->counts[at];
	return true;
}

/* What of a column of the area stands in line `line` (0 is the lowest): eighths. */
static int eighths_at(const struct timeline *timeline, double value, int line)
{
	double share = (value - timeline->low) / (timeline->high - timeline->low);
	int n = (int)lround(share * timeline->height * 8) - line * 8;

	if (n <= 0)
		return line == 0 && value > timeline->low ? 1 : 0;
	return n > 8 ? 8 : n;
}

static void add_cell(struct buf *out, int eighths, bool has_unicode)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const plain[] = {" ", ".", ".", ".", ":", ":", "|", "|", "|"};

	buf_add_text(out, has_unicode ? blocks[eighths] : plain[eighths]);
}

static void draw_line(const struct timeline *timeline, size_t series, int line, struct buf *out)
{
	bool has_unicode = timeline->terminal->has_unicode;
	bool is_marked = line == timeline->height - 1 ||
			 (timeline->height >= MARKED_HEIGHT && line == timeline->height / 2 - 1);
	double top =
		timeline->low + (timeline->high - timeline->low) * (line + 1) / timeline->height;
	char number[32] = "";

	if (is_marked)
		(void)chart_format_number(top, number);
	buf_printf(out, "%*s %s", (int)timeline->axis_width, number,
		has_unicode ? is_marked ? "┤" : "│"
		: is_marked ? "+"
			    : "|");
	buf_add_text(out, chart_colour(timeline->terminal, series));
	for (size_t cell = 0; cell < timeline->n_cells; cell++) {
		double value = 0;

		if (value_at(timeline, series, cell, &value))
			add_cell(out, eighths_at(timeline, value, line), has_unicode);
		else
			buf_add_char(out, ' ');
	}
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->len--;
	buf_add_text(out, chart_plain(timeline->terminal));
	buf_add_char(out, '\n');
}

static void draw_base(const struct timeline *timeline, size_t series, struct buf *out)
{
	bool has_unicode = timeline->terminal->has_unicode;
	char number[32];

	(void)chart_format_number(timeline->low, number);
	buf_printf(out, "%*s %s", (int)timeline->axis_width, number, has_unicode ? "┼" : "+");
	for (size_t cell = 0; cell < timeline->n_cells; cell++) {
		double value;
		bool has_value = value_at(timeline, series, cell, &value);

		buf_add_text(out, has_unicode ? has_value ? "─" : "·" : has_value ? "-" : ".");
	}
	buf_add_char(out, '\n');
}

static void draw_panel(const struct timeline *timeline, size_t series, struct buf *out)
{
	buf_printf(out, "%*s %s%s%s", (int)timeline->axis_width, "",
		chart_colour(timeline->terminal, series),
		timeline->labels[series][0] != '\0' ? timeline->labels[series]
						    : timeline->chart->title,
		chart_plain(timeline->terminal));
	buf_add_char(out, '\n');
	for (int line = timeline->height - 1; line >= 0; line--)
		draw_line(timeline, series, line, out);
	draw_base(timeline, series, out);
}

/* Steps of time that a person would choose for an axis. */
static const int64_t tick_steps[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200,
	10800, 21600, 43200, 86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000};

static void format_tick(
	const struct timeline *timeline, int64_t time_us, int64_t step_s, bool first, char text[32])
{
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil civil;
	bool is_midnight;

	civil_from_us(time_us, &civil);
	is_midnight = civil.hour == 0 && civil.minute == 0 && civil.second == 0;
	if (step_s >= 2592000 && timeline->chart->has_year)
		(void)snprintf(text, 32, "%s %lld", months[civil.month - 1], (long long)civil.year);
	else if (is_midnight || step_s >= 86400)
		(void)snprintf(text, 32, "%s %d", months[civil.month - 1], civil.day);
	else if (first)
		(void)snprintf(text, 32, "%s %d %02d:%02d", months[civil.month - 1], civil.day,
			civil.hour, civil.minute);
	else if (step_s < 60)
		(void)snprintf(text, 32, "%02d:%02d:%02d", civil.hour, civil.minute, civil.second);
	else
		(void)snprintf(text, 32, "%02d:%02d", civil.hour, civil.minute);
}

/* The smallest step whose labels have room beside each other. */
static int64_t choose_tick(const struct timeline *timeline)
{
	double seconds_per_cell = (double)timeline->step_us / 1e6 * (double)timeline->n_slots /
				  (double)timeline->n_cells;
	size_t n = sizeof(tick_steps) / sizeof(tick_steps[0]);

	for (size_t i = 0; i < n; i++) {
		double cells = (double)tick_steps[i] / seconds_per_cell;

		if (cells >= 9 && (double)tick_steps[i] * 1e6 >= (double)timeline->step_us)
			return tick_steps[i];
	}
	return tick_steps[n - 1];
}

/* Marks below the base line, and the times they stand for. */
static bool draw_time_axis(const struct timeline *timeline, struct buf *out)
{
	int64_t step_s = choose_tick(timeline);
	int64_t step_us = step_s * US_PER_S;
	int64_t last = timeline->from_us + (int64_t)(timeline->n_slots - 1) * timeline->step_us;
	int64_t tick = timeline->from_us;
	char *line = malloc(timeline->n_cells + 40);
	size_t used = 0;
	bool first = true;

	if (line == NULL)
		return false;
	memset(line, ' ', timeline->n_cells + 40);
	while (tick <= last) {
		size_t cell = part_of(timeline, tick, timeline->n_cells);
		char text[32];
		size_t len;

		format_tick(timeline, tick, step_s, first, text);
		len = strlen(text);
		if (cell >= used && cell + len <= timeline->n_cells + 1) {
			for (size_t i = 0; i < len; i++)
				line[cell + i] = text[i];
			used = cell + len + 2;
		}
		/* The first label says where the line begins; the others stand at round times. */
		first = false;
		tick = (tick / step_us + (tick >= 0 || tick % step_us == 0 ? 1 : 0)) * step_us;
	}
	buf_printf(out, "%*s  %.*s\n", (int)timeline->axis_width, "",
		(int)(used > 2 ? used - 2 : 0), line);
	free(line);
	return true;
}

static void choose_height(struct timeline *timeline)
{
	int lines = timeline->terminal->rows - 3 - (int)timeline->n_series * 2;
	int height = lines / (int)timeline->n_series;

	timeline->height = height < 3 ? 3 : height > 12 ? 12 : height;
	/* The mark in the middle stands at the half, which is a round number as well. */
	if (timeline->height >= MARKED_HEIGHT)
		timeline->height -= timeline->height % 2;
}

bool chart_draw_timeline(
	const struct chart *chart, const struct terminal *terminal, struct buf *out)
{
	struct timeline timeline = {.chart = chart, .terminal = terminal};
	bool ok;

	if (chart->n == 0)
		return true;
	for (size_t i = 0; i < chart->n; i++)
		(void)series_of(&timeline, chart->points[i].label);
	measure_values(&timeline);
	choose_height(&timeline);
	ok = measure_time(&timeline) && fill_bins(&timeline);
	for (size_t i = 0; i < timeline.n_series && ok; i++)
		draw_panel(&timeline, i, out);
	ok = ok && draw_time_axis(&timeline, out);
	if (timeline.n_slots > timeline.n_cells)
		buf_printf(out, "(a character is the mean of up to %zu values)\n",
			(timeline.n_slots + timeline.n_cells - 1) / timeline.n_cells);
	if (timeline.has_more)
		buf_printf(out, "(only the first %d series are drawn)\n", MAX_SERIES);
	free(timeline.sums);
	free(timeline.counts);
	return ok && buf_ok(out);
}
