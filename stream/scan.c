/*
 * Slices, the buffer, and who looks at which line.
 *
 * The buffer has a front part and a part that is read into: the unfinished
 * line at the end of one read is moved in front of the place of the next, so a
 * read always goes to the same aligned 256 KiB, which then are still in the
 * cache when they are looked at. A line longer than the front part makes the
 * buffer grow up to what the judge may need.
 */
#include "stream/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stream/scan_sink.h"

#define FRONT_BYTES ((size_t)64 * 1024)
#define READ_BYTES  ((size_t)256 * 1024)
#define MIN_ROOM    ((size_t)64 * 1024)
#define SLACK_BYTES 128 /* behind the data, so that a vector may be loaded at any byte of it */

struct scan {
	const struct event_shape *shape;
	enum scan_level level;
	struct judge *judge;
	struct scan_sink sink;

	char *bytes;
	size_t cap;      /* without the slack */
	size_t from, to; /* bytes[from, to) have been read and not been consumed */

	int64_t offset;     /* of the slice's first byte in the stream */
	int64_t consumed;   /* bytes since the slice began that stand before `from` */
	int64_t stop_after; /* -1: none */
	int64_t end;        /* bytes since the slice began at which it is over; -1: not found yet */
	struct err *err;    /* where the callbacks of the running feed tell their failure */
};

const char *scan_level_name(enum scan_level level)
{
	static const char *const names[] = {
		[SCAN_AUTO] = "auto",
		[SCAN_JUDGE] = "judge",
		[SCAN_PORTABLE] = "portable",
		[SCAN_AVX2] = "avx2",
		[SCAN_AVX512] = "avx512",
	};

	return names[level];
}

enum scan_level scan_best_level(void)
{
	return SCAN_JUDGE;
}

static int on_event(void *context, const struct event *event)
{
	struct scan *scan = context;

	return scan_sink_event(&scan->sink, event, scan->err);
}

static int on_reject(void *context, const struct reject *reject)
{
	struct scan *scan = context;

	return scan_sink_reject(&scan->sink, reject, scan->err);
}

static int on_array(void *context, enum judge_array what)
{
	struct scan *scan = context;

	return scan_sink_array(&scan->sink, what, scan->err);
}

/* The buffer of a fresh scan, also after a long value has made it grow. */
static bool make_buffer(struct scan *scan)
{
	char *bytes = aligned_alloc(4096, FRONT_BYTES + READ_BYTES + 4096);

	if (bytes == NULL)
		return false;
	memset(bytes + FRONT_BYTES + READ_BYTES, 0, SLACK_BYTES);
	free(scan->bytes);
	scan->bytes = bytes;
	scan->cap = FRONT_BYTES + READ_BYTES;
	return true;
}

struct scan *scan_new(const struct event_shape *shape, int64_t bucket_us, enum scan_level level)
{
	struct scan *scan = calloc(1, sizeof(*scan));

	if (scan == NULL)
		return NULL;
	scan->shape = shape;
	scan->level = level == SCAN_AUTO ? scan_best_level() : level;
	scan->from = scan->to = FRONT_BYTES;
	scan->judge = judge_new(shape);
	if (scan_sink_init(&scan->sink, shape->n_fields, bucket_us) < 0 || scan->judge == NULL ||
		!make_buffer(scan)) {
		scan_free(scan);
		return NULL;
	}
	return scan;
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	scan_sink_fini(&scan->sink);
	judge_free(scan->judge);
	free(scan->bytes);
	free(scan);
}

struct cells *scan_cells(struct scan *scan)
{
	return scan->sink.cells;
}

void scan_begin(struct scan *scan, const struct position *start, int64_t offset, int64_t stop_after)
{
	bool is_mid_line = (start->flags & (POSITION_SKIP_LINE | POSITION_MID_LINE)) != 0;

	/* A larger buffer that cannot be replaced now is as good. */
	if (scan->cap > FRONT_BYTES + READ_BYTES)
		(void)make_buffer(scan);
	scan->from = scan->to = FRONT_BYTES;
	scan->offset = offset;
	scan->consumed = 0;
	scan->stop_after = stop_after;
	scan->end = stop_after == 0 && !is_mid_line ? 0 : -1;
	scan_sink_begin(&scan->sink);
	judge_begin(scan->judge, start, offset);
}

