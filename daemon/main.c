/*
 * The life of the process, from its options to its exit status: the command
 * line, the configuration, what must be settled before the first thread, and
 * then one of the things that tallyd does.
 */
#include "base/buf.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/once.h"
#include "daemon/options.h"
#include "sql/removed.h"
#include "sql/statement.h"
#include "stream/scan.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

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

/* A descriptor from 0 to 2 that was closed would be given to a file of events or a client. */
static void standard_descriptors_fill(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void process_prepare(const struct config *config, const struct options *options)
{
	struct err level = ERR_INIT;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	/* A write beyond a limit on file sizes fails like any other and is told. */
	signal(SIGXFSZ, SIG_IGN);
	/* An arena for each thread would cost a megabyte each; what is hot does not allocate. */
	(void)mallopt(M_ARENA_MAX, 2);
	/* Left alone, glibc keeps the arrays of a large batch for the next one: 30 MB of a million
	 * groups. */
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 20);
	log_set_level(options->verbose ? LOG_LEVEL_DEBUG : (enum log_level)config->log_level);
	if (scan_check_wanted_level(&level) != 0)
		log_warning("%s", level.text);
}

/* On standard output; a full disk or a closed pipe is a failure. */
static int text_print(const char *text, size_t len, struct err *err)
{
	if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
		return err_set(err, ERR_IO, "standard output: cannot write");
	return 0;
}

/* What cannot be read is left out: a configuration is shown without a checkpoint too. */
static void removed_print(const struct config *config, struct buf *text)
{
	struct err unused = ERR_INIT;
	char **names;
	size_t n;

	if (removed_queries(config->state_dir, &config->spec, &names, &n, &unused) != 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		buf_printf(text,
			"%s# query %s: removed, its counts are kept in %s until tallyd --forget "
			"%s\n",
			i == 0 ? "\n" : "", names[i], config->state_dir, names[i]);
		free(names[i]);
	}
	free(names);
}

static int config_show(const struct config *config, struct err *err)
{
	struct buf text = {0};

	config_print(config, &text);
	removed_print(config, &text);
	int rc = buf_ok(&text) ? text_print(text.data, text.len, err) : err_nomem(err);
	buf_fini(&text);
	return rc;
}

static int run(const struct options *options, struct err *err)
{
	struct config *config;
	int rc;

	if (options->action == ACTION_SERVE)
		daemon_keep_hangup();
	if (config_read(&config, &options->config, err) != 0)
		return err->code;
	process_prepare(config, options);
	if (options->action == ACTION_SERVE) {
		rc = sql_init(err);
		if (rc == 0)
			return daemon_run(config, options, err);
	} else if (options->action == ACTION_PRINT_CONFIG) {
		rc = sql_init(err);
		if (rc == 0)
			rc = config_show(config, err);
	} else if (options->action == ACTION_CHECK_CONFIG) {
		rc = config_check_directories(config, err);
	} else {
		rc = sql_init(err);
		if (rc == 0 && options->action == ACTION_FORGET)
			rc = once_forget(config, options->forget, err);
		else if (rc == 0)
			rc = once_available_now(config, options->rebuild, options->sql, err);
	}
	config_unref(config);
	return rc;
}

int main(int argc, char **argv)
{
	struct options options;
	struct err err = ERR_INIT;

	standard_descriptors_fill();
	log_init();
	int rc = options_parse(&options, argc, argv, &err);
	if (rc == 0 && options.action == ACTION_HELP) {
		rc = text_print(options_help(), strlen(options_help()), &err);
	} else if (rc == 0 && options.action == ACTION_VERSION) {
		rc = text_print(PACKAGE_STRING "\n", strlen(PACKAGE_STRING "\n"), &err);
	} else if (rc == 0) {
		notify_init();
		rc = run(&options, &err);
	}
	options_fini(&options);
	if (rc != 0)
		log_error("%s", err.text);
	return exit_status(rc);
}
