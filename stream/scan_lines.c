/*
 * The state of the learning and when it changes.
 *
 * Lines that no shape matches are marked while the cursors run and judged
 * afterwards, first to last: then rejects come in the order of the bytes and
 * the line numbers follow from counting newlines up to each, which is done
 * only where something is judged.
 *
 * Three things adapt, each with a memory that doubles its patience, so that
 * no input makes the changing itself the work: whether the kernel runs at all
 * (it pauses where most records went the careful way), whether it counts in
 * windows or in rows (windows pay while times come in order), and how soon
 * another shape is learnt.
 */
#include "stream/scan_lines.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "stream/scan_count.h"
#include "stream/scan_cursors.h"
#include "stream/scan_shape.h"

#define MAX_SHAPES       4
#define MAX_PATIENCE     32   /* runs that a pause or the rows last */
#define MAX_LEARNING_GAP 4096 /* accepted lines between two learnt shapes */
#define NO_SHAPE         SIZE_MAX

struct known_shape {
	struct shape shape;
	uint64_t n_hits; /* records of it, halved with each run */
};

/* Something that is done for a number of runs, each time for twice as many. */
struct patience {
	uint32_t n_left;
	uint32_t n_next;
};

struct lines {
	const struct event_shape *event;
	struct judge *judge;
	const struct judge_sink *judge_sink;
	struct scan_sink *sink;
	const struct kernel_level *level;

	struct known_shape *shapes; /* MAX_SHAPES, and one to learn in */
	size_t n_shapes;
	uint64_t n_learnt;     /* grows with each new shape */
	uint64_t n_unlearnt;   /* accepted lines of no known shape since the last learning */
	uint64_t learning_gap; /* how many there must be before the next */

	struct count *count; /* of shapes[active] */
	size_t active;       /* NO_SHAPE: none has a kernel */
	struct lines_ways ways;
	struct patience pause; /* the kernel does not run */
	struct patience rows;  /* it counts in rows */

	/* The run of lines_take. */
	char *from, *to;
	int64_t offset;
	int64_t line; /* of the line at counted_to */
	const char *counted_to;
	uint64_t n_records, n_careful, n_judged;

	/* A bit for each byte of the run: there begins a line for the judge; and one for each word
	 * of them. */
	uint64_t marks[LINES_MAX_BYTES / 64];
	uint64_t mark_words[LINES_MAX_BYTES / 64 / 64];
};

struct lines *lines_new(const struct event_shape *shape, struct judge *judge,
	const struct judge_sink *judge_sink, struct scan_sink *sink,
	const struct kernel_level *level)
{
	struct lines *lines = calloc(1, sizeof(*lines));

	if (lines == NULL)
		return NULL;
	lines->event = shape;
	lines->judge = judge;
	lines->judge_sink = judge_sink;
	lines->sink = sink;
	lines->level = level;
	lines->learning_gap = 1;
	lines->active = NO_SHAPE;
	lines->pause.n_next = 1;
	lines->rows.n_next = 1;
	lines->shapes = calloc(MAX_SHAPES + 1, sizeof(*lines->shapes));
	lines->count = aligned_alloc(64, (sizeof(*lines->count) + 63) / 64 * 64);
	if (lines->shapes == NULL || lines->count == NULL) {
		free(lines->shapes);
		free(lines->count);
		free(lines);
		return NULL;
	}
	return lines;
}

void lines_free(struct lines *lines)
{
	if (lines == NULL)
		return;
	if (lines->active != NO_SHAPE)
		count_fini(lines->count);
	free(lines->count);
	free(lines->shapes);
	free(lines);
}

static void extend(struct patience *patience)
{
	patience->n_left = patience->n_next;
	if (patience->n_next < MAX_PATIENCE)
		patience->n_next *= 2;
}

int lines_flush(struct lines *lines, struct err *err)
{
	return lines->active != NO_SHAPE ? count_flush(lines->count, err) : 0;
}

struct lines_ways lines_ways(const struct lines *lines)
{
	return lines->ways;
}

