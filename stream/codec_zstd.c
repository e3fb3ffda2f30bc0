/* zstd frames by libzstd; skippable frames pass without output. */
#include "stream/codec.h"

#include "stream/codec_private.h"

#include <assert.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

struct zstd {
	struct codec codec;
	ZSTD_DStream *stream;
};

static void zstd_free(struct codec *codec)
{
	struct zstd *zstd = (struct zstd *)codec;

	(void)ZSTD_freeDStream(zstd->stream);
	free(zstd);
}

static void zstd_reset(struct codec *codec)
{
	struct zstd *zstd = (struct zstd *)codec;
	size_t rc = ZSTD_DCtx_reset(zstd->stream, ZSTD_reset_session_only);

	assert(!ZSTD_isError(rc));
}

static int zstd_run(struct codec *codec, struct codec_io *io, struct err *err)
{
	struct zstd *zstd = (struct zstd *)codec;
	ZSTD_inBuffer in = {io->in, io->n_in, 0};
	ZSTD_outBuffer out = {io->out, io->n_out, 0};
	size_t rc;

	do {
		rc = ZSTD_decompressStream(zstd->stream, &out, &in);
	} while (!ZSTD_isError(rc) && rc != 0 && in.pos < in.size && out.pos < out.size);
	io->in += in.pos;
	io->n_in -= in.pos;
	io->out += out.pos;
	io->n_out -= out.pos;
	if (!ZSTD_isError(rc)) {
		io->is_frame_end = rc == 0;
		return 0;
	}
	if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
		return err_nomem(err);
	return err_set(err, ERR_INVALID, "broken zstd data (%s)", ZSTD_getErrorName(rc));
}

struct codec *codec_new_zstd(void)
{
	static const struct codec_methods methods = {zstd_free, zstd_reset, zstd_run};
	struct zstd *zstd = calloc(1, sizeof(*zstd));

	if (zstd == NULL)
		return NULL;
	zstd->codec.methods = &methods;
	zstd->stream = ZSTD_createDStream();
	if (zstd->stream == NULL) {
		free(zstd);
		return NULL;
	}
	return &zstd->codec;
}
