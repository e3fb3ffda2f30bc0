/*
 * A growing run of bytes for output.
 *
 * Writers append without looking; a failed growth sets `failed`, later appends
 * do nothing, and whoever takes the bytes asks buf_ok() once. Zero
 * initialisation is an empty buffer. One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;  /* owned; NULL while nothing was written */
	size_t len;  /* bytes in use */
	size_t cap;  /* bytes allocated */
	bool failed; /* an append found no memory; the content is not whole */
};

void buf_fini(struct buf *buf);

/* Empties the buffer and forgets a failure; keeps the memory. */
void buf_clear(struct buf *buf);

/* Empties it, too, and gives the memory back where it is more than what the next use wants. */
#define BUF_KEEP_BYTES 8192
void buf_shrink(struct buf *buf);

static inline bool buf_ok(const struct buf *buf)
{
	return !buf->failed;
}

/* What buf_reserve does where there is too little room. */
char *buf_grow(struct buf *buf, size_t n);

/*
 * Room for `n` more bytes behind data + len, or NULL (and failed). The caller
 * adds to len what it wrote.
 */
static inline char *buf_reserve(struct buf *buf, size_t n)
{
	/* Room for nothing is room too: NULL means that there is no memory. */
	if (buf->data != NULL && !buf->failed && n <= buf->cap - buf->len)
		return buf->data + buf->len;
	return buf_grow(buf, n);
}

void buf_add(struct buf *buf, const void *bytes, size_t n);
static inline void buf_add_char(struct buf *buf, char c)
{
	char *room = buf_reserve(buf, 1);

	if (room == NULL)
		return;
	*room = c;
	buf->len++;
}
void buf_add_text(struct buf *buf, const char *text);
void buf_add_int(struct buf *buf, int64_t n);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first `n` bytes. */
void buf_drop(struct buf *buf, size_t n);

#endif
