/*
 * Times of events. The way of a plain integer is short, because almost every
 * event goes it; all others share the exact decimal. A refusal says what would
 * have been right, because the person who reads it cannot ask.
 */
#include "stream/event_time.h"

#include "base/decimal.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "stream/detail.h"

#include <stdio.h>
#include <string.h>

/* Out of the usual way, and kept out of its registers. */
#define NOINLINE __attribute__((noinline))

/* The number of a unit times 10^shift is microseconds. */
static int unit_shift(enum time_unit unit)
{
	static const int shifts[] = {
		[TIME_UNIT_S] = 6, [TIME_UNIT_MS] = 3, [TIME_UNIT_US] = 0, [TIME_UNIT_NS] = -3};

	return shifts[unit];
}

static NOINLINE bool number_to_us(const char *text, size_t len, enum time_unit unit, int64_t *us)
{
	int64_t result;

	if (!decimal_floor(text, len, unit_shift(unit), &result) || result < TIMESTAMP_MIN_US ||
		result > TIMESTAMP_MAX_US)
		return false;
	*us = result;
	return true;
}

/* How much of a value is shown in a detail: whole characters of at most this many bytes. */
#define SHOWN_BYTES 32

static size_t shown_length(const char *text, size_t len)
{
	return utf8_valid_prefix(text, len < SHOWN_BYTES ? len : SHOWN_BYTES);
}

static const char *dots(size_t len)
{
	return len > SHOWN_BYTES ? "..." : "";
}

static NOINLINE void explain_number(
	const char *text, size_t len, enum time_unit unit, char detail[REJECT_DETAIL_MAX_BYTES])
{
	char as_time[TIMESTAMP_TEXT_BYTES];
	enum time_unit finer;
	int64_t us;

	for (finer = unit + 1; finer <= TIME_UNIT_NS; finer++) {
		if (!number_to_us(text, len, finer, &us))
			continue;
		(void)timestamp_format(us, as_time);
		(void)snprintf(detail, REJECT_DETAIL_MAX_BYTES,
			"%.*s%s is no time in %s; in %s it is %.19s: time_unit = %s would read it",
			(int)shown_length(text, len), text, dots(len), time_unit_name(unit),
			time_unit_name(finer), as_time, time_unit_name(finer));
		return;
	}
	(void)snprintf(detail, REJECT_DETAIL_MAX_BYTES,
		"%.*s%s (time_unit = %s) is outside the years 0001 to 9999",
		(int)shown_length(text, len), text, dots(len), time_unit_name(unit));
}

/* The number that eight digits write, if they are digits: pairs, then fours, then all at once. */
static inline bool eight_digits(const char *text, uint64_t *n)
{
	uint64_t word;

	memcpy(&word, text, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	word ^= UINT64_C(0x3030303030303030);
	if (((word + UINT64_C(0x7676767676767676)) & UINT64_C(0x8080808080808080)) != 0)
		return false;
	word = word * 10 + (word >> 8);
	word = (word & UINT64_C(0x00FF00FF00FF00FF)) * 100 +
	       (word >> 16 & UINT64_C(0x00FF00FF00FF00FF));
	word = (word & 0xFFFF) * 10000 + (word >> 32 & 0xFFFF);
	*n = word;
	return true;
}

/* 8 to 12 digits in seconds: the usual case. */
static inline bool plain_seconds(const char *text, size_t len, int64_t *us)
{
	uint64_t n;
	size_t i;

	if (len < 8 || len > 12 || !eight_digits(text, &n))
		return false;
	for (i = 8; i < len; i++) {
		if ((unsigned char)(text[i] - '0') >= 10)
			return false;
		n = n * 10 + (unsigned char)(text[i] - '0');
	}
	if (n > (uint64_t)(TIMESTAMP_MAX_US / US_PER_S))
		return false;
	*us = (int64_t)n * US_PER_S;
	return true;
}

bool event_time_from_number(const char *text, size_t len, enum time_unit unit, int64_t *us,
	char detail[REJECT_DETAIL_MAX_BYTES])
{
	if (unit == TIME_UNIT_S && plain_seconds(text, len, us))
		return true;
	if (number_to_us(text, len, unit, us))
		return true;
	explain_number(text, len, unit, detail);
	return false;
}

static bool is_all_digits(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return len > 0;
}

bool event_time_from_value(const struct json_value *value, const char *unescaped, size_t len,
	int64_t *us, char detail[REJECT_DETAIL_MAX_BYTES])
{
	static const char *const names[] = {[JSON_FALSE] = "false",
		[JSON_TRUE] = "true",
		[JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object"};
	struct detail sentence;

	if (value->type != JSON_STRING) {
		(void)snprintf(detail, REJECT_DETAIL_MAX_BYTES,
			"the time is %s; right would be a number or a text such as "
			"\"2016-07-26T02:45:07Z\"",
			names[value->type]);
		return false;
	}
	if (timestamp_parse(unescaped, len, us))
		return true;
	sentence = detail_begin(detail);
	if (is_all_digits(unescaped, len)) {
		detail_add_text(&sentence, "\"");
		detail_add(&sentence, unescaped, shown_length(unescaped, len));
		detail_add_text(&sentence, dots(len));
		detail_add_text(&sentence,
			"\" is a number in quotes; without them it would be read as a time");
	} else {
		/* The source text, whose escapes leave no control character in the sentence. */
		detail_add(&sentence, value->text, shown_length(value->text, value->len));
		detail_add_text(&sentence, dots(value->len));
		detail_add_text(&sentence, " is no time from year 0001 to 9999; right would be "
					   "\"2016-07-26T02:45:07Z\", with T or one blank");
	}
	return false;
}
