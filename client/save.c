/*
 * Tables are asked for one after the other and their rows inserted as they
 * come, in one transaction without a journal: the file is of no use before the
 * rename anyway.
 */
#include "client/save.h"

#include "base/file.h"
#include "client/schema_text.h"
#include "sql/print_cell.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct saving {
	sqlite3 *db;
	sqlite3_stmt *insert; /* of the table being copied; NULL until its columns are known */
	const char *table;
};

static int fail(struct saving *saving, struct err *err)
{
	return err_set(err, ERR_IO, "%s", sqlite3_errmsg(saving->db));
}

static int execute(struct saving *saving, const char *sql, struct err *err)
{
	return sqlite3_exec(saving->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(saving, err);
}

static int on_columns(void *context, const char *const *names, const char *const *types, size_t n,
	struct err *err)
{
	struct saving *saving = context;
	struct buf sql = {0};
	int rc = 0;

	(void)names;
	(void)types;
	buf_add_text(&sql, "INSERT INTO ");
	cell_add_identifier(&sql, saving->table);
	buf_add_text(&sql, " VALUES(");
	for (size_t i = 0; i < n; i++)
		buf_add_text(&sql, i > 0 ? ",?" : "?");
	buf_add_text(&sql, ")");
	buf_add_char(&sql, '\0');
	if (!buf_ok(&sql))
		rc = err_nomem(err);
	else if (sqlite3_prepare_v2(saving->db, sql.data, -1, &saving->insert, NULL) != SQLITE_OK)
		rc = fail(saving, err);
	buf_fini(&sql);
	return rc;
}

static void bind(sqlite3_stmt *stmt, int i, const struct value *value)
{
	switch (value->type) {
	case VALUE_NULL: (void)sqlite3_bind_null(stmt, i); break;
	case VALUE_INTEGER: (void)sqlite3_bind_int64(stmt, i, value->integer); break;
	case VALUE_REAL: (void)sqlite3_bind_double(stmt, i, value->real); break;
	case VALUE_TEXT:
		(void)sqlite3_bind_text(stmt, i, value->data, (int)value->len, SQLITE_STATIC);
		break;
	case VALUE_BLOB:
		(void)sqlite3_bind_blob(stmt, i, value->data, (int)value->len, SQLITE_STATIC);
		break;
	}
}

static int on_row(void *context, const struct value *cells, size_t n, struct err *err)
{
	struct saving *saving = context;

	for (size_t i = 0; i < n; i++)
		bind(saving->insert, (int)i + 1, &cells[i]);
	if (sqlite3_step(saving->insert) != SQLITE_DONE)
		return fail(saving, err);
	(void)sqlite3_reset(saving->insert);
	return 0;
}

static int copy_rows(struct shell *shell, struct saving *saving, struct err *err)
{
	const struct query_handler handler = {
		.context = saving, .columns = on_columns, .row = on_row};
	struct answer answer;
	struct buf sql = {0};
	int rc;

	buf_add_text(&sql, "SELECT * FROM ");
	cell_add_identifier(&sql, saving->table);
	if (!buf_ok(&sql)) {
		buf_fini(&sql);
		return err_nomem(err);
	}
	rc = query_run(shell->connection, &(struct query){.sql = sql.data, .len = sql.len},
		&handler, &answer, err);
	(void)sqlite3_finalize(saving->insert);
	saving->insert = NULL;
	buf_fini(&sql);
	return rc;
}

/* The statement that made the object, without what only tallyd knows. */
static int create(struct saving *saving, const char *sql, struct err *err)
{
	char *plain = schema_plain_sql(sql);
	int rc = plain != NULL ? execute(saving, plain, err) : err_nomem(err);

	free(plain);
	return rc;
}

static int copy_all(struct shell *shell, struct saving *saving, struct err *err)
{
	struct result objects = {0};
	int rc = shell_ask(shell,
		"SELECT type, name, sql FROM sqlite_schema WHERE sql NOT NULL"
		" AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%'"
		" ORDER BY type = 'view', type != 'table', rowid",
		&objects, err);

	for (size_t i = 0; i < objects.n_rows && rc == 0; i++) {
		rc = create(saving, result_text(&objects, i, 2), err);
		if (rc < 0 || strcmp(result_text(&objects, i, 0), "table") != 0)
			continue;
		saving->table = result_text(&objects, i, 1);
		rc = copy_rows(shell, saving, err);
	}
	result_fini(&objects);
	return rc;
}

/* What stands at `path` may be replaced: nothing, an empty file, a database. */
static int check_target(const char *path, struct err *err)
{
	char head[16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, head, sizeof(head));
	(void)close(fd);
	if (n == 0 || (n == sizeof(head) && memcmp(head, "SQLite format 3", sizeof(head)) == 0))
		return 0;
	return err_set(err, ERR_INVALID, "\"%s\" is no SQLite file and is left as it is", path);
}

static int put_in_place(const char *temp, const char *path, struct err *err)
{
	char dir[PATH_MAX];
	char *slash;

	if (rename(temp, path) != 0)
		return err_set_errno(err, errno, "cannot write \"%s\"", path);
	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash == NULL)
		(void)snprintf(dir, sizeof(dir), ".");
	else
		slash[slash == dir ? 1 : 0] = '\0';
	return file_sync_dir(dir, err);
}

/*
 * A file of ours and new: what another put in its place, a link perhaps, is not
 * written to. The statements that fill it come from elsewhere, and must not
 * reach another file: neither ATTACH nor VACUUM INTO can.
 */
static int open_new(const char *temp, sqlite3 **db)
{
	int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0)
		return SQLITE_CANTOPEN;
	(void)close(fd);
	if (sqlite3_open_v2(temp, db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
		(void)unlink(temp);
		return SQLITE_CANTOPEN;
	}
	(void)sqlite3_limit(*db, SQLITE_LIMIT_ATTACHED, 0);
	return SQLITE_OK;
}

int save_snapshot(struct shell *shell, const char *path, struct err *err)
{
	struct saving saving = {0};
	char temp[PATH_MAX];
	int rc = check_target(path, err);

	if (rc < 0)
		return rc;
	(void)snprintf(temp, sizeof(temp), "%s.%ld.tmp", path, (long)getpid());
	if (open_new(temp, &saving.db) != SQLITE_OK) {
		(void)sqlite3_close(saving.db);
		return err_set(err, ERR_IO, "cannot open \"%s\"", path);
	}
	rc = execute(&saving, "PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL; BEGIN", err);
	if (rc == 0)
		rc = copy_all(shell, &saving, err);
	if (rc == 0)
		rc = execute(&saving, "COMMIT", err);
	(void)sqlite3_close(saving.db);
	if (rc == 0)
		rc = put_in_place(temp, path, err);
	if (rc < 0)
		(void)unlink(temp);
	return rc;
}
