/*
 * The head of an HTTP/1.1 request, as far as three read-only routes need it.
 * Knows no sockets and no answers. Pure; the text it points into is the
 * caller's, and is decoded in place. Rules: RFC 9110, RFC 9112.
 */
#ifndef DAEMON_HTTP_REQUEST_H
#define DAEMON_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* A head longer than this is refused (431). */
#define HTTP_HEAD_MAX_BYTES 16384
#define HTTP_MAX_PARAMS     16

struct http_param {
	const char *name, *value;
};

struct http_request {
	bool is_head;   /* HEAD: the answer without its body */
	bool is_closing; /* the connection ends after the answer */
	bool is_old;     /* HTTP/1.0: it knows no chunks */
	const char *path; /* decoded, without the query */
	struct http_param params[HTTP_MAX_PARAMS]; /* of the query, decoded */
	size_t n_params;
	const char *host;   /* without the port, in brackets if an IPv6 address; NULL: none */
	const char *accept; /* "" if none */
};

/*
 * Looks for a whole head in text[0, len). Returns its length, 0 if more bytes
 * are needed, or a negated status (-400, -405, -431, -501, -505). `text`
 * is written to.
 */
int http_request_parse(char *text, size_t len, struct http_request *request);

/* The value of a parameter, or NULL. */
const char *http_request_param(const struct http_request *request, const char *name);

#endif
