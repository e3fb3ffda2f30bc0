/*
 * `window.start` and `window.end`, which people who come from Spark type and
 * which SQLite takes for columns of a table named window.
 *
 * The rule: a statement is prepared as written; only if that fails at such a
 * triple, it is prepared again with the triple written as `window_start` or
 * `window_end`, padded with blanks to the same length, so that every offset
 * stays true. So what is really named window keeps its meaning even beside
 * triples that do not. Pure text.
 */
#ifndef SQL_DIALECT_H
#define SQL_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Rewrites the triple at `offset`, where a name or what qualifies it begins
 * (`c.window.end`). False: there is none.
 */
bool dialect_rewrite_at(char *text, size_t len, size_t offset);

/*
 * SQLite tells no offset of a name inside ON. Rewrites there the triples that
 * are written as `name`, which is what its message says (`c.window.end`). False:
 * there was none.
 */
bool dialect_rewrite_on(char *text, size_t len, const char *name);

/*
 * Where even that does not tell which name was not found: rewrites every triple
 * `window . start|end` outside strings and comments in place (any case, any
 * quoting, white space and comments between). False: there was none.
 */
bool dialect_rewrite_all(char *text, size_t len);

/*
 * CREATE VIEW does not resolve names, so whether a view needs rewriting shows
 * only in its SELECT: the offset where that begins; 0: this is no CREATE VIEW.
 */
size_t dialect_view_select(const char *text, size_t len);

#endif
