/*
 * The state of a query with fixed windows: how many events each (group,
 * window) has. Compact: an entry and its share of the index take 33 to 42
 * bytes, names apart; entries do not move when there are more, so a number of
 * an entry is good until the entry is removed.
 *
 * Counts only; who changed what in a batch is the query's to remember
 * (stream/query.h). One thread at a time.
 */
#ifndef STREAM_STATE_H
#define STREAM_STATE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STATE_NONE UINT32_MAX

/* Further aggregates of a group would stand beside `count`. */
struct state_entry {
	int64_t start_us;
	uint64_t count;
	uint32_t group; /* STATE_NONE: the entry is free */
	uint32_t mark;  /* the owner's; 0 in a new entry */
};

struct state;

struct state *state_new(void); /* NULL: no memory */
void state_free(struct state *state);

/* The entry's number, or STATE_NONE. */
uint32_t state_find(const struct state *state, uint32_t group, int64_t start_us);

/*
 * For whoever looks up many: asks the memory for what state_find() will read,
 * first its place in the index, and when that has arrived the entry.
 */
void state_prefetch_place(const struct state *state, uint32_t group, int64_t start_us);
void state_prefetch_entry(const struct state *state, uint32_t group, int64_t start_us);

/* Adds an entry that is not there, with count 0. ERR_NOMEM, ERR_LIMIT. */
int state_add(struct state *state, uint32_t group, int64_t start_us, uint32_t *entry,
	struct err *err) __attribute__((warn_unused_result));

/*
 * Room in the index for so many entries in all, so that they come in without
 * its growing step by step; where memory lacks it stays as it is.
 */
void state_reserve(struct state *state, size_t n);

void state_remove(struct state *state, uint32_t entry);

struct state_entry *state_at(const struct state *state, uint32_t entry);

/* Entries in use. */
uint32_t state_count(const struct state *state);

/* Numbers 0 … end-1 may be in use; free ones have group STATE_NONE. */
uint32_t state_end(const struct state *state);

size_t state_bytes(const struct state *state);

#endif
