/* What a configuration finds again in the checkpoint: sources by their path, queries by their name
 * and definition. */
#include "sql/state.h"

#include "base/mounts.h"
#include "sql/db.h"
#include "sql/schema.h"

#include <string.h>
#include <sys/stat.h>

/* Whether the row may be the source's: nobody else has its number or goes by its name. */
static bool is_free(const struct catalog *catalog, size_t index, int64_t id, const char *name)
{
	return !catalog_has_source_id(catalog, id) &&
	       (sqlite3_stricmp(name, catalog->spec->sources[index].name) == 0 ||
		       catalog_find_source(catalog, name) == SIZE_MAX);
}

/* Why a row is taken for the source, the best reason first: several may lie in one directory. */
enum likeness { LIKE_BY_NAME, LIKE_BY_QUERY, LIKE_BY_PLACE, N_LIKENESSES };

static int is_like(sqlite3 *db, const struct catalog *catalog, size_t index, int64_t id,
	const char *name, enum likeness likeness, struct err *err)
{
	const struct spec *spec = catalog->spec;
	int64_t n = 0;

	if (likeness == LIKE_BY_NAME)
		return sqlite3_stricmp(name, spec->sources[index].name) == 0;
	for (size_t i = 0; likeness == LIKE_BY_QUERY && n == 0 && i < spec->n_queries; i++) {
		sqlite3_stmt *stmt;
		int rc;

		if (spec->queries[i].source != index)
			continue;
		rc = db_ask(db, &stmt, err,
			"SELECT 1 FROM \"state:queries\" WHERE name = ?1 AND source_id = ?2", "ti",
			spec->queries[i].name, id);
		if (rc < 0)
			return rc;
		if (rc == 1)
			(void)sqlite3_finalize(stmt);
		n += rc;
	}
	return likeness == LIKE_BY_PLACE || n > 0;
}

/*
 * The path may be of a source that is configured no more, on a server that is no more: it is looked
 * at only where it is this machine's, or on the file system that has answered just now.
 */
static bool is_same_directory(const char *mountinfo, const char *path, const struct stat *status)
{
	struct mount mount;
	struct stat other;

	if (mounts_find(mountinfo, path, &mount) && mount.is_remote &&
		mount.device != status->st_dev)
		return false;
	return stat(path, &other) == 0 && other.st_dev == status->st_dev &&
	       other.st_ino == status->st_ino;
}

/* Where a source is: its path, or with `mountinfo` whatever leads to the same directory. */
struct whereabouts {
	const char *path;
	const char *mountinfo; /* NULL: by the path alone */
	struct stat status;
};

static bool is_there(const struct whereabouts *where, const char *path)
{
	return where->mountinfo == NULL ? strcmp(path, where->path) == 0
					: is_same_directory(where->mountinfo, path, &where->status);
}

/* The newest row that is there and like the source. */
static int match_source(sqlite3 *db, struct catalog *catalog, size_t index,
	const struct whereabouts *where, enum likeness likeness, struct err *err)
{
	struct catalog_source *source = &catalog->sources[index];
	sqlite3_stmt *stmt;
	int rc = db_prepare(
		db, "SELECT id, name, path FROM \"state:sources\" ORDER BY id DESC", &stmt, err);

	if (rc < 0)
		return rc;
	while (source->is_new && (rc = db_step(stmt, err)) == 1) {
		int64_t id = sqlite3_column_int64(stmt, 0);

		if (!is_free(catalog, index, id, db_text(stmt, 1)) ||
			!is_there(where, db_text(stmt, 2)))
			continue;
		rc = is_like(db, catalog, index, id, db_text(stmt, 1), likeness, err);
		if (rc < 0)
			break;
		if (rc == 1) {
			source->id = id;
			source->is_new = false;
		}
	}
	(void)sqlite3_finalize(stmt);
	return rc < 0 ? rc : 0;
}

