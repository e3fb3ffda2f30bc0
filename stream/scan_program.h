/*
 * From a shape to the steps of a kernel.
 *
 * Runs of literal text and of the time's digits become checks of 32 bytes; a
 * value of free length ends such a run. The literal behind a group's text is
 * compared together with it where it is short. Knows no cells.
 */
#ifndef STREAM_SCAN_PROGRAM_H
#define STREAM_SCAN_PROGRAM_H

#include "stream/scan_kernel.h"
#include "stream/scan_shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How the time is written in the records of a program. Its digits, read as one
 * number, are its *ticks* where it is a number; where it is spelled they are
 * hour, minute, second and an even number of digits of the fraction.
 */
struct time_form {
	bool is_spelled;     /* yyyy-mm-dd, then a time of day with seconds */
	uint32_t len;        /* bytes of its text */
	char separator;      /* between date and time of day */
	uint32_t n_fraction; /* spelled: digits of the fraction: 0, 2, 4, 6 */
	int64_t tick_us;     /* what the last digit counts */
	int64_t zone_us;     /* spelled: added to what date and time of day say */
};

struct program {
	struct step *steps;
	size_t n_steps;
	uint64_t rest; /* bytes of a record behind what the steps move over */
	struct time_form time;
	size_t time_at;         /* which step is the time's */
	struct step time_code;  /* that step, for windows … */
	struct step time_value; /* … and for rows */

	/* The group fields that the records have, in the order in which they stand. */
	size_t n_groups;
	uint32_t fields[SHAPE_MAX_FIELDS];
	bool is_bare[SHAPE_MAX_FIELDS]; /* a number or a word, not a string */
	struct dict dicts[SHAPE_MAX_FIELDS];
	struct pairs
		pairs[SHAPE_MAX_FIELDS]; /* [i]: of what stands before and dicts[i], from 1 on */
};

/* False where the records have no form for a kernel, or there is no memory. The program is not to
 * be moved. */
bool program_init(struct program *program, const struct shape *shape);
void program_fini(struct program *program);

/* The steps of a level, counting in windows or rows; again after any table was reshaped. */
void program_link(struct program *program, const struct kernel_level *level, bool in_rows);

#endif
