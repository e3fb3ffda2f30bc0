/* Casts, parts of a timestamp, intervals that are added to one, and arrays as text. */
#include "daemon/pg_convert.h"

#include "base/json_write.h"
#include "base/quantity.h"
#include "base/timestamp.h"
#include "daemon/pg_param.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* x::int: a text must be a whole number, as PostgreSQL wants it; a real is rounded. */
void pg_convert_int(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text;
	char *end;
	char message[128];
	long long n;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_FLOAT) {
		double x = rint(sqlite3_value_double(argv[0]));

		if (x >= -9223372036854775808.0 && x < 9223372036854775808.0)
			sqlite3_result_int64(context, (sqlite3_int64)x);
		else
			sqlite3_result_error(context, "bigint out of range", -1);
		return;
	}
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_value(context, argv[0]);
		return;
	}
	text = (const char *)sqlite3_value_text(argv[0]);
	errno = 0;
	n = text == NULL ? 0 : strtoll(text, &end, 10);
	if (text == NULL || *text == '\0' || *end != '\0') {
		(void)snprintf(message, sizeof(message),
			"invalid input syntax for type integer: \"%.60s\"",
			text == NULL ? "" : text);
		sqlite3_result_error(context, message, -1);
	} else if (errno == ERANGE) {
		sqlite3_result_error(context, "bigint out of range", -1);
	} else {
		sqlite3_result_int64(context, n);
	}
}

/* x::float8: a text must be a number as a whole. SQLite has no NaN: it is NULL. */
void pg_convert_float(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	char message[128];
	double x;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL) {
		return;
	} else if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_double(context, sqlite3_value_double(argv[0]));
	} else if (text != NULL && pg_text_to_double(text, strlen(text), &x)) {
		sqlite3_result_double(context, x);
	} else {
		(void)snprintf(message, sizeof(message),
			"invalid input syntax for type double precision: \"%.60s\"",
			text == NULL ? "" : text);
		sqlite3_result_error(context, message, -1);
	}
}

void pg_convert_bool(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text;
	char message[128];
	bool truth;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_int(context, sqlite3_value_double(argv[0]) != 0);
		return;
	}
	text = (const char *)sqlite3_value_text(argv[0]);
	if (text != NULL && pg_text_to_bool(text, strlen(text), &truth)) {
		sqlite3_result_int(context, truth);
		return;
	}
	(void)snprintf(message, sizeof(message), "invalid input syntax for type boolean: \"%.60s\"",
		text == NULL ? "" : text);
	sqlite3_result_error(context, message, -1);
}

/* '\\x00ff'::bytea is these bytes; another text is its own. */
void pg_convert_bytea(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct pg_parameter parameter = {.oid = PG_BYTEA};
	struct value value;
	struct buf scratch = {0};
	struct err err = ERR_INIT;

	(void)argc;
	if (sqlite3_value_type(argv[0]) != SQLITE_TEXT) {
		sqlite3_result_value(context, argv[0]);
		return;
	}
	parameter.data = (const char *)sqlite3_value_text(argv[0]);
	parameter.len = sqlite3_value_bytes(argv[0]);
	if (parameter.data == NULL)
		sqlite3_result_error_nomem(context);
	else if (pg_read_parameter(&parameter, &value, &scratch, &err) != 0)
		sqlite3_result_error(context, err.text, -1);
	else
		sqlite3_result_blob64(context, value.data, value.len, SQLITE_TRANSIENT);
	buf_fini(&scratch);
}

void pg_convert_date(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	char canonical[TIMESTAMP_TEXT_BYTES];
	int64_t us;

	(void)argc;
	if (text == NULL)
		return;
	if (!timestamp_parse(text, strlen(text), &us)) {
		sqlite3_result_error(context, "invalid input syntax for type date", -1);
		return;
	}
	(void)timestamp_format(us, canonical);
	sqlite3_result_text(context, canonical, 10, SQLITE_TRANSIENT);
}

static int64_t day_of_us(int64_t us)
{
	return us / US_PER_DAY - (us % US_PER_DAY < 0);
}

