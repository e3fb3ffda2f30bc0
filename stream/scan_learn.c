/*
 * Learning walks the text of an accepted record once. Every byte of it becomes
 * part of a literal or of a value; where a value stands on the way to the time
 * or to a group, the walk knows how far along the dotted path it is.
 */
#include "stream/scan_shape.h"

#include <string.h>

#include "base/json.h"

#define MAX_LEARNT_DEPTH 16

/* The rest of a path at the value that it names. Compared by address: a path may end in a dot. */
static const char itself[] = "";

/* How far a dotted path has been followed at a place: the rest of it, `itself`, or NULL: not at
 * all. */
struct paths {
	const char *time;
	const char *fields[SHAPE_MAX_FIELDS];
};

struct learner {
	struct shape *shape;
	const char *at;
	uint32_t
		token_from; /* where the literal that is being collected begins, for the tokens … */
	uint32_t member_from; /* … and for the members */
	/* A name on a path may stand once; bit by part of the path. */
	uint32_t seen_time;
	uint32_t seen_fields[SHAPE_MAX_FIELDS];
};

static uint32_t here(const struct learner *learner)
{
	return (uint32_t)(learner->at - learner->shape->line);
}

static bool add_token(struct learner *learner, struct token token)
{
	struct shape *shape = learner->shape;
	struct token literal = {.kind = TOKEN_LITERAL, .text = learner->token_from};

	if (shape->n_tokens + 2 > SHAPE_MAX_TOKENS)
		return false;
	literal.len = token.text - literal.text;
	if (literal.len > 0)
		shape->tokens[shape->n_tokens++] = literal;
	if (token.kind != TOKEN_LITERAL)
		shape->tokens[shape->n_tokens++] = token;
	learner->token_from = token.text + token.len;
	return true;
}

/* The value that begins here and is `len` long is one of the members. */
static bool add_member(
	struct learner *learner, enum role role, uint32_t field, unsigned depth, size_t len)
{
	struct shape *shape = learner->shape;

	if (shape->n_members == SHAPE_MAX_TOKENS)
		return false;
	shape->members[shape->n_members++] = (struct member){
		.role = role,
		.field = field,
		.depth = depth,
		.text = learner->member_from,
		.len = here(learner) - learner->member_from,
	};
	learner->member_from = here(learner) + (uint32_t)len;
	return true;
}

/* What the value at these paths is for; false where it is for two things. */
static bool role_of(
	const struct learner *learner, const struct paths *paths, enum role *role, uint32_t *field)
{
	size_t n = learner->shape->event->n_fields;
	size_t n_roles = 0, n_passed = 0;

	*role = ROLE_NONE;
	*field = 0;
	if (paths->time == itself) {
		*role = ROLE_TIME;
		n_roles++;
	} else if (paths->time != NULL) {
		n_passed++;
	}
	for (uint32_t i = 0; i < n; i++) {
		if (paths->fields[i] == NULL)
			continue;
		if (paths->fields[i] != itself) {
			n_passed++;
			continue;
		}
		*role = ROLE_GROUP;
		*field = i;
		n_roles++;
	}
	if (n_roles == 0 && n_passed > 0)
		*role = ROLE_NOT_OBJECT;
	return n_roles + (n_passed > 0) < 2;
}

/* The path behind the name, or NULL where the name is not the path's next part. */
static const char *follow(const char *path, const char *name, size_t len)
{
	if (path == NULL || path == itself || strcspn(path, ".") != len ||
		memcmp(path, name, len) != 0)
		return NULL;
	return path[len] == '.' ? path + len + 1 : itself;
}

/* A name of the path at this depth is met: true if for the first time. */
static bool see(uint32_t *seen, const char *rest, unsigned depth)
{
	uint32_t bit = UINT32_C(1) << depth;

	if (rest == NULL)
		return true;
	if ((*seen & bit) != 0)
		return false;
	*seen |= bit;
	return true;
}

static bool descend(struct learner *learner, const struct paths *paths, const char *name,
	size_t len, unsigned depth, struct paths *inner)
{
	*inner = (struct paths){.time = follow(paths->time, name, len)};
	if (!see(&learner->seen_time, inner->time, depth))
		return false;
	for (size_t i = 0; i < learner->shape->event->n_fields; i++) {
		inner->fields[i] = follow(paths->fields[i], name, len);
		if (!see(&learner->seen_fields[i], inner->fields[i], depth))
			return false;
	}
	return true;
}

