/*
 * Binary forms are those of PostgreSQL's *_send functions; times and dates
 * become SQLite's text, bytea a blob.
 */
#include "daemon/pg_param.h"

#include "base/timestamp.h"
#include "base/utf8.h"

#include <string.h>

static int64_t load_be(const char *at, int32_t len)
{
	uint64_t n = (unsigned char)at[0] & 0x80 ? UINT64_MAX : 0;

	for (int32_t i = 0; i < len; i++)
		n = n << 8 | (unsigned char)at[i];
	return (int64_t)n;
}

static int bad_binary(enum pg_oid oid, struct err *err)
{
	return err_set(err, ERR_INVALID, "incorrect binary data format for a parameter of type %d",
		(int)oid);
}

/* numeric's wire form: ndigits, weight, sign, dscale, then digits of base 10,000. */
static int read_binary_numeric(const struct pg_parameter *parameter, struct value *value,
	struct buf *scratch, struct err *err)
{
	int n, weight, sign, scale;
	size_t start = scratch->len;
	const char *at = parameter->data;

	if (parameter->len < 8)
		return bad_binary(parameter->oid, err);
	n = (int)load_be(at, 2);
	weight = (int)load_be(at + 2, 2);
	sign = (int)(load_be(at + 4, 2) & 0xFFFF);
	scale = (int)load_be(at + 6, 2);
	if (n < 0 || parameter->len != 8 + 2 * n || weight > 100 || weight < -100 || scale > 400)
		return bad_binary(parameter->oid, err);
	if (sign == 0xC000)
		buf_add_text(scratch, "nan");
	if (sign == 0x4000)
		buf_add_char(scratch, '-');
	if (weight < 0)
		buf_add_text(scratch, "0.");
	for (int i = 0; i <= weight || i < n || i == 0; i++) {
		if (weight >= 0 && i == weight + 1)
			buf_add_char(scratch, '.');
		buf_printf(scratch, "%04d", i < n ? (int)load_be(at + 8 + 2 * i, 2) : 0);
	}
	if (weight < -1)
		buf_printf(scratch, "e%d", 4 * (weight + 1));
	if (!buf_ok(scratch))
		return err_nomem(err);
	*value = (struct value){.type = VALUE_INTEGER};
	if (pg_text_to_int(scratch->data + start, scratch->len - start, &value->integer))
		return 0;
	value->type = VALUE_REAL;
	if (pg_text_to_double(scratch->data + start, scratch->len - start, &value->real))
		return 0;
	return bad_binary(parameter->oid, err);
}

static int set_time(struct value *value, int64_t us, struct buf *scratch, struct err *err)
{
	size_t start = scratch->len;
	char *room = buf_reserve(scratch, TIMESTAMP_TEXT_BYTES);
	char text[TIMESTAMP_TEXT_BYTES];
	size_t n = timestamp_format(us, text);

	if (room == NULL)
		return err_nomem(err);
	memcpy(room, text, n);
	scratch->len += n;
	*value = (struct value){.type = VALUE_TEXT, .data = scratch->data + start, .len = n};
	return 0;
}

static int read_binary_number(
	const struct pg_parameter *parameter, struct value *value, struct err *err)
{
	const int32_t len = parameter->len;
	int64_t n;

	if (len != pg_type_size(parameter->oid))
		return bad_binary(parameter->oid, err);
	n = load_be(parameter->data, len);
	*value = (struct value){.type = VALUE_INTEGER, .integer = n};
	if (parameter->oid == PG_OID)
		value->integer = n & 0xFFFFFFFF;
	if (parameter->oid == PG_FLOAT8) {
		*value = (struct value){.type = VALUE_REAL};
		memcpy(&value->real, &n, sizeof(n));
	}
	if (parameter->oid == PG_FLOAT4) {
		uint32_t bits = (uint32_t)n;
		float x;

		memcpy(&x, &bits, sizeof(x));
		*value = (struct value){.type = VALUE_REAL, .real = (double)x};
	}
	return 0;
}

