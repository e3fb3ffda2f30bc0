/*
 * What is written for a cast: functions of pg_functions.c that are as strict as
 * PostgreSQL is and whose type is announced, else SQLite's CAST.
 */
#include "daemon/pg_cast.h"

#include <stdint.h>

struct cast {
	const char *name, *opening, *closing;
};

static const struct cast casts[] = {
	{"bool", "pg_bool(", ")"},
	{"boolean", "pg_bool(", ")"},
	{"bytea", "pg_bytea(", ")"},
	{"date", "pg_date(", ")"},
	{"double", "pg_float(", ")"},
	{"float", "pg_float(", ")"},
	{"float4", "pg_float(", ")"},
	{"float8", "pg_float(", ")"},
	{"int", "pg_int(", ")"},
	{"int2", "pg_int(", ")"},
	{"int4", "pg_int(", ")"},
	{"int8", "pg_int(", ")"},
	{"integer", "pg_int(", ")"},
	{"bigint", "pg_int(", ")"},
	{"smallint", "pg_int(", ")"},
	{"numeric", "pg_float(", ")"},
	{"decimal", "pg_float(", ")"},
	{"oid", "pg_int(", ")"},
	{"real", "pg_float(", ")"},
	{"regclass", "pg_regclass(", ")"},
	{"regproc", "pg_regproc(", ")"},
	{"timestamp", "to_timestamp(", ")"},
	{"timestamptz", "to_timestamp(", ")"},
};

static const struct cast text_cast = {"text", "CAST(", " AS TEXT)"};

static const char only_added[] = "intervals are not supported but behind + or - of a timestamp, as "
				 "in now() - interval '1 hour'";

/* SQLite's own names for types, in CAST(x AS type), keep their meaning. */
static const struct cast *find_cast(const struct pg_rewrite *rewrite, size_t type)
{
	for (size_t k = 0; k < sizeof(casts) / sizeof(casts[0]); k++)
		if (pg_rewrite_is(rewrite, type, casts[k].name))
			return &casts[k];
	return &text_cast;
}

/* pg_catalog. in front of a type's name. */
static size_t skip_schema(const struct pg_rewrite *rewrite, size_t type)
{
	while (pg_rewrite_is(rewrite, type, "pg_catalog"))
		type = pg_rewrite_skip(rewrite, pg_rewrite_skip(rewrite, type + 1) + 1);
	return type;
}

/* The pieces of a type's name: words, one pair of parentheses, []. Returns the last. */
static size_t type_end(const struct pg_rewrite *rewrite, size_t type)
{
	static const char *const tails[] = {
		"precision", "varying", "without", "with", "time", "zone"};
	size_t end = type;
	size_t next;

	for (;;) {
		bool is_tail = false;

		next = pg_rewrite_skip(rewrite, end + 1);
		for (size_t k = 0; k < sizeof(tails) / sizeof(tails[0]); k++)
			is_tail = is_tail || pg_rewrite_is(rewrite, next, tails[k]);
		if (!is_tail)
			break;
		end = next;
	}
	while (pg_rewrite_is(rewrite, next, "(") || pg_rewrite_is(rewrite, next, "[")) {
		size_t close = pg_rewrite_closing(rewrite, next);

		if (close == rewrite->n)
			break;
		end = close;
		next = pg_rewrite_skip(rewrite, end + 1);
	}
	return end;
}

/*
 * The operand of the + or - in front of piece i
 * becomes one with the interval that ends at `end`.
 */
static int add_interval(
	struct pg_rewrite *rewrite, size_t i, size_t end, const char *closing, struct err *err)
{
	size_t sign = pg_rewrite_before(rewrite, i);
	bool is_minus = sign != SIZE_MAX && pg_rewrite_is(rewrite, sign, "-");
	size_t operand;

	if (sign == SIZE_MAX || (!is_minus && !pg_rewrite_is(rewrite, sign, "+")))
		return err_set(err, ERR_SQL, "%s", only_added);
	operand = pg_rewrite_before(rewrite, sign);
	if (operand == SIZE_MAX)
		return err_set(err, ERR_SQL, "%s", only_added);
	rewrite->pieces[sign].replacement = is_minus ? ", -1," : ", 1,";
	return pg_rewrite_wrap(
		rewrite, pg_rewrite_operand(rewrite, operand), "pg_interval(", end, closing, err);
}

int pg_cast_operator(struct pg_rewrite *rewrite, size_t i, struct err *err)
{
	size_t operand = pg_rewrite_before(rewrite, i);
	size_t type = skip_schema(rewrite, pg_rewrite_skip(rewrite, i + 1));
	const struct cast *cast = find_cast(rewrite, type);
	size_t start, end;

	if (operand == SIZE_MAX || !pg_rewrite_is_kind(rewrite, type, PG_TOKEN_NAME))
		return 0;
	start = pg_rewrite_operand(rewrite, operand);
	end = type_end(rewrite, type);
	if (cast != &text_cast && pg_rewrite_is(rewrite, end, "]"))
		cast = &text_cast;
	pg_rewrite_erase(rewrite, i, end + 1);
	if (pg_rewrite_is(rewrite, type, "interval"))
		cast = NULL;
	/* The last piece of the type is kept, without text, to be the end of the operand. */
	rewrite->pieces[end].replacement = NULL;
	rewrite->pieces[end].token.kind = PG_TOKEN_NAME;
	rewrite->pieces[end].token.len = 0;
	if (cast == NULL)
		return add_interval(rewrite, start, end, ")", err);
	return pg_rewrite_wrap(rewrite, start, cast->opening, end, cast->closing, err);
}

