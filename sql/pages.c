/*
 * Page maps of two levels, and which version sees which page.
 *
 * A version is a root: an array of leaves, each of LEAF_PAGES pages. Pages and
 * leaves are nodes; each knows the number of the version it was born in. The
 * working map starts as a copy of the newest root and gets a new node wherever
 * something is written for the first time since the last version; a node that
 * was born in the version being built is written in place, since nobody else
 * sees it. Publishing therefore costs the root and what changed.
 *
 *   root 7 ──┬─ leaf (born 3) ── pages born 1, 3, 2 …
 *            └─ leaf (born 7) ── pages born 7, 2, 2 …
 *
 * A node is seen by the versions from its birth up to the one that replaced it,
 * without a gap. So no page needs a reference count: the living versions stand
 * in a list by number, and each carries the nodes that the version before it
 * in the list sees and it does not (its `retired`). When version V goes, with P
 * before and N behind it:
 *
 *   - a node of N.retired born after P was seen by V alone: it is freed;
 *   - what V.retired holds is seen by P and no longer by N: it moves to N.
 *
 * Invariants:
 *   1. A node with birth == working.number is in the working map only.
 *   2. A node in the list of version N is seen by the version before N, and by
 *      none from N on. It is in one list at most.
 *   3. The newest version is referenced by the store itself, so it never goes
 *      while it is the newest, and every version that goes has one behind it.
 *
 * Locks: `lock` guards the list of versions, all reference counts that may
 * reach zero, and the retired lists of published versions. The working map has
 * no lock; it is the writer's. What a published root, leaf or page holds never
 * changes, so readers of a held version need none. Memory is freed outside.
 */
#include "sql/pages.h"

#include "base/mem.h"
#include "sql/page_nodes.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * The root is copied by every publication and a leaf by every first write to
 * one of its pages: with 64, a million groups (21,000 pages) cost 2.6 KB and
 * 0.5 KB for each.
 */
#define LEAF_PAGES 64

struct page {
	struct node node;
	unsigned char bytes[SNAPSHOT_PAGE_BYTES];
};

struct leaf {
	struct node node;
	struct page *pages[LEAF_PAGES]; /* NULL: zeros, or past the end */
};

struct snapshot {
	struct pages *owner;
	uint64_t number;
	size_t n_refs;                  /* under owner->lock */
	struct snapshot *older, *newer; /* the living versions, under owner->lock */
	struct retired retired;         /* seen by `older` and not by this one */
	size_t n_pages;
	size_t cap_leaves;
	struct leaf *leaves[]; /* NULL: 64 pages of zeros */
};

struct pages {
	pthread_mutex_t lock;
	struct snapshot *newest;
	_Atomic uint64_t newest_number;
	_Atomic size_t n_bytes;

	/* The working map; the writer's. */
	struct leaf **leaves;
	size_t cap_leaves;
	size_t n_pages;
	uint64_t number;        /* of the version being built */
	bool has_fresh;         /* nodes were born for it, so discarding has work */
	bool is_dirty;          /* it may differ from the newest version */
	struct retired retired; /* nodes of the newest version that it has no more */
	struct snapshot
		*spare; /* the root to publish it with, so that publishing needs no memory */
};

static const unsigned char zero_page[SNAPSHOT_PAGE_BYTES];

static size_t leaves_for(size_t n_pages)
{
	return (n_pages + LEAF_PAGES - 1) / LEAF_PAGES;
}

/* The working map has this node no more: nobody else sees a fresh one, the newest version sees the
 * others. */
static void drop_node(struct pages *pages, struct node *node)
{
	if (node->birth == pages->number)
		node_free(node, &pages->n_bytes);
	else
		retired_add(&pages->retired, node);
}

static struct snapshot *new_root(struct pages *pages, size_t cap_leaves)
{
	struct snapshot *root = malloc(sizeof(*root) + cap_leaves * sizeof(root->leaves[0]));

