/*
 * Walking: lists the directory and those below it, looks at what may be wanted
 * and meets every wanted entry. A directory that cannot be read is trouble,
 * not failure, and is remembered so that nobody in it is missed.
 */
#include "stream/source_private.h"

#include "base/mem.h"
#include "base/timestamp.h"
#include "stream/file_names.h"
#include "stream/stat_batch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void source_set_trouble(struct source *source, const char *path, int failure)
{
	char reason[128];

	if (path[0] == '\0' && (failure == ENOENT || failure == ENOTDIR)) {
		(void)snprintf(source->trouble, sizeof(source->trouble),
			"source %s: the directory %s is gone; what was counted stays, it is looked "
			"for every poll_interval (%g s)",
			source->spec->name, source->spec->path,
			(double)source->spec->poll_interval_us / US_PER_S);
		return;
	}
	(void)snprintf(source->trouble, sizeof(source->trouble),
		"source %s: cannot read %s%s%s: %s; what was counted stays, it is tried again",
		source->spec->name, source->spec->path, path[0] == '\0' ? "" : "/", path,
		strerror_r(failure, reason, sizeof(reason)));
}

/* Directories still to be read: their paths, each with a NUL. */
struct walk {
	struct source *source;
	struct look *look;
	struct buf dirs;
	size_t next;     /* offset in dirs */
	struct buf path; /* of the entry at hand */
	struct stat_batch *batch;
};

static int fail_dir(struct walk *walk, const char *path, int failure, struct err *err)
{
	source_set_trouble(walk->source, path, failure);
	/* The server has forgotten our handle, not the directory: the next look uses a new one. */
	if (failure == ESTALE)
		(void)source_open_dir(walk->source);
	buf_add(&walk->look->failed_dirs, path, strlen(path) + 1);
	return buf_ok(&walk->look->failed_dirs) ? 0 : err_nomem(err);
}

void walk_pass_over(struct source *source, const char *path, mode_t mode)
{
	note_say_once(source, path,
		S_ISLNK(mode) ? "a symbolic link, not followed"
			      : "a FIFO, socket or device, not read");
}

void walk_pass_unseen(struct source *source, const struct look *look, const char *path, int failure)
{
	size_t slot = table_find_path(source, path);

	if (failure == ENOENT)
		return;
	source_set_trouble(source, path, failure);
	if (slot != NO_SLOT && look->is_full)
		file_at(source, slot)->flags |= FLAG_SEEN;
}

static int push_dir(struct walk *walk, const char *path, struct err *err)
{
	buf_add(&walk->dirs, path, strlen(path) + 1);
	return buf_ok(&walk->dirs) ? 0 : err_nomem(err);
}

/* A directory's entries are looked at together. An entry's whole path is left in walk->path. */
static int set_path(struct walk *walk, const char *dir_path, const char *name, struct err *err)
{
	buf_clear(&walk->path);
	if (dir_path[0] != '\0')
		buf_printf(&walk->path, "%s/", dir_path);
	buf_add(&walk->path, name, strlen(name) + 1);
	return buf_ok(&walk->path) ? 0 : err_nomem(err);
}

/* What a name that was looked at is. */
static int visit(
	struct walk *walk, const char *dir_path, const struct stat_result *entry, struct err *err)
{
	const struct source_spec *spec = walk->source->spec;
	const char *path;
	int rc = set_path(walk, dir_path, entry->name, err);

	if (rc != 0)
		return rc;
	path = walk->path.data;
	if (entry->failure != 0)
		walk_pass_unseen(walk->source, walk->look, path, entry->failure);
	else if (S_ISDIR(entry->status.mode))
		return spec->recursive ? push_dir(walk, path, err) : 0;
	else if (!file_name_matches(entry->name, spec->glob))
		return 0;
	else if (S_ISREG(entry->status.mode))
		return meet_entry(walk->source, walk->look, path, &entry->status, err);
	else
		walk_pass_over(walk->source, path, entry->status.mode);
	return 0;
}

static int visit_batch(struct walk *walk, int fd, const char *dir_path, struct err *err)
{
	size_t i;
	int rc = 0;

	if (walk->source->pulse != NULL)
		atomic_fetch_add_explicit(walk->source->pulse, 1, memory_order_relaxed);
	stat_batch_run(walk->batch, fd);
	for (i = 0; i < stat_batch_n(walk->batch) && rc == 0; i++)
		rc = visit(walk, dir_path, stat_batch_result(walk->batch, i), err);
	stat_batch_clear(walk->batch);
	return rc;
}

