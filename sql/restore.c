/*
 * Straight through the tables; a million rows take
 * well under a second, so there is no second way.
 */
#include "sql/restore.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "sql/db.h"
#include "sql/schema.h"

#include <stdlib.h>
#include <string.h>

void restored_fini(struct restored *restored)
{
	size_t i;

	for (i = 0; i < restored->n; i++) {
		free((char *)restored->queries[i].message);
		free((char *)restored->queries[i].exception);
	}
	free(restored->queries);
	*restored = (struct restored){0};
}

static int damaged(const char *table, struct err *err)
{
	return err_set(err, ERR_CORRUPT,
		"the checkpoint's table %s holds what was never written to it", table);
}

static int64_t int_of(sqlite3_stmt *stmt, int column)
{
	return sqlite3_column_int64(stmt, column);
}

static bool find_state(const char *name, enum file_state *state)
{
	int i;

	for (i = FILE_WAITING; name != NULL && i <= FILE_ERROR; i++) {
		if (strcmp(name, file_state_name((enum file_state)i)) == 0) {
			*state = (enum file_state)i;
			return true;
		}
	}
	return false;
}

/* Columns as in restore_files; texts live until the next step. */
static int file_from_row(sqlite3_stmt *stmt, struct file *file, struct buf *path, struct err *err)
{
	/* The shown path, or the bytes of one that cannot be shown. */
	int column = sqlite3_column_type(stmt, 8) == SQLITE_NULL ? 1 : 8;

	buf_clear(path);
	buf_add(path, sqlite3_column_blob(stmt, column),
		(size_t)sqlite3_column_bytes(stmt, column));
	buf_add_char(path, '\0');
	if (!buf_ok(path))
		return err_nomem(err);
	*file = (struct file){
		.id = schema_key_number(int_of(stmt, 0)),
		.path = path->data,
		.size = int_of(stmt, 2),
		.n_events = int_of(stmt, 3),
		.n_rejects = int_of(stmt, 4),
		.batch_id = sqlite3_column_type(stmt, 6) == SQLITE_NULL ? -1 : int_of(stmt, 6),
		.reason = (char *)sqlite3_column_text(stmt, 7),
		.identity = {.inode = (uint64_t)int_of(stmt, 9),
			.birth_ns = int_of(stmt, 10),
			.fp_offset = int_of(stmt, 11),
			.fp_head = (uint64_t)int_of(stmt, 12),
			.fp_tail = (uint64_t)int_of(stmt, 13),
			.device = (uint32_t)int_of(stmt, 14),
			.change_mark = (uint32_t)int_of(stmt, 15)},
		.mtime_ns = int_of(stmt, 16),
		.is_compressed = int_of(stmt, 17) != 0,
	};
	if (!find_state((const char *)sqlite3_column_text(stmt, 5), &file->state))
		return damaged("files", err);
	return 0;
}

static int restore_files(
	sqlite3 *db, int64_t source_id, size_t source, struct stream *stream, struct err *err)
{
	struct buf path = {0};
	struct file file;
	sqlite3_stmt *stmt;
	int rc = db_prepare(db,
		"SELECT f.rowid, f.path, f.size, f.events, f.rejects, f.state, f.batch_id, "
		"f.reason,"
		" s.path, s.inode, s.birth_ns, s.fp_offset, s.fp_head, s.fp_tail, s.device,"
		" s.change_mark, s.mtime_ns, s.is_compressed"
		" FROM files AS f JOIN \"state:files\" AS s ON s.key = f.rowid"
		" WHERE f.rowid BETWEEN ?1 AND ?2 ORDER BY f.rowid",
		&stmt, err);

	if (rc < 0)
		return rc;
	(void)sqlite3_bind_int64(stmt, 1, schema_key(source_id, 0));
	(void)sqlite3_bind_int64(stmt, 2, schema_key(source_id + 1, 0) - 1);
	while ((rc = db_step(stmt, err)) == 1) {
		rc = file_from_row(stmt, &file, &path, err);
		if (rc == 0)
			rc = stream_restore_file(stream, source, &file, err);
		if (rc < 0)
			break;
	}
	(void)sqlite3_finalize(stmt);
	buf_fini(&path);
	return rc;
}

