/*
 * Date patterns as Spark's date_format takes them: Java's DateTimeFormatter
 * letters with English texts, less the letters Spark refuses.
 *
 * A pattern is read once into a list of fields and then printed any number of
 * times; a compiled pattern is immutable, so threads may share it. The rules
 * are those of java.time in JDK 17, letter by letter. Knows no SQL.
 */
#ifndef SQL_DATE_PATTERN_H
#define SQL_DATE_PATTERN_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/zone.h"

#include <stddef.h>
#include <stdint.h>

#define DATE_PATTERN_MAX_BYTES 4096

struct date_pattern;

/*
 * ERR_INVALID names the pattern and what is wrong in it; ERR_LIMIT over
 * DATE_PATTERN_MAX_BYTES; ERR_NOMEM.
 */
int date_pattern_new(struct date_pattern **pattern, const char *text, size_t len, struct err *err)
	__attribute__((warn_unused_result));
/* NULL is accepted. */
void date_pattern_free(struct date_pattern *pattern);

/*
 * Appends `us` (microseconds since 1970 UTC, years within ±200,000) as the
 * zone's clock shows it. Memory trouble is in the buffer.
 */
void date_pattern_print(const struct date_pattern *pattern, int64_t us, const struct zone *zone,
	struct buf *out);

#endif
