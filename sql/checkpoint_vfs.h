/*
 * The checkpoint's files: the system's VFS with checksummed pages.
 *
 * Each page of the database file ends in 8 reserved bytes, which hold the XXH64
 * of the rest, seeded with the page's number. It is written whenever a page
 * goes to the database file and verified whenever a whole page comes from it; a
 * page that does not fit is SQLITE_IOERR_DATA. The frames of the WAL carry
 * SQLite's own checksums. There is no shared memory: the connection must say
 * `locking_mode=EXCLUSIVE` before it first looks at the file.
 *
 * It also remembers a failed sync: what was written before it may be lost
 * although later syncs succeed, so the files are not believed again.
 */
#ifndef SQL_CHECKPOINT_VFS_H
#define SQL_CHECKPOINT_VFS_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#define CHECKPOINT_PAGE_BYTES     4096
#define CHECKPOINT_RESERVED_BYTES 8

struct checkpoint_vfs;

/* Over SQLite's default VFS of the moment. NULL: no memory. One per connection. */
struct checkpoint_vfs *checkpoint_vfs_new(void);

/*
 * One that only looks, also at a checkpoint that another process has open: it
 * takes no lock, and makes, writes and removes no file. A read that meets the
 * other's writes may fail. Closing drops the locks that this process itself
 * has on the file.
 */
struct checkpoint_vfs *checkpoint_vfs_new_reader(void);
/* After its connection is closed. */
void checkpoint_vfs_free(struct checkpoint_vfs *vfs); /* NULL is fine */

/*
 * sqlite3_open_v2 with NOMUTEX through this VFS, the file made if `create`;
 * read-write, but for a reader.
 */
int checkpoint_vfs_open(struct checkpoint_vfs *vfs, const char *path, bool create, sqlite3 **db,
	struct err *err) __attribute__((warn_unused_result));

/* A sync of one of its files has failed. */
bool checkpoint_vfs_sync_failed(const struct checkpoint_vfs *vfs);

/* The last 8 bytes fit the others. `number` is the page's, from 1. */
bool checkpoint_page_is_good(const unsigned char *page, uint32_t number);

#endif
