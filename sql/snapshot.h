/*
 * The mirror's storage: copy-on-write pages under SQLite's VFS interface.
 *
 * One writer connection; a commit publishes a new, immutable page map; readers
 * hold a version and never block the writer nor it them. Pages are freed with
 * the last version that holds them. The page map has two levels, so publishing
 * costs what changed and not what there is. A transaction that is rolled back
 * publishes nothing. Knows no table.
 *
 * Threads: the writer's connection belongs to one thread at a time, and so does
 * each reader's; versions may be taken, read and dropped on any thread.
 */
#ifndef SQL_SNAPSHOT_H
#define SQL_SNAPSHOT_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNAPSHOT_PAGE_BYTES 4096

struct snapshot_store;
struct snapshot; /* one immutable version, reference-counted */

/* An empty store; its version is numbered 0. NULL: no memory. */
struct snapshot_store *snapshot_store_new(void);
/* All connections are closed and all versions dropped by then (asserted). */
void snapshot_store_free(struct snapshot_store *store);

/*
 * The one read-write connection (NOMUTEX, journal_mode OFF). ERR_BUSY if there
 * is one already. It keeps no journal: after a statement that failed inside a
 * transaction close it, which leaves the store as the last commit left it.
 */
int snapshot_open_writer(struct snapshot_store *store, sqlite3 **db, struct err *err)
	__attribute__((warn_unused_result));

/*
 * Takes all the memory that the writer's COMMIT will need, so that a COMMIT
 * right after it cannot fail. Inside a transaction, after its last statement.
 */
int snapshot_prepare_commit(sqlite3 *writer, struct err *err) __attribute__((warn_unused_result));

/*
 * A read-only connection (NOMUTEX), TEMP objects in memory. Its statements see
 * the version pinned with snapshot_pin, else the newest at the time each
 * statement (or its BEGIN's first statement) starts. Pages are read in place,
 * so an idle connection holds none.
 */
int snapshot_open_reader(struct snapshot_store *store, sqlite3 **db, struct err *err)
	__attribute__((warn_unused_result));

/* The newest version, with a reference for the caller. */
struct snapshot *snapshot_ref_newest(struct snapshot_store *store);
struct snapshot *snapshot_ref(struct snapshot *snapshot);
void snapshot_unref(struct snapshot *snapshot); /* NULL is fine */

/* Versions are numbered from 1 upwards by commit; the number of a result's snapshot. */
uint64_t snapshot_number(const struct snapshot *snapshot);
uint64_t snapshot_newest_number(struct snapshot_store *store); /* atomic, cheap */

/* The version that the reader's open transaction or statement sees; 0: none is open. */
uint64_t snapshot_seen_number(sqlite3 *reader);

/*
 * The reader sees `snapshot` until unpinned with NULL; takes a reference of its
 * own. No statement and no transaction of the reader may be open (asserted).
 */
void snapshot_pin(sqlite3 *reader, struct snapshot *snapshot);

/*
 * Set whenever a statement of this reader asks the VFS for the time; the
 * reader's thread clears it. Lives as long as the reader.
 */
bool *snapshot_clock_flag(sqlite3 *reader);

/* Bytes of all pages alive, for status and tests. */
size_t snapshot_bytes(struct snapshot_store *store);

#endif
