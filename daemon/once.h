/*
 * The runs that end by themselves: `--available-now`, which takes what is
 * there, and `--forget`. No loop, no socket; everything on the calling thread.
 */
#ifndef DAEMON_ONCE_H
#define DAEMON_ONCE_H

#include "base/err.h"
#include "daemon/config.h"

#include <stdbool.h>

/*
 * Counts what is there now, makes it durable, then answers `sql` (NULL: none)
 * on standard output. A query that failed, a file in error and an error of the
 * SQL are failures too.
 */
int once_available_now(const struct config *config, bool rebuild, const char *sql, struct err *err)
	__attribute__((warn_unused_result));

/* Drops the counts of a query that the configuration no longer names. */
int once_forget(const struct config *config, const char *name, struct err *err)
	__attribute__((warn_unused_result));

#endif