/* A field of a timestamp under PostgreSQL's name. False: there is no such field. */
static bool extract_field(const char *field, int64_t us, double *x)
{
	static const char *const names[] = {"year", "month", "day", "hour", "minute", "second",
		"epoch", "dow", "isodow", "doy", "quarter"};
	struct civil civil, new_year = {.month = 1, .day = 1};
	size_t i = 0;

	while (i < sizeof(names) / sizeof(names[0]) && strcasecmp(field, names[i]) != 0)
		i++;
	civil_from_us(us, &civil);
	new_year.year = civil.year;
	switch (i) {
	case 0: *x = (double)civil.year; return true;
	case 1: *x = civil.month; return true;
	case 2: *x = civil.day; return true;
	case 3: *x = civil.hour; return true;
	case 4: *x = civil.minute; return true;
	case 5: *x = civil.second + civil.us / 1e6; return true;
	case 6: *x = (double)us / 1e6; return true;
	case 7: *x = (double)(((day_of_us(us) + 4) % 7 + 7) % 7); return true;
	case 8: *x = (double)(((day_of_us(us) + 3) % 7 + 7) % 7) + 1; return true;
	case 9: *x = (double)(day_of_us(us) - day_of_us(civil_to_us(&new_year))) + 1; return true;
	case 10: *x = (civil.month + 2) / 3; return true;
	default: return false;
	}
}

void pg_convert_extract(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *field = (const char *)sqlite3_value_text(argv[0]);
	const char *text = (const char *)sqlite3_value_text(argv[1]);
	char message[160];
	int64_t us;
	double x;

	(void)argc;
	if (field == NULL || text == NULL)
		return;
	if (!timestamp_parse_bound(text, strlen(text), &us) || us < -CALENDAR_MAX_US ||
		us > CALENDAR_MAX_US) {
		(void)snprintf(message, sizeof(message),
			"invalid input syntax for type timestamp: \"%.60s\"", text);
		sqlite3_result_error(context, message, -1);
	} else if (!extract_field(field, us, &x)) {
		(void)snprintf(message, sizeof(message),
			"unit \"%.40s\" not supported: epoch, year, quarter, month, day, hour, "
			"minute, second, dow, isodow, doy",
			field);
		sqlite3_result_error(context, message, -1);
	} else {
		sqlite3_result_double(context, x);
	}
}

struct interval {
	int64_t months, us;
};

/* `hh:mm[:ss]` at text; its length, 0: it is no such thing. */
static size_t read_clock(const char *text, int64_t *us)
{
	int hours, minutes, n = 0, end = 0;
	double seconds = 0;

	if (sscanf(text, "%9d:%2d%n:%9lf%n", &hours, &minutes, &n, &seconds, &end) < 2 || n == 0)
		return 0;
	*us = ((int64_t)hours * 60 + minutes) * 60 * US_PER_S + (int64_t)rint(seconds * 1e6);
	return (size_t)(end > 0 ? end : n);
}

/* Months of `1 year 2 mons` and a clock's time are taken here, the rest is a duration's. */
static int read_interval(const char *text, struct interval *interval, struct err *err)
{
	char rest[DURATION_TEXT_BYTES] = "";
	int64_t us = 0;

	*interval = (struct interval){0};
	while (*text != '\0') {
		size_t clock = read_clock(text, &us);
		char unit[16] = "";
		int n = 0;
		long count;

		if (clock > 0) {
			interval->us += us;
			text += clock;
		} else if (sscanf(text, "%9ld %15[A-Za-z]%n", &count, unit, &n) == 2 && n > 0 &&
			   (strncasecmp(unit, "mon", 3) == 0 ||
				   strncasecmp(unit, "year", 4) == 0)) {
			interval->months += strncasecmp(unit, "year", 4) == 0 ? 12 * count : count;
			text += n;
		} else {
			size_t len = n > 0 ? (size_t)n : strlen(text);

			if (strlen(rest) + len + 2 > sizeof(rest))
				return err_set(err, ERR_INVALID,
					"invalid input syntax for type interval: \"%.60s\"", text);
			(void)snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest), "%s%.*s",
				rest[0] != '\0' ? " " : "", (int)len, text);
			text += len;
		}
		text += strspn(text, " ");
	}
	if (rest[0] == '\0')
		return 0;
	if (duration_parse(rest, &us, err) != 0)
		return err_prefix(err, "invalid input syntax for type interval");
	interval->us += us;
	return 0;
}

