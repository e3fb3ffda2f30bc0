/*
 * SQLite's VFS interface over versions of pages; the half of sql/snapshot.c
 * that SQLite calls. For that file alone.
 */
#ifndef SQL_SNAPSHOT_VFS_H
#define SQL_SNAPSHOT_VFS_H

#include "sql/pages.h"
#include "sql/snapshot.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* The VFS object of one connection. */
struct snapshot_link {
	sqlite3_vfs vfs; /* pAppData points back here */
	struct snapshot_store *store;
	struct snapshot_link *next; /* in the store's list of links that no connection uses */
	char name[40];
	bool is_writer;
	bool clock_was_read; /* the connection's thread only */
};

struct snapshot_store {
	struct pages *pages;
	pthread_mutex_t lock; /* guards what follows */
	struct snapshot_link *free_links;
	size_t n_open; /* connections */
	bool has_writer;
};

/* What SQLite allocates for an open file of ours. */
struct snapshot_handle {
	sqlite3_file file;
	struct snapshot_link *link;
	struct snapshot *pinned; /* reader: sees this one; NULL: the newest */
	struct snapshot *seen;   /* reader: held while SHARED is held */
	int lock;                /* SQLITE_LOCK_… */
	bool is_committed;       /* writer: published since the lock was taken */
};

/* Fills link->vfs; name and store are set. */
void snapshot_vfs_init(struct snapshot_link *link);

/* The link's connection is closed, or was never opened: the next one may have it. */
void snapshot_vfs_release(struct snapshot_link *link);

/* The main file of a connection of ours (asserted). */
struct snapshot_handle *snapshot_vfs_handle(sqlite3 *db);

#endif
