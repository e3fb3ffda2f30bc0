/*
 * What single values cannot tell: keys that depend on other keys, on other
 * sections, or on the environment. Runs after config_values_read.
 */
#ifndef DAEMON_CONFIG_JUDGE_H
#define DAEMON_CONFIG_JUDGE_H

#include "base/err.h"
#include "daemon/config.h"
#include "daemon/config_text.h"

/*
 * Fills in socket and state_dir where nothing was written, from the
 * environment, with the origin.
 */
int config_default_paths(struct config_text *text, struct err *err)
	__attribute__((warn_unused_result));

/* socket_group, postgres, http's listen; lengths of socket paths; the zone. */
int config_judge_daemon(struct config *config, const struct config_section *tallyd,
	const struct config_section *http, struct err *err) __attribute__((warn_unused_result));

int config_judge_source(struct source_spec *source, const struct config_section *section,
	struct err *err) __attribute__((warn_unused_result));

/* The query's source, fields and windows. Its sources are all in `spec` already. */
int config_judge_query(const struct spec *spec, struct query_spec *query,
	const struct config_section *section, struct err *err) __attribute__((warn_unused_result));

/* group_by's text: paths and columns, with the rules for columns of one table. */
int config_judge_fields(struct query_spec *query, const struct config_section *section,
	struct err *err) __attribute__((warn_unused_result));

/* Columns of two queries that share a source's events table. */
int config_judge_shared_columns(const struct spec *spec, size_t query,
	const struct config_section *section, struct err *err) __attribute__((warn_unused_result));

#endif
