/*
 * What tables there are: those of the schema, and those that tallyd makes on
 * demand, which no schema holds.
 */
#ifndef CLIENT_CATALOG_H
#define CLIENT_CATALOG_H

#include "client/shell.h"

/* One column of names LIKE `pattern`, sorted; those of the TEMP schema as temp.NAME. */
int catalog_tables(struct shell *shell, const char *pattern, struct result *names, struct err *err)
	__attribute__((warn_unused_result));

#endif