/* The AS of a CAST, outside of brackets within it. */
static size_t find_as(const struct pg_rewrite *rewrite, size_t open, size_t close)
{
	for (size_t i = open + 1; i < close; i++) {
		size_t inner = pg_rewrite_closing(rewrite, i);

		if (inner < rewrite->n)
			i = inner;
		else if (pg_rewrite_is(rewrite, i, "as"))
			return i;
	}
	return close;
}

void pg_cast_call(struct pg_rewrite *rewrite, size_t i)
{
	size_t open = pg_rewrite_skip(rewrite, i + 1);
	size_t close, as, type;
	const struct cast *cast;

	if (!pg_rewrite_is(rewrite, i, "cast") || !pg_rewrite_is(rewrite, open, "("))
		return;
	close = pg_rewrite_closing(rewrite, open);
	if (close == rewrite->n)
		return;
	as = find_as(rewrite, open, close);
	type = skip_schema(rewrite, pg_rewrite_skip(rewrite, as + 1));
	cast = find_cast(rewrite, type);
	if (as == close || cast == &text_cast)
		return;
	pg_rewrite_erase(rewrite, i, open + 1);
	rewrite->pieces[i].replacement = cast->opening;
	pg_rewrite_erase(rewrite, as, close); /* the bracket is the closing one */
	rewrite->pieces[close].operand_start = i;
	rewrite->pieces[close].ends_operand = true;
}

int pg_cast_interval(struct pg_rewrite *rewrite, size_t i, struct err *err)
{
	static const char *const units[] = {
		"second", "minute", "hour", "day", "week", "month", "year"};
	size_t literal = pg_rewrite_skip(rewrite, i + 1);
	size_t unit = pg_rewrite_skip(rewrite, literal + 1);
	const char *closing = ")";
	size_t end = literal;

	if (!pg_rewrite_is(rewrite, i, "interval") ||
		!pg_rewrite_is_kind(rewrite, literal, PG_TOKEN_STRING))
		return 0;
	rewrite->pieces[i].replacement = "";
	for (size_t k = 0; k < sizeof(units) / sizeof(units[0]); k++) {
		if (!pg_rewrite_is(rewrite, unit, units[k]))
			continue;
		/* interval '3' hour */
		rewrite->pieces[unit].replacement = "";
		closing = pg_rewrite_text(rewrite, " || ' ", unit, unit + 1, "')");
		if (closing == NULL)
			return err_nomem(err);
	}
	return add_interval(rewrite, i, end, closing, err);
}

/* ARRAY[a, b] in the brackets of = ANY is a list. True: it was one. */
static bool list_of_array(struct pg_rewrite *rewrite, size_t open, size_t close)
{
	size_t array = pg_rewrite_skip(rewrite, open + 1);
	size_t bracket = pg_rewrite_skip(rewrite, array + 1);
	size_t end = pg_rewrite_closing(rewrite, bracket);

	if (!pg_rewrite_is(rewrite, array, "array") || !pg_rewrite_is(rewrite, bracket, "[") ||
		end >= close)
		return false;
	pg_rewrite_erase(rewrite, array, bracket + 1);
	/* A cast behind it would be of the whole array. */
	pg_rewrite_erase(rewrite, end, close);
	return true;
}

int pg_cast_any(struct pg_rewrite *rewrite, size_t i, struct err *err)
{
	size_t open = pg_rewrite_skip(rewrite, i + 1);
	size_t close = pg_rewrite_closing(rewrite, open);
	size_t first = pg_rewrite_skip(rewrite, open + 1);
	bool is_all = pg_rewrite_is(rewrite, i, "all");
	size_t operator;

	if (pg_rewrite_is(rewrite, i, "array") && pg_rewrite_is(rewrite, open, "["))
		return err_set(
			err, ERR_SQL, "arrays are not supported but in = ANY (…) and <> ALL (…)");
	if ((!is_all && !pg_rewrite_is(rewrite, i, "any") && !pg_rewrite_is(rewrite, i, "some")) ||
		!pg_rewrite_is(rewrite, open, "(") || close == rewrite->n)
		return 0;
	operator= pg_rewrite_before(rewrite, i);
	if (operator== SIZE_MAX || !pg_rewrite_is_kind(rewrite, operator, PG_TOKEN_OPERATOR))
		return 0;
	if (is_all ? !pg_rewrite_is(rewrite, operator, "<>") &&
				!pg_rewrite_is(rewrite, operator, "!=")
		   : !pg_rewrite_is(rewrite, operator, "="))
		return err_set(err, ERR_SQL,
			"ANY and ALL are not supported but as = ANY (…) and <> ALL (…)");
	rewrite->pieces[operator].replacement = is_all ? " NOT IN " : " IN ";
	rewrite->pieces[i].replacement = "";
	if (pg_rewrite_is(rewrite, first, "select") || pg_rewrite_is(rewrite, first, "with") ||
		pg_rewrite_is(rewrite, first, "values") || list_of_array(rewrite, open, close))
		return 0;
	if (pg_rewrite_append(rewrite, open, "SELECT value FROM json_each(pg_array(", err) != 0)
		return err->code;
	return pg_rewrite_append(rewrite, close, "))", err);
}

int pg_cast_element(struct pg_rewrite *rewrite, size_t i, struct err *err)
{
	size_t number = i + 1;

	if (i == 0 || !pg_rewrite_is(rewrite, i, "[") || !pg_rewrite_is(rewrite, i - 1, ")") ||
		!pg_rewrite_is_kind(rewrite, number, PG_TOKEN_NUMBER) ||
		!pg_rewrite_is(rewrite, number + 1, "]"))
		return 0;
	rewrite->pieces[i].replacement = ", ";
	rewrite->pieces[number + 1].replacement = "";
	return pg_rewrite_wrap(
		rewrite, pg_rewrite_operand(rewrite, i - 1), "pg_element(", number, ")", err);
}
