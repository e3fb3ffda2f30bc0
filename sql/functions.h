/*
 * Functions beside SQLite's: date_format, date_trunc, from_unixtime,
 * unix_timestamp, to_timestamp, tally_version. CONTRACT and SEMANTICS §7 say
 * what they answer; all are pure but unix_timestamp() without argument.
 */
#ifndef SQL_FUNCTIONS_H
#define SQL_FUNCTIONS_H

#include "base/err.h"
#include "sql/zone.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What the functions of one connection look at; belongs to the thread that runs
 * it, changes between statements only.
 */
struct function_scope {
	const struct zone *zone; /* what date_format prints in and date_trunc cuts in */
	bool clock_was_read;     /* set by unix_timestamp(); cleared before each execution */
	int64_t now_s;           /* what it read: one time a statement */
};

/* The scope outlives the connection. */
int functions_register(sqlite3 *db, struct function_scope *scope, struct err *err)
	__attribute__((warn_unused_result));

#endif
