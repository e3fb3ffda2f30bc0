/*
 * What becomes of a file that is done: archived or deleted.
 *
 * The caller answers for the checkpoint; this looks once more whether the file
 * is still the one that was read, and never overwrites anything: an archive
 * that has the name already gets it with a number behind. A writer that keeps
 * the file open beyond this loses what it writes.
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

#define MAX_SUFFIX 10000

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

/* Is the entry still the file as it was read? */
static bool is_as_read(const struct source *source, const struct file *file)
{
	struct entry_status status;

	return entry_stat(source->dir_fd, file->path, &status) == 0 && S_ISREG(status.mode) &&
	       identity_is_at(&file->identity, &status) && status.size == file->size &&
	       status.mtime_ns == file->mtime_ns;
}

/* Renames without overwriting. 0 or an errno. */
static int rename_new(int dir_fd, const char *from, const char *to)
{
	int fault = fault_hit("clean-rename");

	if (fault > 0)
		return fault;
	if (renameat2(dir_fd, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return errno;
	/* The file system knows no such rename; a link does not overwrite either. */
	if (linkat(dir_fd, from, AT_FDCWD, to, 0) != 0)
		return errno;
	return unlinkat(dir_fd, from, 0) == 0 ? 0 : errno;
}

static int archive_file(const struct source *source, const struct file *file, struct err *err)
{
	struct buf to = {0};
	size_t bare_len;
	char *slash;
	int failure = 0;
	int suffix;
	int rc;

	buf_printf(&to, "%s/%s", source->spec->archive_dir, file->path);
	buf_reserve(&to, 16);
	if (!buf_ok(&to))
		return err_nomem(err);
	bare_len = to.len;
	to.data[bare_len] = '\0';
	slash = strrchr(to.data, '/');
	*slash = '\0';
	rc = file_make_dirs(to.data, 0777, err);
	*slash = '/';
	for (suffix = 0; rc == 0 && suffix <= MAX_SUFFIX; suffix++) {
		if (suffix > 0)
			(void)snprintf(to.data + bare_len, 16, ".%d", suffix);
		failure = rename_new(source->dir_fd, file->path, to.data);
		if (failure != EEXIST)
			break;
	}
	if (rc == 0 && failure == EXDEV)
		rc = err_set(err, ERR_IO,
			"cannot archive %s: archive_dir %s is on another file system; it has to "
			"be on the source's own",
			file->path, source->spec->archive_dir);
	else if (rc == 0 && failure != 0)
		rc = err_set_errno(err, failure, "cannot archive %s as %s", file->path, to.data);
	buf_fini(&to);
	return rc;
}

/* 0 or an errno. */
static int delete_file(const struct source *source, const struct file *file)
{
	int fault = fault_hit("clean-unlink");

	if (fault > 0)
		return fault;
	return unlinkat(source->dir_fd, file->path, 0) == 0 ? 0 : errno;
}

int source_clean(struct source *source, size_t slot, struct err *err)
{
	struct file *file = file_at(source, slot);
	const enum clean_source how = source->spec->clean_source;
	int failure = 0;
	int rc = 0;

	if (how == CLEAN_SOURCE_OFF || file->state != FILE_DONE ||
		(file->flags & (FLAG_DISPLACED | FLAG_UNCONFIRMED)) != 0 ||
		!is_as_read(source, file))
		return 0;
	if (how == CLEAN_SOURCE_ARCHIVE)
		rc = archive_file(source, file, err);
	else
		failure = delete_file(source, file);
	if (failure != 0)
		rc = err_set_errno(err, failure, "cannot delete %s", file->path);
	if (rc != 0)
		return err_prefix(err, "source %s", source->spec->name);
	table_mark_gone(
		source, slot, how == CLEAN_SOURCE_ARCHIVE ? FILE_ARCHIVED : FILE_DELETED, NULL);
	return 1;
}
