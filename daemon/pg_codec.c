/*
 * The bytes of the PostgreSQL protocol. Integers are big-endian; a message is a
 * type byte and a length that counts itself but not the type; the first packet
 * of a connection has no type. Every read is bounded by the message, so a
 * hostile length can cost a session, never memory.
 */
#include "daemon/pg_codec.h"

#include <string.h>

static uint32_t load_be32(const char *at)
{
	const unsigned char *b = (const unsigned char *)at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

int pg_message_next(const char *data, size_t len, bool is_startup, size_t max_bytes,
	struct pg_message *message, size_t *used, struct err *err)
{
	static const char types[] = "QPBDECSHXdcfF";
	size_t head = is_startup ? 4 : 5;
	size_t limit = is_startup ? PG_STARTUP_MAX_BYTES : max_bytes;
	uint32_t n;

	if (!is_startup && len > 0 && (data[0] == '\0' || strchr(types, data[0]) == NULL))
		return err_set(err, ERR_PROTOCOL, "invalid frontend message type %d",
			(unsigned char)data[0]);
	if (len < head)
		return 0;
	n = load_be32(data + head - 4);
	if (n < 4 || n > INT32_MAX)
		return err_set(err, ERR_PROTOCOL, "invalid message length");
	if (n - 4 > limit)
		return err_set(err, ERR_PROTOCOL, "message of %lu bytes is over the limit of %zu",
			(unsigned long)n, limit);
	if (len - head < n - 4)
		return 0;
	message->type = is_startup ? '\0' : data[0];
	message->body = data + head;
	message->len = n - 4;
	*used = head + n - 4;
	return 1;
}

struct pg_reader pg_reader_of(const struct pg_message *message)
{
	return (struct pg_reader){.at = message->body, .end = message->body + message->len};
}

const char *pg_read_bytes(struct pg_reader *reader, size_t n)
{
	const char *at = reader->at;

	if (reader->failed || (size_t)(reader->end - at) < n) {
		reader->failed = true;
		return NULL;
	}
	reader->at = at + n;
	return at;
}

unsigned char pg_read_byte(struct pg_reader *reader)
{
	const char *at = pg_read_bytes(reader, 1);

	return at == NULL ? 0 : (unsigned char)*at;
}

int16_t pg_read_int16(struct pg_reader *reader)
{
	const unsigned char *b = (const unsigned char *)pg_read_bytes(reader, 2);

	return b == NULL ? 0 : (int16_t)(uint16_t)((unsigned)b[0] << 8 | b[1]);
}

int32_t pg_read_int32(struct pg_reader *reader)
{
	const char *at = pg_read_bytes(reader, 4);

	return at == NULL ? 0 : (int32_t)load_be32(at);
}

const char *pg_read_text(struct pg_reader *reader)
{
	const char *at = reader->at;
	const char *nul;

	if (reader->failed)
		return NULL;
	nul = memchr(at, '\0', (size_t)(reader->end - at));
	if (nul == NULL) {
		reader->failed = true;
		return NULL;
	}
	reader->at = nul + 1;
	return at;
}

bool pg_reader_is_done(const struct pg_reader *reader)
{
	return !reader->failed && reader->at == reader->end;
}

void pg_add_int16(struct buf *out, int n)
{
	unsigned u = (unsigned)n;
	unsigned char b[2] = {(unsigned char)(u >> 8), (unsigned char)u};

	buf_add(out, b, sizeof(b));
}

void pg_add_int32(struct buf *out, int32_t n)
{
	uint32_t u = (uint32_t)n;
	unsigned char b[4] = {(unsigned char)(u >> 24), (unsigned char)(u >> 16),
		(unsigned char)(u >> 8), (unsigned char)u};

	buf_add(out, b, sizeof(b));
}

void pg_add_int64(struct buf *out, int64_t n)
{
	pg_add_int32(out, (int32_t)(uint32_t)((uint64_t)n >> 32));
	pg_add_int32(out, (int32_t)(uint32_t)(uint64_t)n);
}

void pg_add_text(struct buf *out, const char *text)
{
	buf_add(out, text, strlen(text) + 1);
}

size_t pg_begin(struct buf *out, char type)
{
	size_t mark;

	buf_add_char(out, type);
	mark = out->len;
	pg_add_int32(out, 0);
	return mark;
}

void pg_end(struct buf *out, size_t mark)
{
	uint32_t n;
	unsigned char b[4];

	if (!buf_ok(out))
		return;
	n = (uint32_t)(out->len - mark);
	b[0] = (unsigned char)(n >> 24);
	b[1] = (unsigned char)(n >> 16);
	b[2] = (unsigned char)(n >> 8);
	b[3] = (unsigned char)n;
	memcpy(out->data + mark, b, sizeof(b));
}

void pg_write_empty(struct buf *out, char type)
{
	pg_end(out, pg_begin(out, type));
}

void pg_write_ready(struct buf *out, char transaction_status)
{
	size_t mark = pg_begin(out, 'Z');

	buf_add_char(out, transaction_status);
	pg_end(out, mark);
}

void pg_write_parameter(struct buf *out, const char *name, const char *value)
{
	size_t mark = pg_begin(out, 'S');

	pg_add_text(out, name);
	pg_add_text(out, value);
	pg_end(out, mark);
}

void pg_write_complete(struct buf *out, const char *tag)
{
	size_t mark = pg_begin(out, 'C');

	pg_add_text(out, tag);
	pg_end(out, mark);
}

static void add_report_field(struct buf *out, char code, const char *text)
{
	buf_add_char(out, code);
	pg_add_text(out, text);
}

static void write_report(struct buf *out, char type, const struct pg_report *report)
{
	size_t mark = pg_begin(out, type);

	add_report_field(out, 'S', report->severity);
	add_report_field(out, 'V', report->severity);
	add_report_field(out, 'C', report->sqlstate);
	add_report_field(out, 'M', report->text);
	if (report->hint != NULL)
		add_report_field(out, 'H', report->hint);
	if (report->position > 0) {
		buf_printf(out, "P%d", report->position);
		buf_add_char(out, '\0');
	}
	buf_add_char(out, '\0');
	pg_end(out, mark);
}

void pg_write_error(struct buf *out, const struct pg_report *report)
{
	write_report(out, 'E', report);
}

void pg_write_notice(struct buf *out, const struct pg_report *report)
{
	write_report(out, 'N', report);
}
