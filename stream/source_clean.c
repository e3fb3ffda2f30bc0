/*
 * What becomes of a file that is done: archived or deleted.
 *
 * The caller answers for the checkpoint; this looks once more whether the file
 * is still the one that was read, before and after it has been taken out of the
 * way, and never overwrites anything: an archive that has the name already gets
 * it with a number behind. A writer that keeps the file open beyond this loses
 * what it writes.
 */
#include "stream/source_private.h"

#include "base/fault.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SUFFIX     10000
#define DELETED_PREFIX ".tallyd-delete-"

/* True when `path` is `dir` or below it; both absolute, without links. */
static bool is_inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	if (n > 0 && dir[n - 1] == '/')
		n--;
	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The path with its existing part resolved, to be freed; NULL: errno says why. */
static char *resolve(const char *path)
{
	char *copy = strdup(path);
	char *real = copy == NULL ? NULL : realpath(copy, NULL);
	struct buf buf = {0};
	char *slash;

	/* What does not exist yet is made later; the directories above it decide where. */
	while (copy != NULL && real == NULL && errno == ENOENT) {
		slash = strrchr(copy, '/');
		if (slash == NULL || slash == copy)
			break;
		*slash = '\0';
		real = realpath(copy, NULL);
	}
	if (real != NULL) {
		buf_add_text(&buf, real);
		buf_add_text(&buf, path + strlen(copy));
		buf_add_char(&buf, '\0');
	}
	free(real);
	free(copy);
	if (!buf_ok(&buf))
		buf_fini(&buf);
	return buf.data;
}

int clean_check(const struct source *source, struct err *err)
{
	const struct source_spec *spec = source->spec;
	struct stat status;
	char *archive;
	char *events;
	int rc = 0;

	if (spec->clean_source != CLEAN_SOURCE_ARCHIVE)
		return 0;
	if (spec->archive_dir == NULL || spec->archive_dir[0] == '\0')
		return err_set(err, ERR_CONFIG,
			"source %s: clean_source = archive needs archive_dir", spec->name);
	archive = resolve(spec->archive_dir);
	events = resolve(spec->path);
	if (archive != NULL && events != NULL && is_inside(archive, events))
		rc = err_set(err, ERR_CONFIG,
			"source %s: archive_dir %s is inside the source's directory %s, "
			"where its files would be read again",
			spec->name, spec->archive_dir, spec->path);
	else if (stat(spec->archive_dir, &status) == 0 && status.st_dev != source->dir_device)
		rc = err_set(err, ERR_CONFIG,
			"source %s: archive_dir %s is on another file system than %s; files are "
			"archived by renaming them, so it has to be on the same one",
			spec->name, spec->archive_dir, spec->path);
	free(archive);
	free(events);
	return rc;
}

/* Is the entry the file as it was read? */
static bool is_as_read(int dir_fd, const char *path, const struct file *file)
{
	struct entry_status status;

	return entry_stat(dir_fd, path, &status) == 0 && S_ISREG(status.mode) &&
	       identity_is_at(&file->identity, &status) && status.size == file->size &&
	       status.mtime_ns == file->mtime_ns;
}

/* Where the file system knows no renaming without overwriting: a link does not overwrite either. */
static int link_new(int from_fd, const char *from, int to_fd, const char *to)
{
	int failure;

	if (linkat(from_fd, from, to_fd, to, 0) != 0)
		return errno;
	if (unlinkat(from_fd, from, 0) == 0)
		return 0;
	failure = errno;
	(void)unlinkat(to_fd, to, 0);
	return failure;
}

/* Renames without overwriting. 0 or an errno. */
static int rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
	struct entry_status status;
	int failure;

	if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	failure = link_new(from_fd, from, to_fd, to);
	if (failure != EPERM && failure != EOPNOTSUPP && failure != ENOSYS)
		return failure;
	/* Nor links, or none to files of others: looking first is the best that there is. */
	failure = entry_stat(to_fd, to, &status);
	if (failure != ENOENT)
		return failure == 0 ? EEXIST : failure;
	return renameat(from_fd, from, to_fd, to) == 0 ? 0 : errno;
}

/* Where a file is taken to, below dir_fd or absolute, and for what. */
struct away {
	const char *deed;
	int dir_fd;
	struct buf path; /* with a NUL */
};

/* Under the name that `away` has, or, where that is taken, with a number behind it. */
static int rename_away(const struct source *source, const struct file *file, struct away *away)
{
	size_t bare_len = away->path.len - 1;
	int fault = fault_hit("clean-rename");
	int failure = EEXIST;

	if (fault > 0)
		return fault;
	for (int suffix = 0; failure == EEXIST && suffix <= MAX_SUFFIX; suffix++) {
		away->path.len = bare_len;
		if (suffix > 0)
			buf_printf(&away->path, ".%d", suffix);
		buf_add_char(&away->path, '\0');
		if (!buf_ok(&away->path))
			return ENOMEM;
		failure = rename_new(source->dir_fd, file->path, away->dir_fd, away->path.data);
	}
	return failure;
}

static int put_back(const struct source *source, const struct file *file, const struct away *away,
	struct err *err)
{
	int failure = rename_new(away->dir_fd, away->path.data, source->dir_fd, file->path);

