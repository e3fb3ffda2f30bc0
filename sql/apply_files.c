/* Files in both databases; who they are and where the prefixes stand in them in the checkpoint
 * alone. */
#include "sql/apply_private.h"

#include "base/utf8.h"
#include "sql/db.h"
#include "sql/schema.h"

#include <string.h>

static int forget_file(
	struct apply *apply, const struct file_change *change, int64_t key, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[FORGET_FILE];
	int rc;

	(void)sqlite3_bind_int64(stmt, 1, key);
	rc = db_run(stmt, err);
	if (rc < 0 || apply->target == APPLY_MIRROR)
		return rc;
	stmt = apply->statements[FORGET_IDENTITY];
	(void)sqlite3_bind_int64(stmt, 1, key);
	rc = db_run(stmt, err);
	if (rc < 0)
		return rc;
	stmt = apply->statements[FORGET_OFFSETS];
	(void)sqlite3_bind_int64(stmt, 1, apply->catalog->sources[change->source].id);
	(void)sqlite3_bind_int64(stmt, 2, change->file->id);
	return db_run(stmt, err);
}

static int put_identity(struct apply *apply, const struct file *file, int64_t key, struct err *err)
{
	const struct file_identity *identity = &file->identity;
	sqlite3_stmt *stmt = apply->statements[PUT_IDENTITY];
	size_t len = strlen(file->path);

	(void)sqlite3_bind_int64(stmt, 1, key);
	(void)sqlite3_bind_int64(stmt, 2, (int64_t)identity->inode);
	(void)sqlite3_bind_int64(stmt, 3, identity->birth_ns);
	(void)sqlite3_bind_int64(stmt, 4, identity->fp_offset);
	(void)sqlite3_bind_int64(stmt, 5, (int64_t)identity->fp_head);
	(void)sqlite3_bind_int64(stmt, 6, (int64_t)identity->fp_tail);
	(void)sqlite3_bind_int64(stmt, 7, identity->device);
	(void)sqlite3_bind_int64(stmt, 8, identity->change_mark);
	(void)sqlite3_bind_int64(stmt, 9, file->mtime_ns);
	(void)sqlite3_bind_int64(stmt, 10, file->is_compressed);
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
	(void)sqlite3_bind_int64(stmt, 1, key);
	db_bind_text(stmt, 2, apply->catalog->spec->sources[change->source].name);
	apply_bind_shown(apply, stmt, 3, file->path, strlen(file->path));
	(void)sqlite3_bind_int64(stmt, 4, file->size);
	(void)sqlite3_bind_int64(stmt, 5, change->least_offset);
	db_bind_time(stmt, 6, file->mtime_ns / 1000 - (file->mtime_ns % 1000 < 0));
	(void)sqlite3_bind_int64(stmt, 7, file->n_events);
	(void)sqlite3_bind_int64(stmt, 8, file->n_rejects);
	db_bind_text(stmt, 9, file_state_name(file->state));
	apply_bind_int(stmt, 10, file->batch_id, file->batch_id < 0);
	apply_bind_shown(
		apply, stmt, 11, file->reason, file->reason != NULL ? strlen(file->reason) : 0);
	rc = db_run(stmt, err);
	if (rc == 0 && apply->target == APPLY_CHECKPOINT)
		rc = put_identity(apply, file, key, err);
	return rc;
}

static int apply_offsets(struct apply *apply, const struct changes *changes, struct err *err)
{
	sqlite3_stmt *stmt = apply->statements[DROP_PREFIX];
	int64_t source_id;
	int rc = 0;
	size_t i;

	if (changes->n_offsets == 0 && changes->n_dropped_prefixes == 0)
		return 0;
	source_id = apply->catalog->sources[changes->source].id;
	for (i = 0; rc == 0 && i < changes->n_dropped_prefixes; i++) {
		(void)sqlite3_bind_int64(stmt, 1, source_id);
		(void)sqlite3_bind_int64(stmt, 2, changes->dropped_prefixes[i]);
		rc = db_run(stmt, err);
	}
	stmt = apply->statements[PUT_OFFSET];
	for (i = 0; rc == 0 && i < changes->n_offsets; i++) {
		const struct offset_change *change = &changes->offsets[i];

		(void)sqlite3_bind_int64(stmt, 1, source_id);
		(void)sqlite3_bind_int64(stmt, 2, change->file_id);
		(void)sqlite3_bind_int64(stmt, 3, change->prefix_id);
		(void)sqlite3_bind_int64(stmt, 4, change->at.offset);
		(void)sqlite3_bind_int64(stmt, 5, change->at.skip);
		(void)sqlite3_bind_int64(stmt, 6, change->at.line);
		(void)sqlite3_bind_int64(stmt, 7, change->at.flags);
		(void)sqlite3_bind_int64(stmt, 8, change->at.unpacked);
		rc = db_run(stmt, err);
	}
	return rc;
}

int apply_files(struct apply *apply, const struct changes *changes, struct err *err)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < changes->n_files; i++)
		rc = apply_file(apply, &changes->files[i], err);
	if (rc == 0 && apply->target == APPLY_CHECKPOINT)
		rc = apply_offsets(apply, changes, err);
	return rc;
}
