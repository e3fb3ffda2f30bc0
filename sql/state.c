/*
 * Every statement here runs at a start, a reload or a rebuild, so they are
 * prepared where they are used.
 */
#include "sql/state.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sql/db.h"
#include "sql/schema.h"

#include <stdlib.h>
#include <string.h>

/* The prefix under which the offsets of a query that is not configured are kept. */
static int64_t parked_prefix(int64_t query_id)
{
	return -1000 - query_id;
}

static int write_source(
	sqlite3 *db, const struct catalog *catalog, size_t index, bool *is_renamed, struct err *err)
{
	const struct source_spec *spec = &catalog->spec->sources[index];
	int64_t id = catalog->sources[index].id;
	int64_t first = schema_key(id, 0), last = schema_key(id + 1, 0) - 1;
	bool is_known = false;
	sqlite3_stmt *stmt;
	int rc = db_ask(
		db, &stmt, err, "SELECT name, path FROM \"state:sources\" WHERE id = ?1", "i", id);

	if (rc == 1)
		is_known = strcmp(db_text(stmt, 0), spec->name) == 0 &&
			   strcmp(db_text(stmt, 1), spec->path) == 0;
	if (rc == 1 && strcmp(db_text(stmt, 0), spec->name) != 0) {
		/* Renamed: the tables that show the name follow. */
		*is_renamed = true;
		rc = db_do(db, err, "UPDATE files SET source = ?1 WHERE rowid BETWEEN ?2 AND ?3",
			"tii", spec->name, first, last);
		if (rc == 0)
			rc = db_do(db, err,
				"UPDATE rejects SET source = ?1 WHERE rowid BETWEEN ?2 AND ?3",
				"tii", spec->name, first, last);
		if (rc == 0)
			rc = db_do(db, err,
				"UPDATE OR REPLACE reject_totals SET source = ?1 WHERE source = ?2",
				"tt", spec->name, db_text(stmt, 0));
	}
	(void)sqlite3_finalize(stmt);
	/* Nothing is written that stands there: a start needs no room on the disk. */
	if (rc < 0 || is_known)
		return rc < 0 ? rc : 0;
	return db_do(db, err, "INSERT OR REPLACE INTO \"state:sources\" VALUES(?1, ?2, ?3)", "itt",
		id, spec->name, spec->path);
}

static int park_query(
	sqlite3 *db, int64_t id, int64_t source_id, int64_t prefix_id, struct err *err)
{
	/* Copied, not moved: other queries may stand at the same prefix. */
	int rc = db_do(db, err,
		"INSERT OR REPLACE INTO \"state:offsets\" SELECT source_id, file_id, ?1, offset, "
		"skip,"
		" line, flags, unpacked FROM \"state:offsets\" WHERE source_id = ?2 AND prefix_id "
		"= ?3",
		"iii", parked_prefix(id), source_id, prefix_id);

	if (rc == 0)
		rc = db_do(db, err, "UPDATE \"state:queries\" SET prefix_id = ?1 WHERE id = ?2",
			"ii", parked_prefix(id), id);
	return rc;
}

struct remembered {
	int64_t id, source_id, prefix_id;
	char *name;
};

/* Above all that are known here or in the stream, which will give it to nobody else. */
static int free_prefix(sqlite3 *db, int64_t first_prefix_id, int64_t *prefix_id, struct err *err)
{
	int rc = db_get_int(db,
		"SELECT max((SELECT coalesce(max(prefix_id), 0) FROM \"state:offsets\"),"
		" (SELECT coalesce(max(prefix_id), 0) FROM \"state:queries\")) + 1",
		0, prefix_id, err);

	if (rc == 0 && *prefix_id < first_prefix_id)
		*prefix_id = first_prefix_id;
	return rc;
}

/* Its offsets get a prefix of their own; those that were not parked may be others' too and are
 * copied. */
static int unpark_query(
	sqlite3 *db, const struct remembered *query, int64_t first_prefix_id, struct err *err)
{
	bool is_parked = query->prefix_id == parked_prefix(query->id);
	int64_t prefix_id = 0;
	int rc = free_prefix(db, first_prefix_id, &prefix_id, err);

	if (rc == 0)
		rc = db_do(db, err,
			is_parked ? "UPDATE \"state:offsets\" SET prefix_id = ?1"
				    " WHERE source_id = ?2 AND prefix_id = ?3"
				  : "INSERT INTO \"state:offsets\" SELECT source_id, file_id, ?1,"
				    " offset, skip, line, flags, unpacked FROM \"state:offsets\""
				    " WHERE source_id = ?2 AND prefix_id = ?3",
			"iii", prefix_id, query->source_id, query->prefix_id);
	if (rc == 0)
		rc = db_do(db, err, "UPDATE \"state:queries\" SET prefix_id = ?1 WHERE id = ?2",
			"ii", prefix_id, query->id);
	return rc;
}