	if (root == NULL)
		return NULL;
	*root = (struct snapshot){.owner = pages, .n_refs = 1, .cap_leaves = cap_leaves};
	return root;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
	struct pages *pages = snapshot->owner;

	pthread_mutex_lock(&pages->lock);
	snapshot->n_refs++;
	pthread_mutex_unlock(&pages->lock);
	return snapshot;
}

/* Takes the version out of the list; what only it saw goes to `dead`. Under the lock. */
static void unlink_version(struct snapshot *version, struct retired *dead)
{
	struct snapshot *newer = version->newer;
	struct snapshot *older = version->older;
	struct retired kept = {0};
	struct node *node;

	assert(newer != NULL);
	newer->older = older;
	if (older == NULL) {
		/* Nobody older: its own list is empty, and all of the newer one's was its alone. */
		retired_append(dead, &newer->retired);
		return;
	}
	older->newer = newer;
	node = newer->retired.first;
	while (node != NULL) {
		struct node *next = node->next;

		retired_add(node->birth <= older->number ? &kept : dead, node);
		node = next;
	}
	retired_append(&kept, &version->retired);
	newer->retired = kept;
}

void snapshot_unref(struct snapshot *snapshot)
{
	struct retired dead = {0};
	struct pages *pages;
	bool is_last;

	if (snapshot == NULL)
		return;
	pages = snapshot->owner;
	pthread_mutex_lock(&pages->lock);
	assert(snapshot->n_refs > 0);
	is_last = --snapshot->n_refs == 0;
	if (is_last)
		unlink_version(snapshot, &dead);
	pthread_mutex_unlock(&pages->lock);
	if (!is_last)
		return;
	retired_free(&dead, &pages->n_bytes);
	free(snapshot);
}

uint64_t snapshot_number(const struct snapshot *snapshot)
{
	return snapshot->number;
}

size_t snapshot_count(const struct snapshot *snapshot)
{
	return snapshot->n_pages;
}

static const unsigned char *page_of_leaf(const struct leaf *leaf, size_t index)
{
	const struct page *page = leaf != NULL ? leaf->pages[index % LEAF_PAGES] : NULL;

	return page != NULL ? page->bytes : zero_page;
}

const unsigned char *snapshot_page(const struct snapshot *snapshot, size_t index)
{
	if (index >= snapshot->n_pages)
		return NULL;
	return page_of_leaf(snapshot->leaves[index / LEAF_PAGES], index);
}

struct snapshot *pages_ref_newest(struct pages *pages)
{
	struct snapshot *newest;

	pthread_mutex_lock(&pages->lock);
	newest = pages->newest;
	newest->n_refs++;
	pthread_mutex_unlock(&pages->lock);
	return newest;
}

uint64_t pages_newest_number(const struct pages *pages)
{
	return atomic_load_explicit(&pages->newest_number, memory_order_acquire);
}

size_t pages_bytes(const struct pages *pages)
{
	return atomic_load_explicit(&pages->n_bytes, memory_order_relaxed);
}

const unsigned char *pages_working_page(const struct pages *pages, size_t index)
{
	if (index >= pages->n_pages)
		return NULL;
	return page_of_leaf(pages->leaves[index / LEAF_PAGES], index);
}

size_t pages_working_count(const struct pages *pages)
{
	return pages->n_pages;
}

/* Room for `n` leaves in the working root and in the spare one. */
static bool reserve_leaves(struct pages *pages, size_t n)
{
	size_t old_cap = pages->cap_leaves;

	if (!mem_grow(&pages->leaves, &pages->cap_leaves, n, sizeof(struct leaf *)))
		return false;
	if (pages->cap_leaves > old_cap)
		memset(pages->leaves + old_cap, 0,
			(pages->cap_leaves - old_cap) * sizeof(struct leaf *));
	if (pages->spare != NULL && pages->spare->cap_leaves >= n)
		return true;
	free(pages->spare);
	pages->spare = new_root(pages, pages->cap_leaves);
	return pages->spare != NULL;
}

