/*
 * Reject rows are the one thing that is added and not set. They are numbered
 * within their source, so that the oldest are a range of keys, and the totals
 * tell whether a batch's rows are there already.
 */
#include "sql/apply_private.h"

#include "sql/db.h"
#include "sql/schema.h"

#include <string.h>

static int find_next_reject(struct apply *apply, size_t source, struct err *err)
{
	int64_t id = apply->catalog->sources[source].id;
	sqlite3_stmt *stmt = apply->statements[NEWEST_REJECT];
	int rc;

	(void)sqlite3_bind_int64(stmt, 1, schema_key(id, 0));
	(void)sqlite3_bind_int64(stmt, 2, schema_key(id + 1, 0) - 1);
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
	(void)sqlite3_bind_int64(stmt, 1,
		schema_key(apply->catalog->sources[reject->source].id,
			apply->next_reject[reject->source]++));
	db_bind_text(stmt, 2, apply->catalog->spec->sources[reject->source].name);
	apply_bind_shown(apply, stmt, 3, reject->path, strlen(reject->path));
	(void)sqlite3_bind_int64(stmt, 4, reject->line);
	(void)sqlite3_bind_int64(stmt, 5, reject->offset);
	db_bind_text(stmt, 6, reject_reason_name(reject->reason));
	apply_bind_shown(apply, stmt, 7, reject->detail, strlen(reject->detail));
	apply_bind_shown(apply, stmt, 8, reject->text, reject->text_len);
	return db_run(stmt, err);
}

static int trim_rejects(struct apply *apply, size_t source, struct err *err)
{
	int64_t id = apply->catalog->sources[source].id;
	int64_t last = apply->next_reject[source] - APPLY_REJECTS_KEPT - 1;
	sqlite3_stmt *stmt = apply->statements[TRIM_REJECTS];

	if (last < 0)
		return 0;
	(void)sqlite3_bind_int64(stmt, 1, schema_key(id, 0));
	(void)sqlite3_bind_int64(stmt, 2, schema_key(id, last));
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
		(void)sqlite3_bind_int64(stmt, 3, totals[reason]);
		rc = db_run(stmt, err);
	}
	*is_new = sum != before;
	return rc;
}

int apply_rejects(struct apply *apply, const struct changes *changes, struct err *err)
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
