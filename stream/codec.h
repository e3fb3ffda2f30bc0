/*
 * Decompression of one member (gzip) or frame (zstd) after another. Knows no
 * files: bytes in, bytes out. One thread at a time; a codec is used again for
 * any number of streams.
 */
#ifndef STREAM_CODEC_H
#define STREAM_CODEC_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct codec;

/* NULL: no memory. */
struct codec *codec_new_gzip(void);
struct codec *codec_new_zstd(void);
void codec_free(struct codec *codec);

/* The next byte begins a member or frame, whatever was before. */
void codec_reset(struct codec *codec);

struct codec_io {
	const unsigned char *in; /* moved behind what was used */
	size_t n_in;
	unsigned char *out; /* moved behind what was written */
	size_t n_out;
	bool is_frame_end; /* set: the member or frame is complete, all of it is out */
};

/*
 * Goes on until the input is used up, the output is full or a frame ends.
 * ERR_INVALID: broken data; what was written before stands. ERR_NOMEM.
 */
int codec_run(struct codec *codec, struct codec_io *io, struct err *err)
	__attribute__((warn_unused_result));

#endif
