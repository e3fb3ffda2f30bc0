/*
 * The careful match: literals compared, values read by the strict reader. It
 * is the way of every record that a kernel does not take, so it is plain
 * rather than fast; what it accepts follows from the reader's own rules.
 */
#include "stream/scan_shape.h"

#include <string.h>

#include "base/json.h"
#include "base/timestamp.h"
#include "stream/event_time.h"

static bool take_time(
	const struct shape *shape, const struct json_value *value, struct match *match)
{
	char detail[REJECT_DETAIL_MAX_BYTES];

	match->time = value->text;
	match->time_len = (uint32_t)value->len;
	if (value->type == JSON_STRING) {
		match->time++;
		match->time_len -= 2;
		return !value->has_escapes &&
		       timestamp_parse(match->time, match->time_len, &match->time_us);
	}
	return value->type == JSON_NUMBER &&
	       event_time_from_number(
		       value->text, value->len, shape->event->time_unit, &match->time_us, detail);
}

static bool take_group(const struct json_value *value, uint32_t field, struct match *match)
{
	const char *text = value->text;
	size_t len = value->len;

	if (value->has_escapes)
		return false;
	if (value->type == JSON_STRING) {
		text++;
		len -= 2;
	}
	if (len > EVENT_GROUP_MAX_BYTES)
		return false;
	match->sources[field] = text;
	match->source_lens[field] = (uint32_t)len;
	match->types[field] = value->type;
	if (value->type != JSON_NULL)
		match->values[field] = (struct event_value){text, (uint32_t)len, EVENT_VALUE_TEXT};
	return true;
}

static bool take_value(const struct shape *shape, const struct member *member,
	const struct json_value *value, struct match *match)
{
	switch (member->role) {
	case ROLE_TIME: return take_time(shape, value, match);
	case ROLE_GROUP: return take_group(value, member->field, match);
	case ROLE_NOT_OBJECT: return value->type != JSON_OBJECT;
	default: return true;
	}
}

/* Compares a literal, which is short: a call of memcmp would cost more than it. */
static bool is_literal(const char *at, const char *literal, size_t len)
{
	while (len >= 8) {
		uint64_t a, b;

		memcpy(&a, at, 8);
		memcpy(&b, literal, 8);
		if (a != b)
			return false;
		at += 8;
		literal += 8;
		len -= 8;
	}
	while (len > 0 && *at == *literal) {
		at++;
		literal++;
		len--;
	}
	return len == 0;
}

bool shape_match(const struct shape *shape, const char *at, const char *end, struct match *match)
{
	struct json_scan scan = {.at = at, .end = end};
	struct json_value value;

	for (size_t i = 0; i < shape->event->n_fields; i++) {
		match->values[i] = (struct event_value){.kind = EVENT_VALUE_NULL};
		match->sources[i] = NULL;
	}
	for (size_t i = 0; i < shape->n_members; i++) {
		const struct member *member = &shape->members[i];

		/* One byte of a value must stand behind the literal. */
		if ((size_t)(end - scan.at) <= member->len ||
			!is_literal(scan.at, shape->line + member->text, member->len))
			return false;
		scan.at += member->len;
		scan.depth = member->depth;
		if (json_read_value(&scan, &value) != JSON_OK ||
			!take_value(shape, member, &value, match))
			return false;
	}
	if ((size_t)(end - scan.at) < shape->tail_len ||
		!is_literal(scan.at, shape->line + shape->tail, shape->tail_len))
		return false;
	match->next = scan.at + shape->tail_len;
	return true;
}
