/*
 * Whole files: the system calls in the one order that survives a crash, with
 * interrupted and short calls carried on.
 */
#include "base/file.h"

#include "base/fault.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP_BYTES 65536

static int read_into(int fd, const char *path, size_t max_bytes, struct buf *buf, struct err *err)
{
	size_t total = 0;
	ssize_t n;
	char *room;

	for (;;) {
		room = buf_reserve(buf, READ_STEP_BYTES);
		if (room == NULL)
			return err_nomem(err);
		n = read(fd, room, READ_STEP_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, errno, "%s: cannot read", path);
		if (n == 0)
			return 0;
		if ((size_t)n > max_bytes - total)
			return err_set(
				err, ERR_LIMIT, "%s: larger than %zu bytes", path, max_bytes);
		total += (size_t)n;
		buf->len += (size_t)n;
	}
}

int file_read_all(const char *path, size_t max_bytes, struct buf *buf, struct err *err)
{
	size_t len_before = buf->len;
	int fd;
	int rc;

	do {
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0) {
		rc = errno;
		err_set_errno(err, rc, "%s: cannot open", path);
		if (rc == ENOENT)
			err->code = ERR_MISSING;
		return err->code;
	}
	rc = read_into(fd, path, max_bytes, buf, err);
	(void)close(fd);
	if (rc != 0)
		buf->len = len_before;
	return rc;
}

int file_write_all(int fd, const void *bytes, size_t len, struct err *err)
{
	const char *at = bytes;
	ssize_t n;

	while (len > 0) {
		n = write(fd, at, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(err, errno, "cannot write");
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

int file_sync_dir(const char *path, struct err *err)
{
	int fault;
	int rc = 0;
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_set_errno(err, errno, "%s: cannot open the directory", path);
	fault = fault_hit("dir-sync");
	if (fault > 0 || fsync(fd) != 0)
		rc = err_set_errno(
			err, fault > 0 ? fault : errno, "%s: cannot sync the directory", path);
	(void)close(fd);
	return rc;
}

/* The directory that `path` stands in; the caller frees it. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return mem_copy_text(".", 1);
	return mem_copy_text(path, slash == path ? 1 : (size_t)(slash - path));
}

/* Where a test wants a call to fail (base/fault.h). */
static int fault_at(const char *point, const char *path, struct err *err)
{
	int fault = fault_hit(point);

	return fault > 0 ? err_set_errno(err, fault, "%s: %s", path, point) : 0;
}

/* Content and mode of the new file are on disk when this returns 0. Closes `fd` in any case. */
static int fill_and_close(
	int fd, const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
{
	int rc = fault_at("file-write", path, err);

	if (rc == 0 && file_write_all(fd, bytes, len, err) != 0)
		rc = err_prefix(err, "%s", path);
	if (rc == 0 && fchmod(fd, mode) != 0)
		rc = err_set_errno(err, errno, "%s: cannot set the mode", path);
	if (rc == 0)
		rc = fault_at("file-sync", path, err);
	if (rc == 0 && fsync(fd) != 0)
		rc = err_set_errno(err, errno, "%s: cannot sync", path);
	if (close(fd) != 0 && rc == 0)
		rc = err_set_errno(err, errno, "%s: cannot close", path);
	return rc;
}

int file_replace(const char *path, const void *bytes, size_t len, mode_t mode, struct err *err)
{
	size_t path_len = strlen(path);
	char *dir = parent_of(path);
	char *beside = malloc(path_len + sizeof(".XXXXXX.tmp"));
	int rc;
	int fd;

	if (dir == NULL || beside == NULL) {
		rc = err_nomem(err);
		goto out;
	}
	memcpy(beside, path, path_len);
	memcpy(beside + path_len, ".XXXXXX.tmp", sizeof(".XXXXXX.tmp"));
	fd = mkostemps(beside, 4, O_CLOEXEC);
	if (fd < 0) {
		rc = err_set_errno(err, errno, "%s: cannot make a file beside it", path);
		goto out;
	}
	rc = fill_and_close(fd, beside, bytes, len, mode, err);
	if (rc == 0)
		rc = fault_at("file-rename", beside, err);
	if (rc == 0 && rename(beside, path) != 0)
		rc = err_set_errno(err, errno, "%s: cannot replace", path);
	if (rc != 0) {
		(void)unlink(beside);
		goto out;
	}
	rc = file_sync_dir(dir, err);
out:
	free(beside);
	free(dir);
	return rc;
}

/* One level; an existing directory is fine, anything else of that name is not. */
static int make_dir(const char *path, mode_t mode, struct err *err)
{
	struct stat st;
	int sys_errno;

	if (mkdir(path, mode) == 0)
		return 0;
	sys_errno = errno;
	if (stat(path, &st) == 0) {
		if (S_ISDIR(st.st_mode))
			return 0;
		sys_errno = ENOTDIR;
	}
	return err_set_errno(err, sys_errno, "%s: cannot make the directory", path);
}

int file_make_dirs(const char *path, mode_t mode, struct err *err)
{
	char *prefix = mem_copy_text(path, strlen(path));
	char *slash;
	int rc = 0;

	if (prefix == NULL)
		return err_nomem(err);
	for (slash = strchr(prefix + (*prefix == '/'), '/'); slash != NULL && rc == 0;
		slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		rc = make_dir(prefix, mode, err);
		*slash = '/';
	}
	if (rc == 0)
		rc = make_dir(prefix, mode, err);
	free(prefix);
	return rc;
}

/* The sentence about a lock that somebody holds, with the pid that stands in the file. */
static int name_holder(int fd, const char *path, struct err *err)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;

	if (pid <= 0)
		return err_set(err, ERR_BUSY, "%s: locked by another process", path);
	return err_set(err, ERR_BUSY, "%s: locked by process %ld", path, pid);
}

int file_lock(const char *path, int *fd, struct err *err)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	int lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0644);
	int rc;

	if (lock_fd < 0)
		return err_set_errno(err, errno, "%s: cannot open", path);
	while (flock(lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		if (errno == EWOULDBLOCK)
			rc = name_holder(lock_fd, path, err);
		else
			rc = err_set_errno(err, errno, "%s: cannot lock", path);
		(void)close(lock_fd);
		return rc;
	}
	/* Emptied first, so that nobody is told the pid of a former holder. */
	if (ftruncate(lock_fd, 0) != 0 || pwrite(lock_fd, text, (size_t)n, 0) != n) {
		rc = err_set_errno(err, errno, "%s: cannot write the pid", path);
		(void)close(lock_fd);
		return rc;
	}
	*fd = lock_fd;
	return 0;
}
