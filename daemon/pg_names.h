/*
 * The names of a statement's result columns, and statements of which nothing
 * but these matters, because they ask for what tallyd has none of. Pure.
 */
#ifndef DAEMON_PG_NAMES_H
#define DAEMON_PG_NAMES_H

#include "daemon/pg_rewrite.h"

/*
 * Items of the SELECT that a rule has changed and that have no alias get their
 * own text as one. ERR_NOMEM.
 */
int pg_name_columns(struct pg_rewrite *rewrite, struct err *err)
	__attribute__((warn_unused_result));

/* It reads a table of pg_catalog that would be empty (policies, publications, indexes …). */
bool pg_asks_for_nothing(const struct pg_rewrite *rewrite);
/* A statement of a driver that no rewriting can save: what is asked instead; NULL: it is none. */
const char *pg_stands_for(const struct pg_rewrite *rewrite);
/* No rows, under the names of the first SELECT's columns. */
void pg_write_nothing(const struct pg_rewrite *rewrite, struct buf *out);

#endif
