/*
 * The command line of tallyd: what is to be done, and which values it sets.
 *
 * Only the form is judged here (ERR_USAGE, exit status 64); what the values
 * mean is the configuration's business. Texts are borrowed from argv, so the
 * options live as long as it does.
 */
#ifndef DAEMON_OPTIONS_H
#define DAEMON_OPTIONS_H

#include "base/err.h"
#include "daemon/config.h"

#include <stdbool.h>
#include <stddef.h>

enum action {
	ACTION_SERVE,
	ACTION_AVAILABLE_NOW, /* take what is there, make it durable, exit */
	ACTION_CHECK_CONFIG,
	ACTION_PRINT_CONFIG,
	ACTION_FORGET,
	ACTION_VERSION,
	ACTION_HELP,
};

struct options {
	enum action action;
	const char *sql;    /* --sql; NULL: none */
	const char *forget; /* --forget; NULL: none */
	bool rebuild;
	bool verbose;
	struct config_request config;
	struct config_override *overrides; /* owned; what config.overrides points to */
};

int options_parse(struct options *options, int argc, char **argv, struct err *err)
	__attribute__((warn_unused_result));
void options_fini(struct options *options);

/* What --help prints. */
const char *options_help(void);

#endif
