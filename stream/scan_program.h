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

/* How the time is written in the records of a program. */
struct time_form {
	bool is_spelled;     /* yyyy-mm-dd, then a time of day with seconds */
	uint32_t len;        /* bytes of its text */
	char separator;      /* between date and time of day */
	int64_t value_us;    /* one value of the kernels is so many microseconds */
	int64_t zone_us;     /* spelled: added to what date and time of day say */
};

struct program {
	struct step *steps;
	size_t n_steps;
	struct time_form time;

	/* The group fields that the records have, in the order in which they stand. */
	size_t n_groups;
	uint32_t fields[SHAPE_MAX_FIELDS];
	bool is_bare[SHAPE_MAX_FIELDS]; /* a number or a word, not a string */
	struct dict dicts[SHAPE_MAX_FIELDS];
	struct pairs pairs[SHAPE_MAX_FIELDS]; /* [i]: of what stands before and dicts[i], from 1 on */
};

/* False where the records have no form for a kernel, or there is no memory. */
bool program_init(struct program *program, const struct shape *shape);
void program_fini(struct program *program);

/* Lets the program count into windows or into rows. */
void program_count_in(struct program *program, bool in_rows);

/* How many slots the numbers of groups are spread over. */
uint32_t program_n_slots(const struct program *program);

#endif
