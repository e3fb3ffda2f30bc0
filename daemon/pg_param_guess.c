/* What a statement's text tells of its parameters. */
#include "daemon/pg_param.h"

#include "daemon/pg_token.h"

#include <stdlib.h>

/* Columns whose type everybody knows, for parameters that are compared with them. */
static enum pg_oid oid_of_name(const struct pg_token *token)
{
	static const struct {
		const char *name;
		enum pg_oid oid;
	} names[] = {{"count", PG_INT8}, {"window_start", PG_TIMESTAMP},
		{"window_end", PG_TIMESTAMP}, {"time", PG_TIMESTAMP}, {"line", PG_INT8},
		{"offset", PG_INT8}, {"limit", PG_INT8}, {"batch_id", PG_INT8}, {"size", PG_INT8},
		{"events", PG_INT8}, {"rejects", PG_INT8}, {"timestamp", PG_TIMESTAMP},
		{"mtime", PG_TIMESTAMP}, {"files", PG_INT8}, {"bytes", PG_INT8},
		{"started_at", PG_TIMESTAMP}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (pg_token_is(token, names[i].name))
			return names[i].oid;
	return PG_UNSPECIFIED;
}

static enum pg_oid oid_of_cast(const struct pg_token *token)
{
	static const struct {
		const char *name;
		enum pg_oid oid;
	} names[] = {{"int", PG_INT4}, {"int4", PG_INT4}, {"integer", PG_INT4}, {"int8", PG_INT8},
		{"bigint", PG_INT8}, {"int2", PG_INT2}, {"smallint", PG_INT2}, {"text", PG_TEXT},
		{"varchar", PG_VARCHAR}, {"float8", PG_FLOAT8}, {"double", PG_FLOAT8},
		{"float4", PG_FLOAT4}, {"real", PG_FLOAT4}, {"numeric", PG_NUMERIC},
		{"oid", PG_OID}, {"bool", PG_BOOL}, {"boolean", PG_BOOL}, {"bytea", PG_BYTEA},
		{"timestamp", PG_TIMESTAMP}, {"timestamptz", PG_TIMESTAMPTZ}, {"date", PG_DATE}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (pg_token_is(token, names[i].name))
			return names[i].oid;
	return PG_UNSPECIFIED;
}

/* The array of what is told of one element; a list of texts where nothing is. */
static enum pg_oid array_of(enum pg_oid element)
{
	switch (element) {
	case PG_BOOL: return PG_BOOL_ARRAY;
	case PG_INT2: return PG_INT2_ARRAY;
	case PG_INT4: return PG_INT4_ARRAY;
	case PG_INT8: return PG_INT8_ARRAY;
	case PG_OID: return PG_OID_ARRAY;
	case PG_FLOAT4: return PG_FLOAT4_ARRAY;
	case PG_FLOAT8: return PG_FLOAT8_ARRAY;
	case PG_TIMESTAMP: return PG_TIMESTAMP_ARRAY;
	case PG_TIMESTAMPTZ: return PG_TIMESTAMPTZ_ARRAY;
	default: return PG_TEXT_ARRAY;
	}
}

/* What the tokens in front of the next one say. */
struct context {
	enum pg_oid before; /* of the column or word; PG_UNSPECIFIED: none is near */
	bool is_any;        /* ANY ( or ALL ( of that column */
	size_t param;       /* the parameter right in front, 1-based; 0: none */
	bool is_cast;       /* `::` behind it */
};

static void look(struct context *context, const struct pg_token *token)
{
	context->is_cast = pg_token_is(token, "::");
	if (pg_token_is(token, "any") || pg_token_is(token, "all") || pg_token_is(token, "some"))
		context->is_any = true;
	else if (token->kind == PG_TOKEN_NAME && !pg_token_is(token, "between") &&
		 !pg_token_is(token, "and"))
		context->before = oid_of_name(token);
	else if (token->kind == PG_TOKEN_STRING || token->kind == PG_TOKEN_NUMBER ||
		 (pg_token_is(token, "(") && !context->is_any) || pg_token_is(token, ")"))
		context->before = PG_UNSPECIFIED;
	if (pg_token_is(token, ")") ||
		(token->kind == PG_TOKEN_NAME && context->before == PG_UNSPECIFIED &&
			!pg_token_is(token, "any") && !pg_token_is(token, "all") &&
			!pg_token_is(token, "some")))
		context->is_any = false;
}

void pg_param_guess(const char *text, size_t len, enum pg_oid *types, size_t n)
{
	struct context context = {0};

	for (size_t at = 0; at < len && n > 0;) {
		struct pg_token token = pg_token_next(text + at, len - at);
		struct pg_token following;
		size_t param = 0;

		at += token.len;
		following = pg_token_next(text + at, len - at);
		if (token.kind == PG_TOKEN_SPACE)
			continue;
		if (context.is_cast && context.param > 0 &&
			types[context.param - 1] == PG_UNSPECIFIED)
			types[context.param - 1] = pg_token_is(&following, "[")
							   ? array_of(oid_of_cast(&token))
							   : oid_of_cast(&token);
		if (token.kind == PG_TOKEN_PARAMETER) {
			param = strtoul(token.text + 1, NULL, 10);
			if (param > n)
				param = 0;
			if (param > 0 && types[param - 1] == PG_UNSPECIFIED &&
				!pg_token_is(&following, "::"))
				types[param - 1] =
					context.is_any ? array_of(context.before) : context.before;
		} else if (pg_token_is(&token, "::")) {
			param = context.param;
		}
		context.param = param;
		look(&context, &token);
	}
	for (size_t i = 0; i < n; i++)
		if (types[i] == PG_UNSPECIFIED)
			types[i] = PG_TEXT;
}
