/* Ids in front, ends behind; what stands between comes from the sinks. */
#include "daemon/frames_line.h"

#include "base/json_write.h"

#include <string.h>

void frames_line_begin(struct buf *out, const char *id)
{
	buf_add_text(out, "{\"id\":");
	buf_add_text(out, id);
}

void frames_line_add_page(struct buf *out, const char *id, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t n = newline != NULL ? (size_t)(newline - bytes) + 1 : len;

		frames_line_begin(out, id);
		buf_add(out, bytes, n);
		bytes += n;
		len -= n;
	}
}

int frames_line_code(const struct err *err, int sql_code)
{
	if (sql_code != 0)
		return sql_code & 0xff;
	switch (err->code) {
	case ERR_NOMEM: return SQLITE_NOMEM;
	case ERR_DENIED: return SQLITE_AUTH;
	case ERR_INTERRUPTED: return SQLITE_INTERRUPT;
	case ERR_LIMIT: return SQLITE_TOOBIG;
	default: return SQLITE_ERROR;
	}
}

void frames_line_add_error(
	struct buf *out, const char *id, int code, const char *sentence, int offset)
{
	frames_line_begin(out, id);
	buf_printf(out, ",\"error\":{\"code\":%d,\"message\":", code);
	json_write_string(out, sentence, strlen(sentence));
	if (offset >= 0)
		buf_printf(out, ",\"offset\":%d", offset);
	buf_add_text(out, "}}\n");
}

void frames_line_add_ok(struct buf *out, const char *id, const struct execution *execution)
{
	frames_line_begin(out, id);
	buf_add_text(out, ",\"ok\":true,\"count\":");
	buf_add_int(out, execution->n_rows > 0 ? execution->n_rows : execution->n_changes);
	buf_add_text(out, ",\"snapshot\":");
	buf_add_int(out, (int64_t)execution->snapshot);
	buf_printf(out, ",\"ms\":%.3g}\n", (double)execution->elapsed_us / 1000);
}
