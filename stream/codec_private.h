/* What a kind of compression provides; each begins its own struct with a struct codec. */
#ifndef STREAM_CODEC_PRIVATE_H
#define STREAM_CODEC_PRIVATE_H

#include "stream/codec.h"

struct codec_methods {
	void (*free)(struct codec *codec);
	void (*reset)(struct codec *codec);
	int (*run)(struct codec *codec, struct codec_io *io, struct err *err);
};

struct codec {
	const struct codec_methods *methods;
};

#endif