/* As PostgreSQL: UTF-8, and no NUL in it. */
static int check_text(const struct value *value, struct err *err)
{
	if (utf8_valid_prefix(value->data, value->len) == value->len &&
		memchr(value->data, '\0', value->len) == NULL)
		return 0;
	return err_set(
		err, ERR_INVALID, "invalid byte sequence for encoding \"UTF8\" in a parameter");
}

static enum pg_oid element_of(enum pg_oid array)
{
	switch (array) {
	case PG_BOOL_ARRAY: return PG_BOOL;
	case PG_INT2_ARRAY: return PG_INT2;
	case PG_INT4_ARRAY: return PG_INT4;
	case PG_INT8_ARRAY: return PG_INT8;
	case PG_OID_ARRAY: return PG_OID;
	case PG_FLOAT4_ARRAY: return PG_FLOAT4;
	case PG_FLOAT8_ARRAY: return PG_FLOAT8;
	case PG_TEXT_ARRAY: return PG_TEXT;
	case PG_VARCHAR_ARRAY: return PG_VARCHAR;
	case PG_TIMESTAMP_ARRAY: return PG_TIMESTAMP;
	case PG_TIMESTAMPTZ_ARRAY: return PG_TIMESTAMPTZ;
	default: return PG_UNSPECIFIED;
	}
}

static int read_binary(const struct pg_parameter *parameter, struct value *value,
	struct buf *scratch, struct err *err) __attribute__((warn_unused_result));

/* One element as a quoted text. */
static int add_element(const struct pg_parameter *element, struct buf *list, struct err *err)
{
	struct buf scratch = {0}, text = {0};
	struct value value;
	int rc = read_binary(element, &value, &scratch, err);

	if (rc == 0)
		rc = pg_add_value_text(&text, PG_TEXT, &value, err);
	buf_add_char(list, '"');
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			buf_add_char(list, '\\');
		buf_add_char(list, text.data[i]);
	}
	buf_add_char(list, '"');
	list->failed = list->failed || text.failed;
	buf_fini(&text);
	buf_fini(&scratch);
	return rc;
}

/*
 * array_send's form: dimensions, a flag, the type of the elements, then length
 * and lower bound of each dimension, then the elements with their lengths.
 */
static int read_binary_array(const struct pg_parameter *parameter, struct value *value,
	struct buf *scratch, struct err *err)
{
	const char *at = parameter->data;
	const char *end = at + parameter->len;
	size_t start = scratch->len;
	int64_t n_dimensions = parameter->len >= 12 ? load_be(at, 4) : -1;
	int64_t n = 0;

	if (n_dimensions == 1 && parameter->len >= 20)
		n = load_be(at + 12, 4);
	else if (n_dimensions != 0)
		return bad_binary(parameter->oid, err);
	at += n_dimensions == 1 ? 20 : 12;
	buf_add_char(scratch, '{');
	for (int64_t i = 0; i < n; i++) {
		struct pg_parameter element = {
			.oid = element_of(parameter->oid), .format = 1, .data = at + 4};

		if (end - at < 4)
			return bad_binary(parameter->oid, err);
		element.len = (int32_t)load_be(at, 4);
		at += 4;
		if (element.len > end - at || element.len < -1)
			return bad_binary(parameter->oid, err);
		if (i > 0)
			buf_add_char(scratch, ',');
		if (element.len < 0)
			buf_add_text(scratch, "NULL");
		else if (add_element(&element, scratch, err) != 0)
			return err->code;
		at += element.len > 0 ? element.len : 0;
	}
	buf_add_char(scratch, '}');
	if (at != end || n < 0)
		return bad_binary(parameter->oid, err);
	if (!buf_ok(scratch))
		return err_nomem(err);
	*value = (struct value){
		.type = VALUE_TEXT, .data = scratch->data + start, .len = scratch->len - start};
	return 0;
}

static int read_binary(const struct pg_parameter *parameter, struct value *value,
	struct buf *scratch, struct err *err)
{
	int64_t n;

