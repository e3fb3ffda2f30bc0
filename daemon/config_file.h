/* The configuration file: INI, read with inih into texts with their lines. */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include "base/err.h"
#include "daemon/config_text.h"

/* The longest line; what a person writes is far shorter. */
#define CONFIG_LINE_BYTES 4096
#define CONFIG_FILE_BYTES (1024 * 1024)

/* ERR_CONFIG with `FILE:LINE: …` for everything in the file, `FILE: …` for what cannot be read. */
int config_file_read(struct config_text *text, const char *path, struct err *err)
	__attribute__((warn_unused_result));

#endif
