/* Three views of the changes, of which the mirror has the first alone, and the statements that
 * insert from them. What is forgotten or dropped is rare and goes row by row. */
#include "sql/file_rows.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "sql/db.h"
#include "sql/row_view.h"
#include "sql/schema.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* SQLite keeps a copy of the pages that a statement has changed until it is over. */
#define STATEMENT_ROWS 16384

enum { FILES, IDENTITIES, OFFSETS, N_VIEWS };

enum { FORGET_FILE, FORGET_IDENTITY, FORGET_OFFSETS, DROP_PREFIX, N_REMOVALS };

struct file_rows {
	sqlite3 *db;
	const struct catalog *catalog;
	bool is_checkpoint;
	bool is_prepared; /* views and statements are there */
	struct row_view views[N_VIEWS];
	sqlite3_stmt *puts[N_VIEWS];
	sqlite3_stmt *removals[N_REMOVALS];
	const struct changes *changes;        /* NULL: none are being applied */
	int64_t source_id;                    /* of the changes */
	const struct offset_change **offsets; /* theirs, by key: SQLite appends and seeks less */
	struct buf shown;                     /* a text that is not UTF-8, as people see it */
	char time[TIMESTAMP_TEXT_BYTES];
};

static int64_t key_of(const struct file_rows *rows, const struct file_change *change)
{
	return schema_key(rows->source_id, change->file->id);
}

/* Bytes as people may see them; NULL is NULL. */
static void show_text(struct file_rows *rows, const char *text, sqlite3_context *result)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (text == NULL) {
		sqlite3_result_null(result);
	} else if (utf8_valid_prefix(text, len) == len) {
		sqlite3_result_text(result, text, (int)len, SQLITE_STATIC);
	} else {
		buf_clear(&rows->shown);
		utf8_add_shown(&rows->shown, text, len);
		if (buf_ok(&rows->shown))
			sqlite3_result_text(
				result, rows->shown.data, (int)rows->shown.len, SQLITE_TRANSIENT);
		else
			sqlite3_result_error_nomem(result);
	}
}

static void show_time(struct file_rows *rows, int64_t ns, sqlite3_context *result)
{
	size_t len = timestamp_format(ns / 1000 - (ns % 1000 < 0), rows->time);

	sqlite3_result_text(result, rows->time, (int)len, SQLITE_STATIC);
}

static void show_name(const char *name, sqlite3_context *result)
{
	sqlite3_result_text(result, name, -1, SQLITE_STATIC);
}

static void show_file(void *context, size_t row, int column, sqlite3_context *result)
{
	struct file_rows *rows = context;
	const struct file_change *change = &rows->changes->files[row];
	const struct file *file = change->file;

	switch (column) {
	case 0: sqlite3_result_int64(result, key_of(rows, change)); break;
	case 1: show_name(rows->catalog->spec->sources[change->source].name, result); break;
	case 2: show_text(rows, file->path, result); break;
	case 3: sqlite3_result_int64(result, file->size); break;
	case 4: sqlite3_result_int64(result, change->least_offset); break;
	case 5: show_time(rows, file->mtime_ns, result); break;
	case 6: sqlite3_result_int64(result, file->n_events); break;
	case 7: sqlite3_result_int64(result, file->n_rejects); break;
	case 8: show_name(file_state_name(file->state), result); break;
	case 9:
		if (file->batch_id >= 0)
			sqlite3_result_int64(result, file->batch_id);
		break;
	default: show_text(rows, file->reason, result); break;
	}
}

/* The name itself where `files` cannot show it. */
static void show_path(const char *path, sqlite3_context *result)
{
	size_t len = strlen(path);

	if (utf8_valid_prefix(path, len) != len)
		sqlite3_result_blob(result, path, (int)len, SQLITE_STATIC);
}

