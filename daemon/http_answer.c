/*
 * What goes out: heads, chunks, whole bodies. Answers of known length say so;
 * others come in chunks, or end with the connection where the peer is too old
 * for chunks.
 */
#include "daemon/http_private.h"

#include "base/json_write.h"

#include <string.h>

const char *http_status_text(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 421: return "Misdirected Request";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	default: return "Internal Server Error";
	}
}

void http_write_head(struct http_session *http, int status, const char *type, int64_t length)
{
	buf_printf(&http->out,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
		"Referrer-Policy: no-referrer\r\n"
		"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
		"script-src 'unsafe-inline'; connect-src 'self'; img-src data:\r\n",
		status, http_status_text(status), type);
	http->is_closing = http->is_closing || (length < 0 && http->is_old) ||
			   session_is_draining(&http->session);
	if (length < 0 && !http->is_old)
		buf_add_text(&http->out, "Transfer-Encoding: chunked\r\n");
	else if (length >= 0)
		buf_printf(&http->out, "Content-Length: %lld\r\n", (long long)length);
	if (status == 405)
		buf_add_text(&http->out, "Allow: GET, HEAD\r\n");
	if (http->is_closing)
		buf_add_text(&http->out, "Connection: close\r\n");
	else if (http->is_old)
		buf_add_text(&http->out, "Connection: keep-alive\r\n");
	buf_add_text(&http->out, "\r\n");
}

void http_write_chunk(struct http_session *http, const struct buf *bytes)
{
	if (bytes->len == 0 || http->is_head)
		return;
	if (!http->is_old)
		buf_printf(&http->out, "%zx\r\n", bytes->len);
	buf_add(&http->out, bytes->data, bytes->len);
	if (!http->is_old)
		buf_add_text(&http->out, "\r\n");
}

void http_flush(struct http_session *http)
{
	session_flush(&http->session, &http->out);
}

void http_leave(struct http_session *http)
{
	http->state = HTTP_OVER;
	http_flush(http);
	session_finish(&http->session);
}

void http_answered(struct http_session *http)
{
	http->state = HTTP_READING;
	http->is_query = false;
	http->waits = HTTP_WAITS_NOT;
	if (http->is_closing)
		http_leave(http);
}

void http_answer(
	struct http_session *http, int status, const char *type, const char *body, size_t len)
{
	http_write_head(http, status, type, (int64_t)len);
	if (!http->is_head)
		buf_add(&http->out, body, len);
	http_answered(http);
}

void http_refuse(struct http_session *http, int status, const char *sentence)
{
	struct buf body = {0};

	if (http->is_query) {
		buf_add_text(&body, "{\"error\":");
		json_write_string(&body, sentence, strlen(sentence));
		buf_add_text(&body, "}\n");
	} else {
		buf_printf(&body, "%s\n", sentence);
	}
	http_answer(http, status, http->is_query ? "application/json" : "text/plain; charset=utf-8",
		body.data, body.len);
	buf_fini(&body);
}

const char *http_content_type(const struct http_session *http)
{
	switch (http->sink.format) {
	case HTTP_JSON: return "application/json";
	case HTTP_CSV: return "text/csv; charset=utf-8; header=present";
	case HTTP_NDJSON: return "application/x-ndjson";
	case HTTP_METRIC:
		return http->sink.is_openmetrics
			       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
			       : "text/plain; version=0.0.4; charset=utf-8";
	}
	return "text/plain";
}
