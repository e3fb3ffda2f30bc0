/*
 * Connections to the store of versions.
 *
 * Each connection has a VFS object of its own, so that "this reader asked for
 * the time" is known without a word shared between threads. It is registered
 * only while its connection opens (SQLite finds a VFS by name then, and keeps
 * the pointer), so thousands of readers do not lengthen SQLite's list.
 */
#include "sql/snapshot.h"

#include "sql/pages.h"
#include "sql/snapshot_vfs.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * The writer's cache; what does not fit spills into the working map at the
 * price of a copy. No journal: whoever rolls back closes the connection, which
 * discards the working map.
 */
#define WRITER_SETUP                                                                               \
	"PRAGMA page_size=4096; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "                 \
	"PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-4096"
/* Pages come by xFetch as soon as mmap_size is set; the cache then holds page 1 and no more. */
#define READER_SETUP "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-256; PRAGMA mmap_size=2147418112"

static struct snapshot_link *take_link(
	struct snapshot_store *store, bool is_writer, struct err *err)
{
	struct snapshot_link *link = NULL;

	pthread_mutex_lock(&store->lock);
	if (is_writer && store->has_writer) {
		(void)err_set(err, ERR_BUSY, "the mirror has a writer already");
		goto out;
	}
	link = store->free_links;
	if (link != NULL) {
		store->free_links = link->next;
	} else {
		link = calloc(1, sizeof(*link));
		if (link == NULL) {
			(void)err_nomem(err);
			goto out;
		}
		(void)snprintf(link->name, sizeof(link->name), "snapshot-%p", (void *)link);
		link->store = store;
		snapshot_vfs_init(link);
	}
	link->is_writer = is_writer;
	link->clock_was_read = false;
	if (is_writer)
		store->has_writer = true;
	store->n_open++;
out:
	pthread_mutex_unlock(&store->lock);
	return link;
}

static int open_connection(
	struct snapshot_store *store, bool is_writer, sqlite3 **db, struct err *err)
{
	int flags =
		SQLITE_OPEN_NOMUTEX | (is_writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
	struct snapshot_link *link = take_link(store, is_writer, err);
	sqlite3_file *file = NULL;
	int rc;

	*db = NULL;
	if (link == NULL)
		return err->code;
	rc = sqlite3_vfs_register(&link->vfs, 0);
	if (rc == SQLITE_OK) {
		rc = sqlite3_open_v2("snapshot", db, flags, link->name);
		(void)sqlite3_vfs_unregister(&link->vfs);
	}
	if (*db != NULL)
		(void)sqlite3_file_control(*db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*db, is_writer ? WRITER_SETUP : READER_SETUP, NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		return 0;
	(void)err_set(err, rc == SQLITE_NOMEM ? ERR_NOMEM : ERR_SQL, "cannot open the mirror: %s",
		*db != NULL ? sqlite3_errmsg(*db) : sqlite3_errstr(rc));
	/* With a file of ours, closing it gives the link back. */
	if (file == NULL || file->pMethods == NULL)
		snapshot_vfs_release(link);
	(void)sqlite3_close(*db);
	*db = NULL;
	return err->code;
}

int snapshot_open_writer(struct snapshot_store *store, sqlite3 **db, struct err *err)
{
	return open_connection(store, true, db, err);
}

int snapshot_open_reader(struct snapshot_store *store, sqlite3 **db, struct err *err)
{
	return open_connection(store, false, db, err);
}

int snapshot_prepare_commit(sqlite3 *writer, struct err *err)
{
	struct snapshot_handle *handle = snapshot_vfs_handle(writer);
	int rc = sqlite3_db_cacheflush(writer);

	assert(handle->link->is_writer);
	if (rc != SQLITE_OK)
		return err_set(
			err, ERR_NOMEM, "cannot write to the mirror: %s", sqlite3_errstr(rc));
	/* The commit writes the first page, for its change counter, and no other. */
	if (!pages_prepare(handle->link->store->pages, 0))
		return err_nomem(err);
	return 0;
}

void snapshot_pin(sqlite3 *reader, struct snapshot *snapshot)
{
	struct snapshot_handle *handle = snapshot_vfs_handle(reader);

	assert(!handle->link->is_writer && handle->seen == NULL);
	snapshot_unref(handle->pinned);
	handle->pinned = snapshot != NULL ? snapshot_ref(snapshot) : NULL;
}

uint64_t snapshot_seen_number(sqlite3 *reader)
{
	const struct snapshot_handle *handle = snapshot_vfs_handle(reader);

	return handle->seen != NULL ? snapshot_number(handle->seen) : 0;
}

bool *snapshot_clock_flag(sqlite3 *reader)
{
	return &snapshot_vfs_handle(reader)->link->clock_was_read;
}

struct snapshot_store *snapshot_store_new(void)
{
	struct snapshot_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->pages = pages_new();
	if (store->pages == NULL || pthread_mutex_init(&store->lock, NULL) != 0) {
		pages_free(store->pages);
		free(store);
		return NULL;
	}
	return store;
}

void snapshot_store_free(struct snapshot_store *store)
{
	if (store == NULL)
		return;
	assert(store->n_open == 0);
	while (store->free_links != NULL) {
		struct snapshot_link *link = store->free_links;

		store->free_links = link->next;
		free(link);
	}
	pages_free(store->pages);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

struct snapshot *snapshot_ref_newest(struct snapshot_store *store)
{
	return pages_ref_newest(store->pages);
}

uint64_t snapshot_newest_number(struct snapshot_store *store)
{
	return pages_newest_number(store->pages);
}

size_t snapshot_bytes(struct snapshot_store *store)
{
	return pages_bytes(store->pages);
}
