/* Texts of a request live in one block that is as long as the line, which is always enough. */
#include "daemon/frames_request.h"

#include "base/decimal.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "daemon/sql_text.h"
#include "sql/tokens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parsing {
	struct request *request;
	struct json_value object;
	char *room; /* in request->texts */
	struct err *err;
};

void request_free(struct request *request)
{
	if (request == NULL)
		return;
	free(request->params);
	free(request->sentence);
	free(request->texts);
	free(request);
}

static int refuse(struct parsing *p, const char *sentence)
{
	return err_set(p->err, ERR_PROTOCOL, "%s", sentence);
}

static bool member(const struct parsing *p, const char *name, struct json_value *value)
{
	return json_find_member(&p->object, name, strlen(name), value);
}

static const char *text_take(struct parsing *p, const struct json_value *string, size_t *len)
{
	char *text = p->room;

	*len = json_unescape(string, text);
	p->room += *len;
	*p->room++ = '\0';
	return text;
}

static int id_take(struct parsing *p, const struct json_value *id)
{
	if ((id->type != JSON_NUMBER && id->type != JSON_STRING) || id->len >= REQUEST_ID_BYTES)
		return refuse(p, "an id is a number or a string of at most 60 bytes");
	memcpy(p->request->id, id->text, id->len);
	p->request->id[id->len] = '\0';
	return 0;
}

static void number_take(const struct json_value *number, struct value *value)
{
	bool is_whole = true;

	for (size_t i = 0; i < number->len; i++)
		is_whole = is_whole && strchr("-0123456789", number->text[i]) != NULL;
	if (is_whole && decimal_floor(number->text, number->len, 0, &value->integer)) {
		value->type = VALUE_INTEGER;
		return;
	}
	/* Within an array a comma, a blank or a bracket follows: strtod stops there. */
	value->type = VALUE_REAL;
	value->real = strtod(number->text, NULL);
}

/* {"blob":"<base64>"} and {"real":"Infinity"}. */
static int object_take(struct parsing *p, const struct json_value *object, struct value *value)
{
	struct json_value inner;

	if (json_find_member(object, "blob", 4, &inner) && inner.type == JSON_STRING) {
		size_t len;
		char *text = (char *)text_take(p, &inner, &len);
		if (!json_decode_blob(text, &len))
			return refuse(p, "a parameter's blob is no base64");
		*value = (struct value){.type = VALUE_BLOB, .data = text, .len = len};
		return 0;
	}
	if (json_find_member(object, "real", 4, &inner) &&
		(json_string_is(&inner, "Infinity", 8) || json_string_is(&inner, "-Infinity", 9))) {
		*value = (struct value){.type = VALUE_REAL,
			.real = json_string_is(&inner, "Infinity", 8) ? INFINITY : -INFINITY};
		return 0;
	}
	return refuse(p, "an object as a parameter is {\"blob\":\"<base64>\"} or "
			 "{\"real\":\"Infinity\"}");
}

static int param_take(struct parsing *p, const struct json_value *json, struct value *value)
{
	*value = (struct value){.type = VALUE_NULL};
	switch (json->type) {
	case JSON_NULL: return 0;
	case JSON_FALSE:
	case JSON_TRUE:
		value->type = VALUE_INTEGER;
		value->integer = json->type == JSON_TRUE;
		return 0;
	case JSON_NUMBER: number_take(json, value); return 0;
	case JSON_STRING:
		value->type = VALUE_TEXT;
		value->data = text_take(p, json, &value->len);
		return 0;
	case JSON_OBJECT: return object_take(p, json, value);
	case JSON_ARRAY: break;
	}
	return refuse(p, "a parameter cannot be an array");
}

static void skip_blanks(struct json_scan *scan)
{
	while (scan->at < scan->end && json_is_blank(*scan->at))
		scan->at++;
}

