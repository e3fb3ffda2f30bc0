/*
 * From an older schema of the checkpoint to this one, in one transaction.
 *
 * Each step is SQL and brings version n to n + 1; SCHEMA_VERSION (sql/schema.h)
 * is the last step's. The step of a version is never changed once that version
 * has been released.
 */
#ifndef SQL_MIGRATE_H
#define SQL_MIGRATE_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* Whether there are steps from `version` to SCHEMA_VERSION. */
bool migrate_knows(int64_t version);

/*
 * ERR_CORRUPT where the tables are not those of that version; on any failure
 * nothing has changed.
 */
int migrate(sqlite3 *db, int64_t version, struct err *err) __attribute__((warn_unused_result));

#endif
