/*
 * From request to configuration: texts from the file and the command line,
 * values, rules between them, and the list of all that holds. Nothing is
 * changed after config_read has returned it.
 */
#include "daemon/config.h"

#include "base/mem.h"
#include "daemon/config_file.h"
#include "daemon/config_judge.h"
#include "daemon/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/tallyd/tallyd.conf"

static int file_read(struct config *config, struct config_text *text,
	const struct config_request *request, struct err *err)
{
	const char *path = request->file;

	if (path == NULL && request->read_default_file) {
		if (access(DEFAULT_FILE, F_OK) != 0 && errno == ENOENT)
			return 0;
		path = DEFAULT_FILE;
	}
	if (path == NULL)
		return 0;
	config->file = mem_copy_text(path, strlen(path));
	if (config->file == NULL)
		return err_nomem(err);
	return config_file_read(text, path, err);
}

/* A value that could not stand in a file could not be printed as one either. */
static int override_text_judge(const struct config_override *override, struct err *err)
{
	for (const char *c = override->value; *c != '\0'; c++)
		if (iscntrl((unsigned char)*c) || (c[0] == ' ' && c[1] == ';'))
			return err_set(err, ERR_CONFIG,
				"%s: %s.%s: a value cannot hold a control character or \" ;\"",
				override->origin, override->section, override->key);
	return 0;
}

static int section_missing(
	const struct config_text *text, const struct config_override *override, struct err *err)
{
	char names[120] = "";

	for (size_t i = 0, used = 0; i < text->n_sections && used < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s",
			i == 0 ? "" : ", ", text->sections[i]->name);
	return err_set(err, ERR_CONFIG,
		"%s: %.60s.%.60s: there is no section of this name; there are %s", override->origin,
		override->section, override->key, names);
}

static int override_apply(
	struct config_text *text, const struct config_override *override, struct err *err)
{
	struct config_section *section = config_text_find(text, override->section);
	const char *value = override->value + strspn(override->value, " \t");
	size_t len = strlen(value);

	if (section == NULL)
		return section_missing(text, override, err);
	if (override_text_judge(override, err) != 0)
		return err->code;
	while (len > 0 && isblank((unsigned char)value[len - 1]))
		len--;
	char *trimmed = mem_copy_text(value, len);
	if (trimmed == NULL)
		return err_nomem(err);
	int rc = config_section_set(section, override->key, trimmed, override->origin, true, err);
	free(trimmed);
	return rc;
}

static int texts_read(struct config *config, struct config_text *text,
	const struct config_request *request, struct err *err)
{
	if (file_read(config, text, request, err) != 0 || config_text_complete(text, err) != 0)
		return err->code;
	for (size_t i = 0; i < request->n_overrides; i++)
		if (override_apply(text, &request->overrides[i], err) != 0)
			return err->code;
	return config_default_paths(text, err);
}

static int sources_build(struct spec *spec, const struct config_text *text, struct err *err)
{
	for (size_t i = 0; i < text->n_sections; i++) {
		const struct config_section *section = text->sections[i];
		if (section->scope != SCOPE_SOURCE)
			continue;
		struct source_spec *source = &spec->sources[spec->n_sources++];
		snprintf(source->name, sizeof(source->name), "%s", section->name);
		if (config_values_read(section, source, err) != 0 ||
			config_judge_source(source, section, err) != 0)
			return err->code;
	}
	return 0;
}

static int queries_build(struct spec *spec, const struct config_text *text, struct err *err)
{
	for (size_t i = 0; i < text->n_sections; i++) {
		const struct config_section *section = text->sections[i];
		if (section->scope != SCOPE_QUERY)
			continue;
		struct query_spec *query = &spec->queries[spec->n_queries++];
		snprintf(query->name, sizeof(query->name), "%s", section->name);
		if (config_values_read(section, query, err) != 0 ||
			config_judge_query(spec, query, section, err) != 0 ||
			config_judge_shared_columns(spec, spec->n_queries - 1, section, err) != 0)
			return err->code;
	}
	return 0;
}

static int values_build(struct config *config, const struct config_text *text, struct err *err)
{
	const struct config_section *tallyd = config_text_find(text, "tallyd");
	const struct config_section *http = config_text_find(text, "http");
	struct spec *spec = &config->spec;

	spec->sources = mem_new_array(text->n_sections, sizeof(*spec->sources));
	spec->queries = mem_new_array(text->n_sections, sizeof(*spec->queries));
	if (spec->sources == NULL || spec->queries == NULL)
		return err_nomem(err);
	if (config_values_read(tallyd, config, err) != 0 ||
		config_judge_daemon(config, tallyd, http, err) != 0)
		return err->code;
	if (sources_build(spec, text, err) != 0)
		return err->code;
	return queries_build(spec, text, err);
}

