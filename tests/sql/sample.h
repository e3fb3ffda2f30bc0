/*
 * A specification and changes by hand, for the tests of what is done with them.
 * What is made here lives as long as the test's process.
 */
#ifndef TESTS_SQL_SAMPLE_H
#define TESTS_SQL_SAMPLE_H

#include "base/err.h"
#include "stream/changes.h"
#include "stream/spec.h"

#include <sqlite3.h>
#include <stdint.h>

#define HOUR INT64_C(3600000000)
#define START INT64_C(1469498400000000) /* 2016-07-26 02:00:00 */

/* Keeps memory reachable, so that a leak checker does not mind; returns it. */
void *sample_keep(void *memory);

/*
 * One source `events` on /data/events, and a query `name` by `field` (NULL: by
 * nothing) in windows of an hour.
 */
struct spec *sample_spec(const char *name, const char *field);
/* One more query of the first source. */
void sample_add_query(struct spec *spec, const char *name, const char *field);

/* Changes of one batch of query 0, with totals and progress but no rows. */
struct changes *sample_changes(int64_t batch_id);
/* A row of query 0; group NULL is the NULL group. Rows are to be added in the order of keys. */
void sample_add_row(struct changes *changes, const char *group, int64_t start_us, uint64_t count);
/* So many groups of long names that the checkpoint's WAL is long after them (16 MiB). */
#define SAMPLE_LONG_ROWS 20000
void sample_add_long_rows(struct changes *changes, uint64_t count);
void sample_add_file(struct changes *changes, int64_t id, const char *path, enum file_state state);
void sample_add_offset(struct changes *changes, int64_t prefix_id, int64_t file_id, int64_t offset);
void sample_add_reject(struct changes *changes, int64_t line);

/* Ends the test with the sentence where `rc` is not 0. */
void must(int rc, const struct err *err);

/* A command that has to succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* All rows as sqlite3 prints them: `|` between columns, a newline behind each row. */
char *sample_ask(sqlite3 *db, const char *sql);

#endif