/* Of those that the running stream does not go on with, by each reason in turn. */
static int match_sources(
	sqlite3 *db, struct catalog *catalog, const char *mountinfo, struct err *err)
{
	for (int likeness = 0; likeness < N_LIKENESSES; likeness++) {
		for (size_t i = 0; i < catalog->spec->n_sources; i++) {
			struct whereabouts where = {
				.path = catalog->spec->sources[i].path, .mountinfo = mountinfo};
			int rc;

			if (catalog->sources[i].is_kept || !catalog->sources[i].is_new ||
				(mountinfo != NULL && stat(where.path, &where.status) != 0))
				continue;
			rc = match_source(db, catalog, i, &where, (enum likeness)likeness, err);
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* By their paths; else by what is another way to write the same directory: through a link, say. */
static int match_all_sources(sqlite3 *db, struct catalog *catalog, struct err *err)
{
	struct buf mountinfo = {0};
	int rc = match_sources(db, catalog, NULL, err);

	if (rc < 0)
		return rc;
	mounts_read(&mountinfo);
	rc = buf_ok(&mountinfo) ? match_sources(db, catalog, mountinfo.data, err) : err_nomem(err);
	buf_fini(&mountinfo);
	return rc;
}

static size_t line_length(const char *text)
{
	return strcspn(text, "\n");
}

/* A definition begins with the path, which the source has been matched by. */
static const char *behind_path(const char *definition)
{
	size_t n = line_length(definition);

	return strncmp(definition, "path=", 5) == 0 && definition[n] == '\n' ? definition + n + 1
									     : definition;
}

/* The value of `key=` in a definition; *len 0 where there is none. */
static const char *definition_value(
	const char *definition, const char *key, size_t key_len, size_t *len)
{
	const char *line = definition;

	while (*line != '\0') {
		size_t n = line_length(line);

		if (n > key_len && strncmp(line, key, key_len) == 0 && line[key_len] == '=') {
			*len = n - key_len - 1;
			return line + key_len + 1;
		}
		line += n + (line[n] == '\n');
	}
	*len = 0;
	return "";
}

static void announce_value(struct notices *notices, const char *name, const char *line,
	const char *old, size_t old_len)
{
	size_t key_len = strcspn(line, "=");
	const char *now = line + key_len + 1;
	size_t now_len = line_length(now);

	if (old_len == 0) {
		old = "none";
		old_len = 4;
	}
	if (now_len == 0) {
		now = "none";
		now_len = 4;
	}
	notices_add(notices,
		"query %s: %.*s was %.*s and is now %.*s: its counts are dropped and made anew from"
		" the files that are there",
		name, (int)key_len, line, (int)old_len, old, (int)now_len, now);
}

/* Announces the first difference by name. */
static void announce_change(
	struct notices *notices, const char *name, const char *before, const char *now)
{
	const char *line = now;

	while (*line != '\0') {
		size_t n = line_length(line);
		size_t key_len = strcspn(line, "=");
		size_t old_len;
		const char *old;

		if (key_len >= n)
			break;
		old = definition_value(before, line, key_len, &old_len);
		if (old_len != n - key_len - 1 || memcmp(old, line + key_len + 1, old_len) != 0) {
			announce_value(notices, name, line, old, old_len);
			return;
		}
		line += n + (line[n] == '\n');
	}
	notices_add(notices,
		"query %s: its counts cannot be gone on with and are made anew from the files"
		" that are there",
		name);
}

static int match_query(sqlite3 *db, struct catalog *catalog, size_t index, struct notices *notices,
	struct err *err)
{
	const struct query_spec *spec = &catalog->spec->queries[index];
	const struct catalog_source *source = &catalog->sources[spec->source];
	struct catalog_query *query = &catalog->queries[index];
	sqlite3_stmt *stmt;
	int rc = db_ask(db, &stmt, err,
		"SELECT id, definition, source_id, uuid FROM \"state:queries\" WHERE name = ?1",
		"t", spec->name);

	if (rc != 1)
		return rc;
	query->id = sqlite3_column_int64(stmt, 0);
	query->is_new = source->is_new || sqlite3_column_int64(stmt, 2) != source->id ||
			strcmp(behind_path(db_text(stmt, 1)), behind_path(query->definition)) != 0;
	if (strlen(db_text(stmt, 3)) == UUID_TEXT_BYTES - 1)
		memcpy(query->uuid, db_text(stmt, 3), UUID_TEXT_BYTES);
	if (query->is_new) {
		query->note = "counted anew since its definition changed";
		announce_change(notices, spec->name, db_text(stmt, 1),
			source->is_new ? query->definition : behind_path(query->definition));
	}
	(void)sqlite3_finalize(stmt);
	return 0;
}

static int highest_ids(sqlite3 *db, int64_t *source_id, int64_t *query_id, struct err *err)
{
	int rc = db_get_int(db, "SELECT max(id) FROM \"state:sources\"", 0, source_id, err);

	if (rc == 0)
		rc = db_get_int(db, "SELECT max(id) FROM \"state:queries\"", 0, query_id, err);
	return rc;
}

int state_match(sqlite3 *db, struct catalog *catalog, const struct catalog *old,
	struct notices *notices, struct err *err)
{
	int64_t source_id = 0, query_id = 0;
	size_t i;
	int rc = match_all_sources(db, catalog, err);

	for (i = 0; rc == 0 && i < catalog->spec->n_queries; i++) {
		if (!catalog->queries[i].is_kept)
			rc = match_query(db, catalog, i, notices, err);
	}
	if (rc == 0)
		rc = highest_ids(db, &source_id, &query_id, err);
	if (rc == 0)
		catalog_number(catalog, old, source_id, query_id);
	return rc;
}
