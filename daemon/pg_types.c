/*
 * Conversion between SQLite's cells and PostgreSQL's wire forms. SQLite gives
 * any storage class in any column, so each announced type has one function
 * that takes every class, in the spirit of SQLite's CAST.
 */
#include "daemon/pg_types.h"

#include "base/timestamp.h"
#include "base/utf8.h"
#include "daemon/pg_codec.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum pg_oid pg_oid_of_type(const char *type)
{
	static const struct {
		const char *prefix;
		enum pg_oid oid;
	} known[] = {
		{"INT", PG_INT8},
		{"REAL", PG_FLOAT8},
		{"TEXT", PG_TEXT},
		{"BLOB", PG_BYTEA},
		{"TIMESTAMP", PG_TIMESTAMP},
		{"BOOL", PG_BOOL},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(type, known[i].prefix, strlen(known[i].prefix)) == 0)
			return known[i].oid;
	return PG_TEXT;
}

int pg_type_size(enum pg_oid oid)
{
	switch (oid) {
	case PG_BOOL: return 1;
	case PG_INT2: return 2;
	case PG_INT4:
	case PG_OID:
	case PG_FLOAT4:
	case PG_DATE: return 4;
	case PG_INT8:
	case PG_FLOAT8:
	case PG_TIMESTAMP:
	case PG_TIMESTAMPTZ: return 8;
	case PG_NAME: return 64;
	default: return -1;
	}
}

bool pg_text_to_int(const char *text, size_t len, int64_t *n)
{
	char copy[32];
	char *end;

	if (len == 0 || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	errno = 0;
	*n = strtoll(copy, &end, 10);
	return errno == 0 && *end == '\0' && end == copy + len;
}

bool pg_text_to_double(const char *text, size_t len, double *x)
{
	char copy[64];
	char *end;

	if (len == 0 || len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*x = strtod(copy, &end);
	return *end == '\0' && end == copy + len;
}

bool pg_text_to_bool(const char *text, size_t len, bool *truth)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "1", "0"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		/* "o" could be either. */
		if (len == 0 || len > strlen(words[i]) || (len == 1 && words[i][0] == 'o') ||
			strncasecmp(text, words[i], len) != 0)
			continue;
		*truth = i % 2 == 0;
		return true;
	}
	return false;
}

int pg_refuse_value(const struct value *value, const char *type, struct err *err)
{
	return err_set(err, ERR_INVALID, "invalid input syntax for type %s: \"%.*s\"", type,
		(int)(value->len > 100 ? 100 : value->len), value->data != NULL ? value->data : "");
}

static int value_to_int(const struct value *value, int64_t *n, struct err *err)
{
	switch (value->type) {
	case VALUE_INTEGER: *n = value->integer; return 0;
	case VALUE_REAL:
		if (!(value->real >= -9223372036854775808.0 && value->real < 9223372036854775808.0))
			return err_set(err, ERR_INVALID, "bigint out of range: %.17g", value->real);
		*n = (int64_t)value->real;
		return 0;
	default:
		if (pg_text_to_int(value->data, value->len, n))
			return 0;
		return pg_refuse_value(value, "bigint", err);
	}
}

static int value_to_double(const struct value *value, double *x, struct err *err)
{
	switch (value->type) {
	case VALUE_INTEGER: *x = (double)value->integer; return 0;
	case VALUE_REAL: *x = value->real; return 0;
	default:
		if (pg_text_to_double(value->data, value->len, x))
			return 0;
		return pg_refuse_value(value, "double precision", err);
	}
}

static int value_to_time(const struct value *value, int64_t *us, struct err *err)
{
	if ((value->type == VALUE_TEXT || value->type == VALUE_BLOB) &&
		timestamp_parse_bound(value->data, value->len, us))
		return 0;
	if (value->type == VALUE_INTEGER && llabs(value->integer) < INT64_MAX / US_PER_S) {
		*us = value->integer * US_PER_S;
		return 0;
	}
	return pg_refuse_value(value, "timestamp", err);
}

static bool value_is_true(const struct value *value)
{
	bool truth;

	if (value->type == VALUE_INTEGER)
		return value->integer != 0;
	if (value->type == VALUE_REAL)
		return value->real != 0;
	return pg_text_to_bool(value->data, value->len, &truth) && truth;
}

/* The fewest digits that read back the same, as PostgreSQL prints float8. */
static void add_double_text(struct buf *out, double x)
{
	char text[40];

	if (isnan(x)) {
		buf_add_text(out, "NaN");
		return;
	}
	if (isinf(x)) {
		buf_add_text(out, x > 0 ? "Infinity" : "-Infinity");
		return;
	}
	for (int digits = fabs(x) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, x);
		if (strtod(text, NULL) == x)
			break;
	}
	/* PostgreSQL writes an exponent from 1e15 on, whatever the digits. */
	if (strchr(text, 'e') == NULL && fabs(x) >= 1e15) {
		for (int digits = 15; digits <= 17; digits++) {
			(void)snprintf(text, sizeof(text), "%.*e", digits - 1, x);
			if (strtod(text, NULL) == x)
				break;
		}
	}
	buf_add_text(out, text);
}

