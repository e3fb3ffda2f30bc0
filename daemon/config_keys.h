/*
 * Every key of the configuration, in one table: its section, its type, its
 * default, its range, and where its value goes. Reading, judging, printing and
 * the sentences about what would be right all follow this table.
 */
#ifndef DAEMON_CONFIG_KEYS_H
#define DAEMON_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_scope { SCOPE_TALLYD, SCOPE_HTTP, SCOPE_SOURCE, SCOPE_QUERY, SCOPES };

enum config_type {
	KEY_TEXT,     /* char *, not empty */
	KEY_PATH,     /* char *, absolute */
	KEY_SWITCH,   /* bool */
	KEY_COUNT,    /* int */
	KEY_COUNT64,  /* int64_t */
	KEY_SIZE,     /* int64_t, bytes */
	KEY_DURATION, /* int64_t, microseconds */
	KEY_CHOICE,   /* an enum, stored as int; the index into choices */
	KEY_MODE,     /* unsigned, permission bits */
	KEY_JUDGED,   /* its meaning depends on other keys: config_judge.c reads the text */
};

struct config_key {
	const char *name;
	const char *fallback; /* the default as a person would write it; NULL: it depends on the environment */
	const char *const *choices; /* KEY_CHOICE: ends with NULL */
	int64_t min, max;           /* KEY_COUNT to KEY_DURATION */
	int64_t empty;              /* the value of an empty text, where may_be_empty */
	size_t offset;              /* in struct config, struct source_spec or struct query_spec */
	enum config_type type;
	bool may_be_empty;
};

/* More than any section has. */
#define CONFIG_MAX_KEYS 20

const struct config_key *config_keys(enum config_scope scope, size_t *n);

/* The index in its section's keys, or SIZE_MAX. */
size_t config_key_find(enum config_scope scope, const char *name);

/* As written in a file: `tallyd`, `http`, `source`, `query`. */
const char *config_scope_name(enum config_scope scope);

#endif
