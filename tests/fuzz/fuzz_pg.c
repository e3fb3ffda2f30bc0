/*
 * Any bytes, as what a PostgreSQL client might send: read as messages and as
 * the values of a Bind, recognised as a command, cut into statements,
 * translated. An offset in a translation must lead back into the text.
 */
#include "base/err.h"
#include "daemon/pg_codec.h"
#include "daemon/pg_command.h"
#include "daemon/pg_dialect.h"
#include "daemon/pg_param.h"
#include "daemon/pg_types.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_value(const struct pg_message *message)
{
	static const enum pg_oid oids[] = {PG_BOOL, PG_BYTEA, PG_INT8, PG_INT2, PG_INT4, PG_TEXT,
		PG_OID, PG_FLOAT4, PG_FLOAT8, PG_DATE, PG_TIMESTAMP, PG_NUMERIC};

	for (size_t i = 0; i < 2 * sizeof(oids) / sizeof(oids[0]); i++) {
		struct pg_parameter parameter = {.oid = oids[i / 2],
			.format = (int)(i % 2),
			.len = (int32_t)message->len,
			.data = message->body};
		struct buf scratch = {0}, out = {0};
		struct err err = ERR_INIT;
		struct value value;

		if (pg_read_parameter(&parameter, &value, &scratch, &err) == 0)
			(void)!pg_add_value(&out, oids[i / 2], (int)(i % 2), &value, &err);
		buf_fini(&scratch);
		buf_fini(&out);
	}
}

static void read_messages(const char *data, size_t size, bool is_startup)
{
	size_t at = 0, used = 0;
	struct err err = ERR_INIT;
	struct pg_message message;

	while (pg_message_next(data + at, size - at, is_startup, 1000000, &message, &used, &err) >
		0) {
		struct pg_reader reader = pg_reader_of(&message);

		assert(used > 0 && used <= size - at);
		while (pg_read_text(&reader) != NULL)
			;
		assert(reader.failed);
		read_value(&message);
		at += used;
		is_startup = false;
	}
}

static void read_statements(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		struct pg_command command;
		struct buf out = {0};
		struct err err = ERR_INIT;
		bool is_empty;
		size_t n = pg_statement_length(text + at, len - at, &is_empty);

		assert(n > 0 && n <= len - at);
		pg_command_parse(text + at, n, &command);
		assert(strlen(command.name) < sizeof(command.name));
		if (pg_translate(text + at, n, &out, &err) == 0)
			assert(pg_translate_offset(text + at, n, out.len / 2) <= n);
		buf_fini(&out);
		at += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_messages((const char *)data, size, true);
	read_messages((const char *)data, size, false);
	read_statements((const char *)data, size);
	return 0;
}
