/*
 * What a kernel runs and what it is told: a program of steps for records of
 * one exact form, and the state of its cursors.
 *
 * A kernel takes one record of each cursor per round, all cursors through the
 * same step side by side, because the place of the next record follows from
 * the length of this one and a processor only hides that wait behind other
 * cursors' work. No step branches on the data: what is wrong is collected in
 * an error vector for each cursor and tested once, at the end of the round.
 * Where all are right the round is counted; where one is wrong the kernel
 * counts the others and returns, and the careful path looks at that record.
 *
 * One source (scan_kernel_body.h) is compiled for each level with other
 * vectors below it (scan_vector_*.h). All kernels read up to SCAN_SLACK_BYTES
 * behind a cursor and SCAN_MARGIN_BYTES before it, and give the same answers.
 */
#ifndef STREAM_SCAN_KERNEL_H
#define STREAM_SCAN_KERNEL_H

#include "stream/scan_dict.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_SLACK_BYTES  128
#define SCAN_MARGIN_BYTES 64

/*
 * A step looks `at` bytes behind its cursor. STRING, NUMBER, WORD and GROUP
 * steps find the length of a value there and move the cursor behind it; the
 * first three then check the beginning of the literal that follows.
 */
enum step_kind {
	STEP_SHORT, /* BEGIN, DIGITS_CODE, GROUP_BY_HEAD and COUNT_WINDOWS in one, where these are
		       all */
	STEP_BEGIN, /* passes the rest of the record before, then as CHECK */
	STEP_CHECK, /* 32 bytes against literal text and digits */
	STEP_DIGITS_CODE,  /* the time's digits, already checked, to their code … */
	STEP_DIGITS_VALUE, /* … or to their value */
	STEP_SPELLED_CODE, /* the same for a spelled time; the date must be the cursor's */
	STEP_SPELLED_VALUE,
	STEP_GROUP_BY_HEAD, /* the text of a group field: where its entry is; by enum dict_kind */
	STEP_GROUP_BY_ENDS,
	STEP_GROUP_WIDE,
	STEP_FIRST,  /* behind the first of several fields: its number */
	STEP_PAIR,   /* behind a later one: the entry of both, and its number */
	STEP_STRING, /* a string's inside */
	STEP_NUMBER,
	STEP_WORD,          /* true, false or null */
	STEP_COUNT_WINDOWS, /* the end of a round: counts into the cursors' windows */
	STEP_COUNT_ROWS,    /* the end of a round: counts into the rows of the cells */
	STEP_KINDS
};

struct round;
struct kernel;
struct step;

/* Does its work and then the next step's; what the last one returns: nothing was wrong. */
typedef bool step_fn(struct kernel *kernel, struct round *round, const struct step *step);

struct step {
	_Alignas(64) uint8_t bytes[32]; /* CHECK: the text, '0' or '1' for digits; GROUP: the stop
					   byte, 32 times */
	uint8_t limits[32]; /* CHECK: by how much a byte may exceed it: 0, 9 (8), 255 where anything
			       goes; SPELLED_CODE: the highest code, in each half */
	uint8_t shuffle[32]; /* SPELLED: which byte of the time of day goes where, in each half */
	uint8_t weights[32]; /* times: of tens and ones, 0 for bytes that are no digits, in each
				half */
	step_fn *run;
	int32_t at;
	uint32_t n_bytes; /* CHECK: how many count */
	const struct dict *dict;
	const struct pairs *pairs;
	enum step_kind kind;
};

/*
 * Where a cursor counts while times come in order: a stretch of times that lies
 * in one bucket, with counts of its own (in the entries of the table that is
 * looked up last), so that neither a conversion, a division nor a shared
 * counter stands in the way.
 *
 * The code of a time are its digits, four bits each: codes are in the order of
 * the times. Two 64-bit numbers for each cursor, side by side: code - first and
 * last - code. Both must be small where the time lies inside, and the largest
 * of each is what the stretch has seen.
 */
struct windows {
	_Alignas(32) uint64_t add[DICT_CURSORS][2];   /* -first, last + 1 */
	_Alignas(32) uint32_t limit[DICT_CURSORS][4]; /* last - first, 0, last - first, 0 */
	_Alignas(32)
		uint32_t seen[DICT_CURSORS][4]; /* the largest code - first, 0, last - code, 0 */
	_Alignas(32) uint8_t date[DICT_CURSORS][16]; /* of a spelled time, the first ten */
};

/* An event that no row is for. */
struct outside {
	int64_t time_us;
	uint32_t group;
};

#define MAX_OUTSIDE 256

/*
 * Where times in any order are counted: the dense rows of the cells, and a
 * short list of what lies outside of them. `behind` is a time less the first
 * row's start, modulo 2^64.
 */
struct rows {
	uint32_t *counts;
	uint64_t stride;
	uint64_t span_us;    /* of all rows */
	uint64_t unit_us, bucket_us;
	uint64_t reciprocal; /* (2^64 - 1) / unit_us */
	uint64_t value_us;   /* one value is so many microseconds */
	uint64_t add_us[DICT_CURSORS]; /* value to behind: the cursor's date, less the first row's start */
	uint64_t epoch_us;   /* the first row's start less the lowest time that there is */
	int64_t start_us;    /* of the first row */
	uint64_t min_us, max_us; /* seen in rows, behind */
	uint64_t n_in_rows;  /* records, since the rows were made ready */
	struct outside outside[MAX_OUTSIDE + 2 * DICT_CURSORS]; /* of the round that fills it, and of the last */
	size_t n_outside;
};

struct kernel {
	struct windows windows;
	struct rows rows;
	const struct step *steps;     /* the first is BEGIN or SHORT, the last a COUNT */
	uint64_t rest;                /* bytes of a record behind what the steps move over */
	const char *at[DICT_CURSORS]; /* each at the first byte of a record */
	uint8_t *counts;        /* entry + cursor: the count of that group in the cursor's window */
	const uint8_t *numbers; /* entry: the column of that group in the rows */
	uint64_t n_counted;     /* records, added up */
};

struct kernel_level {
	step_fn *steps[STEP_KINDS];
	/*
	 * Runs rounds until a record is not what the program says; there always is
	 * one (see scan_cursors.c). Returns a bit for each cursor that stands at
	 * such a record; the others have passed theirs.
	 */
	uint32_t (*run)(struct kernel *kernel, bool in_rows);
};

extern const struct kernel_level kernel_words, kernel_avx2, kernel_avx512;

#endif
