/*
 * Tells the stream what the checkpoint remembers: files, offsets, totals, rows.
 *
 * Reads only. What the mirror has to show of the totals comes back as changes.
 */
#ifndef SQL_RESTORE_H
#define SQL_RESTORE_H

#include "base/err.h"
#include "sql/catalog.h"
#include "stream/changes.h"
#include "stream/stream.h"

#include <sqlite3.h>
#include <stddef.h>

/* The totals of the queries that were told of, to be shown; owned. */
struct restored {
	struct query_change *queries;
	size_t n;
};

void restored_fini(struct restored *restored);

/*
 * In the order that stream/stream.h asks for, without the final
 * stream_restored. What is new, or goes on in the stream itself, is not told of.
 */
int restore_stream(sqlite3 *db, const struct catalog *catalog, struct stream *stream,
	struct restored *restored, struct err *err) __attribute__((warn_unused_result));

/* The totals alone, of every query that has had a batch; the stream is told nothing. */
int restore_totals(sqlite3 *db, const struct catalog *catalog, struct restored *restored,
	struct err *err) __attribute__((warn_unused_result));

#endif
