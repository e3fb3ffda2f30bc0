/* From text to value, one function a type; the dispatch is at the end. */
#include "daemon/config_value.h"

#include "base/mem.h"
#include "base/quantity.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

int config_refuse(const struct config_section *section, const char *key, struct err *err,
	const char *format, ...)
{
	char sentence[ERR_TEXT_BYTES];
	va_list args;
	const struct config_value *value = &section->values[config_key_find(section->scope, key)];
	const char *origin = value->text != NULL ? value->origin : section->origin;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	(void)err_set(err, ERR_CONFIG, "%s.%s: %s", section->name, key, sentence);
	return strcmp(origin, "default") == 0 ? err->code : err_prefix(err, "%s", origin);
}

static int text_copy(const char *text, char **copy, struct err *err)
{
	*copy = mem_copy_text(text, strlen(text));
	return *copy != NULL ? 0 : err_nomem(err);
}

/* In place: one slash where there are several, no `.` parts, no slash at the end. */
static void path_tidy(char *path)
{
	char *out = path;

	for (const char *in = path; *in != '\0';) {
		if (in[0] == '/' && (in[1] == '/' || in[1] == '\0')) {
			in++;
		} else if (in[0] == '/' && in[1] == '.' && (in[2] == '/' || in[2] == '\0')) {
			in += 2;
		} else {
			*out++ = *in++;
		}
	}
	if (out == path)
		*out++ = '/';
	*out = '\0';
}

/* On the command line a path may be relative: the shell's reader is there to mean it. */
static int path_absolute(const struct config_section *section, const char *key, const char *text,
	char **path, struct err *err)
{
	const char *origin = config_section_origin(section, config_key_find(section->scope, key));
	char *here = getcwd(NULL, 0);

	if (here == NULL)
		return err_set_errno(err, errno, "the current directory");
	if (strncmp(origin, "--", 2) != 0) {
		(void)config_refuse(section, key, err,
			"a relative path; write it from the root, such as %s/%s", here, text);
		free(here);
		return err->code;
	}
	int len = asprintf(path, "%s/%s", here, text);
	free(here);
	return len >= 0 ? 0 : err_nomem(err);
}

int config_path_read(const struct config_section *section, const char *key, const char *text,
	char **path, struct err *err)
{
	if (text[0] == '\0')
		return config_refuse(section, key, err, "empty; an absolute path is wanted");
	int rc = text[0] == '/' ? text_copy(text, path, err)
				: path_absolute(section, key, text, path, err);
	if (rc == 0)
		path_tidy(*path);
	return rc;
}

static int switch_read(const char *text, bool *value, struct err *err)
{
	static const char *const words[2][3] = {{"no", "off", "false"}, {"yes", "on", "true"}};

	for (int on = 0; on < 2; on++)
		for (int i = 0; i < 3; i++)
			if (strcasecmp(text, words[on][i]) == 0) {
				*value = on == 1;
				return 0;
			}
	return err_set(err, ERR_CONFIG, "\"%.100s\" is neither yes nor no", text);
}

static int count_read(const char *text, int64_t *value, struct err *err)
{
	char *end;

	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || strspn(text, "+-0123456789") != strlen(text))
		return err_set(err, ERR_CONFIG, "\"%.100s\" is no whole number", text);
	if (errno == ERANGE)
		return err_set(err, ERR_CONFIG, "%.100s is out of range", text);
	*value = number;
	return 0;
}

static int mode_read(const char *text, unsigned *value, struct err *err)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end != '\0' || mode > 0777)
		return err_set(err, ERR_CONFIG,
			"\"%.100s\" is no permission mode; three octal digits such as 0660 are "
			"wanted",
			text);
	*value = (unsigned)mode;
	return 0;
}

static int choice_read(const struct config_key *key, const char *text, int *value, struct err *err)
{
	char all[128];
	size_t used = 0;

	for (int i = 0; key->choices[i] != NULL; i++) {
		if (strcasecmp(text, key->choices[i]) == 0) {
			*value = i;
			return 0;
		}
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
			i == 0                        ? ""
			: key->choices[i + 1] == NULL ? " and "
						      : ", ",
			key->choices[i]);
	}
	return err_set(err, ERR_CONFIG, "\"%.100s\" is none of %s", text, all);
}

