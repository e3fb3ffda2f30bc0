/*
 * Positions in arrays by slot, and an indexed heap of the slots with something
 * to read. The order of two files can change while both wait (one is written
 * to); then the heap is built anew, which is rare and linear.
 */
#include "stream/prefix.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void prefixes_init(struct prefixes *prefixes, const struct source *source)
{
	*prefixes = (struct prefixes){.source = source};
}

static void prefix_free(struct prefix *prefix)
{
	stands_fini(&prefix->stands);
	free(prefix->slots);
	free(prefix->heap);
	free(prefix);
}

void prefixes_fini(struct prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->n; i++)
		prefix_free(prefixes->list[i]);
	free(prefixes->list);
	*prefixes = (struct prefixes){0};
}

static int reserve(struct prefix *prefix, size_t n_slots, struct err *err)
{
	if (n_slots <= prefix->n_slots)
		return 0;
	if (stands_grow(&prefix->stands, n_slots, err) != 0 ||
		!mem_grow(&prefix->slots, &prefix->slots_cap, n_slots, sizeof(*prefix->slots)) ||
		!mem_grow(&prefix->heap, &prefix->heap_cap, n_slots, sizeof(*prefix->heap)))
		return err_nomem(err);
	memset(prefix->slots + prefix->n_slots, 0,
		(n_slots - prefix->n_slots) * sizeof(*prefix->slots));
	prefix->n_slots = n_slots;
	return 0;
}

struct prefix *prefixes_add(struct prefixes *prefixes, int64_t id, struct err *err)
{
	struct prefix *prefix = calloc(1, sizeof(*prefix));

	if (prefix == NULL ||
		!mem_grow(&prefixes->list, &prefixes->cap, prefixes->n + 1,
			sizeof(*prefixes->list)) ||
		reserve(prefix, source_n_slots(prefixes->source), err) != 0) {
		if (prefix != NULL)
			prefix_free(prefix);
		(void)err_nomem(err);
		return NULL;
	}
	prefix->id = id;
	prefixes->list[prefixes->n++] = prefix;
	return prefix;
}

struct prefix *prefixes_find(const struct prefixes *prefixes, int64_t id)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (prefixes->list[i]->id == id)
			return prefixes->list[i];
	}
	return NULL;
}

void prefixes_remove(struct prefixes *prefixes, struct prefix *prefix)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (prefixes->list[i] != prefix)
			continue;
		memmove(prefixes->list + i, prefixes->list + i + 1,
			(prefixes->n - i - 1) * sizeof(*prefixes->list));
		prefixes->n--;
		prefix_free(prefix);
		return;
	}
}

int prefix_copy(struct prefix *to, const struct prefix *from, struct err *err)
{
	int rc = reserve(to, from->n_slots, err);

	return rc == 0 ? stands_copy(&to->stands, &from->stands, err) : rc;
}

struct stand prefix_stand(const struct prefix *prefix, const struct file *file, size_t slot)
{
	return stands_get(&prefix->stands, slot, file->id);
}

