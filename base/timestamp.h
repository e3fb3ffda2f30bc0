/*
 * Times as 64-bit microseconds since 1970-01-01 UTC, and their text.
 *
 * The canonical text is `YYYY-MM-DD HH:MM:SS`, with `.ffffff` (trailing zeros
 * cut) only where there is a fraction; it sorts by time bytewise for the years
 * 0001 to 9999. A bound beyond them is `+10000-01-01 00:00:00`, `0000-…` or
 * `-0001-…`. The calendar is the proleptic Gregorian one. Knows no zones but
 * offsets from UTC and no patterns; those are sql/'s.
 */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define US_PER_MS   INT64_C(1000)
#define US_PER_S    INT64_C(1000000)
#define US_PER_HOUR (INT64_C(3600) * US_PER_S)
#define US_PER_DAY  (INT64_C(86400) * US_PER_S)

/* 0001-01-01 00:00:00 and 9999-12-31 23:59:59.999999: the range of event times. */
#define TIMESTAMP_MIN_US INT64_C(-62135596800000000)
#define TIMESTAMP_MAX_US INT64_C(253402300799999999)

/*
 * What calendar arithmetic may be done with: 198,000 years to either side of
 * 1970. A text of a bound may lie beyond, up to what 64 bits hold; there the
 * first day of its year need not fit.
 */
#define CALENDAR_MAX_US INT64_C(6249223180800000000)

/* Bytes that the longest canonical text needs, its NUL included. */
#define TIMESTAMP_TEXT_BYTES 40

struct civil {
	int64_t year; /* 0 is 1 BC */
	int month;    /* 1–12 */
	int day;      /* 1–31 */
	int hour, minute, second;
	int us; /* 0–999999 */
};

void civil_from_us(int64_t us, struct civil *civil);

/* The fields must be in range; the year such that the result fits, |year| <= 200,000. */
int64_t civil_to_us(const struct civil *civil);

bool civil_is_date(int64_t year, int month, int day);

/*
 * Reads the strict spelling of event times: `yyyy-MM-dd`, then optionally `T`
 * or one space and `HH:mm[:ss[.fraction]]`, then optionally `Z`, `±HH`,
 * `±HHmm`, `±HH:mm` (up to ±18:00); month, day and hour may have one digit; no
 * zone means UTC; a fraction is cut to microseconds. False for anything else
 * and for a result outside the years 0001–9999: *us is then unchanged.
 */
bool timestamp_parse(const char *text, size_t len, int64_t *us);

/*
 * The same grammar, which also takes the spellings of bounds past the range
 * (`+10000-…`, `-0001-…`).
 */
bool timestamp_parse_bound(const char *text, size_t len, int64_t *us);

/* Writes the canonical text and a NUL; returns its length. */
size_t timestamp_format(int64_t us, char text[TIMESTAMP_TEXT_BYTES]);

/*
 * A text for one time after the other: the date is written anew only where it
 * is another one than before. Zeroed before its first use.
 */
struct timestamp_text {
	int64_t us;
	uint64_t day_us; /* when its day begins; modulo 2^64, since the first of all begins too early */
	size_t date_len; /* with the space behind the date; 0: nothing is written yet */
	size_t len;
	char text[TIMESTAMP_TEXT_BYTES];
};

/* Makes `text` and `len` those of timestamp_format(). */
void timestamp_text_set(struct timestamp_text *text, int64_t us);

#endif