/* A larger buffer for a long value; what is unconsumed stands at its front. */
static bool grow_buffer(struct scan *scan, size_t cap)
{
	char *bytes = aligned_alloc(4096, (cap + SLACK_BYTES + 4095) / 4096 * 4096);

	if (bytes == NULL)
		return false;
	memcpy(bytes, scan->bytes + scan->from, scan->to - scan->from);
	memset(bytes + cap, 0, SLACK_BYTES);
	free(scan->bytes);
	scan->bytes = bytes;
	scan->cap = cap;
	scan->to -= scan->from;
	scan->from = 0;
	return true;
}

char *scan_room(struct scan *scan, size_t *room, struct err *err)
{
	size_t n = scan->to - scan->from;
	size_t front = n <= FRONT_BYTES ? FRONT_BYTES - n : 0;

	if (n + MIN_ROOM > scan->cap && !grow_buffer(scan, scan->cap * 2)) {
		(void)err_nomem(err);
		return NULL;
	}
	if (n > 0 && front != scan->from)
		memmove(scan->bytes + front, scan->bytes + scan->from, n);
	scan->from = front;
	scan->to = front + n;
	*room = scan->cap - scan->to;
	return scan->bytes + scan->to;
}

/*
 * The slice is over behind the newline that ends its last line: the first one
 * at or behind stop_after - 1. Only bytes not searched before are looked at.
 */
static void find_end(struct scan *scan, size_t n_new)
{
	int64_t read = scan->consumed + (int64_t)(scan->to - scan->from);
	int64_t from = read - (int64_t)n_new;
	const char *newline;

	if (scan->stop_after < 0 || scan->end >= 0 || read < scan->stop_after)
		return;
	if (from < scan->stop_after - 1)
		from = scan->stop_after - 1;
	newline = memchr(scan->bytes + scan->to - (read - from), '\n', (size_t)(read - from));
	if (newline != NULL)
		scan->end = scan->consumed + (newline + 1 - (scan->bytes + scan->from));
}

int scan_fed(struct scan *scan, size_t n, bool at_end, bool *done, struct err *err)
{
	const struct judge_sink sink = {
		.context = scan,
		.on_event = on_event,
		.on_reject = on_reject,
		.on_array = on_array,
	};
	size_t len, consumed = 0;
	bool is_whole;
	int rc;

	assert(n <= scan->cap - scan->to);
	scan->to += n;
	find_end(scan, n);
	len = scan->to - scan->from;
	is_whole = scan->end >= 0 && scan->end <= scan->consumed + (int64_t)len;
	if (is_whole)
		len = (size_t)(scan->end - scan->consumed);
	scan->err = err;
	rc = judge_feed(scan->judge, scan->bytes + scan->from, len, at_end && !is_whole, &consumed,
		&sink, err);
	scan->err = NULL;
	scan->from += consumed;
	scan->consumed += (int64_t)consumed;
	*done = is_whole;
	return rc;
}

void scan_result(struct scan *scan, struct scan_result *result)
{
	*result = (struct scan_result){0};
	scan_sink_end(&scan->sink);
	result->settled = judge_settled(scan->judge, &result->at);
	result->n_lines = judge_lines(scan->judge);
	result->n_events = scan->sink.n_events;
	memcpy(result->n_rejects, scan->sink.rejects.totals, sizeof(result->n_rejects));
	result->rejects = scan->sink.rejects.rows;
	result->n_reject_rows = scan->sink.rejects.n;
}

struct scan_reject *scan_take_rejects(struct scan *scan, size_t *n)
{
	struct scan_reject *rows;

	reject_rows_straighten(&scan->sink.rejects);
	rows = scan->sink.rejects.rows;
	*n = scan->sink.rejects.n;
	scan->sink.rejects = (struct reject_rows){0};
	return rows;
}
