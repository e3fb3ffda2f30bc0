/*
 * What a result is about: which column is time, which is number, which are
 * labels. Times and numbers are told by their values, not by declared types,
 * because expressions have none.
 */
#include "client/chart.h"

#include "base/mem.h"
#include "base/timestamp.h"
#include "client/chart_form.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NO_COLUMN SIZE_MAX

/* Years are needed to place a time; this one has every day a year can have. */
#define YEARLESS 1972

static const char *const months[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"};

/* The column's part in the chart. */
struct parts {
	size_t time;        /* NO_COLUMN: none */
	size_t numbers[16]; /* the columns drawn */
	size_t n_numbers;
	bool is_label[64];
};

/* One or two digits. */
static bool take_number(const char **at, int *number)
{
	if (**at < '0' || **at > '9')
		return false;
	*number = *(*at)++ - '0';
	if (**at >= '0' && **at <= '9')
		*number = *number * 10 + (*(*at)++ - '0');
	return true;
}

static bool take_character(const char **at, const char *any_of)
{
	if (**at == '\0' || strchr(any_of, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

static bool take_month(const char **at, int *month)
{
	for (int i = 0; i < 12; i++) {
		if (strncasecmp(*at, months[i], 3) == 0) {
			*month = i + 1;
			*at += 3;
			return true;
		}
	}
	return false;
}

/* `Jul-26`, `26 Jul`, `07-26`. False: there is no date, and *at has not moved. */
static bool take_day(const char **at, struct civil *civil)
{
	const char *from = *at;

	if (take_month(at, &civil->month) && take_character(at, "- ") &&
		take_number(at, &civil->day))
		return true;
	*at = from;
	if (take_number(at, &civil->day) && take_character(at, "- ") &&
		take_month(at, &civil->month))
		return true;
	*at = from;
	if (take_number(at, &civil->month) && take_character(at, "-") &&
		take_number(at, &civil->day))
		return true;
	*at = from;
	civil->month = civil->day = 1;
	return false;
}

/* `03:00`, `03:00:05` */
static bool take_clock(const char **at, struct civil *civil)
{
	if (!take_number(at, &civil->hour) || !take_character(at, ":") ||
		!take_number(at, &civil->minute))
		return false;
	if (take_character(at, ":") && !take_number(at, &civil->second))
		return false;
	return civil->hour < 24 && civil->minute < 60 && civil->second < 60;
}

/* A day, a clock, or both, and nothing behind. */
static bool parse_yearless(const char *text, struct civil *civil)
{
	const char *at = text;
	bool has_day;

	*civil = (struct civil){.year = YEARLESS, .month = 1, .day = 1};
	has_day = take_day(&at, civil);
	if (has_day && !civil_is_date(civil->year, civil->month, civil->day))
		return false;
	if (has_day && *at == '\0')
		return true;
	if (has_day && !take_character(&at, " T"))
		return false;
	return take_clock(&at, civil) && *at == '\0';
}

bool chart_parse_time(const char *text, int64_t *time_us, bool *has_year)
{
	struct civil civil;

	if (timestamp_parse_bound(text, strlen(text), time_us)) {
		*has_year = true;
		return true;
	}
	if (!parse_yearless(text, &civil))
		return false;
	*has_year = false;
	*time_us = civil_to_us(&civil);
	return true;
}

static bool is_number(const struct value *value)
{
	return value->type == VALUE_INTEGER || (value->type == VALUE_REAL && isfinite(value->real));
}

/* All values of the column that are there are times; one at least is. */
static bool is_time_column(const struct result *result, size_t column)
{
	size_t n_times = 0;

	for (size_t row = 0; row < result->n_rows; row++) {
		const struct value *value = result_cell(result, row, column);
		int64_t time_us;
		bool has_year;

		if (value->type == VALUE_NULL)
			continue;
		if (value->type != VALUE_TEXT ||
			!chart_parse_time(value->data, &time_us, &has_year))
			return false;
		n_times++;
	}
	return n_times > 0;
}

static bool is_number_column(const struct result *result, size_t column)
{
	size_t n_numbers = 0;

	for (size_t row = 0; row < result->n_rows; row++) {
		const struct value *value = result_cell(result, row, column);

		if (value->type == VALUE_NULL)
			continue;
		if (!is_number(value))
			return false;
		n_numbers++;
	}
	return n_numbers > 0;
}

static void find_parts(const struct result *result, struct parts *parts)
{
	bool has_label = false;

	*parts = (struct parts){.time = NO_COLUMN};
	for (size_t i = 0; i < result->n_columns && i < 64; i++) {
		if (is_number_column(result, i)) {
			if (parts->n_numbers < 16)
				parts->numbers[parts->n_numbers++] = i;
		} else if (is_time_column(result, i)) {
			/* Of window_start and window_end the first is the time, the second says
			 * nothing new. */
			if (parts->time == NO_COLUMN)
				parts->time = i;
		} else {
			parts->is_label[i] = true;
			has_label = true;
		}
	}
	/* Beside labels one number is drawn; without them each number is a series of its own. */
	if ((has_label || parts->time == NO_COLUMN) && parts->n_numbers > 1)
		parts->n_numbers = 1;
	/* Bars may well be labelled by times. */
	if (!has_label && parts->n_numbers == 1 && parts->time != NO_COLUMN &&
		result->n_rows == 1) {
		parts->is_label[parts->time] = true;
		parts->time = NO_COLUMN;
	}
}

/* The labels of a row, joined; in `kept`, where equal ones may stand twice. Returns an offset. */
static size_t add_label(
	struct result *result, const struct parts *parts, size_t row, struct buf *kept)
{
	size_t offset = kept->len;

	for (size_t i = 0; i < result->n_columns && i < 64; i++) {
		const struct value *value;

		if (!parts->is_label[i])
			continue;
		value = result_cell(result, row, i);
		if (kept->len > offset)
			buf_add_text(kept, " ");
		buf_add_text(
			kept, value->type == VALUE_NULL ? "(null)" : result_text(result, row, i));
	}
	buf_add_char(kept, '\0');
	return offset;
}

static bool add_point(struct chart *chart, size_t label_offset, int64_t time_us, double value)
{
	if (!mem_grow(&chart->points, &chart->cap, chart->n + 1, sizeof(*chart->points)))
		return false;
	chart->points[chart->n++] = (struct point){
		.label = (const char *)(uintptr_t)label_offset, .time_us = time_us, .value = value};
	return true;
}

/* The points of a row; false: no memory. */
static bool add_row(struct result *result, const struct parts *parts, size_t row,
	struct chart *chart, struct buf *labels)
{
	int64_t time_us = 0;
	bool has_year = true;

	if (parts->time != NO_COLUMN) {
		const struct value *value = result_cell(result, row, parts->time);

		if (value->type != VALUE_TEXT ||
			!chart_parse_time(value->data, &time_us, &has_year))
			return true;
	}
	chart->has_year &= has_year;
	for (size_t i = 0; i < parts->n_numbers; i++) {
		size_t column = parts->numbers[i];
		size_t offset = labels->len;

		if (result_cell(result, row, column)->type == VALUE_NULL)
			continue;
		if (parts->n_numbers > 1)
			buf_add(labels, result->names[column], strlen(result->names[column]) + 1);
		else
			offset = add_label(result, parts, row, labels);
		if (!add_point(chart, offset, time_us, result_real(result, row, column)))
			return false;
	}
	return true;
}

static int draw(struct result *result, const struct parts *parts, const struct terminal *terminal,
	struct buf *out, struct err *err)
{
	struct chart chart = {.title = result->names[parts->numbers[0]], .has_year = true};
	struct buf labels = {0};
	bool ok = true;

	for (size_t row = 0; row < result->n_rows && ok; row++)
		ok = add_row(result, parts, row, &chart, &labels);
	ok = ok && buf_ok(&labels);
	for (size_t i = 0; i < chart.n && ok; i++)
		chart.points[i].label = labels.data + (uintptr_t)chart.points[i].label;
	if (ok && parts->time != NO_COLUMN)
		ok = chart_draw_timeline(&chart, terminal, out);
	else if (ok)
		ok = chart_draw_bars(&chart, terminal, out);
	free(chart.points);
	buf_fini(&labels);
	return ok && buf_ok(out) ? 0 : err_nomem(err);
}

int chart_draw(
	struct result *result, const struct terminal *terminal, struct buf *out, struct err *err)
{
	struct parts parts;

	if (result->n_rows == 0)
		return 0;
	find_parts(result, &parts);
	if (parts.n_numbers == 0)
		return err_set(err, ERR_INVALID,
			"nothing to draw: a chart needs a column of numbers, and labels or times "
			"beside it");
	return draw(result, &parts, terminal, out, err);
}
