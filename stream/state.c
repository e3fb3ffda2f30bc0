/*
 * Entries in blocks that never move, found through an open-addressing index of
 * eight bytes a slot: part of the hash and the entry's number, so that a probe
 * looks at an entry only when it is almost surely the right one.
 */
#include "stream/state.h"

#include "base/mem.h"
#include "stream/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_ENTRIES 512u
#define FIRST_SLOTS   64u

struct slot {
	uint32_t hash;
	uint32_t entry; /* STATE_NONE: empty */
};

struct state {
	struct state_entry **blocks;
	size_t blocks_cap;
	uint32_t n_blocks;
	uint32_t end;
	uint32_t n;
	uint32_t free_entry; /* first of a chain through `mark`; STATE_NONE: none */
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

struct state *state_new(void)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state == NULL)
		return NULL;
	state->n_slots = FIRST_SLOTS;
	state->slots = new_slots(FIRST_SLOTS);
	if (state->slots == NULL) {
		free(state);
		return NULL;
	}
	state->free_entry = STATE_NONE;
	state->seed = (uintptr_t)state;
	return state;
}

void state_free(struct state *state)
{
	if (state == NULL)
		return;
	for (uint32_t i = 0; i < state->n_blocks; i++)
		free(state->blocks[i]);
	free(state->blocks);
	free(state->slots);
	free(state);
}

struct state_entry *state_at(const struct state *state, uint32_t entry)
{
	return &state->blocks[entry / BLOCK_ENTRIES][entry % BLOCK_ENTRIES];
}

static uint32_t hash_key(const struct state *state, uint32_t group, int64_t start_us)
{
	uint64_t hash = hash_mix(state->seed ^ group, (uint64_t)start_us);

	return (uint32_t)(hash ^ (hash >> 32));
}

uint32_t state_find(const struct state *state, uint32_t group, int64_t start_us)
{
	uint32_t hash = hash_key(state, group, start_us);
	size_t mask = state->n_slots - 1;

	for (size_t at = hash & mask; state->slots[at].entry != STATE_NONE; at = (at + 1) & mask) {
		const struct state_entry *entry;

		if (state->slots[at].hash != hash)
			continue;
		entry = state_at(state, state->slots[at].entry);
		if (entry->group == group && entry->start_us == start_us)
			return state->slots[at].entry;
	}
	return STATE_NONE;
}

void state_prefetch_place(const struct state *state, uint32_t group, int64_t start_us)
{
	__builtin_prefetch(&state->slots[hash_key(state, group, start_us) & (state->n_slots - 1)]);
}

void state_prefetch_entry(const struct state *state, uint32_t group, int64_t start_us)
{
	uint32_t hash = hash_key(state, group, start_us);
	const struct slot *slot = &state->slots[hash & (state->n_slots - 1)];

	if (slot->entry != STATE_NONE)
		__builtin_prefetch(state_at(state, slot->entry), 1);
}

static void link_slot(struct slot *slots, size_t n_slots, struct slot slot)
{
	size_t at = slot.hash & (n_slots - 1);

	while (slots[at].entry != STATE_NONE)
		at = (at + 1) & (n_slots - 1);
	slots[at] = slot;
}

/* Nine tenths full is the densest that linear probing bears with a part of the hash at hand. */
static bool has_slots_for(size_t n_slots, size_t n)
{
	return (uint64_t)n * 10 <= (uint64_t)n_slots * 9;
}

/* False: no memory, and as it was. */
static bool grow_slots(struct state *state, size_t n_slots)
{
	struct slot *slots = new_slots(n_slots);

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < state->n_slots; i++) {
		if (state->slots[i].entry != STATE_NONE)
			link_slot(slots, n_slots, state->slots[i]);
	}
	free(state->slots);
	state->slots = slots;
	state->n_slots = n_slots;
	return true;
}

void state_reserve(struct state *state, size_t n)
{
	size_t n_slots = state->n_slots;

	if (n >= STATE_NONE)
		return;
	while (!has_slots_for(n_slots, n))
		n_slots *= 2;
	if (n_slots > state->n_slots)
		(void)!grow_slots(state, n_slots);
}

static int add_block(struct state *state, struct err *err)
{
	struct state_entry *block;

	if (state->end > STATE_NONE - 1 - BLOCK_ENTRIES)
		return err_set(err, ERR_LIMIT, "more than %u rows in the state", state->end);
	if (!mem_grow(
		    &state->blocks, &state->blocks_cap, (size_t)state->n_blocks + 1, sizeof(block)))
		return err_nomem(err);
	block = malloc(BLOCK_ENTRIES * sizeof(*block));
	if (block == NULL)
		return err_nomem(err);
	state->blocks[state->n_blocks++] = block;
	return 0;
}

int state_add(
	struct state *state, uint32_t group, int64_t start_us, uint32_t *entry, struct err *err)
{
	struct slot slot;

	if (!has_slots_for(state->n_slots, (size_t)state->n + 1) &&
		!grow_slots(state, state->n_slots * 2))
		return err_nomem(err);
	if (state->free_entry == STATE_NONE && state->end == state->n_blocks * BLOCK_ENTRIES) {
		int rc = add_block(state, err);

		if (rc != 0)
			return rc;
	}
	if (state->free_entry != STATE_NONE) {
		*entry = state->free_entry;
		state->free_entry = state_at(state, *entry)->mark;
	} else {
		*entry = state->end++;
	}
	*state_at(state, *entry) = (struct state_entry){.start_us = start_us, .group = group};
	slot = (struct slot){.hash = hash_key(state, group, start_us), .entry = *entry};
	link_slot(state->slots, state->n_slots, slot);
	state->n++;
	return 0;
}

void state_remove(struct state *state, uint32_t entry)
{
	struct state_entry *gone = state_at(state, entry);
	size_t mask = state->n_slots - 1;
	size_t hole = hash_key(state, gone->group, gone->start_us) & mask;

	assert(gone->group != STATE_NONE);
	while (state->slots[hole].entry != entry)
		hole = (hole + 1) & mask;
	for (size_t at = (hole + 1) & mask; state->slots[at].entry != STATE_NONE;
		at = (at + 1) & mask) {
		size_t home = state->slots[at].hash & mask;

		/* An entry may fill the hole only if that does not put it before its home. */
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		state->slots[hole] = state->slots[at];
		hole = at;
	}
	state->slots[hole].entry = STATE_NONE;
	gone->group = STATE_NONE;
	gone->mark = state->free_entry;
	state->free_entry = entry;
	state->n--;
}

uint32_t state_count(const struct state *state)
{
	return state->n;
}

uint32_t state_end(const struct state *state)
{
	return state->end;
}

size_t state_bytes(const struct state *state)
{
	return sizeof(*state) + state->n_slots * sizeof(struct slot) +
	       state->blocks_cap * sizeof(struct state_entry *) +
	       (size_t)state->n_blocks * BLOCK_ENTRIES * sizeof(struct state_entry);
}
