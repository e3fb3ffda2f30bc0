/*
 * The configuration as texts: which sections there are, what was written for
 * each key, and where. Knows names and keys, not what values mean.
 */
#ifndef DAEMON_CONFIG_TEXT_H
#define DAEMON_CONFIG_TEXT_H

#include "base/err.h"
#include "daemon/config_keys.h"
#include "stream/spec.h"

#include <stddef.h>

#define CONFIG_ORIGIN_BYTES 256

struct config_value {
	char *text; /* NULL: not written, the default holds */
	char origin[CONFIG_ORIGIN_BYTES]; /* FILE:LINE, --set, $VARIABLE */
};

struct config_section {
	enum config_scope scope;
	char name[SPEC_NAME_BYTES]; /* of the source or query; else the scope's */
	char origin[CONFIG_ORIGIN_BYTES]; /* FILE:LINE of its header, or `default` */
	struct config_value values[CONFIG_MAX_KEYS]; /* by the key's index */
};

struct config_text {
	struct config_section **sections; /* [tallyd] and [http] first, then as written */
	size_t n_sections, cap_sections;
};

int config_text_init(struct config_text *text, struct err *err) __attribute__((warn_unused_result));
void config_text_fini(struct config_text *text);

/*
 * A section by its header's words (`source`, `events`); `name` NULL for tallyd
 * and http. Refuses bad and repeated names.
 */
int config_text_open(struct config_text *text, const char *scope, const char *name,
	const char *origin, struct config_section **section, struct err *err)
	__attribute__((warn_unused_result));

/* By a name without its kind, as --set has it. */
struct config_section *config_text_find(const struct config_text *text, const char *name);

/* A section's value; a key that is written already is refused unless `again`. */
int config_section_set(struct config_section *section, const char *key, const char *value,
	const char *origin, bool again, struct err *err) __attribute__((warn_unused_result));

/*
 * The text that holds: what was written, else the default; never NULL once
 * config_default_paths ran.
 */
const char *config_section_text(const struct config_section *section, size_t key);
const char *config_section_origin(const struct config_section *section, size_t key);

/* [source events] where no source is named, [query counts] where no query is. */
int config_text_complete(struct config_text *text, struct err *err)
	__attribute__((warn_unused_result));

#endif
