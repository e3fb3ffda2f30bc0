/*
 * Made events: one line of JSON after the other, from a seed. The same plan
 * gives the same bytes on every machine. Knows no files.
 */
#ifndef BENCH_GEN_LINES_H
#define BENCH_GEN_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LINE_MAX_BYTES 512

enum line_shape {
	SHAPE_NARROW, /* {"time":1469501107,"action":"Open"}: 36 or 37 bytes with the newline */
	SHAPE_WIDE,   /* about 135 bytes: other order, nested fields, blanks, ISO-8601 time */
};

struct line_plan {
	enum line_shape shape;
	uint64_t seed;
	uint64_t n_actions;     /* 2: Open and Close; else names of 4 to 20 letters */
	int64_t start_s;        /* the earliest time */
	int64_t span_s;         /* >= 1: all times are before start_s + span_s */
	bool is_random_order;   /* else ascending over the whole plan */
	uint32_t malformed_ppm; /* lines of a million that are no good events */
};

struct lines;

/* n_actions is 1 to 456,976. NULL: no memory. */
struct lines *lines_new(const struct line_plan *plan);
void lines_free(struct lines *lines);

/*
 * Writes the next line, its newline included, to `out` (LINE_MAX_BYTES of
 * room) and returns its length. `done` of `total` tells how far the plan is,
 * for ascending times.
 */
size_t lines_next(struct lines *lines, uint64_t done, uint64_t total, char *out);

/* {"time":T,"action":"NAME"} and a newline. */
size_t line_write_narrow(char *out, int64_t time_s, const char *action, size_t len);

/* The next number of a sequence that *state alone decides. */
uint64_t random_next(uint64_t *state);

#endif
