/*
 * The numbers under which the databases know the sources and queries of one
 * configuration, and which of them begin anew. Built by the store, then left
 * alone. Knows no database.
 */
#ifndef SQL_CATALOG_H
#define SQL_CATALOG_H

#include "base/err.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_BYTES 37

struct catalog_source {
	int64_t id;  /* part of the row ids of files and rejects; 0: not given yet */
	bool is_new; /* nothing that is known of files and rejects is of it */
};

struct catalog_query {
	int64_t id;                     /* row of `queries` and of state:queries; 0: not given yet */
	bool is_new;                    /* begins without counts: new, or its definition changed */
	char *definition;               /* spec_query_definition(); owned */
	char uuid[UUID_TEXT_BYTES];     /* Spark's id: survives restarts */
	char run_uuid[UUID_TEXT_BYTES]; /* Spark's runId: new with every start */
};

struct catalog {
	const struct spec *spec;        /* borrowed */
	struct catalog_source *sources; /* one per source of the spec */
	struct catalog_query *queries;  /* one per query of the spec */
};

/* Everything new, without ids, with fresh UUIDs. */
int catalog_new(struct catalog **catalog, const struct spec *spec, struct err *err)
	__attribute__((warn_unused_result));
void catalog_free(struct catalog *catalog); /* NULL is fine */

/* Gives the ids, UUIDs and "not new" of `old` to what has the same name and definition (a source: the same path). */
void catalog_inherit(struct catalog *catalog, const struct catalog *old);

/* Gives ids above the highest of both catalogs (`old` may be NULL) to what has none. */
void catalog_number(struct catalog *catalog, const struct catalog *old);

/* Index by name, whatever the case; SIZE_MAX: none. */
size_t catalog_find_source(const struct catalog *catalog, const char *name);
size_t catalog_find_query(const struct catalog *catalog, const char *name);

#endif
