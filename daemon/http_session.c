/*
 * One request after the other: a head is read, its route answers, the next head
 * is read. Answers of known length say so; `/query` streams in chunks, and an
 * error after the first chunk breaks the connection off, so that a half answer
 * is never taken for a whole one.
 *
 *   READING ──head──▶ ANSWERING (a statement runs) ──ended──▶ READING, or over
 */
#include "daemon/http_session.h"

#include "base/json_write.h"
#include "daemon/http_page.h"
#include "daemon/http_request.h"
#include "daemon/http_sink.h"
#include "daemon/sql_text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum http_state { HTTP_READING, HTTP_ANSWERING, HTTP_OVER };
enum http_route { ROUTE_NONE, ROUTE_QUERY, ROUTE_METRICS, ROUTE_HEALTH };

struct http_session {
	struct session session; /* first */
	enum http_state state;
	enum http_route route;
	bool has_ended; /* the peer sends no more */
	bool is_in_turn;
	bool is_chunked; /* the head of this answer is written */
	bool is_closing, is_head;
	bool is_old;   /* no chunks: the end of the connection is the end of the answer */
	size_t family; /* of /metrics: the next one */
	struct buf in, out, body, sql;
	struct http_sink sink;
	struct execution execution;
};

static struct http_session *http_of(struct session *session)
{
	return (struct http_session *)session;
}

static void go_on(struct http_session *http);

/* --- writing ------------------------------------------------------------- */

static const char *status_text(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 414: return "URI Too Long";
	case 421: return "Misdirected Request";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 504: return "Gateway Timeout";
	case 505: return "HTTP Version Not Supported";
	default: return "Internal Server Error";
	}
}

/* The head; length < 0: in chunks, or until the connection ends. */
static void write_head(struct http_session *http, int status, const char *type, int64_t length)
{
	buf_printf(&http->out,
		"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
		"Referrer-Policy: no-referrer\r\n"
		"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
		"script-src 'unsafe-inline'; connect-src 'self'; img-src data:\r\n",
		status, status_text(status), type);
	http->is_closing = http->is_closing || (length < 0 && http->is_old);
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

static void write_chunk(struct http_session *http, const struct buf *bytes)
{
	if (bytes->len == 0 || http->is_head)
		return;
	if (!http->is_old)
		buf_printf(&http->out, "%zx\r\n", bytes->len);
	buf_add(&http->out, bytes->data, bytes->len);
	if (!http->is_old)
		buf_add_text(&http->out, "\r\n");
}

static void flush(struct http_session *http)
{
	session_flush(&http->session, &http->out);
}

static void leave(struct http_session *http)
{
	http->state = HTTP_OVER;
	flush(http);
	session_finish(&http->session);
}

/* The answer is written; the next request, or the end. */
static void answered(struct http_session *http)
{
	http->state = HTTP_READING;
	http->route = ROUTE_NONE;
	if (http->is_closing)
		leave(http);
}

static void answer(
	struct http_session *http, int status, const char *type, const char *body, size_t len)
{
	write_head(http, status, type, (int64_t)len);
	if (!http->is_head)
		buf_add(&http->out, body, len);
	answered(http);
}

/* A sentence as JSON, for /query, and as text for the rest. */
static void refuse(struct http_session *http, int status, const char *sentence)
{
	struct buf body = {0};

	if (http->route == ROUTE_QUERY) {
		buf_add_text(&body, "{\"error\":");
		json_write_string(&body, sentence, strlen(sentence));
		buf_add_text(&body, "}\n");
	} else {
		buf_printf(&body, "%s\n", sentence);
	}
	answer(http, status,
		http->route == ROUTE_QUERY ? "application/json" : "text/plain; charset=utf-8",
		body.data, body.len);
	buf_fini(&body);
}

/* --- statements ---------------------------------------------------------- */

static const char *content_type(const struct http_session *http)
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

static void start(struct http_session *http);

static void metrics_next(struct http_session *http)
{
	const struct metric_family *family = metric_family_at(http->family++);

	if (family != NULL) {
		http->sink.family = family;
		buf_clear(&http->sql);
		buf_add_text(&http->sql, family->sql);
		start(http);
		return;
	}
	buf_add_text(&http->body, "# HELP tallyd_up 1 when the daemon answered.\n"
				  "# TYPE tallyd_up gauge\ntallyd_up 1\n");
	if (http->sink.is_openmetrics)
		buf_add_text(&http->body, "# EOF\n");
	answer(http, 200, content_type(http), http->body.data, http->body.len);
	buf_fini(&http->body);
}

/* /healthz asks for the states that are not well; the answer's body names them. */
static void health_ended(struct http_session *http)
{
	if (http->body.len == 0)
		answer(http, 200, "text/plain; charset=utf-8", "ok\n", 3);
	else
		answer(http, 503, "text/plain; charset=utf-8", http->body.data, http->body.len);
	buf_fini(&http->body);
}

static void query_ended(struct http_session *http)
{
	struct execution *e = &http->execution;

	if (!http->is_chunked) {
		answer(http, 200, content_type(http), e->page.data, e->page.len);
		return;
	}
	write_chunk(http, &e->page);
	if (!http->is_head && !http->is_old)
		buf_add_text(&http->out, "0\r\n\r\n");
	answered(http);
}

static void ended(struct http_session *http)
{
	struct execution *e = &http->execution;

	http->state = HTTP_READING;
	if (e->end == EXECUTION_FAILED && http->is_chunked) {
		http->state = HTTP_OVER;
		flush(http);
		session_close(&http->session);
	} else if (e->end == EXECUTION_FAILED) {
		buf_fini(&http->body);
		refuse(http, http->session.service->is_stopping ? 503 : status_of(&e->err),
			e->err.text);
	} else if (e->end == EXECUTION_EMPTY) {
		refuse(http, 400, "sql: no statement");
	} else if (http->route == ROUTE_QUERY) {
		query_ended(http);
	} else {
		buf_add(&http->body, e->page.data, e->page.len);
		buf_fini(&e->page);
		http_sink_reset(&http->sink);
		if (http->route == ROUTE_METRICS)
			metrics_next(http);
		else
			health_ended(http);
		return;
	}
	buf_fini(&e->page);
	http_sink_reset(&http->sink);
}

static void start(struct http_session *http)
{
	struct execution *e = &http->execution;

	e->sql = http->session.sql;
	e->text = http->sql.data;
	e->len = http->sql.len;
	e->sink = &http_sink_ops;
	e->sink_context = &http->sink;
	http->state = HTTP_ANSWERING;
	session_runs(&http->session, e->text, e->len);
	if (execution_start(e, http->session.service->executor)) {
		bool is_there = session_ran(&http->session);

		assert(is_there); /* it is not closed from within its own turn */
		ended(http);
	}
}

static void on_page(struct execution *e)
{
	struct http_session *http =
		(struct http_session *)((char *)e - offsetof(struct http_session, execution));

	if (http->route == ROUTE_QUERY) {
		if (!http->is_chunked)
			write_head(http, 200, content_type(http), -1);
		http->is_chunked = true;
		write_chunk(http, &e->page);
		flush(http);
	} else {
		buf_add(&http->body, e->page.data, e->page.len);
	}
	buf_clear(&e->page);
	session_page_written(&http->session, e);
}

static void on_ended(struct execution *e)
{
	struct http_session *http =
		(struct http_session *)((char *)e - offsetof(struct http_session, execution));

	if (!session_ran(&http->session))
		return;
	ended(http);
	go_on(http);
}

/* --- routes -------------------------------------------------------------- */

static bool is_address(const char *host)
{
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN + 2];
	size_t len = strlen(host);

	if (host[0] != '[')
		return inet_pton(AF_INET, host, &address) == 1;
	if (len >= sizeof(text) || host[len - 1] != ']')
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)len - 2, host + 1);
	return inet_pton(AF_INET6, text, &address) == 1;
}

