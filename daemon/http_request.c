/*
 * One pass over the head, line by line. Everything that is not understood is
 * refused, never guessed; bodies are, too, so that what follows a head is
 * always the next head.
 */
#include "daemon/http_request.h"

#include <string.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* %XX, and + for a blank in a query. False for a broken escape or a NUL. */
static bool decode(char *text, bool is_query)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; from++) {
		if (*from == '%') {
			int high = hex(from[1]);
			int low = high < 0 ? -1 : hex(from[2]);

			if (low < 0 || (high == 0 && low == 0))
				return false;
			*to++ = (char)(high << 4 | low);
			from += 2;
		} else {
			*to++ = is_query && *from == '+' ? ' ' : *from;
		}
	}
	*to = '\0';
	return true;
}

static bool split_params(struct http_request *request, char *query)
{
	char *save = NULL;

	for (char *part = strtok_r(query, "&", &save); part != NULL;
		part = strtok_r(NULL, "&", &save)) {
		char *equals = strchr(part, '=');
		struct http_param *param = &request->params[request->n_params];

		if (request->n_params == HTTP_MAX_PARAMS)
			return false;
		if (equals != NULL)
			*equals = '\0';
		param->name = part;
		param->value = equals != NULL ? equals + 1 : "";
		if (!decode(part, true) || (equals != NULL && !decode(equals + 1, true)))
			return false;
		request->n_params++;
	}
	return true;
}

/* GET /path?query HTTP/1.1 */
static int parse_line(char *line, struct http_request *request)
{
	char *target = strchr(line, ' ');
	char *version = target == NULL ? NULL : strchr(target + 1, ' ');
	char *query;

	if (version == NULL || strchr(version + 1, ' ') != NULL)
		return -400;
	*target++ = '\0';
	*version++ = '\0';
	if (strncmp(version, "HTTP/1.", 7) != 0 || version[7] < '0' || version[7] > '9' ||
		version[8] != '\0')
		return strncmp(version, "HTTP/", 5) == 0 ? -505 : -400;
	request->is_old = version[7] == '0';
	request->is_closing = request->is_old;
	request->is_head = strcmp(line, "HEAD") == 0;
	if (!request->is_head && strcmp(line, "GET") != 0)
		return -405;
	if (target[0] != '/')
		return -400;
	query = strchr(target, '?');
	if (query != NULL)
		*query++ = '\0';
	request->path = target;
	if (!decode(target, false) || (query != NULL && !split_params(request, query)))
		return -400;
	return 0;
}

/* Without its port: `localhost:9188`, `[::1]:9188`. */
static void cut_port(char *host)
{
	char *end = host[0] == '[' ? strchr(host, ']') : NULL;
	char *colon = strchr(end != NULL ? end : host, ':');

	if (colon != NULL)
		*colon = '\0';
}

/* Whether a list of words, with commas between, has the word. */
static bool list_has(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list != '\0') {
		size_t n;

		list += strspn(list, ", \t");
		n = strcspn(list, ", \t");
		if (n == len && strncasecmp(list, word, len) == 0)
			return true;
		list += n;
	}
	return false;
}

static int parse_field(char *line, struct http_request *request)
{
	char *value = strchr(line, ':');
	size_t n;

	if (value == NULL || value == line || value[-1] == ' ' || value[-1] == '\t')
		return -400;
	*value++ = '\0';
	value += strspn(value, " \t");
	n = strlen(value);
	while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
		value[--n] = '\0';
	if (strcasecmp(line, "host") == 0) {
		if (request->host != NULL)
			return -400;
		cut_port(value);
		request->host = value;
	} else if (strcasecmp(line, "accept") == 0) {
		request->accept = value;
	} else if (strcasecmp(line, "connection") == 0) {
		request->is_closing = list_has(value, "close") ||
				      (request->is_closing && !list_has(value, "keep-alive"));
	} else if (strcasecmp(line, "transfer-encoding") == 0) {
		return -501;
	} else if (strcasecmp(line, "content-length") == 0 && strcmp(value, "0") != 0) {
		return -400;
	}
	return 0;
}

int http_request_parse(char *text, size_t len, struct http_request *request)
{
	size_t most = len < HTTP_HEAD_MAX_BYTES ? len : HTTP_HEAD_MAX_BYTES;
	char *end = memmem(text, most, "\r\n\r\n", 4);
	char *line = text;
	int rc;

	*request = (struct http_request){.accept = ""};
	if (end == NULL)
		return len >= HTTP_HEAD_MAX_BYTES ? -431 : 0;
	if (memchr(text, '\0', (size_t)(end - text)) != NULL)
		return -400;
	*end = '\0';
	for (bool is_first = true; line != NULL; is_first = false) {
		char *next = strstr(line, "\r\n");

		if (next != NULL) {
			*next = '\0';
			next += 2;
		}
		if (strpbrk(line, "\r\n") != NULL)
			return -400;
		rc = is_first ? parse_line(line, request) : parse_field(line, request);
		if (rc != 0)
			return rc;
		line = next;
	}
	/* RFC 9112, 3.2: without it nobody can say for whom the request is. */
	if (request->host == NULL && !request->is_old)
		return -400;
	return (int)(end - text) + 4;
}

const char *http_request_param(const struct http_request *request, const char *name)
{
	for (size_t i = 0; i < request->n_params; i++)
		if (strcmp(request->params[i].name, name) == 0)
			return request->params[i].value;
	return NULL;
}
