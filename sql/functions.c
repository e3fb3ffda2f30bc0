/*
 * The time functions, over base/timestamp.h and sql/date_pattern.h.
 *
 * A time argument is a text in the grammar of event times or of our own
 * timestamps, or a number of seconds; NULL gives NULL. A pattern is compiled
 * once a statement: SQLite keeps it beside the constant argument.
 */
#include "sql/functions.h"

#include "base/floor.h"
#include "base/timestamp.h"
#include "sql/date_pattern.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define MAX_SECONDS (CALENDAR_MAX_US / US_PER_S)

static void fail(sqlite3_context *context, const struct err *err)
{
	if (err->code == ERR_NOMEM)
		sqlite3_result_error_nomem(context);
	else
		sqlite3_result_error(context, err->text, -1);
}

static int seconds_to_us(sqlite3_value *value, int64_t *us, struct err *err)
{
	double real;

	if (sqlite3_value_type(value) == SQLITE_INTEGER) {
		int64_t seconds = sqlite3_value_int64(value);

		if (seconds < -MAX_SECONDS || seconds > MAX_SECONDS)
			return err_set(err, ERR_INVALID,
				"no time: %lld (seconds since 1970 are expected)",
				(long long)seconds);
		*us = seconds * US_PER_S;
		return 0;
	}
	real = sqlite3_value_double(value);
	if (!(fabs(real) <= (double)MAX_SECONDS))
		return err_set(
			err, ERR_INVALID, "no time: %.17g (seconds since 1970 are expected)", real);
	/* To the nearest microsecond: a double of today's seconds is exact to a quarter of one. */
	*us = (int64_t)rint(real * 1e6);
	return 0;
}

/* 0, or an error whose sentence names the value. Never called with NULL. */
static int read_time(sqlite3_value *value, int64_t *us, struct err *err)
{
	const char *text;
	size_t len;

	switch (sqlite3_value_type(value)) {
	case SQLITE_INTEGER:
	case SQLITE_FLOAT: return seconds_to_us(value, us, err);
	case SQLITE_BLOB: return err_set(err, ERR_INVALID, "no time: a BLOB");
	default: break;
	}
	text = (const char *)sqlite3_value_text(value);
	if (text == NULL)
		return err_nomem(err);
	len = (size_t)sqlite3_value_bytes(value);
	if (!timestamp_parse_bound(text, len, us) || *us < -CALENDAR_MAX_US ||
		*us > CALENDAR_MAX_US)
		return err_set(err, ERR_INVALID, "no time: '%.*s'%s (like 2016-07-26 02:45:07)",
			len > 100 ? 100 : (int)len, text, len > 100 ? "…" : "");
	return 0;
}

/* The same for what counts seconds: a text of digits is a number too. */
static int read_seconds(sqlite3_value *value, int64_t *us, struct err *err)
{
	int type = sqlite3_value_numeric_type(value);

	if (type == SQLITE_INTEGER || type == SQLITE_FLOAT)
		return seconds_to_us(value, us, err);
	return err_set(err, ERR_INVALID, "no number of seconds: '%.100s'",
		(const char *)sqlite3_value_text(value));
}

static void give_timestamp(sqlite3_context *context, int64_t us)
{
	char text[TIMESTAMP_TEXT_BYTES];
	size_t len = timestamp_format(us, text);

	sqlite3_result_text(context, text, (int)len, SQLITE_TRANSIENT);
}

static void on_pattern_free(void *pattern)
{
	date_pattern_free(pattern);
}

/*
 * The compiled pattern of argument `index`, kept by
 * SQLite where it can; *own: the caller frees it.
 */
static int pattern_of(sqlite3_context *context, sqlite3_value *value, int index,
	struct date_pattern **pattern, struct date_pattern **own, struct err *err)
{
	const char *text;
	int status;

	*own = NULL;
	*pattern = sqlite3_get_auxdata(context, index);
	if (*pattern != NULL)
		return 0;
	text = (const char *)sqlite3_value_text(value);
	if (text == NULL)
		return err_nomem(err);
	status = date_pattern_new(pattern, text, (size_t)sqlite3_value_bytes(value), err);
	if (status != 0)
		return status;
	sqlite3_set_auxdata(context, index, *pattern, on_pattern_free);
	/* Without memory SQLite has freed it already; where the argument varies it will soon. */
	if (sqlite3_get_auxdata(context, index) == *pattern)
		return 0;
	status = date_pattern_new(pattern, text, (size_t)sqlite3_value_bytes(value), err);
	*own = *pattern;
	return status;
}