/* A limit as its key's texts are written. */
static void limit_format(
	const struct config_key *key, int64_t limit, char text[DURATION_TEXT_BYTES])
{
	if (key->type == KEY_DURATION)
		(void)duration_format(limit, text);
	else if (key->type == KEY_SIZE)
		(void)size_format(limit, text);
	else
		snprintf(text, DURATION_TEXT_BYTES, "%lld", (long long)limit);
}

static int range_judge(
	const struct config_key *key, const char *text, int64_t value, struct err *err)
{
	char limit[DURATION_TEXT_BYTES];

	if (value < key->min) {
		limit_format(key, key->min, limit);
		return err_set(err, ERR_CONFIG, "%.100s is too little; at least %s is wanted", text,
			limit);
	}
	if (value > key->max) {
		limit_format(key, key->max, limit);
		return err_set(
			err, ERR_CONFIG, "%.100s is too much; at most %s is possible", text, limit);
	}
	return 0;
}

static int quantity_read(
	const struct config_key *key, const char *text, int64_t *value, struct err *err)
{
	int rc;

	if (text[0] == '\0' && key->may_be_empty) {
		*value = key->empty;
		return 0;
	}
	if (key->type == KEY_DURATION)
		rc = duration_parse(text, value, err);
	else if (key->type == KEY_SIZE)
		rc = size_parse(text, value, err);
	else
		rc = count_read(text, value, err);
	return rc != 0 ? rc : range_judge(key, text, *value, err);
}

static int text_read(const struct config_section *section, const struct config_key *key,
	const char *text, char **value, struct err *err)
{
	if (text[0] == '\0' && key->may_be_empty) {
		*value = NULL;
		return 0;
	}
	if (key->type == KEY_PATH)
		return config_path_read(section, key->name, text, value, err);
	if (text[0] == '\0')
		return config_refuse(section, key->name, err, "empty; a value such as %s is wanted",
			key->fallback);
	if (utf8_valid_prefix(text, strlen(text)) != strlen(text))
		return config_refuse(section, key->name, err, "not valid UTF-8");
	return text_copy(text, value, err);
}

static int value_read(const struct config_section *section, const struct config_key *key,
	const char *text, char *target, struct err *err)
{
	int64_t number = 0;
	int rc = 0;

	switch (key->type) {
	case KEY_JUDGED: return 0;
	case KEY_TEXT:
	case KEY_PATH: return text_read(section, key, text, (char **)(void *)target, err);
	case KEY_SWITCH: rc = switch_read(text, (bool *)target, err); break;
	case KEY_CHOICE: rc = choice_read(key, text, (int *)(void *)target, err); break;
	case KEY_MODE: rc = mode_read(text, (unsigned *)(void *)target, err); break;
	case KEY_COUNT:
		rc = quantity_read(key, text, &number, err);
		*(int *)(void *)target = (int)number;
		break;
	case KEY_COUNT64:
	case KEY_SIZE:
	case KEY_DURATION: rc = quantity_read(key, text, (int64_t *)(void *)target, err); break;
	}
	if (rc == 0 || rc == ERR_NOMEM)
		return rc;
	struct err sentence = *err;
	return config_refuse(section, key->name, err, "%s", sentence.text);
}

int config_values_read(const struct config_section *section, void *target, struct err *err)
{
	size_t n;
	const struct config_key *keys = config_keys(section->scope, &n);

	for (size_t i = 0; i < n; i++)
		if (value_read(section, &keys[i], config_section_text(section, i),
			    (char *)target + keys[i].offset, err) != 0)
			return err->code;
	return 0;
}

void config_values_free(enum config_scope scope, void *target)
{
	size_t n;
	const struct config_key *keys = config_keys(scope, &n);

	for (size_t i = 0; i < n; i++)
		if (keys[i].type == KEY_TEXT || keys[i].type == KEY_PATH) {
			char **text = (char **)(void *)((char *)target + keys[i].offset);
			free(*text);
			*text = NULL;
		}
}