	return failure == 0 ? 0
			    : err_set_errno(err, failure, "cannot move %s back to %s",
				      away->path.data, file->path);
}

/*
 * Files arrive by renaming, so between a look and a deed the name may have become another file's.
 * What was taken away is looked at where nobody expects it, and put back if it is not what was
 * read. 1: it was; 0: it is back.
 */
static int take_away(
	const struct source *source, const struct file *file, struct away *away, struct err *err)
{
	int failure = rename_away(source, file, away);

	if (failure != 0)
		return err_set_errno(err, failure, "cannot %s %s: moving it to %s", away->deed,
			file->path, away->path.data);
	if (is_as_read(away->dir_fd, away->path.data, file))
		return 1;
	return put_back(source, file, away, err);
}

static int archive_file(const struct source *source, const struct file *file, struct err *err)
{
	struct away away = {.deed = "archive", .dir_fd = AT_FDCWD};
	char *slash;
	int rc;

	buf_printf(&away.path, "%s/%s", source->spec->archive_dir, file->path);
	buf_add_char(&away.path, '\0');
	if (!buf_ok(&away.path)) {
		buf_fini(&away.path);
		return err_nomem(err);
	}
	slash = strrchr(away.path.data, '/');
	*slash = '\0';
	rc = file_make_dirs(away.path.data, 0777, err);
	*slash = '/';
	if (rc == 0)
		rc = take_away(source, file, &away, err);
	if (rc < 0 && err->sys_errno == EXDEV)
		rc = err_set(err, ERR_IO,
			"cannot archive %s: archive_dir %s is on another file system; it has to "
			"be on the source's own",
			file->path, source->spec->archive_dir);
	buf_fini(&away.path);
	return rc;
}

/* 0 or an errno. */
static int unlink_away(const struct away *away)
{
	int fault = fault_hit("clean-unlink");

	if (fault > 0)
		return fault;
	return unlinkat(away->dir_fd, away->path.data, 0) == 0 ? 0 : errno;
}

/* Under a name beside its own that no source reads; see clean_undo(). */
static int delete_file(const struct source *source, const struct file *file, struct err *err)
{
	const char *slash = strrchr(file->path, '/');
	int dir_len = slash == NULL ? 0 : (int)(slash + 1 - file->path);
	struct away away = {.deed = "delete", .dir_fd = source->dir_fd};
	int failure;
	int rc;

	buf_printf(
		&away.path, "%.*s" DELETED_PREFIX "%lld", dir_len, file->path, (long long)file->id);
	buf_add_char(&away.path, '\0');
	rc = buf_ok(&away.path) ? take_away(source, file, &away, err) : err_nomem(err);
	failure = rc == 1 ? unlink_away(&away) : 0;
	if (failure != 0) {
		rc = put_back(source, file, &away, err);
		if (rc == 0)
			rc = err_set_errno(err, failure, "cannot delete %s", file->path);
	}
	buf_fini(&away.path);
	return rc;
}

/* The remembered file that `path`, a name for deleting, was given to; NULL: it is another one. */
static const struct file *find_deleted(const struct source *source, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t dir_len = slash == NULL ? 0 : (size_t)(slash + 1 - path);
	size_t slot =
		source_find_id(source, strtoll(path + dir_len + strlen(DELETED_PREFIX), NULL, 10));
	const struct file *file = slot == NO_SLOT ? NULL : file_at(source, slot);
	struct entry_status status;

	if (file == NULL || file_is_gone(file) || strncmp(file->path, path, dir_len) != 0 ||
		strchr(file->path + dir_len, '/') != NULL ||
		entry_stat(source->dir_fd, path, &status) != 0 || !S_ISREG(status.mode) ||
		file->identity.inode != status.inode || file->identity.birth_ns != status.birth_ns)
		return NULL;
	return file;
}

bool clean_is_deleted_name(const char *name)
{
	return strncmp(name, DELETED_PREFIX, strlen(DELETED_PREFIX)) == 0;
}

const char *clean_undo(struct source *source, const char *path)
{
	const struct file *file = find_deleted(source, path);

	if (file == NULL || rename_new(source->dir_fd, path, source->dir_fd, file->path) != 0) {
		note_say_once(source, path,
			"left by a deletion that was broken off, and not read under this name");
		return NULL;
	}
	note_say(source, "%s: its deletion was broken off, it has its name again", file->path);
	return file->path;
}

int source_clean(struct source *source, size_t slot, struct err *err)
{
	struct file *file = file_at(source, slot);
	const enum clean_source how = source->spec->clean_source;
	int rc;

	if (how == CLEAN_SOURCE_OFF || file->state != FILE_DONE ||
		(file->flags & (FLAG_DISPLACED | FLAG_UNCONFIRMED)) != 0 ||
		!is_as_read(source->dir_fd, file->path, file))
		return 0;
	rc = how == CLEAN_SOURCE_ARCHIVE ? archive_file(source, file, err)
					 : delete_file(source, file, err);
	if (rc < 0)
		return err_prefix(err, "source %s", source->spec->name);
	if (rc == 1)
		table_mark_gone(source, slot,
			how == CLEAN_SOURCE_ARCHIVE ? FILE_ARCHIVED : FILE_DELETED, NULL);
	return rc;
}