static int compare(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

int prefix_compare(const struct file *file, const struct stand *a, const struct stand *b)
{
	int order = compare(a->file_id != STAND_NO_FILE, b->file_id != STAND_NO_FILE);

	/* The same byte of a compressed file can be told from two frames, but lies on one line. */
	if (order == 0 && file->is_compressed)
		order = compare(a->at.line, b->at.line);
	if (order == 0)
		order = compare(a->at.offset, b->at.offset);
	return order != 0 ? order : compare(a->at.skip, b->at.skip);
}

struct stand prefixes_frontier(
	const struct prefixes *prefixes, const struct file *file, size_t slot)
{
	struct stand most = {.at = POSITION_START, .file_id = STAND_NO_FILE, .seen = -1};

	for (size_t i = 0; i < prefixes->n; i++) {
		struct stand stand = prefix_stand(prefixes->list[i], file, slot);

		if (prefix_compare(file, &stand, &most) > 0)
			most = stand;
	}
	return most;
}

int prefixes_reserve(struct prefixes *prefixes, size_t n_slots, struct err *err)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		int rc = reserve(prefixes->list[i], n_slots, err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int prefix_reserve_puts(struct prefix *prefix, size_t n, struct err *err)
{
	return stands_reserve(&prefix->stands, n, err);
}

void prefix_put(struct prefix *prefix, size_t slot, const struct stand *stand)
{
	stands_put(&prefix->stands, slot, stand);
}

static bool is_before(
	const struct prefixes *prefixes, const struct prefix *prefix, uint32_t a, uint32_t b)
{
	if (prefix->slots[a].is_behind != prefix->slots[b].is_behind)
		return prefix->slots[a].is_behind;
	return source_compare(prefixes->source, a, b) < 0;
}

static void place(struct prefix *prefix, size_t at, uint32_t slot)
{
	prefix->heap[at] = slot;
	prefix->slots[slot].heap = ((uint32_t)at + 1) & INT32_MAX;
}

static void sift_up(const struct prefixes *prefixes, struct prefix *prefix, size_t at)
{
	uint32_t slot = prefix->heap[at];

	while (at > 0 && is_before(prefixes, prefix, slot, prefix->heap[(at - 1) / 2])) {
		place(prefix, at, prefix->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(prefix, at, slot);
}

static void sift_down(const struct prefixes *prefixes, struct prefix *prefix, size_t at)
{
	uint32_t slot = prefix->heap[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= prefix->n_heap)
			break;
		if (child + 1 < prefix->n_heap &&
			is_before(prefixes, prefix, prefix->heap[child + 1], prefix->heap[child]))
			child++;
		if (!is_before(prefixes, prefix, prefix->heap[child], slot))
			break;
		place(prefix, at, prefix->heap[child]);
		at = child;
	}
	place(prefix, at, slot);
}

static void build(const struct prefixes *prefixes, struct prefix *prefix)
{
	for (size_t at = prefix->n_heap / 2; at-- > 0;)
		sift_down(prefixes, prefix, at);
}

/* Without regard to order: the heap must be built or sifted after it. */
static void take_out(struct prefix *prefix, uint32_t slot)
{
	size_t at = prefix->slots[slot].heap - 1;

	prefix->n_behind -= prefix->slots[slot].is_behind;
	prefix->slots[slot] = (struct prefix_slot){0};
	prefix->n_heap--;
	if (at < prefix->n_heap)
		place(prefix, at, prefix->heap[prefix->n_heap]);
}

static void put_in(struct prefix *prefix, uint32_t slot, bool is_behind)
{
	prefix->slots[slot].is_behind = is_behind;
	prefix->n_behind += is_behind;
	place(prefix, prefix->n_heap++, slot);
}

/* Whether the prefix has something to read in the file of that slot. */
static bool is_pending(
	const struct prefixes *prefixes, const struct prefix *prefix, size_t slot, bool *is_behind)
{
	const struct file *file = source_file(prefixes->source, slot);
	struct stand stand, frontier;

	*is_behind = false;
	if (file == NULL || file_is_gone(file) || file->state == FILE_ERROR)
		return false;
	stand = prefix_stand(prefix, file, slot);
	frontier = prefixes_frontier(prefixes, file, slot);
	*is_behind = prefix_compare(file, &stand, &frontier) < 0;
	return *is_behind || file->state == FILE_WAITING;
}

static void look(struct prefixes *prefixes, struct prefix *prefix, const size_t *slots, size_t n)
{
	size_t n_before = prefix->n_heap;
	bool is_disordered = false;

	for (size_t i = 0; i < n; i++) {
		if (slots[i] < prefix->n_slots && prefix->slots[slots[i]].heap != 0) {
			take_out(prefix, (uint32_t)slots[i]);
			is_disordered = true;
		}
	}
	if (is_disordered)
		n_before = 0;
	for (size_t i = 0; i < n; i++) {
		bool is_behind;

		if (!is_pending(prefixes, prefix, slots[i], &is_behind))
			continue;
		assert(slots[i] < prefix->n_slots);
		if (prefix->slots[slots[i]].heap != 0)
			continue;
		put_in(prefix, (uint32_t)slots[i], is_behind);
	}
	if (is_disordered || prefix->n_heap - n_before > n_before) {
		build(prefixes, prefix);
		return;
	}
	for (size_t at = n_before; at < prefix->n_heap; at++)
		sift_up(prefixes, prefix, at);
}

void prefixes_look(struct prefixes *prefixes, const size_t *slots, size_t n)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		if (prefixes->list[i]->n_queries > 0)
			look(prefixes, prefixes->list[i], slots, n);
	}
}

void prefixes_look_at_all(struct prefixes *prefixes)
{
	size_t n_slots = source_n_slots(prefixes->source);

	for (size_t i = 0; i < prefixes->n; i++) {
		struct prefix *prefix = prefixes->list[i];

		while (prefix->n_heap > 0)
			take_out(prefix, prefix->heap[prefix->n_heap - 1]);
		for (size_t slot = 0; prefix->n_queries > 0 && slot < n_slots; slot++) {
			bool is_behind;

			if (is_pending(prefixes, prefix, slot, &is_behind))
				put_in(prefix, (uint32_t)slot, is_behind);
		}
		build(prefixes, prefix);
	}
}

size_t prefixes_pop(struct prefixes *prefixes, struct prefix *prefix)
{
	uint32_t slot;

	if (prefix->n_heap == 0)
		return SIZE_MAX;
	slot = prefix->heap[0];
	take_out(prefix, slot);
	if (prefix->n_heap > 0)
		sift_down(prefixes, prefix, 0);
	return slot;
}

bool prefixes_has_missed(const struct prefixes *prefixes, const struct prefix *prefix,
	const struct file *file, size_t slot)
{
	struct stand own;

	if (!file_is_gone(file) || file->n_events == 0)
		return false;
	own = prefix_stand(prefix, file, slot);
	for (size_t i = 0; i < prefixes->n; i++) {
		struct stand other = prefix_stand(prefixes->list[i], file, slot);

		if (!prefixes->list[i]->is_leaving && prefix_compare(file, &own, &other) < 0)
			return true;
	}
	return false;
}

size_t prefixes_count_missed(const struct prefixes *prefixes, const struct prefix *prefix)
{
	size_t n_slots = source_n_slots(prefixes->source);
	size_t n = 0;

	for (size_t slot = 0; prefixes->n > 1 && slot < n_slots; slot++) {
		const struct file *file = source_file(prefixes->source, slot);

		n += file != NULL && prefixes_has_missed(prefixes, prefix, file, slot);
	}
	return n;
}

void prefixes_look_at_gone(struct prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		struct prefix *prefix = prefixes->list[i];

		prefix->n_missed =
			prefix->n_queries > 0 ? prefixes_count_missed(prefixes, prefix) : 0;
	}
}

