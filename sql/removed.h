/*
 * The queries that the checkpoint still holds although the configuration no
 * longer names them, read without side effects: no lock, no migration, nothing
 * made, written or moved. Works beside a daemon that has the checkpoint open,
 * but not in its process (sql/checkpoint_vfs.h).
 */
#ifndef SQL_REMOVED_H
#define SQL_REMOVED_H

#include "base/err.h"
#include "stream/spec.h"

#include <stddef.h>

/*
 * Names in their order; each and the array are the caller's to free. None where
 * there is no checkpoint; an error where it cannot be read as it is.
 */
int removed_queries(const char *state_dir, const struct spec *spec, char ***names, size_t *n,
	struct err *err) __attribute__((warn_unused_result));

#endif
