/*
 * Durations and sizes: a table of units each, and arithmetic that says when it
 * does not fit.
 */
#include "base/quantity.h"

#include "base/timestamp.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name; /* singular */
	int64_t size;
};

/* Descending; weeks are read and never written. */
static const struct unit duration_units[] = {
	{"week", 7 * US_PER_DAY},
	{"day", US_PER_DAY},
	{"hour", US_PER_HOUR},
	{"minute", 60 * US_PER_S},
	{"second", US_PER_S},
	{"millisecond", US_PER_MS},
	{"microsecond", 1},
};

/* Descending within each kind; the binary ones come first. */
static const struct unit size_units[] = {
	{"GiB", INT64_C(1) << 30},
	{"MiB", INT64_C(1) << 20},
	{"KiB", INT64_C(1) << 10},
	{"GB", 1000000000},
	{"MB", 1000000},
	{"KB", 1000},
};

#define N_UNITS(units) (sizeof(units) / sizeof((units)[0]))
#define N_BINARY_UNITS 3

static int refuse_duration(const char *text, const char *why, struct err *err)
{
	return err_set(err, ERR_INVALID,
		"\"%.100s\" is no duration: %s; right would be \"90 seconds\" or \"1 day 12 "
		"hours\"",
		text, why);
}

static const char *skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

static size_t word_length(const char *at)
{
	size_t n = 0;

	while (isalpha((unsigned char)at[n]))
		n++;
	return n;
}

/* Compares with the singular and the plural, in any case. */
static bool is_unit(const char *word, size_t len, const char *singular)
{
	size_t n = strlen(singular);

	if (len != n && !(len == n + 1 && (word[n] == 's' || word[n] == 'S')))
		return false;
	return strncasecmp(word, singular, n) == 0;
}

static const struct unit *find_duration_unit(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < N_UNITS(duration_units); i++) {
		if (is_unit(word, len, duration_units[i].name))
			return &duration_units[i];
	}
	return NULL;
}

/* Digits to a number; false where it does not fit. At least one digit stands at *at. */
static bool take_number(const char **at, int64_t *number)
{
	*number = 0;
	while (isdigit((unsigned char)**at)) {
		if (__builtin_mul_overflow(*number, 10, number) ||
			__builtin_add_overflow(*number, **at - '0', number))
			return false;
		(*at)++;
	}
	return true;
}

/* The digits behind a point as microseconds: one to six of them. */
static bool take_fraction(const char **at, int64_t *us)
{
	int n = 0;

	*us = 0;
	while (isdigit((unsigned char)**at)) {
		*us = *us * 10 + (**at - '0');
		(*at)++;
		if (++n > 6)
			return false;
	}
	if (n == 0)
		return false;
	for (; n < 6; n++)
		*us *= 10;
	return true;
}

/* One `[+-]N[.F] unit`, added to *sum_us; *at moves behind it and the blanks that follow. */
static int take_part(const char *text, const char **at, int64_t *sum_us, struct err *err)
{
	const struct unit *unit;
	bool is_negative = **at == '-';
	bool has_fraction = false;
	int64_t n, fraction_us = 0;
	size_t len;

	if (**at == '-' || **at == '+')
		(*at)++;
	if (!isdigit((unsigned char)**at))
		return refuse_duration(text, "a number and a unit are expected", err);
	if (!take_number(at, &n))
		return refuse_duration(text, "the number is too large", err);
	if (**at == '.') {
		(*at)++;
		has_fraction = true;
		if (!take_fraction(at, &fraction_us))
			return refuse_duration(
				text, "one to six digits are expected behind the point", err);
	}
	if (**at != ' ' && **at != '\t')
		return refuse_duration(
			text, "a blank and a unit are expected behind the number", err);
	*at = skip_blanks(*at);
	len = word_length(*at);
	if (is_unit(*at, len, "month") || is_unit(*at, len, "year"))
		return refuse_duration(text, "months and years have no fixed length", err);
	unit = find_duration_unit(*at, len);
	if (unit == NULL)
		return refuse_duration(text,
			"units are weeks, days, hours, minutes, seconds, milliseconds and "
			"microseconds",
			err);
	if (has_fraction && unit->size != US_PER_S)
		return refuse_duration(text, "only seconds take a fraction", err);
	*at = skip_blanks(*at + len);
	if (is_negative) {
		n = -n;
		fraction_us = -fraction_us;
	}
	if (__builtin_mul_overflow(n, unit->size, &n) ||
		__builtin_add_overflow(n, fraction_us, &n) ||
		__builtin_add_overflow(*sum_us, n, sum_us))
		return refuse_duration(text, "it is longer than 292,000 years", err);
	return 0;
}