static void print_time(sqlite3_context *context, int64_t us, const struct date_pattern *pattern)
{
	const struct function_scope *scope = sqlite3_user_data(context);
	struct buf out = {0};

	date_pattern_print(pattern, us, scope->zone, &out);
	if (buf_ok(&out))
		sqlite3_result_text64(context, out.len > 0 ? out.data : "", out.len,
			SQLITE_TRANSIENT, SQLITE_UTF8);
	else
		sqlite3_result_error_nomem(context);
	buf_fini(&out);
}

static void on_date_format(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct err err = ERR_INIT;
	struct date_pattern *pattern = NULL, *own = NULL;
	int64_t us = 0;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
		sqlite3_value_type(argv[1]) == SQLITE_NULL)
		return;
	if (read_time(argv[0], &us, &err) != 0 ||
		pattern_of(context, argv[1], 1, &pattern, &own, &err) != 0) {
		fail(context, &err);
		return;
	}
	print_time(context, us, pattern);
	date_pattern_free(own);
}

static void on_from_unixtime(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	static const char standard[] = "yyyy-MM-dd HH:mm:ss";
	struct err err = ERR_INIT;
	struct date_pattern *pattern = NULL, *own = NULL;
	int64_t us = 0;
	int status;

	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
		(argc > 1 && sqlite3_value_type(argv[1]) == SQLITE_NULL))
		return;
	status = read_seconds(argv[0], &us, &err);
	if (status == 0 && argc > 1) {
		status = pattern_of(context, argv[1], 1, &pattern, &own, &err);
	} else if (status == 0) {
		status = date_pattern_new(&pattern, standard, sizeof(standard) - 1, &err);
		own = status == 0 ? pattern : NULL;
	}
	if (status != 0) {
		fail(context, &err);
		return;
	}
	print_time(context, us, pattern);
	date_pattern_free(own);
}

/* One `now` a statement, by the clock that CURRENT_TIMESTAMP reads. */
static void give_now(sqlite3_context *context)
{
	struct function_scope *scope = sqlite3_user_data(context);
	sqlite3_vfs *vfs = NULL;
	sqlite3_int64 julian_ms;

	if (scope->clock_was_read) {
		sqlite3_result_int64(context, scope->now_s);
		return;
	}
	(void)sqlite3_file_control(
		sqlite3_context_db_handle(context), "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
	if (vfs == NULL || vfs->iVersion < 2 ||
		vfs->xCurrentTimeInt64(vfs, &julian_ms) != SQLITE_OK) {
		sqlite3_result_error(context, "the clock cannot be read", -1);
		return;
	}
	/* 1970-01-01 is the Julian day 2440587.5. */
	scope->now_s = julian_ms / 1000 - INT64_C(210866760000);
	scope->clock_was_read = true;
	sqlite3_result_int64(context, scope->now_s);
}

static void on_unix_timestamp(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct err err = ERR_INIT;
	int64_t us = 0;

	if (argc == 0) {
		give_now(context);
		return;
	}
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	if (read_time(argv[0], &us, &err) != 0)
		fail(context, &err);
	else
		/* Spark's rule: towards zero, before 1970 too. */
		sqlite3_result_int64(context, us / US_PER_S);
}

static void on_to_timestamp(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct err err = ERR_INIT;
	int64_t us = 0;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL)
		return;
	if (read_time(argv[0], &us, &err) != 0)
		fail(context, &err);
	else
		give_timestamp(context, us);
}

enum unit { MICROSECOND, MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR };

static const struct {
	const char *name;
	enum unit unit;
} unit_names[] = {
	{"microsecond", MICROSECOND},
	{"microseconds", MICROSECOND},
	{"millisecond", MILLISECOND},
	{"milliseconds", MILLISECOND},
	{"second", SECOND},
	{"minute", MINUTE},
	{"hour", HOUR},
	{"day", DAY},
	{"dd", DAY},
	{"week", WEEK},
	{"month", MONTH},
	{"mon", MONTH},
	{"mm", MONTH},
	{"quarter", QUARTER},
	{"year", YEAR},
	{"yyyy", YEAR},
	{"yy", YEAR},
};

