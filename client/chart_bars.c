/* One bar a label, to the eighth of a character. */
#include "client/chart_form.h"

#include <math.h>
#include <string.h>

#define NARROWEST_BAR 4

/* A label is cut here so that a bar has room beside it. */
static size_t widest_label(const struct chart *chart, size_t limit)
{
	size_t widest = 0;

	for (size_t i = 0; i < chart->n; i++) {
		size_t width =
			terminal_width(chart->points[i].label, strlen(chart->points[i].label));

		if (width > widest)
			widest = width;
	}
	return widest < limit ? widest : limit;
}

/* The label on one line in `width` columns, cut with an ellipsis where it is longer. */
static void add_label(struct buf *out, const char *label, size_t width, bool has_unicode)
{
	size_t len = strlen(label);
	size_t taken = terminal_width(label, len);
	const char *ellipsis = "";

	if (taken > width) {
		ellipsis = has_unicode ? "…" : "~";
		while (len > 0 && terminal_width(label, len) > width - 1)
			len--;
		while (len > 0 && ((unsigned char)label[len] & 0xc0) == 0x80)
			len--;
		taken = terminal_width(label, len) + 1;
	}
	for (size_t i = 0; i < len; i++)
		buf_add_char(out, (unsigned char)label[i] < ' ' ? ' ' : label[i]);
	buf_add_text(out, ellipsis);
	for (; taken < width; taken++)
		buf_add_char(out, ' ');
}

static void add_bar(struct buf *out, double share, size_t width, bool has_unicode)
{
	static const char *const eighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	size_t n = (size_t)lround(share * (double)width * 8);

	if (n == 0 && share > 0)
		n = 1;
	for (size_t i = 0; i < n / 8; i++)
		buf_add_text(out, has_unicode ? "█" : "#");
	if (has_unicode)
		buf_add_text(out, eighths[n % 8]);
	else if (n % 8 >= 4 || n < 8)
		buf_add_text(out, n > 0 ? "#" : "");
}

bool chart_draw_bars(const struct chart *chart, const struct terminal *terminal, struct buf *out)
{
	size_t columns = (size_t)(terminal->columns > 30 ? terminal->columns : 30);
	size_t label_width = widest_label(chart, columns / 3);
	size_t number_width = 0;
	size_t taken, room;
	double largest = 0;
	char text[32];

	for (size_t i = 0; i < chart->n; i++) {
		size_t width = chart_format_number(chart->points[i].value, text);

		number_width = width > number_width ? width : number_width;
		largest = fmax(largest, fabs(chart->points[i].value));
	}
	/* Beside long numbers a narrow window folds the lines rather than lose the bars. */
	taken = label_width + number_width + 3;
	room = columns > taken + NARROWEST_BAR ? columns - taken : NARROWEST_BAR;
	for (size_t i = 0; i < chart->n; i++) {
		double value = chart->points[i].value;

		add_label(out, chart->points[i].label, label_width, terminal->has_unicode);
		if (label_width > 0)
			buf_add_char(out, ' ');
		(void)chart_format_number(value, text);
		buf_printf(out, "%*s ", (int)number_width, text);
		buf_add_text(out, chart_colour(terminal, value < 0 ? 5 : 0));
		add_bar(out, largest > 0 ? fabs(value) / largest : 0, room, terminal->has_unicode);
		buf_add_text(out, chart_plain(terminal));
		buf_add_char(out, '\n');
	}
	return buf_ok(out);
}
