/*
 * Finds slots by a hash of what stands in them, in four bytes an entry and
 * its share of free cells.
 *
 * An open-addressing table of slot numbers. What a cell has no use for in its
 * slot number holds bits of the hash, so that most strangers are passed over
 * without looking at the slot. The hash of a slot is asked from the owner,
 * who must not change what it depends on while the slot is in the table; the
 * owner also decides whether a candidate is the one it wants.
 */
#ifndef STREAM_FILE_INDEX_H
#define STREAM_FILE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_index {
	uint64_t (*hash)(const void *owner, size_t slot);
	const void *owner;
	uint32_t *cells; /* NULL while empty */
	size_t n_cells;
	unsigned slot_bits; /* of a cell, the low ones; the others hold bits of the hash */
	size_t n;           /* cells in use */
};

void file_index_init(struct file_index *index, uint64_t (*hash)(const void *owner, size_t slot),
	const void *owner);
void file_index_fini(struct file_index *index);

/* False: no memory, nothing has changed. A slot is put once. */
bool file_index_put(struct file_index *index, size_t slot) __attribute__((warn_unused_result));

/* The slot must be in the table. Needs no memory. */
void file_index_drop(struct file_index *index, size_t slot);

/* Walks the candidates for a hash: set `hash`, zero the rest, call until SIZE_MAX. */
struct file_index_walk {
	uint64_t hash;
	size_t n_steps;
};

size_t file_index_next(const struct file_index *index, struct file_index_walk *walk);

#endif
