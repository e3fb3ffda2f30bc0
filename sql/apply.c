/*
 * Statements by name, kept in one array, and one function for each kind of
 * change. What the two databases do not share is decided in two places: which
 * statements are prepared, and which table the totals of a query go to.
 */
#include "sql/apply.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/timestamp.h"
#include "base/utf8.h"
#include "sql/db.h"
#include "sql/progress.h"
#include "sql/schema.h"
#include "sql/table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	PUT_FILE,
	FORGET_FILE,
	PUT_REJECT,
	NEWEST_REJECT,
	TRIM_REJECTS,
	PUT_REJECT_TOTAL,
	SUM_REJECT_TOTALS,
	PUT_PROGRESS,
	TRIM_PROGRESS,
	CLEAR_PROGRESS,
	PUT_TOTALS,
	PUT_MESSAGE,
	/* From here on only the checkpoint's. */
	PUT_IDENTITY,
	FORGET_IDENTITY,
	FORGET_OFFSETS,
	PUT_OFFSET,
	DROP_PREFIX,
	N_STATEMENTS,
	N_SHARED = PUT_IDENTITY,
};

static const char *const statement_texts[N_STATEMENTS] = {
	[PUT_FILE] =
		"INSERT OR REPLACE INTO files(rowid, source, path, size, offset, mtime, events,"
		" rejects, state, batch_id, reason) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)",
	[FORGET_FILE] = "DELETE FROM files WHERE rowid = ?1",
	[PUT_REJECT] =
		"INSERT INTO rejects(rowid, source, file, line, offset, reason, detail, text)"
		" VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
	[NEWEST_REJECT] = "SELECT max(rowid) FROM rejects WHERE rowid BETWEEN ?1 AND ?2",
	[TRIM_REJECTS] = "DELETE FROM rejects WHERE rowid BETWEEN ?1 AND ?2",
	[PUT_REJECT_TOTAL] = "INSERT INTO reject_totals VALUES(?1,?2,?3) ON CONFLICT DO UPDATE"
			     " SET count = excluded.count WHERE count <> excluded.count",
	[SUM_REJECT_TOTALS] = "SELECT total(count) FROM reject_totals WHERE source = ?1",
	[PUT_PROGRESS] =
		"INSERT OR REPLACE INTO progress(rowid, query, batch_id, timestamp,"
		" trigger_ms, files, bytes, num_input_rows, input_rows_per_second,"
		" processed_rows_per_second, groups, groups_updated, late, watermark, json)"
		" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15)",
	[TRIM_PROGRESS] = "DELETE FROM progress WHERE rowid BETWEEN ?1 AND ?2",
	[CLEAR_PROGRESS] = "DELETE FROM progress WHERE rowid BETWEEN ?1 AND ?2",
	[PUT_IDENTITY] =
		"INSERT OR REPLACE INTO \"state:files\" VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,"
		"?11)",
	[FORGET_IDENTITY] = "DELETE FROM \"state:files\" WHERE key = ?1",
	[FORGET_OFFSETS] = "DELETE FROM \"state:offsets\" WHERE source_id = ?1 AND file_id = ?2",
	[PUT_OFFSET] = "INSERT OR REPLACE INTO \"state:offsets\" VALUES(?1,?2,?3,?4,?5,?6,?7)",
	[DROP_PREFIX] = "DELETE FROM \"state:offsets\" WHERE source_id = ?1 AND prefix_id = ?2",
};

/* The mirror shows totals to people; the checkpoint keeps all of struct query_totals. */
static const char mirror_totals[] =
	"UPDATE queries SET state = ?2, batch_id = ?3, files = ?4, bytes = ?5, events = ?6,"
	" rejects = ?7, late = ?8, refused = ?9, \"groups\" = ?10, started_at = ?11"
	" WHERE rowid = ?1";
static const char checkpoint_totals[] =
	"UPDATE \"state:queries\" SET state = ?2, batch_id = ?3, n_files = ?4, n_bytes = ?5,"
	" n_events = ?6, n_rejects = ?7, n_late = ?8, n_refused = ?9, n_groups = ?10,"
	" prefix_id = ?11, watermark_us = ?12, max_time_us = ?13, retention_end_us = ?14,"
	" started_at_us = ?15 WHERE id = ?1";