/* What holds is shown, so that what --print-config prints reads back as the same configuration. */
static int effective_text_set(
	struct config_section *section, const char *key, const char *value, struct err *err)
{
	const char *origin = config_section_origin(section, config_key_find(section->scope, key));
	char copy[CONFIG_ORIGIN_BYTES];

	snprintf(copy, sizeof(copy), "%s", origin);
	return config_section_set(section, key, value, copy, true, err);
}

static int effective_texts(const struct config *config, struct config_text *text, struct err *err)
{
	const struct spec *spec = &config->spec;
	size_t query = 0;

	if (config->socket_group == NULL &&
		effective_text_set(config_text_find(text, "tallyd"), "socket_group", "", err) != 0)
		return err->code;
	for (size_t i = 0; i < text->n_sections; i++) {
		struct config_section *section = text->sections[i];
		if (section->scope != SCOPE_QUERY)
			continue;
		const struct query_spec *q = &spec->queries[query++];
		if (effective_text_set(section, "source", spec->sources[q->source].name, err) != 0)
			return err->code;
		if (q->session_us != 0 &&
			(effective_text_set(section, "window", "", err) != 0 ||
				effective_text_set(section, "start_offset", "", err) != 0))
			return err->code;
	}
	return 0;
}

static int setting_fill(struct setting *setting, const struct config_section *section,
	const char *key, size_t index, struct err *err)
{
	const char *text = config_section_text(section, index);
	const char *origin = config_section_origin(section, index);
	char *name = NULL;

	if (asprintf(&name, "%s.%s", section->name, key) < 0)
		return err_nomem(err);
	setting->name = name;
	setting->value = mem_copy_text(text, strlen(text));
	setting->origin = mem_copy_text(origin, strlen(origin));
	return setting->value != NULL && setting->origin != NULL ? 0 : err_nomem(err);
}

static int settings_build(struct config *config, const struct config_text *text, struct err *err)
{
	config->settings =
		mem_new_array(text->n_sections * CONFIG_MAX_KEYS, sizeof(*config->settings));
	if (config->settings == NULL)
		return err_nomem(err);
	for (size_t i = 0; i < text->n_sections; i++) {
		size_t n;
		const struct config_key *keys = config_keys(text->sections[i]->scope, &n);
		for (size_t key = 0; key < n; key++)
			if (setting_fill(&config->settings[config->n_settings++], text->sections[i],
				    keys[key].name, key, err) != 0)
				return err->code;
	}
	return 0;
}

int config_read(struct config **result, const struct config_request *request, struct err *err)
{
	struct config_text text = {0};
	struct config *config = calloc(1, sizeof(*config));

	if (config == NULL)
		return err_nomem(err);
	atomic_init(&config->n_refs, 1);
	int rc = config_text_init(&text, err);
	if (rc == 0)
		rc = texts_read(config, &text, request, err);
	if (rc == 0)
		rc = values_build(config, &text, err);
	if (rc == 0)
		rc = effective_texts(config, &text, err);
	if (rc == 0)
		rc = settings_build(config, &text, err);
	config_text_fini(&text);
	if (rc != 0)
		config_unref(config);
	else
		*result = config;
	return rc;
}

static const char *section_kind(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->spec.n_sources; i++)
		if (strcmp(config->spec.sources[i].name, name) == 0)
			return "source ";
	for (size_t i = 0; i < config->spec.n_queries; i++)
		if (strcmp(config->spec.queries[i].name, name) == 0)
			return "query ";
	return "";
}

void config_print(const struct config *config, struct buf *out)
{
	char section[SPEC_NAME_BYTES] = "";

	for (size_t i = 0; i < config->n_settings; i++) {
		const struct setting *setting = &config->settings[i];
		size_t len = strcspn(setting->name, ".");
		if (strlen(section) != len || strncmp(section, setting->name, len) != 0) {
			snprintf(section, sizeof(section), "%.*s", (int)len, setting->name);
			buf_printf(out, "%s[%s%s]\n", i == 0 ? "" : "\n",
				section_kind(config, section), section);
		}
		buf_printf(out, "%s = %s%s; from %s\n", setting->name + len + 1, setting->value,
			setting->value[0] != '\0' ? " " : "", setting->origin);
	}
}

struct config *config_ref(struct config *config)
{
	atomic_fetch_add(&config->n_refs, 1);
	return config;
}

void config_unref(struct config *config)
{
	if (config == NULL || atomic_fetch_sub(&config->n_refs, 1) != 1)
		return;
	for (size_t i = 0; config->settings != NULL && i < config->n_settings; i++) {
		free((char *)config->settings[i].name);
		free((char *)config->settings[i].value);
		free((char *)config->settings[i].origin);
	}
	free(config->settings);
	spec_fini(&config->spec);
	config_values_free(SCOPE_TALLYD, config);
	free(config->socket_group);
	free(config->postgres);
	free(config->http_listen);
	free(config->file);
	free(config);
}
