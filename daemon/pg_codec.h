/*
 * Messages of the PostgreSQL protocol, version 3, as bytes: framing, reading
 * the fields of one, writing one. Knows no sessions, no SQL and no sockets;
 * the rules are "Frontend/Backend Protocol, Message Formats" of PostgreSQL's
 * manual. Pure functions over the caller's buffers, any thread.
 */
#ifndef DAEMON_PG_CODEC_H
#define DAEMON_PG_CODEC_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The protocol's version that is spoken, as it is written on the wire. */
#define PG_PROTOCOL_3_0 (3 << 16)
/* What a first packet may ask instead of a protocol version. */
#define PG_CANCEL_REQUEST 80877102
#define PG_SSL_REQUEST    80877103
#define PG_GSSENC_REQUEST 80877104

/* A startup packet over this is refused, as PostgreSQL does. */
#define PG_STARTUP_MAX_BYTES 10000

struct pg_message {
	char type;        /* 0: a packet without type, the first of a connection */
	const char *body; /* borrowed from the input */
	size_t len;       /* of the body */
};

/*
 * Finds the next whole message in data[0, len). 1: it is in *message and *used
 * bytes are done with; 0: more bytes are needed; ERR_PROTOCOL: no client sends a
 * message of this type, or the length is impossible or over max_bytes, and
 * nothing behind it can be understood.
 */
int pg_message_next(const char *data, size_t len, bool is_startup, size_t max_bytes,
	struct pg_message *message, size_t *used, struct err *err)
	__attribute__((warn_unused_result));

/* Reads the fields of a body in order; past its end everything is 0 or NULL and `failed` is set. */
struct pg_reader {
	const char *at, *end;
	bool failed;
};

struct pg_reader pg_reader_of(const struct pg_message *message);
unsigned char pg_read_byte(struct pg_reader *reader);
int16_t pg_read_int16(struct pg_reader *reader);
int32_t pg_read_int32(struct pg_reader *reader);
/* A NUL-terminated text; NULL on failure. */
const char *pg_read_text(struct pg_reader *reader);
/* `n` bytes; NULL on failure. */
const char *pg_read_bytes(struct pg_reader *reader, size_t n);
/* All fields were there and nothing is left. */
bool pg_reader_is_done(const struct pg_reader *reader);

/* A message is begun, its fields added, and ended; `mark` is where its length stands. */
size_t pg_begin(struct buf *out, char type);
void pg_end(struct buf *out, size_t mark);
void pg_add_int16(struct buf *out, int n);
void pg_add_int32(struct buf *out, int32_t n);
void pg_add_int64(struct buf *out, int64_t n);
void pg_add_text(struct buf *out, const char *text); /* with its NUL */

/* A message that is only its type: ParseComplete '1', NoData 'n' … */
void pg_write_empty(struct buf *out, char type);
void pg_write_ready(struct buf *out, char transaction_status);
void pg_write_parameter(struct buf *out, const char *name, const char *value);
void pg_write_complete(struct buf *out, const char *tag);

/* position: 1-based, in characters; 0: none. hint may be NULL. */
struct pg_report {
	const char *severity; /* ERROR, FATAL, WARNING, NOTICE */
	const char *sqlstate;
	const char *text;
	const char *hint;
	int position;
};
void pg_write_error(struct buf *out, const struct pg_report *report);  /* 'E' */
void pg_write_notice(struct buf *out, const struct pg_report *report); /* 'N' */

#endif
