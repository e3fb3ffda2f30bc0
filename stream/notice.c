/*
 * inotify. A watch is set before its directory is listed, so that what appears
 * in between is either listed or told. A directory that is moved away loses
 * its watches and gets new ones where it turns up; whatever cannot be told
 * name by name is told as "anything".
 */
#include "stream/notice.h"

#include "base/buf.h"
#include "base/mem.h"
#include "stream/file_names.h"
#include "stream/notice_watches.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES      (64 * 1024)
#define READS_A_CALL    4
#define REPAIRS_SKIPPED 32
#define WATCHED_EVENTS                                                                             \
	(IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE |        \
		IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_EXCL_UNLINK)

struct notice {
	char *path;
	bool recursive;
	struct notice_sink sink;
	int fd; /* -1: none */
	struct watches watches;
	dev_t device; /* of the watched root */
	ino_t inode;
	unsigned n_repairs;           /* asked for since directories below could not be watched */
	bool is_rooted;               /* the root is watched */
	bool has_no_directory;        /* why there is trouble */
	char trouble[ERR_TEXT_BYTES]; /* "": none */
};

static void tell(struct notice *notice, const char *path)
{
	notice->sink.on_change(notice->sink.context, path);
}

static void set_trouble(struct notice *notice, const char *path, int failure)
{
	char text[128];
	const char *reason = strerror_r(failure, text, sizeof(text));

	if (failure == ENOSPC)
		reason = "no inotify watch is left (sysctl fs.inotify.max_user_watches)";
	else if (failure == EMFILE && path == NULL)
		reason = "no inotify instance is left (sysctl fs.inotify.max_user_instances)";
	(void)snprintf(notice->trouble, sizeof(notice->trouble), "no kernel notices for %s%s%s: %s",
		notice->path, path == NULL || path[0] == '\0' ? "" : "/", path == NULL ? "" : path,
		reason);
	notice->has_no_directory = path != NULL && path[0] == '\0' &&
				   (failure == ENOENT || failure == ENOTDIR || failure == EACCES);
}

/* root/path, to be freed with the buffer. */
static const char *whole_path(const struct notice *notice, const char *path, struct buf *buf)
{
	buf_clear(buf);
	buf_add_text(buf, notice->path);
	if (path[0] != '\0')
		buf_printf(buf, "/%s", path);
	buf_add_char(buf, '\0');
	return buf_ok(buf) ? buf->data : NULL;
}

/* Sets one watch. A directory that went meanwhile is no trouble, unless it is the root. */
static bool watch_one(struct notice *notice, const char *path)
{
	struct buf buf = {0};
	const char *whole = whole_path(notice, path, &buf);
	uint32_t mask = WATCHED_EVENTS | (path[0] == '\0' ? 0 : IN_DONT_FOLLOW);
	int failure = ENOMEM;
	int wd = -1;

	if (whole != NULL) {
		wd = inotify_add_watch(notice->fd, whole, mask);
		failure = wd < 0 ? errno : 0;
	}
	buf_fini(&buf);
	if (wd >= 0 && !watches_set(&notice->watches, wd, path)) {
		(void)inotify_rm_watch(notice->fd, wd);
		failure = ENOMEM;
	}
	if (failure == 0)
		return true;
	if (path[0] == '\0' || (failure != ENOENT && failure != ENOTDIR && failure != ELOOP))
		set_trouble(notice, path, failure);
	return false;
}

static bool is_dir(int dir_fd, const struct dirent *entry)
{
	struct stat status;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dir_fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(status.st_mode);
}

/* Adds the directories right below `path` to `dirs`, each with a NUL. */
static void list_dirs(struct notice *notice, const char *path, struct buf *dirs)
{
	struct buf buf = {0};
	const char *whole = whole_path(notice, path, &buf);
	DIR *dir = whole == NULL ? NULL : opendir(whole);
	const struct dirent *entry;

	if (dir == NULL && errno != ENOENT && errno != ENOTDIR)
		set_trouble(notice, path, whole == NULL ? ENOMEM : errno);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (file_name_is_ignored(entry->d_name) || !is_dir(dirfd(dir), entry))
			continue;
		buf_printf(dirs, "%s%s%s", path, path[0] == '\0' ? "" : "/", entry->d_name);
		buf_add_char(dirs, '\0');
	}
	if (dir != NULL)
		(void)closedir(dir);
	buf_fini(&buf);
}

/* Watches `path` and, if recursive, everything below it. */
static void watch_below(struct notice *notice, const char *path)
{
	struct buf dirs = {0};
	char *dir;
	size_t next = 0;

	buf_add(&dirs, path, strlen(path) + 1);
	while (buf_ok(&dirs) && next < dirs.len) {
		/* The array of paths moves as it grows. */
		dir = mem_copy_text(dirs.data + next, strlen(dirs.data + next));
		if (dir == NULL)
			break;
		next += strlen(dir) + 1;
		if (watch_one(notice, dir) && notice->recursive)
			list_dirs(notice, dir, &dirs);
		free(dir);
	}
	if (!buf_ok(&dirs) || next < dirs.len)
		set_trouble(notice, path, ENOMEM);
	buf_fini(&dirs);
}

