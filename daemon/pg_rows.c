/*
 * Rows as DataRow messages, or as the lines of COPY. Runs on the thread that
 * steps the statement; everything it touches is in struct pg_rows.
 */
#include "daemon/pg_rows.h"

#include "base/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum pg_oid pg_column_oid(const struct statement *statement, size_t column)
{
	if (statement_column_is_boolean(statement, column))
		return PG_BOOL;
	return pg_oid_of_type(statement_column_type(statement, column));
}

/* The types of this execution's columns; those announced before must still be right. */
static int settle_types(struct pg_rows *rows, const struct statement *statement, struct err *err)
{
	size_t n = statement_n_columns(statement);

	if (rows->columns != NULL && n != rows->n_columns)
		return err_set(err, ERR_SQL, "cached plan must not change result type");
	free(rows->oids);
	rows->oids = calloc(n > 0 ? n : 1, sizeof(*rows->oids));
	if (rows->oids == NULL)
		return err_nomem(err);
	rows->n_oids = n;
	for (size_t i = 0; i < n; i++)
		rows->oids[i] =
			rows->columns != NULL ? rows->columns[i].oid : pg_column_oid(statement, i);
	return 0;
}

static void announce(
	const struct pg_rows *rows, const struct statement *statement, struct buf *page)
{
	size_t mark = pg_begin(page, 'T');

	pg_add_int16(page, (int)rows->n_oids);
	for (size_t i = 0; i < rows->n_oids; i++) {
		pg_add_text(page, statement_column_name(statement, i));
		pg_add_int32(page, 0);
		pg_add_int16(page, 0);
		pg_add_int32(page, (int32_t)rows->oids[i]);
		pg_add_int16(page, pg_type_size(rows->oids[i]));
		pg_add_int32(page, -1);
		pg_add_int16(page, 0);
	}
	pg_end(page, mark);
}

/* A cell of CSV, or of text, where backslashes escape. */
static void add_copy_cell(
	struct buf *page, const struct pg_rows *rows, const char *text, size_t len, bool is_null)
{
	if (is_null) {
		if (!rows->is_csv)
			buf_add_text(page, "\\N");
		return;
	}
	if (rows->is_csv) {
		csv_add_cell(page, text != NULL ? text : "", len);
		return;
	}
	for (size_t i = 0; i < len; i++) {
		static const char from[] = "\\\t\n\r\b\f\v";
		static const char to[] = "\\tnrbfv";
		const char *found = text[i] == '\0' ? NULL : strchr(from, text[i]);

		if (found != NULL) {
			buf_add_char(page, '\\');
			buf_add_char(page, to[found - from]);
		} else {
			buf_add_char(page, text[i]);
		}
	}
}

static void begin_copy(struct pg_rows *rows, const struct statement *statement, struct buf *page)
{
	size_t mark = pg_begin(page, 'H');

	buf_add_char(page, 0);
	pg_add_int16(page, (int)rows->n_oids);
	for (size_t i = 0; i < rows->n_oids; i++)
		pg_add_int16(page, 0);
	pg_end(page, mark);
	if (!rows->has_header)
		return;
	mark = pg_begin(page, 'd');
	for (size_t i = 0; i < rows->n_oids; i++) {
		const char *name = statement_column_name(statement, i);

		if (i > 0)
			buf_add_char(page, rows->is_csv ? ',' : '\t');
		add_copy_cell(page, rows, name, strlen(name), false);
	}
	buf_add_char(page, '\n');
	pg_end(page, mark);
}

static int on_begin(
	void *context, const struct statement *statement, struct buf *page, struct err *err)
{
	struct pg_rows *rows = context;
	int rc = settle_types(rows, statement, err);

	if (rc < 0 || rows->is_silent)
		return rc;
	if (rows->is_copy)
		begin_copy(rows, statement, page);
	else if (rows->columns == NULL && rows->n_oids > 0)
		announce(rows, statement, page);
	return 0;
}

static int copy_row(
	const struct pg_rows *rows, const struct value *values, struct buf *page, struct err *err)
{
	size_t mark = pg_begin(page, 'd');
	struct buf cell = {0};
	int rc = 0;

	for (size_t i = 0; i < rows->n_oids && rc == 0; i++) {
		if (i > 0)
			buf_add_char(page, rows->is_csv ? ',' : '\t');
		buf_clear(&cell);
		rc = pg_add_value_text(&cell, rows->oids[i], &values[i], err);
		add_copy_cell(page, rows, cell.data, cell.len, values[i].type == VALUE_NULL);
		page->failed = page->failed || cell.failed;
	}
	buf_add_char(page, '\n');
	pg_end(page, mark);
	buf_fini(&cell);
	return rc;
}

static int on_row(void *context, const struct value *values, struct buf *page, struct err *err)
{
	struct pg_rows *rows = context;
	size_t start = page->len;
	size_t mark;
	int rc = 0;

	if (rows->is_silent)
		return 0;
	if (rows->is_copy)
		return copy_row(rows, values, page, err);
	mark = pg_begin(page, 'D');
	pg_add_int16(page, (int)rows->n_oids);
	for (size_t i = 0; i < rows->n_oids && rc == 0; i++)
		rc = pg_add_value(page, rows->oids[i], rows->formats == NULL ? 0 : rows->formats[i],
			&values[i], err);
	if (rc == 0)
		pg_end(page, mark);
	else
		page->len = start;
	return rc;
}

static int on_end(void *context, const struct statement *statement, int64_t n_rows,
	struct buf *page, struct err *err)
{
	struct pg_rows *rows = context;

	(void)n_rows;
	(void)err;
	rows->n_changes = statement_n_changes(statement);
	if (rows->is_copy)
		pg_write_empty(page, 'c');
	return 0;
}

const struct execution_sink pg_rows_sink = {.begin = on_begin, .row = on_row, .end = on_end};

void pg_rows_fini(struct pg_rows *rows)
{
	free(rows->oids);
	free(rows->formats);
	*rows = (struct pg_rows){.owner = rows->owner};
}
