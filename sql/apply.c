/*
 * Statements by name, kept in one array, and one function for each kind of
 * change. What the two databases do not share is decided in two places: which
 * statements are prepared, and which table the totals of a query go to.
 */
#include "sql/apply_private.h"

#include "base/mem.h"
#include "sql/db.h"
#include "sql/progress.h"
#include "sql/schema.h"

#include <stdlib.h>
#include <string.h>

static const char *const statement_texts[N_STATEMENTS] = {
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
	" started_at_us = ?15, n_missed = ?16 WHERE id = ?1";
static const char mirror_message[] =
	"UPDATE queries SET message = coalesce(?2, message),"
	" exception = CASE WHEN state = 'FAILED' THEN coalesce(?3, exception) ELSE ?3 END"
	" WHERE rowid = ?1";
static const char checkpoint_message[] = "UPDATE \"state:queries\" SET message = coalesce(?2, "
					 "message), exception = ?3 WHERE id = ?1";

static const char mirror_newest[] =
	"INSERT OR REPLACE INTO newest_events(rowid, query, time) VALUES(?1, ?2, ?3)";

/* NULL: the target has none. */
static const char *statement_text(enum apply_target target, int which)
{
	bool is_mirror = target == APPLY_MIRROR;

	if (which == PUT_TOTALS)
		return is_mirror ? mirror_totals : checkpoint_totals;
	if (which == PUT_MESSAGE)
		return is_mirror ? mirror_message : checkpoint_message;
	if (which == PUT_NEWEST)
		return is_mirror ? mirror_newest : NULL;
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
	apply->files = file_rows_new(db, target, catalog);
	if (apply->tables == NULL || apply->next_reject == NULL || apply->files == NULL ||
		!open_tables(apply))
		rc = err_nomem(err);
	for (source = 0; rc == 0 && source < catalog->spec->n_sources; source++)
		apply->next_reject[source] = -1;
	for (i = 0; rc == 0 && i < N_STATEMENTS; i++) {
		const char *text = statement_text(target, i);

		if (text != NULL)
			rc = db_prepare(db, text, &apply->statements[i], err);
	}
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
	file_rows_free(apply->files);
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

static int put_totals(struct apply *apply, const struct query_change *change, struct err *err)
{
	const struct query_totals *totals = &change->totals;
	sqlite3_stmt *stmt = apply->statements[PUT_TOTALS];

	(void)sqlite3_bind_int64(stmt, 1, apply->catalog->queries[change->query].id);
	apply_bind_int(stmt, 3, totals->batch_id, totals->batch_id < 0);
	(void)sqlite3_bind_int64(stmt, 4, totals->n_files);
	(void)sqlite3_bind_int64(stmt, 5, totals->n_bytes);
	(void)sqlite3_bind_int64(stmt, 6, totals->n_events);
	(void)sqlite3_bind_int64(stmt, 7, totals->n_rejects);
	(void)sqlite3_bind_int64(stmt, 8, totals->n_late);
	(void)sqlite3_bind_int64(stmt, 9, totals->n_refused);
	(void)sqlite3_bind_int64(stmt, 10, totals->n_groups);
	if (apply->target == APPLY_MIRROR) {
		db_bind_text(stmt, 2, query_state_name(totals->state));
		apply_bind_time(stmt, 11, totals->started_at_us, totals->started_at_us == 0);
	} else {
		(void)sqlite3_bind_int64(stmt, 2, totals->state);
		(void)sqlite3_bind_int64(stmt, 3, totals->batch_id);
		(void)sqlite3_bind_int64(stmt, 11, totals->prefix_id);
		(void)sqlite3_bind_int64(stmt, 12, totals->watermark_us);
		(void)sqlite3_bind_int64(stmt, 13, totals->max_time_us);
		(void)sqlite3_bind_int64(stmt, 14, totals->retention_end_us);
		(void)sqlite3_bind_int64(stmt, 15, totals->started_at_us);
		(void)sqlite3_bind_int64(stmt, 16, totals->n_missed);
	}
	return db_run(stmt, err);
}

static int put_newest(struct apply *apply, const struct query_change *change, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[PUT_NEWEST];

	if (stmt == NULL)
		return 0;
	(void)sqlite3_bind_int64(stmt, 1, apply->catalog->queries[change->query].id);
	db_bind_text(stmt, 2, apply->catalog->spec->queries[change->query].name);
	apply_bind_time(
		stmt, 3, change->totals.max_time_us, change->totals.max_time_us == INT64_MIN);
	return db_run(stmt, err);
}

static int put_message(struct apply *apply, const struct query_change *change, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[PUT_MESSAGE];
	const struct catalog_query *query = &apply->catalog->queries[change->query];
	const char *message = change->message;

	if (apply->target == APPLY_MIRROR)
		message = catalog_message(query, message, change->totals.n_missed, &apply->scratch);
	(void)sqlite3_bind_int64(stmt, 1, query->id);
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
	(void)sqlite3_bind_int64(stmt, 1, schema_key(id, 0));
	(void)sqlite3_bind_int64(stmt, 2, schema_key(id + 1, 0) - 1);
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
	if (rc == 0)
		rc = put_newest(apply, change, err);
	return rc;
}

int apply_changes(struct apply *apply, const struct changes *changes, struct err *err)
{
	int rc = 0;
	size_t i;

	for (i = 0; rc == 0 && i < changes->n_queries; i++)
		rc = apply_query(apply, &changes->queries[i], err);
	if (rc == 0)
		rc = file_rows_apply(apply->files, changes, err);
	if (rc == 0)
		rc = apply_rejects(apply, changes, err);
	return rc;
}

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
	(void)sqlite3_bind_int64(
		stmt, 1, schema_key(apply->catalog->queries[change->query].id, progress->batch_id));
	db_bind_text(stmt, 2, apply->catalog->spec->queries[change->query].name);
	(void)sqlite3_bind_int64(stmt, 3, progress->batch_id);
	db_bind_time(stmt, 4, progress->timestamp_us);
	(void)sqlite3_bind_double(stmt, 5, (double)trigger_us / 1000.0);
	(void)sqlite3_bind_int64(stmt, 6, progress->n_files);
	(void)sqlite3_bind_int64(stmt, 7, progress->n_bytes);
	(void)sqlite3_bind_int64(stmt, 8, progress->n_rows);
	is_there = progress_input_rate(progress, &rate);
	bind_rate(stmt, 9, is_there, rate);
	(void)sqlite3_bind_double(stmt, 10, progress_processed_rate(progress, trigger_us));
	(void)sqlite3_bind_int64(stmt, 11, progress->n_groups);
	(void)sqlite3_bind_int64(stmt, 12, progress->n_groups_updated);
	(void)sqlite3_bind_int64(stmt, 13, progress->n_late);
	apply_bind_time(stmt, 14, progress->watermark_us,
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
	(void)sqlite3_bind_int64(stmt, 1, schema_key(id, 0));
	(void)sqlite3_bind_int64(stmt, 2, schema_key(id, last));
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
