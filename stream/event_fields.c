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
	struct json_member *head;

	for (split.head = 0; split.head < fields->n_heads; split.head++) {
		head = &fields->heads[split.head];
		if (head->name_len == len && memcmp(head->name, path, len) == 0)
			return split;
	}
	head = &fields->heads[fields->n_heads++];
	head->name = path;
	head->name_len = len;
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

enum json_status event_fields_read(struct event_fields *fields, struct json_scan *scan)
{
	return json_read_object(scan, fields->heads, fields->n_heads);
}

/* The rest of a dotted path, in an object; NULL: there is none. */
static __attribute__((noinline)) const struct json_value *follow_rest(
	struct event_fields *fields, const char *rest, const struct json_value *value)
{
	struct json_value object;
	size_t len;

	while (rest != NULL) {
		len = first_part(rest);
		object = *value;
		if (object.type != JSON_OBJECT ||
			!json_find_member(&object, rest, len, &fields->inner))
			return NULL;
		value = &fields->inner;
		rest = rest[len] == '.' ? rest + len + 1 : NULL;
	}
	return value;
}

/* NULL: missing, or null. What is found behind a dot stands in fields->inner until the next one. */
static inline const struct json_value *follow(
	struct event_fields *fields, const struct field_path *path)
{
	const struct json_value *value = &fields->heads[path->head].value;

	if (value->text == NULL)
		return NULL;
	if (path->rest != NULL)
		value = follow_rest(fields, path->rest, value);
	return value != NULL && value->type != JSON_NULL ? value : NULL;
}

static void set_value(struct event_value *out, const char *text, size_t len)
{
	if (len > EVENT_GROUP_MAX_BYTES) {
		*out = (struct event_value){.kind = EVENT_VALUE_TOO_LONG};
		return;
	}
	out->text = text;
	out->len = (uint32_t)len;
	out->kind = EVENT_VALUE_TEXT;
}

/*
 * No escape is longer than six bytes, so a longer source than this stands for
 * too long a text, and needs no memory to say so.
 */
#define ESCAPED_MAX_BYTES (6 * EVENT_GROUP_MAX_BYTES + 2)

static bool wants_unescaping(const struct json_value *value)
{
	return value != NULL && value->has_escapes && value->len <= ESCAPED_MAX_BYTES;
}

/* Room for what the fields' strings with escapes stand for, so that none of their texts moves. */
static int reserve_unescaped(struct event_fields *fields, struct err *err)
{
	const struct json_value *value;
	size_t total = 0;
	size_t i;

	for (i = 0; i < fields->n_paths; i++) {
		value = follow(fields, &fields->paths[i]);
		if (wants_unescaping(value))
			total += value->len;
	}
	buf_clear(&fields->unescaped);
	if (buf_reserve(&fields->unescaped, total) == NULL)
		return err_nomem(err);
	return 0;
}

/* The texts of the fields whose strings have escapes. */
static __attribute__((noinline)) int unescape_values(struct event_fields *fields, struct err *err)
{
	struct buf *unescaped = &fields->unescaped;
	const struct json_value *value;
	size_t i, len;
	int rc = reserve_unescaped(fields, err);

	for (i = 0; i < fields->n_paths && rc == 0; i++) {
		value = follow(fields, &fields->paths[i]);
		if (!wants_unescaping(value))
			continue;
		len = json_unescape(value, unescaped->data + unescaped->len);
		set_value(&fields->values[i], unescaped->data + unescaped->len, len);
		unescaped->len += len;
	}
	return rc;
}

int event_fields_values(struct event_fields *fields, struct err *err)
{
	const struct json_value *value;
	bool has_escapes = false;
	size_t i;

	for (i = 0; i < fields->n_paths; i++) {
		value = follow(fields, &fields->paths[i]);
		if (value == NULL) {
			fields->values[i] = (struct event_value){.kind = EVENT_VALUE_NULL};
		} else if (value->type == JSON_STRING) {
			has_escapes |= value->has_escapes;
			set_value(&fields->values[i], value->text + 1, value->len - 2);
		} else {
			set_value(&fields->values[i], value->text, value->len);
		}
	}
	return has_escapes ? unescape_values(fields, err) : 0;
}

int event_fields_time(struct event_fields *fields, struct event_time_source *time, struct err *err)
{
	const struct json_value *value = follow(fields, &fields->time);

	time->value = value;
	if (value == NULL || value->type != JSON_STRING)
		return 0;
	time->text = value->text + 1;
	time->len = value->len - 2;
	if (!value->has_escapes)
		return 0;
	buf_clear(&fields->unescaped);
	if (buf_reserve(&fields->unescaped, value->len) == NULL)
		return err_nomem(err);
	time->len = json_unescape(value, fields->unescaped.data);
	time->text = fields->unescaped.data;
	return 0;
}
