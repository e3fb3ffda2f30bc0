/*
 * What comes back at a reload is copied from the checkpoint, which kept it,
 * into the mirror, which had dropped it. Inside the mirror's transaction; the
 * checkpoint is only read.
 */
#ifndef SQL_MIRROR_RETURN_H
#define SQL_MIRROR_RETURN_H

#include "base/err.h"
#include "sql/catalog.h"

#include <sqlite3.h>

/*
 * Rows of files, rejects and progress, and the queries' tables, of what the
 * catalog has neither new nor kept. `to` holds none of them.
 */
int mirror_return(sqlite3 *to, sqlite3 *from, const struct catalog *catalog, struct err *err)
	__attribute__((warn_unused_result));

#endif