static void show_identity(void *context, size_t row, int column, sqlite3_context *result)
{
	struct file_rows *rows = context;
	const struct file_change *change = &rows->changes->files[row];
	const struct file *file = change->file;
	const struct file_identity *identity = &file->identity;

	switch (column) {
	case 0: sqlite3_result_int64(result, key_of(rows, change)); break;
	case 1: sqlite3_result_int64(result, (int64_t)identity->inode); break;
	case 2: sqlite3_result_int64(result, identity->birth_ns); break;
	case 3: sqlite3_result_int64(result, identity->fp_offset); break;
	case 4: sqlite3_result_int64(result, (int64_t)identity->fp_head); break;
	case 5: sqlite3_result_int64(result, (int64_t)identity->fp_tail); break;
	case 6: sqlite3_result_int64(result, identity->device); break;
	case 7: sqlite3_result_int64(result, identity->change_mark); break;
	case 8: sqlite3_result_int64(result, file->mtime_ns); break;
	case 9: sqlite3_result_int64(result, file->is_compressed); break;
	default: show_path(file->path, result); break;
	}
}

static void show_offset(void *context, size_t row, int column, sqlite3_context *result)
{
	const struct file_rows *rows = context;
	const struct offset_change *change = rows->offsets[row];
	const int64_t values[] = {rows->source_id, change->file_id, change->prefix_id,
		change->at.offset, change->at.skip, change->at.line, change->at.flags,
		change->at.unpacked};

	sqlite3_result_int64(result, values[column]);
}

static const struct {
	const char *name;
	const char *columns;
	const char *put;
	void (*show)(void *rows, size_t row, int column, sqlite3_context *result);
} views[N_VIEWS] = {
	[FILES] = {"changed:files",
		"key, source, path, size, offset, mtime, events, rejects, state, batch_id, reason",
		"INSERT OR REPLACE INTO files(rowid, source, path, size, offset, mtime, events,"
		" rejects, state, batch_id, reason) SELECT * FROM \"changed:files\"",
		show_file},
	[IDENTITIES] = {"changed:state:files",
		"key, inode, birth_ns, fp_offset, fp_head, fp_tail, device, change_mark, mtime_ns,"
		" is_compressed, path",
		"INSERT OR REPLACE INTO \"state:files\" SELECT * FROM \"changed:state:files\"",
		show_identity},
	[OFFSETS] = {"changed:state:offsets",
		"source_id, file_id, prefix_id, offset, skip, line, flags, unpacked",
		"INSERT OR REPLACE INTO \"state:offsets\" SELECT * FROM \"changed:state:offsets\"",
		show_offset},
};

static const char *const removal_texts[N_REMOVALS] = {
	[FORGET_FILE] = "DELETE FROM files WHERE rowid = ?1",
	[FORGET_IDENTITY] = "DELETE FROM \"state:files\" WHERE key = ?1",
	[FORGET_OFFSETS] = "DELETE FROM \"state:offsets\" WHERE source_id = ?1 AND file_id = ?2",
	[DROP_PREFIX] = "DELETE FROM \"state:offsets\" WHERE source_id = ?1 AND prefix_id = ?2",
};

static void forget_statements(struct file_rows *rows)
{
	if (!rows->is_prepared)
		return;
	rows->is_prepared = false;
	for (int i = 0; i < N_VIEWS; i++) {
		(void)sqlite3_finalize(rows->puts[i]);
		rows->puts[i] = NULL;
		row_view_close(rows->db, views[i].name);
	}
	for (int i = 0; i < N_REMOVALS; i++) {
		(void)sqlite3_finalize(rows->removals[i]);
		rows->removals[i] = NULL;
	}
}

/* With the first changes: then the one before this one on the connection has given up the names. */
static int prepare(struct file_rows *rows, struct err *err)
{
	int n_views = rows->is_checkpoint ? N_VIEWS : FILES + 1;
	int n_removals = rows->is_checkpoint ? N_REMOVALS : FORGET_FILE + 1;
	int rc = 0;

	if (rows->is_prepared)
		return 0;
	rows->is_prepared = true;
	for (int i = 0; rc == 0 && i < n_views; i++) {
		rows->views[i] = (struct row_view){
			.columns = views[i].columns, .rows = rows, .show = views[i].show};
		rc = row_view_open(&rows->views[i], rows->db, views[i].name, err);
		if (rc == 0)
			rc = db_prepare(rows->db, views[i].put, &rows->puts[i], err);
	}
	for (int i = 0; rc == 0 && i < n_removals; i++)
		rc = db_prepare(rows->db, removal_texts[i], &rows->removals[i], err);
	if (rc < 0)
		forget_statements(rows);
	return rc;
}

