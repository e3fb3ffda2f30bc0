/*
 * Values, objects and their members. Containers are walked with one bit a
 * level instead of the C stack; scalars are base/json_scalar.h's, whose way of
 * handing on the cursor holds here too.
 */
#include "base/json.h"

#include "base/json_scalar.h"

#include <assert.h>
#include <string.h>

static NOINLINE const char *skip_blanks(struct json_scan *scan, const char *at)
{
	while (at < scan->end && json_is_blank(*at))
		at++;
	return at < scan->end ? at : incomplete(scan);
}

/* Blanks, of which there are usually none or one, behind which a byte must stand. */
static INLINE const char *next_byte(struct json_scan *scan, const char *at)
{
	if (at != scan->end && *at > ' ')
		return at;
	if (scan->end - at > 1 && *at == ' ' && at[1] > ' ')
		return at + 1;
	return skip_blanks(scan, at);
}

/* The name of a member, its colon and the blanks around it, up to the value's first byte. */
static INLINE const char *read_name(struct json_scan *scan, const char *at, struct json_value *name)
{
	if (*at != '"')
		return malformed(scan, at, "a name in double quotes is expected");
	at = read_string(scan, at, name);
	if (at == NULL)
		return NULL;
	at = next_byte(scan, at);
	if (at == NULL)
		return NULL;
	if (*at != ':')
		return malformed(scan, at, "a colon is expected");
	return next_byte(scan, at + 1);
}

/*
 * Behind an item of a container: its closing bracket, or, behind a comma, the
 * next item's first byte.
 */
static INLINE const char *next_item(
	struct json_scan *scan, const char *at, char closer, bool *is_closed)
{
	at = next_byte(scan, at);
	if (at == NULL)
		return NULL;
	*is_closed = *at == closer;
	if (*is_closed)
		return at;
	if (*at != ',')
		return malformed(scan, at, "a comma or the closing bracket is expected");
	return next_byte(scan, at + 1);
}

/* The open containers, one bit each: 1 for an object. */
struct nest {
	uint64_t is_object[(JSON_MAX_DEPTH + 63) / 64];
	unsigned depth;
};

static bool nest_is_object(const struct nest *nest)
{
	unsigned level = nest->depth - 1;

	return (nest->is_object[level / 64] >> level % 64 & 1) != 0;
}

static const char *fail_if_too_deep(struct json_scan *scan, const char *at, unsigned depth)
{
	if (depth < JSON_MAX_DEPTH)
		return at;
	return malformed(scan, at, "nested deeper than 1,000 levels");
}

static void nest_open(struct nest *nest, bool is_object)
{
	uint64_t bit = UINT64_C(1) << nest->depth % 64;
	uint64_t *word = &nest->is_object[nest->depth / 64];

	if (nest->depth % 64 == 0)
		*word = 0;
	*word = is_object ? *word | bit : *word & ~bit;
	nest->depth++;
}

/*
 * At an opening bracket: opens it and all that stand at its first items.
 * Returns the first byte of a scalar, or of an empty container's closing
 * bracket (*is_closed).
 */
static const char *descend(
	struct json_scan *scan, const char *at, struct nest *nest, bool *is_closed)
{
	struct json_value name;
	bool is_object;

	*is_closed = false;
	while (*at == '{' || *at == '[') {
		is_object = *at == '{';
		at = fail_if_too_deep(scan, at, nest->depth);
		if (at == NULL)
			return NULL;
		nest_open(nest, is_object);
		at = next_byte(scan, at + 1);
		if (at == NULL)
			return NULL;
		*is_closed = *at == (is_object ? '}' : ']');
		if (*is_closed)
			return at;
		if (is_object)
			at = read_name(scan, at, &name);
		if (at == NULL)
			return NULL;
	}
	return at;
}

