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

#include "stream/scan_kernel.h"
#include "stream/scan_lines.h"
#include "stream/scan_sink.h"

#define FRONT_BYTES ((size_t)64 * 1024)
#define READ_BYTES  ((size_t)256 * 1024)
#define MIN_ROOM    ((size_t)64 * 1024)

_Static_assert(FRONT_BYTES + READ_BYTES <= LINES_MAX_BYTES, "what is read at once is one run");

struct scan {
	enum scan_level level;
	struct judge *judge;
	struct judge_sink judge_sink;
	struct scan_sink sink;
	struct lines *lines; /* NULL: the judge sees every byte */

	char *memory; /* SCAN_MARGIN_BYTES, the buffer, SCAN_SLACK_BYTES */
	char *bytes;
	size_t cap;
	size_t from, to; /* bytes[from, to) have been read and not been consumed */

	int64_t offset;     /* of the slice's first byte in the stream */
	int64_t consumed;   /* bytes since the slice began that stand before `from` */
	int64_t stop_after; /* -1: none */
	int64_t end;        /* bytes since the slice began at which it is over; -1: not found yet */
	int64_t first_line; /* number of the line on which the slice began */
	int64_t line; /* number of the line at `from`, or at judge_from while the judge is at it */
	bool is_judging; /* bytes go to the judge, begun at judge_from, until a line ends */
	int64_t judge_from;
	struct lines_ways ways_before; /* this slice */
	struct err *err; /* where the callbacks of the running feed tell their failure */
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

/* What this build and this processor can do. */
static bool can_run(enum scan_level level)
{
#if defined(__x86_64__)
	if (level == SCAN_AVX2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		       __builtin_cpu_supports("bmi2");
	if (level == SCAN_AVX512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("bmi") &&
		       __builtin_cpu_supports("bmi2");
#endif
	return level == SCAN_JUDGE || level == SCAN_PORTABLE;
}

/* AUTO: no level has this name. */
static enum scan_level level_named(const char *name)
{
	for (enum scan_level level = SCAN_JUDGE; level <= SCAN_AVX512; level++) {
		if (strcmp(name, scan_level_name(level)) == 0)
			return level;
	}
	return SCAN_AUTO;
}

enum scan_level scan_best_level(void)
{
	const char *wanted = getenv("TALLYD_SCAN_LEVEL");
	enum scan_level level = wanted != NULL ? level_named(wanted) : SCAN_AUTO;

	if (level != SCAN_AUTO && can_run(level))
		return level;
	return can_run(SCAN_AVX512) ? SCAN_AVX512 : can_run(SCAN_AVX2) ? SCAN_AVX2 : SCAN_PORTABLE;
}

int scan_check_wanted_level(struct err *err)
{
	const char *wanted = getenv("TALLYD_SCAN_LEVEL");
	const char *used = scan_level_name(scan_best_level());

	if (wanted == NULL || strcmp(wanted, used) == 0)
		return 0;
	if (level_named(wanted) != SCAN_AUTO)
		return err_set(err, ERR_CONFIG,
			"TALLYD_SCAN_LEVEL=%s: this processor or this build has no such level; %s "
			"is used",
			wanted, used);
	return err_set(err, ERR_CONFIG,
		"TALLYD_SCAN_LEVEL=%.100s: neither judge, portable, avx2 nor avx512; %s is used",
		wanted, used);
}

bool scan_level_is_available(enum scan_level level)
{
	return level == SCAN_AUTO || can_run(level);
}

static const struct kernel_level *kernel_of(enum scan_level level)
{
	switch (level) {
#if defined(__x86_64__)
	case SCAN_AVX512: return &kernel_avx512;
	case SCAN_AVX2: return &kernel_avx2;
#endif
	default: return &kernel_words;
	}
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

/* Replaces the buffer; what is unconsumed stands at `from` in the new one. */
static bool make_buffer(struct scan *scan, size_t cap, size_t from)
{
	size_t bytes = (SCAN_MARGIN_BYTES + cap + SCAN_SLACK_BYTES + 4095) / 4096 * 4096;
	size_t n = scan->to - scan->from;
	char *memory = aligned_alloc(4096, bytes);

	if (memory == NULL)
		return false;
	/* Vectors reach into margin and slack; what they find there decides nothing. */
	memset(memory, 0, SCAN_MARGIN_BYTES);
	memset(memory + SCAN_MARGIN_BYTES + cap, 0, SCAN_SLACK_BYTES);
	if (n > 0)
		memcpy(memory + SCAN_MARGIN_BYTES + from, scan->bytes + scan->from, n);
	free(scan->memory);
	scan->memory = memory;
	scan->bytes = memory + SCAN_MARGIN_BYTES;
	scan->cap = cap;
	scan->from = from;
	scan->to = from + n;
	return true;
}

static bool make_lines(struct scan *scan, const struct event_shape *shape)
{
	if (scan->level == SCAN_JUDGE)
		return true;
	/* Where values may be shorter than a buffer and yet too long, the judge has to measure
	 * each. */
	if (shape->max_event_bytes < (int64_t)LINES_MAX_BYTES)
		return true;
	scan->lines = lines_new(
		shape, scan->judge, &scan->judge_sink, &scan->sink, kernel_of(scan->level));
	return scan->lines != NULL;
}

struct scan *scan_new(const struct event_shape *shape, int64_t bucket_us, enum scan_level level)
{
	struct scan *scan = calloc(1, sizeof(*scan));

	if (scan == NULL)
		return NULL;
	scan->level = level == SCAN_AUTO ? scan_best_level() : level;
	assert(can_run(scan->level));
	scan->judge_sink = (struct judge_sink){.context = scan,
		.on_event = on_event,
		.on_reject = on_reject,
		.on_array = on_array};
	scan->judge = judge_new(shape);
	if (scan_sink_init(&scan->sink, shape->n_fields, bucket_us) < 0 || scan->judge == NULL ||
		!make_buffer(scan, FRONT_BYTES + READ_BYTES, FRONT_BYTES) ||
		!make_lines(scan, shape)) {
		scan_free(scan);
		return NULL;
	}
	return scan;
}

void scan_free(struct scan *scan)
{
	if (scan == NULL)
		return;
	lines_free(scan->lines);
	scan_sink_fini(&scan->sink);
	judge_free(scan->judge);
	free(scan->memory);
	free(scan);
}

struct cells *scan_cells(struct scan *scan)
{
	return scan->sink.cells;
}

/* From here on the judge is asked, until it says that a line is over. */
static void begin_judging(struct scan *scan, uint32_t flags)
{
	const struct position position = {.line = scan->line, .flags = flags};

	scan->is_judging = true;
	scan->judge_from = scan->consumed;
	judge_begin(scan->judge, &position, scan->offset + scan->consumed);
}

void scan_begin(struct scan *scan, const struct position *start, int64_t offset, int64_t stop_after)
{
	uint32_t flags = start->flags & (POSITION_SKIP_LINE | POSITION_MID_LINE);

	scan->from = scan->to = FRONT_BYTES;
	/* A long value has made the buffer grow; one that cannot be replaced now is as good. */
	if (scan->cap > FRONT_BYTES + READ_BYTES)
		(void)make_buffer(scan, FRONT_BYTES + READ_BYTES, FRONT_BYTES);
	scan->offset = offset;
	scan->consumed = 0;
	scan->stop_after = stop_after;
	scan->end = stop_after == 0 && flags == 0 ? 0 : -1;
	scan->first_line = scan->line = start->line;
	scan->is_judging = false;
	scan_sink_begin(&scan->sink);
	if (scan->lines != NULL)
		scan->ways_before = lines_ways(scan->lines);
	if (scan->lines == NULL || flags != 0)
		begin_judging(scan, flags);
}

char *scan_room(struct scan *scan, size_t *room, struct err *err)
{
	size_t n = scan->to - scan->from;
	size_t from = n <= FRONT_BYTES ? FRONT_BYTES - n : 0;

	if (n + MIN_ROOM > scan->cap) {
		if (!make_buffer(scan, scan->cap * 2, from)) {
			(void)err_nomem(err);
			return NULL;
		}
	} else if (from != scan->from) {
		memmove(scan->bytes + from, scan->bytes + scan->from, n);
		scan->from = from;
		scan->to = from + n;
	}
	*room = scan->cap - scan->to;
	if (*room > READ_BYTES)
		*room = READ_BYTES;
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

/* How many of the unconsumed bytes are this slice's. */
static size_t slice_bytes(const struct scan *scan)
{
	size_t n = scan->to - scan->from;

	if (scan->end >= 0 && scan->end - scan->consumed < (int64_t)n)
		return (size_t)(scan->end - scan->consumed);
	return n;
}

static void consume(struct scan *scan, size_t n)
{
	scan->from += n;
	scan->consumed += (int64_t)n;
}

/* Where the judge stands behind a line, the next lines need not be its. */
static void end_judging(struct scan *scan)
{
	struct position at;
	int64_t settled = judge_settled(scan->judge, &at);

	if (scan->lines == NULL || at.flags != 0 || scan->judge_from + settled != scan->consumed ||
		scan->bytes[scan->from - 1] != '\n')
		return;
	scan->line = at.line;
	scan->is_judging = false;
}

/* Gives bytes to the judge: all, or up to the end of the line that needs it. */
static int feed_judge(struct scan *scan, bool at_end, struct err *err)
{
	const char *data = scan->bytes + scan->from;
	size_t len = slice_bytes(scan);
	const char *newline = scan->lines != NULL ? memchr(data, '\n', len) : NULL;
	size_t consumed;
	int rc;

	if (newline != NULL)
		len = (size_t)(newline + 1 - data);
	rc = judge_feed(scan->judge, data, len, at_end && newline == NULL, &consumed,
		&scan->judge_sink, err);
	consume(scan, consumed);
	if (rc == 0 && consumed > 0)
		end_judging(scan);
	return rc;
}

/* The whole lines that there are; none: what there is may be too long to wait for more. */
static int take_lines(struct scan *scan, bool at_end, bool *is_waiting, struct err *err)
{
	char *data = scan->bytes + scan->from;
	size_t len = slice_bytes(scan);
	char *newline;
	size_t n;

	/* A byte order mark is the judge's. */
	if (scan->offset + scan->consumed == 0 && (unsigned char)data[0] == 0xEF) {
		begin_judging(scan, 0);
		return 0;
	}
	if (len > LINES_MAX_BYTES)
		len = LINES_MAX_BYTES;
	newline = memrchr(data, '\n', len);
	if (newline == NULL && (at_end || len > FRONT_BYTES)) {
		begin_judging(scan, 0);
		return 0;
	}
	*is_waiting = newline == NULL;
	if (newline == NULL)
		return 0;
	n = (size_t)(newline + 1 - data);
	if (lines_take(scan->lines, data, newline + 1, &scan->line, scan->offset + scan->consumed,
		    err) < 0)
		return err->code;
	consume(scan, n);
	return 0;
}

static int take_all(struct scan *scan, bool at_end, struct err *err)
{
	bool is_waiting = false;

	while (slice_bytes(scan) > 0 && !is_waiting) {
		int64_t consumed = scan->consumed;
		bool was_judging = scan->is_judging;
		int rc = was_judging ? feed_judge(scan, at_end, err)
				     : take_lines(scan, at_end, &is_waiting, err);

		if (rc != 0)
			return rc;
		/* Neither a byte nor another way: more bytes are needed. */
		if (scan->consumed == consumed && scan->is_judging == was_judging)
			break;
	}
	return 0;
}

int scan_fed(struct scan *scan, size_t n, bool at_end, bool *done, struct err *err)
{
	int rc;

	assert(n <= scan->cap - scan->to);
	scan->to += n;
	find_end(scan, n);
	scan->err = err;
	rc = take_all(scan, at_end && scan->end < 0, err);
	scan->err = NULL;
	*done = scan->end >= 0 && scan->consumed == scan->end;
	return rc;
}

int scan_result(struct scan *scan, struct scan_result *result, struct err *err)
{
	struct lines_ways ways;

	*result = (struct scan_result){.settled = scan->consumed, .at.line = scan->line};
	scan_sink_end(&scan->sink);
	if (scan->is_judging)
		result->settled = scan->judge_from + judge_settled(scan->judge, &result->at);
	result->n_lines = result->at.line - scan->first_line;
	result->n_events = scan->sink.n_events;
	result->rejects = &scan->sink.rejects;
	if (scan->lines == NULL)
		return 0;
	ways = lines_ways(scan->lines);
	result->n_in_kernel = ways.n_in_kernel - scan->ways_before.n_in_kernel;
	result->n_matched = ways.n_matched - scan->ways_before.n_matched;
	return lines_flush(scan->lines, err);
}

void scan_take_rejects(struct scan *scan, struct reject_rows *to)
{
	reject_rows_move(to, &scan->sink.rejects);
}
