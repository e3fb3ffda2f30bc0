/*
 * Renames and syncs, in the order that survives a crash between any two of
 * them. A WAL must never stand beside a database that it does not belong to:
 * SQLite would replay it. So before a new file gets its name, the old WAL goes,
 * and from the moment the old WAL may go, the new file stands complete as
 * checkpoint.next, which the next start completes.
 */
#include "sql/checkpoint_dir.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "sql/checkpoint_vfs.h"
#include "sql/collation.h"
#include "sql/db.h"
#include "sql/schema.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `tlly`; says in the file's header whose it is. */
#define APPLICATION_ID 0x746c6c79

bool checkpoint_dir_init(struct checkpoint_dir *dir, const char *path)
{
	struct buf buf = {0};

	*dir = (struct checkpoint_dir){.dir = mem_copy_text(path, strlen(path))};
	if (dir->dir == NULL || checkpoint_dir_path(dir, &buf, "checkpoint") == NULL) {
		checkpoint_dir_fini(dir);
		return false;
	}
	dir->path = buf.data;
	return true;
}

void checkpoint_dir_fini(struct checkpoint_dir *dir)
{
	free(dir->dir);
	free(dir->path);
	*dir = (struct checkpoint_dir){0};
}

const char *checkpoint_dir_path(const struct checkpoint_dir *dir, struct buf *buf, const char *name)
{
	buf_clear(buf);
	buf_printf(buf, "%s/%s", dir->dir, name);
	buf_add_char(buf, '\0');
	return buf_ok(buf) ? buf->data : NULL;
}

int checkpoint_dir_lock(const struct checkpoint_dir *dir, int *fd, struct err *err)
{
	struct buf buf = {0};
	const char *path = checkpoint_dir_path(dir, &buf, "lock");
	int rc = path != NULL ? file_make_dirs(dir->dir, 0700, err) : err_nomem(err);

	if (rc == 0)
		rc = file_lock(path, fd, err);
	if (rc == ERR_BUSY)
		err_prefix(err, "the state directory is in use, stop who has it or name another "
				"with --state-dir");
	buf_fini(&buf);
	return rc;
}

/* That it is not there is fine. */
static int remove_file(const struct checkpoint_dir *dir, const char *name, struct err *err)
{
	struct buf buf = {0};
	const char *path = checkpoint_dir_path(dir, &buf, name);
	int rc = 0;

	if (path == NULL)
		rc = err_nomem(err);
	else if (unlink(path) != 0 && errno != ENOENT)
		rc = err_set_errno(err, errno, "%s: cannot remove", path);
	buf_fini(&buf);
	return rc;
}

/* Lasting when it returns 0. */
static int rename_file(
	const struct checkpoint_dir *dir, const char *from, const char *to, struct err *err)
{
	struct buf from_buf = {0}, to_buf = {0};
	const char *from_path = checkpoint_dir_path(dir, &from_buf, from);
	const char *to_path = checkpoint_dir_path(dir, &to_buf, to);
	int fault = fault_hit("checkpoint-rename");
	int rc = 0;

	if (from_path == NULL || to_path == NULL)
		rc = err_nomem(err);
	else if (fault > 0)
		rc = err_set_errno(err, fault, "%s: cannot rename", from_path);
	else if (rename(from_path, to_path) != 0)
		rc = err_set_errno(err, errno, "%s: cannot rename", from_path);
	buf_fini(&from_buf);
	buf_fini(&to_buf);
	return rc == 0 ? file_sync_dir(dir->dir, err) : rc;
}

static int remove_new(const struct checkpoint_dir *dir, struct err *err)
{
	static const char *const names[] = {
		"checkpoint.new", "checkpoint.new-wal", "checkpoint.new-journal"};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < sizeof(names) / sizeof(names[0]); i++)
		rc = remove_file(dir, names[i], err);
	return rc;
}

/* What a crash inside file_replace() leaves beside the ledger: `counted.XXXXXX.tmp`. */
static int remove_temporary(const struct checkpoint_dir *dir, struct err *err)
{
	DIR *listing = opendir(dir->dir);
	const struct dirent *entry;
	int rc = 0;

	if (listing == NULL)
		return err_set_errno(err, errno, "%s: cannot list", dir->dir);
	while (rc == 0 && (entry = readdir(listing)) != NULL) {
		if (fnmatch("counted.??????.tmp", entry->d_name, 0) == 0)
			rc = remove_file(dir, entry->d_name, err);
	}
	(void)closedir(listing);
	return rc;
}