/* A leaf of the working map that may be written; NULL: no memory. */
static struct leaf *fresh_leaf(struct pages *pages, size_t index)
{
	struct leaf *old = pages->leaves[index];
	struct leaf *leaf;

	if (old != NULL && old->node.birth == pages->number)
		return old;
	leaf = node_new(sizeof(*leaf), pages->number, &pages->n_bytes);
	if (leaf == NULL)
		return NULL;
	if (old != NULL)
		memcpy(leaf->pages, old->pages, sizeof(leaf->pages));
	else
		memset(leaf->pages, 0, sizeof(leaf->pages));
	if (old != NULL)
		drop_node(pages, &old->node);
	pages->leaves[index] = leaf;
	pages->has_fresh = true;
	return leaf;
}

/* Puts a page of this content, which may be the old page's, in the place of it. */
static bool renew_page(struct pages *pages, struct page **slot, const unsigned char *bytes)
{
	struct page *page = node_new(sizeof(*page), pages->number, &pages->n_bytes);

	if (page == NULL)
		return false;
	memcpy(page->bytes, bytes, SNAPSHOT_PAGE_BYTES);
	if (*slot != NULL)
		drop_node(pages, &(*slot)->node);
	*slot = page;
	return true;
}

bool pages_prepare(struct pages *pages, size_t index)
{
	struct leaf *leaf;
	struct page **slot;

	if (!reserve_leaves(pages, leaves_for(pages->n_pages)))
		return false;
	if (index >= pages->n_pages)
		return true;
	leaf = fresh_leaf(pages, index / LEAF_PAGES);
	if (leaf == NULL)
		return false;
	slot = &leaf->pages[index % LEAF_PAGES];
	if (*slot != NULL && (*slot)->node.birth == pages->number)
		return true;
	return renew_page(pages, slot, *slot != NULL ? (*slot)->bytes : zero_page);
}

static bool is_zero(const unsigned char *bytes)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, SNAPSHOT_PAGE_BYTES - 1) == 0;
}

bool pages_write(struct pages *pages, size_t index, const unsigned char *bytes)
{
	size_t n_leaves = leaves_for(index >= pages->n_pages ? index + 1 : pages->n_pages);
	struct page **slot;
	struct leaf *leaf;

	if (!reserve_leaves(pages, n_leaves))
		return false;
	leaf = fresh_leaf(pages, index / LEAF_PAGES);
	if (leaf == NULL)
		return false;
	slot = &leaf->pages[index % LEAF_PAGES];
	if (is_zero(bytes)) {
		/* Freed pages are zeroed by secure_delete; they need no memory. */
		if (*slot != NULL)
			drop_node(pages, &(*slot)->node);
		*slot = NULL;
	} else if (*slot != NULL && (*slot)->node.birth == pages->number) {
		memcpy((*slot)->bytes, bytes, SNAPSHOT_PAGE_BYTES);
	} else if (!renew_page(pages, slot, bytes)) {
		return false;
	}
	if (index >= pages->n_pages)
		pages->n_pages = index + 1;
	pages->is_dirty = true;
	return true;
}

/* The working map loses all leaves from `n_keep` on. */
static void drop_leaves(struct pages *pages, size_t n_keep)
{
	size_t i, k;

	for (i = n_keep; i < pages->cap_leaves; i++) {
		struct leaf *leaf = pages->leaves[i];

		if (leaf == NULL)
			continue;
		for (k = 0; k < LEAF_PAGES; k++) {
			if (leaf->pages[k] != NULL)
				drop_node(pages, &leaf->pages[k]->node);
		}
		drop_node(pages, &leaf->node);
		pages->leaves[i] = NULL;
	}
}

