/*
 * Everything is passed through but three things: pages of the database file
 * are summed and verified, failed syncs are remembered, and the shared-memory
 * methods are left out (iVersion 1), which is legal with exclusive locking.
 * The thread is the connection's.
 */
#include "sql/checkpoint_vfs.h"

#include "base/fault.h"
#include "stream/xxh64.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUMMED_BYTES (CHECKPOINT_PAGE_BYTES - CHECKPOINT_RESERVED_BYTES)

/* SQLite keeps its lock bytes on the page at 1 GiB; it is never written. */
#define LOCK_PAGE_OFFSET 0x40000000

struct checkpoint_vfs {
	sqlite3_vfs vfs;     /* pAppData points back here */
	sqlite3_vfs *system; /* what it stands on */
	char name[40];
	int last_errno; /* of the last call that failed; SQLite asks for it much later */
	bool sync_failed;
	bool is_reader;
	bool is_immutable; /* a reader's, and there is no WAL */
};

/* The file of the system's VFS stands behind it. */
struct handle {
	sqlite3_file file;
	struct checkpoint_vfs *owner;
	bool is_database; /* else the WAL */
};

static struct handle *handle_of(sqlite3_file *file)
{
	return (struct handle *)(void *)file;
}

static sqlite3_file *system_file(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)(handle_of(file) + 1);
}

static uint64_t page_sum(const unsigned char *page, uint32_t number)
{
	return xxh64(page, SUMMED_BYTES, number);
}

bool checkpoint_page_is_good(const unsigned char *page, uint32_t number)
{
	uint64_t sum = page_sum(page, number);

	return memcmp(page + SUMMED_BYTES, &sum, sizeof(sum)) == 0;
}

static bool is_page(const struct handle *handle, int amount, sqlite3_int64 offset)
{
	return handle->is_database && amount == CHECKPOINT_PAGE_BYTES &&
	       offset % CHECKPOINT_PAGE_BYTES == 0 && offset != LOCK_PAGE_OFFSET;
}

static uint32_t page_number(sqlite3_int64 offset)
{
	return (uint32_t)(offset / CHECKPOINT_PAGE_BYTES) + 1;
}

/* `code` as it is; where it is an error, why: the hook's reason, or the system's. */
static int judge(sqlite3_file *file, int code, int fault)
{
	struct checkpoint_vfs *owner = handle_of(file)->owner;
	sqlite3_file *system = system_file(file);

	if (code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ)
		return code;
	owner->last_errno = fault;
	if (fault <= 0)
		(void)system->pMethods->xFileControl(
			system, SQLITE_FCNTL_LAST_ERRNO, &owner->last_errno);
	return code;
}

static int on_close(sqlite3_file *file)
{
	sqlite3_file *system = system_file(file);

	return system->pMethods != NULL ? system->pMethods->xClose(system) : SQLITE_OK;
}

static int on_read(sqlite3_file *file, void *data, int amount, sqlite3_int64 offset)
{
	sqlite3_file *system = system_file(file);
	int rc = judge(file, system->pMethods->xRead(system, data, amount, offset), 0);

	if (!is_page(handle_of(file), amount, offset))
		return rc;
	/*
	 * The file has been cut. What is new is read from nowhere, and what a
	 * commit added is in the WAL until the file has it: secure_delete leaves
	 * no page unwritten.
	 */
	if (rc == SQLITE_IOERR_SHORT_READ)
		return SQLITE_IOERR_DATA;
	if (rc == SQLITE_OK && !checkpoint_page_is_good(data, page_number(offset)))
		return SQLITE_IOERR_DATA;
	return rc;
}