/* No kernel from now on. */
static int deactivate(struct lines *lines, struct err *err)
{
	if (lines->active == NO_SHAPE)
		return 0;
	if (lines_flush(lines, err) < 0)
		return err->code;
	count_fini(lines->count);
	lines->active = NO_SHAPE;
	return 0;
}

/* The kernel of a shape, if it has one, from now on. */
static int activate(struct lines *lines, size_t which, struct err *err)
{
	if (deactivate(lines, err) < 0)
		return err->code;
	if (count_init(lines->count, &lines->shapes[which].shape, lines->level, lines->sink->cells,
		    lines->sink->bucket_us))
		lines->active = which;
	return 0;
}

/* A free place, or that of the shape with the fewest records. */
static int make_place(struct lines *lines, size_t *which, struct err *err)
{
	if (lines->n_shapes < MAX_SHAPES) {
		*which = lines->n_shapes++;
		return 0;
	}
	*which = 0;
	for (size_t i = 1; i < MAX_SHAPES; i++) {
		if (lines->shapes[i].n_hits < lines->shapes[*which].n_hits)
			*which = i;
	}
	return *which == lines->active ? deactivate(lines, err) : 0;
}

/* The judge accepted this line as one event, and no shape matches it. */
static int learn(struct lines *lines, const char *at, const char *next, struct err *err)
{
	struct shape *shape = &lines->shapes[MAX_SHAPES].shape;
	struct match match;
	size_t which;

	if (++lines->n_unlearnt < lines->learning_gap)
		return 0;
	lines->n_unlearnt = 0;
	if (lines->learning_gap < MAX_LEARNING_GAP)
		lines->learning_gap *= 2;
	if (!shape_learn(shape, lines->event, at, (size_t)(next - at)) ||
		!shape_match(shape, at, next, &match))
		return 0;
	assert(match.next == next && match.time_us == lines->sink->event_time_us);
	if (make_place(lines, &which, err) < 0)
		return err->code;
	lines->n_learnt++;
	lines->shapes[which].shape = *shape;
	lines->shapes[which].n_hits = 1;
	return lines->active == NO_SHAPE ? activate(lines, which, err) : 0;
}

/* Tries the shapes, the active one first; *which is the one that matches, or NO_SHAPE. */
static void match_any(struct lines *lines, const char *at, struct match *match, size_t *which)
{
	*which = lines->active;
	if (*which != NO_SHAPE && shape_match(&lines->shapes[*which].shape, at, lines->to, match))
		return;
	for (size_t i = 0; i < lines->n_shapes; i++) {
		if (i == lines->active ||
			!shape_match(&lines->shapes[i].shape, at, lines->to, match))
			continue;
		*which = i;
		return;
	}
	*which = NO_SHAPE;
}

static int count_match(struct lines *lines, const struct match *match, size_t which,
	uint32_t *group, struct err *err)
{
	lines->n_careful++;
	lines->ways.n_matched++;
	lines->shapes[which].n_hits++;
	lines->sink->n_events++;
	if (cells_group(lines->sink->cells, match->values, group, err) < 0)
		return err->code;
	return cells_add(lines->sink->cells, *group, match->time_us, 1, err);
}

typedef uint8_t bytes __attribute__((vector_size(16)));

static uint64_t sum_bytes(bytes vector)
{
	const uint64_t evens = UINT64_C(0x00ff00ff00ff00ff);
	uint64_t words[2], sums;

	memcpy(words, &vector, sizeof(words));
	sums = (words[0] & evens) + (words[0] >> 8 & evens) + (words[1] & evens) +
	       (words[1] >> 8 & evens);
	return sums * UINT64_C(0x0001000100010001) >> 48;
}

/* How many newlines stand in [at, end); up to 15 bytes behind the end are read too. */
static uint64_t count_newlines(const char *at, const char *end)
{
	const bytes places = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	uint64_t n = 0;

	while (at < end) {
		size_t n_vectors = (size_t)(end - at) / 16;
		bytes sums = {0};
		bytes here;

		if (n_vectors > UINT8_MAX - 1)
			n_vectors = UINT8_MAX - 1;
		for (; n_vectors > 0; n_vectors--, at += 16) {
			memcpy(&here, at, sizeof(here));
			sums -= (bytes)(here == '\n');
		}
		if (end - at < 16) {
			const uint8_t n_left = (uint8_t)(end - at);

			memcpy(&here, at, sizeof(here));
			sums -= (bytes)(here == '\n') & (bytes)(places < n_left);
			at = end;
		}
		n += sum_bytes(sums);
	}
	return n;
}

