/*
 * One batch applied to checkpoint and mirror, by two threads where it is large.
 * Knows no order of commits: nothing is durable or visible by it.
 */
#ifndef SQL_SIDE_BY_SIDE_H
#define SQL_SIDE_BY_SIDE_H

#include "base/err.h"
#include "sql/checkpoint.h"
#include "sql/mirror.h"
#include "stream/changes.h"

/* Open transactions with the changes in both, or, on failure, in none. */
int side_by_side_apply(struct checkpoint *checkpoint, struct mirror *mirror,
	const struct changes *changes, struct err *err) __attribute__((warn_unused_result));

#endif
