/*
 * Patterns become a list of steps: a letter with its count, or a run of
 * literal bytes of the pattern's own copy. The table of letters says how often
 * each may stand; what it does not name is refused, as Spark does.
 *
 * `[` and `]` mark what Java prints only if its fields are there. Ours always
 * are, so both sides print and only their pairing is checked.
 */
#include "sql/date_pattern.h"

#include "base/floor.h"
#include "base/mem.h"
#include "base/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct step {
	char letter; /* '\0': literal */
	uint8_t count;
	uint32_t at, len; /* literal: bytes of the pattern's text */
};

struct date_pattern {
	char *text; /* literal bytes, quotes resolved */
	size_t text_len;
	struct step *steps;
	size_t n_steps, cap_steps;
	bool has_era; /* `y` then counts within the era */
};

/* How often a letter may stand, as bits: bit n is n times. */
#define TIMES(n) (1u << (n))
#define UP_TO(n) ((TIMES((n) + 1) - 1) & ~1u)

static const struct {
	char letter;
	unsigned counts;
} letters[] = {
	{'G', UP_TO(4)},
	{'y', UP_TO(6)},
	{'M', UP_TO(4)},
	{'L', UP_TO(4)},
	{'d', UP_TO(2)},
	{'D', UP_TO(3)},
	{'Q', UP_TO(4)},
	{'q', UP_TO(4)},
	{'E', UP_TO(4)},
	{'F', UP_TO(1)},
	{'a', UP_TO(1)},
	{'h', UP_TO(2)},
	{'K', UP_TO(2)},
	{'k', UP_TO(2)},
	{'H', UP_TO(2)},
	{'m', UP_TO(2)},
	{'s', UP_TO(2)},
	{'S', UP_TO(9)},
	{'V', TIMES(2)},
	{'z', UP_TO(4)},
	{'O', TIMES(1) | TIMES(4)},
	{'X', UP_TO(5)},
	{'x', UP_TO(5)},
	{'Z', UP_TO(5)},
};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The pattern's text as far as a sentence can hold it. */
static int bad_pattern(struct err *err, const char *text, size_t len, const char *reason)
{
	int shown = len > 160 ? 160 : (int)len;

	return err_set(err, ERR_INVALID, "date pattern '%.*s'%s: %s", shown, text,
		len > 160 ? "…" : "", reason);
}

static bool add_step(struct date_pattern *pattern, struct step step)
{
	struct step *last = pattern->n_steps > 0 ? &pattern->steps[pattern->n_steps - 1] : NULL;

	if (step.letter == '\0' && last != NULL && last->letter == '\0') {
		last->len += step.len;
		return true;
	}
	if (!mem_grow(&pattern->steps, &pattern->cap_steps, pattern->n_steps + 1, sizeof(step)))
		return false;
	pattern->steps[pattern->n_steps++] = step;
	return true;
}

/* The text was allocated with room for every byte of the pattern, and literals are never longer. */
static bool add_literal(struct date_pattern *pattern, char c)
{
	uint32_t at = (uint32_t)pattern->text_len;

	pattern->text[pattern->text_len++] = c;
	return add_step(pattern, (struct step){.at = at, .len = 1});
}

static int read_letters(
	struct date_pattern *pattern, const char *text, size_t len, size_t *at, struct err *err)
{
	char letter = text[*at];
	bool is_known = false;
	char reason[128];
	size_t count = 0;

	while (*at < len && text[*at] == letter) {
		count++;
		(*at)++;
	}
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		if (letters[i].letter != letter)
			continue;
		is_known = true;
		if (count > 9 || (letters[i].counts & TIMES(count)) == 0)
			break;
		if (letter == 'G')
			pattern->has_era = true;
		if (!add_step(pattern, (struct step){.letter = letter, .count = (uint8_t)count}))
			return err_nomem(err);
		return 0;
	}
	if (is_known)
		(void)snprintf(reason, sizeof(reason), "'%c' cannot stand %zu time%s", letter,
			count, count == 1 ? "" : "s");
	else
		(void)snprintf(reason, sizeof(reason), "'%c' is no letter of a date%s", letter,
			letter == 'Y' ? ", the year is y" : " (put text between '…')");
	return bad_pattern(err, text, len, reason);
}