static void add_bytea_text(struct buf *out, const struct value *value)
{
	static const char hex[] = "0123456789abcdef";

	buf_add_text(out, "\\x");
	for (size_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->data[i];

		buf_add_char(out, hex[c >> 4]);
		buf_add_char(out, hex[c & 15]);
	}
}

/*
 * UTF-8 without NUL, which PostgreSQL's text cannot
 * hold: both bad bytes and NULs show as U+FFFD.
 */
static void add_clean_text(struct buf *out, const char *text, size_t len)
{
	while (len > 0) {
		const char *nul = memchr(text, '\0', len);
		size_t n = nul == NULL ? len : (size_t)(nul - text);

		utf8_add_shown(out, text, n);
		text += n;
		len -= n;
		if (nul != NULL) {
			buf_add(out, "\xEF\xBF\xBD", 3);
			text++;
			len--;
		}
	}
}

static void add_any_as_text(struct buf *out, const struct value *value)
{
	switch (value->type) {
	case VALUE_INTEGER: buf_add_int(out, value->integer); break;
	case VALUE_REAL: add_double_text(out, value->real); break;
	default: add_clean_text(out, value->data, value->len); break;
	}
}

int pg_add_value_text(struct buf *out, enum pg_oid oid, const struct value *value, struct err *err)
{
	char text[TIMESTAMP_TEXT_BYTES];
	int64_t n;
	double x;
	int rc;

	if (value->type == VALUE_NULL)
		return 0;
	switch (oid) {
	case PG_INT8:
	case PG_INT4:
	case PG_INT2:
	case PG_OID:
		rc = value_to_int(value, &n, err);
		if (rc == 0)
			buf_add_int(out, n);
		return rc;
	case PG_FLOAT8:
	case PG_FLOAT4:
		rc = value_to_double(value, &x, err);
		if (rc == 0)
			add_double_text(out, x);
		return rc;
	case PG_BOOL: buf_add_char(out, value_is_true(value) ? 't' : 'f'); return 0;
	case PG_BYTEA:
		if (value->type == VALUE_TEXT || value->type == VALUE_BLOB)
			add_bytea_text(out, value);
		else
			add_any_as_text(out, value);
		return 0;
	case PG_TIMESTAMP:
		rc = value_to_time(value, &n, err);
		if (rc == 0)
			buf_add(out, text, timestamp_format(n, text));
		return rc;
	default: add_any_as_text(out, value); return 0;
	}
}

static int add_binary(struct buf *out, enum pg_oid oid, const struct value *value, struct err *err)
{
	int64_t n;
	double x;
	int rc;

	switch (oid) {
	case PG_INT8:
		rc = value_to_int(value, &n, err);
		if (rc == 0)
			pg_add_int64(out, n);
		return rc;
	case PG_INT4:
	case PG_OID:
		rc = value_to_int(value, &n, err);
		if (rc == 0)
			pg_add_int32(out, (int32_t)n);
		return rc;
	case PG_FLOAT8:
		rc = value_to_double(value, &x, err);
		if (rc == 0) {
			memcpy(&n, &x, sizeof(n));
			pg_add_int64(out, n);
		}
		return rc;
	case PG_BOOL: buf_add_char(out, value_is_true(value) ? 1 : 0); return 0;
	case PG_TIMESTAMP:
		rc = value_to_time(value, &n, err);
		if (rc == 0)
			pg_add_int64(out, n - PG_EPOCH_US);
		return rc;
	case PG_BYTEA:
		if (value->type == VALUE_TEXT || value->type == VALUE_BLOB)
			buf_add(out, value->data, value->len);
		else
			add_any_as_text(out, value);
		return 0;
	default: return pg_add_value_text(out, oid, value, err);
	}
}

int pg_add_value(
	struct buf *out, enum pg_oid oid, int format, const struct value *value, struct err *err)
{
	size_t mark = out->len;
	uint32_t n;
	int rc;

	if (value->type == VALUE_NULL) {
		pg_add_int32(out, -1);
		return 0;
	}
	pg_add_int32(out, 0);
	rc = format == 1 ? add_binary(out, oid, value, err)
			 : pg_add_value_text(out, oid, value, err);
	if (rc < 0) {
		out->len = mark;
		return rc;
	}
	if (!buf_ok(out))
		return err_nomem(err);
	n = (uint32_t)(out->len - mark - 4);
	for (int i = 0; i < 4; i++)
		out->data[mark + (size_t)i] = (char)(unsigned char)(n >> (24 - 8 * i));
	return 0;
}
