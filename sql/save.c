/*
 * Two connections and a row at a time between them: ATTACH would have to go
 * through the mirror's VFS. The new file has no journal and no syncs while it is
 * written, because nobody knows its name; it is synced once before the rename.
 */
#include "sql/save.h"

#include "base/buf.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/mem.h"
#include "sql/collation.h"
#include "sql/db.h"
#include "sql/snapshot.h"
#include "sql/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `TIMESTAMP TEXT` and the like by its affinity, as sqlite3 itself names it. */
static const char *plain_type(const char *type)
{
	if (strcmp(type, "INTEGER") == 0 || strcmp(type, "REAL") == 0)
		return type;
	return "TEXT";
}

/* The DDL of `table` into `create`, an INSERT with a parameter per column into `insert`. */
static int write_statements(
	sqlite3 *source, const char *table, struct buf *create, struct buf *insert, struct err *err)
{
	struct buf key = {0};
	sqlite3_stmt *stmt;
	int n_columns = 0;
	int rc = db_prepare(source, "SELECT name, type, pk FROM pragma_table_info(?1)", &stmt, err);

	if (rc < 0)
		return rc;
	db_bind_text(stmt, 1, table);
	buf_add_text(create, "CREATE TABLE ");
	db_add_name(create, table);
	buf_add_text(insert, "INSERT INTO ");
	db_add_name(insert, table);
	buf_add_text(insert, " VALUES");
	while ((rc = db_step(stmt, err)) == 1) {
		buf_add_text(create, n_columns == 0 ? "(" : ", ");
		db_add_name(create, db_text(stmt, 0));
		buf_printf(create, " %s", plain_type(db_text(stmt, 1)));
		buf_add_text(insert, n_columns++ == 0 ? "(?" : ", ?");
		if (sqlite3_column_int(stmt, 2) > 0) {
			buf_add_text(&key, key.len == 0 ? "" : ", ");
			db_add_name(&key, db_text(stmt, 0));
		}
	}
	(void)sqlite3_finalize(stmt);
	if (key.len > 0) {
		buf_add_text(create, ", PRIMARY KEY(");
		buf_add(create, key.data, key.len);
		buf_add_text(create, ")) WITHOUT ROWID");
	} else {
		buf_add_char(create, ')');
	}
	buf_add_char(insert, ')');
	buf_add_char(create, '\0');
	buf_add_char(insert, '\0');
	if (rc == 0 && (key.failed || !buf_ok(create) || !buf_ok(insert)))
		rc = err_nomem(err);
	buf_fini(&key);
	return rc;
}