/* Of the query with that id, or of all prefixes (0). */
static int restore_offsets(sqlite3 *db, int64_t source_id, size_t source, int64_t query_id,
	struct stream *stream, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc = db_prepare(db,
		"SELECT prefix_id, file_id, offset, skip, line, flags, unpacked FROM "
		"\"state:offsets\""
		" WHERE source_id = ?1 AND prefix_id >= 0 AND (?2 = 0 OR prefix_id ="
		" (SELECT prefix_id FROM \"state:queries\" WHERE id = ?2))",
		&stmt, err);

	if (rc < 0)
		return rc;
	(void)sqlite3_bind_int64(stmt, 1, source_id);
	(void)sqlite3_bind_int64(stmt, 2, query_id);
	while ((rc = db_step(stmt, err)) == 1) {
		struct offset_change offset = {.prefix_id = int_of(stmt, 0),
			.file_id = int_of(stmt, 1),
			.at = {.offset = int_of(stmt, 2),
				.skip = int_of(stmt, 3),
				.line = int_of(stmt, 4),
				.flags = (uint32_t)int_of(stmt, 5),
				.unpacked = int_of(stmt, 6)}};

		rc = stream_restore_offset(stream, source, &offset, err);
		if (rc < 0)
			break;
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

static int restore_rejects(
	sqlite3 *db, const char *name, size_t source, struct stream *stream, struct err *err)
{
	int64_t totals[REJECT_REASONS] = {0};
	sqlite3_stmt *stmt;
	int reason;
	int rc = db_prepare(
		db, "SELECT reason, count FROM reject_totals WHERE source = ?1", &stmt, err);

	if (rc < 0)
		return rc;
	db_bind_text(stmt, 1, name);
	while ((rc = db_step(stmt, err)) == 1) {
		const char *text = (const char *)sqlite3_column_text(stmt, 0);

		for (reason = 0; text != NULL && reason < REJECT_REASONS; reason++) {
			if (strcmp(text, reject_reason_name((enum reject_reason)reason)) == 0)
				totals[reason] = int_of(stmt, 1);
		}
	}
	(void)sqlite3_finalize(stmt);
	if (rc == 0)
		stream_restore_reject_totals(stream, source, totals);
	return rc;
}

static int restore_source(sqlite3 *db, const struct catalog *catalog, size_t source,
	struct stream *stream, struct err *err)
{
	int64_t id = catalog->sources[source].id;
	int rc;

	if (catalog->sources[source].is_new || catalog->sources[source].is_kept)
		return 0;
	rc = restore_files(db, id, source, stream, err);
	if (rc == 0)
		rc = restore_offsets(db, id, source, 0, stream, err);
	if (rc == 0)
		rc = restore_rejects(db, catalog->spec->sources[source].name, source, stream, err);
	return rc;
}

static bool time_of(sqlite3_stmt *stmt, int column, int64_t *us)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);

	return text != NULL &&
	       timestamp_parse_bound(text, (size_t)sqlite3_column_bytes(stmt, column), us);
}

/* The end of a window of fixed size need not be read. */
static bool bounds_of(sqlite3_stmt *stmt, int column, const struct query_spec *query,
	int64_t *start_us, int64_t *end_us)
{
	if (!time_of(stmt, column, start_us))
		return false;
	if (query->session_us > 0)
		return time_of(stmt, column + 1, end_us);
	*end_us = *start_us + query->window_us;
	return true;
}

static int restore_rows(sqlite3 *db, const char *table, const struct query_spec *query,
	size_t index, bool is_open, struct stream *stream, struct err *err)
{
	size_t n = query->n_group_by, i;
	struct event_value *values = mem_new_array(n, sizeof(*values));
	sqlite3_stmt *stmt = NULL;
	struct buf sql = {0};
	int64_t start_us = 0, end_us = 0;
	int rc;

	buf_add_text(&sql, "SELECT * FROM ");
	db_add_name(&sql, table);
	buf_add_char(&sql, '\0');
	rc = values != NULL && buf_ok(&sql) ? db_prepare(db, sql.data, &stmt, err) : err_nomem(err);
	while (rc >= 0 && (rc = db_step(stmt, err)) == 1) {
		for (i = 0; i < n; i++) {
			values[i].text = (const char *)sqlite3_column_text(stmt, (int)i);
			values[i].len = (uint32_t)sqlite3_column_bytes(stmt, (int)i);
			values[i].kind =
				values[i].text != NULL ? EVENT_VALUE_TEXT : EVENT_VALUE_NULL;
		}
		if (!bounds_of(stmt, (int)n, query, &start_us, &end_us))
			rc = damaged(table, err);
		else
			rc = stream_restore_row(stream, index, values, start_us, end_us,
				(uint64_t)int_of(stmt, (int)n + 2), is_open, err);
	}
	(void)sqlite3_finalize(stmt);
	buf_fini(&sql);
	free(values);
	return rc;
}

static char *copy_column(sqlite3_stmt *stmt, int column, bool *failed)
{
	const char *text = (const char *)sqlite3_column_text(stmt, column);
	char *copy;

	if (text == NULL)
		return NULL;
	copy = mem_copy_text(text, strlen(text));
	*failed |= copy == NULL;
	return copy;
}