int checkpoint_dir_recover(const struct checkpoint_dir *dir, struct err *err)
{
	struct buf buf = {0};
	const char *next = checkpoint_dir_path(dir, &buf, "checkpoint.next");
	int rc = next != NULL ? remove_new(dir, err) : err_nomem(err);

	if (rc == 0)
		rc = remove_temporary(dir, err);
	if (rc == 0 && access(next, F_OK) == 0) {
		rc = remove_file(dir, "checkpoint-wal", err);
		if (rc == 0)
			rc = rename_file(dir, "checkpoint.next", "checkpoint", err);
	}
	buf_fini(&buf);
	return rc;
}

typedef int fill_fn(sqlite3 *db, void *context, struct err *err);

/* Writes checkpoint.new and syncs it; on failure it is gone again. */
static int write_new(
	const struct checkpoint_dir *dir, fill_fn *fill, void *context, struct err *err)
{
	struct checkpoint_vfs *vfs = checkpoint_vfs_new();
	struct err unused = ERR_INIT;
	struct buf buf = {0};
	const char *path = checkpoint_dir_path(dir, &buf, "checkpoint.new");
	sqlite3 *db = NULL;
	int rc = vfs != NULL && path != NULL ? remove_new(dir, err) : err_nomem(err);

	if (rc == 0)
		rc = checkpoint_vfs_open(vfs, path, true, &db, err);
	if (rc == 0)
		rc = fill(db, context, err);
	if (sqlite3_close(db) != SQLITE_OK && rc == 0)
		rc = err_set(err, ERR_IO, "cannot close");
	if (rc == 0 && checkpoint_vfs_sync_failed(vfs))
		rc = err_set_errno(err, EIO, "cannot sync");
	if (rc == 0 && chmod(path, 0600) != 0)
		rc = err_set_errno(err, errno, "cannot set the mode");
	checkpoint_vfs_free(vfs);
	if (rc < 0) {
		err_prefix(err, "%s", path != NULL ? path : dir->dir);
		(void)!remove_new(dir, &unused);
	}
	buf_fini(&buf);
	return rc;
}

static int fill_empty(sqlite3 *db, void *context, struct err *err)
{
	int reserved = CHECKPOINT_RESERVED_BYTES;
	char sql[320];
	int rc;

	(void)context;
	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved);
	(void)snprintf(sql, sizeof(sql),
		"PRAGMA page_size=%d; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
		" PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA application_id=%d;"
		" PRAGMA user_version=%d; BEGIN IMMEDIATE",
		CHECKPOINT_PAGE_BYTES, APPLICATION_ID, SCHEMA_VERSION);
	rc = collation_register(db, err);
	if (rc == 0)
		rc = db_exec(db, sql, err);
	if (rc == 0)
		rc = schema_create_shared(db, err);
	if (rc == 0)
		rc = schema_create_checkpoint(db, err);
	if (rc == 0)
		rc = db_exec(db, "COMMIT", err);
	/* Closing would do it too, and not say when it fails. */
	if (rc == 0 && sqlite3_wal_checkpoint_v2(
			       db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) != SQLITE_OK)
		rc = db_error(db, sqlite3_extended_errcode(db), "cannot write", err);
	return rc;
}

int checkpoint_dir_create(const struct checkpoint_dir *dir, struct err *err)
{
	int rc = write_new(dir, fill_empty, NULL, err);

	if (rc == 0)
		rc = remove_file(dir, "checkpoint-wal", err);
	if (rc == 0)
		rc = remove_file(dir, "counted", err);
	if (rc == 0)
		rc = rename_file(dir, "checkpoint.new", "checkpoint", err);
	return rc;
}

static int fill_copy(sqlite3 *db, void *context, struct err *err)
{
	sqlite3 *source = context;
	sqlite3_backup *backup;
	int rc = db_exec(db,
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY;"
		" PRAGMA synchronous=FULL",
		err);

	if (rc < 0)
		return rc;
	backup = sqlite3_backup_init(db, "main", source, "main");
	if (backup == NULL)
		return db_error(db, sqlite3_extended_errcode(db), "cannot copy", err);
	(void)sqlite3_backup_step(backup, -1);
	rc = sqlite3_backup_finish(backup);
	return rc == SQLITE_OK ? 0 : db_error(db, rc, "cannot copy", err);
}

int checkpoint_dir_rewrite(const struct checkpoint_dir *dir, sqlite3 *db, struct err *err)
{
	int rc = write_new(dir, fill_copy, db, err);

	if (rc == 0)
		rc = rename_file(dir, "checkpoint.new", "checkpoint.next", err);
	return rc;
}

int checkpoint_dir_keep_format(const struct checkpoint_dir *dir, sqlite3 *db, int64_t version,
	char name[96], struct err *err)
{
	int rc = write_new(dir, fill_copy, db, err);

	(void)snprintf(name, 96, "checkpoint.format-%lld", (long long)version);
	return rc == 0 ? rename_file(dir, "checkpoint.new", name, err) : rc;
}

