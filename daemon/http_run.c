/*
 * The statement behind a request. `/query` streams as its statement goes, and
 * an error after the first chunk breaks the connection off, so that a half
 * answer is never taken for a whole one; of the others the body is gathered,
 * and handed to whoever asked for it.
 */
#include "daemon/http_private.h"

static int status_of(const struct err *err)
{
	switch (err->code) {
	case ERR_DENIED: return 403;
	case ERR_INTERRUPTED: return 504;
	case ERR_NOMEM:
	case ERR_LIMIT: return 503;
	default: return 400;
	}
}

static void query_ended(struct http_session *http)
{
	struct execution *e = &http->execution;

	if (!http->is_chunked) {
		http_answer(http, 200, http_content_type(http), e->page.data, e->page.len);
		return;
	}
	http_write_chunk(http, &e->page);
	if (!http->is_head && !http->is_old)
		buf_add_text(&http->out, "0\r\n\r\n");
	http_answered(http);
}

void http_ended(struct http_session *http)
{
	struct execution *e = &http->execution;

	http->state = HTTP_READING;
	if (e->end == EXECUTION_FAILED && http->is_chunked) {
		http->state = HTTP_OVER;
		http_flush(http);
		session_close(&http->session);
	} else if (e->end == EXECUTION_FAILED) {
		buf_fini(&http->body);
		if (http->session.service->is_stopping)
			http_refuse(http, 503, "tallyd is shutting down");
		else
			http_refuse(http, status_of(&e->err), e->err.text);
	} else if (e->end == EXECUTION_EMPTY) {
		http_refuse(http, 400, "sql: no statement");
	} else if (http->is_query) {
		query_ended(http);
	} else {
		buf_add(&http->body, e->page.data, e->page.len);
		buf_fini(&e->page);
		http_sink_reset(&http->sink);
		http->on_gathered(http);
		return;
	}
	buf_fini(&e->page);
	http_sink_reset(&http->sink);
}

void http_page_out(struct http_session *http)
{
	struct execution *e = &http->execution;

	if (http->is_query) {
		if (!http->is_chunked)
			http_write_head(http, 200, http_content_type(http), -1);
		http->is_chunked = true;
		http_write_chunk(http, &e->page);
		http_flush(http);
	} else {
		buf_add(&http->body, e->page.data, e->page.len);
	}
	buf_clear(&e->page);
	session_page_written(&http->session, e);
}

void http_start(struct http_session *http)
{
	struct execution *e = &http->execution;

	e->sql = http->session.sql;
	e->text = http->sql.data;
	e->len = http->sql.len;
	e->sink = &http_sink_ops;
	e->sink_context = &http->sink;
	http->state = HTTP_ANSWERING;
	if (session_execute(&http->session, e))
		http_ended(http);
}
