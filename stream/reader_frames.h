/*
 * Where the members or frames of a compressed file begin, as one opening met
 * them. Bounded: of a file of very many frames every second one is forgotten
 * when room is short, so a position is always right and at times a little
 * further from its frame's start.
 */
#ifndef STREAM_READER_FRAMES_H
#define STREAM_READER_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#define READER_FRAMES_KEPT 512

struct reader_frame {
	int64_t offset;   /* in the file */
	int64_t unpacked; /* decompressed bytes before it, since the opening's first frame */
};

struct reader_frames {
	size_t n;
	struct reader_frame frames[READER_FRAMES_KEPT];
};

void reader_frames_clear(struct reader_frames *frames);

/* Both numbers are at or behind those of the frame before. */
void reader_frames_add(struct reader_frames *frames, int64_t offset, int64_t unpacked);

/* The last kept frame that begins at or before `unpacked`; there is one. */
const struct reader_frame *reader_frames_find(const struct reader_frames *frames, int64_t unpacked);

#endif
