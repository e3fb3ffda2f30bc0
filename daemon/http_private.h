/*
 * An HTTP session from within. Its files, each of which calls only those above
 * it; all of it is the loop's:
 *   http_answer    heads and bodies out
 *   http_run       the statement behind a request
 *   http_metrics   /metrics, a sequence of statements
 *   http_route     what a path is answered with
 *   http_session   heads in, the life of the connection
 *
 *   READING ──head──▶ ANSWERING (a statement runs) ──ended──▶ READING, or OVER
 */
#ifndef DAEMON_HTTP_PRIVATE_H
#define DAEMON_HTTP_PRIVATE_H

#include "daemon/http_request.h"
#include "daemon/http_session.h"
#include "daemon/http_sink.h"

enum http_state { HTTP_READING, HTTP_ANSWERING, HTTP_OVER };

/* What the connection waits for, and has a deadline for. */
enum http_wait { HTTP_WAITS_NOT, HTTP_WAITS_FIRST, HTTP_WAITS_HEAD, HTTP_WAITS_NEXT };

struct http_session {
	struct session session; /* first */
	enum http_state state;
	enum http_wait waits;
	bool has_ended; /* the peer sends no more */
	bool is_in_turn;
	bool is_query;   /* rows go out as they come, refusals as JSON; else the body is gathered */
	void (*on_gathered)(struct http_session *http); /* the statement's rows are in `body` */
	bool is_chunked; /* the head of this answer is written */
	bool is_closing, is_head;
	bool is_old;     /* no chunks: the end of the connection is the end of the answer */
	bool has_totals; /* of /metrics: with a sample for each group */
	size_t family;   /* of /metrics: the next one */
	size_t total;    /* of /metrics: the next query whose groups are shown */
	struct buf in, out, body, sql;
	struct http_sink sink;
	struct execution execution;
};

const char *http_status_text(int status);
/* The head; length < 0: in chunks, or until the connection ends. */
void http_write_head(struct http_session *http, int status, const char *type, int64_t length);
void http_write_chunk(struct http_session *http, const struct buf *bytes);
/* A whole answer, and then answered. */
void http_answer(
	struct http_session *http, int status, const char *type, const char *body, size_t len);
/* The same with a sentence: as JSON for /query, as text for the rest. */
void http_refuse(struct http_session *http, int status, const char *sentence);
/* The answer is written; the next request, or the end. */
void http_answered(struct http_session *http);
void http_flush(struct http_session *http);
/* What was written goes out, and that is all. */
void http_leave(struct http_session *http);
/* Of what the sink writes. */
const char *http_content_type(const struct http_session *http);

/* Runs what is in http->sql; http_ended may have been called when it returns. */
void http_start(struct http_session *http);
/* A page of its rows is there. */
void http_page_out(struct http_session *http);
/* The statement is over: the rest of its answer, or on_gathered. */
void http_ended(struct http_session *http);

void http_metrics_start(struct http_session *http, const struct http_request *request);

/* Answers the request, now or when its statement has ended. */
void http_route(struct http_session *http, const struct http_request *request);

#endif
