/*
 * Lines are taken in place; what was taken is dropped
 * when more comes, in one move for all of them.
 */
#include "daemon/text_lines.h"

#include <string.h>

void text_lines_fini(struct text_lines *lines)
{
	buf_fini(&lines->in);
}

bool text_lines_add(struct text_lines *lines, const char *bytes, size_t len)
{
	buf_drop(&lines->in, lines->at);
	lines->at = 0;
	buf_add(&lines->in, bytes, len);
	return buf_ok(&lines->in);
}

size_t text_lines_len(const struct text_lines *lines)
{
	return lines->in.len - lines->at;
}

char text_lines_peek(const struct text_lines *lines)
{
	return text_lines_len(lines) > 0 ? lines->in.data[lines->at] : '\0';
}

/* The length of the next line, or 0: it is not all here. */
static size_t line_find(struct text_lines *lines)
{
	size_t len = text_lines_len(lines);

	if (len > lines->seen) {
		const char *line = lines->in.data + lines->at;
		const char *newline = memchr(line + lines->seen, '\n', len - lines->seen);

		if (newline != NULL)
			return (size_t)(newline - line) + 1;
		lines->seen = len;
	}
	if (!lines->has_ended || len == 0)
		return 0;
	lines->is_cut = true;
	buf_add_char(&lines->in, '\n');
	return buf_ok(&lines->in) ? len + 1 : 0;
}

char *text_lines_take(struct text_lines *lines, size_t *len)
{
	char *line;

	*len = line_find(lines);
	if (*len == 0)
		return NULL;
	line = lines->in.data + lines->at;
	lines->at += *len;
	lines->seen = 0;
	return line;
}

void text_lines_rest(struct text_lines *lines)
{
	if (text_lines_len(lines) > 0)
		return;
	buf_shrink(&lines->in);
	lines->at = 0;
}
