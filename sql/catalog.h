/*
 * The numbers under which the databases know the sources and queries of one
 * configuration, and which of them begin anew. Built by the store, then left
 * alone. Knows no database.
 */
#ifndef SQL_CATALOG_H
#define SQL_CATALOG_H

#include "base/buf.h"
#include "base/err.h"
#include "stream/spec.h"

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT_BYTES 37

struct catalog_source {
	int64_t id;  /* part of the row ids of files and rejects; 0: not given yet */
	bool is_new; /* nothing that the databases hold of files and rejects is of it */
	bool is_kept; /* at a reload: the running stream goes on with it */
};

struct catalog_query {
	/* row of `queries` and of state:queries; 0: not given yet */
	int64_t id;
	/*
	 * begins without counts: new, or its definition changed; until its first
	 * batch is committed
	 */
	bool is_new;
	bool is_kept;                   /* at a reload: the running stream goes on with it */
	char *definition;               /* spec_query_definition(); owned */
	const char *note;               /* goes behind each message of it; static; NULL: none */
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

/*
 * At a reload: gives the ids and UUIDs of `old` to what the stream goes on with
 * (stream_prepare_spec): a source of the same definition, a query of the same
 * definition on such a source.
 */
void catalog_inherit(struct catalog *catalog, const struct catalog *old);

/*
 * Gives ids to what has none: above those of both catalogs (`old` may be NULL)
 * and above the two given.
 */
void catalog_number(struct catalog *catalog, const struct catalog *old, int64_t source_id,
	int64_t query_id);

/*
 * `message`, with what is to be said of the query in any case in brackets
 * behind it (its note, and `n_missed` files that it could not count), in `buf`
 * if need be; NULL stays NULL.
 */
const char *catalog_message(const struct catalog_query *query, const char *message,
	int64_t n_missed, struct buf *buf);

bool catalog_has_source_id(const struct catalog *catalog, int64_t id);

/* Index by name, whatever the case; SIZE_MAX: none. */
size_t catalog_find_source(const struct catalog *catalog, const char *name);
size_t catalog_find_query(const struct catalog *catalog, const char *name);

#endif
