/*
 * The run-time parameters of one PostgreSQL session: what SET gives, SHOW
 * answers and RESET forgets. A table of known names with their defaults; names
 * that PostgreSQL knows and tallyd has no use for are kept as they are given.
 * Knows no protocol. One thread.
 */
#ifndef DAEMON_PG_SETTINGS_H
#define DAEMON_PG_SETTINGS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define PG_SETTING_BYTES 128

struct pg_setting {
	char name[64];
	char value[PG_SETTING_BYTES];
};

/* Zero initialisation is every default. At most PG_SETTINGS_MAX differ from it. */
#define PG_SETTINGS_MAX 32
struct pg_settings {
	struct pg_setting changed[PG_SETTINGS_MAX];
	size_t n_changed;
	char timezone[PG_SETTING_BYTES]; /* what RESET goes back to; "": UTC */
};

/* The value; NULL for a name that is neither known nor set. The name's case does not matter. */
const char *pg_settings_get(const struct pg_settings *settings, const char *name);

/* True: clients are told of its changes by ParameterStatus; *canonical is its spelling. */
bool pg_setting_is_reported(const char *name, const char **canonical);

/* The i-th known name, for SHOW ALL and start-up; NULL behind the last. */
const char *pg_setting_name_at(size_t i);

/*
 * ERR_INVALID for a value that it cannot have (client_encoding, DateStyle),
 * ERR_DENIED for one that cannot be set, ERR_LIMIT for too many.
 */
int pg_settings_set(struct pg_settings *settings, const char *name, const char *value,
	struct err *err) __attribute__((warn_unused_result));

/* Back to the default; NULL: all. */
void pg_settings_reset(struct pg_settings *settings, const char *name);

#endif