struct file_rows *file_rows_new(
	sqlite3 *db, enum apply_target target, const struct catalog *catalog)
{
	struct file_rows *rows = calloc(1, sizeof(*rows));

	if (rows == NULL)
		return NULL;
	rows->db = db;
	rows->catalog = catalog;
	rows->is_checkpoint = target == APPLY_CHECKPOINT;
	return rows;
}

void file_rows_free(struct file_rows *rows)
{
	if (rows == NULL)
		return;
	forget_statements(rows);
	buf_fini(&rows->shown);
	free(rows);
}

/* The first `n` rows of a view. */
static int put(struct file_rows *rows, int which, size_t n, struct err *err)
{
	struct row_view *view = &rows->views[which];
	int rc = 0;

	for (view->from = 0; rc == 0 && view->from < n; view->from = view->to) {
		view->to = n - view->from > STATEMENT_ROWS ? view->from + STATEMENT_ROWS : n;
		rc = db_run(rows->puts[which], err);
	}
	return rc;
}

static int remove_by(
	struct file_rows *rows, int which, int64_t first, int64_t second, struct err *err)
{
	sqlite3_stmt *stmt = rows->removals[which];

	(void)sqlite3_bind_int64(stmt, 1, first);
	if (which == FORGET_OFFSETS || which == DROP_PREFIX)
		(void)sqlite3_bind_int64(stmt, 2, second);
	return db_run(stmt, err);
}

static int forget(struct file_rows *rows, const struct file_change *change, struct err *err)
{
	int rc = remove_by(rows, FORGET_FILE, key_of(rows, change), 0, err);

	if (rc == 0 && rows->is_checkpoint)
		rc = remove_by(rows, FORGET_IDENTITY, key_of(rows, change), 0, err);
	if (rc == 0 && rows->is_checkpoint)
		rc = remove_by(rows, FORGET_OFFSETS, rows->source_id, change->file->id, err);
	return rc;
}

static int apply_files(struct file_rows *rows, struct err *err)
{
	const struct changes *changes = rows->changes;
	size_t n = 0;
	int rc;

	while (n < changes->n_files && !changes->files[n].is_forgotten)
		n++;
	rc = put(rows, FILES, n, err);
	if (rc == 0 && rows->is_checkpoint)
		rc = put(rows, IDENTITIES, n, err);
	for (size_t i = n; rc == 0 && i < changes->n_files; i++) {
		assert(changes->files[i].is_forgotten);
		rc = forget(rows, &changes->files[i], err);
	}
	return rc;
}

static int compare_keys(const void *a, const void *b)
{
	const struct offset_change *one = *(const struct offset_change *const *)a;
	const struct offset_change *two = *(const struct offset_change *const *)b;

	if (one->file_id != two->file_id)
		return one->file_id < two->file_id ? -1 : 1;
	return one->prefix_id < two->prefix_id ? -1 : one->prefix_id > two->prefix_id;
}

static int put_offsets(struct file_rows *rows, struct err *err)
{
	const struct changes *changes = rows->changes;
	int rc;

	rows->offsets = mem_new_array(changes->n_offsets, sizeof(const struct offset_change *));
	if (rows->offsets == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < changes->n_offsets; i++)
		rows->offsets[i] = &changes->offsets[i];
	qsort(rows->offsets, changes->n_offsets, sizeof(*rows->offsets), compare_keys);
	rc = put(rows, OFFSETS, changes->n_offsets, err);
	free(rows->offsets);
	rows->offsets = NULL;
	return rc;
}

static int apply_offsets(struct file_rows *rows, struct err *err)
{
	const struct changes *changes = rows->changes;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < changes->n_dropped_prefixes; i++)
		rc = remove_by(
			rows, DROP_PREFIX, rows->source_id, changes->dropped_prefixes[i], err);
	return rc == 0 ? put_offsets(rows, err) : rc;
}

int file_rows_apply(struct file_rows *rows, const struct changes *changes, struct err *err)
{
	int rc = prepare(rows, err);

	if (rc < 0)
		return rc;
	rows->changes = changes;
	rows->source_id = rows->catalog->sources[changes->source].id;
	rc = apply_files(rows, err);
	if (rc == 0 && rows->is_checkpoint)
		rc = apply_offsets(rows, err);
	rows->changes = NULL;
	return rc;
}
