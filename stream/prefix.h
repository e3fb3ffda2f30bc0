/*
 * Where sets of queries stand in the files of a source.
 *
 * A prefix is one position per file. Queries that stand at the same positions
 * share a prefix, and so a pass over the bytes. The frontier of a file is the
 * most advanced position of all prefixes: bytes before it have been judged once
 * already. A prefix behind the frontier catches up exactly to it, file by
 * file, before it reads anything new, so prefixes that caught up are equal and
 * can be merged. A prefix without queries is kept while it is the frontier's
 * only witness.
 *
 * What there is to read is kept per prefix as a heap of slots in the source's
 * order, what is behind the frontier first. Knows no bytes and no counts.
 */
#ifndef STREAM_PREFIX_H
#define STREAM_PREFIX_H

#include "base/err.h"
#include "stream/event.h"
#include "stream/source.h"
#include "stream/stands.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one slot is to a prefix. */
struct prefix_slot {
	uint32_t heap : 31; /* 1 + its place in the heap; 0: nothing to read */
	bool is_behind : 1;
};

struct prefix {
	int64_t id;
	size_t n_queries;
	bool is_leaving;        /* the batch in flight merges it into another */
	size_t n_missed;        /* files that went before it had read all that others counted of them */
	struct stands stands;
	struct prefix_slot *slots;
	size_t n_slots, slots_cap;
	uint32_t *heap;         /* slots; the next one at the top */
	size_t n_heap, heap_cap;
	size_t n_behind;        /* of the heap, those behind the frontier */
};

struct prefixes {
	const struct source *source;
	struct prefix **list;
	size_t n, cap;
};

void prefixes_init(struct prefixes *prefixes, const struct source *source);
void prefixes_fini(struct prefixes *prefixes);

/* A prefix that has begun no file; NULL: no memory. */
struct prefix *prefixes_add(struct prefixes *prefixes, int64_t id, struct err *err);
struct prefix *prefixes_find(const struct prefixes *prefixes, int64_t id); /* NULL: none */
void prefixes_remove(struct prefixes *prefixes, struct prefix *prefix);

/* `to` stands where `from` stands, in every file. */
int prefix_copy(struct prefix *to, const struct prefix *from, struct err *err)
	__attribute__((warn_unused_result));

/* Where it stands in the file of that slot: the file's start if it was not begun. */
struct stand prefix_stand(const struct prefix *prefix, const struct file *file, size_t slot);

/* The most advanced stand of all prefixes. */
struct stand prefixes_frontier(
	const struct prefixes *prefixes, const struct file *file, size_t slot);

/* <0, 0, >0: by how far `a` and `b` are in the file. */
int prefix_compare(const struct file *file, const struct stand *a, const struct stand *b);

/* Every prefix knows `n_slots` slots. */
int prefixes_reserve(struct prefixes *prefixes, size_t n_slots, struct err *err)
	__attribute__((warn_unused_result));

/* The next `n` calls of prefix_put for slots that it knows cannot fail. */
int prefix_reserve_puts(struct prefix *prefix, size_t n, struct err *err)
	__attribute__((warn_unused_result));
void prefix_put(struct prefix *prefix, size_t slot, const struct stand *stand);

/*
 * Looks anew at slots whose file or positions have changed: what is there to
 * read for each prefix? Reserved before.
 */
void prefixes_look(struct prefixes *prefixes, const size_t *slots, size_t n);
void prefixes_look_at_all(struct prefixes *prefixes);

/* The slot to read next is taken out of the heap (prefixes_look puts it back); SIZE_MAX: none. */
size_t prefixes_pop(struct prefixes *prefixes, struct prefix *prefix);

/* What n_missed of `prefix` is, if those that are leaving had left. A walk over all files. */
size_t prefixes_count_missed(const struct prefixes *prefixes, const struct prefix *prefix);

/* Is what others counted of a file that went missing to `prefix`? */
bool prefixes_has_missed(
	const struct prefixes *prefixes, const struct prefix *prefix, const struct file *file,
	size_t slot);

/* Brings n_missed of all of them up to date. */
void prefixes_look_at_gone(struct prefixes *prefixes);

/* Both stand at the same place in every file that still exists. */
bool prefixes_are_equal(
	const struct prefixes *prefixes, const struct prefix *a, const struct prefix *b);

/* Is `b` at least as far in every file that still exists? */
bool prefix_is_covered(
	const struct prefixes *prefixes, const struct prefix *a, const struct prefix *b);

/*
 * Files that went may come back: the first slot from `slot` on of one in which `a` stands further
 * than `b`; SIZE_MAX: there is none.
 */
size_t prefix_find_further_in_gone(const struct prefixes *prefixes, const struct prefix *a,
	const struct prefix *b, size_t slot);

/*
 * May the queries of `prefix` stand where `other` stands? Not where the two know
 * a file that went unequally and a third knows it better: together they stand
 * where the better one stood, and when the file came back and was read up to the
 * third, nothing would tell any more that some of them have missed a part of it.
 */
bool prefix_may_become(
	const struct prefixes *prefixes, const struct prefix *prefix, const struct prefix *other);

/* Of these slots, is one of a file that is there and that others have read further than some? */
bool prefixes_are_behind(const struct prefixes *prefixes, const size_t *slots, size_t n);

#endif
