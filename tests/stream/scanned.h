/*
 * What a scan gives for some bytes, as text that tests can compare: the table,
 * the rejects and the places, whatever the level, the reads, the appends and
 * the slices. Whatever cannot happen in a test aborts it.
 */
#ifndef TESTS_STREAM_SCANNED_H
#define TESTS_STREAM_SCANNED_H

#include "stream/scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCANNED_LEVELS 3
/* All but the judge; this build or processor may lack some. */
extern const enum scan_level scanned_levels[SCANNED_LEVELS];

/* What to scan and how. */
struct trial {
	struct event_shape shape;
	int64_t bucket_us;
	const char *bytes;
	size_t len;
	size_t max_feed; /* reads are of random size up to that; 0: as large as there is room */
	uint64_t feed_seed;
	size_t cut;                     /* where the first read ends, if not 0 */
	bool at_end;                    /* the last read says that none follow */
	int64_t n_in_kernel, n_matched; /* out */
};

/* A scan that has learnt from other bytes and counted nothing. */
struct scan *scanned_warm(
	const struct trial *trial, const char *bytes, size_t len, enum scan_level level);

/* All bytes by a scan that has just been made, or by one that has seen others. The caller frees
 * what these four return. */
char *scanned_whole(struct trial *trial, enum scan_level level);
char *scanned_again(struct scan *scan, struct trial *trial);

/*
 * Two appends: what the first slice, which ends at the cut, has not settled is
 * read again by the second. The text says nothing about where the first ended,
 * so it is the same for every cut.
 */
char *scanned_appends(struct scan *scan, struct trial *trial, size_t cut);

/* As threads would share a file: each slice but the first begins one byte early, in the rest of a
 * line that is not its. */
char *scanned_slices(struct trial *trial, enum scan_level level, int n_slices);

#endif
