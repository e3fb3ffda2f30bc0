/* The common face of the two libraries; each fills a table of what it does. */
#include "stream/codec.h"

#include "stream/codec_private.h"

void codec_free(struct codec *codec)
{
	if (codec != NULL)
		codec->methods->free(codec);
}

void codec_reset(struct codec *codec)
{
	codec->methods->reset(codec);
}

int codec_run(struct codec *codec, struct codec_io *io, struct err *err)
{
	io->is_frame_end = false;
	return codec->methods->run(codec, io, err);
}
