/* Digits, and hours, minutes and seconds of them. */
#include "stream/scan_ticks.h"

#include "base/floor.h"
#include "base/timestamp.h"

uint64_t ticks_to_code(uint64_t ticks)
{
	uint64_t code = 0;

	for (int shift = 0; shift < 64 && ticks > 0; shift += 4, ticks /= 10)
		code |= ticks % 10 << shift;
	return code;
}

uint64_t ticks_from_code(uint64_t code)
{
	uint64_t ticks = 0;

	for (int shift = 60; shift >= 0; shift -= 4)
		ticks = ticks * 10 + (code >> shift & 15);
	return ticks;
}

/* Ticks of a second. */
static uint64_t per_second(const struct time_form *form)
{
	return (uint64_t)(US_PER_S / form->tick_us);
}

int64_t ticks_to_us(const struct time_form *form, uint64_t ticks)
{
	uint64_t clock, seconds;

	if (!form->is_spelled)
		return (int64_t)ticks * form->tick_us;
	clock = ticks / per_second(form);
	seconds = clock / 10000 * 3600 + clock / 100 % 100 * 60 + clock % 100;
	return (int64_t)seconds * US_PER_S + (int64_t)(ticks % per_second(form)) * form->tick_us;
}

/* From what is counted without gaps to digits; `n` is not negative. */
static uint64_t to_ticks(const struct time_form *form, int64_t n)
{
	uint64_t seconds = (uint64_t)n / per_second(form);
	uint64_t clock = seconds / 3600 * 10000 + seconds / 60 % 60 * 100 + seconds % 60;

	if (!form->is_spelled)
		return (uint64_t)n;
	return clock * per_second(form) + (uint64_t)n % per_second(form);
}

bool ticks_in(const struct time_form *form, int64_t base_us, int64_t first_us, int64_t last_us,
	int64_t time_us, uint64_t *first, uint64_t *last, uint64_t *ticks)
{
	int64_t n_first = -floor_div(base_us - first_us, form->tick_us);
	int64_t n_last = floor_div(last_us - base_us, form->tick_us);
	int64_t n = floor_div(time_us - base_us, form->tick_us);
	int64_t n_day = US_PER_DAY / form->tick_us;

	if (n_first < 0)
		n_first = 0;
	if (form->is_spelled && n_last >= n_day)
		n_last = n_day - 1;
	if (n < n_first || n > n_last)
		return false;
	*first = to_ticks(form, n_first);
	*last = to_ticks(form, n_last);
	*ticks = to_ticks(form, n);
	return true;
}
