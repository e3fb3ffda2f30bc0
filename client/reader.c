/*
 * A decoded string is never longer than its source, so it takes the source's
 * place: the closing quote becomes the zero behind it.
 */
#include "client/reader.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct reader *reader)
{
	reader->failed = true;
	return false;
}

/* The line is ours to write into; the scan only knows it as text. */
static char *writable(const char *text)
{
	return (char *)(uintptr_t)text;
}

void reader_init(struct reader *reader, char *line, size_t len)
{
	*reader = (struct reader){.scan = {.at = line, .end = line + len, .depth = 3}};
}

bool reader_take(struct reader *reader, char c)
{
	struct json_scan *scan = &reader->scan;

	while (scan->at < scan->end && json_is_blank(*scan->at))
		scan->at++;
	if (reader->failed || scan->at >= scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

bool reader_next(struct reader *reader, bool *first, char close)
{
	if (reader->failed || reader_take(reader, close))
		return false;
	if (!*first && !reader_take(reader, ','))
		return fail(reader);
	*first = false;
	return true;
}

static bool take_json(struct reader *reader, struct json_value *json)
{
	struct json_scan *scan = &reader->scan;

	while (scan->at < scan->end && json_is_blank(*scan->at))
		scan->at++;
	if (reader->failed || scan->at >= scan->end || json_read_value(scan, json) != JSON_OK)
		return fail(reader);
	return true;
}

static void decode_string(const struct json_value *json, const char **text, size_t *len)
{
	*text = json->text + 1;
	*len = json->len - 2;
	if (json->has_escapes)
		*len = json_unescape(json, writable(*text));
	writable(*text)[*len] = '\0';
}

bool reader_take_string(struct reader *reader, const char **text, size_t *len)
{
	struct json_value json;

	if (!take_json(reader, &json) || json.type != JSON_STRING)
		return fail(reader);
	decode_string(&json, text, len);
	return true;
}

/* The byte behind the number is set aside, so that it needs no zero of its own. */
static void decode_number(const struct json_value *json, struct value *value)
{
	char *behind = writable(json->text + json->len);
	char saved = *behind;
	bool is_real = false;

	*behind = '\0';
	for (size_t i = 0; i < json->len && !is_real; i++)
		is_real = json->text[i] == '.' || (json->text[i] | 0x20) == 'e';
	errno = 0;
	value->type = VALUE_INTEGER;
	value->integer = is_real ? 0 : strtoll(json->text, NULL, 10);
	if (is_real || errno == ERANGE) {
		value->type = VALUE_REAL;
		value->real = strtod(json->text, NULL);
	}
	*behind = saved;
}

/* The two values that JSON has no notation for. */
static bool decode_object(const struct json_value *json, struct value *value)
{
	struct json_value member;
	const char *text;
	size_t len;

	if (json_find_member(json, "blob", 4, &member) && member.type == JSON_STRING) {
		decode_string(&member, &text, &len);
		*value = (struct value){.type = VALUE_BLOB, .data = text};
		if (!json_decode_blob(writable(text), &len))
			return false;
		value->len = len;
		return true;
	}
	if (json_find_member(json, "real", 4, &member) && member.type == JSON_STRING) {
		*value = (struct value){
			.type = VALUE_REAL, .real = member.text[1] == '-' ? -INFINITY : INFINITY};
		return true;
	}
	return false;
}

bool reader_take_value(struct reader *reader, struct value *value)
{
	struct json_value json;

	if (!take_json(reader, &json))
		return false;
	switch (json.type) {
	case JSON_NULL: value->type = VALUE_NULL; return true;
	case JSON_FALSE:
	case JSON_TRUE:
		value->type = VALUE_INTEGER;
		value->integer = json.type == JSON_TRUE;
		return true;
	case JSON_NUMBER: decode_number(&json, value); return true;
	case JSON_STRING:
		value->type = VALUE_TEXT;
		decode_string(&json, &value->data, &value->len);
		return true;
	case JSON_OBJECT: return decode_object(&json, value) ? true : fail(reader);
	case JSON_ARRAY: break;
	}
	return fail(reader);
}

bool reader_skip(struct reader *reader)
{
	struct json_value json;

	return take_json(reader, &json);
}

bool reader_is_done(struct reader *reader)
{
	struct json_scan *scan = &reader->scan;

	while (scan->at < scan->end && json_is_blank(*scan->at))
		scan->at++;
	return !reader->failed && scan->at == scan->end;
}
