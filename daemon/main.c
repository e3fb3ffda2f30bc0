/* The life of the process, from its options to its exit status. */
#include "base/buf.h"
#include "daemon/config.h"
#include "daemon/log.h"
#include "daemon/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static int exit_status(int code)
{
	switch (code) {
	case 0: return EXIT_SUCCESS;
	case ERR_USAGE: return EX_USAGE;
	case ERR_CONFIG:
	case ERR_CORRUPT:
	case ERR_VERSION: return EX_CONFIG;
	default: return EXIT_FAILURE;
	}
}

/* On standard output; a full disk or a closed pipe is a failure. */
static int text_print(const char *text, size_t len, struct err *err)
{
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
		return err_set(err, ERR_IO, "standard output: cannot write");
	return 0;
}

static int config_show(const struct config *config, struct err *err)
{
	struct buf text = {0};

	config_print(config, &text);
	int rc = buf_ok(&text) ? text_print(text.data, text.len, err) : err_nomem(err);
	buf_fini(&text);
	return rc;
}

static int run(const struct options *options, struct err *err)
{
	struct config *config;

	if (config_read(&config, &options->config, err) != 0)
		return err->code;
	int rc = 0;
	switch (options->action) {
	case ACTION_PRINT_CONFIG: rc = config_show(config, err); break;
	case ACTION_CHECK_CONFIG: rc = config_check_directories(config, err); break;
	default: break;
	}
	config_unref(config);
	return rc;
}

int main(int argc, char **argv)
{
	struct options options;
	struct err err = ERR_INIT;

	int rc = options_parse(&options, argc, argv, &err);
	if (rc == 0 && options.action == ACTION_HELP) {
		fputs(options_help(), stdout);
	} else if (rc == 0 && options.action == ACTION_VERSION) {
		puts(PACKAGE_STRING);
	} else if (rc == 0) {
		rc = run(&options, &err);
		options_fini(&options);
	}
	if (rc != 0)
		fprintf(stderr, "tallyd: %s\n", err.text);
	return exit_status(rc);
}
