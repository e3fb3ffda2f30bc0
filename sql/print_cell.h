/*
 * One cell or name as text: the number formats and the quotings of sqlite3's
 * shell. Private to the printer.
 *
 * Text modes show a value as sqlite3_column_text() would: text and blobs end
 * at their first NUL, reals have 15 digits. The quoting modes write reals with
 * 20 digits.
 */
#ifndef SQL_PRINT_CELL_H
#define SQL_PRINT_CELL_H

#include "base/buf.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stddef.h>

/* A run of bytes without a NUL in it; bytes NULL: the value is NULL. */
struct text {
	const char *bytes;
	size_t len;
};

#define CELL_NUMBER_BYTES 64

/*
 * The value in a text mode. `number` is where a number is written; the text
 * borrows from there or from the value.
 */
struct text cell_text(const struct value *value, char number[CELL_NUMBER_BYTES]);

struct text text_of(const char *string);

void cell_add_csv(struct buf *out, struct text text, const char *separator);
void cell_add_html(struct buf *out, struct text text);
void cell_add_c(struct buf *out, struct text text);

/* JSON as the shell writes it: bytes from 0x20 on stay as they are, whatever they are. */
void cell_add_json_string(struct buf *out, const char *bytes, size_t len);
void cell_add_json(struct buf *out, const struct value *value);

/* 'it''s' */
void cell_add_sql_string(struct buf *out, struct text text);

/* An SQL literal in mode quote, insert (infinities that parse again), and in a qbox cell. */
void cell_add_quote(struct buf *out, const struct value *value);
void cell_add_insert(struct buf *out, const struct value *value, bool keep_newlines);
void cell_add_qbox(struct buf *out, const struct value *value);

/* The name as it is where it can stand so in SQL, else in double quotes. */
void cell_add_identifier(struct buf *out, const char *name);

#endif
