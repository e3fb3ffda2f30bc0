/*
 * Entries in blocks that never move, found through an open-addressing index of
 * eight bytes a slot: part of the hash and the entry's number, so that a probe
 * looks at an entry only when it is almost surely the right one.
 */
#include "stream/table.h"

#include "base/mem.h"
#include "stream/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ENTRIES 512u
#define FIRST_SLOTS   64u

struct slot {
	uint32_t hash;
	uint32_t entry; /* TABLE_NONE: empty */
};

struct table {
	struct table_entry **blocks;
	size_t blocks_cap;
	uint32_t n_blocks;
	uint32_t end;
	uint32_t n;
	uint32_t free_entry; /* first of a chain through `mark`; TABLE_NONE: none */
	struct slot *slots;
	size_t n_slots; /* a power of two */
	uint64_t seed;
};

static struct slot *new_slots(size_t n)
{
	struct slot *slots = malloc(n * sizeof(*slots));

	if (slots != NULL)
		memset(slots, 0xff, n * sizeof(*slots));
	return slots;
}

struct table *table_new(void)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table == NULL)
		return NULL;
	table->n_slots = FIRST_SLOTS;
	table->slots = new_slots(FIRST_SLOTS);
	if (table->slots == NULL) {
		free(table);
		return NULL;
	}
	table->free_entry = TABLE_NONE;
	table->seed = (uintptr_t)table;
	return table;
}

void table_free(struct table *table)
{
	if (table == NULL)
		return;
	for (uint32_t i = 0; i < table->n_blocks; i++)
		free(table->blocks[i]);
	free(table->blocks);
	free(table->slots);
	free(table);
}

struct table_entry *table_at(const struct table *table, uint32_t entry)
{
	return &table->blocks[entry / BLOCK_ENTRIES][entry % BLOCK_ENTRIES];
}

static uint32_t hash_key(const struct table *table, uint32_t group, int64_t start_us)
{
	uint64_t hash = hash_mix(table->seed ^ group, (uint64_t)start_us);

	return (uint32_t)(hash ^ (hash >> 32));
}

uint32_t table_find(const struct table *table, uint32_t group, int64_t start_us)
{
	uint32_t hash = hash_key(table, group, start_us);
	size_t mask = table->n_slots - 1;

	for (size_t at = hash & mask; table->slots[at].entry != TABLE_NONE; at = (at + 1) & mask) {
		const struct table_entry *entry;

		if (table->slots[at].hash != hash)
			continue;
		entry = table_at(table, table->slots[at].entry);
		if (entry->group == group && entry->start_us == start_us)
			return table->slots[at].entry;
	}
	return TABLE_NONE;
}

static void link_slot(struct slot *slots, size_t n_slots, struct slot slot)
{
	size_t at = slot.hash & (n_slots - 1);

	while (slots[at].entry != TABLE_NONE)
		at = (at + 1) & (n_slots - 1);
	slots[at] = slot;
}

static int grow_slots(struct table *table, struct err *err)
{
	struct slot *slots = new_slots(table->n_slots * 2);

	if (slots == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < table->n_slots; i++) {
		if (table->slots[i].entry != TABLE_NONE)
			link_slot(slots, table->n_slots * 2, table->slots[i]);
	}
	free(table->slots);
	table->slots = slots;
	table->n_slots *= 2;
	return 0;
}

static int add_block(struct table *table, struct err *err)
{
	struct table_entry *block;

	if (table->end > TABLE_NONE - 1 - BLOCK_ENTRIES)
		return err_set(err, ERR_LIMIT, "more than %u rows in the state", table->end);
	if (!mem_grow(
		    &table->blocks, &table->blocks_cap, (size_t)table->n_blocks + 1, sizeof(block)))
		return err_nomem(err);
	block = malloc(BLOCK_ENTRIES * sizeof(*block));
	if (block == NULL)
		return err_nomem(err);
	table->blocks[table->n_blocks++] = block;
	return 0;
}

int table_add(
	struct table *table, uint32_t group, int64_t start_us, uint32_t *entry, struct err *err)
{
	struct slot slot;

	/* Nine tenths full is the densest that linear probing bears with a part of the hash at
	 * hand. */
	if ((uint64_t)table->n * 10 >= (uint64_t)table->n_slots * 9 && grow_slots(table, err) != 0)
		return ERR_NOMEM;
	if (table->free_entry == TABLE_NONE && table->end == table->n_blocks * BLOCK_ENTRIES) {
		int rc = add_block(table, err);

		if (rc != 0)
			return rc;
	}
	if (table->free_entry != TABLE_NONE) {
		*entry = table->free_entry;
		table->free_entry = table_at(table, *entry)->mark;
	} else {
		*entry = table->end++;
	}
	*table_at(table, *entry) = (struct table_entry){.start_us = start_us, .group = group};
	slot = (struct slot){.hash = hash_key(table, group, start_us), .entry = *entry};
	link_slot(table->slots, table->n_slots, slot);
	table->n++;
	return 0;
}

void table_remove(struct table *table, uint32_t entry)
{
	struct table_entry *gone = table_at(table, entry);
	size_t mask = table->n_slots - 1;
	size_t hole = hash_key(table, gone->group, gone->start_us) & mask;

	assert(gone->group != TABLE_NONE);
	while (table->slots[hole].entry != entry)
		hole = (hole + 1) & mask;
	for (size_t at = (hole + 1) & mask; table->slots[at].entry != TABLE_NONE;
		at = (at + 1) & mask) {
		size_t home = table->slots[at].hash & mask;

		/* An entry may fill the hole only if that does not put it before its home. */
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		table->slots[hole] = table->slots[at];
		hole = at;
	}
	table->slots[hole].entry = TABLE_NONE;
	gone->group = TABLE_NONE;
	gone->mark = table->free_entry;
	table->free_entry = entry;
	table->n--;
}

uint32_t table_count(const struct table *table)
{
	return table->n;
}

uint32_t table_end(const struct table *table)
{
	return table->end;
}

size_t table_bytes(const struct table *table)
{
	return sizeof(*table) + table->n_slots * sizeof(struct slot) +
	       table->blocks_cap * sizeof(struct table_entry *) +
	       (size_t)table->n_blocks * BLOCK_ENTRIES * sizeof(struct table_entry);
}