	if (element_of(parameter->oid) != PG_UNSPECIFIED)
		return read_binary_array(parameter, value, scratch, err);
	switch (parameter->oid) {
	case PG_BOOL:
	case PG_INT2:
	case PG_INT4:
	case PG_INT8:
	case PG_OID:
	case PG_FLOAT4:
	case PG_FLOAT8: return read_binary_number(parameter, value, err);
	case PG_NUMERIC: return read_binary_numeric(parameter, value, scratch, err);
	case PG_TIMESTAMP:
	case PG_TIMESTAMPTZ:
		if (parameter->len != 8)
			return bad_binary(parameter->oid, err);
		n = load_be(parameter->data, 8);
		if (n > TIMESTAMP_MAX_US - PG_EPOCH_US || n < TIMESTAMP_MIN_US - PG_EPOCH_US)
			return err_set(err, ERR_INVALID, "timestamp out of range");
		return set_time(value, n + PG_EPOCH_US, scratch, err);
	case PG_DATE:
		if (parameter->len != 4)
			return bad_binary(parameter->oid, err);
		n = load_be(parameter->data, 4);
		if (n > (TIMESTAMP_MAX_US - PG_EPOCH_US) / US_PER_DAY ||
			n < (TIMESTAMP_MIN_US - PG_EPOCH_US) / US_PER_DAY)
			return err_set(err, ERR_INVALID, "date out of range");
		return set_time(value, n * US_PER_DAY + PG_EPOCH_US, scratch, err);
	case PG_BYTEA:
		*value = (struct value){
			.type = VALUE_BLOB, .data = parameter->data, .len = (size_t)parameter->len};
		return 0;
	default:
		*value = (struct value){
			.type = VALUE_TEXT, .data = parameter->data, .len = (size_t)parameter->len};
		return check_text(value, err);
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* bytea's text: \x and hexadecimal digits, or the bytes themselves. */
static int read_text_bytea(struct value *value, struct buf *scratch, struct err *err)
{
	size_t start = scratch->len;

	value->type = VALUE_BLOB;
	if (value->len < 2 || memcmp(value->data, "\\x", 2) != 0)
		return 0;
	for (size_t i = 2; i < value->len; i += 2) {
		int high = hex_digit(value->data[i]);
		int low = i + 1 < value->len ? hex_digit(value->data[i + 1]) : -1;

		if (high < 0 || low < 0)
			return err_set(err, ERR_INVALID, "invalid hexadecimal data in bytea");
		buf_add_char(scratch, (char)(high << 4 | low));
	}
	if (!buf_ok(scratch))
		return err_nomem(err);
	value->len = scratch->len - start;
	value->data = scratch->data == NULL ? "" : scratch->data + start;
	return 0;
}

static int read_text_bool(struct value *value, struct err *err)
{
	bool truth;

	if (!pg_text_to_bool(value->data, value->len, &truth))
		return pg_refuse_value(value, "boolean", err);
	*value = (struct value){.type = VALUE_INTEGER, .integer = truth};
	return 0;
}

int pg_read_parameter(const struct pg_parameter *parameter, struct value *value,
	struct buf *scratch, struct err *err)
{
	if (parameter->len < 0) {
		*value = (struct value){.type = VALUE_NULL};
		return 0;
	}
	if (parameter->format == 1)
		return read_binary(parameter, value, scratch, err);
	*value = (struct value){
		.type = VALUE_TEXT, .data = parameter->data, .len = (size_t)parameter->len};
	if (check_text(value, err) != 0)
		return err->code;
	switch (parameter->oid) {
	case PG_INT2:
	case PG_INT4:
	case PG_INT8:
	case PG_OID:
		if (!pg_text_to_int(value->data, value->len, &value->integer))
			return pg_refuse_value(value, "bigint", err);
		value->type = VALUE_INTEGER;
		return 0;
	case PG_FLOAT4:
	case PG_FLOAT8:
	case PG_NUMERIC:
		if (parameter->oid == PG_NUMERIC &&
			pg_text_to_int(value->data, value->len, &value->integer)) {
			value->type = VALUE_INTEGER;
			return 0;
		}
		if (!pg_text_to_double(value->data, value->len, &value->real))
			return pg_refuse_value(value, "double precision", err);
		value->type = VALUE_REAL;
		return 0;
	case PG_BOOL: return read_text_bool(value, err);
	case PG_BYTEA: return read_text_bytea(value, scratch, err);
	default: return 0;
	}
}
