/*
 * The chart's inside: what was found in a result, and the drawing of it.
 * Private to client/chart*.c.
 */
#ifndef CLIENT_CHART_FORM_H
#define CLIENT_CHART_FORM_H

#include "base/buf.h"
#include "client/terminal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One number to draw. */
struct point {
	const char *label; /* of the bar or the series; borrowed from the result */
	int64_t time_us;   /* timelines */
	double value;
};

struct chart {
	const char *title; /* what the numbers are: their column's name */
	struct point *points;
	size_t n;
	size_t cap;
	bool has_year; /* timelines: the times carry a year */
};

/*
 * True when `text` is a time: a timestamp, `Jul-26 03:00`, `03:00`. A time
 * without a year is put into 1972.
 */
bool chart_parse_time(const char *text, int64_t *time_us, bool *has_year);

/* False: no memory. */
bool chart_draw_bars(const struct chart *chart, const struct terminal *terminal, struct buf *out);
bool chart_draw_timeline(
	const struct chart *chart, const struct terminal *terminal, struct buf *out);

/* 1,234,567 or 0.25; returns the columns it takes. */
size_t chart_format_number(double number, char text[32]);

/* The smallest of 1, 2, 2.5, 5 times a power of ten that is not below `number` (> 0). */
double chart_round_up(double number);

/* SGR sequences around the i-th series; "" without colours. */
const char *chart_colour(const struct terminal *terminal, size_t i);
const char *chart_plain(const struct terminal *terminal);

#endif