/* The last day of the month where the day is not in it, as PostgreSQL has it. */
static int64_t add_months(int64_t us, int64_t months)
{
	struct civil civil;
	int64_t n;

	civil_from_us(us, &civil);
	n = civil.year * 12 + civil.month - 1 + months;
	civil.year = n / 12 - (n % 12 < 0);
	civil.month = (int)(n - civil.year * 12) + 1;
	while (!civil_is_date(civil.year, civil.month, civil.day))
		civil.day--;
	return civil_to_us(&civil);
}

void pg_convert_interval(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	const char *added = (const char *)sqlite3_value_text(argv[2]);
	int sign = sqlite3_value_int(argv[1]);
	char canonical[TIMESTAMP_TEXT_BYTES];
	struct interval interval;
	struct err err = ERR_INIT;
	char message[128];
	int64_t us;

	(void)argc;
	if (text == NULL || added == NULL)
		return;
	if (!timestamp_parse(text, strlen(text), &us)) {
		(void)snprintf(message, sizeof(message),
			"invalid input syntax for type timestamp: \"%.60s\"", text);
		sqlite3_result_error(context, message, -1);
		return;
	}
	if (read_interval(added, &interval, &err) != 0) {
		sqlite3_result_error(context, err.text, -1);
		return;
	}
	if (llabs(interval.months) > 120000 || llabs(interval.us) > TIMESTAMP_MAX_US) {
		sqlite3_result_error(context, "interval out of range", -1);
		return;
	}
	us = add_months(us, sign * interval.months) + sign * interval.us;
	if (us < TIMESTAMP_MIN_US || us > TIMESTAMP_MAX_US) {
		sqlite3_result_error(context, "timestamp out of range", -1);
		return;
	}
	(void)timestamp_format(us, canonical);
	sqlite3_result_text(context, canonical, -1, SQLITE_TRANSIENT);
}

/* One element at text, which is behind `{` or `,`; returns what is behind it, NULL: broken. */
static const char *add_element(struct buf *json, const char *text)
{
	bool is_quoted = *text == '"';
	struct buf plain = {0};

	if (is_quoted)
		text++;
	while (*text != '\0' && (is_quoted ? *text != '"' : *text != ',' && *text != '}')) {
		if (*text == '\\' && text[1] != '\0')
			text++;
		buf_add_char(&plain, *text++);
	}
	if (is_quoted && *text == '"')
		text++;
	else if (is_quoted)
		plain.failed = true;
	if (!is_quoted && plain.len == 4 && strncasecmp(plain.data, "null", 4) == 0)
		buf_add_text(json, "null");
	else
		json_write_string(json, plain.data != NULL ? plain.data : "", plain.len);
	json->failed = json->failed || plain.failed;
	buf_fini(&plain);
	return *text == ',' || *text == '}' ? text : NULL;
}

/* '{a,"b c",NULL}' as ["a","b c",null]: arrays of one dimension, for json_each. */
void pg_convert_array(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const char *text = (const char *)sqlite3_value_text(argv[0]);
	struct buf json = {0};

	(void)argc;
	if (text == NULL)
		return;
	buf_add_char(&json, '[');
	if (*text == '{' && text[1] == '}' && text[2] == '\0')
		text += 2;
	else if (*text != '{' || text[1] == '{')
		text = NULL;
	else
		while (text != NULL && *text != '}') {
			if (json.len > 1)
				buf_add_char(&json, ',');
			text = add_element(&json, text + 1);
		}
	buf_add_char(&json, ']');
	if (text == NULL || !buf_ok(&json))
		sqlite3_result_error(
			context, "invalid input syntax for type array: a list in {} is wanted", -1);
	else
		sqlite3_result_text(context, json.data, (int)json.len, SQLITE_TRANSIENT);
	buf_fini(&json);
}
