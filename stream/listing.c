/* A source of its own and a prefix that stands at every file's start. */
#include "stream/listing.h"

static int look(struct listing *listing, const struct source_spec *spec, struct err *err)
{
	int rc = source_open(&listing->source, spec, err);

	/* The time decides only when a file is looked at again, which this source never does. */
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
	prefixes_fini(&listing->prefixes);
	if (listing->source != NULL)
		source_close(listing->source);
	*listing = (struct listing){0};
}

const struct file *listing_next(struct listing *listing)
{
	size_t slot = prefixes_pop(&listing->prefixes, listing->prefix);

	return slot != SIZE_MAX ? source_file(listing->source, slot) : NULL;
}
