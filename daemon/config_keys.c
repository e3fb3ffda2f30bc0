/*
 * The table of keys. Ranges are wide: they refuse what cannot be meant and
 * what the arithmetic could not hold, nothing else.
 */
#include "daemon/config_keys.h"

#include "base/timestamp.h"
#include "daemon/config.h"

#include <string.h>

#define KIB         INT64_C(1024)
#define MIB         (KIB * 1024)
#define GIB         (MIB * 1024)
#define LONGEST_US  (INT64_C(3652059) * US_PER_DAY) /* the years 0001 to 9999 */
#define ONE_YEAR_US (INT64_C(366) * US_PER_DAY)

static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};
static const char *const time_units[] = {"s", "ms", "us", "ns", NULL};
static const char *const malformed[] = {"keep", "fail", NULL};
static const char *const cleanings[] = {"off", "archive", "delete", NULL};
static const char *const output_modes[] = {"complete", "append", "update", NULL};

#define IN(owner, field) .offset = offsetof(struct owner, field)

static const struct config_key tallyd_keys[] = {
	{"socket", NULL, .type = KEY_PATH, IN(config, socket)},
	{"socket_mode", "0660", .type = KEY_MODE, IN(config, socket_mode)},
	{"socket_group", "tally", .type = KEY_JUDGED, .may_be_empty = true},
	{"postgres", "on", .type = KEY_JUDGED},
	{"state_dir", NULL, .type = KEY_PATH, IN(config, state_dir)},
	{"timezone", "UTC", .type = KEY_TEXT, IN(config, timezone)},
	{"threads", "0", .type = KEY_COUNT, .max = 1024, IN(config, threads)},
	{"max_sessions", "256", .type = KEY_COUNT, .min = 1, .max = 1000000,
		IN(config, max_sessions)},
	{"max_running_queries", "0", .type = KEY_COUNT, .max = 512,
		IN(config, max_running_queries)},
	{"query_timeout", "30 seconds", .type = KEY_DURATION, .max = ONE_YEAR_US,
		IN(config, query_timeout_us)},
	{"idle_transaction_timeout", "5 minutes", .type = KEY_DURATION, .max = ONE_YEAR_US,
		IN(config, idle_transaction_timeout_us)},
	{"query_memory", "256 MiB", .type = KEY_SIZE, .min = MIB, .max = 1024 * GIB,
		IN(config, query_memory_bytes)},
	{"max_result_bytes", "1 GiB", .type = KEY_SIZE, .min = KIB, .max = 1024 * 1024 * GIB,
		IN(config, max_result_bytes)},
	{"snapshot_file", "", .type = KEY_PATH, .may_be_empty = true, IN(config, snapshot_file)},
	{"snapshot_interval", "60 seconds", .type = KEY_DURATION, .min = US_PER_S,
		.max = ONE_YEAR_US, IN(config, snapshot_interval_us)},
	{"log_level", "info", .type = KEY_CHOICE, .choices = log_levels, IN(config, log_level)},
};

static const struct config_key http_keys[] = {
	{"listen", "", .type = KEY_JUDGED, .may_be_empty = true},
};

static const struct config_key source_keys[] = {
	{"path", "/var/lib/tallyd/events", .type = KEY_PATH, IN(source_spec, path)},
	{"glob", "*", .type = KEY_TEXT, IN(source_spec, glob)},
	{"recursive", "no", .type = KEY_SWITCH, IN(source_spec, recursive)},
	{"poll_interval", "1 second", .type = KEY_DURATION, .min = US_PER_MS, .max = ONE_YEAR_US,
		IN(source_spec, poll_interval_us)},
	{"trigger", "0 seconds", .type = KEY_DURATION, .max = ONE_YEAR_US,
		IN(source_spec, trigger_us)},
	{"max_files_per_trigger", "0", .type = KEY_COUNT64, .max = INT64_MAX,
		IN(source_spec, max_files_per_trigger)},
	{"max_bytes_per_trigger", "256 MiB", .type = KEY_SIZE, .max = INT64_MAX,
		IN(source_spec, max_bytes_per_trigger)},
	{"max_file_age", "", .type = KEY_DURATION, .max = LONGEST_US, .may_be_empty = true,
		.empty = -1, IN(source_spec, max_file_age_us)},
	{"max_event_bytes", "16 MiB", .type = KEY_SIZE, .min = 16, .max = GIB,
		IN(source_spec, max_event_bytes)},
	{"time_field", "time", .type = KEY_JUDGED},
	{"time_unit", "s", .type = KEY_CHOICE, .choices = time_units, IN(source_spec, time_unit)},
	{"on_malformed", "keep", .type = KEY_CHOICE, .choices = malformed,
		IN(source_spec, on_malformed)},
	{"clean_source", "off", .type = KEY_CHOICE, .choices = cleanings,
		IN(source_spec, clean_source)},
	{"archive_dir", "", .type = KEY_PATH, .may_be_empty = true, IN(source_spec, archive_dir)},
};