/* At an opening bracket inside `depth` others; returns behind the closing one. */
static NOINLINE const char *skip_container(struct json_scan *scan, const char *at, unsigned depth)
{
	struct nest nest;
	struct json_value ignored;
	bool is_closed, is_object;

	nest.depth = depth;
	for (;;) {
		at = descend(scan, at, &nest, &is_closed);
		if (at != NULL && !is_closed)
			at = read_scalar(scan, at, &ignored);
		/* Behind an item, or at a closing bracket: up, until a next item stands there. */
		while (at != NULL) {
			if (is_closed) {
				at++;
				nest.depth--;
				if (nest.depth == depth)
					return at;
			}
			is_object = nest_is_object(&nest);
			at = next_item(scan, at, is_object ? '}' : ']', &is_closed);
			if (at != NULL && !is_closed) {
				if (is_object)
					at = read_name(scan, at, &ignored);
				break;
			}
		}
		if (at == NULL)
			return NULL;
	}
}

static INLINE const char *read_value(
	struct json_scan *scan, const char *start, unsigned depth, struct json_value *value)
{
	const char *at;

	if (*start != '{' && *start != '[')
		return read_scalar(scan, start, value);
	at = skip_container(scan, start, depth);
	if (at == NULL)
		return NULL;
	value->text = start;
	value->len = (size_t)(at - start);
	value->type = *start == '{' ? JSON_OBJECT : JSON_ARRAY;
	value->has_escapes = false;
	return at;
}

/* What a public reader returns: `at` is where its thing ends, or NULL. */
static enum json_status finish(struct json_scan *scan, const char *at)
{
	if (at == NULL)
		return scan->status;
	scan->at = at;
	return JSON_OK;
}

enum json_status json_read_value(struct json_scan *scan, struct json_value *value)
{
	return finish(scan, read_value(scan, scan->at, scan->depth, value));
}

/* Names are short: two overlapping loads compare most of them without a call. */
static INLINE bool same_bytes(const char *a, const char *b, size_t len)
{
	uint32_t a_first, a_last, b_first, b_last;

	if (len < sizeof(a_first) || len > 2 * sizeof(a_first))
		return memcmp(a, b, len) == 0;
	memcpy(&a_first, a, sizeof(a_first));
	memcpy(&b_first, b, sizeof(b_first));
	memcpy(&a_last, a + len - sizeof(a_last), sizeof(a_last));
	memcpy(&b_last, b + len - sizeof(b_last), sizeof(b_last));
	return ((a_first ^ b_first) | (a_last ^ b_last)) == 0;
}

static INLINE bool is_name(const struct json_value *name, const struct json_member *member)
{
	if (name->has_escapes)
		return json_string_is(name, member->name, member->name_len);
	return name->len == member->name_len + 2 &&
	       same_bytes(name->text + 1, member->name, member->name_len);
}

/*
 * Values are read straight to where they are kept: copying one that was just
 * written piece by piece stalls on some processors for as long as reading it.
 */
static INLINE const char *read_members(
	struct json_scan *scan, const char *at, struct json_member *members, size_t n)
{
	struct json_value name, ignored;
	struct json_value *value;
	bool is_closed;
	size_t i;

	for (;;) {
		at = read_name(scan, at, &name);
		if (at == NULL)
			return NULL;
		value = &ignored;
		for (i = 0; i < n; i++) {
			if (is_name(&name, &members[i]))
				value = &members[i].value;
		}
		at = read_value(scan, at, scan->depth + 1, value);
		if (at == NULL)
			return NULL;
		at = next_item(scan, at, '}', &is_closed);
		if (at == NULL || is_closed)
			return at;
	}
}

enum json_status json_read_object(struct json_scan *scan, struct json_member *members, size_t n)
{
	const char *at = fail_if_too_deep(scan, scan->at, scan->depth);
	size_t i;

	for (i = 0; i < n; i++)
		members[i].value.text = NULL;
	if (at != NULL)
		at = next_byte(scan, at + 1);
	if (at != NULL && *at != '}')
		at = read_members(scan, at, members, n);
	return finish(scan, at != NULL ? at + 1 : NULL);
}

bool json_find_member(
	const struct json_value *object, const char *name, size_t len, struct json_value *value)
{
	struct json_member member = {.name = name, .name_len = len};
	struct json_scan scan = {.at = object->text, .end = object->text + object->len};
	enum json_status status = json_read_object(&scan, &member, 1);

	assert(object->type == JSON_OBJECT && status == JSON_OK);
	if (member.value.text == NULL)
		return false;
	*value = member.value;
	return true;
}
