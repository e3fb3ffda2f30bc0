/*
 * The command line of tallyd, read with getopt_long. The short forms of
 * --set become overrides here, so the configuration knows only those.
 */
#include "daemon/options.h"

#include "base/mem.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum long_only { OPT_AVAILABLE_NOW = 256, OPT_SQL, OPT_CHECK, OPT_PRINT, OPT_FORGET, OPT_REBUILD };

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"events", required_argument, NULL, 'e'},
	{"socket", required_argument, NULL, 's'},
	{"state-dir", required_argument, NULL, 'd'},
	{"set", required_argument, NULL, 'o'},
	{"available-now", no_argument, NULL, OPT_AVAILABLE_NOW},
	{"sql", required_argument, NULL, OPT_SQL},
	{"check-config", no_argument, NULL, OPT_CHECK},
	{"print-config", no_argument, NULL, OPT_PRINT},
	{"forget", required_argument, NULL, OPT_FORGET},
	{"rebuild", no_argument, NULL, OPT_REBUILD},
	{"verbose", no_argument, NULL, 'v'},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

const char *options_help(void)
{
	return "Usage: tallyd --events DIR [--socket PATH] [--state-dir DIR] [--set "
	       "SECTION.KEY=VALUE]...\n"
	       "       tallyd --config FILE\n"
	       "Keeps a table of counts over a directory of events and answers SQL about it.\n\n"
	       "  -c, --config FILE        read FILE (default /etc/tallyd/tallyd.conf, where it "
	       "exists)\n"
	       "  -e, --events DIR         the same as --set events.path=DIR\n"
	       "  -s, --socket PATH        the same as --set tallyd.socket=PATH\n"
	       "  -d, --state-dir DIR      the same as --set tallyd.state_dir=DIR\n"
	       "  -o, --set SECTION.KEY=VALUE   SECTION is a source's or a query's name, tallyd or "
	       "http\n"
	       "      --available-now      take what is there, make it durable, exit\n"
	       "      --sql TEXT           with --available-now: then answer TEXT on standard "
	       "output\n"
	       "      --check-config       read and judge the configuration, exit 0 or 78\n"
	       "      --print-config       print the effective configuration, each value with its "
	       "origin\n"
	       "      --forget NAME        drop a removed query's counts from the checkpoint, "
	       "exit\n"
	       "      --rebuild            start although the checkpoint is lost and some counted "
	       "files\n"
	       "                           are gone: count what is there\n"
	       "  -v, --verbose            log what is done in detail\n"
	       "  -V, --version            print the version and exit\n"
	       "  -h, --help               print this and exit\n\n"
	       "Exit status: 0 done; 64 the command line is wrong; 78 the configuration, a "
	       "directory or\n"
	       "the checkpoint needs a person; 1 anything else.\n";
}

static int override_add(struct options *options, size_t *cap, const char *section, const char *key,
	const char *value, const char *origin, struct err *err)
{
	size_t n = options->config.n_overrides;

	if (!mem_grow(&options->overrides, cap, n + 1, sizeof(*options->overrides)))
		return err_nomem(err);
	options->overrides[n] = (struct config_override){section, key, value, origin};
	options->config.n_overrides = n + 1;
	return 0;
}

/* SECTION.KEY=VALUE is cut in place: argv is ours to write to. */
static int set_parse(struct options *options, size_t *cap, char *text, struct err *err)
{
	char *equals = strchr(text, '=');
	char *dot = strchr(text, '.');

	if (equals == NULL || dot == NULL || dot > equals || dot == text || dot + 1 == equals)
		return err_set(err, ERR_USAGE,
			"--set %s: SECTION.KEY=VALUE is wanted, such as counts.window='10 minutes'",
			text);
	*dot = '\0';
	*equals = '\0';
	return override_add(options, cap, text, dot + 1, equals + 1, "--set", err);
}

static int action_set(struct options *options, enum action action, struct err *err)
{
	if (options->action != ACTION_SERVE && options->action != action)
		return err_set(err, ERR_USAGE,
			"one of --available-now, --check-config, --print-config and --forget at a "
			"time, please");
	options->action = action;
	return 0;
}

static int option_take(
	struct options *options, size_t *cap, int option, char *const *argv, struct err *err)
{
	switch (option) {
	case 'c':
		options->config.file = optarg;
		return optarg[0] != '\0' ? 0 : err_set(err, ERR_USAGE, "--config wants a file");
	case 'e': return override_add(options, cap, "events", "path", optarg, "--events", err);
	case 's': return override_add(options, cap, "tallyd", "socket", optarg, "--socket", err);
	case 'd':
		return override_add(
			options, cap, "tallyd", "state_dir", optarg, "--state-dir", err);
	case 'o': return set_parse(options, cap, optarg, err);
	case OPT_AVAILABLE_NOW: return action_set(options, ACTION_AVAILABLE_NOW, err);
	case OPT_SQL: options->sql = optarg; return 0;
	case OPT_CHECK: return action_set(options, ACTION_CHECK_CONFIG, err);
	case OPT_PRINT: return action_set(options, ACTION_PRINT_CONFIG, err);
	case OPT_FORGET: options->forget = optarg; return action_set(options, ACTION_FORGET, err);
	case OPT_REBUILD: options->rebuild = true; return 0;
	case 'v': options->verbose = true; return 0;
	case 'V': options->action = ACTION_VERSION; return 0;
	case 'h': options->action = ACTION_HELP; return 0;
	case ':': return err_set(err, ERR_USAGE, "%s wants a value", argv[optind - 1]);
	default:
		return err_set(
			err, ERR_USAGE, "%s: no such option; see tallyd --help", argv[optind - 1]);
	}
}

static bool has_events(const struct options *options)
{
	for (size_t i = 0; i < options->config.n_overrides; i++)
		if (strcmp(options->overrides[i].origin, "--events") == 0)
			return true;
	return false;
}

static int options_judge(const struct options *options, int argc, char **argv, struct err *err)
{
	if (options->action == ACTION_VERSION || options->action == ACTION_HELP)
		return 0;
	if (optind < argc)
		return err_set(err, ERR_USAGE,
			"%s: not an option; the directory of events goes behind --events",
			argv[optind]);
	if (options->sql != NULL && options->action != ACTION_AVAILABLE_NOW)
		return err_set(err, ERR_USAGE, "--sql goes with --available-now");
	if (options->rebuild && options->action != ACTION_SERVE &&
		options->action != ACTION_AVAILABLE_NOW)
		return err_set(err, ERR_USAGE, "--rebuild goes with a start or --available-now");
	return 0;
}

int options_parse(struct options *options, int argc, char **argv, struct err *err)
{
	size_t cap = 0;
	int option, rc = 0;

	memset(options, 0, sizeof(*options));
	optind = 0; /* so that tests may parse more than once */
	while (rc == 0 &&
		(option = getopt_long(argc, argv, ":c:e:s:d:o:vVh", long_options, NULL)) != -1) {
		rc = option_take(options, &cap, option, argv, err);
		if (options->action == ACTION_VERSION || options->action == ACTION_HELP)
			break;
	}
	if (rc == 0)
		rc = options_judge(options, argc, argv, err);
	if (rc != 0) {
		options_fini(options);
		return rc;
	}
	options->config.overrides = options->overrides;
	options->config.read_default_file = options->config.file == NULL && !has_events(options);
	return 0;
}

void options_fini(struct options *options)
{
	free(options->overrides);
	options->overrides = NULL;
	options->config.n_overrides = 0;
}