static size_t find_further(const struct prefixes *prefixes, const struct prefix *a,
	const struct prefix *b, bool of_gone, size_t slot)
{
	size_t n = source_n_slots(prefixes->source);

	for (; slot < n; slot++) {
		const struct file *file = source_file(prefixes->source, slot);
		struct stand one, two;

		if (file == NULL || file_is_gone(file) != of_gone)
			continue;
		one = prefix_stand(a, file, slot);
		two = prefix_stand(b, file, slot);
		if (prefix_compare(file, &one, &two) > 0)
			return slot;
	}
	return SIZE_MAX;
}

bool prefix_is_covered(
	const struct prefixes *prefixes, const struct prefix *a, const struct prefix *b)
{
	return find_further(prefixes, a, b, false, 0) == SIZE_MAX;
}

size_t prefix_find_further_in_gone(const struct prefixes *prefixes, const struct prefix *a,
	const struct prefix *b, size_t slot)
{
	return find_further(prefixes, a, b, true, slot);
}

bool prefix_may_become(
	const struct prefixes *prefixes, const struct prefix *prefix, const struct prefix *other)
{
	size_t n = source_n_slots(prefixes->source);

	for (size_t slot = 0; prefixes->n > 2 && slot < n; slot++) {
		const struct file *file = source_file(prefixes->source, slot);
		struct stand own, others;

		if (file == NULL || !file_is_gone(file))
			continue;
		own = prefix_stand(prefix, file, slot);
		others = prefix_stand(other, file, slot);
		for (size_t i = 0; prefix_compare(file, &own, &others) != 0 && i < prefixes->n;
			i++) {
			const struct prefix *third = prefixes->list[i];
			struct stand stand = prefix_stand(third, file, slot);

			if (third != prefix && third != other &&
				prefix_compare(file, &stand, &others) > 0)
				return false;
		}
	}
	return true;
}

bool prefixes_are_behind(const struct prefixes *prefixes, const size_t *slots, size_t n)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		const struct prefix *prefix = prefixes->list[i];

		for (size_t j = 0; prefix->n_behind > 0 && j < n; j++) {
			if (slots[j] < prefix->n_slots && prefix->slots[slots[j]].is_behind)
				return true;
		}
	}
	return false;
}

bool prefixes_are_equal(
	const struct prefixes *prefixes, const struct prefix *a, const struct prefix *b)
{
	return prefix_is_covered(prefixes, a, b) && prefix_is_covered(prefixes, b, a);
}
