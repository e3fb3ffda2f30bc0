/*
 * Locks, in SQLite's sense. A reader's SHARED lock takes a reference on a
 * version, its unlock drops it; it never gets more. There is one writer, so
 * its locks always succeed. What it writes goes to the working map at once;
 * SQLite tells of a commit by SQLITE_FCNTL_COMMIT_PHASETWO while it still
 * holds the lock, which publishes; falling back to SHARED without one is a
 * rollback, which discards, and so does closing. Hence the writer needs no
 * journal (journal_mode OFF: half of a failed statement stays behind until the
 * connection is closed), and this VFS never opens a second file. The writer keeps NORMAL locking:
 * with EXCLUSIVE it would stop moving the change counter that tells the readers' caches apart, and
 * for the same reason SQLITE_IOCAP_IMMUTABLE is never set.
 *
 * Reader and writer differ in one more thing: readers get pages in place by
 * xFetch. Each fetched page lies in a version that the reader holds, and
 * SQLite gives all of them back before it unlocks.
 */
#include "sql/snapshot_vfs.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CACHE_LINE_BYTES 64

static struct snapshot_handle *handle_of(sqlite3_file *file)
{
	return (struct snapshot_handle *)(void *)file;
}

static struct pages *pages_of(const struct snapshot_handle *handle)
{
	return handle->link->store->pages;
}

void snapshot_vfs_release(struct snapshot_link *link)
{
	struct snapshot_store *store = link->store;

	/*
	 * SQLite may still look at the VFS object while it closes the
	 * connection, so it is kept for the next connection and not freed.
	 */
	pthread_mutex_lock(&store->lock);
	if (link->is_writer)
		store->has_writer = false;
	link->next = store->free_links;
	store->free_links = link;
	store->n_open--;
	pthread_mutex_unlock(&store->lock);
}

static int on_close(sqlite3_file *file)
{
	struct snapshot_handle *handle = handle_of(file);

	if (handle->link->is_writer)
		pages_discard(pages_of(handle));
	snapshot_unref(handle->seen);
	snapshot_unref(handle->pinned);
	snapshot_vfs_release(handle->link);
	return SQLITE_OK;
}

/* The bytes of page `index` as this connection sees them; NULL: past the end. */
static const unsigned char *page_seen(const struct snapshot_handle *handle, size_t index)
{
	if (handle->link->is_writer)
		return pages_working_page(pages_of(handle), index);
	return snapshot_page(handle->seen, index);
}

static struct snapshot *version_to_see(const struct snapshot_handle *handle)
{
	if (handle->pinned != NULL)
		return snapshot_ref(handle->pinned);
	return pages_ref_newest(pages_of(handle));
}

/* SQLite reads a database's header without a lock when it opens it. */
static bool hold_for_a_moment(struct snapshot_handle *handle)
{
	if (handle->link->is_writer || handle->seen != NULL)
		return false;
	handle->seen = version_to_see(handle);
	return true;
}

static void let_go(struct snapshot_handle *handle)
{
	snapshot_unref(handle->seen);
	handle->seen = NULL;
}

static int on_read(sqlite3_file *file, void *data, int amount, sqlite3_int64 offset)
{
	struct snapshot_handle *handle = handle_of(file);
	size_t index = (size_t)offset / SNAPSHOT_PAGE_BYTES;
	size_t from = (size_t)offset % SNAPSHOT_PAGE_BYTES;
	bool is_moment = hold_for_a_moment(handle);
	const unsigned char *page = page_seen(handle, index);
	int rc = SQLITE_OK;

	if (from + (size_t)amount > SNAPSHOT_PAGE_BYTES) {
		rc = SQLITE_IOERR_READ;
	} else if (page == NULL) {
		memset(data, 0, (size_t)amount);
		rc = SQLITE_IOERR_SHORT_READ;
	} else {
		memcpy(data, page + from, (size_t)amount);
	}
	if (is_moment)
		let_go(handle);
	return rc;
}

