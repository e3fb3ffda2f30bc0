/*
 * What the columns of a result are called: SQLite names an item by its text, and
 * that must be the one that was written, not its translation.
 */
#include "daemon/pg_names.h"

#include <stdint.h>

/* Where the list of a SELECT ends that begins at `from`. */
static size_t list_end(const struct pg_rewrite *rewrite, size_t from)
{
	static const char *const words[] = {"where", "group", "having", "window", "order", "limit",
		"union", "except", "intersect", ";"};

	for (size_t i = from; i < rewrite->n; i++) {
		size_t close = pg_rewrite_closing(rewrite, i);

		if (close < rewrite->n) {
			i = close;
			continue;
		}
		if (pg_rewrite_is(rewrite, i, "from") &&
			!pg_rewrite_is(rewrite, pg_rewrite_before(rewrite, i), "distinct"))
			return i;
		for (size_t k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			if (pg_rewrite_is(rewrite, i, words[k]))
				return i;
	}
	return rewrite->n;
}

/* Whether the item in pieces [from, to) is written otherwise than it came, and has no name. */
static bool wants_name(const struct pg_rewrite *rewrite, size_t from, size_t to)
{
	bool is_changed = false;
	size_t last = pg_rewrite_before(rewrite, to);
	size_t close;

	for (size_t i = from; i < to && !is_changed; i++) {
		const struct pg_piece *piece = &rewrite->pieces[i];

		is_changed = piece->replacement != NULL || piece->closing != NULL ||
			     piece->opening != 0 ||
			     (piece->token.kind >= PG_TOKEN_ESCAPE_STRING &&
				     piece->token.kind != PG_TOKEN_NUMBER &&
				     piece->token.kind != PG_TOKEN_OPERATOR);
	}
	if (!is_changed || last == SIZE_MAX || last < from)
		return is_changed && last != SIZE_MAX;
	for (size_t i = from; i < to; i++) {
		close = pg_rewrite_closing(rewrite, i);
		if (close < rewrite->n)
			i = close;
		else if (pg_rewrite_is(rewrite, i, "as"))
			return false;
	}
	/* A bare word at the end may be a name; an operator or the start in front of it says no. */
	if (rewrite->pieces[last].token.kind != PG_TOKEN_NAME || rewrite->pieces[last].ends_operand)
		return true;
	close = pg_rewrite_before(rewrite, last);
	return close == SIZE_MAX || close < from ||
	       (pg_rewrite_is_kind(rewrite, close, PG_TOKEN_OPERATOR) &&
		       !pg_rewrite_is(rewrite, close, ")"));
}

/* SQLite names an item by its text: by the one that was written, not the translated one. */
static int name_item(struct pg_rewrite *rewrite, size_t from, size_t to, struct err *err)
{
	struct buf quoted = {0};
	const char *name;
	int rc;

	from = pg_rewrite_skip(rewrite, from);
	while (to > from && pg_rewrite_is_kind(rewrite, to - 1, PG_TOKEN_SPACE))
		to--;
	if (from >= to || !wants_name(rewrite, from, to))
		return 0;
	for (size_t i = from; i < to; i++) {
		const struct pg_token *token = &rewrite->pieces[i].source;

		for (size_t k = 0; k < token->len; k++) {
			if (token->text[k] == '"')
				buf_add_char(&quoted, '"');
			buf_add_char(&quoted, token->text[k]);
		}
	}
	buf_add_text(&quoted, "\"");
	buf_add_char(&quoted, '\0');
	name = buf_ok(&quoted) ? pg_rewrite_text(rewrite, " AS \"", 0, 0, quoted.data) : NULL;
	rc = name != NULL ? pg_rewrite_append(rewrite, to - 1, name, err) : err_nomem(err);
	buf_fini(&quoted);
	return rc;
}

int pg_name_columns(struct pg_rewrite *rewrite, struct err *err)
{
	size_t i = 0, end;
	size_t from;

	while (i < rewrite->n && !pg_rewrite_is(rewrite, i, "select")) {
		size_t close = pg_rewrite_closing(rewrite, i);

		i = close < rewrite->n ? close + 1 : i + 1;
	}
	from = i + 1;
	end = list_end(rewrite, from);
	if (pg_rewrite_is(rewrite, pg_rewrite_skip(rewrite, from), "distinct") ||
		pg_rewrite_is(rewrite, pg_rewrite_skip(rewrite, from), "all"))
		from = pg_rewrite_skip(rewrite, from) + 1;
	for (i = from; i < end; i++) {
		size_t close = pg_rewrite_closing(rewrite, i);

		if (close < rewrite->n) {
			i = close;
		} else if (pg_rewrite_is(rewrite, i, ",")) {
			if (name_item(rewrite, from, i, err) != 0)
				return err->code;
			from = i + 1;
		}
	}
	return from < end ? name_item(rewrite, from, end, err) : 0;
}

bool pg_asks_for_nothing(const struct pg_rewrite *rewrite)
{
	static const char *const names[] = {"pg_aggregate", "pg_amop", "pg_amproc", "pg_cast",
		"pg_constraint", "pg_conversion", "pg_db_role_setting", "pg_default_acl",
		"pg_event_trigger", "pg_foreign_data_wrapper", "pg_foreign_server",
		"pg_foreign_table", "pg_index", "pg_inherits", "pg_largeobject_metadata",
		"pg_opclass", "pg_operator", "pg_opfamily", "pg_policy", "pg_publication",
		"pg_rewrite", "pg_sequence", "pg_statistic_ext", "pg_subscription", "pg_trigger",
		"pg_ts_config", "pg_ts_dict", "pg_ts_parser", "pg_ts_template", "pg_user_mappings"};

	for (size_t i = 0; i < rewrite->n; i++) {
		const struct pg_token *token = &rewrite->pieces[i].token;

		if (token->len < 3 || strncasecmp(token->text, "pg_", 3) != 0)
			continue;
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (pg_token_is(token, names[k]))
				return true;
	}
	return false;
}

/* asyncpg's look-up of types that it does not know: it walks from arrays to their elements. */
static const char asyncpg_types[] =
	"SELECT oid, 'pg_catalog' AS ns, typname AS name, 'b' AS kind, NULL AS basetype, "
	"nullif(typelem, 0) AS elemtype, ',' AS elemdelim, NULL AS range_subtype, "
	"NULL AS attrtypoids, NULL AS attrnames, typelem = 0 AS depth, NULL AS basetype_name, "
	"format_type(nullif(typelem, 0), -1) AS elemtype_name, NULL AS range_subtype_name "
	"FROM (SELECT json_each.value AS wanted FROM json_each(pg_array(?1))), pg_type "
	"WHERE oid = wanted OR oid IN (SELECT typelem FROM pg_type WHERE oid = wanted) "
	"ORDER BY depth DESC";

const char *pg_stands_for(const struct pg_rewrite *rewrite)
{
	for (size_t i = 0; i < rewrite->n; i++)
		if (pg_rewrite_is(rewrite, i, "typeinfo_tree"))
			return asyncpg_types;
	return NULL;
}

/* NULL under the name that the item ending in front of `end` has. */
static void add_null(const struct pg_rewrite *rewrite, size_t end, bool is_first, struct buf *out)
{
	const struct pg_token *name;

	while (end > 0 && pg_rewrite_is_kind(rewrite, end - 1, PG_TOKEN_SPACE))
		end--;
	name = end > 0 ? &rewrite->pieces[end - 1].token : NULL;
	buf_add_text(out, is_first ? "SELECT NULL AS " : ", NULL AS ");
	if (name != NULL && name->kind == PG_TOKEN_NAME && name->text[0] == '"') {
		buf_add(out, name->text, name->len);
	} else if (name != NULL && name->kind == PG_TOKEN_NAME) {
		buf_add_char(out, '"');
		buf_add(out, name->text, name->len);
		buf_add_char(out, '"');
	} else {
		buf_add_text(out, "\"?column?\"");
	}
}

/* No rows, under the names of the first SELECT's columns. */
void pg_write_nothing(const struct pg_rewrite *rewrite, struct buf *out)
{
	size_t i = 0;
	bool is_first = true;

	while (i < rewrite->n && !pg_rewrite_is(rewrite, i, "select"))
		i++;
	for (i++; i < rewrite->n && !pg_rewrite_is(rewrite, i, "from"); i++) {
		size_t close = pg_rewrite_closing(rewrite, i);

		if (close < rewrite->n) {
			i = close;
		} else if (pg_rewrite_is(rewrite, i, ",")) {
			add_null(rewrite, i, is_first, out);
			is_first = false;
		}
	}
	add_null(rewrite, i < rewrite->n ? i : rewrite->n, is_first, out);
	buf_add_text(out, " WHERE 0");
}