static int fault_code(int fault)
{
	return fault == ENOSPC || fault == EDQUOT ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int on_write(sqlite3_file *file, const void *data, int amount, sqlite3_int64 offset)
{
	sqlite3_file *system = system_file(file);
	const struct handle *handle = handle_of(file);
	unsigned char page[CHECKPOINT_PAGE_BYTES];
	int fault = fault_hit(handle->is_database ? "checkpoint-write" : "wal-write");
	uint64_t sum;

	if (fault > 0)
		return judge(file, fault_code(fault), fault);
	if (is_page(handle, amount, offset)) {
		memcpy(page, data, SUMMED_BYTES);
		sum = page_sum(page, page_number(offset));
		memcpy(page + SUMMED_BYTES, &sum, sizeof(sum));
		data = page;
	}
	if (fault == FAULT_SHORT) {
		(void)system->pMethods->xWrite(system, data, amount / 2, offset);
		return SQLITE_FULL;
	}
	return judge(file, system->pMethods->xWrite(system, data, amount, offset), 0);
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	sqlite3_file *system = system_file(file);
	int fault = fault_hit("checkpoint-truncate");

	if (fault != 0)
		return judge(file, SQLITE_IOERR_TRUNCATE, fault);
	return judge(file, system->pMethods->xTruncate(system, size), 0);
}

static int on_sync(sqlite3_file *file, int flags)
{
	sqlite3_file *system = system_file(file);
	struct handle *handle = handle_of(file);
	int fault = fault_hit(handle->is_database ? "checkpoint-sync" : "wal-sync");
	int rc = judge(file,
		fault == 0 ? system->pMethods->xSync(system, flags) : SQLITE_IOERR_FSYNC, fault);

	if (rc != SQLITE_OK)
		handle->owner->sync_failed = true;
	return rc;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	sqlite3_file *system = system_file(file);

	return system->pMethods->xFileSize(system, size);
}

static int on_lock(sqlite3_file *file, int lock)
{
	sqlite3_file *system = system_file(file);

	return system->pMethods->xLock(system, lock);
}

static int on_unlock(sqlite3_file *file, int lock)
{
	sqlite3_file *system = system_file(file);

	return system->pMethods->xUnlock(system, lock);
}

static int on_check_reserved_lock(sqlite3_file *file, int *is_reserved)
{
	sqlite3_file *system = system_file(file);

	return system->pMethods->xCheckReservedLock(system, is_reserved);
}

static int on_file_control(sqlite3_file *file, int op, void *arg)
{
	sqlite3_file *system = system_file(file);

	/* Asked of the database file, answered for the WAL too. */
	if (op == SQLITE_FCNTL_LAST_ERRNO) {
		*(int *)arg = handle_of(file)->owner->last_errno;
		return SQLITE_OK;
	}
	return system->pMethods->xFileControl(system, op, arg);
}

static int on_sector_size(sqlite3_file *file)
{
	sqlite3_file *system = system_file(file);

	return system->pMethods->xSectorSize(system);
}

static int on_device_characteristics(sqlite3_file *file)
{
	sqlite3_file *system = system_file(file);
	int all = system->pMethods->xDeviceCharacteristics(system);

	/* Else SQLite would want to make the WAL. */
	return handle_of(file)->owner->is_immutable ? all | SQLITE_IOCAP_IMMUTABLE : all;
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
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
};

static struct checkpoint_vfs *vfs_of(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

static int reader_flags(struct checkpoint_vfs *vfs, sqlite3_filename name, int flags)
{
	int has_wal = 0;

	if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
		(void)vfs->system->xAccess(
			vfs->system, sqlite3_filename_wal(name), SQLITE_ACCESS_EXISTS, &has_wal);
		vfs->is_immutable = has_wal == 0;
	}
	return (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
}

static int on_open(
	sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;
	struct handle *handle = handle_of(file);
	int rc;

	memset(system_file(file), 0, (size_t)system->szOsFile);
	*handle = (struct handle){
		.owner = vfs_of(vfs), .is_database = (flags & SQLITE_OPEN_MAIN_DB) != 0};

	if (vfs_of(vfs)->is_reader)
		flags = reader_flags(vfs_of(vfs), name, flags);
	rc = system->xOpen(system, name, system_file(file), flags, out_flags);
	if (rc == SQLITE_OK)
		handle->file.pMethods = &methods;
	else
		vfs_of(vfs)->last_errno = errno;
	return rc;
}

static int on_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;
	int fault = fault_hit("wal-delete");
	int rc;

	if (vfs_of(vfs)->is_reader)
		return SQLITE_IOERR_DELETE;
	rc = fault == 0 ? system->xDelete(system, name, sync_dir) : SQLITE_IOERR_DELETE;

	if (rc != SQLITE_OK)
		vfs_of(vfs)->last_errno = fault > 0 ? fault : errno;
	return rc;
}

static int on_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;

	return system->xAccess(system, name, flags, result);
}