static int on_write(sqlite3_file *file, const void *data, int amount, sqlite3_int64 offset)
{
	struct snapshot_handle *handle = handle_of(file);
	unsigned char first[SNAPSHOT_PAGE_BYTES];

	if (!handle->link->is_writer)
		return SQLITE_READONLY;
	if (amount != SNAPSHOT_PAGE_BYTES || offset % SNAPSHOT_PAGE_BYTES != 0)
		return SQLITE_IOERR_WRITE;
	if (offset == 0) {
		/* A page copied from a WAL database says so in bytes 18 and 19; readers would look
		 * for a WAL. */
		memcpy(first, data, sizeof(first));
		first[18] = 1;
		first[19] = 1;
		data = first;
	}
	if (!pages_write(pages_of(handle), (size_t)offset / SNAPSHOT_PAGE_BYTES, data))
		return SQLITE_IOERR_NOMEM;
	return SQLITE_OK;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct snapshot_handle *handle = handle_of(file);

	if (!handle->link->is_writer)
		return SQLITE_READONLY;
	if (!pages_truncate(pages_of(handle), (size_t)size / SNAPSHOT_PAGE_BYTES))
		return SQLITE_IOERR_NOMEM;
	return SQLITE_OK;
}

static int on_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	struct snapshot_handle *handle = handle_of(file);
	bool is_moment = hold_for_a_moment(handle);
	size_t n = handle->link->is_writer ? pages_working_count(pages_of(handle))
					   : snapshot_count(handle->seen);

	*size = (sqlite3_int64)(n * SNAPSHOT_PAGE_BYTES);
	if (is_moment)
		let_go(handle);
	return SQLITE_OK;
}

static int on_lock(sqlite3_file *file, int lock)
{
	struct snapshot_handle *handle = handle_of(file);

	if (!handle->link->is_writer) {
		if (lock > SQLITE_LOCK_SHARED)
			return SQLITE_READONLY;
		if (handle->seen == NULL)
			handle->seen = version_to_see(handle);
	}
	if (lock > handle->lock)
		handle->lock = lock;
	return SQLITE_OK;
}

static int on_unlock(sqlite3_file *file, int lock)
{
	struct snapshot_handle *handle = handle_of(file);

	if (handle->link->is_writer) {
		if (handle->lock > SQLITE_LOCK_SHARED && !handle->is_committed)
			pages_discard(pages_of(handle));
		handle->is_committed = false;
	} else if (lock == SQLITE_LOCK_NONE) {
		let_go(handle);
	}
	if (lock < handle->lock)
		handle->lock = lock;
	return SQLITE_OK;
}

static int on_check_reserved_lock(sqlite3_file *file, int *is_reserved)
{
	*is_reserved = handle_of(file)->lock > SQLITE_LOCK_SHARED;
	return SQLITE_OK;
}

static int on_file_control(sqlite3_file *file, int op, void *arg)
{
	struct snapshot_handle *handle = handle_of(file);

	switch (op) {
	case SQLITE_FCNTL_COMMIT_PHASETWO:
		if (handle->link->is_writer) {
			pages_publish(pages_of(handle));
			handle->is_committed = true;
		}
		return SQLITE_OK;
	case SQLITE_FCNTL_VFSNAME: *(char **)arg = sqlite3_mprintf("snapshot"); return SQLITE_OK;
	default: return SQLITE_NOTFOUND;
	}
}

static int on_sector_size(sqlite3_file *file)
{
	(void)file;
	return SNAPSHOT_PAGE_BYTES;
}

static int on_device_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND |
	       SQLITE_IOCAP_SEQUENTIAL;
}

static int on_fetch(sqlite3_file *file, sqlite3_int64 offset, int amount, void **data)
{
	struct snapshot_handle *handle = handle_of(file);
	size_t from = (size_t)offset % SNAPSHOT_PAGE_BYTES;
	const unsigned char *page;
	size_t i;

	*data = NULL;
	if (handle->link->is_writer || handle->seen == NULL ||
		from + (size_t)amount > SNAPSHOT_PAGE_BYTES)
		return SQLITE_OK;
	page = snapshot_page(handle->seen, (size_t)offset / SNAPSHOT_PAGE_BYTES);
	/* SQLite writes to no page that it fetched; its interface has no const. */
	if (page == NULL)
		return SQLITE_OK;
	/*
	 * A scan reads all of a page and in no order that the processor guesses.
	 * Asking for the lines now takes a tenth off a scan of many cold pages
	 * and makes it as fast as copying them; on hot ones it costs nothing.
	 */
	for (i = 0; i < SNAPSHOT_PAGE_BYTES; i += CACHE_LINE_BYTES)
		__builtin_prefetch(page + i);
	*data = (void *)(uintptr_t)(page + from);
	return SQLITE_OK;
}

