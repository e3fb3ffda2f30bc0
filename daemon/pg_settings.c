/* The table of parameters that clients set or ask for before they trust a server. */
#include "daemon/pg_settings.h"

#include "daemon/pg_catalog.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *name, *value;
	bool is_reported; /* by ParameterStatus, as in PostgreSQL 15 */
	bool is_fixed;
} known[] = {
	{"server_version", PG_SERVER_VERSION " (tallyd " PACKAGE_VERSION ")", true, true},
	{"server_encoding", "UTF8", true, true},
	{"client_encoding", "UTF8", true, false},
	{"application_name", "", true, false},
	{"DateStyle", "ISO, MDY", true, false},
	{"IntervalStyle", "postgres", true, false},
	{"TimeZone", "UTC", true, false},
	{"integer_datetimes", "on", true, true},
	{"standard_conforming_strings", "on", true, true},
	{"is_superuser", "off", true, true},
	{"default_transaction_read_only", "on", true, false},
	{"in_hot_standby", "off", true, true},
	{"server_version_num", PG_SERVER_VERSION_NUM, false, true},
	{"search_path", "public", false, false},
	{"statement_timeout", "0", false, false},
	{"extra_float_digits", "1", false, false},
	{"bytea_output", "hex", false, true},
	{"transaction_isolation", "repeatable read", false, false},
	{"default_transaction_isolation", "repeatable read", false, false},
	{"transaction_read_only", "on", false, false},
	{"max_identifier_length", "63", false, true},
	{"lc_collate", "C.UTF-8", false, true},
	{"lc_ctype", "C.UTF-8", false, true},
	{"client_min_messages", "notice", false, false},
	{"row_security", "on", false, false},
	{"jit", "off", false, false},
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

static size_t find_known(const char *name)
{
	for (size_t i = 0; i < N_KNOWN; i++)
		if (strcasecmp(known[i].name, name) == 0)
			return i;
	return N_KNOWN;
}

static size_t find_changed(const struct pg_settings *settings, const char *name)
{
	size_t i = 0;

	while (i < settings->n_changed && strcasecmp(settings->changed[i].name, name) != 0)
		i++;
	return i;
}

const char *pg_settings_get(const struct pg_settings *settings, const char *name)
{
	size_t i = find_changed(settings, name);

	if (i < settings->n_changed)
		return settings->changed[i].value;
	i = find_known(name);
	if (i < N_KNOWN && settings->timezone[0] != '\0' && strcmp(known[i].name, "TimeZone") == 0)
		return settings->timezone;
	return i < N_KNOWN ? known[i].value : NULL;
}

bool pg_setting_is_reported(const char *name, const char **canonical)
{
	size_t i = find_known(name);

	*canonical = i < N_KNOWN ? known[i].name : name;
	return i < N_KNOWN && known[i].is_reported;
}

const char *pg_setting_name_at(size_t i)
{
	return i < N_KNOWN ? known[i].name : NULL;
}

/* An encoding's name by its letters and digits, as PostgreSQL reads it. */
static bool is_utf8(const char *name)
{
	char plain[16];
	size_t n = 0;

	for (; *name != '\0' && n < sizeof(plain) - 1; name++)
		if (isalnum((unsigned char)*name))
			plain[n++] = *name;
	plain[n] = '\0';
	return strcasecmp(plain, "utf8") == 0 || strcasecmp(plain, "unicode") == 0 ||
	       strcasecmp(plain, "sqlascii") == 0;
}

/* As PostgreSQL shows the style and order of days and months; NULL: times would not be ISO's. */
static const char *iso_order(const char *value)
{
	static const struct {
		const char *word, *shown;
	} words[] = {
		{"ISO", NULL},
		{"DEFAULT", NULL},
		{"MDY", "ISO, MDY"},
		{"US", "ISO, MDY"},
		{"DMY", "ISO, DMY"},
		{"EURO", "ISO, DMY"},
		{"EUROPEAN", "ISO, DMY"},
		{"YMD", "ISO, YMD"},
	};
	const size_t n = sizeof(words) / sizeof(words[0]);
	const char *shown = "ISO, MDY";

	while (*(value += strspn(value, ", \t")) != '\0') {
		size_t len = strcspn(value, ", \t");
		size_t i = 0;

		while (i < n && (strlen(words[i].word) != len ||
					strncasecmp(words[i].word, value, len) != 0))
			i++;
		if (i == n)
			return NULL;
		if (words[i].shown != NULL)
			shown = words[i].shown;
		value += len;
	}
	return shown;
}

int pg_settings_set(
	struct pg_settings *settings, const char *name, const char *value, struct err *err)
{
	size_t k = find_known(name);
	size_t i = find_changed(settings, name);

	if (k < N_KNOWN && known[k].is_fixed)
		return err_set(
			err, ERR_DENIED, "parameter \"%s\" cannot be changed", known[k].name);
	if (strcasecmp(name, "client_encoding") == 0) {
		if (!is_utf8(value))
			return err_set(err, ERR_INVALID,
				"invalid value for parameter \"client_encoding\": \"%s\" "
				"(tallyd speaks UTF8)",
				value);
		value = "UTF8";
	}
	if (strcasecmp(name, "DateStyle") == 0) {
		value = iso_order(value);
		if (value == NULL)
			return err_set(err, ERR_INVALID,
				"invalid value for parameter \"DateStyle\" (tallyd writes ISO)");
	}
	if (strlen(name) >= sizeof(settings->changed[0].name) || strlen(value) >= PG_SETTING_BYTES)
		return err_set(err, ERR_INVALID, "value of parameter \"%.60s\" is too long", name);
	if (i == PG_SETTINGS_MAX)
		return err_set(err, ERR_LIMIT, "too many parameters set in one session");
	(void)snprintf(settings->changed[i].name, sizeof(settings->changed[i].name), "%s", name);
	(void)snprintf(settings->changed[i].value, PG_SETTING_BYTES, "%s", value);
	if (i == settings->n_changed)
		settings->n_changed++;
	return 0;
}

void pg_settings_reset(struct pg_settings *settings, const char *name)
{
	size_t i;

	if (name == NULL) {
		settings->n_changed = 0;
		return;
	}
	i = find_changed(settings, name);
	if (i < settings->n_changed)
		settings->changed[i] = settings->changed[--settings->n_changed];
}