/*
 * This machine's names, and addresses. A page from elsewhere that had its own
 * name point here comes with that name; it cannot come with an address.
 */
static bool host_is_ours(const struct http_session *http, const struct http_request *request)
{
	const char *listen = http->session.service->config->http_listen;
	char name[256];

	if (listen == NULL || listen[0] == '/')
		return true;
	if (request->host == NULL)
		return false;
	if (strcasecmp(request->host, "localhost") == 0 || is_address(request->host))
		return true;
	return gethostname(name, sizeof(name)) == 0 && memchr(name, '\0', sizeof(name)) != NULL &&
	       strcasecmp(request->host, name) == 0;
}

static void route_query(struct http_session *http, const struct http_request *request)
{
	static const struct {
		const char *name, *type;
		enum http_format format;
	} formats[] = {{"json", "application/json", HTTP_JSON}, {"csv", "text/csv", HTTP_CSV},
		{"ndjson", "application/x-ndjson", HTTP_NDJSON}};
	const char *sql = http_request_param(request, "sql");
	const char *wanted = http_request_param(request, "format");
	bool is_known = wanted == NULL;

	http->route = ROUTE_QUERY;
	http->sink.format = HTTP_JSON;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (wanted != NULL ? strcmp(wanted, formats[i].name) == 0
				   : strstr(request->accept, formats[i].type) != NULL) {
			http->sink.format = formats[i].format;
			is_known = true;
			break;
		}
	}
	if (sql == NULL) {
		refuse(http, 400,
			"/query wants ?sql=STATEMENT, and takes &format=json, csv or ndjson");
	} else if (!is_known) {
		refuse(http, 400, "format is json, csv or ndjson");
	} else if (sql_text_has_rest(sql, strlen(sql))) {
		refuse(http, 400, "sql: one statement a request");
	} else {
		buf_clear(&http->sql);
		buf_add_text(&http->sql, sql);
		start(http);
	}
}

static void route_health(struct http_session *http)
{
	http->route = ROUTE_HEALTH;
	http->sink.format = HTTP_NDJSON;
	buf_clear(&http->sql);
	buf_add_text(&http->sql, "SELECT name AS query, state, message, exception FROM queries "
				 "WHERE state = 'FAILED'");
	start(http);
}

