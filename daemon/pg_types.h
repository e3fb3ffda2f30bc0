/*
 * Values on PostgreSQL's wire: which type a column is announced as, and how a
 * cell is written in text and binary. A cell is always converted
 * to the announced type, because drivers decode by what was announced. Knows
 * neither messages nor statements. Pure functions, any thread.
 */
#ifndef DAEMON_PG_TYPES_H
#define DAEMON_PG_TYPES_H

#include "base/buf.h"
#include "base/err.h"
#include "sql/value.h"

#include <stdbool.h>
#include <stdint.h>

/* 2000-01-01 in microseconds since 1970: the epoch of binary times. */
#define PG_EPOCH_US INT64_C(946684800000000)

/* From PostgreSQL's src/include/catalog/pg_type.dat. */
enum pg_oid {
	PG_UNSPECIFIED = 0,
	PG_BOOL = 16,
	PG_BYTEA = 17,
	PG_NAME = 19,
	PG_INT8 = 20,
	PG_INT2 = 21,
	PG_INT4 = 23,
	PG_TEXT = 25,
	PG_OID = 26,
	PG_JSON = 114,
	PG_FLOAT4 = 700,
	PG_FLOAT8 = 701,
	PG_UNKNOWN = 705,
	PG_BPCHAR = 1042,
	PG_VARCHAR = 1043,
	PG_DATE = 1082,
	PG_TIMESTAMP = 1114,
	PG_TIMESTAMPTZ = 1184,
	PG_NUMERIC = 1700,
	/* arrays, as parameters only */
	PG_BOOL_ARRAY = 1000,
	PG_INT2_ARRAY = 1005,
	PG_INT4_ARRAY = 1007,
	PG_TEXT_ARRAY = 1009,
	PG_VARCHAR_ARRAY = 1015,
	PG_INT8_ARRAY = 1016,
	PG_OID_ARRAY = 1028,
	PG_FLOAT4_ARRAY = 1021,
	PG_FLOAT8_ARRAY = 1022,
	PG_TIMESTAMP_ARRAY = 1115,
	PG_TIMESTAMPTZ_ARRAY = 1185,
};

/* The OID of a column with this announced type (INTEGER, REAL, TEXT, BLOB, TIMESTAMP, ""). */
enum pg_oid pg_oid_of_type(const char *type);

/* pg_type.typlen: bytes, or -1 for variable length. */
int pg_type_size(enum pg_oid oid);

/*
 * Appends length and bytes of one cell as `oid` (one of pg_oid_of_type's), in
 * text (format 0) or binary (1). ERR_INVALID where a value cannot be that type
 * (a text that is no number under float8).
 */
int pg_add_value(struct buf *out, enum pg_oid oid, int format, const struct value *value,
	struct err *err) __attribute__((warn_unused_result));

/* The same without the length, for COPY and tests: always text. A NULL appends nothing. */
int pg_add_value_text(struct buf *out, enum pg_oid oid, const struct value *value, struct err *err)
	__attribute__((warn_unused_result));

/* Whole texts only; for what reads values, too. */
bool pg_text_to_int(const char *text, size_t len, int64_t *n);
bool pg_text_to_double(const char *text, size_t len, double *x);
/* true, yes, on, 1 and their opposites, in any case, and their beginnings. */
bool pg_text_to_bool(const char *text, size_t len, bool *truth);
/* "invalid input syntax for type …" */
int pg_refuse_value(const struct value *value, const char *type, struct err *err);

#endif
