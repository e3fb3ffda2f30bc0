/*
 * Which sources and queries the checkpoint remembers, and what becomes of them
 * when the configuration names others.
 *
 *   a source     is the same while its path is; its name may change.
 *   a query      is the same while its name and its definition are. Another
 *                definition begins anew: announced when it is noticed, its old
 *                counts dropped in the transaction that brings the first new
 *                ones. One that the configuration no longer names is kept, its
 *                offsets under a prefix of its own ("parked"), and goes on
 *                when it comes back.
 *
 * Functions on the checkpoint's connection; they hold nothing.
 */
#ifndef SQL_STATE_H
#define SQL_STATE_H

#include "base/err.h"
#include "sql/catalog.h"
#include "sql/notices.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Gives what the running stream does not go on with (at a start: everything)
 * the ids and UUIDs that are remembered, says what is new and what begins anew
 * (a notice for each of the latter), and numbers the rest above all that are
 * remembered or in `old` (NULL at a start). Changes nothing in the checkpoint.
 */
int state_match(sqlite3 *db, struct catalog *catalog, const struct catalog *old,
	struct notices *notices, struct err *err) __attribute__((warn_unused_result));

/*
 * Writes down the catalog's sources, parks the queries that it does not name
 * and takes those back that it names again, at a reload under prefixes from
 * `first_prefix_id` on (0 at a start). Nothing is lost by it. Inside the
 * caller's transaction. *is_renamed: a source has another name now, so the rows
 * that show it have changed.
 */
int state_adopt(sqlite3 *db, const struct catalog *catalog, int64_t first_prefix_id,
	bool *is_renamed, struct err *err) __attribute__((warn_unused_result));

/*
 * What begins anew loses what it had, and gets its tables. Inside the
 * transaction of the first batch after state_adopt.
 */
int state_rebuild(sqlite3 *db, const struct catalog *catalog, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Names of all queries remembered, in the order of names; each and the array
 * are the caller's to free.
 */
int state_query_names(sqlite3 *db, char ***names, size_t *n, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Drops all of one query, and its source's data with the last of its queries.
 * ERR_MISSING where there is no such query. A transaction of its own.
 */
int state_forget(sqlite3 *db, const char *name, struct err *err)
	__attribute__((warn_unused_result));

#endif