static uint32_t big_endian_32(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	       bytes[3];
}

int checkpoint_dir_refuse_newer(const struct checkpoint_dir *dir, int64_t version, struct err *err)
{
	return err_set(err, ERR_VERSION,
		"%s: written by a newer tallyd (format %lld, this one knows 1 to %d): install that"
		" release again, or move the file away to count everything anew",
		dir->path, (long long)version, SCHEMA_VERSION);
}

/* Of the header only: what is behind it is read through SQLite, which knows the WAL too. */
static int judge_header(const struct checkpoint_dir *dir, const unsigned char *page, size_t n,
	enum checkpoint_finding *finding, char reason[ERR_TEXT_BYTES], struct err *err)
{
	const char *what = NULL;
	uint32_t version;

	if (n == 0)
		what = "it is empty";
	else if (n < CHECKPOINT_PAGE_BYTES || memcmp(page, "SQLite format 3", 16) != 0)
		what = "it does not begin as an SQLite file does";
	else if (big_endian_32(page + 68) != APPLICATION_ID)
		what = "it is a database of another program";
	else if (page[16] != CHECKPOINT_PAGE_BYTES >> 8 || page[17] != 0 ||
		 page[20] != CHECKPOINT_RESERVED_BYTES)
		what = "its header is not as it was written";
	*finding = what != NULL ? CHECKPOINT_DAMAGED : CHECKPOINT_GOOD;
	if (what != NULL) {
		(void)snprintf(reason, ERR_TEXT_BYTES, "%s", what);
		return 0;
	}
	version = big_endian_32(page + 60);
	/* A number that the page's sum does not vouch for is damage, and found as such when it is
	 * read. */
	if (version > SCHEMA_VERSION && checkpoint_page_is_good(page, 1))
		return checkpoint_dir_refuse_newer(dir, version, err);
	return 0;
}

static int read_header(const struct checkpoint_dir *dir, enum checkpoint_finding *finding,
	char reason[ERR_TEXT_BYTES], struct err *err)
{
	unsigned char page[CHECKPOINT_PAGE_BYTES];
	ssize_t n;
	int fd = open(dir->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc;

	if (fd < 0) {
		rc = err_set_errno(err, errno, "%s: cannot open", dir->path);
		if (err->sys_errno == EACCES)
			rc = err->code = ERR_CONFIG;
		return rc;
	}
	n = pread(fd, page, sizeof(page), 0);
	if (n < 0)
		rc = err_set_errno(err, errno, "%s: cannot read", dir->path);
	else
		rc = judge_header(dir, page, (size_t)n, finding, reason, err);
	(void)close(fd);
	return rc;
}

int checkpoint_dir_inspect(const struct checkpoint_dir *dir, enum checkpoint_finding *finding,
	char reason[ERR_TEXT_BYTES], struct err *err)
{
	struct stat status;
	const char *kind = "special file";

	*finding = CHECKPOINT_MISSING;
	if (lstat(dir->path, &status) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_set_errno(err, errno, "%s: cannot look at it", dir->path);
	}
	if (S_ISREG(status.st_mode))
		return read_header(dir, finding, reason, err);
	if (S_ISDIR(status.st_mode))
		kind = "directory";
	else if (S_ISLNK(status.st_mode))
		kind = "symbolic link";
	return err_set(err, ERR_CONFIG,
		"%s is a %s where the checkpoint's file should be: move it away", dir->path, kind);
}

int checkpoint_dir_move_aside(
	const struct checkpoint_dir *dir, int64_t now_us, char name[96], struct err *err)
{
	struct buf buf = {0};
	struct civil civil;
	char wal_name[112];
	bool is_taken = true;
	int n, rc;

	civil_from_us(now_us, &civil);
	for (n = 0; is_taken && n < 1000; n++) {
		char number[16] = "";

		if (n > 0)
			(void)snprintf(number, sizeof(number), "-%d", n);
		(void)snprintf(name, 96, "checkpoint.damaged-%04d%02d%02dT%02d%02d%02dZ%s",
			(int)civil.year, civil.month, civil.day, civil.hour, civil.minute,
			civil.second, number);
		if (checkpoint_dir_path(dir, &buf, name) == NULL)
			break;
		is_taken = access(buf.data, F_OK) == 0;
	}
	buf_fini(&buf);
	if (is_taken)
		return err_set(err, ERR_CONFIG,
			"%s: too many damaged checkpoints lie there, remove some", dir->dir);
	(void)snprintf(wal_name, sizeof(wal_name), "%s-wal", name);
	/* The WAL first: without its file it can do no harm. */
	rc = rename_file(dir, "checkpoint-wal", wal_name, err);
	if (rc < 0 && err->sys_errno != ENOENT)
		return rc;
	return rename_file(dir, "checkpoint", name, err);
}
