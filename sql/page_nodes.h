/*
 * What pages and leaves of a page map have in common, and lists of those that
 * one version sees and the next does not: only ever added to, walked, and
 * joined to another. For sql/pages.c alone, whose comment says what it is for;
 * nothing here is locked.
 */
#ifndef SQL_PAGE_NODES_H
#define SQL_PAGE_NODES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Comes first in every page and leaf. */
struct node {
	uint64_t birth;    /* number of the version that saw it first */
	struct node *next; /* in a retired list */
	size_t bytes;      /* of the whole page or leaf */
};

/* Not zeroed behind the node; *n_bytes counts all that are alive. NULL: no memory. */
static inline void *node_new(size_t bytes, uint64_t birth, _Atomic size_t *n_bytes)
{
	struct node *node = malloc(bytes);

	if (node == NULL)
		return NULL;
	*node = (struct node){.birth = birth, .bytes = bytes};
	atomic_fetch_add_explicit(n_bytes, bytes, memory_order_relaxed);
	return node;
}

static inline void node_free(struct node *node, _Atomic size_t *n_bytes)
{
	atomic_fetch_sub_explicit(n_bytes, node->bytes, memory_order_relaxed);
	free(node);
}

struct retired {
	struct node *first, *last;
};

static inline void retired_add(struct retired *list, struct node *node)
{
	node->next = NULL;
	if (list->last == NULL)
		list->first = node;
	else
		list->last->next = node;
	list->last = node;
}

/* Moves all of `from` behind `list`. */
static inline void retired_append(struct retired *list, struct retired *from)
{
	if (from->first == NULL)
		return;
	if (list->last == NULL)
		list->first = from->first;
	else
		list->last->next = from->first;
	list->last = from->last;
	*from = (struct retired){0};
}

static inline void retired_free(struct retired *list, _Atomic size_t *n_bytes)
{
	struct node *node = list->first;

	while (node != NULL) {
		struct node *next = node->next;

		node_free(node, n_bytes);
		node = next;
	}
	*list = (struct retired){0};
}

#endif