static int judge_line(struct lines *lines, const char *at, const char *next, struct err *err)
{
	struct scan_sink *sink = lines->sink;
	int64_t n_events = sink->n_events;
	struct position position = POSITION_START;
	size_t consumed;
	int rc;

	lines->line += (int64_t)count_newlines(lines->counted_to, at);
	lines->counted_to = at;
	lines->n_judged++;
	position.line = lines->line;
	sink->has_event = false;
	judge_begin(lines->judge, &position, lines->offset + (at - lines->from));
	rc = judge_feed(
		lines->judge, at, (size_t)(next - at), false, &consumed, lines->judge_sink, err);
	if (rc != 0)
		return rc;
	assert(consumed == (size_t)(next - at));
	if (!sink->has_event || sink->n_events != n_events + 1)
		return 0;
	return learn(lines, at, next, err);
}

static const char *line_end(const struct lines *lines, const char *at)
{
	return (const char *)memchr(at, '\n', (size_t)(lines->to - at)) + 1;
}

static int take_line(struct lines *lines, const char *at, const char **next, struct err *err)
{
	struct match match;
	uint32_t group;
	size_t which;

	match_any(lines, at, &match, &which);
	if (which != NO_SHAPE) {
		*next = match.next;
		return count_match(lines, &match, which, &group, err);
	}
	*next = line_end(lines, at);
	return judge_line(lines, at, *next, err);
}

static bool is_paused(const struct lines *lines)
{
	return lines->active == NO_SHAPE || lines->pause.n_left > 0;
}

/* Up to the end, or to where a kernel may take over. */
static int take_in_turn(struct lines *lines, const char **at, struct err *err)
{
	int rc = 0;

	while (rc == 0 && *at < lines->to &&
		(is_paused(lines) || lines->to - *at <= CURSORS_MIN_BYTES))
		rc = take_line(lines, *at, at, err);
	return rc;
}

static void mark(struct lines *lines, const char *at)
{
	size_t bit = (size_t)(at - lines->from);

	lines->marks[bit / 64] |= UINT64_C(1) << bit % 64;
	lines->mark_words[bit / 64 / 64] |= UINT64_C(1) << bit / 64 % 64;
}

static int careful(void *context, const char *at, int cursor, const char **next, struct err *err)
{
	struct lines *lines = context;
	struct match match;
	uint32_t group;
	size_t which;
	int rc;

	match_any(lines, at, &match, &which);
	if (which == NO_SHAPE) {
		mark(lines, at);
		*next = line_end(lines, at);
		return 0;
	}
	*next = match.next;
	rc = count_match(lines, &match, which, &group, err);
	if (rc != 0 || which != lines->active)
		return rc;
	return count_learn(lines->count, &match, group, cursor, err);
}

/* No shape matched the line when it was marked; others may have been learnt since. */
static int take_marked_line(struct lines *lines, const char *at, uint64_t n_learnt, struct err *err)
{
	const char *next;

	if (lines->n_learnt != n_learnt)
		return take_line(lines, at, &next, err);
	return judge_line(lines, at, line_end(lines, at), err);
}

/* The marked lines of one word of marks. */
static int take_word(struct lines *lines, size_t word, uint64_t n_learnt, struct err *err)
{
	for (; lines->marks[word] != 0; lines->marks[word] &= lines->marks[word] - 1) {
		size_t bit = word * 64 + (size_t)__builtin_ctzll(lines->marks[word]);

		if (take_marked_line(lines, lines->from + bit, n_learnt, err) != 0)
			return err->code;
	}
	return 0;
}