/* What becomes of one remembered query under this catalog. */
static int adopt_query(sqlite3 *db, const struct catalog *catalog, const struct remembered *query,
	int64_t first_prefix_id, struct err *err)
{
	size_t index = catalog_find_query(catalog, query->name);

	if (index == SIZE_MAX)
		return query->prefix_id >= 0
			       ? park_query(db, query->id, query->source_id, query->prefix_id, err)
			       : 0;
	if (catalog->queries[index].is_new || catalog->queries[index].is_kept)
		return 0;
	if (query->prefix_id == parked_prefix(query->id) ||
		(first_prefix_id > 0 && query->prefix_id >= 0))
		return unpark_query(db, query, first_prefix_id, err);
	return 0;
}

static void free_remembered(struct remembered *all, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(all[i].name);
	free(all);
}

/* Gathered first, because what is done with each changes the table. */
static int remembered_queries(sqlite3 *db, struct remembered **all, size_t *n, struct err *err)
{
	sqlite3_stmt *stmt;
	size_t cap = 0;
	int rc;

	*all = NULL;
	*n = 0;
	rc = db_prepare(db,
		"SELECT id, source_id, coalesce(prefix_id, -1), name"
		" FROM \"state:queries\" ORDER BY name",
		&stmt, err);
	if (rc < 0)
		return rc;
	while ((rc = db_step(stmt, err)) == 1) {
		struct remembered one = {.id = sqlite3_column_int64(stmt, 0),
			.source_id = sqlite3_column_int64(stmt, 1),
			.prefix_id = sqlite3_column_int64(stmt, 2)};

		one.name = mem_copy_text(db_text(stmt, 3), strlen(db_text(stmt, 3)));
		if (one.name == NULL || !mem_grow(all, &cap, *n + 1, sizeof(one))) {
			free(one.name);
			rc = err_nomem(err);
			break;
		}
		(*all)[(*n)++] = one;
	}
	(void)sqlite3_finalize(stmt);
	if (rc < 0) {
		free_remembered(*all, *n);
		*all = NULL;
		*n = 0;
	}
	return rc;
}

int state_adopt(sqlite3 *db, const struct catalog *catalog, int64_t first_prefix_id,
	bool *is_renamed, struct err *err)
{
	struct remembered *all;
	size_t n, i;
	int rc = remembered_queries(db, &all, &n, err);

	*is_renamed = false;
	if (rc < 0)
		return rc;
	for (i = 0; rc == 0 && i < catalog->spec->n_sources; i++)
		rc = write_source(db, catalog, i, is_renamed, err);
	for (i = 0; rc == 0 && i < n; i++)
		rc = adopt_query(db, catalog, &all[i], first_prefix_id, err);
	free_remembered(all, n);
	return rc;
}

static int drop_source_data(sqlite3 *db, int64_t id, const char *name, struct err *err)
{
	static const char *const ranges[] = {
		"DELETE FROM files WHERE rowid BETWEEN ?1 AND ?2",
		"DELETE FROM rejects WHERE rowid BETWEEN ?1 AND ?2",
		"DELETE FROM \"state:files\" WHERE key BETWEEN ?1 AND ?2",
	};
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < sizeof(ranges) / sizeof(ranges[0]); i++)
		rc = db_do(db, err, ranges[i], "ii", schema_key(id, 0), schema_key(id + 1, 0) - 1);
	if (rc == 0)
		rc = db_do(db, err, "DELETE FROM \"state:offsets\" WHERE source_id = ?1", "i", id);
	if (rc == 0)
		rc = db_do(db, err, "DELETE FROM reject_totals WHERE source = ?1", "t", name);
	if (rc == 0)
		rc = db_do(db, err,
			"UPDATE \"state:queries\" SET definition = NULL WHERE source_id = ?1", "i",
			id);
	if (rc == 0)
		rc = db_do(db, err, "DELETE FROM \"state:sources\" WHERE id = ?1", "i", id);
	return rc;
}

/* Tables, progress and the row; the offsets of a shared prefix are the stream's to drop. */
static int drop_query_data(sqlite3 *db, const char *name, struct err *err)
{
	struct buf open_name = {0};
	sqlite3_stmt *stmt;
	int64_t id = 0;
	int rc = db_ask(
		db, &stmt, err, "SELECT id FROM \"state:queries\" WHERE name = ?1", "t", name);

	if (rc != 1)
		return rc;
	id = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	rc = db_do(db, err, "DELETE FROM progress WHERE rowid BETWEEN ?1 AND ?2", "ii",
		schema_key(id, 0), schema_key(id + 1, 0) - 1);
	if (rc == 0)
		rc = db_do(db, err, "DELETE FROM \"state:offsets\" WHERE prefix_id = ?1", "i",
			parked_prefix(id));
	if (rc == 0)
		rc = schema_drop_table(db, name, err);
	if (rc == 0 && schema_open_table_name(&open_name, name) == NULL)
		rc = err_nomem(err);
	if (rc == 0)
		rc = schema_drop_table(db, open_name.data, err);
	buf_fini(&open_name);
	if (rc == 0)
		rc = db_do(db, err, "DELETE FROM \"state:queries\" WHERE id = ?1", "i", id);
	return rc;
}

