/*
 * group_by: `action, user.id, account.id AS account`. Each field is a path
 * into the event and a column of the tables; two columns of one table may not
 * have one name, whatever its case, since SQL could not tell them apart.
 */
#include "daemon/config_judge.h"
#include "daemon/config_value.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define COLUMN_MAX_BYTES 128
#define FIELDS_MAX       64

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && isblank((unsigned char)(*text)[0])) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && isblank((unsigned char)(*text)[*len - 1]))
		(*len)--;
}

/* Where ` AS ` stands, any case, or `len`. The last one counts: a path may hold blanks. */
static size_t as_find(const char *text, size_t len)
{
	for (size_t i = len; i-- > 0;)
		if (i + 3 <= len && isblank((unsigned char)text[i]) &&
			strncasecmp(text + i + 1, "as", 2) == 0 &&
			(i + 3 == len || isblank((unsigned char)text[i + 3])))
			return i;
	return len;
}

/* A name for the column that would stand twice: the whole path with _, or the field with _field. */
static void mend_suggest(const struct field_spec *field, char *text, size_t room)
{
	if (strchr(field->path, '.') == NULL) {
		snprintf(text, room, "%.80s AS %.80s_field", field->path, field->path);
		return;
	}
	int n = snprintf(text, room, "%.80s AS ", field->path);
	for (const char *c = field->path; *c != '\0' && (size_t)n + 1 < room; c++)
		text[n++] = isalnum((unsigned char)*c) ? *c : '_';
	text[n] = '\0';
}

static int path_judge(const struct config_section *section, const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (path[0] == '.' || path[len - 1] == '.' || strstr(path, "..") != NULL)
		return config_refuse(section, "group_by", err,
			"\"%s\" has an empty part; dots stand between names, as in user.id", path);
	if (utf8_valid_prefix(path, len) != len)
		return config_refuse(section, "group_by", err, "not valid UTF-8");
	return 0;
}

static int field_read(struct field_spec *field, const char *text, size_t len,
	const struct config_section *section, struct err *err)
{
	size_t as = as_find(text, len);
	const char *path = text, *column = NULL;
	size_t path_len = as, column_len = 0;

	if (as < len) {
		column = text + as + 3;
		column_len = len - as - 3;
		trim(&column, &column_len);
	}
	trim(&path, &path_len);
	if (path_len == 0 || (as < len && column_len == 0))
		return config_refuse(section, "group_by", err,
			"a field without a name; write them as action, user.id AS user");
	field->path = mem_copy_text(path, path_len);
	if (field->path == NULL)
		return err_nomem(err);
	if (path_judge(section, field->path, err) != 0)
		return err->code;
	if (column == NULL) {
		const char *dot = strrchr(field->path, '.');
		column = dot != NULL ? dot + 1 : field->path;
		column_len = strlen(column);
	}
	if (column_len > COLUMN_MAX_BYTES)
		return config_refuse(section, "group_by", err,
			"the column %.40s... is longer than %d bytes; name it with AS", column,
			COLUMN_MAX_BYTES);
	field->column = mem_copy_text(column, column_len);
	return field->column != NULL ? 0 : err_nomem(err);
}

static int column_judge(const struct query_spec *query, size_t index,
	const struct config_section *section, struct err *err)
{
	static const char *const taken[] = {
		"count", "window_start", "window_end", "file", "line", "time", "json"};
	const struct field_spec *field = &query->group_by[index];
	char mend[COLUMN_MAX_BYTES * 2];

	mend_suggest(field, mend, sizeof(mend));
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (strcasecmp(field->column, taken[i]) == 0)
			return config_refuse(section, "group_by", err,
				"the column %s is one of the tables' own; name the field, such as "
				"%s",
				field->column, mend);
	for (size_t i = 0; i < index; i++)
		if (strcasecmp(field->column, query->group_by[i].column) == 0)
			return config_refuse(section, "group_by", err,
				"the column %s would stand twice; name one of them, such as %s",
				field->column, mend);
	return 0;
}

int config_judge_fields(
	struct query_spec *query, const struct config_section *section, struct err *err)
{
	const char *text = config_section_text(section, config_key_find(SCOPE_QUERY, "group_by"));
	size_t cap = 0;

	if (text[0] == '\0')
		return 0;
	for (const char *rest = text; rest != NULL;) {
		const char *comma = strchr(rest, ',');
		size_t len = comma != NULL ? (size_t)(comma - rest) : strlen(rest);
		size_t n = query->n_group_by;

		if (n == FIELDS_MAX)
			return config_refuse(
				section, "group_by", err, "more than %d fields", FIELDS_MAX);
		if (!mem_grow(&query->group_by, &cap, n + 1, sizeof(*query->group_by)))
			return err_nomem(err);
		query->group_by[n] = (struct field_spec){0};
		query->n_group_by = n + 1;
		if (field_read(&query->group_by[n], rest, len, section, err) != 0 ||
			column_judge(query, n, section, err) != 0)
			return err->code;
		rest = comma != NULL ? comma + 1 : NULL;
	}
	return 0;
}

int config_judge_shared_columns(const struct spec *spec, size_t index,
	const struct config_section *section, struct err *err)
{
	const struct query_spec *query = &spec->queries[index];
	char mend[COLUMN_MAX_BYTES * 2];

	for (size_t other = 0; other < index; other++) {
		const struct query_spec *before = &spec->queries[other];
		if (before->source != query->source)
			continue;
		for (size_t i = 0; i < query->n_group_by; i++)
			for (size_t j = 0; j < before->n_group_by; j++) {
				const struct field_spec *a = &before->group_by[j];
				const struct field_spec *b = &query->group_by[i];
				if (strcasecmp(a->column, b->column) != 0 ||
					(strcmp(a->path, b->path) == 0 &&
						strcmp(a->column, b->column) == 0))
					continue;
				mend_suggest(b, mend, sizeof(mend));
				return config_refuse(section, "group_by", err,
					"the column %s of %s would stand twice in the table %s "
					"(the query %s has %s); name it, such as %s",
					b->column, b->path, spec->sources[query->source].name,
					before->name, a->path, mend);
			}
	}
	return 0;
}