static int params_take(struct parsing *p, const struct json_value *array)
{
	struct json_scan scan = {.at = array->text + 1, .end = array->text + array->len};
	struct request *request = p->request;
	struct json_value element;
	size_t cap = 0;

	if (array->type != JSON_ARRAY)
		return refuse(p, "params is an array");
	for (skip_blanks(&scan); *scan.at != ']'; skip_blanks(&scan)) {
		if (*scan.at == ',') {
			scan.at++;
			skip_blanks(&scan);
		}
		/* The whole line was read before, so this cannot fail. */
		if (json_read_value(&scan, &element) != JSON_OK)
			return refuse(p, "params cannot be read");
		if (request->n_params == REQUEST_MAX_PARAMS)
			return refuse(p, "more than 1000 params");
		if (!mem_grow(&request->params, &cap, request->n_params + 1,
			    sizeof(*request->params)))
			return err_nomem(p->err);
		if (param_take(p, &element, &request->params[request->n_params]) != 0)
			return p->err->code;
		request->n_params++;
	}
	return 0;
}

static void subscribe_skip(struct request *request)
{
	static const char word[] = "subscribe";
	size_t skipped = strspn(request->sql, " \t\r\n");
	const char *sql = request->sql + skipped;

	if (strncasecmp(sql, word, sizeof(word) - 1) != 0 ||
		strchr(" \t\r\n", sql[sizeof(word) - 1]) == NULL)
		return;
	skipped += sizeof(word) - 1;
	request->kind = REQUEST_SUBSCRIBE;
	request->sql += skipped;
	request->sql_len -= skipped;
	request->sql_skipped = skipped;
}

/* What is looked at again with each snapshot must not change anything. */
static bool is_select(const struct request *request)
{
	struct tokens tokens = {request->sql, request->sql + request->sql_len};
	struct token first = tokens_next(&tokens);

	return token_is_word(&first, "select") || token_is_word(&first, "with") ||
	       token_is_word(&first, "values");
}

static int statement_take(struct parsing *p)
{
	struct request *request = p->request;
	struct json_value value;

	if (!member(p, "sql", &value) || value.type != JSON_STRING)
		return refuse(p, "a request is {\"id\":1,\"sql\":\"...\",\"params\":[...]} or "
				 "{\"cancel\":1}");
	request->sql = text_take(p, &value, &request->sql_len);
	if (memchr(request->sql, '\0', request->sql_len) != NULL)
		return refuse(p, "a NUL byte in a statement");
	subscribe_skip(request);
	if (request->kind == REQUEST_SUBSCRIBE && !is_select(request))
		return refuse(p, "a subscription is SUBSCRIBE SELECT ...");
	if (sql_text_has_rest(request->sql, request->sql_len))
		return refuse(p, "one statement a request");
	if (member(p, "params", &value))
		return params_take(p, &value);
	return 0;
}

static int request_fill(struct parsing *p, const char *line, size_t len)
{
	struct json_scan scan = {.at = line, .end = line + len};
	struct json_value value;

	enum json_status status = json_read_value(&scan, &p->object);
	if (status == JSON_OK)
		skip_blanks(&scan);
	if (status != JSON_OK || scan.at != scan.end || p->object.type != JSON_OBJECT)
		return err_set(p->err, ERR_PROTOCOL, "the request is not valid JSON (byte %td)",
			scan.at - line);
	if (member(p, "cancel", &value)) {
		p->request->kind = REQUEST_CANCEL;
		return id_take(p, &value);
	}
	if (!member(p, "id", &value))
		return refuse(p, "a request needs an id");
	if (id_take(p, &value) != 0)
		return p->err->code;
	return statement_take(p);
}

struct request *request_parse(const char *line, size_t len)
{
	struct err err = ERR_INIT;
	struct request *request = calloc(1, sizeof(*request));
	struct parsing parsing = {.request = request, .err = &err};

	if (request == NULL)
		return NULL;
	strcpy(request->id, "null");
	/* Each string loses its quotes, which leaves room for its NUL. */
	request->texts = malloc(len + 1);
	if (request->texts == NULL) {
		free(request);
		return NULL;
	}
	parsing.room = request->texts;
	if (request_fill(&parsing, line, len) != 0) {
		request->kind = REQUEST_BROKEN;
		request->sentence = mem_copy_text(err.text, strlen(err.text));
	}
	request->size = sizeof(*request) + len + request->n_params * sizeof(*request->params);
	return request;
}