static const char mirror_message[] =
	"UPDATE queries SET message = coalesce(?2, message),"
	" exception = CASE WHEN state = 'FAILED' THEN coalesce(?3, exception) ELSE ?3 END"
	" WHERE rowid = ?1";
static const char checkpoint_message[] = "UPDATE \"state:queries\" SET message = coalesce(?2, "
					 "message), exception = ?3 WHERE id = ?1";

struct query_tables {
	struct table table;
	struct table open; /* append mode, checkpoint only */
	bool has_open;
};

struct apply {
	sqlite3 *db;
	enum apply_target target;
	const struct catalog *catalog;
	sqlite3_stmt *statements[N_STATEMENTS];
	struct query_tables *tables; /* one per query */
	int64_t *next_reject; /* per source: the number of the next row; -1: to be looked up */
	struct buf scratch;
};

/* --- life -------------------------------------------------------------------- */

static const char *statement_text(enum apply_target target, int which)
{
	bool is_mirror = target == APPLY_MIRROR;

	if (which == PUT_TOTALS)
		return is_mirror ? mirror_totals : checkpoint_totals;
	if (which == PUT_MESSAGE)
		return is_mirror ? mirror_message : checkpoint_message;
	return statement_texts[which];
}

static bool open_tables(struct apply *apply)
{
	const struct spec *spec = apply->catalog->spec;
	size_t i;

	for (i = 0; i < spec->n_queries; i++) {
		const struct query_spec *query = &spec->queries[i];
		struct query_tables *tables = &apply->tables[i];
		const char *open_name = schema_open_table_name(&apply->scratch, query->name);

		if (open_name == NULL || !table_init(&tables->table, apply->db, query->name, query))
			return false;
		tables->has_open =
			apply->target == APPLY_CHECKPOINT && query->output_mode == OUTPUT_APPEND;
		if (tables->has_open && !table_init(&tables->open, apply->db, open_name, query))
			return false;
	}
	return true;
}

int apply_open(struct apply **out, sqlite3 *db, enum apply_target target,
	const struct catalog *catalog, struct err *err)
{
	int n = target == APPLY_MIRROR ? N_SHARED : N_STATEMENTS;
	struct apply *apply = calloc(1, sizeof(*apply));
	size_t source;
	int rc = 0;
	int i;

	*out = NULL;
	if (apply == NULL)
		return err_nomem(err);
	apply->db = db;
	apply->target = target;
	apply->catalog = catalog;
	apply->tables = mem_new_array(catalog->spec->n_queries, sizeof(*apply->tables));
	apply->next_reject = mem_new_array(catalog->spec->n_sources, sizeof(int64_t));
	if (apply->tables == NULL || apply->next_reject == NULL || !open_tables(apply))
		rc = err_nomem(err);
	for (source = 0; rc == 0 && source < catalog->spec->n_sources; source++)
		apply->next_reject[source] = -1;
	for (i = 0; rc == 0 && i < n; i++)
		rc = db_prepare(db, statement_text(target, i), &apply->statements[i], err);
	if (rc < 0) {
		apply_close(apply);
		return rc;
	}
	*out = apply;
	return 0;
}

void apply_close(struct apply *apply)
{
	size_t i;

	if (apply == NULL)
		return;
	for (i = 0; i < N_STATEMENTS; i++)
		(void)sqlite3_finalize(apply->statements[i]);
	for (i = 0; apply->tables != NULL && i < apply->catalog->spec->n_queries; i++) {
		table_fini(&apply->tables[i].table);
		table_fini(&apply->tables[i].open);
	}
	free(apply->tables);
	free(apply->next_reject);
	buf_fini(&apply->scratch);
	free(apply);
}

void apply_rolled_back(struct apply *apply)
{
	size_t i;

	for (i = 0; i < apply->catalog->spec->n_queries; i++) {
		table_forget(&apply->tables[i].table);
		table_forget(&apply->tables[i].open);
	}
	for (i = 0; i < apply->catalog->spec->n_sources; i++)
		apply->next_reject[i] = -1;
}

/* --- binding ----------------------------------------------------------------- */

static void bind_int(sqlite3_stmt *stmt, int index, int64_t value)
{
	(void)sqlite3_bind_int64(stmt, index, value);
}

