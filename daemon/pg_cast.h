/*
 * The rules of pg_dialect.c that need an operand: casts in both spellings,
 * intervals that are added to a timestamp, and arrays behind = ANY. Pure.
 */
#ifndef DAEMON_PG_CAST_H
#define DAEMON_PG_CAST_H

#include "daemon/pg_rewrite.h"

/*
 * Each looks whether its rule begins at piece i, and applies it. ERR_NOMEM, or
 * ERR_SQL with a sentence for what cannot be said in SQLite's SQL (0A000).
 */
int pg_cast_operator(struct pg_rewrite *rewrite, size_t i, struct err *err)
	__attribute__((warn_unused_result)); /* x::type */
void pg_cast_call(struct pg_rewrite *rewrite, size_t i); /* CAST(x AS type) */
int pg_cast_interval(struct pg_rewrite *rewrite, size_t i, struct err *err)
	__attribute__((warn_unused_result)); /* x + INTERVAL '1 hour' */
int pg_cast_any(struct pg_rewrite *rewrite, size_t i, struct err *err)
	__attribute__((warn_unused_result)); /* = ANY (array), <> ALL (array), ARRAY[…] */
int pg_cast_element(struct pg_rewrite *rewrite, size_t i, struct err *err)
	__attribute__((warn_unused_result)); /* (array)[1] */

#endif
