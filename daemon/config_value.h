/*
 * One text of the configuration becomes one value, by its key's type and
 * range. Knows nothing of other keys.
 */
#ifndef DAEMON_CONFIG_VALUE_H
#define DAEMON_CONFIG_VALUE_H

#include "base/err.h"
#include "daemon/config_text.h"

#include <stdint.h>

/*
 * Writes every value of the section but the KEY_JUDGED ones into `target`
 * (struct config, source_spec or query_spec, by the section's scope). Texts
 * are copied. The sentence is `ORIGIN: SECTION.KEY: …`.
 */
int config_values_read(const struct config_section *section, void *target, struct err *err)
	__attribute__((warn_unused_result));

/* Frees the texts that config_values_read made. */
void config_values_free(enum config_scope scope, void *target);

/*
 * `ORIGIN: SECTION.KEY: ` and the sentence; returns ERR_CONFIG. The origin of a key that was not
 * written is its section's, and is left out where nobody wrote that either.
 */
int config_refuse(const struct config_section *section, const char *key, struct err *err,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* An absolute path, tidied as a text (no double or final slash, no `.`); the caller frees it. */
int config_path_read(const struct config_section *section, const char *key, const char *text,
	char **path, struct err *err) __attribute__((warn_unused_result));

#endif
