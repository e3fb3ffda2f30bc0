/*
 * Records behind an open-addressing index (linear probing, backward-shift
 * deletion). A record is one allocation: the values, then their bytes.
 */
#include "stream/groups.h"

#include "base/mem.h"
#include "stream/event_values.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct record {
	uint32_t n_refs;
	uint32_t hash;
	bool is_idle; /* listed in `idle` */
	uint32_t bytes;
	struct event_value values[];
};

struct slot {
	uint32_t hash;
	uint32_t group; /* GROUP_NONE: empty */
};

struct groups {
	size_t n_fields;
	uint64_t seed;
	struct record **records; /* by number; NULL: free */
	size_t records_cap;
	uint32_t end; /* numbers ever used */
	uint32_t n;
	uint32_t *free_numbers; /* numbers below `end` that may be given again */
	size_t n_free, free_cap;
	uint32_t *idle; /* candidates of settle */
	size_t n_idle, idle_cap;
	struct slot *slots;
	size_t n_slots; /* a power of two */
	size_t bytes;   /* of the records */
};

#define FIRST_SLOTS 16

static struct slot *new_slots(size_t n)
{
	struct slot *slots = malloc(n * sizeof(*slots));

	if (slots != NULL)
		memset(slots, 0xff, n * sizeof(*slots));
	return slots;
}

struct groups *groups_new(size_t n_fields)
{
	struct groups *groups = calloc(1, sizeof(*groups));

	if (groups == NULL)
		return NULL;
	groups->n_fields = n_fields;
	groups->n_slots = FIRST_SLOTS;
	groups->slots = new_slots(FIRST_SLOTS);
	if (groups->slots == NULL) {
		free(groups);
		return NULL;
	}
	/* Where the allocator put us differs from run to run, which is all a seed needs. */
	groups->seed = hash_mix((uintptr_t)groups, (uintptr_t)groups->slots);
	return groups;
}

void groups_free(struct groups *groups)
{
	if (groups == NULL)
		return;
	for (uint32_t i = 0; i < groups->end; i++)
		free(groups->records[i]);
	free(groups->records);
	free(groups->free_numbers);
	free(groups->idle);
	free(groups->slots);
	free(groups);
}

static int grow_slots(struct groups *groups, struct err *err)
{
	size_t n = groups->n_slots * 2;
	struct slot *slots = new_slots(n);

	if (slots == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < groups->n_slots; i++) {
		size_t at;

		if (groups->slots[i].group == GROUP_NONE)
			continue;
		at = groups->slots[i].hash & (n - 1);
		while (slots[at].group != GROUP_NONE)
			at = (at + 1) & (n - 1);
		slots[at] = groups->slots[i];
	}
	free(groups->slots);
	groups->slots = slots;
	groups->n_slots = n;
	return 0;
}

static struct record *new_record(const struct groups *groups, const struct event_value *values)
{
	size_t bytes = sizeof(struct record) + groups->n_fields * sizeof(*values);
	struct record *record;
	char *text;

	for (size_t i = 0; i < groups->n_fields; i++)
		bytes += values[i].kind == EVENT_VALUE_TEXT ? values[i].len : 0;
	if (bytes > UINT32_MAX)
		return NULL;
	record = malloc(bytes);
	if (record == NULL)
		return NULL;
	record->n_refs = 0;
	record->is_idle = true;
	record->bytes = (uint32_t)bytes;
	text = (char *)(record->values + groups->n_fields);
	for (size_t i = 0; i < groups->n_fields; i++) {
		record->values[i] = (struct event_value){.kind = EVENT_VALUE_NULL};
		if (values[i].kind == EVENT_VALUE_NULL)
			continue;
		assert(values[i].kind == EVENT_VALUE_TEXT);
		record->values[i] = values[i];
		record->values[i].text = text;
		if (values[i].len > 0)
			memcpy(text, values[i].text, values[i].len);
		text += values[i].len;
	}
	return record;
}

