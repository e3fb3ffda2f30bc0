/* Wraps each file; keeps the synced image and the later operations in memory, which is fine for
 * small tests. */
#include "tests/sql/faulty_vfs.h"

#include <check.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 16

/* A write, or a truncation where data is NULL. */
struct pending {
	sqlite3_int64 offset;
	int amount;
	unsigned char *data;
};

struct disk_file {
	char path[256];       /* empty: this slot is free */
	ino_t inode;          /* another one under the same name is another file */
	unsigned char *image; /* what is on the platter */
	size_t size;
	struct pending *pending;
	size_t n_pending;
};

struct handle {
	sqlite3_file file;
	struct disk_file *disk; /* NULL: not watched */
};

static struct disk_file files[MAX_FILES];
static sqlite3_vfs vfs;
static sqlite3_vfs *below;
static int failing, fail_rc;
static long fail_at, n_passed;
static bool fail_on;

static struct handle *handle_of(sqlite3_file *file)
{
	return (struct handle *)(void *)file;
}

static sqlite3_file *below_file(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)(handle_of(file) + 1);
}

/* What an image of so many bytes is given, so that it does not move with each write. */
static size_t room_for(size_t size)
{
	return ((size >> 20) + 1) << 20;
}

static void apply_pending(
	unsigned char **image, size_t *size, const struct pending *pending, int amount)
{
	size_t end = (size_t)pending->offset + (size_t)amount;

	if (pending->data == NULL) {
		if ((size_t)pending->offset < *size)
			*size = (size_t)pending->offset;
		return;
	}
	if (end > *size) {
		if (*image == NULL || room_for(end) != room_for(*size))
			*image = realloc(*image, room_for(end));
		memset(*image + *size, 0, end - *size);
		*size = end;
	}
	memcpy(*image + pending->offset, pending->data, (size_t)amount);
}

static void forget_pending(struct disk_file *disk)
{
	size_t i;

	for (i = 0; i < disk->n_pending; i++)
		free(disk->pending[i].data);
	disk->n_pending = 0;
}

static void settle(struct disk_file *disk)
{
	size_t i;

	for (i = 0; i < disk->n_pending; i++)
		apply_pending(
			&disk->image, &disk->size, &disk->pending[i], disk->pending[i].amount);
	forget_pending(disk);
}

static void add_pending(struct disk_file *disk, sqlite3_int64 offset, const void *data, int amount)
{
	struct pending *pending;

	if (disk == NULL)
		return;
	/* A full array has a power of two. */
	if ((disk->n_pending & (disk->n_pending - 1)) == 0)
		disk->pending =
			realloc(disk->pending, (2 * disk->n_pending + 1) * sizeof(*disk->pending));
	pending = &disk->pending[disk->n_pending++];
	*pending = (struct pending){.offset = offset, .amount = amount};
	if (data != NULL) {
		pending->data = malloc((size_t)amount);
		memcpy(pending->data, data, (size_t)amount);
	}
}

/* A file opened for the first time holds what was made durable by other means. */
static void unwatch(const char *path);

static struct disk_file *watch(const char *path)
{
	struct disk_file *free_slot = NULL;
	struct stat status;
	size_t i;
	int fd;

	ck_assert_int_eq(stat(path, &status), 0);
	for (i = 0; i < MAX_FILES; i++) {
		if (strcmp(files[i].path, path) == 0) {
			if (files[i].inode == status.st_ino)
				return &files[i];
			unwatch(path);
		}
		if (files[i].path[0] == '\0' && free_slot == NULL)
			free_slot = &files[i];
	}
	ck_assert_ptr_nonnull(free_slot);
	(void)snprintf(free_slot->path, sizeof(free_slot->path), "%s", path);
	free_slot->inode = status.st_ino;
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		ck_assert_int_eq(fstat(fd, &status), 0);
		free_slot->size = (size_t)status.st_size;
		free_slot->image = malloc(room_for(free_slot->size));
		ck_assert_int_eq(
			read(fd, free_slot->image, free_slot->size), (ssize_t)free_slot->size);
		(void)close(fd);
	}
	return free_slot;
}

static void unwatch(const char *path)
{
	size_t i;

	for (i = 0; i < MAX_FILES; i++) {
		if (strcmp(files[i].path, path) != 0)
			continue;
		forget_pending(&files[i]);
		free(files[i].pending);
		free(files[i].image);
		memset(&files[i], 0, sizeof(files[i]));
	}
}

/* Any part of what was pending, any order, the last one perhaps torn. */
static void write_cut(const struct disk_file *disk, const char *path)
{
	unsigned char *image = malloc(room_for(disk->size));
	size_t size = disk->size;
	size_t n = disk->n_pending, i;
	size_t *order = calloc(n + 1, sizeof(*order));
	int kind = rand() % 3;
	FILE *out;

	memcpy(image, disk->image, size);
	for (i = 0; i < n; i++)
		order[i] = i;
	if (kind == 2) {
		for (i = 1; i < n; i++) {
			size_t k = (size_t)rand() % (i + 1), swapped = order[i];

			order[i] = order[k];
			order[k] = swapped;
		}
	}
	/* 0: a prefix of them; 1 and 2: each with even chance. */
	if (kind == 0 && n > 0)
		n = (size_t)rand() % (n + 1);
	for (i = 0; i < n; i++) {
		const struct pending *pending = &disk->pending[order[i]];
		int amount = pending->amount;

		if (kind != 0 && rand() % 2 == 0)
			continue;
		if (pending->data != NULL && amount > 512 && rand() % 8 == 0)
			amount = 512 * (rand() % (amount / 512));
		apply_pending(&image, &size, pending, amount);
	}
	out = fopen(path, "wb");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(image, 1, size, out), size);
	(void)fclose(out);
	free(order);
	free(image);
}