/* `'…'`, and `''` for a quote, inside or outside. */
static int read_quoted(
	struct date_pattern *pattern, const char *text, size_t len, size_t *at, struct err *err)
{
	size_t first = ++*at;

	for (; *at < len; (*at)++) {
		if (text[*at] == '\'') {
			if (*at + 1 == len || text[*at + 1] != '\'') {
				bool is_empty = *at == first;

				(*at)++;
				if (is_empty && !add_literal(pattern, '\''))
					return err_nomem(err);
				return 0;
			}
			(*at)++;
		}
		if (!add_literal(pattern, text[*at]))
			return err_nomem(err);
	}
	return bad_pattern(err, text, len, "a quote is open at its end");
}

static int read_pattern(struct date_pattern *pattern, const char *text, size_t len, struct err *err)
{
	size_t n_open = 0;
	size_t at = 0;

	while (at < len) {
		char c = text[at];
		int status = 0;

		if (is_letter(c)) {
			status = read_letters(pattern, text, len, &at, err);
		} else if (c == '\'') {
			status = read_quoted(pattern, text, len, &at, err);
		} else if (c == '[') {
			n_open++;
			at++;
		} else if (c == ']') {
			if (n_open == 0)
				return bad_pattern(err, text, len, "a ']' without '['");
			n_open--;
			at++;
		} else if (c == '{' || c == '}' || c == '#') {
			return bad_pattern(err, text, len, "'{', '}' and '#' are reserved");
		} else {
			at++;
			if (!add_literal(pattern, c))
				status = err_nomem(err);
		}
		if (status != 0)
			return status;
	}
	return 0;
}

int date_pattern_new(struct date_pattern **pattern, const char *text, size_t len, struct err *err)
{
	struct date_pattern *new;
	int status;

	if (len > DATE_PATTERN_MAX_BYTES)
		return err_set(err, ERR_LIMIT, "a date pattern is longer than %d bytes",
			DATE_PATTERN_MAX_BYTES);
	new = calloc(1, sizeof(*new));
	if (new == NULL)
		return err_nomem(err);
	new->text = mem_new_array(len, 1);
	status = new->text == NULL ? err_nomem(err) : read_pattern(new, text, len, err);
	if (status != 0) {
		date_pattern_free(new);
		return status;
	}
	*pattern = new;
	return 0;
}

void date_pattern_free(struct date_pattern *pattern)
{
	if (pattern == NULL)
		return;
	free(pattern->steps);
	free(pattern->text);
	free(pattern);
}