static void bind_int_or_null(sqlite3_stmt *stmt, int index, int64_t value, bool is_null)
{
	if (is_null)
		(void)sqlite3_bind_null(stmt, index);
	else
		(void)sqlite3_bind_int64(stmt, index, value);
}

static void bind_time_or_null(sqlite3_stmt *stmt, int index, int64_t us, bool is_null)
{
	if (is_null)
		(void)sqlite3_bind_null(stmt, index);
	else
		db_bind_time(stmt, index, us);
}

/* Bytes as people may see them: what is no UTF-8 becomes U+FFFD. Copied. */
static void bind_shown(
	struct apply *apply, sqlite3_stmt *stmt, int index, const char *text, size_t len)
{
	if (utf8_valid_prefix(text, len) == len) {
		(void)sqlite3_bind_text(stmt, index, text, (int)len, SQLITE_STATIC);
		return;
	}
	buf_clear(&apply->scratch);
	utf8_add_shown(&apply->scratch, text, len);
	(void)sqlite3_bind_text(
		stmt, index, apply->scratch.data, (int)apply->scratch.len, SQLITE_TRANSIENT);
}

/* --- files and offsets -------------------------------------------------------- */

static int forget_file(
	struct apply *apply, const struct file_change *change, int64_t key, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[FORGET_FILE];
	int rc;

	bind_int(stmt, 1, key);
	rc = db_run(stmt, err);
	if (rc < 0 || apply->target == APPLY_MIRROR)
		return rc;
	stmt = apply->statements[FORGET_IDENTITY];
	bind_int(stmt, 1, key);
	rc = db_run(stmt, err);
	if (rc < 0)
		return rc;
	stmt = apply->statements[FORGET_OFFSETS];
	bind_int(stmt, 1, apply->catalog->sources[change->source].id);
	bind_int(stmt, 2, change->file->id);
	return db_run(stmt, err);
}

static int put_identity(struct apply *apply, const struct file *file, int64_t key, struct err *err)
{
	const struct file_identity *identity = &file->identity;
	sqlite3_stmt *stmt = apply->statements[PUT_IDENTITY];
	size_t len = strlen(file->path);

	bind_int(stmt, 1, key);
	bind_int(stmt, 2, (int64_t)identity->inode);
	bind_int(stmt, 3, identity->birth_ns);
	bind_int(stmt, 4, identity->fp_offset);
	bind_int(stmt, 5, (int64_t)identity->fp_head);
	bind_int(stmt, 6, (int64_t)identity->fp_tail);
	bind_int(stmt, 7, identity->device);
	bind_int(stmt, 8, identity->change_mark);
	bind_int(stmt, 9, file->mtime_ns);
	bind_int(stmt, 10, file->is_compressed);
	/* The name itself where `files` cannot show it. */
	if (utf8_valid_prefix(file->path, len) == len)
		(void)sqlite3_bind_null(stmt, 11);
	else
		(void)sqlite3_bind_blob(stmt, 11, file->path, (int)len, SQLITE_STATIC);
	return db_run(stmt, err);
}

static int apply_file(struct apply *apply, const struct file_change *change, struct err *err)
{
	const struct file *file = change->file;
	int64_t key = schema_key(apply->catalog->sources[change->source].id, file->id);
	sqlite3_stmt *stmt = apply->statements[PUT_FILE];
	int rc;

	if (change->is_forgotten)
		return forget_file(apply, change, key, err);
	bind_int(stmt, 1, key);
	db_bind_text(stmt, 2, apply->catalog->spec->sources[change->source].name);
	bind_shown(apply, stmt, 3, file->path, strlen(file->path));
	bind_int(stmt, 4, file->size);
	bind_int(stmt, 5, change->least_offset);
	db_bind_time(stmt, 6, file->mtime_ns / 1000 - (file->mtime_ns % 1000 < 0));
	bind_int(stmt, 7, file->n_events);
	bind_int(stmt, 8, file->n_rejects);
	db_bind_text(stmt, 9, file_state_name(file->state));
	bind_int_or_null(stmt, 10, file->batch_id, file->batch_id < 0);
	if (file->reason != NULL)
		bind_shown(apply, stmt, 11, file->reason, strlen(file->reason));
	else
		(void)sqlite3_bind_null(stmt, 11);
	rc = db_run(stmt, err);
	if (rc == 0 && apply->target == APPLY_CHECKPOINT)
		rc = put_identity(apply, file, key, err);
	return rc;
}

