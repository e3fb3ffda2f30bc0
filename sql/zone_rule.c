/*
 * The grammar of POSIX TZ, read strictly, and the two instants a year at which
 * the clock changes. Leap years are the proleptic Gregorian ones.
 */
#include "sql/zone_rule.h"

#include "base/timestamp.h"

#include <ctype.h>
#include <string.h>

struct cursor {
	const char *at, *end;
};

static bool take(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool take_number(struct cursor *cursor, int max_digits, int low, int high, int *number)
{
	int n = 0, digits = 0;

	while (cursor->at < cursor->end && digits < max_digits && *cursor->at >= '0' &&
		*cursor->at <= '9') {
		n = n * 10 + (*cursor->at++ - '0');
		digits++;
	}
	*number = n;
	return digits > 0 && n >= low && n <= high;
}

/* `[+-]hh[:mm[:ss]]` */
static bool take_time(struct cursor *cursor, int max_hours, int32_t *seconds)
{
	int hours, minutes = 0, rest = 0;
	bool negative = false;

	if (take(cursor, '-'))
		negative = true;
	else
		(void)take(cursor, '+');
	if (!take_number(cursor, 3, 0, max_hours, &hours))
		return false;
	if (take(cursor, ':')) {
		if (!take_number(cursor, 2, 0, 59, &minutes))
			return false;
		if (take(cursor, ':') && !take_number(cursor, 2, 0, 59, &rest))
			return false;
	}
	*seconds = hours * 3600 + minutes * 60 + rest;
	if (negative)
		*seconds = -*seconds;
	return true;
}

/* Letters, or `<…>` around letters, digits and signs. */
static bool take_name(struct cursor *cursor, char name[ZONE_ABBREVIATION_BYTES])
{
	bool quoted = take(cursor, '<');
	size_t n = 0;

	while (cursor->at < cursor->end) {
		unsigned char c = (unsigned char)*cursor->at;
		bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!is_letter && !(quoted && ((c >= '0' && c <= '9') || c == '+' || c == '-')))
			break;
		if (n + 1 == ZONE_ABBREVIATION_BYTES)
			return false;
		name[n++] = (char)c;
		cursor->at++;
	}
	name[n] = '\0';
	return n >= 3 && (!quoted || take(cursor, '>'));
}

static bool take_change(struct cursor *cursor, struct zone_change *change)
{
	*change = (struct zone_change){.at_s = 7200};
	if (take(cursor, 'M')) {
		change->kind = ZONE_CHANGE_WEEKDAY;
		if (!take_number(cursor, 2, 1, 12, &change->month) || !take(cursor, '.') ||
			!take_number(cursor, 1, 1, 5, &change->week) || !take(cursor, '.') ||
			!take_number(cursor, 1, 0, 6, &change->day))
			return false;
	} else if (take(cursor, 'J')) {
		change->kind = ZONE_CHANGE_JULIAN;
		if (!take_number(cursor, 3, 1, 365, &change->day))
			return false;
	} else {
		change->kind = ZONE_CHANGE_DAY;
		if (!take_number(cursor, 3, 0, 365, &change->day))
			return false;
	}
	return !take(cursor, '/') || take_time(cursor, 167, &change->at_s);
}

bool zone_rule_parse(struct zone_rule *rule, const char *text, size_t len)
{
	struct cursor cursor = {text, text + len};
	int32_t west;

	*rule = (struct zone_rule){0};
	if (!take_name(&cursor, rule->std_name) || !take_time(&cursor, 24, &west))
		return false;
	rule->std_s = -west;
	if (cursor.at == cursor.end)
		return true;
	rule->has_dst = true;
	if (!take_name(&cursor, rule->dst_name))
		return false;
	rule->dst_s = rule->std_s + 3600;
	if (cursor.at < cursor.end && *cursor.at != ',') {
		if (!take_time(&cursor, 24, &west))
			return false;
		rule->dst_s = -west;
	}
	return take(&cursor, ',') && take_change(&cursor, &rule->dst_begin) && take(&cursor, ',') &&
	       take_change(&cursor, &rule->dst_end) && cursor.at == cursor.end;
}

static int64_t day_number(int64_t year, int month, int day)
{
	struct civil civil = {.year = year, .month = month, .day = day};

	return civil_to_us(&civil) / US_PER_DAY;
}

/* The change's wall clock time in `year`, in seconds since 1970-01-01 00:00 on that clock. */
static int64_t change_local(const struct zone_change *change, int64_t year)
{
	int64_t day = 0;
	int64_t weekday;

	switch (change->kind) {
	case ZONE_CHANGE_JULIAN:
		day = day_number(year, 1, 1) + change->day - 1;
		if (change->day >= 60 && civil_is_date(year, 2, 29))
			day++;
		break;
	case ZONE_CHANGE_DAY: day = day_number(year, 1, 1) + change->day; break;
	case ZONE_CHANGE_WEEKDAY:
		day = day_number(year, change->month, 1);
		/* Day 0, 1970-01-01, was a Thursday. */
		weekday = ((day + 4) % 7 + 7) % 7;
		day += (change->day - weekday + 7) % 7 + (int64_t)7 * (change->week - 1);
		while (change->week == 5 &&
			day >= (change->month == 12 ? day_number(year + 1, 1, 1)
						    : day_number(year, change->month + 1, 1)))
			day -= 7;
		break;
	}
	return day * 86400 + change->at_s;
}

bool zone_rule_is_dst(const struct zone_rule *rule, int64_t utc_s)
{
	struct civil civil;
	int64_t begin, end;

	if (!rule->has_dst)
		return false;
	civil_from_us((utc_s + rule->std_s) * US_PER_S, &civil);
	begin = change_local(&rule->dst_begin, civil.year) - rule->std_s;
	end = change_local(&rule->dst_end, civil.year) - rule->dst_s;
	if (begin < end)
		return utc_s >= begin && utc_s < end;
	return utc_s >= begin || utc_s < end;
}
