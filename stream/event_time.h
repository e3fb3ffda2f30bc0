/*
 * What a JSON value of the time field means (the table of times in the
 * manual): numbers in the source's unit, strings in one strict spelling.
 */
#ifndef STREAM_EVENT_TIME_H
#define STREAM_EVENT_TIME_H

#include "base/json.h"
#include "stream/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A JSON number's source text to microseconds, exact in decimal and floored.
 * False outside the years 0001–9999: *us is unchanged and `detail` says what
 * would be right, naming time_unit where a finer unit would fit.
 */
bool event_time_from_number(const char *text, size_t len, enum time_unit unit, int64_t *us,
	char detail[REJECT_DETAIL_MAX_BYTES]);

/*
 * Any other value, of which `unescaped` is what a string stands for (unused
 * for other types). False with the detail where it is no time.
 */
bool event_time_from_value(const struct json_value *value, const char *unescaped, size_t len,
	int64_t *us, char detail[REJECT_DETAIL_MAX_BYTES]);

#endif