static int make_query(sqlite3 *db, const struct catalog *catalog, size_t index, struct err *err)
{
	const struct query_spec *spec = &catalog->spec->queries[index];
	const struct catalog_query *query = &catalog->queries[index];
	struct buf open_name = {0};
	int rc = db_do(db, err,
		"INSERT INTO \"state:queries\"(id, name, source_id, definition, uuid)"
		" VALUES(?1, ?2, ?3, ?4, ?5)",
		"ititt", query->id, spec->name, catalog->sources[spec->source].id,
		query->definition, query->uuid);

	if (rc == 0)
		rc = schema_create_table(db, spec->name, spec, TABLE_KEYED, err);
	if (rc < 0 || spec->output_mode != OUTPUT_APPEND)
		return rc;
	if (schema_open_table_name(&open_name, spec->name) == NULL)
		rc = err_nomem(err);
	if (rc == 0)
		rc = schema_create_table(db, open_name.data, spec, TABLE_KEYED, err);
	buf_fini(&open_name);
	return rc;
}

/*
 * Sources that are not the catalog's go when their name stands for another one
 * now, or when no query that is remembered needs them.
 */
static int drop_old_sources(sqlite3 *db, const struct catalog *catalog, struct err *err)
{
	int64_t after = 0;
	sqlite3_stmt *stmt;
	int rc;

	while ((rc = db_ask(db, &stmt, err,
			"SELECT id, name, EXISTS (SELECT 1 FROM \"state:queries\" AS q"
			" WHERE q.source_id = s.id) FROM \"state:sources\" AS s WHERE id > ?1"
			" ORDER BY id LIMIT 1",
			"i", after)) == 1) {
		bool is_needed = sqlite3_column_int(stmt, 2) != 0 &&
				 catalog_find_source(catalog, db_text(stmt, 1)) == SIZE_MAX;

		after = sqlite3_column_int64(stmt, 0);
		rc = 0;
		if (!is_needed && !catalog_has_source_id(catalog, after))
			rc = drop_source_data(db, after, db_text(stmt, 1), err);
		(void)sqlite3_finalize(stmt);
		if (rc < 0)
			return rc;
	}
	return rc;
}

int state_rebuild(sqlite3 *db, const struct catalog *catalog, struct err *err)
{
	bool is_anything_new = false;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		if (!catalog->queries[i].is_new)
			continue;
		is_anything_new = true;
		rc = drop_query_data(db, catalog->spec->queries[i].name, err);
		if (rc == 0)
			rc = make_query(db, catalog, i, err);
	}
	if (rc == 0 && is_anything_new)
		rc = drop_old_sources(db, catalog, err);
	return rc;
}

int state_query_names(sqlite3 *db, char ***names, size_t *n, struct err *err)
{
	struct remembered *all;
	size_t i;
	int rc = remembered_queries(db, &all, n, err);

	*names = NULL;
	if (rc < 0)
		return rc;
	*names = mem_new_array(*n, sizeof(**names));
	if (*names == NULL) {
		free_remembered(all, *n);
		return err_nomem(err);
	}
	for (i = 0; i < *n; i++)
		(*names)[i] = all[i].name;
	free(all);
	return 0;
}

int state_forget(sqlite3 *db, const char *name, struct err *err)
{
	int64_t source_id = 0, n_left = 1;
	sqlite3_stmt *stmt;
	int rc = db_ask(db, &stmt, err,
		"SELECT source_id, (SELECT count(*) FROM \"state:queries\" AS other"
		" WHERE other.source_id = q.source_id) - 1 FROM \"state:queries\" AS q WHERE name "
		"= ?1",
		"t", name);

	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(err, ERR_MISSING,
			"the checkpoint holds no query named %s; --print-config names those that "
			"were removed",
			name);
	source_id = sqlite3_column_int64(stmt, 0);
	n_left = sqlite3_column_int64(stmt, 1);
	(void)sqlite3_finalize(stmt);
	rc = db_begin(db, err);
	if (rc < 0)
		return rc;
	rc = drop_query_data(db, name, err);
	if (rc == 0 && n_left == 0) {
		rc = db_ask(db, &stmt, err, "SELECT name FROM \"state:sources\" WHERE id = ?1", "i",
			source_id);
		if (rc == 1) {
			rc = drop_source_data(db, source_id, db_text(stmt, 0), err);
			(void)sqlite3_finalize(stmt);
		}
	}
	return db_end(db, rc, err);
}