static int on_unfetch(sqlite3_file *file, sqlite3_int64 offset, void *data)
{
	(void)file;
	(void)offset;
	(void)data;
	return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
	.iVersion = 3,
	.xClose = on_close,
	.xRead = on_read,
	.xWrite = on_write,
	.xTruncate = on_truncate,
	.xSync = on_sync,
	.xFileSize = on_file_size,
	.xLock = on_lock,
	.xUnlock = on_unlock,
	.xCheckReservedLock = on_check_reserved_lock,
	.xFileControl = on_file_control,
	.xSectorSize = on_sector_size,
	.xDeviceCharacteristics = on_device_characteristics,
	.xFetch = on_fetch,
	.xUnfetch = on_unfetch,
};

static struct snapshot_link *link_of(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static sqlite3_vfs *system_vfs(void)
{
	return sqlite3_vfs_find(NULL);
}

static int on_open(
	sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
	struct snapshot_handle *handle = handle_of(file);

	(void)name;
	file->pMethods = NULL;
	/* Journals and temporary files live in SQLite's memory; nothing else is opened here. */
	if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
		return SQLITE_CANTOPEN;
	*handle = (struct snapshot_handle){.file.pMethods = &methods, .link = link_of(vfs)};
	if (out_flags != NULL)
		*out_flags = flags;
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	(void)name;
	(void)sync_dir;
	return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	(void)vfs;
	(void)name;
	(void)flags;
	*result = 0;
	return SQLITE_OK;
}

static int on_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	(void)vfs;
	(void)snprintf(out, (size_t)n, "%s", name);
	return SQLITE_OK;
}

static void *on_dl_open(sqlite3_vfs *vfs, const char *name)
{
	(void)vfs;
	(void)name;
	return NULL;
}

static void on_dl_error(sqlite3_vfs *vfs, int n, char *text)
{
	(void)vfs;
	(void)snprintf(text, (size_t)n, "extensions are not loaded");
}

static int on_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	sqlite3_vfs *system = system_vfs();

	(void)vfs;
	return system->xRandomness(system, n, out);
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
	sqlite3_vfs *system = system_vfs();

	(void)vfs;
	return system->xSleep(system, us);
}

static int on_current_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *time)
{
	sqlite3_vfs *system = system_vfs();

	link_of(vfs)->clock_was_read = true;
	return system->xCurrentTimeInt64(system, time);
}

static int on_current_time(sqlite3_vfs *vfs, double *time)
{
	sqlite3_int64 ms = 0;
	int rc = on_current_time_int64(vfs, &ms);

	*time = (double)ms / 86400000.0;
	return rc;
}

static int on_get_last_error(sqlite3_vfs *vfs, int n, char *text)
{
	(void)vfs;
	(void)n;
	(void)text;
	return 0;
}

void snapshot_vfs_init(struct snapshot_link *link)
{
	link->vfs = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct snapshot_handle),
		.mxPathname = 64,
		.zName = link->name,
		.pAppData = link,
		.xOpen = on_open,
		.xDelete = on_delete,
		.xAccess = on_access,
		.xFullPathname = on_full_pathname,
		.xDlOpen = on_dl_open,
		.xDlError = on_dl_error,
		.xRandomness = on_randomness,
		.xSleep = on_sleep,
		.xCurrentTime = on_current_time,
		.xGetLastError = on_get_last_error,
		.xCurrentTimeInt64 = on_current_time_int64,
	};
}

struct snapshot_handle *snapshot_vfs_handle(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	assert(rc == SQLITE_OK && file != NULL && file->pMethods == &methods);
	(void)rc;
	return handle_of(file);
}
