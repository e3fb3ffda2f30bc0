/*
 * The calendar and the text of times.
 *
 * Days are turned into dates by eras of 400 years that begin on 1 March, so
 * that the leap day is the last of its year and nothing needs a table. The
 * parser walks the text once with a cursor; each step takes what it knows and
 * says whether it did.
 */
#include "base/timestamp.h"

#include "base/floor.h"

#include <assert.h>
#include <string.h>

#define DAYS_PER_ERA      INT64_C(146097)
#define YEARS_PER_ERA     400
#define DAYS_TO_EPOCH     INT64_C(719468) /* from 0000-03-01 to 1970-01-01 */
#define MAX_OFFSET_MINUTE (18 * 60)

static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t shifted = month <= 2 ? year - 1 : year;
	int64_t era = floor_div(shifted, YEARS_PER_ERA);
	int64_t year_of_era = shifted - era * YEARS_PER_ERA;
	int64_t month_from_march = (month + 9) % 12;
	int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

	return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

void civil_from_us(int64_t us, struct civil *civil)
{
	int64_t days = floor_div(us, US_PER_DAY);
	int64_t rest = us % US_PER_DAY < 0 ? us % US_PER_DAY + US_PER_DAY : us % US_PER_DAY;
	int64_t era = floor_div(days + DAYS_TO_EPOCH, DAYS_PER_ERA);
	int64_t day_of_era = days + DAYS_TO_EPOCH - era * DAYS_PER_ERA;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;

	civil->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	civil->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	civil->year = era * YEARS_PER_ERA + year_of_era + (civil->month <= 2);
	civil->us = (int)(rest % US_PER_S);
	rest /= US_PER_S;
	civil->second = (int)(rest % 60);
	rest /= 60;
	civil->minute = (int)(rest % 60);
	civil->hour = (int)(rest / 60);
}

/* False where the result does not fit into 64 bits. */
static bool to_us(const struct civil *civil, int64_t *us)
{
	int64_t days = days_from_date(civil->year, civil->month, civil->day);
	int64_t seconds = (civil->hour * INT64_C(60) + civil->minute) * 60 + civil->second;
	int64_t within_day_us = seconds * US_PER_S + civil->us;
	__int128 wide = (__int128)days * US_PER_DAY + within_day_us;

	*us = (int64_t)wide;
	return wide == *us;
}

int64_t civil_to_us(const struct civil *civil)
{
	int64_t us;
	bool fits = to_us(civil, &us);

	assert(fits);
	return us;
}

bool civil_is_date(int64_t year, int month, int day)
{
	static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	if (month < 1 || month > 12 || day < 1)
		return false;
	return day <= days[month - 1] || (month == 2 && is_leap && day == 29);
}

struct cursor {
	const char *at;
	const char *end;
};

static bool take_char(struct cursor *cursor, char c)
{
	if (cursor->at == cursor->end || *cursor->at != c)
		return false;
	cursor->at++;
	return true;
}

static bool next_is_digit(const struct cursor *cursor)
{
	return cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9';
}

/* At least `min` and at most `max` digits; false where there are fewer. */
static bool take_digits(struct cursor *cursor, int min, int max, int *number)
{
	int n = 0;

	*number = 0;
	while (n < max && next_is_digit(cursor)) {
		*number = *number * 10 + (*cursor->at++ - '0');
		n++;
	}
	return n >= min;
}

/* `+10000` and more digits, `-0001`, or four digits. */
static bool take_year(struct cursor *cursor, bool is_bound, int64_t *year)
{
	int n;

	if (is_bound && take_char(cursor, '+')) {
		if (!take_digits(cursor, 5, 6, &n))
			return false;
	} else if (is_bound && take_char(cursor, '-')) {
		if (!take_digits(cursor, 4, 6, &n) || n == 0)
			return false;
		n = -n;
	} else if (!take_digits(cursor, 4, 4, &n)) {
		return false;
	}
	*year = n;
	return true;
}

/* Behind the point: any number of digits, one at least; those finer than microseconds are cut. */
static bool take_fraction(struct cursor *cursor, int *us)
{
	int n = 0;

	if (!take_digits(cursor, 1, 1, us))
		return false;
	for (n = 1; n < 6 && next_is_digit(cursor); n++)
		*us = *us * 10 + (*cursor->at++ - '0');
	for (; n < 6; n++)
		*us *= 10;
	while (next_is_digit(cursor))
		cursor->at++;
	return true;
}

static bool take_time_of_day(struct cursor *cursor, struct civil *civil)
{
	if (!take_digits(cursor, 1, 2, &civil->hour) || !take_char(cursor, ':') ||
		!take_digits(cursor, 2, 2, &civil->minute))
		return false;
	if (take_char(cursor, ':')) {
		if (!take_digits(cursor, 2, 2, &civil->second))
			return false;
		if (take_char(cursor, '.') && !take_fraction(cursor, &civil->us))
			return false;
	}
	return civil->hour < 24 && civil->minute < 60 && civil->second < 60;
}

/* `Z`, `±HH`, `±HHmm`, `±HH:mm`, or nothing. */
static bool take_zone(struct cursor *cursor, int *offset_minutes)
{
	int hours, minutes = 0;
	bool is_west;

	*offset_minutes = 0;
	if (cursor->at == cursor->end || take_char(cursor, 'Z'))
		return true;
	is_west = take_char(cursor, '-');
	if (!is_west && !take_char(cursor, '+'))
		return false;
	if (!take_digits(cursor, 2, 2, &hours))
		return false;
	if (take_char(cursor, ':') || next_is_digit(cursor)) {
		if (!take_digits(cursor, 2, 2, &minutes))
			return false;
	}
	if (minutes > 59 || hours * 60 + minutes > MAX_OFFSET_MINUTE)
		return false;
	*offset_minutes = is_west ? -(hours * 60 + minutes) : hours * 60 + minutes;
	return true;
}