bool pages_truncate(struct pages *pages, size_t count)
{
	size_t n_keep = leaves_for(count);
	size_t i;

	if (count >= pages->n_pages)
		return true;
	if (!reserve_leaves(pages, leaves_for(pages->n_pages)))
		return false;
	if (count % LEAF_PAGES != 0 && pages->leaves[n_keep - 1] != NULL) {
		struct leaf *leaf = fresh_leaf(pages, n_keep - 1);

		if (leaf == NULL)
			return false;
		for (i = count % LEAF_PAGES; i < LEAF_PAGES; i++) {
			if (leaf->pages[i] != NULL)
				drop_node(pages, &leaf->pages[i]->node);
			leaf->pages[i] = NULL;
		}
	}
	drop_leaves(pages, n_keep);
	pages->n_pages = count;
	pages->is_dirty = true;
	return true;
}

void pages_publish(struct pages *pages)
{
	size_t n_leaves = leaves_for(pages->n_pages);
	struct snapshot *root = pages->spare;
	struct snapshot *old = pages->newest;

	if (!pages->is_dirty)
		return;
	assert(root != NULL && root->cap_leaves >= n_leaves);
	if (n_leaves > 0)
		memcpy(root->leaves, pages->leaves, n_leaves * sizeof(root->leaves[0]));
	root->number = pages->number;
	root->n_pages = pages->n_pages;
	root->retired = pages->retired;
	pages->spare = NULL;
	pages->retired = (struct retired){0};
	pages->is_dirty = false;
	pages->has_fresh = false;
	pages->number++;

	pthread_mutex_lock(&pages->lock);
	root->older = old;
	old->newer = root;
	pages->newest = root;
	atomic_store_explicit(&pages->newest_number, root->number, memory_order_release);
	pthread_mutex_unlock(&pages->lock);
	snapshot_unref(old);
}

/* Frees what was born in the version being built. */
static void free_fresh(struct pages *pages)
{
	size_t i, k;

	for (i = 0; i < pages->cap_leaves; i++) {
		struct leaf *leaf = pages->leaves[i];

		if (leaf == NULL || leaf->node.birth != pages->number)
			continue;
		for (k = 0; k < LEAF_PAGES; k++) {
			struct page *page = leaf->pages[k];

			if (page != NULL && page->node.birth == pages->number)
				node_free(&page->node, &pages->n_bytes);
		}
		node_free(&leaf->node, &pages->n_bytes);
	}
}

void pages_discard(struct pages *pages)
{
	const struct snapshot *newest = pages->newest;
	size_t n_leaves = leaves_for(newest->n_pages);

	if (!pages->is_dirty && !pages->has_fresh)
		return;
	free_fresh(pages);
	/* The working root never shrinks, so the newest version's leaves fit. */
	memset(pages->leaves, 0, pages->cap_leaves * sizeof(pages->leaves[0]));
	if (n_leaves > 0)
		memcpy(pages->leaves, newest->leaves, n_leaves * sizeof(pages->leaves[0]));
	pages->n_pages = newest->n_pages;
	pages->retired = (struct retired){0};
	pages->is_dirty = false;
	pages->has_fresh = false;
}

struct pages *pages_new(void)
{
	struct pages *pages = calloc(1, sizeof(*pages));

	if (pages == NULL)
		return NULL;
	pages->newest = new_root(pages, 0);
	if (pages->newest == NULL || pthread_mutex_init(&pages->lock, NULL) != 0) {
		free(pages->newest);
		free(pages);
		return NULL;
	}
	pages->number = 1;
	return pages;
}

void pages_free(struct pages *pages)
{
	struct snapshot *newest;

	if (pages == NULL)
		return;
	newest = pages->newest;
	pages_discard(pages);
	assert(newest->n_refs == 1 && newest->older == NULL);
	assert(newest->retired.first == NULL);
	drop_leaves(pages, 0);
	retired_free(&pages->retired, &pages->n_bytes);
	assert(pages_bytes(pages) == 0);
	free(newest);
	free(pages->spare);
	free(pages->leaves);
	pthread_mutex_destroy(&pages->lock);
	free(pages);
}