static void route(struct http_session *http, const struct http_request *request)
{
	http->is_chunked = false;
	http->is_closing = request->is_closing;
	http->is_head = request->is_head;
	http->is_old = request->is_old;
	if (!host_is_ours(http, request)) {
		refuse(http, 421, "the Host of this request is not one of this machine's names");
	} else if (strcmp(request->path, "/") == 0) {
		answer(http, 200, "text/html; charset=utf-8", http_page, sizeof(http_page) - 1);
	} else if (strcmp(request->path, "/query") == 0) {
		route_query(http, request);
	} else if (strcmp(request->path, "/healthz") == 0) {
		route_health(http);
	} else if (strcmp(request->path, "/metrics") == 0) {
		http->route = ROUTE_METRICS;
		http->family = 0;
		http->sink.format = HTTP_METRIC;
		http->sink.is_openmetrics =
			strstr(request->accept, "application/openmetrics-text") != NULL;
		metrics_next(http);
	} else {
		refuse(http, 404, "there are /, /metrics, /healthz and /query?sql=…");
	}
}

/* A peer that sends requests faster than they are answered waits in its own send(). */
static void reading_adjust(struct http_session *http)
{
	if (!session_is_open(&http->session) || http->has_ended)
		return;
	if (http->in.len >= HTTP_HEAD_MAX_BYTES &&
		(http->state == HTTP_ANSWERING || session_is_clogged(&http->session)))
		transport_read_stop(&http->session.transport);
	else
		transport_read_start(&http->session.transport);
}

static void go_on(struct http_session *http)
{
	struct http_request request;
	int rc;

	if (http->is_in_turn)
		return;
	http->is_in_turn = true;
	while (http->state == HTTP_READING && http->in.len > 0 && session_is_open(&http->session) &&
		!session_is_clogged(&http->session)) {
		rc = http_request_parse(http->in.data, http->in.len, &request);
		if (rc == 0)
			break;
		if (rc < 0) {
			http->is_closing = true;
			http->is_head = false;
			http->is_old = false;
			refuse(http, -rc, status_text(-rc));
			break;
		}
		route(http, &request);
		buf_drop(&http->in, (size_t)rc);
		if (http->state == HTTP_READING)
			flush(http);
	}
	http->is_in_turn = false;
	if (http->state == HTTP_OVER)
		return;
	if (http->in.len == 0)
		buf_shrink(&http->in);
	flush(http);
	if (http->state == HTTP_READING && http->has_ended && !session_is_clogged(&http->session))
		leave(http);
	else
		reading_adjust(http);
}

/* --- what the common session calls --------------------------------------- */

static int on_open(struct session *session, struct err *err)
{
	struct http_session *http = http_of(session);

	(void)err;
	execution_init(&http->execution);
	http->execution.on_page = on_page;
	http->execution.on_ended = on_ended;
	return 0;
}

static void on_refuse(struct session *session, const char *sentence)
{
	struct http_session *http = http_of(session);

	http->is_closing = true;
	http->state = HTTP_OVER;
	write_head(http, 503, "text/plain; charset=utf-8", (int64_t)strlen(sentence) + 1);
	buf_printf(&http->out, "%s\n", sentence);
	session_write(session, &http->out);
}

static void on_bytes(struct session *session, const char *bytes, size_t len)
{
	struct http_session *http = http_of(session);

	if (http->state == HTTP_OVER)
		return;
	buf_add(&http->in, bytes, len);
	if (!buf_ok(&http->in)) {
		session_close(session);
		return;
	}
	go_on(http);
}

static void on_end(struct session *session)
{
	struct http_session *http = http_of(session);

	http->has_ended = true;
	/*
	 * Over TCP who has gone looks like who only sends no more. While a
	 * statement runs it is taken for gone, so that no page that was left
	 * keeps statements running; on a Unix socket the kernel tells.
	 */
	if (execution_is_under_way(&http->execution) && session->transport.uv.handle.type == UV_TCP)
		session_close(session);
	else
		go_on(http);
}

static void on_drained(struct session *session)
{
	struct http_session *http = http_of(session);

	if (!execution_resume(&http->execution))
		go_on(http);
}

static void on_turn(struct session *session)
{
	go_on(http_of(session));
}

static void on_cancel(struct session *session)
{
	execution_cancel(&http_of(session)->execution);
}

static void on_fini(struct session *session)
{
	struct http_session *http = http_of(session);

	execution_fini(&http->execution);
	http_sink_reset(&http->sink);
	buf_fini(&http->in);
	buf_fini(&http->out);
	buf_fini(&http->body);
	buf_fini(&http->sql);
}

const struct session_ops http_session_ops = {
	.protocol = "http",
	.size = sizeof(struct http_session),
	.open = on_open,
	.refuse = on_refuse,
	.on_bytes = on_bytes,
	.on_end = on_end,
	.on_drained = on_drained,
	.on_turn = on_turn,
	.on_cancel = on_cancel,
	.fini = on_fini,
};
