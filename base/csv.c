#include "base/csv.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

void csv_add_cell(struct buf *out, const char *text, size_t len)
{
	/* A line that is \. alone ends a COPY. */
	bool is_plain = len > 0 && (len != 2 || memcmp(text, "\\.", 2) != 0);

	for (size_t i = 0; i < len; i++)
		if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
			is_plain = false;
	if (is_plain) {
		utf8_add_shown(out, text, len);
		return;
	}
	/* From quote to quote, each of which stands twice. */
	buf_add_char(out, '"');
	for (const char *end = text + len, *quote; text < end; text = quote) {
		quote = memchr(text, '"', (size_t)(end - text));
		if (quote == NULL)
			quote = end;
		utf8_add_shown(out, text, (size_t)(quote - text));
		if (quote < end) {
			buf_add_text(out, "\"\"");
			quote++;
		}
	}
	buf_add_char(out, '"');
}