static int look_at_name(
	struct walk *walk, int fd, const char *dir_path, const char *name, struct err *err)
{
	if (!stat_batch_add(walk->batch, name))
		return err_nomem(err);
	return stat_batch_is_full(walk->batch) ? visit_batch(walk, fd, dir_path, err) : 0;
}

/* What was being deleted when the daemon was killed is looked at under its own name. */
static int take_back(
	struct walk *walk, int fd, const char *dir_path, const char *name, struct err *err)
{
	const char *own = NULL;
	const char *slash;
	int rc = set_path(walk, dir_path, name, err);

	if (rc == 0)
		own = clean_undo(walk->source, walk->path.data);
	if (own == NULL)
		return rc;
	slash = strrchr(own, '/');
	return look_at_name(walk, fd, dir_path, slash == NULL ? own : slash + 1, err);
}

/* A listed name: directories are remembered, what may be wanted is looked at with others. */
static int take_entry(struct walk *walk, int fd, const char *dir_path, const struct dirent *entry,
	struct err *err)
{
	const struct source_spec *spec = walk->source->spec;
	int rc;

	/* At a start; in a run whoever deletes is this thread. */
	if (walk->source->is_matching && clean_is_deleted_name(entry->d_name))
		return take_back(walk, fd, dir_path, entry->d_name, err);
	if (file_name_is_ignored(entry->d_name))
		return 0;
	if (entry->d_type == DT_DIR) {
		rc = spec->recursive ? set_path(walk, dir_path, entry->d_name, err) : 0;
		return rc == 0 && spec->recursive ? push_dir(walk, walk->path.data, err) : rc;
	}
	if (entry->d_type != DT_UNKNOWN && !file_name_matches(entry->d_name, spec->glob))
		return 0;
	return look_at_name(walk, fd, dir_path, entry->d_name, err);
}

/* Reads one directory; `dir_path` is "" or ends in no slash. */
static int read_dir(struct walk *walk, DIR *dir, const char *dir_path, struct err *err)
{
	const struct dirent *entry;
	int failure = 0;
	int rc = 0;

	while (rc == 0) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			failure = errno;
			break;
		}
		rc = take_entry(walk, dirfd(dir), dir_path, entry, err);
	}
	if (rc == 0)
		rc = visit_batch(walk, dirfd(dir), dir_path, err);
	if (rc == 0 && failure != 0)
		rc = fail_dir(walk, dir_path, failure, err);
	return rc;
}

static int walk_dir(struct walk *walk, const char *dir_path, struct err *err)
{
	int fd = open_below_dir(walk->source->dir_fd, dir_path);
	DIR *dir;
	int rc;

	/* A directory that went, or became a link, between the listing and now has no files. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return dir_path[0] == '\0' ? fail_dir(walk, dir_path, -fd, err) : 0;
	if (fd < 0)
		return fail_dir(walk, dir_path, -fd, err);
	dir = fdopendir(fd);
	if (dir == NULL) {
		(void)close(fd);
		return err_nomem(err);
	}
	rc = read_dir(walk, dir, dir_path, err);
	(void)closedir(dir);
	return rc;
}

int walk_below(struct source *source, struct look *look, const char *dir_path, struct err *err)
{
	struct walk walk = {.source = source, .look = look};
	char *path;
	int rc = push_dir(&walk, dir_path, err);

	walk.batch = stat_batch_new();
	if (rc == 0 && walk.batch == NULL)
		rc = err_nomem(err);
	while (rc == 0 && walk.next < walk.dirs.len) {
		/* The array of paths moves as it grows. */
		path = mem_copy_text(
			walk.dirs.data + walk.next, strlen(walk.dirs.data + walk.next));
		if (path == NULL) {
			rc = err_nomem(err);
			break;
		}
		walk.next += strlen(path) + 1;
		rc = walk_dir(&walk, path, err);
		free(path);
	}
	stat_batch_free(walk.batch);
	buf_fini(&walk.dirs);
	buf_fini(&walk.path);
	return rc;
}