static int copy_rows(sqlite3_stmt *from, sqlite3_stmt *to, struct err *err)
{
	int n = sqlite3_column_count(from);
	int rc, i;

	while ((rc = db_step(from, err)) == 1) {
		for (i = 0; i < n; i++)
			(void)sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
		rc = db_run(to, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

static int copy_table(sqlite3 *source, sqlite3 *target, const char *table, struct err *err)
{
	struct buf create = {0}, insert = {0}, select = {0};
	sqlite3_stmt *from = NULL, *to = NULL;
	int rc = write_statements(source, table, &create, &insert, err);

	buf_add_text(&select, "SELECT * FROM ");
	db_add_name(&select, table);
	buf_add_char(&select, '\0');
	if (rc == 0 && !buf_ok(&select))
		rc = err_nomem(err);
	if (rc == 0)
		rc = db_exec(target, create.data, err);
	if (rc == 0)
		rc = db_prepare(target, insert.data, &to, err);
	if (rc == 0)
		rc = db_prepare(source, select.data, &from, err);
	if (rc == 0)
		rc = copy_rows(from, to, err);
	(void)sqlite3_finalize(from);
	(void)sqlite3_finalize(to);
	buf_fini(&create);
	buf_fini(&insert);
	buf_fini(&select);
	return rc;
}

static int copy_tables(sqlite3 *source, sqlite3 *target, struct err *err)
{
	sqlite3_stmt *tables;
	int rc = db_exec(target, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; BEGIN", err);

	if (rc < 0)
		return rc;
	rc = db_prepare(source,
		"SELECT name FROM main.sqlite_schema WHERE type = 'table' ORDER BY name", &tables,
		err);
	while (rc >= 0 && (rc = db_step(tables, err)) == 1)
		rc = copy_table(source, target, db_text(tables, 0), err);
	(void)sqlite3_finalize(tables);
	return rc < 0 ? rc : db_exec(target, "COMMIT", err);
}

int save_copy(sqlite3 *source, const char *path, struct err *err)
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	sqlite3 *target = NULL;
	int rc = 0;

	if (sqlite3_open_v2(path, &target, flags, NULL) != SQLITE_OK)
		rc = db_error(target, sqlite3_extended_errcode(target), "cannot open", err);
	/* One transaction is one version, whatever is published meanwhile. */
	if (rc == 0)
		rc = db_exec(source, "BEGIN", err);
	if (rc == 0)
		rc = copy_tables(source, target, err);
	if (sqlite3_get_autocommit(source) == 0)
		(void)sqlite3_exec(source, "COMMIT", NULL, NULL, NULL);
	if (sqlite3_close(target) != SQLITE_OK && rc == 0)
		rc = err_set(err, ERR_IO, "cannot close");
	return rc;
}

/* Its readers may read it, and it is on the disk. */
static int finish_file(const char *path, mode_t readers, struct err *err)
{
	struct stat st;
	int fault = fault_hit("save-sync");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int rc = 0;

	if (fd < 0 || fstat(fd, &st) != 0 || fchmod(fd, (st.st_mode & 0777) | readers) != 0)
		rc = err_set_errno(err, errno, "cannot set its mode");
	else if (fault > 0 || fsync(fd) != 0)
		rc = err_set_errno(err, fault > 0 ? fault : errno, "cannot sync");
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

/* Makes the name lasting; `path` is in the directory. */
static int sync_parent(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int rc;

	if (slash == NULL)
		return file_sync_dir(".", err);
	dir = mem_copy_text(path, slash == path ? 1 : (size_t)(slash - path));
	rc = dir != NULL ? file_sync_dir(dir, err) : err_nomem(err);
	free(dir);
	return rc;
}

static int save_beside(
	sqlite3 *source, const char *path, const char *beside, mode_t readers, struct err *err)
{
	int fault;
	int rc = 0;

	if (unlink(beside) != 0 && errno != ENOENT)
		rc = err_set_errno(err, errno, "cannot remove");
	if (rc == 0)
		rc = save_copy(source, beside, err);
	if (rc == 0)
		rc = finish_file(beside, readers, err);
	if (rc < 0) {
		(void)unlink(beside);
		return err_prefix(err, "%s", beside);
	}
	fault = fault_hit("save-rename");
	if (fault > 0 || rename(beside, path) != 0) {
		rc = err_set_errno(err, fault > 0 ? fault : errno, "%s: cannot replace", path);
		(void)unlink(beside);
		return rc;
	}
	return sync_parent(path, err);
}

int store_save(struct snapshot_store *snapshots, const char *path, mode_t readers, struct err *err)
{
	struct buf beside = {0};
	sqlite3 *source = NULL;
	int rc;

	buf_printf(&beside, "%s.new", path);
	buf_add_char(&beside, '\0');
	if (!buf_ok(&beside)) {
		buf_fini(&beside);
		return err_nomem(err);
	}
	rc = snapshot_open_reader(snapshots, &source, err);
	if (rc == 0)
		rc = collation_register(source, err);
	if (rc == 0)
		rc = save_beside(source, path, beside.data, readers, err);
	(void)sqlite3_close(source);
	buf_fini(&beside);
	return rc;
}