static void unwatch_below(struct notice *notice, const char *path)
{
	int wd;

	while ((wd = watches_find_below(&notice->watches, path)) >= 0) {
		(void)inotify_rm_watch(notice->fd, wd);
		watches_drop(&notice->watches, wd);
	}
}

/* From nothing to a watched root, as far as it goes. */
static void start(struct notice *notice)
{
	struct stat status;

	notice->trouble[0] = '\0';
	if (notice->fd < 0) {
		notice->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		if (notice->fd < 0) {
			set_trouble(notice, NULL, errno);
			return;
		}
	}
	if (stat(notice->path, &status) != 0) {
		set_trouble(notice, "", errno);
		return;
	}
	notice->device = status.st_dev;
	notice->inode = status.st_ino;
	watch_below(notice, "");
	notice->is_rooted = watches_find_below(&notice->watches, "") >= 0;
}

int notice_open(struct notice **notice, const char *path, bool recursive, struct err *err)
{
	struct notice *new = calloc(1, sizeof(*new));

	if (new == NULL)
		return err_nomem(err);
	new->fd = -1;
	new->recursive = recursive;
	new->path = mem_copy_text(path, strlen(path));
	if (new->path == NULL) {
		notice_close(new);
		return err_nomem(err);
	}
	start(new);
	*notice = new;
	return 0;
}

void notice_set_sink(struct notice *notice, const struct notice_sink *sink)
{
	notice->sink = *sink;
}

void notice_close(struct notice *notice)
{
	if (notice == NULL)
		return;
	if (notice->fd >= 0)
		(void)close(notice->fd);
	watches_fini(&notice->watches);
	free(notice->path);
	free(notice);
}

int notice_fd(const struct notice *notice)
{
	return notice->fd;
}

const char *notice_trouble(const struct notice *notice)
{
	return notice->trouble[0] == '\0' ? NULL : notice->trouble;
}

bool notice_has_no_directory(const struct notice *notice)
{
	return notice->trouble[0] != '\0' && notice->has_no_directory;
}

static void lose_root(struct notice *notice, int failure)
{
	unwatch_below(notice, "");
	notice->is_rooted = false;
	set_trouble(notice, "", failure);
}

void notice_repair(struct notice *notice)
{
	struct stat status;

	if (notice->is_rooted &&
		(stat(notice->path, &status) != 0 || status.st_dev != notice->device ||
			status.st_ino != notice->inode))
		lose_root(notice, ENOENT);
	if (notice->trouble[0] == '\0')
		return;
	/* With the root watched, trying again means listing everything below. */
	if (notice->is_rooted && ++notice->n_repairs % REPAIRS_SKIPPED != 0)
		return;
	start(notice);
	/* What changed while nobody watched is not told by name. */
	if (notice->trouble[0] == '\0')
		tell(notice, NULL);
}

/* A directory appeared or went, in a recursive watch. */
static void on_dir_event(struct notice *notice, const struct inotify_event *event, const char *path)
{
	if ((event->mask & (IN_CREATE | IN_MOVED_TO)) != 0) {
		watch_below(notice, path);
		tell(notice, path);
	} else if ((event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
		unwatch_below(notice, path);
		tell(notice, NULL);
	} else if ((event->mask & IN_ATTRIB) != 0) {
		/* It may have become readable. */
		watch_below(notice, path);
		tell(notice, path);
	}
}

/* Something happened to a watched directory itself. */
static void on_self_event(struct notice *notice, const struct inotify_event *event, bool is_root)
{
	if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) == 0) {
		if ((event->mask & IN_ATTRIB) != 0)
			tell(notice, NULL);
		return;
	}
	if (is_root) {
		lose_root(notice, ENOENT);
		tell(notice, NULL);
	} else if ((event->mask & IN_IGNORED) != 0) {
		watches_drop(&notice->watches, event->wd);
	}
}

static void on_event(struct notice *notice, const struct inotify_event *event)
{
	char path[PATH_MAX + NAME_MAX + 2];
	const char *dir = watches_path(&notice->watches, event->wd);

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		tell(notice, NULL);
		return;
	}
	/* A watch that was given up may still have events in the queue. */
	if (dir == NULL)
		return;
	if (event->len == 0) {
		on_self_event(notice, event, dir[0] == '\0');
		return;
	}
	(void)snprintf(path, sizeof(path), "%s%s%s", dir, dir[0] == '\0' ? "" : "/", event->name);
	if ((event->mask & IN_ISDIR) == 0)
		tell(notice, path);
	else if (notice->recursive && !file_name_is_ignored(event->name))
		on_dir_event(notice, event, path);
}

void notice_read(struct notice *notice)
{
	union {
		struct inotify_event event; /* for its alignment */
		char bytes[READ_BYTES];
	} data;
	const struct inotify_event *event;
	ssize_t n;
	ssize_t at;
	int i;

	for (i = 0; i < READS_A_CALL && notice->fd >= 0; i++) {
		n = read(notice->fd, &data, sizeof(data));
		if (n <= 0)
			return;
		for (at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(data.bytes + at);
			on_event(notice, event);
		}
	}
}