/* The marked lines, first to last; what one of them taught helps the next. */
static int take_marked(struct lines *lines, uint64_t n_learnt, struct err *err)
{
	size_t n_words = (size_t)(lines->to - lines->from) / 64 / 64 + 1;

	for (size_t i = 0; i < n_words && i < LINES_MAX_BYTES / 64 / 64; i++) {
		uint64_t *words = &lines->mark_words[i];

		for (; *words != 0; *words &= *words - 1) {
			if (take_word(lines, i * 64 + (size_t)__builtin_ctzll(*words), n_learnt,
				    err) != 0)
				return err->code;
		}
	}
	return 0;
}

/* What the run says about the way to go on. */
static int adapt(struct lines *lines, uint64_t n_records, uint64_t n_moves, uint64_t n_taught,
	struct err *err)
{
	if (lines->n_careful > n_records + n_moves + n_taught)
		extend(&lines->pause);
	else
		lines->pause.n_next = 1;
	/* In the middle of this run, or it would have paid to do so. */
	if (lines->rows.n_left == 0 &&
		(lines->count->wants_rows || n_moves > (n_records + lines->n_careful) / 32))
		extend(&lines->rows);
	else if (lines->rows.n_left > 0)
		lines->rows.n_left--;
	else
		lines->rows.n_next = 1;
	return count_set_rows(lines->count, lines->rows.n_left > 0, err);
}

static void forget_marks(struct lines *lines)
{
	memset(lines->marks, 0, sizeof(lines->marks));
	memset(lines->mark_words, 0, sizeof(lines->mark_words));
}

static int take_with_cursors(struct lines *lines, const char *at, struct err *err)
{
	const struct count *count = lines->count;
	uint64_t n_moves = count->n_moves, n_taught = count->n_taught;
	uint64_t n_learnt = lines->n_learnt;
	uint64_t n_records;
	char *from = lines->from + (at - lines->from);
	int rc = cursors_run(lines->count, from, lines->to, careful, lines, &n_records, err);

	if (rc == 0) {
		lines->n_records += n_records;
		lines->ways.n_in_kernel += (int64_t)n_records;
		lines->sink->n_events += (int64_t)n_records;
		lines->shapes[lines->active].n_hits += n_records;
		rc = adapt(lines, n_records, count->n_moves - n_moves, count->n_taught - n_taught,
			err);
	}
	if (rc == 0)
		rc = take_marked(lines, n_learnt, err);
	if (rc != 0)
		forget_marks(lines);
	return rc;
}

/* The shape that most records have gets the kernel. */
static int choose_shape(struct lines *lines, struct err *err)
{
	size_t best = lines->active;
	uint64_t n_best = lines->active != NO_SHAPE ? lines->shapes[lines->active].n_hits * 2 : 0;

	for (size_t i = 0; i < lines->n_shapes; i++) {
		if (lines->shapes[i].n_hits > n_best) {
			best = i;
			n_best = lines->shapes[i].n_hits;
		}
	}
	for (size_t i = 0; i < lines->n_shapes; i++)
		lines->shapes[i].n_hits /= 2;
	return best != lines->active ? activate(lines, best, err) : 0;
}

int lines_take(
	struct lines *lines, char *from, char *to, int64_t *line, int64_t offset, struct err *err)
{
	const char *at = from;
	int rc;

	assert((size_t)(to - from) <= LINES_MAX_BYTES && to > from && to[-1] == '\n');
	lines->from = from;
	lines->counted_to = from;
	lines->to = to;
	lines->line = *line;
	lines->offset = offset;
	lines->n_records = lines->n_careful = lines->n_judged = 0;
	rc = take_in_turn(lines, &at, err);
	if (rc == 0 && at < to)
		rc = take_with_cursors(lines, at, err);
	else if (lines->pause.n_left > 0)
		lines->pause.n_left--;
	if (rc != 0)
		return rc;
	*line += (int64_t)(lines->n_records + lines->n_careful + lines->n_judged);
	if (lines->n_judged == 0)
		lines->learning_gap = lines->learning_gap > 1 ? lines->learning_gap / 2 : 1;
	return choose_shape(lines, err);
}
