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

#define KERNEL_CURSORS    6
#define SCAN_SLACK_BYTES  128
#define SCAN_MARGIN_BYTES 64

enum step_kind {
	STEP_CHECK,       /* 32 bytes against literal text and digits */
	STEP_TIME_DIGITS, /* the time's digits, already checked, to its value */
	STEP_TIME_ISO,    /* the same for a spelled time; the date must be the cursor's */
	STEP_GROUP,       /* the text of the only group field */
	STEP_GROUP_FIRST, /* … of the first of several */
	STEP_GROUP_NEXT,  /* … of a later one: pairs it with what stands before */
	STEP_STRING,      /* a string's inside */
	STEP_NUMBER,
	STEP_WORD,        /* true, false or null */
	STEP_COUNT_WINDOW, /* the end of a round: counts into the cursors' windows */
	STEP_COUNT_ROWS,   /* the end of a round: counts into the rows of the cells */
};

/*
 * A step looks `at` bytes behind its cursor. STRING, NUMBER, WORD and GROUP
 * steps find the length of a value there and move the cursor behind it; a
 * COUNT step moves it to the next record.
 */
struct step {
	_Alignas(64) uint8_t bytes[32]; /* CHECK: the text, '0' or '1' for digits; GROUP: the stop byte, 32 times */
	uint8_t limits[32];  /* CHECK: by how much a byte may exceed it: 0, 9 (8), 255 where anything goes */
	uint8_t shuffle[32]; /* TIME_ISO: which byte of the time of day goes where, in each half */
	uint8_t weights[32]; /* TIME: 10 and 1 for tens and ones, 0 for bytes that are no digits, in each half */
	enum step_kind kind;
	int32_t at;
	uint32_t n_bytes; /* CHECK: how many count; TIME_DIGITS: digits that count, up to 16 */
	struct dict *dict;
	struct pairs *pairs;
	bool is_last;     /* GROUP_NEXT: no further one follows */
};

/*
 * Where a cursor counts while times come in order: a stretch of time values
 * that lies in one bucket, with counts of its own, so that neither a division
 * nor a shared counter stands in the way. `value` is the time in the units of
 * its last digit; of a spelled time the microseconds of its day.
 *
 * Two 64-bit numbers for each cursor, side by side: value - first and
 * last - value. Both must be small where the value lies inside, and the
 * largest of each is what the stretch has seen.
 */
struct windows {
	_Alignas(32) uint64_t add[KERNEL_CURSORS][2];    /* -first, last + 1 */
	_Alignas(32) uint32_t limit[KERNEL_CURSORS][4];  /* last - first, 0, last - first, 0 */
	_Alignas(32) uint32_t seen[KERNEL_CURSORS][4];   /* the largest value - first, 0, last - value, 0 */
	_Alignas(32) uint8_t date[KERNEL_CURSORS][16];   /* of a spelled time, the first ten */
	uint32_t *counts; /* counts[cursor * n_slots + slot] */
	uint32_t n_slots;
};

/* Where times in any order are counted: the dense rows of the cells. */
struct rows {
	uint32_t *counts;
	const uint32_t *groups; /* the column of each slot */
	uint64_t stride;
	uint64_t span_us;   /* n_rows * unit_us */
	uint64_t unit_us, bucket_us;
	uint64_t reciprocal; /* (2^64 - 1) / unit_us */
	uint64_t value_us;  /* one value is so many microseconds */
	uint64_t add_us[KERNEL_CURSORS]; /* the cursor's date, less the first row's start */
	uint64_t min_us, max_us; /* seen, behind the first row's start */
};

struct kernel {
	const struct step *steps;
	const char *at[KERNEL_CURSORS]; /* each at the first byte of a record */
	struct windows windows;
	struct rows rows;
	uint64_t n_counted; /* records, added up */
};

/*
 * Runs rounds until a record is not what the program says; there always is one
 * (see scan_run.c). Returns a bit for each cursor that stands at such a record;
 * the others have passed theirs.
 */
typedef uint32_t kernel_fn(struct kernel *kernel);

kernel_fn kernel_run_words, kernel_run_avx2, kernel_run_avx512;

#endif
