/*
 * The state of a query with fixed windows: how many events each (group,
 * window) has. Compact: an entry and its share of the index take 33 to 42
 * bytes, names apart; entries do not move when the table grows, so a number of
 * an entry is good until the entry is removed.
 *
 * Counts only; who changed what in a batch is the query's to remember
 * (stream/query.h). One thread at a time.
 */
#ifndef STREAM_TABLE_H
#define STREAM_TABLE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX

/* Further aggregates of a group would stand beside `count`. */
struct table_entry {
	int64_t start_us;
	uint64_t count;
	uint32_t group; /* TABLE_NONE: the entry is free */
	uint32_t mark;  /* the owner's; 0 in a new entry */
};

struct table;

struct table *table_new(void); /* NULL: no memory */
void table_free(struct table *table);

/* The entry's number, or TABLE_NONE. */
uint32_t table_find(const struct table *table, uint32_t group, int64_t start_us);

/* Adds an entry that is not there, with count 0. ERR_NOMEM, ERR_LIMIT. */
int table_add(struct table *table, uint32_t group, int64_t start_us, uint32_t *entry,
	struct err *err) __attribute__((warn_unused_result));

void table_remove(struct table *table, uint32_t entry);

struct table_entry *table_at(const struct table *table, uint32_t entry);

/* Entries in use. */
uint32_t table_count(const struct table *table);

/* Numbers 0 … end-1 may be in use; free ones have group TABLE_NONE. */
uint32_t table_end(const struct table *table);

size_t table_bytes(const struct table *table);

#endif
