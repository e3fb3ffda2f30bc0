/*
 * Taking over is done under a lock on the directory, so that two daemons that
 * start at the same moment do not unlink each other's fresh socket: connect()
 * tells whether someone lives behind the path, SO_PEERCRED who.
 */
#include "daemon/listener.h"

#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 511
/* A hundredth of a second each. */
#define LOCK_TRIES 200

static void address_fill(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* The configuration has refused longer ones. */
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
}

/*
 * Another daemon holds it for a moment. Anybody who can read the directory may
 * hold it for ever: the start does not depend on it.
 */
static void lock_try(int fd)
{
	static const struct timespec pause = {.tv_nsec = 10000000};

	for (int i = 0; i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		(void)nanosleep(&pause, NULL);
}

static int directory_lock(const struct listener_options *options, int *fd, struct err *err)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *slash = strrchr(options->path, '/');
	int len = slash == options->path ? 1 : (int)(slash - options->path);

	snprintf(directory, sizeof(directory), "%.*s", len, options->path);
	if (options->makes_directory &&
		file_make_dirs(directory, geteuid() == 0 ? 0755 : 0700, err) != 0)
		return err_prefix(err, "tallyd.socket");
	*fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*fd < 0) {
		(void)err_set_errno(err, errno,
			"%s, the directory of the socket, must be there and open to uid %u",
			directory, (unsigned)geteuid());
		return err->code = ERR_CONFIG;
	}
	struct stat st;
	/* /tmp is everybody's: a directory there that another made is not to be trusted. */
	if (options->makes_directory && strncmp(directory, "/tmp/", 5) == 0 &&
		(fstat(*fd, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 0077) != 0)) {
		close(*fd);
		return err_set(err, ERR_CONFIG,
			"%s: it is not ours alone (owner uid %u, mode %04o); remove it or name "
			"another with --socket",
			directory, (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
	}
	lock_try(*fd);
	return 0;
}

static int stream_socket(int *fd, struct err *err)
{
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return err_set_errno(err, errno, "cannot make a socket");
	return 0;
}

/* 0: nobody lives there and the path is free now. */
static int holder_judge(const char *path, struct err *err)
{
	struct sockaddr_un address;
	struct stat st;
	struct ucred holder = {0};
	socklen_t len = sizeof(holder);
	int fd;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : err_set_errno(err, errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFIG,
			"%s: there is something else than a socket in this place; move it away or "
			"name another path",
			path);
	if (stream_socket(&fd, err) != 0)
		return err->code;
	address_fill(&address, path);
	int rc = connect(fd, (const struct sockaddr *)&address, sizeof(address));
	int sys_errno = errno;
	if (rc == 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &holder, &len);
	close(fd);
	if (rc == 0)
		return err_set(err, ERR_BUSY,
			"%s: in use by the process with pid %ld; stop it or name another path",
			path, (long)holder.pid);
	/* A full backlog is a sign of life too. */
	if (sys_errno == EAGAIN)
		return err_set(err, ERR_BUSY, "%s: in use by a process that is very busy", path);
	if (sys_errno != ECONNREFUSED)
		return err_set_errno(err, sys_errno, "%s: cannot tell whether it is in use", path);
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set_errno(err, errno, "%s: a stale socket that cannot be removed", path);
	return 0;
}

/* Nobody can connect before owner and mode are right, because it listens last. */
static int socket_open(
	struct listener *listener, const struct listener_options *options, struct err *err)
{
	struct sockaddr_un address;
	struct stat st;

	address_fill(&address, options->path);
	if (bind(listener->fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		int sys_errno = errno;
		(void)err_set_errno(err, sys_errno, "%s: cannot bind the socket", options->path);
		return err->code = sys_errno == EACCES || sys_errno == EROFS ? ERR_CONFIG : ERR_IO;
	}
	if (stat(options->path, &st) != 0)
		return err_set_errno(err, errno, "%s", options->path);
	listener->device = st.st_dev;
	listener->inode = st.st_ino;
	const struct group *group = options->group != NULL ? getgrnam(options->group) : NULL;
	if (group != NULL && chown(options->path, (uid_t)-1, group->gr_gid) != 0 &&
		options->must_have_group) {
		(void)err_set_errno(err, errno, "%s: cannot give it to the group %s", options->path,
			options->group);
		return err->code = ERR_CONFIG;
	}
	if (chmod(options->path, (mode_t)options->mode) != 0)
		return err_set_errno(err, errno, "%s: cannot set its mode", options->path);
	if (listen(listener->fd, BACKLOG) != 0)
		return err_set_errno(err, errno, "%s: cannot listen", options->path);
	return 0;
}

int listener_open(
	struct listener *listener, const struct listener_options *options, struct err *err)
{
	int lock_fd = -1;

	*listener = LISTENER_NONE;
	if (directory_lock(options, &lock_fd, err) != 0)
		return err->code;
	int rc = holder_judge(options->path, err);
	if (rc == 0)
		rc = stream_socket(&listener->fd, err);
	if (rc == 0) {
		listener->path = mem_copy_text(options->path, strlen(options->path));
		rc = listener->path == NULL ? err_nomem(err) : socket_open(listener, options, err);
	}
	if (rc != 0)
		listener_close(listener);
	close(lock_fd);
	return rc;
}

int listener_adopt(struct listener *listener, int fd, struct err *err)
{
	int value = 0;
	socklen_t len = sizeof(value);
	struct sockaddr_storage address = {0};
	socklen_t address_len = sizeof(address);

	*listener = LISTENER_NONE;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) != 0 || value == 0 ||
		getsockname(fd, (struct sockaddr *)&address, &address_len) != 0 ||
		address.ss_family != AF_UNIX ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) != 0 || value != SOCK_STREAM) {
		close(fd);
		return err_set(err, ERR_CONFIG,
			"descriptor %d from the service manager is no listening Unix stream "
			"socket; the unit wants ListenStream= with a path",
			fd);
	}
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	listener->fd = fd;
	return 0;
}

void listener_name(int fd, char *name, size_t size)
{
	struct sockaddr_un address = {0};
	socklen_t len = sizeof(address);

	name[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		return;
	size_t n = strnlen(address.sun_path, sizeof(address.sun_path));
	if (n >= size)
		return;
	memcpy(name, address.sun_path, n);
	name[n] = '\0';
}

static void path_remove(struct listener *listener)
{
	struct stat st;

	if (listener->path != NULL && lstat(listener->path, &st) == 0 &&
		st.st_dev == listener->device && st.st_ino == listener->inode)
		(void)unlink(listener->path);
	free(listener->path);
	listener->path = NULL;
}

void listener_close(struct listener *listener)
{
	path_remove(listener);
	if (listener->fd >= 0)
		close(listener->fd);
	listener->fd = -1;
}