/* Two digits; more than 99 where they are none. */
static int two_digits(const char *text)
{
	unsigned tens = (unsigned char)text[0] - (unsigned)'0';
	unsigned ones = (unsigned char)text[1] - (unsigned)'0';

	return tens > 9 || ones > 9 ? 100 : (int)(tens * 10 + ones);
}

/* The canonical form without a fraction, which is most of what is read back; false: another one, or
 * none. */
static bool parse_plain(const char *text, struct civil *civil)
{
	int century = two_digits(text), year = two_digits(text + 2);

	if (text[4] != '-' || text[7] != '-' || text[10] != ' ' || text[13] != ':' ||
		text[16] != ':' || century > 99 || year > 99)
		return false;
	*civil = (struct civil){.year = century * 100 + year,
		.month = two_digits(text + 5),
		.day = two_digits(text + 8),
		.hour = two_digits(text + 11),
		.minute = two_digits(text + 14),
		.second = two_digits(text + 17)};
	return civil_is_date(civil->year, civil->month, civil->day) && civil->hour < 24 &&
	       civil->minute < 60 && civil->second < 60;
}

static bool parse(const char *text, size_t len, bool is_bound, int64_t *us)
{
	struct cursor cursor = {text, text + len};
	struct civil civil = {0};
	int64_t local;
	int offset_minutes;

	if (len == sizeof("YYYY-MM-DD HH:MM:SS") - 1 && parse_plain(text, &civil))
		return to_us(&civil, us);
	if (!take_year(&cursor, is_bound, &civil.year) || !take_char(&cursor, '-') ||
		!take_digits(&cursor, 1, 2, &civil.month) || !take_char(&cursor, '-') ||
		!take_digits(&cursor, 1, 2, &civil.day) ||
		!civil_is_date(civil.year, civil.month, civil.day))
		return false;
	if ((take_char(&cursor, 'T') || take_char(&cursor, ' ')) &&
		!take_time_of_day(&cursor, &civil))
		return false;
	if (!take_zone(&cursor, &offset_minutes) || cursor.at != cursor.end)
		return false;
	if (!to_us(&civil, &local))
		return false;
	return !__builtin_sub_overflow(local, INT64_C(60) * offset_minutes * US_PER_S, us);
}

bool timestamp_parse(const char *text, size_t len, int64_t *us)
{
	int64_t parsed;

	/* A written year 0000 stays refused where an offset would lift the result into range. */
	if (!parse(text, len, false, &parsed) || memcmp(text, "0000", 4) == 0)
		return false;
	if (parsed < TIMESTAMP_MIN_US || parsed > TIMESTAMP_MAX_US)
		return false;
	*us = parsed;
	return true;
}

bool timestamp_parse_bound(const char *text, size_t len, int64_t *us)
{
	int64_t parsed;

	if (!parse(text, len, true, &parsed))
		return false;
	*us = parsed;
	return true;
}

static char *put_digits(char *at, int64_t number, int n)
{
	int i;

	for (i = n - 1; i >= 0; i--) {
		at[i] = (char)('0' + number % 10);
		number /= 10;
	}
	return at + n;
}

static char *put_year(char *at, int64_t year)
{
	int64_t magnitude = year < 0 ? -year : year;

	if (year < 0)
		*at++ = '-';
	else if (year > 9999)
		*at++ = '+';
	return put_digits(at, magnitude, magnitude > 99999 ? 6 : magnitude > 9999 ? 5 : 4);
}

/* With the space behind it. */
static char *put_date(char *at, int64_t us)
{
	struct civil civil;

	civil_from_us(us, &civil);
	at = put_year(at, civil.year);
	*at++ = '-';
	at = put_digits(at, civil.month, 2);
	*at++ = '-';
	at = put_digits(at, civil.day, 2);
	*at++ = ' ';
	return at;
}

static char *put_two(char *at, uint32_t number)
{
	at[0] = (char)('0' + number / 10);
	at[1] = (char)('0' + number % 10);
	return at + 2;
}

/* With a NUL, to which it returns. */
static char *put_time_of_day(char *at, int64_t within_day_us)
{
	uint32_t second = (uint32_t)(within_day_us / US_PER_S);
	uint32_t us = (uint32_t)(within_day_us % US_PER_S);

	at = put_two(at, second / 3600);
	*at++ = ':';
	at = put_two(at, second / 60 % 60);
	*at++ = ':';
	at = put_two(at, second % 60);
	if (us != 0) {
		*at++ = '.';
		at = put_digits(at, us, 6);
		while (at[-1] == '0')
			at--;
	}
	*at = '\0';
	return at;
}

static int64_t within_day(int64_t us)
{
	int64_t rest = us % US_PER_DAY;

	return rest < 0 ? rest + US_PER_DAY : rest;
}

size_t timestamp_format(int64_t us, char text[TIMESTAMP_TEXT_BYTES])
{
	return (size_t)(put_time_of_day(put_date(text, us), within_day(us)) - text);
}

void timestamp_text_set(struct timestamp_text *text, int64_t us)
{
	if (text->date_len > 0 && us == text->us)
		return;
	if (text->date_len == 0 || (uint64_t)us - text->day_us >= (uint64_t)US_PER_DAY) {
		text->date_len = (size_t)(put_date(text->text, us) - text->text);
		text->day_us = (uint64_t)us - (uint64_t)within_day(us);
	}
	text->us = us;
	text->len = (size_t)(put_time_of_day(text->text + text->date_len,
				     (int64_t)((uint64_t)us - text->day_us)) -
			     text->text);
}
