/*
 * Versions of a run of pages: copy on write, published whole, freed with the
 * last version that shows them.
 *
 * One writer builds the next version in a working map that nobody else sees,
 * then publishes or discards it. Knows neither SQLite nor files; sql/snapshot.c
 * puts it under SQLite's VFS interface.
 *
 * Threads: the functions that take the store and are marked "writer" belong to
 * one thread at a time; the others may be called on any thread.
 */
#ifndef SQL_PAGES_H
#define SQL_PAGES_H

#include "base/err.h"
#include "sql/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pages;

struct pages *pages_new(void);
/* All versions but the newest are dropped by then (asserted). */
void pages_free(struct pages *pages);

/* Writer: the working map, which begins as the newest version. NULL: past the end. */
const unsigned char *pages_working_page(const struct pages *pages, size_t index);
size_t pages_working_count(const struct pages *pages);

/*
 * Writer: the whole page `index` gets this content; pages between the end and
 * it are zero. False when there is no memory: nothing has changed.
 */
bool pages_write(struct pages *pages, size_t index, const unsigned char *bytes)
	__attribute__((warn_unused_result));

/*
 * Writer: takes the memory that writing page `index` and publishing will need,
 * and changes nothing that anybody could see. False when there is none.
 */
bool pages_prepare(struct pages *pages, size_t index) __attribute__((warn_unused_result));

/* Writer: drops the pages from `count` on. False when there is no memory. */
bool pages_truncate(struct pages *pages, size_t count) __attribute__((warn_unused_result));

/* Writer: the working map becomes the newest version, if anything was written. Cannot fail. */
void pages_publish(struct pages *pages);
/* Writer: the working map becomes the newest version's again. */
void pages_discard(struct pages *pages);

struct snapshot *pages_ref_newest(struct pages *pages);
uint64_t pages_newest_number(const struct pages *pages);
size_t pages_bytes(const struct pages *pages);

/* Pages of a version, valid while it is held. NULL: past the end. */
const unsigned char *snapshot_page(const struct snapshot *snapshot, size_t index);
size_t snapshot_count(const struct snapshot *snapshot);

#endif
