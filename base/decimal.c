/*
 * A number is a run of digits and the place of its point. An exponent and a
 * shift only move the point, so the integer is the digits before it, and the
 * floor of a negative number asks whether a digit behind it is not zero.
 */
#include "base/decimal.h"

/* More digits than any text has, so that adding two of them cannot wrap. */
#define FAR INT64_C(1000000000000000000)

/* 10^19 - 1 fits into 64 bits without sign, 20 digits may not. */
#define MAX_DIGITS 19

struct decimal {
	const char *digits; /* from the first one that is not zero; a point may stand among them */
	const char *end;    /* behind the last digit */
	int64_t point; /* how many digits, from `digits` on, stand before the point; may be negative
			*/
	bool is_negative;
};

static int64_t read_exponent(const char *at, const char *end)
{
	bool is_negative = *at == '-';
	int64_t n = 0;

	if (*at == '-' || *at == '+')
		at++;
	for (; at < end; at++) {
		if (n < FAR / 10)
			n = n * 10 + (*at - '0');
	}
	return is_negative ? -n : n;
}

/* Finds the digits; false where all of them are zero. */
static bool split(const char *text, size_t len, int shift, struct decimal *decimal)
{
	const char *at = text;
	const char *end = text + len;
	bool is_behind_point = false;
	bool is_found = false;

	decimal->is_negative = len > 0 && *at == '-';
	decimal->point = shift;
	if (decimal->is_negative)
		at++;
	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			is_behind_point = true;
			continue;
		}
		if (!is_found && *at != '0') {
			decimal->digits = at;
			is_found = true;
		}
		/*
		 * A digit before the point moves it right;
		 * a leading zero behind it moves it left.
		 */
		if (is_found && !is_behind_point)
			decimal->point++;
		else if (!is_found && is_behind_point)
			decimal->point--;
	}
	decimal->end = at;
	if (at < end)
		decimal->point += read_exponent(at + 1, end);
	return is_found;
}

static bool rest_is_zero(const char *at, const char *end)
{
	for (; at < end; at++) {
		if (*at != '0' && *at != '.')
			return false;
	}
	return true;
}

bool decimal_floor(const char *text, size_t len, int shift, int64_t *result)
{
	struct decimal decimal;
	const char *at;
	uint64_t n = 0;
	int64_t i;

	if (!split(text, len, shift, &decimal)) {
		*result = 0;
		return true;
	}
	if (decimal.point > MAX_DIGITS)
		return false;
	at = decimal.digits;
	for (i = 0; i < decimal.point; i++) {
		if (at < decimal.end && *at == '.')
			at++;
		n = n * 10 + (uint64_t)(at < decimal.end ? *at++ - '0' : 0);
	}
	if (!decimal.is_negative) {
		if (n > INT64_MAX)
			return false;
		*result = (int64_t)n;
		return true;
	}
	if (!rest_is_zero(at, decimal.end))
		n++;
	if (n > (uint64_t)INT64_MAX + 1)
		return false;
	*result = (int64_t)(0 - n);
	return true;
}