/* 1: there are totals; 0: it has had no batch yet. */
static int read_totals(sqlite3 *db, int64_t id, struct query_change *change, struct err *err)
{
	struct query_totals *totals = &change->totals;
	bool failed = false;
	sqlite3_stmt *stmt;
	int rc = db_prepare(db,
		"SELECT batch_id, prefix_id, n_files, n_bytes, n_events, n_rejects, n_late,"
		" n_refused, n_groups, watermark_us, max_time_us, retention_end_us, started_at_us,"
		" state, message, exception, n_missed FROM \"state:queries\" WHERE id = ?1"
		" AND batch_id IS NOT NULL",
		&stmt, err);

	if (rc < 0)
		return rc;
	(void)sqlite3_bind_int64(stmt, 1, id);
	rc = db_step(stmt, err);
	if (rc == 1) {
		*totals = (struct query_totals){.batch_id = int_of(stmt, 0),
			.prefix_id = int_of(stmt, 1),
			.n_files = int_of(stmt, 2),
			.n_bytes = int_of(stmt, 3),
			.n_events = int_of(stmt, 4),
			.n_rejects = int_of(stmt, 5),
			.n_late = int_of(stmt, 6),
			.n_refused = int_of(stmt, 7),
			.n_groups = int_of(stmt, 8),
			.watermark_us = int_of(stmt, 9),
			.max_time_us = int_of(stmt, 10),
			.retention_end_us = int_of(stmt, 11),
			.started_at_us = int_of(stmt, 12),
			.state = (enum query_state)int_of(stmt, 13),
			.n_missed = int_of(stmt, 16)};
		change->message = copy_column(stmt, 14, &failed);
		change->exception = copy_column(stmt, 15, &failed);
		if (totals->state > QUERY_TERMINATED)
			rc = damaged("state:queries", err);
		else if (failed)
			rc = err_nomem(err);
	}
	(void)sqlite3_finalize(stmt);
	return rc;
}

static int restore_query(sqlite3 *db, const struct catalog *catalog, size_t index,
	struct stream *stream, struct restored *restored, struct err *err)
{
	const struct query_spec *query = &catalog->spec->queries[index];
	const struct catalog_source *source = &catalog->sources[query->source];
	struct query_change *change = &restored->queries[restored->n];
	struct buf open_name = {0};
	int rc = read_totals(db, catalog->queries[index].id, change, err);

	if (rc == 0)
		return 0;
	change->query = index;
	restored->n++;
	if (rc == 1)
		rc = source->is_kept ? restore_offsets(db, source->id, query->source,
					       catalog->queries[index].id, stream, err)
				     : 0;
	if (rc == 0)
		rc = stream_restore_query(stream, index, &change->totals, err);
	if (rc == 0)
		rc = restore_rows(db, query->name, query, index, false, stream, err);
	if (rc == 0 && query->output_mode == OUTPUT_APPEND) {
		rc = schema_open_table_name(&open_name, query->name) != NULL ? 0 : err_nomem(err);
		if (rc == 0)
			rc = restore_rows(db, open_name.data, query, index, true, stream, err);
		buf_fini(&open_name);
	}
	return rc;
}

static int restored_init(struct restored *restored, const struct catalog *catalog, struct err *err)
{
	*restored = (struct restored){
		.queries = mem_new_array(catalog->spec->n_queries, sizeof(struct query_change))};
	return restored->queries != NULL ? 0 : err_nomem(err);
}

int restore_totals(
	sqlite3 *db, const struct catalog *catalog, struct restored *restored, struct err *err)
{
	int rc = restored_init(restored, catalog, err);

	for (size_t i = 0; rc >= 0 && i < catalog->spec->n_queries; i++) {
		struct query_change *change = &restored->queries[restored->n];

		if (catalog->queries[i].is_new)
			continue;
		change->query = i;
		rc = read_totals(db, catalog->queries[i].id, change, err);
		restored->n += rc != 0;
	}
	return rc < 0 ? rc : 0;
}

int restore_stream(sqlite3 *db, const struct catalog *catalog, struct stream *stream,
	struct restored *restored, struct err *err)
{
	size_t i;
	int rc = restored_init(restored, catalog, err);

	for (i = 0; rc == 0 && i < catalog->spec->n_sources; i++)
		rc = restore_source(db, catalog, i, stream, err);
	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		if (!catalog->queries[i].is_new && !catalog->queries[i].is_kept)
			rc = restore_query(db, catalog, i, stream, restored, err);
	}
	return rc;
}
