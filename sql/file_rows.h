/*
 * The files of one batch in one database: their rows, and in the checkpoint
 * also who they are and where the prefixes stand in them. Each table takes all
 * of its rows by one statement from a view of the changes (sql/row_view.h).
 *
 * Runs inside the caller's transaction. One thread at a time; the database and
 * the catalog are borrowed and outlive it.
 */
#ifndef SQL_FILE_ROWS_H
#define SQL_FILE_ROWS_H

#include "base/err.h"
#include "sql/apply.h"
#include "sql/catalog.h"
#include "stream/changes.h"

#include <sqlite3.h>

struct file_rows;

/*
 * The views have names of the connection, taken with the first changes: the
 * one before must be freed by then. NULL: no memory.
 */
struct file_rows *file_rows_new(
	sqlite3 *db, enum apply_target target, const struct catalog *catalog);
void file_rows_free(struct file_rows *rows); /* NULL is fine */

/* Puts or forgets the files of the batch and, in the checkpoint, puts and drops offsets. */
int file_rows_apply(struct file_rows *rows, const struct changes *changes, struct err *err)
	__attribute__((warn_unused_result));

#endif
