/*
 * SQLite's functions that can run for minutes inside one opcode, where neither
 * the progress handler nor the allocator sees them: instr, replace, LIKE, GLOB,
 * trim, printf. Ours answer the same, in linear time or looking at the budget
 * as they go, and with bounded widths.
 */
#ifndef SQL_BOUNDED_H
#define SQL_BOUNDED_H

#include "base/err.h"
#include "sql/allocator.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_MAX_WIDTH 1000 /* of printf's width and precision */
#define TRIM_MAX_SET     256  /* characters that trim's second argument may name */

/* Replaces the built-in functions of this connection. The budget outlives it. */
int bounded_register(sqlite3 *db, struct budget *budget, struct err *err)
	__attribute__((warn_unused_result));

/* printf and format, in a file of their own. */
void format_call(sqlite3_context *context, int argc, sqlite3_value **argv);

enum wildcard_match { WILDCARD_NO, WILDCARD_YES, WILDCARD_STOPPED };

struct wildcard {
	bool is_glob;    /* else LIKE: % and _, ASCII letters in any case */
	uint32_t escape; /* LIKE's ESCAPE character; 0: none */
};

/* Quadratic at worst, asking the budget on its way. */
enum wildcard_match wildcard_match(const struct wildcard *wildcard, const char *pattern,
	size_t pattern_len, const char *text, size_t len, struct budget *budget);

#endif