static const struct config_key query_keys[] = {
	{"source", "", .type = KEY_JUDGED, .may_be_empty = true},
	{"group_by", "action", .type = KEY_JUDGED, .may_be_empty = true},
	{"window", "1 hour", .type = KEY_DURATION, .min = 1, .max = LONGEST_US,
		.may_be_empty = true, IN(query_spec, window_us)},
	{"slide", "", .type = KEY_DURATION, .min = 1, .max = LONGEST_US, .may_be_empty = true,
		IN(query_spec, slide_us)},
	{"start_offset", "0 seconds", .type = KEY_DURATION, .min = -LONGEST_US, .max = LONGEST_US,
		.may_be_empty = true, IN(query_spec, start_offset_us)},
	{"session", "", .type = KEY_DURATION, .min = 1, .max = LONGEST_US, .may_be_empty = true,
		IN(query_spec, session_us)},
	{"watermark", "", .type = KEY_DURATION, .max = LONGEST_US, .may_be_empty = true,
		.empty = -1, IN(query_spec, watermark_us)},
	{"output_mode", "complete", .type = KEY_CHOICE, .choices = output_modes,
		IN(query_spec, output_mode)},
	{"retention", "", .type = KEY_DURATION, .max = LONGEST_US, .may_be_empty = true,
		.empty = -1, IN(query_spec, retention_us)},
	{"max_groups", "10000000", .type = KEY_COUNT64, .min = 1, .max = INT64_C(4000000000),
		IN(query_spec, max_groups)},
};

#define N_OF(keys) (sizeof(keys) / sizeof((keys)[0]))

_Static_assert(N_OF(tallyd_keys) <= CONFIG_MAX_KEYS, "raise CONFIG_MAX_KEYS");
_Static_assert(N_OF(source_keys) <= CONFIG_MAX_KEYS, "raise CONFIG_MAX_KEYS");
_Static_assert(N_OF(query_keys) <= CONFIG_MAX_KEYS, "raise CONFIG_MAX_KEYS");
/* KEY_CHOICE stores an int through the offset of an enum. */
_Static_assert(sizeof(enum time_unit) == sizeof(int), "enums are ints here");

static const struct {
	const char *name;
	const struct config_key *keys;
	size_t n;
} scopes[SCOPES] = {
	[SCOPE_TALLYD] = {"tallyd", tallyd_keys, N_OF(tallyd_keys)},
	[SCOPE_HTTP] = {"http", http_keys, N_OF(http_keys)},
	[SCOPE_SOURCE] = {"source", source_keys, N_OF(source_keys)},
	[SCOPE_QUERY] = {"query", query_keys, N_OF(query_keys)},
};

const struct config_key *config_keys(enum config_scope scope, size_t *n)
{
	*n = scopes[scope].n;
	return scopes[scope].keys;
}

size_t config_key_find(enum config_scope scope, const char *name)
{
	for (size_t i = 0; i < scopes[scope].n; i++)
		if (strcmp(scopes[scope].keys[i].name, name) == 0)
			return i;
	return SIZE_MAX;
}

const char *config_scope_name(enum config_scope scope)
{
	return scopes[scope].name;
}
