/* From buckets to the ticks that a kernel compares. */
#include "stream/scan_windows.h"

#include <string.h>

#include "base/floor.h"
#include "base/timestamp.h"
#include "stream/scan_ticks.h"

void window_close(struct count *count, int cursor)
{
	struct windows *windows = &count->kernel.windows;

	count->places[cursor] = (struct window_place){.first = 1, .last = 0};
	windows->add[cursor][0] = windows->add[cursor][1] = UINT64_C(1) << 62;
	memset(windows->limit[cursor], 0, sizeof(windows->limit[cursor]));
	memset(windows->seen[cursor], 0, sizeof(windows->seen[cursor]));
	memset(windows->date[cursor], 0, sizeof(windows->date[cursor]));
}

int64_t window_time_us(const struct count *count, int cursor, uint64_t ticks)
{
	return count->places[cursor].base_us + ticks_to_us(&count->program.time, ticks);
}

void window_place(struct count *count, int cursor, int64_t base_us, int64_t time_us)
{
	const struct time_form *form = &count->program.time;
	struct windows *windows = &count->kernel.windows;
	int64_t first_us = floor_div(time_us, count->bucket_us) * count->bucket_us;
	int64_t last_us = first_us + count->bucket_us - 1;
	struct window_place place = {.base_us = base_us};
	uint64_t ticks, block, first, last;
	uint32_t length;

	window_close(count, cursor);
	if (first_us < TIMESTAMP_MIN_US)
		first_us = TIMESTAMP_MIN_US;
	if (last_us > TIMESTAMP_MAX_US)
		last_us = TIMESTAMP_MAX_US;
	if (!ticks_in(form, base_us, first_us, last_us, time_us, &place.first, &place.last, &ticks))
		return;
	block = ticks - ticks % TICKS_BLOCK;
	if (place.first < block)
		place.first = block;
	if (place.last >= block + TICKS_BLOCK)
		place.last = block + TICKS_BLOCK - 1;
	count->places[cursor] = place;
	first = ticks_to_code(place.first);
	last = ticks_to_code(place.last);
	length = (uint32_t)(last - first);
	windows->add[cursor][0] = 0 - first;
	windows->add[cursor][1] = last + 1;
	windows->limit[cursor][0] = windows->limit[cursor][2] = length;
}

bool window_base_us(const struct count *count, const struct match *match, int64_t *base_us)
{
	const struct time_form *form = &count->program.time;

	if (match->time_len != form->len)
		return false;
	*base_us = 0;
	if (!form->is_spelled)
		return true;
	if (match->time[10] != form->separator || !timestamp_parse(match->time, 10, base_us))
		return false;
	*base_us += form->zone_us;
	return true;
}

bool window_has(const struct count *count, int cursor, int64_t base_us, int64_t time_us)
{
	const struct window_place *place = &count->places[cursor];

	return place->first <= place->last && place->base_us == base_us &&
	       time_us >= window_time_us(count, cursor, place->first) &&
	       time_us - window_time_us(count, cursor, place->last) < count->program.time.tick_us;
}
