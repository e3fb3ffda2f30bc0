/*
 * `.parameter`: names and values that statements' parameters get.
 *
 * They live in a table of a small SQLite database of our own, as in sqlite3's
 * shell, so that a value may be any expression. Opened when first needed.
 */
#ifndef CLIENT_PARAMS_H
#define CLIENT_PARAMS_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>

struct params;

int params_new(struct params **params, struct err *err) __attribute__((warn_unused_result));
void params_free(struct params *params);

/* `value` is an SQL expression, or text where it is none. */
int params_set(struct params *params, const char *name, const char *value, struct err *err)
	__attribute__((warn_unused_result));
void params_unset(struct params *params, const char *name);
void params_clear(struct params *params);

/* One line for each: the name, padded, and the value as SQL writes it. */
void params_list(struct params *params, struct buf *out);

/*
 * The values of the parameters that sql[0, len) names, in SQLite's numbering,
 * NULL where none is set. *values is the params' own until the next call.
 */
int params_bind(struct params *params, const char *sql, size_t len, const struct value **values,
	size_t *n, struct err *err) __attribute__((warn_unused_result));

#endif
