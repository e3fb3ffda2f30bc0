/* The growing buffer: doubles, and remembers a failure instead of reporting each one. */
#include "base/buf.h"

#include "base/digits.h"
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_fini(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){0};
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

void buf_shrink(struct buf *buf)
{
	if (buf->cap > BUF_KEEP_BYTES)
		buf_fini(buf);
	else
		buf_clear(buf);
}

char *buf_grow(struct buf *buf, size_t n)
{
	size_t want;
	size_t cap = buf->cap;
	char *data;

	if (buf->failed)
		return NULL;
	if (n > SIZE_MAX / 4 || buf->len > SIZE_MAX / 4) {
		buf->failed = true;
		return NULL;
	}
	want = buf->len + n;
	if (cap < 64)
		cap = 64;
	while (cap < want)
		cap *= 2;
	data = fault_hit("alloc") > 0 ? NULL : realloc(buf->data, cap);
	if (data == NULL) {
		buf->failed = true;
		return NULL;
	}
	buf->data = data;
	buf->cap = cap;
	return data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t n)
{
	char *room;

	if (n == 0)
		return;
	room = buf_reserve(buf, n);
	if (room == NULL)
		return;
	memcpy(room, bytes, n);
	buf->len += n;
}

void buf_add_text(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_add_int(struct buf *buf, int64_t n)
{
	char digits[DIGITS_BYTES];
	char *end = digits + sizeof(digits);
	char *first = digits_before(end, n);

	buf_add(buf, first, (size_t)(end - first));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	char *room;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0) {
		buf->failed = true;
		return;
	}
	room = buf_reserve(buf, (size_t)n + 1);
	if (room == NULL)
		return;
	va_start(args, format);
	(void)vsnprintf(room, (size_t)n + 1, format, args);
	va_end(args);
	buf->len += (size_t)n;
}

void buf_drop(struct buf *buf, size_t n)
{
	if (n >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->data, buf->data + n, buf->len - n);
	buf->len -= n;
}
