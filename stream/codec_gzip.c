/*
 * gzip members by zlib, which checks each member's length and CRC. Any other
 * window or header than gzip's is refused.
 */
#include "stream/codec.h"

#include "stream/codec_private.h"

#include <assert.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_ONLY 16 /* added to the window bits: no raw deflate, no zlib header */

struct gzip {
	struct codec codec;
	z_stream stream;
};

static void gzip_free(struct codec *codec)
{
	struct gzip *gzip = (struct gzip *)codec;

	(void)inflateEnd(&gzip->stream);
	free(gzip);
}

static void gzip_reset(struct codec *codec)
{
	struct gzip *gzip = (struct gzip *)codec;
	int rc = inflateReset(&gzip->stream);

	assert(rc == Z_OK);
}

static unsigned at_most_int(size_t n)
{
	return n > INT_MAX ? INT_MAX : (unsigned)n;
}

static int gzip_run(struct codec *codec, struct codec_io *io, struct err *err)
{
	z_stream *stream = &((struct gzip *)codec)->stream;
	const unsigned n_in = at_most_int(io->n_in);
	const unsigned n_out = at_most_int(io->n_out);
	int rc;

	/* zlib only reads through next_in, but its type has no const. */
	stream->next_in = (unsigned char *)(uintptr_t)io->in;
	stream->avail_in = n_in;
	stream->next_out = io->out;
	stream->avail_out = n_out;
	rc = inflate(stream, Z_NO_FLUSH);
	io->in += n_in - stream->avail_in;
	io->n_in -= n_in - stream->avail_in;
	io->out += n_out - stream->avail_out;
	io->n_out -= n_out - stream->avail_out;
	if (rc == Z_MEM_ERROR)
		return err_nomem(err);
	io->is_frame_end = rc == Z_STREAM_END;
	/* Z_BUF_ERROR only says that more input or room is wanted. */
	if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR)
		return 0;
	return err_set(err, ERR_INVALID, "broken gzip data (%s)",
		stream->msg != NULL ? stream->msg : "needs a dictionary");
}

struct codec *codec_new_gzip(void)
{
	static const struct codec_methods methods = {gzip_free, gzip_reset, gzip_run};
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (gzip == NULL)
		return NULL;
	gzip->codec.methods = &methods;
	if (inflateInit2(&gzip->stream, MAX_WBITS + GZIP_ONLY) != Z_OK) {
		free(gzip);
		return NULL;
	}
	return &gzip->codec;
}