static const char *const month_names[] = {"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December"};
static const char *const day_names[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
static const char *const quarter_names[] = {
	"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};

/* An instant on the zone's clock, and what its letters need. */
struct moment {
	struct civil civil;
	struct zone_offset offset;
	const struct zone *zone;
	int weekday;     /* 0 is Sunday */
	int day_of_year; /* 1–366 */
};

static void add_padded(struct buf *out, uint64_t number, int width)
{
	char digits[24];
	int n = 0;

	do {
		digits[sizeof(digits) - 1 - (size_t)n++] = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	for (int i = n; i < width; i++)
		buf_add_char(out, '0');
	buf_add(out, digits + sizeof(digits) - n, (size_t)n);
}

/* The first three letters, or the whole word. */
static void add_name(struct buf *out, const char *name, bool whole)
{
	if (whole)
		buf_add_text(out, name);
	else
		buf_add(out, name, 3);
}

static void add_year(struct buf *out, const struct moment *moment, int count, bool of_era)
{
	int64_t year = moment->civil.year;
	uint64_t size;

	if (of_era && year <= 0)
		year = 1 - year;
	size = (uint64_t)(year < 0 ? -year : year);
	if (count == 2) {
		add_padded(out, size % 100, 2);
		return;
	}
	if (year < 0)
		buf_add_char(out, '-');
	else if ((count == 4 && size > 9999) || (count == 5 && size > 99999) ||
		 (count == 6 && size > 999999))
		buf_add_char(out, '+');
	add_padded(out, size, count);
}

static void add_quarter(struct buf *out, const struct moment *moment, int count)
{
	int quarter = (moment->civil.month - 1) / 3;

	if (count == 4) {
		buf_add_text(out, quarter_names[quarter]);
		return;
	}
	if (count == 3)
		buf_add_char(out, 'Q');
	add_padded(out, (uint64_t)quarter + 1, count == 2 ? 2 : 1);
}

static void add_fraction(struct buf *out, const struct moment *moment, int count)
{
	static const uint64_t powers[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	uint64_t us = (uint64_t)moment->civil.us;

	add_padded(out, us / powers[count < 6 ? count : 6], count < 6 ? count : 6);
	for (int i = 6; i < count; i++)
		buf_add_char(out, '0');
}

/* How java.time writes an offset: which of minutes and seconds stand, and with what between. */
struct offset_style {
	const char *zero; /* for no offset at all */
	bool colon;
	bool minutes_always;
	bool seconds; /* where they are not 0 */
};

static void add_offset(struct buf *out, int32_t seconds, const struct offset_style *style)
{
	uint32_t size = (uint32_t)(seconds < 0 ? -seconds : seconds);
	uint32_t minutes = size / 60 % 60;
	uint32_t rest = style->seconds ? size % 60 : 0;

	/* Less than a minute, printed without seconds, is none. */
	if (size / 3600 == 0 && minutes == 0 && rest == 0) {
		buf_add_text(out, style->zero);
		return;
	}
	buf_add_char(out, seconds < 0 ? '-' : '+');
	add_padded(out, size / 3600, 2);
	if (!style->minutes_always && minutes == 0)
		return;
	if (style->colon)
		buf_add_char(out, ':');
	add_padded(out, minutes, 2);
	if (rest == 0)
		return;
	if (style->colon)
		buf_add_char(out, ':');
	add_padded(out, rest, 2);
}

/* `GMT`, `GMT-7`, `GMT+5:30`; in full `GMT-07:00`. */
static void add_gmt(struct buf *out, int32_t seconds, bool full)
{
	uint32_t size = (uint32_t)(seconds < 0 ? -seconds : seconds);

	buf_add_text(out, "GMT");
	if (seconds == 0)
		return;
	buf_add_char(out, seconds < 0 ? '-' : '+');
	add_padded(out, size / 3600, full ? 2 : 1);
	if (!full && size % 3600 == 0)
		return;
	buf_add_char(out, ':');
	add_padded(out, size / 60 % 60, 2);
	if (size % 60 == 0)
		return;
	buf_add_char(out, ':');
	add_padded(out, size % 60, 2);
}

static void add_zone(struct buf *out, const struct moment *moment, char letter, int count)
{
	static const struct offset_style basic = {"+0000", false, true, false};
	static const struct offset_style extended = {"Z", true, true, true};
	static const struct offset_style upper[] = {{"Z", false, false, false},
		{"Z", false, true, false}, {"Z", true, true, false}, {"Z", false, true, true},
		{"Z", true, true, true}};
	static const struct offset_style lower[] = {{"+00", false, false, false},
		{"+0000", false, true, false}, {"+00:00", true, true, false},
		{"+0000", false, true, true}, {"+00:00", true, true, true}};
	int32_t seconds = moment->offset.seconds;

	switch (letter) {
	case 'V': buf_add_text(out, zone_name(moment->zone)); break;
	case 'z':
		buf_add_text(out, count == 4 ? zone_long_name(moment->zone, &moment->offset)
					     : zone_short_name(moment->zone, &moment->offset));
		break;
	case 'O': add_gmt(out, seconds, count == 4); break;
	case 'X': add_offset(out, seconds, &upper[count - 1]); break;
	case 'x': add_offset(out, seconds, &lower[count - 1]); break;
	default:
		if (count == 4)
			add_gmt(out, seconds, true);
		else
			add_offset(out, seconds, count == 5 ? &extended : &basic);
		break;
	}
}

static void add_date_field(
	struct buf *out, const struct moment *moment, const struct step *step, bool has_era)
{
	const struct civil *civil = &moment->civil;
	int count = step->count;

	switch (step->letter) {
	case 'G':
		if (count == 4)
			buf_add_text(out, civil->year > 0 ? "Anno Domini" : "Before Christ");
		else
			buf_add_text(out, civil->year > 0 ? "AD" : "BC");
		break;
	case 'y': add_year(out, moment, count, has_era); break;
	case 'M':
	case 'L':
		if (count > 2)
			add_name(out, month_names[civil->month - 1], count == 4);
		else
			add_padded(out, (uint64_t)civil->month, count);
		break;
	case 'd': add_padded(out, (uint64_t)civil->day, count); break;
	case 'D': add_padded(out, (uint64_t)moment->day_of_year, count); break;
	case 'Q':
	case 'q': add_quarter(out, moment, count); break;
	case 'E': add_name(out, day_names[moment->weekday], count == 4); break;
	default: /* F: the how-manieth of its weekday in the month */
		add_padded(out, (uint64_t)(civil->day - 1) % 7 + 1, 1);
		break;
	}
}

static void add_field(
	struct buf *out, const struct moment *moment, const struct step *step, bool has_era)
{
	int hour = moment->civil.hour;
	int count = step->count;

	switch (step->letter) {
	case 'a': buf_add_text(out, hour < 12 ? "AM" : "PM"); break;
	case 'h': add_padded(out, (uint64_t)(hour + 11) % 12 + 1, count); break;
	case 'K': add_padded(out, (uint64_t)hour % 12, count); break;
	case 'k': add_padded(out, (uint64_t)(hour + 23) % 24 + 1, count); break;
	case 'H': add_padded(out, (uint64_t)hour, count); break;
	case 'm': add_padded(out, (uint64_t)moment->civil.minute, count); break;
	case 's': add_padded(out, (uint64_t)moment->civil.second, count); break;
	case 'S': add_fraction(out, moment, count); break;
	case 'V':
	case 'z':
	case 'O':
	case 'X':
	case 'x':
	case 'Z': add_zone(out, moment, step->letter, count); break;
	default: add_date_field(out, moment, step, has_era); break;
	}
}

void date_pattern_print(
	const struct date_pattern *pattern, int64_t us, const struct zone *zone, struct buf *out)
{
	struct moment moment = {.zone = zone, .offset = zone_at(zone, floor_div(us, US_PER_S))};
	int64_t local_us = us + moment.offset.seconds * US_PER_S;
	int64_t day = floor_div(local_us, US_PER_DAY);
	struct civil new_year;

	civil_from_us(local_us, &moment.civil);
	/* Day 0, 1970-01-01, was a Thursday. */
	moment.weekday = (int)((day % 7 + 11) % 7);
	new_year = (struct civil){.year = moment.civil.year, .month = 1, .day = 1};
	moment.day_of_year = (int)(day - civil_to_us(&new_year) / US_PER_DAY) + 1;
	for (size_t i = 0; i < pattern->n_steps; i++) {
		const struct step *step = &pattern->steps[i];

		if (step->letter == '\0')
			buf_add(out, pattern->text + step->at, step->len);
		else
			add_field(out, &moment, step, pattern->has_era);
	}
}
