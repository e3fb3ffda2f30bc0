/* What a path is answered with, and whose names a request may come under. */
#include "daemon/http_private.h"

#include "daemon/http_page.h"
#include "daemon/sql_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

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
	char name[256];

	if (http->session.transport.uv.handle.type != UV_TCP)
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

	http->is_query = true;
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
		http_refuse(http, 400,
			"/query wants ?sql=STATEMENT, and takes &format=json, csv or ndjson");
	} else if (!is_known) {
		http_refuse(http, 400, "format is json, csv or ndjson");
	} else if (sql_text_has_rest(sql, strlen(sql))) {
		http_refuse(http, 400, "sql: one statement a request");
	} else {
		buf_clear(&http->sql);
		buf_add_text(&http->sql, sql);
		http_start(http);
	}
}

/* /healthz asks for the states that are not well; the answer's body names them. */
static void health_ended(struct http_session *http)
{
	if (http->body.len == 0)
		http_answer(http, 200, "text/plain; charset=utf-8", "ok\n", 3);
	else
		http_answer(
			http, 503, "text/plain; charset=utf-8", http->body.data, http->body.len);
	buf_fini(&http->body);
}

static void route_health(struct http_session *http)
{
	http->on_gathered = health_ended;
	http->sink.format = HTTP_NDJSON;
	buf_clear(&http->sql);
	buf_add_text(&http->sql, "SELECT name AS query, state, message, exception FROM queries "
				 "WHERE state = 'FAILED'");
	http_start(http);
}

void http_route(struct http_session *http, const struct http_request *request)
{
	http->is_chunked = false;
	http->is_closing = request->is_closing;
	http->is_head = request->is_head;
	http->is_old = request->is_old;
	if (!host_is_ours(http, request)) {
		http_refuse(
			http, 421, "the Host of this request is not one of this machine's names");
	} else if (strcmp(request->path, "/") == 0) {
		http_answer(
			http, 200, "text/html; charset=utf-8", http_page, sizeof(http_page) - 1);
	} else if (strcmp(request->path, "/query") == 0) {
		route_query(http, request);
	} else if (strcmp(request->path, "/healthz") == 0) {
		route_health(http);
	} else if (strcmp(request->path, "/metrics") == 0) {
		http_metrics_start(http, request);
	} else {
		http_refuse(http, 404, "there are /, /metrics, /healthz and /query?sql=…");
	}
}