/* A batch is of one source; prefixes and files are numbered within it. */
static int64_t source_id_of(const struct apply *apply, const struct changes *changes)
{
	const struct catalog *catalog = apply->catalog;

	if (changes->n_files > 0)
		return catalog->sources[changes->files[0].source].id;
	assert(changes->n_queries > 0);
	return catalog->sources[catalog->spec->queries[changes->queries[0].query].source].id;
}

static int apply_offsets(struct apply *apply, const struct changes *changes, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[DROP_PREFIX];
	int64_t source_id;
	int rc = 0;
	size_t i;

	if (changes->n_offsets == 0 && changes->n_dropped_prefixes == 0)
		return 0;
	source_id = source_id_of(apply, changes);
	for (i = 0; rc == 0 && i < changes->n_dropped_prefixes; i++) {
		bind_int(stmt, 1, source_id);
		bind_int(stmt, 2, changes->dropped_prefixes[i]);
		rc = db_run(stmt, err);
	}
	stmt = apply->statements[PUT_OFFSET];
	for (i = 0; rc == 0 && i < changes->n_offsets; i++) {
		const struct offset_change *change = &changes->offsets[i];

		bind_int(stmt, 1, source_id);
		bind_int(stmt, 2, change->file_id);
		bind_int(stmt, 3, change->prefix_id);
		bind_int(stmt, 4, change->at.offset);
		bind_int(stmt, 5, change->at.skip);
		bind_int(stmt, 6, change->at.line);
		bind_int(stmt, 7, change->at.flags);
		rc = db_run(stmt, err);
	}
	return rc;
}

/* --- rejects ------------------------------------------------------------------ */

