/*
 * Sections and their texts. Everything a name must obey is here; everything a
 * value must obey is in config_value.c and config_judge.c.
 */
#include "daemon/config_text.h"

#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int config_text_init(struct config_text *text, struct err *err)
{
	struct config_section *section;

	memset(text, 0, sizeof(*text));
	if (config_text_open(text, "tallyd", NULL, "default", &section, err) != 0 ||
		config_text_open(text, "http", NULL, "default", &section, err) != 0) {
		config_text_fini(text);
		return err->code;
	}
	return 0;
}

void config_text_fini(struct config_text *text)
{
	for (size_t i = 0; i < text->n_sections; i++) {
		for (size_t key = 0; key < CONFIG_MAX_KEYS; key++)
			free(text->sections[i]->values[key].text);
		free(text->sections[i]);
	}
	free(text->sections);
	memset(text, 0, sizeof(*text));
}

/* Tables of the daemon's own, and words that SQL or the file format needs. */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {"tallyd", "http", "window", "windows", "queries",
		"progress", "files", "rejects", "reject_totals", "newest_events", "sessions",
		"settings", "system_check", "information_schema"};
	static const char *const prefixes[] = {"static_", "sqlite_", "pg_"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= SPEC_NAME_BYTES || isdigit((unsigned char)name[0]))
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
	       len;
}

static int name_judge(const struct config_text *text, const char *scope, const char *name,
	const char *origin, struct err *err)
{
	if (!is_name(name))
		return err_set(err, ERR_CONFIG,
			"%s: [%s %.60s]: a name is a letter or _ and then up to 39 letters, digits "
			"or _",
			origin, scope, name);
	if (is_reserved(name))
		return err_set(err, ERR_CONFIG,
			"%s: [%s %s]: this name is taken by tallyd itself; choose another", origin,
			scope, name);
	const struct config_section *other = config_text_find(text, name);
	if (other != NULL)
		return err_set(err, ERR_CONFIG,
			"%s: [%s %s]: the name is taken by [%s %s] at %s; each source and query "
			"needs a name of its own",
			origin, scope, name, config_scope_name(other->scope), other->name,
			other->origin);
	return 0;
}

static int scope_find(const char *name, enum config_scope *scope)
{
	for (int i = 0; i < SCOPES; i++)
		if (strcmp(config_scope_name((enum config_scope)i), name) == 0) {
			*scope = (enum config_scope)i;
			return 0;
		}
	return -1;
}

int config_text_open(struct config_text *text, const char *scope_name, const char *name,
	const char *origin, struct config_section **section, struct err *err)
{
	enum config_scope scope;

	if (scope_find(scope_name, &scope) != 0 ||
		(name == NULL) != (scope == SCOPE_TALLYD || scope == SCOPE_HTTP))
		return err_set(err, ERR_CONFIG,
			"%s: [%.40s%s%.60s]: no such section; there are [tallyd], [http], [source "
			"NAME] and [query NAME]",
			origin, scope_name, name != NULL ? " " : "", name != NULL ? name : "");
	if (name == NULL) {
		*section = config_text_find(text, scope_name);
		if (*section != NULL)
			return 0;
	} else if (name_judge(text, scope_name, name, origin, err) != 0) {
		return err->code;
	}
	struct config_section *fresh = calloc(1, sizeof(*fresh));
	if (fresh == NULL || !mem_grow(&text->sections, &text->cap_sections, text->n_sections + 1,
				     sizeof(struct config_section *))) {
		free(fresh);
		return err_nomem(err);
	}
	fresh->scope = scope;
	snprintf(fresh->name, sizeof(fresh->name), "%s", name != NULL ? name : scope_name);
	snprintf(fresh->origin, sizeof(fresh->origin), "%s", origin);
	text->sections[text->n_sections++] = fresh;
	*section = fresh;
	return 0;
}

struct config_section *config_text_find(const struct config_text *text, const char *name)
{
	for (size_t i = 0; i < text->n_sections; i++)
		if (strcasecmp(text->sections[i]->name, name) == 0)
			return text->sections[i];
	return NULL;
}

/* Letters to add, drop or change to come from one word to the other; words are short. */
static unsigned edit_distance(const char *a, const char *b)
{
	enum { LONGEST = 32 };
	unsigned row[LONGEST + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > LONGEST || b_len > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b_len];
}

static int unknown_key(
	const struct config_section *section, const char *key, const char *origin, struct err *err)
{
	char hint[ERR_TEXT_BYTES / 2];
	size_t n, used = 0;
	const struct config_key *keys = config_keys(section->scope, &n);

	for (int scope = 0; scope < SCOPES; scope++)
		if (config_key_find((enum config_scope)scope, key) != SIZE_MAX)
			return err_set(err, ERR_CONFIG, "%s: %s.%s: this key belongs in [%s%s]",
				origin, section->name, key,
				config_scope_name((enum config_scope)scope),
				scope == SCOPE_SOURCE || scope == SCOPE_QUERY ? " NAME" : "");
	for (size_t i = 0; i < n; i++)
		if (edit_distance(key, keys[i].name) <= 2)
			return err_set(err, ERR_CONFIG, "%s: %s.%s: no such key; did you mean %s?",
				origin, section->name, key, keys[i].name);
	for (size_t i = 0; i < n && used < sizeof(hint); i++)
		used += (size_t)snprintf(
			hint + used, sizeof(hint) - used, "%s%s", i == 0 ? "" : ", ", keys[i].name);
	return err_set(err, ERR_CONFIG, "%s: %s.%.60s: no such key; there are %s", origin,
		section->name, key, hint);
}

int config_section_set(struct config_section *section, const char *key, const char *value,
	const char *origin, bool again, struct err *err)
{
	size_t index = config_key_find(section->scope, key);

	if (index == SIZE_MAX)
		return unknown_key(section, key, origin, err);
	struct config_value *slot = &section->values[index];
	if (slot->text != NULL && !again)
		return err_set(err, ERR_CONFIG,
			"%s: %s.%s: written before at %s; keep one of the two", origin,
			section->name, key, slot->origin);
	char *copy = mem_copy_text(value, strlen(value));
	if (copy == NULL)
		return err_nomem(err);
	free(slot->text);
	slot->text = copy;
	snprintf(slot->origin, sizeof(slot->origin), "%s", origin);
	return 0;
}

const char *config_section_text(const struct config_section *section, size_t key)
{
	size_t n;

	if (section->values[key].text != NULL)
		return section->values[key].text;
	return config_keys(section->scope, &n)[key].fallback;
}

const char *config_section_origin(const struct config_section *section, size_t key)
{
	return section->values[key].text != NULL ? section->values[key].origin : "default";
}

static bool has_scope(const struct config_text *text, enum config_scope scope)
{
	for (size_t i = 0; i < text->n_sections; i++)
		if (text->sections[i]->scope == scope)
			return true;
	return false;
}

int config_text_complete(struct config_text *text, struct err *err)
{
	struct config_section *section;

	if (!has_scope(text, SCOPE_SOURCE) &&
		config_text_open(text, "source", "events", "default", &section, err) != 0)
		return err->code;
	if (!has_scope(text, SCOPE_QUERY) &&
		config_text_open(text, "query", "counts", "default", &section, err) != 0)
		return err->code;
	return 0;
}
