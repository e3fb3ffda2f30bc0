/* A sorted array. The first and the newest frame are always kept. */
#include "stream/reader_frames.h"

#include <assert.h>

void reader_frames_clear(struct reader_frames *frames)
{
	frames->n = 0;
}

void reader_frames_add(struct reader_frames *frames, int64_t offset, int64_t unpacked)
{
	size_t kept = 0;
	size_t i;

	if (frames->n == READER_FRAMES_KEPT) {
		for (i = 0; i < frames->n; i += 2)
			frames->frames[kept++] = frames->frames[i];
		frames->n = kept;
	}
	frames->frames[frames->n++] = (struct reader_frame){offset, unpacked};
}

const struct reader_frame *reader_frames_find(const struct reader_frames *frames, int64_t unpacked)
{
	size_t low = 0;
	size_t high = frames->n;
	size_t middle;

	assert(frames->n > 0 && frames->frames[0].unpacked <= unpacked);
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (frames->frames[middle].unpacked <= unpacked)
			low = middle;
		else
			high = middle;
	}
	return &frames->frames[low];
}
