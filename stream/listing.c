/* A source of its own and a prefix that stands at every file's start. */
#include "stream/listing.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

/* A file that moves on before each look at it is not run after for ever. */
#define MAX_LOOKS 3

static int look(struct listing *listing, const struct source_spec *spec, struct err *err)
{
	int rc = source_open(&listing->source, spec, err);

	/* The time decides only when a file in error is tried again, which this source never does.
	 */
	if (rc == 0)
		rc = source_scan(listing->source, true, 0, err);
	if (rc != 0)
		return rc;
	if (source_trouble(listing->source) != NULL)
		return err_set(err, ERR_IO, "%s", source_trouble(listing->source));
	prefixes_init(&listing->prefixes, listing->source);
	listing->prefix = prefixes_add(&listing->prefixes, 0, err);
	if (listing->prefix == NULL)
		return ERR_NOMEM;
	listing->prefix->n_queries = 1;
	rc = prefixes_reserve(&listing->prefixes, source_n_slots(listing->source), err);
	if (rc == 0)
		prefixes_look_at_all(&listing->prefixes);
	return rc;
}

int listing_open(struct listing *listing, const struct source_spec *spec, struct err *err)
{
	int rc;

	*listing = (struct listing){0};
	rc = look(listing, spec, err);
	if (rc != 0)
		listing_close(listing);
	return rc;
}

void listing_close(struct listing *listing)
{
	for (size_t i = 0; i < listing->n_aside; i++)
		free(listing->aside[i].name);
	free(listing->aside);
	prefixes_fini(&listing->prefixes);
	if (listing->source != NULL)
		source_close(listing->source);
	*listing = (struct listing){0};
}

static struct listed listed_of(const struct listing *listing, size_t slot)
{
	const struct file *file = source_file(listing->source, slot);

	return (struct listed){.file = file, .name = file->path, .size = file->size, .slot = slot};
}

int listing_put_aside(struct listing *listing, const struct listed *listed, struct err *err)
{
	struct listed *copy;

	if (!mem_grow(&listing->aside, &listing->aside_cap, listing->n_aside + 1, sizeof(*copy)))
		return err_nomem(err);
	copy = &listing->aside[listing->n_aside];
	*copy = *listed;
	copy->name = mem_copy_text(listed->name, strlen(listed->name));
	if (copy->name == NULL)
		return err_nomem(err);
	listing->n_aside++;
	return 0;
}

int listing_put_slot_aside(struct listing *listing, size_t slot, struct err *err)
{
	struct listed listed = listed_of(listing, slot);

	return listing_put_aside(listing, &listed, err);
}

/*
 * 1: the next of those that were put aside and are there, under whatever name;
 * 0: no more. The directory is listed again when all that the last look was
 * for have been tried.
 */
static int next_found(struct listing *listing, struct listed *listed, struct err *err)
{
	while (listing->n_tried < listing->n_aside) {
		if (listing->n_tried == listing->n_looked_for) {
			if (listing->n_looks++ == MAX_LOOKS)
				return 0;
			int rc = source_scan(listing->source, true, 0, err);
			if (rc != 0)
				return rc;
			listing->n_looked_for = listing->n_aside;
		}
		*listed = listing->aside[listing->n_tried++];
		if (!file_is_gone(listed->file))
			return 1;
	}
	return 0;
}

int listing_next(struct listing *listing, struct listed *listed, struct err *err)
{
	size_t slot = prefixes_pop(&listing->prefixes, listing->prefix);

	if (slot == SIZE_MAX)
		return next_found(listing, listed, err);
	*listed = listed_of(listing, slot);
	return 1;
}

int listing_refill(struct listing *listing, struct err *err)
{
	struct listed listed;
	int rc;

	do {
		rc = next_found(listing, &listed, err);
		if (rc != 1)
			return rc;
		rc = prefixes_reserve(&listing->prefixes, source_n_slots(listing->source), err);
		if (rc != 0)
			return rc;
		prefixes_look(&listing->prefixes, &listed.slot, 1);
	} while (listing->n_tried < listing->n_looked_for);
	return 0;
}
