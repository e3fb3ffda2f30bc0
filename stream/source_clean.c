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

#define MAX_SUFFIX      10000
#define DELETED_PREFIX  ".tallyd-delete-"
#define ARCHIVED_PREFIX ".tallyd-archive-"

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

/* To the name that `away` has, or, where that is taken, with a number behind it. */
static int rename_away(int from_fd, const char *from, struct away *away)
{
	size_t bare_len = away->path.len - 1;
	int failure = EEXIST;

	for (int suffix = 0; failure == EEXIST && suffix <= MAX_SUFFIX; suffix++) {
		away->path.len = bare_len;
		if (suffix > 0)
			buf_printf(&away->path, ".%d", suffix);
		buf_add_char(&away->path, '\0');
		if (!buf_ok(&away->path))
			return ENOMEM;
		failure = rename_new(from_fd, from, away->dir_fd, away->path.data);
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
	int failure = fault_hit("clean-rename");

	if (failure <= 0)
		failure = rename_away(source->dir_fd, file->path, away);
	if (failure != 0)
		return err_set_errno(err, failure, "cannot %s %s: moving it to %s", away->deed,
			file->path, away->path.data);
	if (is_as_read(away->dir_fd, away->path.data, file))
		return 1;
	return put_back(source, file, away, err);
}

/*
 * archive_dir/PATH, or PATH's hidden name in the same directory, which several sources may share.
 * False: no memory.
 */
static bool set_archive_path(
	const struct source *source, const struct file *file, bool is_hidden, struct buf *path)
{
	const char *slash = strrchr(file->path, '/');
	int dir_len = slash == NULL ? 0 : (int)(slash + 1 - file->path);

	buf_clear(path);
	buf_printf(path, "%s/%.*s", source->spec->archive_dir, dir_len, file->path);
	if (is_hidden)
		buf_printf(
			path, ARCHIVED_PREFIX "%s-%lld", source->spec->name, (long long)file->id);
	else
		buf_add_text(path, file->path + dir_len);
	buf_add_char(path, '\0');
	return buf_ok(path);
}

/* It is what was read, and gets the name it is looked for by. */
static int name_archived(const struct source *source, const struct file *file,
	const struct away *hidden, struct err *err)
{
	struct away away = {.dir_fd = AT_FDCWD};
	int failure = fault_hit("clean-archive");
	int rc = 1;

	if (failure <= 0)
		failure = set_archive_path(source, file, false, &away.path)
				  ? rename_away(AT_FDCWD, hidden->path.data, &away)
				  : ENOMEM;
	if (failure != 0) {
		rc = put_back(source, file, hidden, err);
		if (rc == 0)
			rc = err_set_errno(err, failure, "cannot archive %s: moving it to %s",
				file->path, away.path.data != NULL ? away.path.data : "its name");
	}
	buf_fini(&away.path);
	return rc;
}

/* By a hidden name in the archive; see clean_undo_archived(). */
static int archive_file(const struct source *source, const struct file *file, struct err *err)
{
	struct away away = {.deed = "archive", .dir_fd = AT_FDCWD};
	char *slash;
	int rc;

	if (!set_archive_path(source, file, true, &away.path)) {
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
	if (rc == 1)
		rc = name_archived(source, file, &away, err);
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

	buf_printf(&away.path, "%.*s" DELETED_PREFIX "%s-%lld", dir_len, file->path,
		source->spec->name, (long long)file->id);
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

/*
 * The remembered file that was called what `path`, a name for deleting, says; NULL: there is none.
 * What this source has taken away is that file, or one that took its place at the last moment.
 * Others may read the same directory, and count their files as they like: what bears another name,
 * or none as it used to, has to be the file itself.
 */
static const struct file *find_deleted(const struct source *source, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t dir_len = slash == NULL ? 0 : (size_t)(slash + 1 - path);
	const char *by = path + dir_len + strlen(DELETED_PREFIX);
	const char *dash = strchr(by, '-');
	size_t by_len = dash == NULL ? 0 : (size_t)(dash - by);
	bool is_own =
		by_len == strlen(source->spec->name) && memcmp(by, source->spec->name, by_len) == 0;
	size_t slot = source_find_id(source, strtoll(dash == NULL ? by : dash + 1, NULL, 10));
	const struct file *file = slot == NO_SLOT ? NULL : file_at(source, slot);
	struct entry_status status;

	if (file == NULL || file_is_gone(file) || strncmp(file->path, path, dir_len) != 0 ||
		strchr(file->path + dir_len, '/') != NULL ||
		entry_stat(source->dir_fd, path, &status) != 0 || !S_ISREG(status.mode))
		return NULL;
	return is_own || (file->identity.inode == status.inode &&
				 file->identity.birth_ns == status.birth_ns)
		       ? file
		       : NULL;
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

bool clean_undo_archived(struct source *source, size_t slot)
{
	const struct file *file = file_at(source, slot);
	struct entry_status status;
	struct buf path = {0};
	bool is_left;
	bool is_back;

	if (source->spec->clean_source != CLEAN_SOURCE_ARCHIVE || file->state != FILE_DONE)
		return false;
	is_left = set_archive_path(source, file, true, &path) &&
		  entry_stat(AT_FDCWD, path.data, &status) == 0 && S_ISREG(status.mode);
	is_back = is_left && rename_new(AT_FDCWD, path.data, source->dir_fd, file->path) == 0;
	if (is_back)
		note_say(source, "%s: its archiving was broken off, it has its name again",
			file->path);
	else if (is_left)
		note_say_once(source, path.data,
			"left by an archiving that was broken off, and not read under this name");
	buf_fini(&path);
	return is_back;
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
