/*
 * An open-addressing table of numbers over chunks of values and texts.
 *
 * A slot holds 32 bits of the tuple's hash and its number plus one, so growing
 * the table touches no text, and a probe looks at a text only when 32 bits
 * agree. The hash is seeded: names come from outside, and nobody shall be able
 * to choose them so that they all meet in one slot.
 */
#include "stream/names.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "stream/event_values.h"

#define CHUNK_TUPLES     512
#define TEXT_CHUNK_BYTES 32768
#define FIRST_SLOTS      256

struct text_chunk {
	struct text_chunk *next;
	size_t used, cap;
	char bytes[];
};

struct names {
	size_t n_fields;
	uint64_t seed;
	uint32_t n;
	uint64_t *slots;             /* hash << 32 | number + 1; 0: free */
	size_t n_slots;              /* a power of two */
	struct event_value **chunks; /* CHUNK_TUPLES tuples each */
	size_t n_chunks, cap_chunks;
	struct text_chunk *texts; /* the one in use first */
};

struct names *names_new(size_t n_fields)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names == NULL)
		return NULL;
	names->n_fields = n_fields;
	names->n_slots = FIRST_SLOTS;
	names->slots = mem_new_array(names->n_slots, sizeof(*names->slots));
	if (names->slots == NULL) {
		free(names);
		return NULL;
	}
	if (getrandom(&names->seed, sizeof(names->seed), GRND_NONBLOCK) < 0)
		names->seed = (uint64_t)(uintptr_t)names;
	return names;
}

void names_free(struct names *names)
{
	struct text_chunk *next;

	if (names == NULL)
		return;
	for (struct text_chunk *chunk = names->texts; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	for (size_t i = 0; i < names->n_chunks; i++)
		free(names->chunks[i]);
	free(names->chunks);
	free(names->slots);
	free(names);
}

const struct event_value *names_values(const struct names *names, uint32_t number)
{
	return names->chunks[number / CHUNK_TUPLES] + number % CHUNK_TUPLES * names->n_fields;
}

uint32_t names_count(const struct names *names)
{
	return names->n;
}

/* Doubles the slots; the hashes in them are all that is needed. */
static bool grow_slots(struct names *names)
{
	size_t n_slots = names->n_slots * 2;
	uint64_t *slots = mem_new_array(n_slots, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (size_t i = 0; i < names->n_slots; i++) {
		size_t at = (size_t)(names->slots[i] >> 32) & (n_slots - 1);

		if (names->slots[i] == 0)
			continue;
		while (slots[at] != 0)
			at = (at + 1) & (n_slots - 1);
		slots[at] = names->slots[i];
	}
	free(names->slots);
	names->slots = slots;
	names->n_slots = n_slots;
	return true;
}

static char *text_room(struct names *names, size_t len)
{
	struct text_chunk *chunk = names->texts;
	size_t cap = len > TEXT_CHUNK_BYTES / 4 ? len : TEXT_CHUNK_BYTES;

	if (chunk == NULL || chunk->cap - chunk->used < len) {
		chunk = malloc(sizeof(*chunk) + cap);
		if (chunk == NULL)
			return NULL;
		*chunk = (struct text_chunk){.cap = cap};
		/* A chunk made for one long text is full: the one in use stays in front. */
		if (cap == len && names->texts != NULL) {
			chunk->next = names->texts->next;
			names->texts->next = chunk;
		} else {
			chunk->next = names->texts;
			names->texts = chunk;
		}
	}
	chunk->used += len;
	return chunk->bytes + chunk->used - len;
}

/* Room for the next tuple's values; a chunk that is left over after a failure is used next time. */
static struct event_value *tuple_room(struct names *names)
{
	size_t chunk = names->n / CHUNK_TUPLES;

	if (chunk == names->n_chunks) {
		if (!mem_grow(
			    &names->chunks, &names->cap_chunks, chunk + 1, sizeof(*names->chunks)))
			return NULL;
		names->chunks[chunk] =
			mem_new_array(CHUNK_TUPLES * (names->n_fields > 0 ? names->n_fields : 1),
				sizeof(**names->chunks));
		if (names->chunks[chunk] == NULL)
			return NULL;
		names->n_chunks++;
	}
	return names->chunks[chunk] + names->n % CHUNK_TUPLES * names->n_fields;
}

static int copy_tuple(struct names *names, const struct event_value *values, struct err *err)
{
	struct event_value *copy = tuple_room(names);
	char *text;

	if (copy == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < names->n_fields; i++) {
		copy[i] = (struct event_value){.kind = values[i].kind, .text = ""};
		if (values[i].kind != EVENT_VALUE_TEXT || values[i].len == 0)
			continue;
		text = text_room(names, values[i].len);
		if (text == NULL)
			return err_nomem(err);
		memcpy(text, values[i].text, values[i].len);
		copy[i].text = text;
		copy[i].len = values[i].len;
	}
	return 0;
}

int names_put(
	struct names *names, const struct event_value *values, uint32_t *number, struct err *err)
{
	uint32_t hash = event_values_hash(names->seed, values, names->n_fields);
	size_t at = hash & (names->n_slots - 1);

	for (; names->slots[at] != 0; at = (at + 1) & (names->n_slots - 1)) {
		uint32_t candidate = (uint32_t)names->slots[at] - 1;

		if ((uint32_t)(names->slots[at] >> 32) != hash ||
			!event_values_are_same(
				names_values(names, candidate), values, names->n_fields))
			continue;
		*number = candidate;
		return 0;
	}
	if (names->n == UINT32_MAX - 1)
		return err_set(err, ERR_LIMIT, "more than %u groups in one pass", UINT32_MAX - 1);
	if (copy_tuple(names, values, err) < 0)
		return err->code;
	*number = names->n++;
	names->slots[at] = (uint64_t)hash << 32 | names->n;
	/*
	 * A table that cannot grow now is still right while one slot is free; the
	 * tuple is in it, so the caller gets its number and the next call tries
	 * again.
	 */
	if (names->n > names->n_slots / 2 && !grow_slots(names) && names->n >= names->n_slots - 1)
		return err_nomem(err);
	return 0;
}