static void skip_blanks(struct learner *learner)
{
	while (json_is_blank(*learner->at))
		learner->at++;
}

static bool learn_value(
	struct learner *learner, const struct paths *paths, bool is_inner, unsigned depth);

/* At the name of a member; leaves `at` behind its value. */
static bool learn_named(
	struct learner *learner, const struct paths *paths, bool is_inner, unsigned depth)
{
	struct shape *shape = learner->shape;
	struct json_scan scan = {.at = learner->at, .end = shape->line + shape->len};
	struct json_value name;
	struct paths inner;

	if (json_read_value(&scan, &name) != JSON_OK || name.has_escapes)
		return false;
	learner->at = scan.at;
	skip_blanks(learner);
	learner->at++; /* the colon */
	skip_blanks(learner);
	if (!descend(learner, paths, name.text + 1, name.len - 2, depth, &inner))
		return false;
	return learn_value(learner, &inner, is_inner, depth);
}

/* At an opening bracket. `is_inner`: the members hold this container as one value. */
static bool learn_container(
	struct learner *learner, const struct paths *paths, bool is_inner, unsigned depth)
{
	static const struct paths nowhere;
	bool is_object = *learner->at == '{';
	char closer = is_object ? '}' : ']';

	if (depth == MAX_LEARNT_DEPTH)
		return false;
	for (learner->at++;; learner->at++) {
		bool is_learnt;

		skip_blanks(learner);
		if (*learner->at == closer)
			break;
		if (is_object)
			is_learnt = learn_named(learner, paths, is_inner, depth + 1);
		else
			is_learnt = learn_value(learner, &nowhere, is_inner, depth + 1);
		if (!is_learnt)
			return false;
		skip_blanks(learner);
		if (*learner->at == closer)
			break;
	}
	learner->at++;
	return true;
}

static bool learn_scalar(
	struct learner *learner, const struct json_value *value, enum role role, uint32_t field)
{
	struct token token = {.role = role, .field = field, .text = here(learner)};

	token.len = (uint32_t)value->len;
	switch (value->type) {
	case JSON_STRING:
		token.kind = TOKEN_STRING;
		token.text++;
		token.len -= 2;
		break;
	case JSON_NUMBER: token.kind = TOKEN_NUMBER; break;
	default: token.kind = TOKEN_WORD; break;
	}
	learner->at += value->len;
	return add_token(learner, token);
}

static bool learn_value(
	struct learner *learner, const struct paths *paths, bool is_inner, unsigned depth)
{
	struct shape *shape = learner->shape;
	struct json_scan scan = {.at = learner->at, .end = shape->line + shape->len};
	struct json_value value;
	enum role role;
	uint32_t field;
	bool is_way;

	if (json_read_value(&scan, &value) != JSON_OK || !role_of(learner, paths, &role, &field))
		return false;
	/* An object on the way to a role is walked by the members too; all others are one value. */
	is_way = role == ROLE_NOT_OBJECT && value.type == JSON_OBJECT;
	if (!is_inner && !is_way && !add_member(learner, role, field, depth, value.len))
		return false;
	if (value.type < JSON_ARRAY)
		return learn_scalar(learner, &value, role, field);
	if (role == ROLE_TIME || role == ROLE_GROUP)
		return false;
	return learn_container(learner, paths, is_inner || !is_way, depth);
}

bool shape_learn(struct shape *shape, const struct event_shape *event, const char *line, size_t len)
{
	struct learner learner = {.shape = shape};
	struct paths paths = {.time = event->time_field};

	if (len > SHAPE_MAX_LINE_BYTES || event->n_fields > SHAPE_MAX_FIELDS)
		return false;
	shape->event = event;
	shape->len = len;
	memcpy(shape->line, line, len);
	shape->n_members = 0;
	shape->n_tokens = 0;
	learner.at = shape->line;
	for (size_t i = 0; i < event->n_fields; i++)
		paths.fields[i] = event->fields[i];
	skip_blanks(&learner);
	if (*learner.at != '{' || !learn_container(&learner, &paths, false, 0))
		return false;
	skip_blanks(&learner);
	if (*learner.at != '\n' || here(&learner) + 1 != len || learner.seen_time == 0)
		return false;
	shape->tail = learner.member_from;
	shape->tail_len = (uint32_t)len - learner.member_from;
	return add_token(&learner, (struct token){.kind = TOKEN_LITERAL, .text = (uint32_t)len});
}