static int find_next_reject(struct apply *apply, size_t source, struct err *err)
{
	int64_t id = apply->catalog->sources[source].id;
	sqlite3_stmt *stmt = apply->statements[NEWEST_REJECT];
	int rc;

	bind_int(stmt, 1, schema_key(id, 0));
	bind_int(stmt, 2, schema_key(id + 1, 0) - 1);
	rc = db_step(stmt, err);
	if (rc < 0)
		return rc;
	apply->next_reject[source] = 0;
	if (sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		apply->next_reject[source] = schema_key_number(sqlite3_column_int64(stmt, 0)) + 1;
	(void)sqlite3_reset(stmt);
	return 0;
}

static int put_reject(struct apply *apply, const struct reject_change *reject, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[PUT_REJECT];
	int rc = 0;

	if (apply->next_reject[reject->source] < 0)
		rc = find_next_reject(apply, reject->source, err);
	if (rc < 0)
		return rc;
	bind_int(stmt, 1,
		schema_key(apply->catalog->sources[reject->source].id,
			apply->next_reject[reject->source]++));
	db_bind_text(stmt, 2, apply->catalog->spec->sources[reject->source].name);
	bind_shown(apply, stmt, 3, reject->path, strlen(reject->path));
	bind_int(stmt, 4, reject->line);
	bind_int(stmt, 5, reject->offset);
	db_bind_text(stmt, 6, reject_reason_name(reject->reason));
	bind_shown(apply, stmt, 7, reject->detail, strlen(reject->detail));
	bind_shown(apply, stmt, 8, reject->text, reject->text_len);
	return db_run(stmt, err);
}

static int trim_rejects(struct apply *apply, size_t source, struct err *err)
{
	int64_t id = apply->catalog->sources[source].id;
	int64_t last = apply->next_reject[source] - APPLY_REJECTS_KEPT - 1;
	sqlite3_stmt *stmt = apply->statements[TRIM_REJECTS];

	if (last < 0)
		return 0;
	bind_int(stmt, 1, schema_key(id, 0));
	bind_int(stmt, 2, schema_key(id, last));
	return db_run(stmt, err);
}

/* *is_new: the totals say that there are rejects that this database has not seen. */
static int put_reject_totals(struct apply *apply, size_t source,
	const int64_t totals[REJECT_REASONS], bool *is_new, struct err *err)
{
	const char *name = apply->catalog->spec->sources[source].name;
	sqlite3_stmt *stmt = apply->statements[SUM_REJECT_TOTALS];
	int64_t before, sum = 0;
	int reason;
	int rc;

	db_bind_text(stmt, 1, name);
	rc = db_step(stmt, err);
	if (rc < 0)
		return rc;
	before = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_reset(stmt);
	stmt = apply->statements[PUT_REJECT_TOTAL];
	rc = 0;
	for (reason = 0; rc == 0 && reason < REJECT_REASONS; reason++) {
		sum += totals[reason];
		if (totals[reason] == 0)
			continue;
		db_bind_text(stmt, 1, name);
		db_bind_text(stmt, 2, reject_reason_name((enum reject_reason)reason));
		bind_int(stmt, 3, totals[reason]);
		rc = db_run(stmt, err);
	}
	*is_new = sum != before;
	return rc;
}

static int apply_rejects(struct apply *apply, const struct changes *changes, struct err *err)
{
	size_t n_sources = apply->catalog->spec->n_sources;
	size_t source, i;
	bool is_new;
	int rc = 0;

	if (changes->reject_totals == NULL)
		return 0;
	for (source = 0; rc == 0 && source < n_sources; source++) {
		/* The one thing that is added and not set: seen once, it is left out the second
		 * time. */
		rc = put_reject_totals(apply, source, changes->reject_totals[source], &is_new, err);
		if (rc < 0 || !is_new)
			continue;
		for (i = 0; rc == 0 && i < changes->n_rejects; i++) {
			if (changes->rejects[i].source == source)
				rc = put_reject(apply, &changes->rejects[i], err);
		}
		if (rc == 0)
			rc = trim_rejects(apply, source, err);
	}
	return rc;
}

/* --- queries ------------------------------------------------------------------ */

static int put_totals(struct apply *apply, const struct query_change *change, struct err *err)
{
	const struct query_totals *totals = &change->totals;
	sqlite3_stmt *stmt = apply->statements[PUT_TOTALS];

	bind_int(stmt, 1, apply->catalog->queries[change->query].id);
	bind_int_or_null(stmt, 3, totals->batch_id, totals->batch_id < 0);
	bind_int(stmt, 4, totals->n_files);
	bind_int(stmt, 5, totals->n_bytes);
	bind_int(stmt, 6, totals->n_events);
	bind_int(stmt, 7, totals->n_rejects);
	bind_int(stmt, 8, totals->n_late);
	bind_int(stmt, 9, totals->n_refused);
	bind_int(stmt, 10, totals->n_groups);
	if (apply->target == APPLY_MIRROR) {
		db_bind_text(stmt, 2, query_state_name(totals->state));
		bind_time_or_null(stmt, 11, totals->started_at_us, totals->started_at_us == 0);
	} else {
		bind_int(stmt, 2, totals->state);
		bind_int(stmt, 3, totals->batch_id);
		bind_int(stmt, 11, totals->prefix_id);
		bind_int(stmt, 12, totals->watermark_us);
		bind_int(stmt, 13, totals->max_time_us);
		bind_int(stmt, 14, totals->retention_end_us);
		bind_int(stmt, 15, totals->started_at_us);
	}
	return db_run(stmt, err);
}

static int put_message(struct apply *apply, const struct query_change *change, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[PUT_MESSAGE];
	const struct catalog_query *query = &apply->catalog->queries[change->query];
	const char *message = change->message;

	if (apply->target == APPLY_MIRROR)
		message = catalog_message(query, message, &apply->scratch);
	bind_int(stmt, 1, query->id);
	db_bind_text(stmt, 2, message);
	db_bind_text(stmt, 3, change->exception);
	return db_run(stmt, err);
}

static int clear_query(struct apply *apply, const struct query_change *change, struct err *err)
{
	struct query_tables *tables = &apply->tables[change->query];
	int64_t id = apply->catalog->queries[change->query].id;
	sqlite3_stmt *stmt = apply->statements[CLEAR_PROGRESS];
	int rc = table_clear(&tables->table, err);

	if (rc == 0 && tables->has_open)
		rc = table_clear(&tables->open, err);
	if (rc < 0)
		return rc;
	bind_int(stmt, 1, schema_key(id, 0));
	bind_int(stmt, 2, schema_key(id + 1, 0) - 1);
	return db_run(stmt, err);
}

static int apply_query(struct apply *apply, const struct query_change *change, struct err *err)
{
	struct query_tables *tables = &apply->tables[change->query];
	int rc = 0;

	if (change->is_rebuilt)
		rc = clear_query(apply, change, err);
	if (rc == 0)
		rc = table_apply(&tables->table, change->rows, change->n_rows, err);
	if (rc == 0 && tables->has_open)
		rc = table_apply(&tables->open, change->open_rows, change->n_open_rows, err);
	if (rc == 0)
		rc = put_totals(apply, change, err);
	if (rc == 0)
		rc = put_message(apply, change, err);
	return rc;
}

int apply_changes(struct apply *apply, const struct changes *changes, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < changes->n_queries; i++)
		rc = apply_query(apply, &changes->queries[i], err);
	for (i = 0; rc == 0 && i < changes->n_files; i++)
		rc = apply_file(apply, &changes->files[i], err);
	if (rc == 0 && apply->target == APPLY_CHECKPOINT)
		rc = apply_offsets(apply, changes, err);
	if (rc == 0)
		rc = apply_rejects(apply, changes, err);
	return rc;
}