static int on_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;

	return system->xFullPathname(system, name, n, out);
}

static int on_randomness(sqlite3_vfs *vfs, int n, char *out)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;

	return system->xRandomness(system, n, out);
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;

	return system->xSleep(system, us);
}

static int on_current_time(sqlite3_vfs *vfs, double *time)
{
	sqlite3_vfs *system = vfs_of(vfs)->system;

	return system->xCurrentTime(system, time);
}

static int on_get_last_error(sqlite3_vfs *vfs, int n, char *text)
{
	(void)n;
	(void)text;
	return vfs_of(vfs)->last_errno;
}

struct checkpoint_vfs *checkpoint_vfs_new(void)
{
	struct checkpoint_vfs *vfs = calloc(1, sizeof(*vfs));

	if (vfs == NULL)
		return NULL;
	vfs->system = sqlite3_vfs_find(NULL);
	(void)snprintf(vfs->name, sizeof(vfs->name), "checkpoint-%p", (void *)vfs);
	vfs->vfs = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile = (int)sizeof(struct handle) + vfs->system->szOsFile,
		.mxPathname = vfs->system->mxPathname,
		.zName = vfs->name,
		.pAppData = vfs,
		.xOpen = on_open,
		.xDelete = on_delete,
		.xAccess = on_access,
		.xFullPathname = on_full_pathname,
		.xRandomness = on_randomness,
		.xSleep = on_sleep,
		.xCurrentTime = on_current_time,
		.xGetLastError = on_get_last_error,
	};
	return vfs;
}

struct checkpoint_vfs *checkpoint_vfs_new_reader(void)
{
	struct checkpoint_vfs *vfs = checkpoint_vfs_new();

	if (vfs == NULL)
		return NULL;
	vfs->is_reader = true;
	/* SQLite's own one that takes no locks, there on every Unix. */
	vfs->system = sqlite3_vfs_find("unix-none");
	assert(vfs->system != NULL);
	vfs->vfs.szOsFile = (int)sizeof(struct handle) + vfs->system->szOsFile;
	return vfs;
}

void checkpoint_vfs_free(struct checkpoint_vfs *vfs)
{
	free(vfs);
}

int checkpoint_vfs_open(
	struct checkpoint_vfs *vfs, const char *path, bool create, sqlite3 **db, struct err *err)
{
	int flags = SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0) |
		    (vfs->is_reader ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int sys_errno = 0;
	int rc;

	*db = NULL;
	/* SQLite looks it up by name while it opens, and keeps the pointer. */
	rc = sqlite3_vfs_register(&vfs->vfs, 0);
	if (rc == SQLITE_OK) {
		rc = sqlite3_open_v2(path, db, flags, vfs->name);
		(void)sqlite3_vfs_unregister(&vfs->vfs);
	}
	if (rc == SQLITE_OK)
		return 0;
	if (*db != NULL)
		sys_errno = sqlite3_system_errno(*db);
	(void)sqlite3_close(*db);
	*db = NULL;
	if (rc == SQLITE_NOMEM)
		return err_nomem(err);
	return err_set_errno(err, sys_errno != 0 ? sys_errno : EIO, "%s: cannot open", path);
}

bool checkpoint_vfs_sync_failed(const struct checkpoint_vfs *vfs)
{
	return vfs->sync_failed;
}