int duration_parse(const char *text, int64_t *us, struct err *err)
{
	const char *at = skip_blanks(text);
	int64_t sum_us = 0;
	int rc;

	if (word_length(at) == 8 && strncasecmp(at, "interval", 8) == 0)
		at = skip_blanks(at + 8);
	if (*at == '\0')
		return refuse_duration(text, "a number and a unit are expected", err);
	while (*at != '\0') {
		rc = take_part(text, &at, &sum_us, err);
		if (rc != 0)
			return rc;
	}
	*us = sum_us;
	return 0;
}

size_t duration_format(int64_t us, char text[DURATION_TEXT_BYTES])
{
	size_t len = 0;
	int64_t n;
	size_t i;

	if (us == 0)
		return (size_t)snprintf(text, DURATION_TEXT_BYTES, "0 seconds");
	for (i = 1; i < N_UNITS(duration_units); i++) {
		n = us / duration_units[i].size;
		us %= duration_units[i].size;
		if (n == 0)
			continue;
		len += (size_t)snprintf(text + len, DURATION_TEXT_BYTES - len, "%s%lld %s%s",
			len > 0 ? " " : "", (long long)n, duration_units[i].name,
			n == 1 || n == -1 ? "" : "s");
		assert(len < DURATION_TEXT_BYTES);
	}
	return len;
}

int size_parse(const char *text, int64_t *bytes, struct err *err)
{
	const char *at = skip_blanks(text);
	int64_t n, factor = 1;
	size_t i, len;

	if (!isdigit((unsigned char)*at))
		goto refused;
	if (!take_number(&at, &n))
		goto too_large;
	at = skip_blanks(at);
	len = word_length(at);
	for (i = 0; len > 0 && i < N_UNITS(size_units); i++) {
		if (strlen(size_units[i].name) == len &&
			strncasecmp(at, size_units[i].name, len) == 0) {
			factor = size_units[i].size;
			break;
		}
	}
	if ((len > 0 && factor == 1) || *skip_blanks(at + len) != '\0')
		goto refused;
	if (__builtin_mul_overflow(n, factor, &n))
		goto too_large;
	*bytes = n;
	return 0;
refused:
	return err_set(err, ERR_INVALID,
		"\"%.100s\" is no size: right would be \"1000000\" (bytes), \"256 MiB\" or \"1 "
		"GB\"; "
		"units are KiB, MiB, GiB (1024) and KB, MB, GB (1000)",
		text);
too_large:
	return err_set(err, ERR_INVALID, "\"%.100s\" is too large a size", text);
}

size_t size_format(int64_t bytes, char text[DURATION_TEXT_BYTES])
{
	size_t i;

	for (i = 0; i < N_BINARY_UNITS; i++) {
		if (bytes != 0 && bytes % size_units[i].size == 0)
			return (size_t)snprintf(text, DURATION_TEXT_BYTES, "%lld %s",
				(long long)(bytes / size_units[i].size), size_units[i].name);
	}
	return (size_t)snprintf(text, DURATION_TEXT_BYTES, "%lld", (long long)bytes);
}
