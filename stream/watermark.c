/* Two horizons that never go back. */
#include "stream/watermark.h"

#include "base/timestamp.h"
#include "stream/window.h"

int64_t watermark_next(int64_t watermark_us, int64_t max_time_us, int64_t delay_us)
{
	int64_t next;

	if (delay_us < 0 || max_time_us == INT64_MIN)
		return watermark_us;
	next = window_floor(max_time_us, US_PER_MS) - delay_us;
	return next > watermark_us ? next : watermark_us;
}

int64_t retention_next(int64_t horizon_us, int64_t max_time_us, int64_t retention_us)
{
	int64_t next;

	if (retention_us < 0 || max_time_us == INT64_MIN)
		return horizon_us;
	next = max_time_us - retention_us;
	return next > horizon_us ? next : horizon_us;
}
