/* The grammar of the Monitoring Plugins Development Guidelines. */
#include "client/range.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A finite number that takes all of [text, end). */
static bool parse_number(const char *text, const char *end, double *number)
{
	char *stopped;

	if (text == end || strspn(text, "+-.0123456789eE") < (size_t)(end - text))
		return false;
	*number = strtod(text, &stopped);
	return stopped == end && isfinite(*number);
}

bool range_parse(const char *text, struct range *range)
{
	struct range parsed = {.low = 0, .high = INFINITY};
	const char *end;
	const char *colon;

	if (*text == '@') {
		parsed.is_inside = true;
		text++;
	}
	end = text + strlen(text);
	colon = strchr(text, ':');
	if (colon == NULL) {
		if (!parse_number(text, end, &parsed.high))
			return false;
	} else {
		if (colon == text + 1 && *text == '~')
			parsed.low = -INFINITY;
		else if (!parse_number(text, colon, &parsed.low))
			return false;
		if (colon + 1 != end && !parse_number(colon + 1, end, &parsed.high))
			return false;
	}
	if (parsed.low > parsed.high)
		return false;
	*range = parsed;
	return true;
}

bool range_alerts(const struct range *range, double value)
{
	bool inside = value >= range->low && value <= range->high;

	return range->is_inside ? inside : !inside;
}