/* Room for one more of everything, so that adding cannot fail half-way. */
static int make_room(struct groups *groups, struct err *err)
{
	if ((uint64_t)groups->n * 4 >= (uint64_t)groups->n_slots * 3 &&
		grow_slots(groups, err) != 0)
		return ERR_NOMEM;
	if (!mem_grow(&groups->idle, &groups->idle_cap, groups->n_idle + 1, sizeof(*groups->idle)))
		return err_nomem(err);
	if (groups->n_free > 0)
		return 0;
	if (groups->end == GROUP_NONE)
		return err_set(err, ERR_LIMIT, "more than %u groups", GROUP_NONE);
	if (!mem_grow(&groups->records, &groups->records_cap, (size_t)groups->end + 1,
		    sizeof(struct record *)))
		return err_nomem(err);
	/* A number that is given must be able to come back without an allocation. */
	if (!mem_grow(&groups->free_numbers, &groups->free_cap, (size_t)groups->end + 1,
		    sizeof(*groups->free_numbers)))
		return err_nomem(err);
	return 0;
}

int groups_intern(
	struct groups *groups, const struct event_value *values, uint32_t *group, struct err *err)
{
	uint32_t hash = event_values_hash(groups->seed, values, groups->n_fields);
	struct record *record;
	size_t at = hash & (groups->n_slots - 1);
	int rc;

	for (; groups->slots[at].group != GROUP_NONE; at = (at + 1) & (groups->n_slots - 1)) {
		uint32_t known = groups->slots[at].group;

		if (groups->slots[at].hash == hash &&
			event_values_are_same(
				groups->records[known]->values, values, groups->n_fields)) {
			*group = known;
			return 0;
		}
	}
	rc = make_room(groups, err);
	if (rc != 0)
		return rc;
	record = new_record(groups, values);
	if (record == NULL)
		return err_nomem(err);
	record->hash = hash;
	*group = groups->n_free > 0 ? groups->free_numbers[--groups->n_free] : groups->end++;
	groups->records[*group] = record;
	groups->idle[groups->n_idle++] = *group;
	at = hash & (groups->n_slots - 1);
	while (groups->slots[at].group != GROUP_NONE)
		at = (at + 1) & (groups->n_slots - 1);
	groups->slots[at] = (struct slot){.hash = hash, .group = *group};
	groups->n++;
	groups->bytes += record->bytes;
	return 0;
}

void groups_ref(struct groups *groups, uint32_t group)
{
	groups->records[group]->n_refs++;
}

void groups_unref(struct groups *groups, uint32_t group)
{
	struct record *record = groups->records[group];

	assert(record->n_refs > 0);
	if (--record->n_refs > 0 || record->is_idle)
		return;
	/*
	 * Without memory the list cannot grow and the name stays until it is
	 * used again: some bytes too many, never a wrong count.
	 */
	if (!mem_grow(&groups->idle, &groups->idle_cap, groups->n_idle + 1, sizeof(*groups->idle)))
		return;
	record->is_idle = true;
	groups->idle[groups->n_idle++] = group;
}

static void unlink_slot(struct groups *groups, uint32_t hash, uint32_t group)
{
	size_t mask = groups->n_slots - 1;
	size_t hole = hash & mask;
	size_t at;

	while (groups->slots[hole].group != group)
		hole = (hole + 1) & mask;
	for (at = (hole + 1) & mask; groups->slots[at].group != GROUP_NONE; at = (at + 1) & mask) {
		size_t home = groups->slots[at].hash & mask;

		/* An entry may fill the hole only if that does not put it before its home. */
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		groups->slots[hole] = groups->slots[at];
		hole = at;
	}
	groups->slots[hole].group = GROUP_NONE;
}

void groups_settle(struct groups *groups)
{
	for (size_t i = 0; i < groups->n_idle; i++) {
		uint32_t group = groups->idle[i];
		struct record *record = groups->records[group];

		record->is_idle = false;
		if (record->n_refs > 0)
			continue;
		unlink_slot(groups, record->hash, group);
		groups->bytes -= record->bytes;
		groups->n--;
		groups->records[group] = NULL;
		groups->free_numbers[groups->n_free++] = group;
		free(record);
	}
	groups->n_idle = 0;
}

const struct event_value *groups_values(const struct groups *groups, uint32_t group)
{
	return groups->records[group]->values;
}

uint32_t groups_count(const struct groups *groups)
{
	return groups->n;
}

uint32_t groups_end(const struct groups *groups)
{
	return groups->end;
}

size_t groups_bytes(const struct groups *groups)
{
	return sizeof(*groups) + groups->bytes + groups->n_slots * sizeof(struct slot) +
	       groups->records_cap * sizeof(struct record *) +
	       (groups->free_cap + groups->idle_cap) * sizeof(uint32_t);
}
