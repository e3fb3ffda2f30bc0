/*
 * What the ledger (sql/ledger.h) is told of each batch: the files that are
 * counted for the first time, have another name, or are gone. Whether that is
 * news, the checkpoint's tables say, before the batch is applied to them.
 *
 * One thread at a time; the database, the directory and the catalog are
 * borrowed and must outlive it.
 */
#ifndef SQL_COUNTED_H
#define SQL_COUNTED_H

#include "base/err.h"
#include "sql/catalog.h"
#include "sql/checkpoint_dir.h"
#include "stream/changes.h"

#include <sqlite3.h>

struct counted;

int counted_open(struct counted **counted, sqlite3 *db, const struct checkpoint_dir *dir,
	const struct catalog *catalog, struct err *err) __attribute__((warn_unused_result));
void counted_close(struct counted *counted); /* NULL is fine */

/*
 * Before the transaction of the batch. At the first batch of a run the ledger
 * is written anew from the tables.
 */
int counted_note(struct counted *counted, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));

/* What was noted survives a power cut. */
int counted_sync(struct counted *counted, struct err *err) __attribute__((warn_unused_result));

/*
 * A good checkpoint may be one of some time before: a backup that was put back,
 * or one whose WAL is gone. Files that were counted since and are still there
 * are simply counted again; ERR_MISSING with a sentence about those that are
 * gone. Before the first batch, which writes the ledger anew.
 */
int counted_find_lost(sqlite3 *db, const struct checkpoint_dir *dir, struct err *err)
	__attribute__((warn_unused_result));

#endif