static bool find_unit(const char *name, enum unit *unit)
{
	for (size_t i = 0; i < sizeof(unit_names) / sizeof(unit_names[0]); i++) {
		if (strcasecmp(name, unit_names[i].name) == 0) {
			*unit = unit_names[i].unit;
			return true;
		}
	}
	return false;
}

static int64_t floor_to(int64_t number, int64_t step)
{
	return floor_div(number, step) * step;
}

/* The first day of the unit, on the local clock, in seconds. */
static int64_t first_day_s(int64_t local_s, enum unit unit)
{
	int64_t day = floor_div(local_s, 86400);
	struct civil civil;

	if (unit == WEEK)
		/* Day 0 was a Thursday; weeks begin on Monday. */
		day -= ((day + 3) % 7 + 7) % 7;
	if (unit <= WEEK)
		return day * 86400;
	civil_from_us(day * US_PER_DAY, &civil);
	civil.day = 1;
	if (unit == QUARTER)
		civil.month = (civil.month - 1) / 3 * 3 + 1;
	if (unit == YEAR)
		civil.month = 1;
	return civil_to_us(&civil) / US_PER_S;
}

static int64_t truncate_us(int64_t us, enum unit unit, const struct zone *zone)
{
	int64_t utc_s = floor_div(us, US_PER_S);
	int64_t step = unit == MINUTE ? 60 : 3600;
	int32_t offset_s;
	int64_t cut_s;

	switch (unit) {
	case MICROSECOND: return us;
	case MILLISECOND: return floor_to(us, US_PER_MS);
	case SECOND: return utc_s * US_PER_S;
	default: break;
	}
	offset_s = zone_at(zone, utc_s).seconds;
	if (unit >= DAY)
		return zone_to_utc(zone, first_day_s(utc_s + offset_s, unit)) * US_PER_S;
	cut_s = floor_to(utc_s + offset_s, step);
	/* In an hour that the clock shows twice, the one we are in. */
	if (zone_at(zone, cut_s - offset_s).seconds == offset_s)
		return (cut_s - offset_s) * US_PER_S;
	return zone_to_utc(zone, cut_s) * US_PER_S;
}

static void on_date_trunc(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	const struct function_scope *scope = sqlite3_user_data(context);
	struct err err = ERR_INIT;
	const char *name;
	enum unit unit = DAY;
	int64_t us = 0;

	(void)argc;
	if (sqlite3_value_type(argv[0]) == SQLITE_NULL ||
		sqlite3_value_type(argv[1]) == SQLITE_NULL)
		return;
	name = (const char *)sqlite3_value_text(argv[0]);
	if (name == NULL) {
		sqlite3_result_error_nomem(context);
	} else if (!find_unit(name, &unit)) {
		(void)err_set(&err, ERR_INVALID,
			"date_trunc: unknown unit '%.40s' (microsecond, millisecond, second, "
			"minute, hour, day, week, month, quarter, year)",
			name);
		fail(context, &err);
	} else if (read_time(argv[1], &us, &err) != 0) {
		fail(context, &err);
	} else {
		give_timestamp(context, truncate_us(us, unit, scope->zone));
	}
}

static void on_tally_version(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	(void)argc;
	(void)argv;
	sqlite3_result_text(context, PACKAGE_VERSION, -1, SQLITE_STATIC);
}

#define PURE (SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS)

int functions_register(sqlite3 *db, struct function_scope *scope, struct err *err)
{
	static const struct {
		const char *name;
		int argc;
		int flags;
		void (*call)(sqlite3_context *context, int argc, sqlite3_value **argv);
	} table[] = {
		{"date_format", 2, PURE, on_date_format},
		{"date_trunc", 2, PURE, on_date_trunc},
		{"from_unixtime", 1, PURE, on_from_unixtime},
		{"from_unixtime", 2, PURE, on_from_unixtime},
		{"tally_version", 0, PURE, on_tally_version},
		{"to_timestamp", 1, PURE, on_to_timestamp},
		{"unix_timestamp", 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, on_unix_timestamp},
		{"unix_timestamp", 1, PURE, on_unix_timestamp},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (sqlite3_create_function_v2(db, table[i].name, table[i].argc, table[i].flags,
			    scope, table[i].call, NULL, NULL, NULL) != SQLITE_OK)
			return err_nomem(err);
	}
	return 0;
}
