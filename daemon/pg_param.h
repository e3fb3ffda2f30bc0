/*
 * Parameters of a Bind message: what type each is expected to have, where the
 * client does not say, and how its bytes become a value. Knows neither messages
 * nor statements. Pure functions, any thread.
 */
#ifndef DAEMON_PG_PARAM_H
#define DAEMON_PG_PARAM_H

#include "daemon/pg_types.h"

/*
 * SQLite gives parameters no types; drivers want them. Fills in those of
 * types[0, n) that are PG_UNSPECIFIED, for `$1` to `$n` of the statement: a cast
 * behind it, or a well-known column or LIMIT in front of it with at most an
 * operator between them, says what is meant; else it is text.
 */
void pg_param_guess(const char *text, size_t len, enum pg_oid *types, size_t n);

/*
 * A parameter as it came (len -1: NULL). `oid` is what the client declared; 0
 * and unknown are taken as text, and SQLite applies the affinity of the column
 * it is compared with. An array becomes PostgreSQL's text of it. Bytes of
 * *value are borrowed from `data` or `scratch`, until something is added to
 * scratch again. ERR_INVALID is SQLSTATE 22P02 (text) or 22P03 (binary).
 */
struct pg_parameter {
	enum pg_oid oid;
	int format;
	const char *data;
	int32_t len;
};
int pg_read_parameter(const struct pg_parameter *parameter, struct value *value,
	struct buf *scratch, struct err *err) __attribute__((warn_unused_result));


#endif