/* --- progress ------------------------------------------------------------------ */

static void bind_rate(sqlite3_stmt *stmt, int index, bool is_there, double rate)
{
	if (is_there)
		(void)sqlite3_bind_double(stmt, index, rate);
	else
		(void)sqlite3_bind_null(stmt, index);
}

static int put_progress(
	struct apply *apply, const struct query_change *change, int64_t store_us, struct err *err)
{
	const struct progress *progress = &change->progress;
	int64_t trigger_us = progress->trigger_us + store_us;
	sqlite3_stmt *stmt = apply->statements[PUT_PROGRESS];
	double rate = 0;
	bool is_there;

	buf_clear(&apply->scratch);
	progress_write_json(&apply->scratch, apply->catalog, change->query, progress, store_us);
	if (!buf_ok(&apply->scratch))
		return err_nomem(err);
	bind_int(
		stmt, 1, schema_key(apply->catalog->queries[change->query].id, progress->batch_id));
	db_bind_text(stmt, 2, apply->catalog->spec->queries[change->query].name);
	bind_int(stmt, 3, progress->batch_id);
	db_bind_time(stmt, 4, progress->timestamp_us);
	(void)sqlite3_bind_double(stmt, 5, (double)trigger_us / 1000.0);
	bind_int(stmt, 6, progress->n_files);
	bind_int(stmt, 7, progress->n_bytes);
	bind_int(stmt, 8, progress->n_rows);
	is_there = progress_input_rate(progress, &rate);
	bind_rate(stmt, 9, is_there, rate);
	(void)sqlite3_bind_double(stmt, 10, progress_processed_rate(progress, trigger_us));
	bind_int(stmt, 11, progress->n_groups);
	bind_int(stmt, 12, progress->n_groups_updated);
	bind_int(stmt, 13, progress->n_late);
	bind_time_or_null(stmt, 14, progress->watermark_us,
		apply->catalog->spec->queries[change->query].watermark_us < 0);
	(void)sqlite3_bind_text(
		stmt, 15, apply->scratch.data, (int)apply->scratch.len, SQLITE_STATIC);
	return db_run(stmt, err);
}

static int trim_progress(struct apply *apply, const struct query_change *change, struct err *err)
{
	int64_t id = apply->catalog->queries[change->query].id;
	int64_t last = change->progress.batch_id - APPLY_PROGRESS_KEPT;
	sqlite3_stmt *stmt = apply->statements[TRIM_PROGRESS];

	if (last < 0)
		return 0;
	bind_int(stmt, 1, schema_key(id, 0));
	bind_int(stmt, 2, schema_key(id, last));
	return db_run(stmt, err);
}

int apply_progress(
	struct apply *apply, const struct changes *changes, int64_t store_us, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < changes->n_queries; i++) {
		if (!changes->queries[i].has_progress)
			continue;
		rc = put_progress(apply, &changes->queries[i], store_us, err);
		if (rc == 0)
			rc = trim_progress(apply, &changes->queries[i], err);
	}
	return rc;
}