void faulty_cut(const char *from, const char *to, unsigned seed)
{
	char path[512], command[600];
	size_t i;

	srand(seed);
	(void)snprintf(
		command, sizeof(command), "rm -rf %s; mkdir %s; cp -p %s/* %s/", to, to, from, to);
	ck_assert_int_eq(system(command), 0);
	for (i = 0; i < MAX_FILES; i++) {
		if (strncmp(files[i].path, from, strlen(from)) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s%s", to, files[i].path + strlen(from));
		if (access(path, F_OK) == 0)
			write_cut(&files[i], path);
	}
}

void faulty_fail(int operations, long n, int rc, bool and_on)
{
	failing = operations;
	fail_at = n;
	fail_rc = rc;
	fail_on = and_on;
	n_passed = 0;
}

long faulty_passed(void)
{
	return n_passed;
}

static bool fails(enum faulty_operation operation)
{
	if ((failing & (int)operation) == 0)
		return false;
	n_passed++;
	return fail_at > 0 && (n_passed == fail_at || (fail_on && n_passed > fail_at));
}

static int on_close(sqlite3_file *file)
{
	return below_file(file)->pMethods->xClose(below_file(file));
}

static int on_read(sqlite3_file *file, void *data, int amount, sqlite3_int64 offset)
{
	return below_file(file)->pMethods->xRead(below_file(file), data, amount, offset);
}

static int on_write(sqlite3_file *file, const void *data, int amount, sqlite3_int64 offset)
{
	int rc;

	if (fails(FAULTY_WRITE)) {
		/* A full disk takes the first half. */
		if (fail_rc == SQLITE_FULL)
			(void)below_file(file)->pMethods->xWrite(
				below_file(file), data, amount / 2, offset);
		return fail_rc;
	}
	rc = below_file(file)->pMethods->xWrite(below_file(file), data, amount, offset);
	if (rc == SQLITE_OK)
		add_pending(handle_of(file)->disk, offset, data, amount);
	return rc;
}

static int on_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	int rc;

	if (fails(FAULTY_TRUNCATE))
		return fail_rc;
	rc = below_file(file)->pMethods->xTruncate(below_file(file), size);
	if (rc == SQLITE_OK)
		add_pending(handle_of(file)->disk, size, NULL, 0);
	return rc;
}

static int on_sync(sqlite3_file *file, int flags)
{
	(void)flags;
	if (fails(FAULTY_SYNC))
		return fail_rc;
	if (handle_of(file)->disk != NULL)
		settle(handle_of(file)->disk);
	return SQLITE_OK;
}

static int on_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return below_file(file)->pMethods->xFileSize(below_file(file), size);
}

static int on_lock(sqlite3_file *file, int lock)
{
	return below_file(file)->pMethods->xLock(below_file(file), lock);
}

static int on_unlock(sqlite3_file *file, int lock)
{
	return below_file(file)->pMethods->xUnlock(below_file(file), lock);
}

static int on_check_reserved_lock(sqlite3_file *file, int *is_reserved)
{
	return below_file(file)->pMethods->xCheckReservedLock(below_file(file), is_reserved);
}

static int on_file_control(sqlite3_file *file, int op, void *arg)
{
	return below_file(file)->pMethods->xFileControl(below_file(file), op, arg);
}

static int on_sector_size(sqlite3_file *file)
{
	return below_file(file)->pMethods->xSectorSize(below_file(file));
}

static int on_device_characteristics(sqlite3_file *file)
{
	return below_file(file)->pMethods->xDeviceCharacteristics(below_file(file));
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

static int on_open(
	sqlite3_vfs *unused, sqlite3_filename name, sqlite3_file *file, int flags, int *out_flags)
{
	struct handle *handle = handle_of(file);
	struct disk_file *disk;
	int rc;

	(void)unused;
	memset(handle, 0, (size_t)vfs.szOsFile);
	rc = below->xOpen(below, name, below_file(file), flags, out_flags);
	if (rc != SQLITE_OK)
		return rc;
	disk = name != NULL ? watch(name) : NULL;
	handle->disk = disk;
	handle->file.pMethods = &methods;
	return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *unused, const char *name, int sync_dir)
{
	(void)unused;
	unwatch(name);
	return below->xDelete(below, name, sync_dir);
}

void faulty_install(void)
{
	below = sqlite3_vfs_find(NULL);
	vfs = *below;
	vfs.iVersion = 1;
	vfs.zName = "faulty";
	vfs.szOsFile = (int)sizeof(struct handle) + below->szOsFile;
	vfs.xOpen = on_open;
	vfs.xDelete = on_delete;
	ck_assert_int_eq(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
}
