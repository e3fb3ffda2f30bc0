/*
 * The collation TS: how timestamp columns compare with text.
 *
 * Two canonical texts compare bytewise, which is by time; any other spelling of
 * a time is read first, so that `window_start >= '2016-07-26T02:00:00Z'` means
 * what it says. Where one side is no time at all, bytes decide. Every
 * connection to the mirror or the checkpoint needs it before it reads a row.
 */
#ifndef SQL_COLLATION_H
#define SQL_COLLATION_H

#include "base/err.h"

#include <sqlite3.h>

int collation_register(sqlite3 *db, struct err *err) __attribute__((warn_unused_result));

/* Exposed for its tests: the comparison itself. <0, 0, >0. */
int collation_compare(void *unused, int len_a, const void *a, int len_b, const void *b);

#endif
