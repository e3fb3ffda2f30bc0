/* Members by name and path; strings unescaped into one buffer an object. */
#include "stream/event_fields.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static size_t first_part(const char *path)
{
	const char *dot = strchr(path, '.');

	return dot != NULL ? (size_t)(dot - path) : strlen(path);
}

/* Room for all heads is there. */
static struct field_path split_path(struct event_fields *fields, const char *path)
{
	size_t len = first_part(path);
	struct field_path split = {.rest = path[len] == '.' ? path + len + 1 : NULL};
	struct field_head *head;

	for (split.head = 0; split.head < fields->n_heads; split.head++) {
		head = &fields->heads[split.head];
		if (head->len == len && memcmp(head->name, path, len) == 0)
			return split;
	}
	head = &fields->heads[fields->n_heads++];
	head->name = path;
	head->len = len;
	return split;
}

bool event_fields_init(struct event_fields *fields, const struct event_shape *shape)
{
	size_t i;

	*fields = (struct event_fields){.n_paths = shape->n_fields};
	fields->heads = mem_new_array(shape->n_fields + 1, sizeof(*fields->heads));
	fields->paths = mem_new_array(shape->n_fields, sizeof(*fields->paths));
	fields->values = mem_new_array(shape->n_fields, sizeof(*fields->values));
	if (fields->heads == NULL || fields->paths == NULL || fields->values == NULL) {
		event_fields_fini(fields);
		return false;
	}
	fields->time = split_path(fields, shape->time_field);
	for (i = 0; i < shape->n_fields; i++)
		fields->paths[i] = split_path(fields, shape->fields[i]);
	return true;
}

void event_fields_fini(struct event_fields *fields)
{
	free(fields->heads);
	free(fields->paths);
	free(fields->values);
	buf_fini(&fields->unescaped);
	*fields = (struct event_fields){0};
}

static void remember(
	struct event_fields *fields, const struct json_value *name, const struct json_value *value)
{
	struct field_head *head = fields->heads;
	struct field_head *end = head + fields->n_heads;

	for (; head < end; head++) {
		if (json_string_is(name, head->name, head->len)) {
			head->value = *value;
			return;
		}
	}
}

enum json_status event_fields_read(struct event_fields *fields, struct json_scan *scan)
{
	struct json_value name, value;
	enum json_status status;
	bool is_first = true;
	size_t i;

	if (scan->depth == JSON_MAX_DEPTH)
		return json_read_value(scan, &value);
	for (i = 0; i < fields->n_heads; i++)
		fields->heads[i].value.text = NULL;
	scan->at++;
	scan->depth++;
	while ((status = json_next_member(scan, is_first, &name, &value)) == JSON_OK) {
		is_first = false;
		remember(fields, &name, &value);
	}
	scan->depth--;
	return status == JSON_END ? JSON_OK : status;
}

/* False: missing, or null. */
static bool follow(
	const struct event_fields *fields, const struct field_path *path, struct json_value *value)
{
	const char *rest = path->rest;
	struct json_value object;
	size_t len;

	*value = fields->heads[path->head].value;
	if (value->text == NULL)
		return false;
	while (rest != NULL) {
		len = first_part(rest);
		object = *value;
		if (object.type != JSON_OBJECT || !json_find_member(&object, rest, len, value))
			return false;
		rest = rest[len] == '.' ? rest + len + 1 : NULL;
	}
	return value->type != JSON_NULL;
}

/*
 * What a string stands for, in *text and *len. The buffer's room must have
 * been made: earlier texts point into it.
 */
static void string_text(
	struct buf *unescaped, const struct json_value *value, const char **text, size_t *len)
{
	char *room;

	if (!value->has_escapes) {
		*text = value->text + 1;
		*len = value->len - 2;
		return;
	}
	room = unescaped->data + unescaped->len;
	*text = room;
	*len = json_unescape(value, room);
	unescaped->len += *len;
}

int event_fields_time(struct event_fields *fields, struct json_value *value, bool *is_there,
	const char **text, size_t *len, struct err *err)
{
	*is_there = follow(fields, &fields->time, value);
	*text = NULL;
	*len = 0;
	if (!*is_there || value->type != JSON_STRING)
		return 0;
	buf_clear(&fields->unescaped);
	if (value->has_escapes && buf_reserve(&fields->unescaped, value->len) == NULL)
		return err_nomem(err);
	string_text(&fields->unescaped, value, text, len);
	return 0;
}

static void take_value(struct event_value *out, const char *text, size_t len)
{
	if (len > EVENT_GROUP_MAX_BYTES) {
		*out = (struct event_value){.kind = EVENT_VALUE_TOO_LONG};
		return;
	}
	*out = (struct event_value){text, (uint32_t)len, EVENT_VALUE_TEXT};
}

/*
 * The bytes that the strings with escapes among the fields may need. A dotted
 * path may end at one inside an object; without either there is none.
 */
static size_t escaped_bytes(const struct event_fields *fields)
{
	const struct json_value *head;
	struct json_value value;
	bool is_possible = false;
	size_t total = 0;
	size_t i;

	for (i = 0; i < fields->n_heads; i++) {
		head = &fields->heads[i].value;
		if (head->text != NULL && (head->has_escapes || head->type == JSON_OBJECT))
			is_possible = true;
	}
	for (i = 0; is_possible && i < fields->n_paths; i++) {
		if (follow(fields, &fields->paths[i], &value) && value.has_escapes)
			total += value.len;
	}
	return total;
}

int event_fields_values(struct event_fields *fields, struct err *err)
{
	struct json_value value;
	const char *text;
	size_t need = escaped_bytes(fields);
	size_t i, len;

	buf_clear(&fields->unescaped);
	if (need > 0 && buf_reserve(&fields->unescaped, need) == NULL)
		return err_nomem(err);
	for (i = 0; i < fields->n_paths; i++) {
		if (!follow(fields, &fields->paths[i], &value)) {
			fields->values[i] = (struct event_value){.kind = EVENT_VALUE_NULL};
			continue;
		}
		text = value.text;
		len = value.len;
		if (value.type == JSON_STRING)
			string_text(&fields->unescaped, &value, &text, &len);
		take_value(&fields->values[i], text, len);
	}
	return 0;
}
