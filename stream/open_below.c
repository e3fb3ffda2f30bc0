/*
 * One component opens with O_NOFOLLOW. A longer path could pass through a
 * directory that was replaced by a symbolic link, which only openat2 refuses;
 * where the kernel or a sandbox has no openat2, O_NOFOLLOW guards the last one.
 */
#include "stream/open_below.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int64_t to_ns(const struct statx_timestamp *time)
{
	int64_t ns;

	/* Times past the years 1677 and 2262 are possible, and all alike to us. */
	if (__builtin_mul_overflow((int64_t)time->tv_sec, (int64_t)1000000000, &ns) ||
		__builtin_add_overflow(ns, (int64_t)time->tv_nsec, &ns))
		return time->tv_sec < 0 ? INT64_MIN : INT64_MAX;
	return ns;
}

int entry_stat(int dir_fd, const char *path, struct entry_status *status)
{
	const unsigned mask = STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_INO | STATX_SIZE |
			      STATX_MTIME | STATX_CTIME | STATX_BTIME;
	struct statx buf;

	while (statx(dir_fd, path, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH, mask,
		       &buf) != 0) {
		if (errno != EINTR)
			return errno;
	}
	status->inode = buf.stx_ino;
	status->birth_ns = (buf.stx_mask & STATX_BTIME) != 0 ? to_ns(&buf.stx_btime) : 0;
	status->size = (int64_t)buf.stx_size;
	status->mtime_ns = to_ns(&buf.stx_mtime);
	status->ctime_ns = to_ns(&buf.stx_ctime);
	status->device = (uint32_t)makedev(buf.stx_dev_major, buf.stx_dev_minor);
	status->n_links = buf.stx_nlink;
	status->mode = buf.stx_mode;
	return 0;
}

/* A descriptor or a negative errno. */
static int open_safely(int dir_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned long long)(flags | O_NOFOLLOW | O_CLOEXEC),
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	do {
		fd = -1;
		errno = ENOSYS;
		if (strchr(path, '/') != NULL)
			fd = (int)syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
		if (fd < 0 && (errno == ENOSYS || errno == EPERM))
			fd = openat(dir_fd, path, flags | O_NOFOLLOW | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

int open_below_dir(int dir_fd, const char *path)
{
	return open_safely(dir_fd, path[0] == '\0' ? "." : path, O_RDONLY | O_DIRECTORY);
}

int open_below(int dir_fd, const char *path, struct entry_status *status, struct err *err)
{
	/* O_NONBLOCK keeps a FIFO that took a file's place from holding us up; regular files do not
	 * heed it. */
	int fd = open_safely(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	int failure;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return err_set(err, ERR_MISSING, "%s: is gone", path);
	if (fd == -ELOOP || fd == -ENXIO || fd == -ENODEV)
		return err_set(err, ERR_INVALID, "%s: is no regular file", path);
	if (fd < 0)
		return err_set_errno(err, -fd, "cannot open %s", path);
	failure = entry_stat(fd, "", status);
	if (failure != 0) {
		(void)close(fd);
		return err_set_errno(err, failure, "cannot look at %s", path);
	}
	if (!S_ISREG(status->mode)) {
		(void)close(fd);
		return err_set(err, ERR_INVALID, "%s: is no regular file", path);
	}
	return fd;
}

bool open_lacks_room(const struct err *err)
{
	return err->code == ERR_NOMEM || err->sys_errno == EMFILE || err->sys_errno == ENFILE;
}
